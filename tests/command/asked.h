// asked.h - what the command asked the library, as lines of text: every field that is not at its default, by its name and in the
// struct's order.
#ifndef DAUB_TESTS_COMMAND_ASKED_H
#define DAUB_TESTS_COMMAND_ASKED_H
#include "tests/command/harness.h"

enum { ASKED = 1 << 16 };
extern char asked[ASKED];

void ask(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ask_params(const char *what, const daub_generate_params *params);
void ask_device(const char *what, const daub_device_params *params);
void ask_model(const char *what, const char *path, const daub_model_params *params);

#endif
