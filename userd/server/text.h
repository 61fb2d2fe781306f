/* SPDX-License-Identifier: MIT */
/*
 * text.h - what device code prints
 *
 * The driver writes it to the process's stdout, and what it says about a failed assertion to
 * stderr. From the lease on both are pipes, and their text is the client's. It goes out as it
 * comes, and all that is there ahead of the reply of a wait.
 */
#ifndef SERVER_TEXT_H
#define SERVER_TEXT_H

#include <pthread.h>
#include <stdbool.h>

struct worker;

struct text {
	pthread_mutex_t lock;
	bool on;
	int fds[2];			/* of what is written to 1 and 2 */
};

int text_start(struct worker *w);
/* Sends what is there. */
void text_flush(struct worker *w);

#endif /* SERVER_TEXT_H */
