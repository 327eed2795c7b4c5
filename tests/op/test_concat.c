// test_concat.c - the stored concatenation, and that an aligned one is a pair, against the reference of runtime/check/concat.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "concat");
}
