/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What DPDK's memif driver gets wrong when its peer goes, mended from outside: the linker sends these calls to here
 * first (--wrap).
 */
#include "quiesce.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

void __real_memif_free_regions(void *device) __attribute__((weak));
void __wrap_memif_free_regions(void *device);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

/*
 * The interrupt thread marks the device as disconnected and at once unmaps the rings that both sides share. A receive
 * or transmit call that had looked at the mark just before reads memory that is gone: SIGSEGV. Wait for such calls.
 */
void __wrap_memif_free_regions(void *device)
{
    quiesce_wait();
    __real_memif_free_regions(device);
}

static bool is_seqpacket(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

/*
 * A peer that is gone before it was greeted: the driver closes the socket and forgets to take it out of the interrupt
 * thread's list, which panics. Say that the greeting was sent (memif alone has such sockets); the end of file that
 * comes next is treated as it should be.
 */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = __real_sendmsg(fd, message, flags);
    if (sent >= 0 || (errno != EPIPE && errno != ECONNRESET) || !is_seqpacket(fd))
        return sent;
    sent = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        sent += (ssize_t)message->msg_iov[i].iov_len;
    return sent;
}
