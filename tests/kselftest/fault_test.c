// SPDX-License-Identifier: MIT
/*
 * Every allocation and every copy from or to user space fails once, in turn, on every path of a
 * session's life (Linux' Documentation/fault-injection: /proc/thread-self/fail-nth). What leaks or
 * is freed twice by that, KASAN and kmemleak say.
 */
#include "session.h"

static int fail_nth = -1;

static void fault_prepare(void)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0 || access("/sys/kernel/debug/failslab", F_OK))
		SKIP("a kernel without fault injection");
	CHECK(!write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N"));
	write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	write_file("/sys/kernel/debug/failslab/verbose", "0");
	write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void fault_arm(int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", nth);

	CHECK(pwrite(fail_nth, text, n, 0) == n);
}

/*
 * True when the fault was taken by what is tested. The read and the write copy from and to user
 * space themselves: a fault that hits one of them was not.
 */
static bool fault_disarm(void)
{
	char text[16] = "";
	bool taken;

	taken = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	if (pwrite(fail_nth, "0", 1, 0) != 1 && pwrite(fail_nth, "0", 1, 0) != 1)
		FAIL("cannot disarm: %s", strerror(errno));
	return taken;
}

static void expect_clean_error(const char *what, int nth)
{
	if (errno != ENOMEM && errno != EFAULT && errno != ENFILE)
		FAIL("%s, fault %d: %s", what, nth, strerror(errno));
}

TEST(open_and_ring_setup_survive_the_failure_of_each_allocation)
{
	struct vgpu_ring_setup setup;
	int control, fd, nth, ret;
	bool taken = true;

	fault_prepare();
	control = control_open();
	for (nth = 1; taken && nth < 1000; nth++) {
		fault_arm(nth);
		fd = open("/dev/vgpu0", O_RDWR);
		ret = fd < 0 ? -1 : ring_setup(fd, 2 * PAGE, PAGE, &setup);
		taken = fault_disarm();
		if (ret)
			expect_clean_error("open or RING_SETUP", nth);
		/* What failed can be done again. */
		if (fd >= 0 && ret)
			CHECK(!ring_setup(fd, 2 * PAGE, PAGE, NULL));
		close(fd);
		CHECK_ATTRIBUTE("sessions", "0");
	}
	fprintf(stderr, "# %d places\n", nth - 2);
	CHECK(nth > 10);
	close(control);
}

TEST(attach_survives_the_failure_of_each_allocation)
{
	struct vgpu_session_attach attach;
	struct vgpu_ring_setup setup;
	int control, fd, nth, ret;
	bool taken = true;

	fault_prepare();
	control = control_open();
	for (nth = 1; taken && nth < 1000; nth++) {
		fd = function_open();
		CHECK(!ring_setup(fd, PAGE, PAGE, &setup));
		fault_arm(nth);
		ret = session_attach(control, setup.session, &attach);
		taken = fault_disarm();
		if (ret < 0) {
			expect_clean_error("SESSION_ATTACH", nth);
			CHECK_EQ(poll_events(fd, 0) & POLLHUP, 0);
			ret = session_attach(control, setup.session, &attach);
			CHECK(ret >= 0);
		}
		close(ret);
		close(fd);
	}
	fprintf(stderr, "# %d places\n", nth - 2);
	CHECK(nth > 3);
	close(control);
}

TEST(mmap_survives_the_failure_of_each_allocation)
{
	struct pair pair;
	bool taken = true;
	void *p;
	int nth;

	fault_prepare();
	pair_open(&pair, PAGE, PAGE);
	for (nth = 1; taken && nth < 1000; nth++) {
		fault_arm(nth);
		p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, pair.function.fd, VGPU_MMAP_SQ);
		taken = fault_disarm();
		if (p == MAP_FAILED)
			expect_clean_error("mmap", nth);
		else
			munmap(p, 2 * PAGE);
	}
	fprintf(stderr, "# %d places\n", nth - 2);
	CHECK(nth > 1);
}

TEST(closing_works_when_the_event_cannot_be_allocated)
{
	struct pair pair;
	bool taken = true;
	int nth;

	fault_prepare();
	for (nth = 1; taken && nth < 100; nth++) {
		pair_open(&pair, PAGE, PAGE);
		munmap(pair.function.control, PAGE);
		munmap(pair.function.sq, 2 * PAGE);
		munmap(pair.function.cq, 2 * PAGE);
		fault_arm(nth);
		close(pair.function.fd);
		taken = fault_disarm();
		CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLHUP, POLLHUP);
		CHECK_ATTRIBUTE("sessions", "0");
		side_close(&pair.daemon);
		close(pair.control);
	}
	CHECK(nth > 1);
}
