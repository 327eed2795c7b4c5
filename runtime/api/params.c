// params.c - see params.h.
#include "runtime/api/params.h"

#include <string.h>

enum { MAX_STRUCT = 65536 }; // bytes: more is memory that nobody set

daub_status daub_params_copy(const char *name, const void *params, void *out, size_t size)
{
    memset(out, 0, size);
    if (!params)
        return DAUB_OK;
    uint32_t given;
    memcpy(&given, params, sizeof(given));
    if (given < 2 * sizeof(uint32_t) || given > MAX_STRUCT)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "%s.struct_size is %u; set it to sizeof(%s) or use the macro of that name", name, given, name);
    const uint8_t *bytes = params;
    for (size_t i = size; i < given; i++)
        if (bytes[i] != 0)
            return daub_fail(DAUB_ERROR_INVALID_ARG,
                             "%s sets a field this library does not know: the program was built against a newer daub.h",
                             name);
    memcpy(out, params, given < size ? given : size);
    return DAUB_OK;
}

daub_status daub_params_room(const char *name, const void *out, uint32_t *room)
{
    memcpy(room, out, sizeof(*room));
    if (*room < 2 * sizeof(uint32_t) || *room > MAX_STRUCT)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s.struct_size is %u; set it to sizeof(%s) before the call", name,
                         *room, name);
    return DAUB_OK;
}

daub_status daub_params_give(const char *name, const void *ours, size_t size, void *out)
{
    uint32_t room;
    TRY(daub_params_room(name, out, &room));
    memcpy((uint8_t *)out + sizeof(room), (const uint8_t *)ours + sizeof(room),
           (room < size ? room : size) - sizeof(room));
    return DAUB_OK;
}
