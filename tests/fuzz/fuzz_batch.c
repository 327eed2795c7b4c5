// fuzz_batch.c - the bytes of a --batch-file.
#include "fuzz.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct cli cli = { .command = CLI_GENERATE, .output = "{line}-{n}.png" };
    char *text = malloc(size + 1);
    struct batch batch;
    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    if (batch_parse(&cli, "batch", text, size, &batch)) {
        FUZZ_CHECK(batch.n > 0);
        for (uint32_t i = 0; i < batch.n; i++) {
            const struct line *line = &batch.lines[i];
            FUZZ_CHECK(line->number > 0 && (line->cli.text || line->cli.prompt_embeds) && line->cli.output);
            FUZZ_CHECK(line->cli.steps <= 1000 && line->cli.width <= 16384 && line->cli.count <= 10000);
            FUZZ_CHECK(!line->cli.text || strlen(line->cli.text) <= size);
        }
        batch_free(&batch);
    }
    free(text);
    return 0;
}
