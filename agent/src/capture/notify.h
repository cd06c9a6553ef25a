/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NFVCAP_NOTIFY_H
#define NFVCAP_NOTIFY_H

/* systemd's notification protocol; silent when the service manager did not ask for it. */
void notify_ready(const char *status);
void notify_stopping(void);
void notify_watchdog(void);

#endif
