// picture.h - the bytes of a picture's file, whatever is to be made of them.
#ifndef DAUB_API_PICTURE_H
#define DAUB_API_PICTURE_H
#include "runtime/base/host.h"

#include <stdbool.h>

struct daub_blob;

struct daub_picture {
    const char *name; // for sentences
    const uint8_t *data;
    size_t size;
    uint8_t *read; // what had to be read
    struct daub_blob *blob;
};

// `what` is the public function, for the sentence. Errors: IO, INVALID_ARG, BAD_FILE (more than DAUB_MAX_PICTURE bytes).
daub_status daub_picture_open(const char *what, const daub_source *source, struct daub_picture *out);
void daub_picture_close(struct daub_picture *picture);

// A zlib stream (RFC 1950) into `out`, by stb_image's decoder. false: it is damaged, or has more than `capacity` bytes.
bool daub_inflate(const uint8_t *data, size_t size, uint8_t *out, size_t capacity, size_t *n);

// The text "parameters" inside a PNG (tEXt, zTXt or iTXt) or a JPEG (EXIF's UserComment, or a comment), as UTF-8 without a zero byte; the
// caller frees it with daub_free(NULL, ...). Errors: BAD_FILE where it has none, or is damaged up to there.
daub_status daub_png_text(const struct daub_picture *picture, char **out);
daub_status daub_jpeg_text(const struct daub_picture *picture, char **out);
bool daub_is_png(const struct daub_picture *picture);
bool daub_is_jpeg(const struct daub_picture *picture);

#endif
