// test_spirv.c - no kernel needs what a Vulkan 1.1 device need not have been asked for: a host's bare device runs them all.
// link: base kernels
#include "runtime/vk/kernels/embed.h"
#include "tests/test.h"

enum { OP_CAPABILITY = 17, OP_EXTENSION = 10, OP_EXT_INST_IMPORT = 11, HEADER = 5, SPIRV_1_3 = 0x10300 };
enum { SHADER = 1, SAMPLED_BUFFER = 46, GROUP_NON_UNIFORM = 61, GROUP_NON_UNIFORM_SHUFFLE = 65 };

// Subgroup capabilities follow from a property, which caps.shuffle8 reads, and from no feature.
static bool is_free(uint32_t capability)
{
    return capability == SHADER || capability == SAMPLED_BUFFER || capability == GROUP_NON_UNIFORM ||
           capability == GROUP_NON_UNIFORM_SHUFFLE;
}

int main(void)
{
    uint32_t n_shuffle = 0;
    for (int k = DAUB_KERNEL_NONE + 1; k < DAUB_KERNEL_COUNT; k++) {
        size_t size;
        const char *name = daub_kernel_name((enum daub_kernel)k);
        const uint32_t *words = daub_kernel_code((enum daub_kernel)k, &size);
        REQUIRE(words && size > 4 * HEADER && words[1] <= SPIRV_1_3);
        for (size_t i = HEADER; i < size / 4; i += words[i] >> 16) {
            const uint32_t op = words[i] & 0xffff;
            if (op == OP_EXTENSION)
                TEST_FAIL("kernel %s wants the extension %s", name, (const char *)&words[i + 1]);
            if (op == OP_CAPABILITY && !is_free(words[i + 1]))
                TEST_FAIL("kernel %s wants SPIR-V capability %u", name, words[i + 1]);
            n_shuffle += op == OP_CAPABILITY && words[i + 1] == GROUP_NON_UNIFORM_SHUFFLE;
            if (op != OP_CAPABILITY && op != OP_EXT_INST_IMPORT)
                break;
        }
    }
    REQUIRE(n_shuffle > 0); // the walk finds what there is
    return 0;
}
