// test_conv2d.c - convolutions with everything that is fused before and after them, against the reference of runtime/check/conv2d.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "conv2d");
}
