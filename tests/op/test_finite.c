// test_finite.c - the look for infinities and NaN, against the reference of runtime/check/finite.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "finite");
}
