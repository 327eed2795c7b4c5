// test_upsample.c - nearest upsampling, to both parities, against the reference of runtime/check/upsample.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "upsample");
}
