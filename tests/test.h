// test.h - the few words all tests use. A failed REQUIRE prints where and what, and ends the program with 1; a program that
// ran to its end returns test_exit(). Exit code 77 means skipped.
#ifndef DAUB_TESTS_TEST_H
#define DAUB_TESTS_TEST_H
#include "include/daub.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST_FAIL(...)                                  \
    do {                                                \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
        fprintf(stderr, __VA_ARGS__);                   \
        fprintf(stderr, "\n");                          \
        exit(1);                                        \
    } while (0)

#define REQUIRE(cond)                                      \
    do {                                                   \
        if (!(cond))                                       \
            TEST_FAIL("REQUIRE(%s) does not hold", #cond); \
    } while (0)

#define REQUIRE_OK(call)                                                                          \
    do {                                                                                          \
        const daub_status require_status_ = (call);                                               \
        if (require_status_ != DAUB_OK)                                                           \
            TEST_FAIL("%s: %s: %s", #call, daub_status_text(require_status_), daub_last_error()); \
    } while (0)

// The call fails with `status`, and its sentence contains `part`.
#define REQUIRE_STATUS(call, status, part)                                                                   \
    do {                                                                                                     \
        const daub_status require_status_ = (call);                                                          \
        if (require_status_ != (status) || !strstr(daub_last_error(), (part)))                               \
            TEST_FAIL("%s: got %s, \"%s\"; wanted %s with \"%s\"", #call, daub_status_text(require_status_), \
                      daub_last_error(), daub_status_text(status), (part));                                  \
    } while (0)

#define REQUIRE_NEAR(got, want, limit)                                                            \
    do {                                                                                          \
        const double got_ = (double)(got), want_ = (double)(want);                                \
        if (!(fabs(got_ - want_) <= (double)(limit)))                                             \
            TEST_FAIL("%s is %.9g, wanted %.9g within %.3g", #got, got_, want_, (double)(limit)); \
    } while (0)

#define REQUIRE_IN(value, low, high)                                                                   \
    do {                                                                                               \
        const double value_ = (double)(value);                                                         \
        if (!(value_ >= (double)(low) && value_ <= (double)(high)))                                    \
            TEST_FAIL("%s is %.9g, wanted %.9g..%.9g", #value, value_, (double)(low), (double)(high)); \
    } while (0)

#define REQUIRE_TEXT(got, want)                                                            \
    do {                                                                                   \
        const char *const got_ = (got), *const want_ = (want);                             \
        if (!got_ || strcmp(got_, want_) != 0)                                             \
            TEST_FAIL("%s is \"%s\", wanted \"%s\"", #got, got_ ? got_ : "(null)", want_); \
    } while (0)

enum { TEST_SKIPPED = 77 };

#endif
