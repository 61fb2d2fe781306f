/* SPDX-License-Identifier: MIT */
/*
 * print.h - text of device printf, held until the program synchronises
 */
#ifndef SOFTGPU_PRINT_H
#define SOFTGPU_PRINT_H

#include <stddef.h>

/* struct sg_launch's print, with bytes to hold as its argument; any thread. */
void print_append(void *fifo, const char *text, size_t len);
/* To stdout, which may block: the driver lock must not be held. */
void print_flush(void);

#endif
