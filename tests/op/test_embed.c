// test_embed.c - table lookup, with tables that take several windows of a small range, against the reference of runtime/check/embed.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "embed");
}
