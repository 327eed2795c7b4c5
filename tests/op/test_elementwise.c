// test_elementwise.c - activations, sums, rows of channels and scaling with conversion, against the reference of runtime/check/elementwise.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "elementwise");
}
