/* SPDX-License-Identifier: MIT */
/*
 * nvml.h - the GPU's own libnvidia-ml.so.1, where there is one: the driver's version and what share of
 * the time the GPU is busy
 *
 * A thread of its own calls it: starting takes its time, and with a GPU that hangs a call may never
 * return. The server's loop waits for an answer a moment at most.
 */
#ifndef SERVER_NVML_H
#define SERVER_NVML_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vgpu_wire.h"

#define NVML_DRIVER_MAX	80	/* bytes of its version, NUL included */

enum nvml_state { NVML_NONE, NVML_STARTING, NVML_READY };

struct nvml_rates {
	unsigned int gpu, memory;
};

/**
 * struct nvml - all of it; what is below the lock is under it
 * @opened: net_now() of nvml_open()
 * @asked: the thread has been asked and has not answered
 * @known: the last answer was one
 * @at: net_now() of the last answer
 */
struct nvml {
	const char *library;
	uint8_t uuid[16];
	uint64_t opened;
	pthread_mutex_t lock;
	pthread_cond_t wanted, done;
	enum nvml_state state;
	bool asked, known;
	uint64_t at;
	struct nvml_rates last;
	char driver[NVML_DRIVER_MAX];
};

/*
 * Looks for the GPU of that UUID, which the library may lack: softgpu is no GPU of NVIDIA's. The
 * library's name has to stay.
 */
void nvml_open(struct nvml *n, const char *library, const uint8_t uuid[16]);
/* What it knows is not known yet, but will be in a moment. */
bool nvml_starting(struct nvml *n);
/* false: not known. The version is empty where that is not. */
bool nvml_ask(struct nvml *n, struct vwire_utilisation *u, char driver[NVML_DRIVER_MAX]);

#endif /* SERVER_NVML_H */
