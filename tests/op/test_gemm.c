// test_gemm.c - linear layers with everything that is fused into them, against the reference of runtime/check/gemm.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "gemm");
}
