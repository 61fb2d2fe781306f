/* SPDX-License-Identifier: MIT */
/*
 * init.h - the driver as a whole: start-up, the driver lock
 *
 * One lock guards every object of the driver: contexts, streams, events, modules, reservations.
 * Nothing that computes, copies, parses or blocks runs under it; memory.c and print.c have locks of
 * their own, taken inside it.
 */
#ifndef SOFTGPU_INIT_H
#define SOFTGPU_INIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "api.h"
#include "settings.h"

#define SOFTGPU_DRIVER_VERSION	13000

void driver_lock(void);
void driver_unlock(void);
pthread_mutex_t *driver_mutex(void);	/* for conditions of one's own */
/* Sleeps until some stream finished something, or went away. The lock is dropped meanwhile. */
void driver_wait(void);
void driver_wake(void);

/*
 * NOT_INITIALIZED before cuInit() and in a forked child, NOT_PERMITTED in a host function of a
 * stream.
 */
CUresult driver_ready(void);
/* The same, and where it is 0 the lock is held. */
CUresult driver_enter(void);
/* Brackets a function of the program, which must not call the driver. Gives what held before. */
bool driver_host_function(bool enter);
bool driver_in_host_function(void);

/* One line on stderr, prefixed; never for what a program may do in a loop. */
void driver_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
