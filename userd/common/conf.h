/* SPDX-License-Identifier: MIT */
/*
 * conf.h - options of a program, from a file and from flags, both out of one table
 *
 * A program lists its options once:
 *
 *	#define ECHO_OPTIONS(X, T)						\
 *		X(T, listen,  STR, ":7", 1, 255, "host:port to listen on")	\
 *		X(T, backlog, INT, "16", 1, 4096, "connections that wait")
 *
 *	struct echo_conf { ECHO_OPTIONS(CONF_MEMBER, ) };
 *	static const struct conf_option echo_options[] = {
 *		ECHO_OPTIONS(CONF_ROW, struct echo_conf)
 *	};
 *
 * kind   member      text                                       min and max are
 * BOOL   bool        yes, no, true, false, 1, 0                 unused
 * INT    uint32_t    decimal                                    values
 * SIZE   uint64_t    decimal, K, M, G or T behind it            bytes
 * MS     uint32_t    decimal, ms (default), s or m behind it    milliseconds
 * STR    char *      what it is; "" is allowed when min is 0    bytes
 *
 * A '_' in a row's name is a '-' for the user. The file has "key = value" lines, '#' comments and
 * [sections]; flags are --key value, --key=value, --config FILE, --help. Flags win over the file,
 * the file over the defaults.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_TEXT_MAX	256	/* bytes of an error */

enum conf_kind { CONF_BOOL, CONF_INT, CONF_SIZE, CONF_MS, CONF_STR };

struct conf_option {
	const char *name;
	enum conf_kind kind;
	size_t offset;
	const char *def;
	uint64_t min, max;
	const char *help;
};

#define CONF_TYPE_BOOL	bool
#define CONF_TYPE_INT	uint32_t
#define CONF_TYPE_SIZE	uint64_t
#define CONF_TYPE_MS	uint32_t
#define CONF_TYPE_STR	char *
#define CONF_MEMBER(type, name, kind, def, min, max, help)	CONF_TYPE_##kind name;
#define CONF_ROW(type, name, kind, def, min, max, help)		\
	{ #name, CONF_##kind, offsetof(type, name), def, min, max, help },

/* A table and the values it fills. */
struct conf_set {
	const struct conf_option *options;
	size_t nr_options;
	void *values;
};

/* The set that [name] fills, or NULL: no such section. */
typedef const struct conf_set *(*conf_section_fn)(void *arg, const char *name);

/*
 * Every value its default; before anything else. false: a default in the table is wrong or there is
 * no memory.
 */
bool conf_defaults(const struct conf_set *set);
void conf_fini(const struct conf_set *set);

/* 0, or -errno with "file:line: sentence" in err. section may be NULL: the file has none. */
int conf_read(const struct conf_set *set, const char *path, conf_section_fn section, void *arg,
	      char *err);

/*
 * The flags but --config and --help, which are skipped over. 0 or -EINVAL with a sentence in err.
 */
int conf_flags(const struct conf_set *set, int argc, char **argv, char *err);

/* The value of --config, or def when there is none; and whether --help is there. */
const char *conf_path(int argc, char **argv, const char *def);
bool conf_wants_help(int argc, char **argv);
void conf_help(const struct conf_set *set, const char *prog, const char *what, FILE *out);

#endif /* COMMON_CONF_H */
