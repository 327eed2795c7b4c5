// text.h - bytes that claim to be text: strict UTF-8, and sentences that keep to one line.
#ifndef DAUB_BASE_TEXT_H
#define DAUB_BASE_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Strict UTF-8 as in the Unicode Standard, table 3-7: no overlong form, no surrogate, nothing above U+10FFFF, no
// sequence cut short. A zero byte counts as text. On failure *bad_offset (may be NULL) is the offset of the first byte
// of the first sequence that is wrong.
bool daub_utf8_valid(const char *text, size_t n, size_t *bad_offset);

// The largest length <= n at which `text` can be cut without splitting a well-formed UTF-8 sequence.
size_t daub_utf8_cut(const char *text, size_t n);

// The code point at *at, which moves behind it: *at < n, and the text is valid.
int32_t daub_utf8_next(const char *text, size_t n, size_t *at);

// As Python 3's re module has \s and \w of a text: white space, and letters, digits and '_'. What reads stable-diffusion-webui's
// files and prompts goes by these.
bool daub_is_space(int32_t c);
bool daub_is_word(int32_t c);

// Bounds of text[*begin, *end) without the white space at both ends; both become *end where there is nothing else.
void daub_text_strip(const char *text, size_t *begin, size_t *end);

// Replaces control characters (C0, DEL, and C1 in UTF-8) of a zero-terminated text by '?', so that what a file or a
// user wrote can neither break a line nor steer a terminal.
void daub_text_clean(char *text);

#endif
