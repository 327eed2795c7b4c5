// test_rgb8.c - pixels, bit for bit, against the reference of runtime/check/rgb8.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "rgb8");
}
