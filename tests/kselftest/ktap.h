/* SPDX-License-Identifier: MIT */
/*
 * ktap.h - test cases that are sentences, reported as KTAP
 *
 *	TEST(a_second_set_up_is_refused)
 *	{
 *		CHECK_ERR(ring_setup(fd, 0, 0), EBUSY);
 *	}
 *
 * Each case runs in a process of its own with a time limit, so one that crashes or hangs is one
 * that fails. The program's exit status is 0 when all pass, 1 when one fails, 4 when all are
 * skipped. An argument selects the cases whose name contains it.
 */
#ifndef KTAP_H
#define KTAP_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KTAP_LIMIT	120	/* seconds; the debug kernel under emulation is slow */
#define KTAP_SKIP	4

struct ktap_test {
	const char *name;
	void (*run)(void);
	struct ktap_test *next;
};

static struct ktap_test *ktap_first, **ktap_last = &ktap_first;

#define TEST(_name)								\
	static void _name(void);						\
	__attribute__((constructor)) static void ktap_add_##_name(void)		\
	{									\
		static struct ktap_test test = { #_name, _name, NULL };		\
										\
		*ktap_last = &test;						\
		ktap_last = &test.next;						\
	}									\
	static void _name(void)

__attribute__((format(printf, 3, 4), noreturn))
static void ktap_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "# %s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	_exit(1);
}

#define FAIL(...) ktap_fail(__FILE__, __LINE__, __VA_ARGS__)

#define SKIP(...)								\
	do {									\
		fprintf(stderr, "# skipped: " __VA_ARGS__);			\
		fprintf(stderr, "\n");						\
		_exit(KTAP_SKIP);						\
	} while (0)

#define CHECK(_condition)							\
	do {									\
		errno = 0;							\
		if (!(_condition))						\
			FAIL("%s is false (errno: %s)", #_condition, strerror(errno)); \
	} while (0)

#define CHECK_EQ(_a, _b)							\
	do {									\
		long long ktap_a = (long long)(_a), ktap_b = (long long)(_b);	\
										\
		if (ktap_a != ktap_b)						\
			FAIL("%s is %lld (0x%llx), should be %s, %lld", #_a, ktap_a,	\
			     ktap_a, #_b, ktap_b);				\
	} while (0)

/* The call fails, and with this error. */
#define CHECK_ERR(_call, _error)						\
	do {									\
		long ktap_ret;							\
										\
		errno = 0;							\
		ktap_ret = (long)(_call);					\
		if (ktap_ret != -1)						\
			FAIL("%s succeeded with %ld, should fail with %s", #_call,	\
			     ktap_ret, #_error);				\
		if (errno != (_error))						\
			FAIL("%s failed with %s, should with %s", #_call,		\
			     strerror(errno), #_error);				\
	} while (0)

static const char *ktap_sentence(const char *name)
{
	static char sentence[256];
	char *p;

	snprintf(sentence, sizeof(sentence), "%s", name);
	for (p = sentence; *p; p++)
		if (*p == '_')
			*p = ' ';
	return sentence;
}

static int ktap_run(const struct ktap_test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		alarm(KTAP_LIMIT);
		test->run();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("# fork");
		return 1;
	}
	/* What the case has left running dies with it. */
	kill(-pid, SIGKILL);
	if (WIFSIGNALED(status))
		printf("# killed by signal %d (%s)\n", WTERMSIG(status),
		       strsignal(WTERMSIG(status)));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int nr = 0, skipped = 0, failed = 0, bad, rc;
	struct ktap_test *test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (test = ktap_first; test; test = test->next)
		nr += argc < 2 || strstr(test->name, argv[1]);
	printf("KTAP version 1\n1..%d\n", nr);
	nr = 0;
	for (test = ktap_first; test; test = test->next) {
		if (argc >= 2 && !strstr(test->name, argv[1]))
			continue;
		rc = ktap_run(test);
		bad = rc && rc != KTAP_SKIP;
		skipped += rc == KTAP_SKIP;
		failed += bad;
		printf("%sok %d %s%s\n", bad ? "not " : "", ++nr, ktap_sentence(test->name),
		       rc == KTAP_SKIP ? " # SKIP" : "");
	}
	return failed ? 1 : nr && skipped == nr ? KTAP_SKIP : 0;
}

#endif /* KTAP_H */
