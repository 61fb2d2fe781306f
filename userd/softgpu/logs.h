/* SPDX-License-Identifier: MIT */
/*
 * logs.h - the lines that driver_log() wrote, for cuLogs*
 */
#ifndef SOFTGPU_LOGS_H
#define SOFTGPU_LOGS_H

/* Any thread, with or without the driver lock. Remembers the line and tells the callbacks. */
void logs_append(const char *line);

#endif
