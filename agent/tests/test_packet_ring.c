/* SPDX-License-Identifier: Apache-2.0 */
/* A ring on the loopback interface of a network of its own: each frame is seen there twice, going out and coming in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packet_ring.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LONGEST 60000u
#define TAG 4u

static int sender = -1;
static uint8_t frame[LONGEST];
static const char *why;

static int set_up(void **state)
{
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    struct sockaddr_ll lo = {.sll_family = AF_PACKET};
    if (unshare(CLONE_NEWNET) != 0 || (sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) < 0)
        return 0; /* not allowed to: the tests are skipped */
    lo.sll_ifindex = (int)if_nametoindex("lo");
    if (ioctl(sender, SIOCSIFFLAGS, &up) != 0 || bind(sender, (struct sockaddr *)&lo, sizeof(lo)) != 0)
        return -1;
    for (uint32_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 7 + (i >> 8));
    frame[12] = 0x88;
    frame[13] = 0xb5;
    return 0;
}

static void send_frame(uint32_t number, uint32_t bytes)
{
    memcpy(frame + 20, &number, sizeof(number));
    assert_int_equal(send(sender, frame, bytes, 0), bytes);
}

static uint32_t size_of(uint32_t number)
{
    static const uint32_t sizes[] = {60, 61, 64, 1514, 2048, 9000, LONGEST, 100};
    return sizes[number % 8];
}

/* The next packet, at the latest when the kernel hands over a block that is not full. */
static bool wait_for(struct packet_ring *r)
{
    for (unsigned waited = 0; waited < 5000; waited++) {
        if (packet_ring_ready(r) != 0)
            return true;
        usleep(1000);
    }
    return false;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void open_rings(struct packet_ring *rings, unsigned n)
{
    if (sender < 0)
        skip();
    for (unsigned i = 0; i < n; i++)
        assert_true(packet_ring_open(&rings[i], "lo", 1 << 20, &why));
    send_frame(99, 60); /* comes too early */
    assert_true(packet_rings_start(rings, n, &why));
}

static void test_every_frame_whole(void **state)
{
    static struct packet_ring r;
    uint64_t begin = now_ns(), last = begin;
    open_rings(&r, 1);
    for (uint32_t i = 0; i < 400; i++) { /* several times around */
        send_frame(i, size_of(i));
        for (unsigned twice = 0; twice < 2; twice++) {
            assert_true(wait_for(&r));
            struct packet_view v = packet_ring_look(&r);
            assert_int_equal(v.length, size_of(i));
            assert_int_equal(v.captured, size_of(i));
            assert_memory_equal(v.data, frame, v.captured);
            assert_false(v.tagged);
            assert_true(v.ns >= last && v.ns <= now_ns());
            last = v.ns;
            packet_ring_pass(&r);
        }
    }
    packet_ring_ask(&r);
    assert_int_equal(r.seen, 800);
    assert_int_equal(r.taken, 800);
    assert_int_equal(r.dropped, 0);
    packet_ring_close(&r);
}

static void test_a_tag_is_beside_the_frame(void **state)
{
    static struct packet_ring r;
    uint8_t tagged[100] = {0}, tag[TAG] = {0x88, 0xa8, 0x20, 0x07};
    open_rings(&r, 1);
    memcpy(tagged + 12, tag, TAG);
    tagged[16] = 0x88;
    tagged[17] = 0xb5;
    assert_int_equal(send(sender, tagged, sizeof(tagged), 0), sizeof(tagged));
    for (unsigned twice = 0; twice < 2; twice++) {
        assert_true(wait_for(&r));
        struct packet_view v = packet_ring_look(&r);
        assert_int_equal(v.captured + (v.tagged ? TAG : 0), sizeof(tagged));
        if (v.tagged)
            assert_memory_equal(v.tag, tag, TAG);
        else
            assert_memory_equal(v.data, tagged, sizeof(tagged));
        packet_ring_pass(&r);
    }
    packet_ring_close(&r);
}

static void test_what_does_not_fit_is_counted(void **state)
{
    static struct packet_ring r;
    open_rings(&r, 1);
    for (uint32_t i = 0; i < 3000; i++)
        send_frame(i, 1514);
    while (wait_for(&r)) {
        packet_ring_pass(&r);
        packet_ring_ask(&r);
        if (r.taken + r.dropped == r.seen)
            break;
    }
    assert_int_equal(r.seen, 6000);
    assert_true(r.dropped > 3000 && r.taken > 500);
    assert_int_equal(r.taken + r.dropped, 6000);
    packet_ring_close(&r);
}

static void test_rings_share(void **state)
{
    static struct packet_ring rings[3];
    uint64_t sum = 0;
    open_rings(rings, 3);
    for (uint32_t i = 0; i < 300; i++)
        send_frame(i, 60);
    for (unsigned i = 0; i < 3; i++) {
        packet_ring_ask(&rings[i]);
        sum += rings[i].seen;
        packet_ring_close(&rings[i]);
    }
    assert_int_equal(sum, 600);
}

static void test_what_cannot_be_opened(void **state)
{
    static struct packet_ring r;
    if (sender < 0)
        skip();
    assert_false(packet_ring_open(&r, "no-such-0", 1 << 20, &why));
    assert_non_null(strstr(why, "no such interface"));
    assert_false(packet_ring_open(&r, "lo", (uint64_t)1 << 50, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_whole),
        cmocka_unit_test(test_a_tag_is_beside_the_frame),
        cmocka_unit_test(test_what_does_not_fit_is_counted),
        cmocka_unit_test(test_rings_share),
        cmocka_unit_test(test_what_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
