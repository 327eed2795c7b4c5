// picture.c - pictures to files. A file is replaced whole or not at all.
#include "cli.h"
#include "platform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_with(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);
    if (n < m)
        return false;
    for (size_t i = 0; i < m; i++) {
        const char c = path[n - m + i];
        if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != end[i])
            return false;
    }
    return true;
}

const char *picture_format(const char *path, const char *format)
{
    if (format) {
        if (strcmp(format, "png") == 0 || strcmp(format, "jpg") == 0 || strcmp(format, "ppm") == 0)
            return format;
        if (strcmp(format, "jpeg") == 0)
            return "jpg";
        static const char *const formats[] = { "png", "jpg", "ppm", NULL };
        cli_fail_name("--format", formats, format);
        return NULL;
    }
    if (strcmp(path, "-") == 0 || ends_with(path, ".png"))
        return "png";
    if (ends_with(path, ".jpg") || ends_with(path, ".jpeg"))
        return "jpg";
    if (ends_with(path, ".ppm"))
        return "ppm";
    cli_fail("%s: cannot tell the format by the name; use .png, .jpg or .ppm, or --format", path);
    return NULL;
}

void picture_check_quality(const struct cli *cli, const char *format)
{
    if (cli_given(cli, "quality") && strcmp(format, "jpg") != 0)
        cli_warn(cli, "--quality %u changes nothing: it is a JPEG's, and this is a %s", cli->quality, format);
}

bool picture_check_writable(const char *path)
{
    if (strcmp(path, "-") == 0)
        return true;
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        cli_fail("cannot write to %s: it is a folder", path);
        return false;
    }
    char folder[4096];
    const char *slash = platform_last_slash(path);
    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else if (slash == path)
        snprintf(folder, sizeof(folder), "/");
    else
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    if (!platform_may_write_in(folder)) {
        cli_fail("cannot write to %s: folder %s: %s", path, folder, strerror(errno));
        return false;
    }
    return true;
}

static bool write_file(const char *path, const uint8_t *data, size_t size)
{
    if (strcmp(path, "-") == 0) {
        platform_binary_output();
        if (fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0)
            return true;
        cli_fail("cannot write to standard output: %s", strerror(errno));
        return false;
    }
    // A device, a pipe or a socket is written to, never replaced by a file of its name.
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        FILE *to = fopen(path, "wb");
        bool written = to && fwrite(data, 1, size, to) == size;
        if (to && fclose(to) != 0)
            written = false;
        if (!written)
            cli_fail("cannot write %s: %s", path, strerror(errno));
        return written;
    }
    char temporary[4200];
    if (snprintf(temporary, sizeof(temporary), "%s.%ld.part", path, (long)getpid()) >= (int)sizeof(temporary)) {
        cli_fail("the output's path is longer than 4,096 bytes");
        return false;
    }
    FILE *file = fopen(temporary, "wb");
    bool ok = file && fwrite(data, 1, size, file) == size && fflush(file) == 0;
    int error = ok ? 0 : errno;
    if (file && fclose(file) != 0 && ok) {
        ok = false;
        error = errno;
    }
    if (ok && !platform_replace(temporary, path)) {
        ok = false;
        error = errno;
    }
    if (!ok) {
        remove(temporary);
        cli_fail("cannot write %s: %s", path, strerror(error));
    }
    return ok;
}

bool picture_write(const struct cli *cli, const char *path, const char *format, const daub_image *image,
                   const char *parameters)
{
    size_t size = 0, left_out = 0;
    uint8_t *data = strcmp(format, "png") == 0   ? png_encode(image, parameters, &size)
                    : strcmp(format, "jpg") == 0 ? jpeg_encode(image, cli_quality(cli), parameters, &size, &left_out)
                                                 : ppm_encode(image, &size);
    if (!data) {
        cli_fail("no memory for %s as %s", path, format);
        return false;
    }
    cli_hold_interrupt(true);
    const bool ok = write_file(path, data, size);
    cli_hold_interrupt(false);
    free(data);
    if (ok && left_out > 0)
        cli_warn(cli,
                 "%s has no parameters: a JPEG takes %d bytes of them in UTF-16, and these have %llu; a PNG takes them",
                 path, JPEG_MOST_TEXT, (unsigned long long)left_out);
    return ok;
}
