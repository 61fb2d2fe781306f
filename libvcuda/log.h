/* SPDX-License-Identifier: MIT */
/* log.h - what the library has said, for cuLogs*() */
#ifndef VCUDA_LOG_H
#define VCUDA_LOG_H

/* Keeps a line, without its newline, and tells it to whoever asked to be told. */
void vcuda_log_add(const char *line, int n);
/* In a forked child. */
void vcuda_log_reset(void);

#endif
