/* SPDX-License-Identifier: Apache-2.0 */
/* A file looked at where it lies in memory is the file that reading it gives, and may be cut meanwhile. */
#include "offline/source_map.h"

#include "frames.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_BYTES ((size_t)20 << 20 | 4096 | 77) /* three windows; the last page is not full */

static uint8_t *content;
static int file;

static int set_up(void **state)
{
    content = malloc(FILE_BYTES);
    file = memfd_create("nfvcap-test", MFD_CLOEXEC);
    for (size_t i = 0; i < FILE_BYTES; i++)
        content[i] = (uint8_t)(i * 31 + (i >> 12) + 1);
    return write(file, content, FILE_BYTES) == (ssize_t)FILE_BYTES ? 0 : -1;
}

static int tear_down(void **state)
{
    close(file);
    free(content);
    return 0;
}

static void test_only_memory_is_worth_it(void **state)
{
    char name[] = "/proc/self/status";
    FILE *other = fopen(name, "re");

    assert_true(source_map_worthwhile(file));
    assert_false(source_map_worthwhile(fileno(other)));
    fclose(other);
}

/* Steps of all sizes, each in one stretch, with the slack behind it. */
static void walk(uint64_t from, uint64_t to, size_t step)
{
    struct source_options options = {.from = from, .to = to, .map = true};
    struct source s;
    uint64_t at = from;

    assert_true(source_open_fd(&s, file, &options));
    while (at < to) {
        size_t want = to - at < step ? (size_t)(to - at) : step;

        assert_true(source_want(&s, step) >= want);
        assert_int_equal(source_offset(&s, s.next), at);
        assert_memory_equal(s.next, content + at, want);
        for (unsigned i = 0; i < SOURCE_SLACK; i++)
            (void)*(volatile const uint8_t *)(s.end + i);
        s.next += want;
        at += want;
    }
    assert_int_equal(source_want(&s, 1), 0);
    assert_int_equal(s.error, 0);
    assert_false(source_map_was_cut(&s));
    source_close(&s);
}

static void test_windows_join(void **state)
{
    static const size_t steps[] = {SOURCE_STRETCH_MAX, 4096, 777777, 100001};

    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        walk(0, FILE_BYTES, steps[i]);
        walk(24, FILE_BYTES, steps[i]);
        walk(5000000, 15000001, steps[i]);
        walk((size_t)8 << 20, (size_t)16 << 20, steps[i]);
        walk(FILE_BYTES - 1, FILE_BYTES, steps[i]);
    }
}

static void test_skipping(void **state)
{
    struct source_options options = {.from = 3, .to = FILE_BYTES, .map = true};
    struct source s;

    assert_true(source_open_fd(&s, file, &options));
    assert_true(source_skip(&s, 17000000));
    assert_int_equal(source_want(&s, 100) >= 100, 1);
    assert_memory_equal(s.next, content + 17000003, 100);
    assert_false(source_skip(&s, FILE_BYTES));
    source_close(&s);
}

static void test_cut_meanwhile(void **state)
{
    struct source_options options = {.to = FILE_BYTES, .map = true};
    static const size_t left[] = {4096 * 3, 4096 * 3 + 10, (size_t)9 << 20};
    struct source s;
    size_t zeros;

    for (unsigned i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        assert_true(source_open_fd(&s, file, &options));
        assert_true(source_want(&s, SOURCE_STRETCH_MAX) >= SOURCE_STRETCH_MAX);
        assert_int_equal(ftruncate(file, (off_t)left[i]), 0);
        zeros = 0;
        for (uint64_t at = 0; source_want(&s, 1) != 0; at++, s.next++)
            if (at < left[i])
                assert_int_equal(*s.next, content[at]);
            else
                zeros += *s.next == 0;
        assert_int_equal(zeros, FILE_BYTES - left[i]);
        assert_true(source_map_was_cut(&s));
        source_close(&s);
        assert_int_equal(pwrite(file, content, FILE_BYTES, 0), FILE_BYTES);
    }
}

static void test_other_faults_still_end_the_program(void **state)
{
    struct source_options options = {.to = FILE_BYTES, .map = true};
    int other = memfd_create("nfvcap-test", MFD_CLOEXEC), status;
    struct source s;
    pid_t child;

    assert_true(source_open_fd(&s, file, &options));
    child = fork();
    if (child == 0) {
        const volatile char *nothing = mmap(NULL, 4096, PROT_READ, MAP_SHARED, other, 0);

        (void)*nothing;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    source_close(&s);
    close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_memory_is_worth_it),
        cmocka_unit_test(test_windows_join),
        cmocka_unit_test(test_skipping),
        cmocka_unit_test(test_cut_meanwhile),
        cmocka_unit_test(test_other_faults_still_end_the_program),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
