/* SPDX-License-Identifier: Apache-2.0 */
#include "generate/destinations.h"

#include "frames.h"

static struct destinations d;
static const struct frame_layout common = {
    .dst_mac = {2, 0, 0, 0, 0, 2}, .src_mac = {2, 0, 0, 0, 0, 1}, .dst_ip = 0xc6130002};

static void begin(unsigned n_macs)
{
    memset(&d, 0, sizeof(d));
    for (unsigned i = 0; i < n_macs; i++) {
        char mac[32];

        snprintf(mac, sizeof(mac), "02:00:00:81:%02x:%02X", i >> 8, i & 0xffu);
        assert_null(destinations_add_mac(&d, mac));
    }
}

static void tag(const char *ids)
{
    assert_null(destinations_add_tags(&d, ids));
}

static void assert_tags(unsigned i, unsigned n, unsigned outer, unsigned inner)
{
    const struct frame_layout *layout = &d.layout[i];

    assert_int_equal(layout->tags, n);
    assert_int_equal(layout->tag_control[0], outer);
    assert_int_equal(layout->tag_control[1], inner);
    if (n != 0)
        assert_int_equal(layout->tag_type[0], n == 2 ? 0x88a8 : 0x8100);
}

static void test_nothing_given(void **state)
{
    begin(0);
    assert_null(destinations_complete(&d, &common));
    assert_int_equal(d.n, 1);
    assert_memory_equal(&d.layout[0], &common, sizeof(common));
}

static void test_each_has_its_own_tags(void **state)
{
    begin(3);
    tag("100");
    tag("none");
    tag("10,4094");
    assert_null(destinations_complete(&d, &common));
    assert_tags(0, 1, 100, 0);
    assert_tags(1, 0, 0, 0);
    assert_tags(2, 2, 10, 4094);
    assert_true(d.fewest_tags == 0 && d.most_tags == 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(d.layout[i].dst_mac[5], i);
        assert_memory_equal(d.layout[i].src_mac, common.src_mac, 6);
        assert_int_equal(d.layout[i].dst_ip, common.dst_ip);
    }
}

static void test_tags_given_once_are_for_all(void **state)
{
    begin(DESTINATIONS_MAX);
    tag("7");
    assert_null(destinations_complete(&d, &common));
    assert_tags(0, 1, 7, 0);
    assert_tags(DESTINATIONS_MAX - 1, 1, 7, 0);
    assert_true(d.fewest_tags == 1 && d.most_tags == 1);
    begin(0);
    tag("7,8");
    assert_null(destinations_complete(&d, &common));
    assert_tags(0, 2, 7, 8);
    assert_memory_equal(d.layout[0].dst_mac, common.dst_mac, 6);
}

static void test_refused(void **state)
{
    static const char *const ids[] = {"", "4095", "1,4095", "1,", ",1", "1,2,3", "-1", "+1", "x", "None", "none,1"};
    static const char *const macs[] = {"", "02", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:0g"};

    begin(0);
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        assert_non_null(destinations_add_tags(&d, ids[i]));
    for (unsigned i = 0; i < sizeof(macs) / sizeof(macs[0]); i++)
        assert_non_null(destinations_add_mac(&d, macs[i]));
    begin(3);
    tag("1");
    tag("2");
    assert_string_equal(destinations_complete(&d, &common), "there are 2 --vlan for 3 --dst-mac");
    begin(0);
    tag("1");
    tag("2");
    assert_string_equal(destinations_complete(&d, &common), "there are 2 --vlan for 1 --dst-mac");
    begin(DESTINATIONS_MAX);
    assert_non_null(strstr(destinations_add_mac(&d, "02:00:00:00:00:01"), "256"));
    for (unsigned i = 0; i < DESTINATIONS_MAX; i++)
        tag("1");
    assert_non_null(strstr(destinations_add_tags(&d, "1"), "256"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_given),
        cmocka_unit_test(test_each_has_its_own_tags),
        cmocka_unit_test(test_tags_given_once_are_for_all),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
