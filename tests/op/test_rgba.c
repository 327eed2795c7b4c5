// test_rgba.c - pixels for a host under every mask, and under one whose bindings are smaller than the picture.
#include "tests/op/harness.h"

int main(int argc, char **argv)
{
    op_run_masks("rgba", (const char *const[]) { "range=16K,align=256", "api=1.1,-uma" }, 2);
    return op_main(argc, argv, "rgba");
}
