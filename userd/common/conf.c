// SPDX-License-Identifier: MIT
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit int_units[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 }, { "K", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 },
	{ "T", 1ull << 40 }, { NULL, 0 }
};
static const struct unit ms_units[] = {
	{ "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { NULL, 0 }
};

static const struct {
	const char *placeholder, *expects;
	const struct unit *units;
} kinds[] = {
	[CONF_BOOL] = { "yes|no", "yes or no", NULL },
	[CONF_INT] = { "N", "a number", int_units },
	[CONF_SIZE] = { "BYTES", "a size in bytes, K, M, G or T", size_units },
	[CONF_MS] = { "TIME", "a time in ms, s or m", ms_units },
	[CONF_STR] = { "TEXT", "a text", NULL },
};

static bool same_name(const char *row, const char *key)
{
	for (; *row && *key; row++, key++)
		if (*row != *key && !(*row == '_' && *key == '-'))
			return false;
	return *row == *key;
}

static const struct conf_option *find(const struct conf_set *set, const char *key)
{
	for (size_t i = 0; i < set->nr_options; i++)
		if (same_name(set->options[i].name, key))
			return &set->options[i];
	return NULL;
}

static void *member(const struct conf_set *set, const struct conf_option *o)
{
	return (char *)set->values + o->offset;
}

static int parse_bool(const char *text, bool *v)
{
	if (!strcmp(text, "yes") || !strcmp(text, "true") || !strcmp(text, "1"))
		*v = true;
	else if (!strcmp(text, "no") || !strcmp(text, "false") || !strcmp(text, "0"))
		*v = false;
	else
		return -EINVAL;
	return 0;
}

static int parse_number(const char *text, const struct unit *unit, uint64_t *v)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*v = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	while (unit->name && strcasecmp(end, unit->name))
		unit++;
	if (!unit->name)
		return -EINVAL;
	return __builtin_mul_overflow(*v, unit->factor, v) ? -ERANGE : 0;
}

static int set_string(const struct conf_option *o, char **p, const char *text)
{
	char *s;

	if (strlen(text) < o->min || strlen(text) > o->max)
		return -ERANGE;
	s = strdup(text);
	if (!s)
		return -ENOMEM;
	free(*p);
	*p = s;
	return 0;
}

static int set_option(const struct conf_set *set, const struct conf_option *o, const char *text)
{
	void *p = member(set, o);
	uint64_t v;
	int err;

	if (o->kind == CONF_BOOL)
		return parse_bool(text, p);
	if (o->kind == CONF_STR)
		return set_string(o, p, text);
	err = parse_number(text, kinds[o->kind].units, &v);
	if (err)
		return err;
	if (v < o->min || v > o->max)
		return -ERANGE;
	if (o->kind == CONF_SIZE)
		*(uint64_t *)p = v;
	else
		*(uint32_t *)p = v;
	return 0;
}

bool conf_defaults(const struct conf_set *set)
{
	for (size_t i = 0; i < set->nr_options; i++) {
		const struct conf_option *o = &set->options[i];

		if (o->kind == CONF_STR)
			*(char **)member(set, o) = NULL;
		if (set_option(set, o, o->def))
			return false;
	}
	return true;
}

void conf_fini(const struct conf_set *set)
{
	for (size_t i = 0; i < set->nr_options; i++) {
		if (set->options[i].kind != CONF_STR)
			continue;
		free(*(char **)member(set, &set->options[i]));
		*(char **)member(set, &set->options[i]) = NULL;
	}
}

static void show_name(const char *row, char *buf, size_t n)
{
	snprintf(buf, n, "%s", row);
	for (; *buf; buf++)
		if (*buf == '_')
			*buf = '-';
}

/* One value. 0, or -EINVAL with a sentence in err (CONF_TEXT_MAX bytes). */
static int set_value(const struct conf_set *set, const char *key, const char *value, char *err)
{
	const struct conf_option *o = find(set, key);
	int r;

	if (!o) {
		snprintf(err, CONF_TEXT_MAX, "no such option: %.64s", key);
		return -EINVAL;
	}
	r = set_option(set, o, value);
	if (!r)
		return 0;
	if (r == -ENOMEM)
		snprintf(err, CONF_TEXT_MAX, "%.64s: no memory", key);
	else if (r == -ERANGE && o->kind == CONF_STR)
		snprintf(err, CONF_TEXT_MAX, "%.64s: %llu to %llu bytes wanted", key,
			 (unsigned long long)o->min, (unsigned long long)o->max);
	else if (r == -ERANGE)
		snprintf(err, CONF_TEXT_MAX, "%.64s: '%.64s' is not between %llu and %llu", key,
			 value, (unsigned long long)o->min, (unsigned long long)o->max);
	else
		snprintf(err, CONF_TEXT_MAX, "%.64s: '%.64s' is not %s", key, value,
			 kinds[o->kind].expects);
	return -EINVAL;
}

/* The text without blanks around it, cut in place. */
static char *strip(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* "[name]": the set it names. */
static const struct conf_set *enter_section(char *s, conf_section_fn section, void *arg, char *err)
{
	const struct conf_set *set = NULL;
	size_t n = strlen(s);

	if (s[n - 1] != ']') {
		snprintf(err, CONF_TEXT_MAX, "']' is missing");
		return NULL;
	}
	s[n - 1] = '\0';
	if (section)
		set = section(arg, s + 1);
	if (!set)
		snprintf(err, CONF_TEXT_MAX, "no such section: %.64s", s + 1);
	return set;
}

static int read_line(const struct conf_set **set, char *s, conf_section_fn section, void *arg,
		     char *err)
{
	char *eq;

	s = strip(s);
	if (!*s || *s == '#')
		return 0;
	if (*s == '[') {
		*set = enter_section(s, section, arg, err);
		return *set ? 0 : -EINVAL;
	}
	eq = strchr(s, '=');
	if (!eq) {
		snprintf(err, CONF_TEXT_MAX, "neither 'key = value' nor '[section]'");
		return -EINVAL;
	}
	*eq = '\0';
	return set_value(*set, strip(s), strip(eq + 1), err);
}

int conf_read(const struct conf_set *set, const char *path, conf_section_fn section, void *arg,
	      char *err)
{
	char text[CONF_TEXT_MAX] = "";
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	int r = 0, nr = 0;

	if (!f) {
		r = -errno;
		snprintf(err, CONF_TEXT_MAX, "%.128s: %s", path, strerror(-r));
		return r;
	}
	while (!r && getline(&line, &size, f) >= 0) {
		nr++;
		r = read_line(&set, line, section, arg, text);
	}
	if (!r && ferror(f)) {
		r = -EIO;
		snprintf(text, sizeof(text), "cannot be read");
	}
	if (r)
		snprintf(err, CONF_TEXT_MAX, "%.80s:%d: %.160s", path, nr, text);
	free(line);
	fclose(f);
	return r;
}

/* The flag at argv[*i] split into key and value; *i moves to its last word. */
static int split_flag(const struct conf_set *set, int argc, char **argv, int *i, char *key,
		      const char **value, char *err)
{
	const char *arg = argv[*i], *eq = strchr(arg, '=');
	const struct conf_option *o;
	size_t n = eq ? (size_t)(eq - arg) : strlen(arg);

	if (strncmp(arg, "--", 2) || n < 3 || n - 2 >= CONF_TEXT_MAX) {
		snprintf(err, CONF_TEXT_MAX, "'%.64s' is not a flag; --help lists them", arg);
		return -EINVAL;
	}
	memcpy(key, arg + 2, n - 2);
	key[n - 2] = '\0';
	o = find(set, key);
	*value = eq ? eq + 1 : NULL;
	if (eq || !strcmp(key, "help"))
		return 0;
	/* A switch alone means yes. */
	if (o && o->kind == CONF_BOOL && (*i + 1 == argc || !strncmp(argv[*i + 1], "--", 2))) {
		*value = "yes";
		return 0;
	}
	if (*i + 1 == argc) {
		snprintf(err, CONF_TEXT_MAX, "--%.64s: a value is missing", key);
		return -EINVAL;
	}
	*value = argv[++*i];
	return 0;
}

int conf_flags(const struct conf_set *set, int argc, char **argv, char *err)
{
	char key[CONF_TEXT_MAX];
	const char *value;
	int i, r = 0;

	for (i = 1; i < argc && !r; i++) {
		r = split_flag(set, argc, argv, &i, key, &value, err);
		if (!r && strcmp(key, "config") && strcmp(key, "help"))
			r = set_value(set, key, value, err);
	}
	return r;
}

const char *conf_path(int argc, char **argv, const char *def)
{
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--config=", 9))
			def = argv[i] + 9;
		else if (!strcmp(argv[i], "--config") && i + 1 < argc)
			def = argv[++i];
	}
	return def;
}

bool conf_wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--help"))
			return true;
	return false;
}

void conf_help(const struct conf_set *set, const char *prog, const char *what, FILE *out)
{
	char name[CONF_TEXT_MAX];
	int width;

	fprintf(out, "usage: %s [--option value]...\n%s\n\n", prog, what);
	for (size_t i = 0; i < set->nr_options; i++) {
		const struct conf_option *o = &set->options[i];

		show_name(o->name, name, sizeof(name));
		width = 30 - (int)strlen(name);
		fprintf(out, "  --%s %-*s %s", name, width < 1 ? 1 : width,
			kinds[o->kind].placeholder, o->help);
		fprintf(out, *o->def ? " [%s]\n" : "\n", o->def);
	}
	fprintf(out, "  --%-31s %s\n  --%-31s %s\n", "config FILE", "read options from FILE first",
		"help", "this text");
}
