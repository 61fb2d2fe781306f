/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *held;
static size_t held_len, held_size;

static int reserve(size_t len)
{
	size_t n = held_size ? held_size : 4096;
	char *p;

	while (n < len)
		n *= 2;
	if (n == held_size)
		return 0;
	p = realloc(held, n);
	if (!p)
		return -1;
	held = p;
	held_size = n;
	return 0;
}

/* Written with the lock held, and looked at without it by print_flush(). */
static void set_held(size_t len)
{
	__atomic_store_n(&held_len, len, __ATOMIC_RELAXED);
}

static void write_held(void)
{
	if (!held_len)
		return;
	fwrite(held, 1, held_len, stdout);
	fflush(stdout);
	set_held(0);
}

/* Where CUDA's FIFO would lose the oldest text it goes out early. */
void print_append(void *fifo, const char *text, size_t len)
{
	size_t most = (uintptr_t)fifo;

	pthread_mutex_lock(&lock);
	if (held_len > most || len > most - held_len)
		write_held();
	if (len > most || reserve(held_len + len)) {
		fwrite(text, 1, len, stdout);
	} else {
		memcpy(held + held_len, text, len);
		set_held(held_len + len);
	}
	pthread_mutex_unlock(&lock);
}

void print_flush(void)
{
	/*
	 * Nearly every call finds nothing; a text that is appended right now belongs to the next
	 * call.
	 */
	if (!__atomic_load_n(&held_len, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&lock);
	write_held();
	pthread_mutex_unlock(&lock);
}
