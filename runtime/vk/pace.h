// pace.h - how fast a job's work goes to the device: in slices, so that cancelling need not wait for all that is queued, and so that a
// host can decide when each slice goes out.
//
// A thread enters a pace, and whatever it submits from then on goes through it, uploads and fills too. A pace of its own submits from
// that thread, never more ahead than limit_us. A driven one submits nothing there: the thread waits until another one has
// taken its work in daub_pace_advance. Without a pace all is queued at once.
#ifndef DAUB_VK_PACE_H
#define DAUB_VK_PACE_H
#include "runtime/vk/device.h"

struct daub_pace;

daub_status daub_pace_create(daub_device *dev, bool driven, struct daub_pace **out);
void daub_pace_destroy(struct daub_pace **pace);
bool daub_pace_driven(const struct daub_pace *pace);

// The calling thread's pace from now on, until it leaves; work still in flight then is no longer counted.
void daub_pace_enter(struct daub_pace *pace);
void daub_pace_leave(struct daub_pace *pace);
bool daub_pace_entered(void); // whether the calling thread has one

// From any thread: what has not been submitted never is, and the thread's next submission fails with CANCELLED.
void daub_pace_cancel(struct daub_pace *pace);
// CANCELLED if the calling thread's pace is: for long work on the host.
daub_status daub_pace_check(void);

struct daub_pace_info {
    bool busy;           // earlier slices fill the budget
    bool idle;           // the thread has posted nothing: it works on the host, or waits for the device
    double submitted_us; // by this call, as predicted
    double in_flight_us; // of all that has not finished, as predicted
    double
        finished_us; // measured, of the newest slice that has finished since the last call; 0: none has, or no clock saw it
    double finished_predicted_us; // of the same
};

// One slice of the thread's work: as much as keeps what is in flight within budget_us, or a single piece where nothing is in flight
// and the piece is longer than that. Does not wait for the device; waits up to WAIT_US (pace.c) for a thread whose work it has just
// taken to go on. Errors: what submitting fails with.
daub_status daub_pace_advance(struct daub_pace *pace, double budget_us, struct daub_pace_info *out);

#endif
