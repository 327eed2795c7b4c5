// test_group_norm.c - group normalisation, against the reference of runtime/check/group_norm.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "group_norm");
}
