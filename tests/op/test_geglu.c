// test_geglu.c - GEGLU, against the reference of runtime/check/geglu.c under every mask.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    return op_main(argc, argv, "geglu");
}
