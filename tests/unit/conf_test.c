// SPDX-License-Identifier: MIT
/* userd/common/conf.c: files, sections, flags, and what is said about wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"

#define TEST_OPTIONS(X, T)							\
	X(T, listen, STR, ":7", 1, 20, "where")					\
	X(T, max_idle, INT, "16", 1, 4096, "how many")				\
	X(T, mem_total, SIZE, "0", 0, 1ull << 50, "how much")			\
	X(T, queue_wait, MS, "30s", 0, 3600000, "how long")			\
	X(T, drain, BOOL, "no", 0, 0, "whether")

struct test_conf { TEST_OPTIONS(CONF_MEMBER, ) };
static const struct conf_option test_options[] = { TEST_OPTIONS(CONF_ROW, struct test_conf) };

struct fixture {
	struct test_conf top, device;
	struct conf_set top_set, device_set;
	char path[32], err[CONF_TEXT_MAX];
};

static int setup(void **state)
{
	struct fixture *t = calloc(1, sizeof(*t));

	t->top_set = (struct conf_set){ test_options, sizeof(test_options) / sizeof(*test_options),
					&t->top };
	t->device_set = t->top_set;
	t->device_set.values = &t->device;
	strcpy(t->path, "/tmp/conf_test.XXXXXX");
	close(mkstemp(t->path));
	assert_true(conf_defaults(&t->top_set) && conf_defaults(&t->device_set));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *t = *state;

	conf_fini(&t->top_set);
	conf_fini(&t->device_set);
	unlink(t->path);
	free(t);
	return 0;
}

static const struct conf_set *section(void *arg, const char *name)
{
	struct fixture *t = arg;

	return strcmp(name, "vgpu0") ? NULL : &t->device_set;
}

static int read_text(struct fixture *t, const char *text)
{
	FILE *f = fopen(t->path, "w");

	fputs(text, f);
	fclose(f);
	return conf_read(&t->top_set, t->path, section, t, t->err);
}

static void defaults_hold(void **state)
{
	struct fixture *t = *state;

	assert_string_equal(t->top.listen, ":7");
	assert_int_equal(t->top.max_idle, 16);
	assert_int_equal(t->top.queue_wait, 30000);
	assert_false(t->top.drain);
}

static void a_file_is_read_with_comments_units_and_sections(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(
		read_text(t, "# a comment\n\n listen = [::1]:9 \nmem-total=4G\nqueue-wait = 250ms\n"
			     "drain = yes\n[vgpu0]\nmax-idle = 3\n"),
		0);
	assert_string_equal(t->top.listen, "[::1]:9");
	assert_int_equal(t->top.mem_total, 4ull << 30);
	assert_int_equal(t->top.queue_wait, 250);
	assert_true(t->top.drain);
	assert_int_equal(t->top.max_idle, 16);
	assert_int_equal(t->device.max_idle, 3);
}

static void an_error_names_file_and_line(void **state)
{
	static const struct { const char *text, *said; int line; } bad[] = {
		{ "listen = a\nmaxidle = 3\n", "no such option: maxidle", 2 },
		{ "\n\nmax-idle = three\n", "'three' is not a number", 3 },
		{ "max-idle = 0\n", "is not between 1 and 4096", 1 },
		{ "max-idle = -1\n", "is not a number", 1 },
		{ "max-idle = 99999999999999999999\n", "is not between", 1 },
		{ "mem-total = 17592186044416T\n", "is not between", 1 },
		{ "mem-total = 4X\n", "is not a size", 1 },
		{ "queue-wait = 5h\n", "is not a time", 1 },
		{ "drain = maybe\n", "is not yes or no", 1 },
		{ "listen =\n", "1 to 20 bytes wanted", 1 },
		{ "listen\n", "neither", 1 },
		{ "[vgpu0\n", "']' is missing", 1 },
		{ "[\n", "']' is missing", 1 },
		{ "[vgpu9]\n", "no such section: vgpu9", 1 },
	};
	struct fixture *t = *state;
	char where[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(read_text(t, bad[i].text) < 0);
		snprintf(where, sizeof(where), "%s:%d: ", t->path, bad[i].line);
		assert_true(!strncmp(t->err, where, strlen(where)));
		assert_non_null(strstr(t->err, bad[i].said));
	}
}

static void a_file_that_is_not_there_is_said(void **state)
{
	struct fixture *t = *state;

	assert_int_equal(conf_read(&t->top_set, "/nonexistent/x", NULL, NULL, t->err), -ENOENT);
	assert_string_equal(t->err, "/nonexistent/x: No such file or directory");
}

static void flags_come_in_both_forms(void **state)
{
	char *argv[] = {
		"prog", "--listen", ":8", "--max-idle=5", "--config", "x", "--drain", NULL
	};
	struct fixture *t = *state;

	assert_int_equal(conf_flags(&t->top_set, 7, argv, t->err), 0);
	assert_string_equal(t->top.listen, ":8");
	assert_int_equal(t->top.max_idle, 5);
	assert_true(t->top.drain);
	assert_string_equal(conf_path(7, argv, "y"), "x");
	assert_string_equal(conf_path(4, argv, "y"), "y");
}

static void wrong_flags_are_refused(void **state)
{
	static char *bad[] = {
		"--nosuch=1", "--max-idle", "stray", "-x", "--", "--=1", "--drain=x"
	};
	struct fixture *t = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *argv[] = { "prog", bad[i], NULL };

		assert_int_equal(conf_flags(&t->top_set, 2, argv, t->err), -EINVAL);
	}
}

static void help_lists_every_option(void **state)
{
	struct fixture *t = *state;
	char buf[4096] = "";
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	conf_help(&t->top_set, "prog", "does things", f);
	fclose(f);
	assert_non_null(strstr(buf, "--listen TEXT"));
	assert_non_null(strstr(buf, "--max-idle N"));
	assert_non_null(strstr(buf, "--mem-total BYTES"));
	assert_non_null(strstr(buf, "how long [30s]"));
	assert_non_null(strstr(buf, "--config FILE"));
}

#define CASE(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(defaults_hold),
		CASE(a_file_is_read_with_comments_units_and_sections),
		CASE(an_error_names_file_and_line),
		CASE(a_file_that_is_not_there_is_said),
		CASE(flags_come_in_both_forms),
		CASE(wrong_flags_are_refused),
		CASE(help_lists_every_option),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
