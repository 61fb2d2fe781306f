// SPDX-License-Identifier: MIT
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES	1024

static const char *log_prog = "";
static int log_max = LOG_LEVEL_INFO;
static bool log_journal;
static int log_fd = STDERR_FILENO;

void log_init(const char *prog)
{
	log_prog = prog;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(int level)
{
	log_max = level;
}

void log_set_fd(int fd)
{
	log_fd = fd;
}

int log_level_parse(const char *word)
{
	static const struct { const char *word; int level; } words[] = {
		{ "err", LOG_LEVEL_ERR }, { "warn", LOG_LEVEL_WARN },
		{ "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(word, words[i].word))
			return words[i].level;
	return -1;
}

/*
 * A peer's text may be in the line: nothing of it may look like another line or reach the terminal.
 */
static void plain(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

/* One write() for a line, so that lines of several processes on one stderr do not mix. */
void log_line(int level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	int saved = errno, n, head;
	va_list ap;

	if (level > log_max)
		return;
	if (log_journal)
		head = snprintf(line, sizeof(line), "<%d>", level);
	else
		head = snprintf(line, sizeof(line), "%s: ", log_prog);

	va_start(ap, fmt);
	n = vsnprintf(line + head, sizeof(line) - head - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	plain(line + head);
	n = strlen(line);
	line[n++] = '\n';
	if (write(log_fd, line, n) < 0)
		errno = 0;	/* nowhere to say it */
	errno = saved;
}
