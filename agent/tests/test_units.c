/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "units.h"

static void test_bytes(void **state)
{
    uint64_t v = 7;
    assert_true(parse_bytes("4096", &v) && v == 4096);
    assert_true(parse_bytes("64K", &v) && v == 65536);
    assert_true(parse_bytes("1.5M", &v) && v == 1572864);
    assert_true(parse_bytes("16GiB", &v) && v == 16ull << 30);
    v = 7;
    assert_false(parse_bytes("", &v));
    assert_false(parse_bytes("-1", &v));
    assert_false(parse_bytes("64Q", &v));
    assert_false(parse_bytes("99999999999999T", &v));
    assert_int_equal(v, 7);
}

static void test_duration(void **state)
{
    uint64_t v = 0;
    assert_true(parse_duration("5", &v) && v == 5000000000ull);
    assert_true(parse_duration("0.25", &v) && v == 250000000ull);
    assert_true(parse_duration("500ms", &v) && v == 500000000ull);
    assert_true(parse_duration("2m", &v) && v == 120000000000ull);
    assert_false(parse_duration("5 s", &v));
}

static void test_cpu_list(void **state)
{
    bool cpus[8];
    assert_true(parse_cpu_list("0,2-4", cpus, 8));
    assert_true(cpus[0] && !cpus[1] && cpus[2] && cpus[3] && cpus[4] && !cpus[5]);
    assert_false(parse_cpu_list("8", cpus, 8));
    assert_false(parse_cpu_list("3-1", cpus, 8));
    assert_false(parse_cpu_list("1,", cpus, 8));
    assert_false(parse_cpu_list("", cpus, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_cpu_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
