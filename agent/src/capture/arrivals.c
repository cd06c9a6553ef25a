/* SPDX-License-Identifier: Apache-2.0 */
#include "arrivals.h"

uint64_t arrivals_to_stamps(uint64_t *arrivals, unsigned n, uint64_t system_now_ns, uint64_t our_now_ns, uint64_t last)
{
    for (unsigned i = 0; i < n; i++) {
        int64_t age = (int64_t)(system_now_ns - arrivals[i]);
        uint64_t stamp = age > 0 ? our_now_ns - (uint64_t)age : our_now_ns;
        last = arrivals[i] = stamp > last ? stamp : last;
    }
    return last;
}
