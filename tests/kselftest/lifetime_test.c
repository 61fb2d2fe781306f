// SPDX-License-Identifier: MIT
/*
 * Who dies when: whatever happens to one side, the other learns of it, and everything is given
 * back.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "frames.h"
#include "genl.h"

static void expect_prompt_hup(int fd)
{
	double start = now();
	int events = poll_for(fd, 0, PATIENCE_MS);

	if (!(events & POLLHUP))
		FAIL("poll says 0x%x, not POLLHUP", events);
	CHECK(now() - start < prompt());
}

TEST(the_daemon_closing_a_session_hangs_up_the_function)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	side_close(&pair.daemon);
	expect_prompt_hup(pair.function.fd);
	CHECK_EQ(poll_events(pair.function.fd, 0) & (POLLHUP | POLLERR), POLLHUP | POLLERR);
	CHECK_ERR(doorbell(pair.function.fd), EPIPE);
	CHECK_EQ(pair.function.control->state, VGPU_STATE_GONE);
}

TEST(the_daemon_closing_its_control_device_hangs_up_everybody)
{
	struct side waiting;
	uint64_t session;
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	function_setup(&waiting, PAGE, PAGE, &session);
	close(pair.control);
	expect_prompt_hup(pair.function.fd);
	expect_prompt_hup(waiting.fd);
	expect_prompt_hup(pair.daemon.fd);
	CHECK_ERR(doorbell(pair.function.fd), EPIPE);
	CHECK_ERR(doorbell(waiting.fd), EPIPE);
	CHECK_ERR(doorbell(pair.daemon.fd), EPIPE);
	CHECK_EQ(waiting.control->state, VGPU_STATE_GONE);
	CHECK_ATTRIBUTE("sessions", "0");
}

TEST(the_function_closing_hangs_up_the_daemon)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	store_index(&pair.function.control->sq_head, 64);
	side_close(&pair.function);
	expect_prompt_hup(pair.daemon.fd);
	/* What was in the ring can still be read. */
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLIN, POLLIN);
	CHECK_EQ(pair.daemon.control->state, VGPU_STATE_GONE);
}

TEST(what_the_daemon_wrote_before_it_closed_can_still_be_read)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	pair.daemon.cq[0] = 9;
	store_index(&pair.daemon.control->cq_head, 64);
	side_close(&pair.daemon);
	CHECK_EQ(poll_events(pair.function.fd, 0) & POLLIN, POLLIN);
	CHECK_EQ(pair.function.cq[0], 9);
}

/*
 * A daemon in a process of its own, which attaches the session that it reads from @attach, if any,
 * and serves nobody.
 */
static pid_t daemon_start(const int *attach)
{
	uint64_t session;
	int ready[2];
	pid_t pid;
	char c;

	CHECK(!pipe(ready));
	pid = fork();
	if (!pid) {
		int control = control_open();

		CHECK(write(ready[1], "c", 1) == 1);
		if (attach) {
			CHECK(read(*attach, &session, sizeof(session)) == sizeof(session));
			CHECK(session_attach(control, session, NULL) >= 0);
			CHECK(write(ready[1], "a", 1) == 1);
		}
		pause();
		_exit(0);
	}
	close(ready[1]);
	CHECK(read(ready[0], &c, 1) == 1);
	return pid;
}

TEST(a_daemon_killed_hangs_up_a_function_that_waits_to_be_attached)
{
	pid_t daemon = daemon_start(NULL);
	struct side function;
	uint64_t session;
	double start;
	int status;

	function_setup(&function, PAGE, PAGE, &session);
	CHECK_EQ(poll_for(function.fd, POLLIN, 50), 0);
	start = now();
	CHECK(!kill(daemon, SIGKILL));
	expect_prompt_hup(function.fd);
	CHECK(now() - start < prompt());
	CHECK(waitpid(daemon, &status, 0) == daemon);
	CHECK_ERR(ring_setup(function_open(), PAGE, PAGE, NULL), EHOSTDOWN);
}

TEST(a_daemon_killed_hangs_up_a_function_that_is_attached)
{
	struct side function;
	uint64_t session;
	int to[2], status;
	pid_t daemon;

	CHECK(!pipe(to));
	daemon = daemon_start(&to[0]);
	function_setup(&function, PAGE, PAGE, &session);
	CHECK(write(to[1], &session, sizeof(session)) == sizeof(session));
	while (function.control->state != VGPU_STATE_ATTACHED)
		usleep(1000);
	CHECK(!kill(daemon, SIGKILL));
	expect_prompt_hup(function.fd);
	CHECK(waitpid(daemon, &status, 0) == daemon);
	CHECK_ERR(doorbell(function.fd), EPIPE);
}

TEST(a_daemon_started_again_serves_the_next_session)
{
	struct pair first, second;

	pair_open(&first, PAGE, PAGE);
	close(first.control);
	pair_open(&second, PAGE, PAGE);
	CHECK(!doorbell(second.function.fd) && !doorbell(second.daemon.fd));
	CHECK_ERR(doorbell(first.function.fd), EPIPE);
	CHECK(second.session != first.session);
	/* The old descriptor's end must not end the new daemon's session. */
	side_close(&first.daemon);
	side_close(&first.function);
	CHECK_EQ(poll_events(second.function.fd, 0) & POLLHUP, 0);
}

TEST(a_function_killed_in_mid_traffic_gives_everything_back)
{
	struct side daemon;
	struct vgpu_session_attach attach;
	int control = control_open(), p[2], status;
	uint64_t session, number, i;
	struct end in;
	struct message m;
	struct genl genl;
	pid_t pid;

	CHECK(!pipe(p));
	pid = fork();
	if (!pid) {
		struct side function;
		struct end out;

		function_setup(&function, PAGE, PAGE, &session);
		CHECK(write(p[1], &session, sizeof(session)) == sizeof(session));
		out = function_sends(&function);
		for (i = 0; put(&out, i); i++)
			;
		_exit(1);
	}
	close(p[1]);
	CHECK(read(p[0], &session, sizeof(session)) == sizeof(session));
	CHECK(session_attach(control, session, &attach) >= 0);
	side_map(&daemon, attach.fd, attach.sq_bytes, attach.cq_bytes);
	CHECK(!session_report(daemon.fd, 1 << 20));
	CHECK_ATTRIBUTE("mem_used", "1048576");
	genl_open(&genl);
	CHECK(!genl_join(&genl));
	in = daemon_receives(&daemon);
	for (i = 0; i < 1000; i++)
		CHECK(take(&in, &number) && number == i);

	CHECK(!kill(pid, SIGKILL));
	CHECK(waitpid(pid, &status, 0) == pid);
	expect_prompt_hup(daemon.fd);
	while (take(&in, &number))
		CHECK_EQ(number, i++);
	CHECK(genl_message(&genl, &m, PATIENCE_MS));
	CHECK_EQ(m.command, VGPU_CMD_SESSION_CLOSE);
	CHECK_EQ(get_u64(&m, VGPU_A_SESSION), session);
	CHECK_ATTRIBUTE("mem_used", "0");
	CHECK_ATTRIBUTE("sessions", "0");
}

TEST(a_descriptor_inherited_over_fork_keeps_the_session)
{
	struct pair pair;
	int status;
	pid_t pid;

	pair_open(&pair, PAGE, PAGE);
	pid = fork();
	if (!pid) {
		pause();
		_exit(0);
	}
	side_close(&pair.function);
	CHECK_EQ(poll_for(pair.daemon.fd, 0, 100), 0);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid);
	expect_prompt_hup(pair.daemon.fd);
}

static long meminfo(const char *name)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kib = strtol(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void rounds(int control, int nr)
{
	struct side function, daemon;
	uint64_t session;

	while (nr--) {
		function_setup(&function, 16 * PAGE, 16 * PAGE, &session);
		daemon_attach(&daemon, control, session);
		CHECK(!session_report(daemon.fd, 4096));
		function.sq[0] = 1;
		if (nr % 2) {
			side_close(&function);
			side_close(&daemon);
		} else {
			side_close(&daemon);
			side_close(&function);
		}
	}
}

TEST(two_thousand_sessions_leave_nothing_behind)
{
	int nr = frames(2000), control = control_open(), descriptors;
	long before, after, slab;

	rounds(control, nr / 10);
	descriptors = open_descriptors();
	before = meminfo("MemFree:");
	slab = meminfo("Slab:");
	rounds(control, nr);
	/* Freed pages sit in per-cpu lists and freed files in RCU for a while. */
	usleep(500000);
	after = meminfo("MemFree:");
	fprintf(stderr, "# MemFree %ld -> %ld KiB, Slab %ld -> %ld KiB\n", before, after, slab,
		meminfo("Slab:"));
	CHECK_EQ(open_descriptors(), descriptors);
	/* One ring pair of each round leaked would be 128 KiB each. */
	CHECK(before - after < nr * 16L + 8192);
	CHECK(meminfo("Slab:") - slab < nr * 2L + 4096);
	CHECK_ATTRIBUTE("sessions", "0");
	CHECK_ATTRIBUTE("mem_used", "0");
}

static volatile bool stop;

static void *sessions_come_and_go(void *arg)
{
	struct vgpu_ring_setup setup;
	int fd;

	(void)arg;
	while (!stop) {
		fd = function_open();
		if (!ring_setup(fd, PAGE, PAGE, &setup)) {
			doorbell(fd);
			poll_events(fd, 1);
			munmap(map(fd, 2 * PAGE, VGPU_MMAP_SQ), 2 * PAGE);
		} else if (errno != EHOSTDOWN) {
			FAIL("ring set-up: %s", strerror(errno));
		}
		close(fd);
	}
	return NULL;
}

/*
 * Attaches whatever it guesses, so that attaching meets sessions that are being set up and being
 * closed.
 */
static void *daemon_comes_and_goes(void *arg)
{
	struct genl *genl = malloc(sizeof(*genl));
	struct message m;
	int control, fd, i;

	(void)arg;
	genl_open(genl);
	while (!stop) {
		control = open("/dev/vgpuctl", O_RDWR);
		if (control < 0)
			FAIL("/dev/vgpuctl: %s", strerror(errno));
		for (i = 0; i < 20; i++) {
			genl_dump(genl, VGPU_CMD_SESSION_GET);
			while (genl_message(genl, &m, PATIENCE_MS)) {
				fd = session_attach(control, get_u64(&m, VGPU_A_SESSION), NULL);
				if (fd >= 0 && i % 3) {
					session_report(fd, 4096);
					doorbell(fd);
					poll_events(fd, 0);
					close(fd);
				}
			}
			attribute("sessions");
		}
		close(control);
		/* Those left open are ended by the control device; close them a little later. */
		for (fd = 3; fd < 200; fd++) {
			struct stat st;
			char path[64], target[64] = "";

			snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
			if (!stat(path, &st) && readlink(path, target, sizeof(target) - 1) > 0 &&
			    strstr(target, "[vgpu-session]"))
				close(fd);
		}
	}
	free(genl);
	return NULL;
}

TEST(sessions_and_daemons_may_come_and_go_at_any_time)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL,
				      i ? sessions_come_and_go : daemon_comes_and_goes, NULL));
	usleep(3000000);
	stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_ATTRIBUTE("sessions", "0");
	CHECK_ATTRIBUTE("mem_used", "0");
	CHECK_ATTRIBUTE("state", "offline");
}

static void *setup_once(void *arg)
{
	int fd = *(int *)arg;

	return (void *)(long)(ring_setup(fd, 16 * PAGE, 16 * PAGE, NULL) ? errno : 0);
}

TEST(of_two_ring_set_ups_at_a_time_one_wins)
{
	int control = control_open(), fd, i, t, won;
	pthread_t threads[3];
	void *result;

	for (i = 0; i < 100; i++) {
		fd = function_open();
		for (t = 0; t < 3; t++)
			CHECK(!pthread_create(&threads[t], NULL, setup_once, &fd));
		for (won = t = 0; t < 3; t++) {
			pthread_join(threads[t], &result);
			CHECK(!result || (long)result == EBUSY);
			won += !result;
		}
		CHECK_EQ(won, 1);
		CHECK_ATTRIBUTE("sessions", "1");
		close(fd);
	}
	close(control);
}

static bool in_new_cgroup(const char *path)
{
	char procs[128], self[32];

	if (write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		return false;
	mkdir(path, 0755);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	snprintf(self, sizeof(self), "%d", getpid());
	return !write_file(procs, self);
}

static long long cgroup_read(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return strtoll(text, NULL, 10);
}

TEST(rings_are_charged_to_the_caller_and_its_limit_is_ENOMEM_not_the_OOM_killer)
{
	int control = control_open(), fd = function_open();
	long long before, charged;

	if (!in_new_cgroup("/sys/fs/cgroup/vgpu-test"))
		SKIP("no memory cgroups");
	before = cgroup_read("/sys/fs/cgroup/vgpu-test/memory.current");
	CHECK(!ring_setup(fd, 8 << 20, 8 << 20, NULL));
	charged = cgroup_read("/sys/fs/cgroup/vgpu-test/memory.current") - before;
	CHECK(charged >= 16 << 20 && charged < 18 << 20);
	close(fd);
	CHECK(cgroup_read("/sys/fs/cgroup/vgpu-test/memory.current") - before < 2 << 20);

	CHECK(!write_file("/sys/fs/cgroup/vgpu-test/memory.max", "16777216"));
	fd = function_open();
	CHECK_ERR(ring_setup(fd, VGPU_RING_MAX, PAGE, NULL), ENOMEM);
	CHECK_ERR(ring_setup(fd, PAGE, VGPU_RING_MAX, NULL), ENOMEM);
	CHECK(!ring_setup(fd, PAGE, PAGE, NULL));
	close(control);
}
