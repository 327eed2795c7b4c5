// pace_private.h - what submits through a pace. For runtime/vk only.
#ifndef DAUB_VK_PACE_PRIVATE_H
#define DAUB_VK_PACE_PRIVATE_H
#include "runtime/vk/pace.h"
#include "runtime/vk/piece.h"

struct daub_post { // pieces to be submitted in order
    struct daub_piece *pieces;
    uint32_t n;
    _Atomic uint64_t *newest;                   // NULL, or is given the ticket of each submission
    const struct daub_semaphore *wait, *signal; // NULL, or of the host's; then there is one piece
    daub_status (*between)(void *user);
    void *user;
    // while they are:
    uint32_t next;
    uint64_t ticket;
    daub_status failed; // in another thread, with its sentence
    char sentence[DAUB_SENTENCE_MAX];
};

// Submits all of them at the thread's pace. Errors: CANCELLED, what submitting or `between` fails with.
daub_status daub_pace_submit(daub_device *dev, struct daub_post *post, uint64_t *ticket);
// The pieces are about to go, and their work is done.
void daub_pace_forget(const struct daub_piece *pieces, uint32_t n);
// The ring that the thread's uploads go through: the device's, or a driven pace's own, since others must not wait for its host.
daub_status daub_pace_staging(daub_device *dev, struct daub_staging **out);

#endif
