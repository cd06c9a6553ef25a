/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/file_set.h"

static const char *name(struct file_set_config config)
{
    static char path[FILE_PATH_MAX];
    struct file_set set;
    file_set_init(&set, &config);
    set.number = 7;
    file_set_next(&set, 1706745599000000000ull, path); /* 2024-01-31 23:59:59 UTC */
    return path;
}

static void test_names(void **state)
{
    struct file_set_config c = {.pattern = "/d/x.pcap", .port = 2, .queue = 3};
    assert_string_equal(name(c), "/d/x.pcap");
    c.rotates = true;
    assert_string_equal(name(c), "/d/x-000007.pcap");
    c.many_queues = true;
    assert_string_equal(name(c), "/d/x-q3-000007.pcap");
    c.many_ports = true;
    assert_string_equal(name(c), "/d/x-p2q3-000007.pcap");
    c.pattern = "/d/%t-%q.pcap";
    assert_string_equal(name(c), "/d/20240131T235959Z-3-p2-000007.pcap");
    c.pattern = "/d.d/p%p%%q%q_%n";
    assert_string_equal(name(c), "/d.d/p2%q3_000007");
    c.pattern = "/d.d/.hidden";
    assert_string_equal(name(c), "/d.d/.hidden-p2q3-000007");
}

static void test_patterns(void **state)
{
    const char *why = NULL;
    assert_true(file_pattern_valid("/a/b%n.pcap", &why));
    assert_false(file_pattern_valid("/a/", &why));
    assert_false(file_pattern_valid("", &why));
    assert_false(file_pattern_valid("/a/%", &why));
    assert_false(file_pattern_valid("/a/%d", &why));
    assert_true(file_pattern_valid("/a/%%%%%%%t%t%t%n%n%p%q.pcap", &why));
    char codes[801]; /* short as it stands, and longer than a path when they are filled in */
    for (unsigned i = 0; i < 800; i += 2) {
        codes[i] = '%';
        codes[i + 1] = 'n';
    }
    codes[800] = '\0';
    assert_false(file_pattern_valid(codes, &why));
    assert_non_null(why);
}

static unsigned evict_all(struct file_set *set, uint32_t n_open, uint64_t open_bytes)
{
    unsigned n = 0;
    for (struct closed_file *f; (f = file_set_evict(set, n_open, open_bytes)) != NULL; n++)
        free(f);
    return n;
}

static void test_max_files(void **state)
{
    struct file_set_config c = {.pattern = "x", .max_files = 3};
    struct file_set set;
    file_set_init(&set, &c);
    for (int i = 0; i < 5; i++) {
        char path[2] = {(char)('a' + i), 0};
        evict_all(&set, 1, 0);
        file_set_closed(&set, path, 10, NULL);
        assert_true(set.n_closed <= 3);
    }
    assert_string_equal(set.oldest->path, "c");
    assert_int_equal(evict_all(&set, 2, 0), 2);
    assert_string_equal(set.oldest->path, "e");
    assert_ptr_equal(set.oldest, set.newest);
    file_set_destroy(&set);
}

static void test_quota(void **state)
{
    struct file_set_config c = {.pattern = "x", .quota_bytes = 100};
    struct file_set set;
    file_set_init(&set, &c);
    file_set_closed(&set, "a", 40, NULL);
    file_set_closed(&set, "b", 40, NULL);
    assert_int_equal(evict_all(&set, 1, 20), 0);
    assert_int_equal(evict_all(&set, 1, 30), 1);
    assert_int_equal(set.closed_bytes, 40);
    assert_int_equal(evict_all(&set, 1, 1000), 1); /* everything goes, and then it is enough */
    assert_null(set.oldest);
    file_set_destroy(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_max_files),
        cmocka_unit_test(test_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
