/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_FAKE_VF_H
#define NFVCAP_FAKE_VF_H

#include <rte_ethdev.h>

/* What of the VF shows where fake_nic.c stands in for the driver. */
void fake_vf_describe(struct rte_eth_dev_info *info);
void fake_vf_configure(struct rte_eth_conf *conf);

#endif
