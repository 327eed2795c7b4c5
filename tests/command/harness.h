// harness.h - the daub command in this process, and stand-ins for what of the library wants a device. daub_main is the command's
// own main; the linker puts the functions of stand_ins.c in place of the library's (--wrap, see tests/CMakeLists.txt). They write
// down what they are asked, and their answers are all different. What wants no device is the library's own.
#ifndef DAUB_TESTS_COMMAND_HARNESS_H
#define DAUB_TESTS_COMMAND_HARNESS_H
#include "tests/test.h"

#include "daub_parameters.h"
#include "daub_tools.h"

// What the stand-ins answer; command_begin sets it back.
struct answers {
    daub_status drawn;     // of a picture
    bool interrupts;       // Ctrl-C comes while a picture is made
    bool unfit;            // the device's memory is too small
    uint32_t n_cut;        // tokens of the prompt
    daub_tools_health ill; // of the second of the doctor's three findings
    uint32_t n_failed;     // of the second of the selftest's two checks
    bool found;            // model and VAE are found by their hashes
    bool no_preview_map;
    uint64_t vae_memory; // what cut the VAE into bands
};
extern struct answers answers;

// What came of a command: its exit status and what it printed, and a line for each question that the library was asked.
struct outcome {
    int status;
    char *out, *err, *asked;
};

void command_begin(void); // a folder of its own becomes the working folder
void command_end(void);   // removes it
// Runs one command line, words in single quotes kept together. The outcome lives until the next one.
const struct outcome *command(const char *line);
// Whether `lines` has `line` as a whole line.
bool has_line(const char *lines, const char *line);

#define REQUIRE_LINE(lines, line)                                \
    do {                                                         \
        if (!has_line((lines), (line)))                          \
            TEST_FAIL("no line\n  %s\nin\n%s", (line), (lines)); \
    } while (0)

// The command line is refused with this status: one sentence that has these words, nothing on standard
// output, no file.
void refused(const char *line, int status, const char *words);

#endif
