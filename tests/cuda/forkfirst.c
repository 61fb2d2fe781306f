/* SPDX-License-Identifier: MIT */
/*
 * A process that forks before it uses CUDA: parent and child both compute, at once. With --after,
 * it forks once more, after it used CUDA: the child starts anew with cuInit() and computes, and the
 * parent goes on. NVIDIA's driver does not allow that, so there --after fails.
 */
#include <sys/wait.h>
#include <unistd.h>
#include "increment.h"

static pid_t fork_child(unsigned first)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		open_context();
		increment(first);
		exit(0);
	}
	return pid;
}

static void expect_success(pid_t pid, const char *who)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("%s ended with status 0x%x", who, status);
}

int main(int argc, char **argv)
{
	int after = argc == 2 && !strcmp(argv[1], "--after");
	pid_t child;

	if (argc != 1 + after) {
		fprintf(stderr, "usage: %s [--after]\n", argv[0]);
		return 2;
	}
	child = fork_child(1000);
	open_context();
	increment(2000);
	expect_success(child, "the child forked before the first use");
	if (after) {
		child = fork_child(3000);
		increment(4000);
		expect_success(child, "the child forked after the first use");
		increment(5000);
	}
	return pass();
}
