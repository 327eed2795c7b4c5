// test_layer_norm.c - layer normalisation, against the reference of runtime/check/layer_norm.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "layer_norm");
}
