/* SPDX-License-Identifier: MIT */
/* log.h - one line on stderr for each event; journald gets the priority, a terminal does not */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/* The numbers are syslog's. */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* prog must stay valid. */
void log_init(const char *prog);
void log_set_level(int level);
/* Lines go there instead of to stderr. */
void log_set_fd(int fd);
/* "err", "warn", "info" or "debug"; -1 for another word. */
int log_level_parse(const char *word);
void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)	log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)	log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif /* COMMON_LOG_H */
