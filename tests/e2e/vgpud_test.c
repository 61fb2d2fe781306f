// SPDX-License-Identifier: MIT
/*
 * vgpud between the real module and a server played by the test. Runs in a guest (vgpud_guest.sh),
 * as root, one case at a time, each with a vgpud of its own:
 *
 *    function --/dev/vgpu0-- vgpu.ko --/dev/vgpuctl-- vgpud --TCP-- server
 *    (this test)                                      (/bin/vgpud)  (this test)
 */
#include <endian.h>
#include <pthread.h>
#include <sys/socket.h>

#include "vgpud_ends.h"

TEST(a_session_uses_the_spare_connection_and_the_lease_says_who_asks)
{
	struct lease_frame lease;
	uint8_t buf[64];
	struct side s;
	uint64_t id;
	char name[64];
	int fd;

	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "123456789\n"));
	start_all(NULL);
	snprintf(name, sizeof(name), "127.0.0.1:%u", port);
	CHECK_ATTRIBUTE("server", name);
	fd = server_accept();		/* before there is a session */
	function_setup(&s, RING, RING, &id);
	submit(&s, "behind--", 8);
	read_lease(fd, &lease);
	CHECK(!strcmp(lease.l.tenant, "blue"));
	CHECK_EQ(le64toh(lease.l.mem_limit), 123456789);
	CHECK_EQ(le64toh(lease.l.features), VWIRE_FEAT_STATUS | VWIRE_FEAT_BULK);
	read_all(fd, buf, 8);
	CHECK(!memcmp(buf, "behind--", 8));
	server_accept();		/* the next spare */
	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "0\n"));
}

TEST(frames_pass_unchanged_both_ways)
{
	pthread_t t;
	struct side s;

	start_all(NULL);
	open_echo(&s, &t);
	echo_frames(&s, 1, 3000);
}

static void *one_session(void *arg)
{
	struct side *s = arg;

	echo_frames(s, 1, 1000);
	return NULL;
}

TEST(four_sessions_at_once)
{
	pthread_t server[4], function[4];
	struct side s[4];

	start_all(NULL);
	for (int i = 0; i < 4; i++)
		open_echo(&s[i], &server[i]);
	CHECK_ATTRIBUTE("sessions", "4");
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&function[i], NULL, one_session, &s[i]));
	for (int i = 0; i < 4; i++)
		pthread_join(function[i], NULL);
}

/* The kernel takes them from the ring's pages, which are the module's; vgpud says so. */
static void large_frames(struct side *lane)
{
	static uint8_t out[256 << 10], in[256 << 10];
	struct vwire_frame h = { htole32(sizeof(out)), htole16(VWIRE_OP_DATA), 0, 0 };

	for (int n = 0; n < 20; n++) {
		for (size_t i = 0; i < sizeof(out); i++)
			out[i] = n * 13 + i * 7 + i / 256;
		memcpy(out, &h, sizeof(h));
		submit(lane, out, sizeof(out));
		CHECK(complete(lane, in, sizeof(in)));
		CHECK(!memcmp(in, out, sizeof(out)));
	}
}

static unsigned int sends_from_pages(void)
{
	unsigned int n = 0;
	char line[512], *p;
	FILE *f = fopen(LOG_FILE, "r");

	while (f && fgets(line, sizeof(line), f)) {
		p = strstr(line, " s, ");
		if (p && strstr(line, "sends from the ring's pages"))
			n += strtoul(p + 4, NULL, 10);
	}
	if (f)
		fclose(f);
	return n;
}

TEST(a_further_session_becomes_a_bulk_connection)
{
	struct { struct vwire_frame h; struct vwire_bulk b; } ask = {
		{ htole32(sizeof(ask)), htole16(VWIRE_OP_BULK), 0, 0 }, { .magic = htole32(VWIRE_MAGIC) },
	}, got;
	struct side s, lane;
	pthread_t t;
	uint64_t id;
	int fd;

	start_all(NULL);
	open_echo(&s, &t);
	function_setup(&lane, 1 << 20, 1 << 20, &id);
	submit(&lane, &ask, sizeof(ask));
	fd = server_session();
	read_all(fd, &got, sizeof(got));
	CHECK(!memcmp(&got, &ask, sizeof(ask)));	/* and no LEASE */
	CHECK_ATTRIBUTE("sessions", "2");
	CHECK(!pthread_create(&t, NULL, echo, (void *)(long)fd));
	echo_frames(&lane, 1, 1000);
	large_frames(&lane);
	echo_frames(&s, 1, 10);
	side_close(&s);
	expect_closed(&lane, VWIRE_REASON_LOST, "bulk connection");
	side_close(&lane);
	wait_attribute("sessions", "0");
	if (!sends_from_pages()) {
		dump_log();
		FAIL("all was copied");
	}
}

TEST(memory_status_is_shown_in_sysfs_and_not_passed_on)
{
	struct { struct vwire_frame h; struct vwire_status st; } f = {
		{ htole32(24), htole16(VWIRE_OP_STATUS), 0, 0 }, { htole64(4096) },
	};
	struct vwire_frame plain = { htole32(16), htole16(9), 0, htole64(77) }, got;
	struct side s;
	int fd;

	fd = start_session(&s);
	CHECK_EQ(send(fd, &f, sizeof(f), 0), sizeof(f));
	wait_attribute("mem_used", "4096");
	f.st.mem_used = htole64(1ull << 40);
	CHECK_EQ(send(fd, &f, sizeof(f), 0), sizeof(f));
	CHECK_EQ(send(fd, &plain, sizeof(plain), 0), sizeof(plain));
	wait_attribute("mem_used", "1099511627776");
	CHECK(complete(&s, &got, sizeof(got)));
	CHECK_EQ(le64toh(got.seq), 77);
	side_close(&s);
	wait_attribute("mem_used", "0");
	CHECK_EQ(recv(fd, &got, 1, 0), 0);	/* the lease is given back */
}

TEST(no_server_is_said_and_the_state_follows_its_coming_and_going)
{
	struct side s;
	uint64_t id;

	server_listen(0);
	close(listener);
	daemon_start(NULL);
	wait_attribute("state", "unreachable");
	function_setup(&s, RING, RING, &id);
	expect_closed(&s, VWIRE_REASON_LOST, "does not answer: Connection refused");
	side_close(&s);

	server_listen(port);
	wait_attribute("state", "ready");
	close(server_accept());
	close(listener);
	wait_attribute("state", "unreachable");
	server_listen(port);
	wait_attribute("state", "ready");
}

TEST(no_configured_server_is_said)
{
	struct side s;
	uint64_t id;

	daemon_start(NULL);
	wait_attribute("state", "unreachable");
	function_setup(&s, RING, RING, &id);
	expect_closed(&s, VWIRE_REASON_LOST, "no server is configured for vgpu0");
}

TEST(a_spare_that_the_server_closed_is_not_used)
{
	struct lease_frame lease;
	struct side s;
	uint64_t id;
	int fd;

	start_all(NULL);
	close(server_accept());
	function_setup(&s, RING, RING, &id);
	fd = server_session();
	read_lease(fd, &lease);
}

TEST(a_server_lost_in_mid_run_is_said_within_a_second)
{
	pthread_t t;
	struct side s;
	double start;
	int fd;

	start_all(NULL);
	fd = open_echo(&s, &t);
	echo_frames(&s, 1, 10);
	start = now();
	shutdown(fd, SHUT_RDWR);
	expect_closed(&s, VWIRE_REASON_LOST, "has ended");
	CHECK(now() - start < 1);
}

TEST(the_servers_own_last_words_come_first)
{
	struct { struct vwire_frame h; struct vwire_refused r; } f = {
		{ htole32(32), htole16(VWIRE_OP_REFUSED), 0, 0 }, { .result = htole32(2) },
	};
	struct lease_frame lease;
	uint8_t buf[512];
	struct side s;
	uint64_t id;
	int fd;

	start_all(NULL);
	fd = server_accept();
	function_setup(&s, RING, RING, &id);
	submit(&s, "unread--", 8);	/* so the close is a reset */
	read_lease(fd, &lease);
	CHECK_EQ(send(fd, &f, sizeof(f), 0), sizeof(f));
	close(fd);
	CHECK(complete(&s, buf, sizeof(buf)));
	CHECK(!memcmp(buf, &f, sizeof(f)));
	expect_closed(&s, VWIRE_REASON_LOST, "has ended");
}

TEST(a_lying_submission_index_ends_the_session)
{
	pthread_t t;
	struct side s;

	start_all(NULL);
	open_echo(&s, &t);
	store_index(&s.control->sq_head, 1ull << 40);
	doorbell(s.fd);
	expect_closed(&s, VWIRE_REASON_PROTOCOL, "ring index");
	CHECK(!waitpid(daemon_pid, NULL, WNOHANG));
}

TEST(a_lying_completion_index_ends_the_session)
{
	struct vwire_frame frame = { htole32(16), htole16(7), 0, htole64(1) };
	pthread_t t;
	struct side s;

	start_all(NULL);
	open_echo(&s, &t);
	store_index(&s.control->cq_tail, 12345);
	submit(&s, &frame, sizeof(frame));	/* comes back, and there is no room it could have */
	for (double end = now() + 5; !(poll_events(s.fd, 100) & POLLHUP);)
		CHECK(now() < end);
	CHECK(!waitpid(daemon_pid, NULL, WNOHANG));
}

TEST(a_wrong_header_from_the_server_ends_the_session)
{
	struct vwire_frame h = { htole32(17), htole16(9), 0, 0 };
	struct side s;
	int fd;

	fd = start_session(&s);
	CHECK_EQ(send(fd, &h, sizeof(h), 0), sizeof(h));
	expect_closed(&s, VWIRE_REASON_PROTOCOL, "frame header");
	CHECK_EQ(recv(fd, &h, 1, 0), 0);
}

TEST(a_function_killed_in_a_copy_gives_its_connection_back)
{
	struct lease_frame lease;
	static char chunk[4096];
	pid_t pid;
	int fd;

	start_all(NULL);
	fd = server_accept();
	pid = fork();
	if (!pid) {
		struct side s;
		uint64_t id;

		function_setup(&s, RING, RING, &id);
		for (;;)
			submit(&s, chunk, sizeof(chunk));
	}
	read_lease(fd, &lease);
	read_all(fd, chunk, sizeof(chunk));
	kill(pid, SIGKILL);
	while (recv(fd, chunk, sizeof(chunk), 0) > 0)
		;
	wait_attribute("sessions", "0");
}

TEST(a_killed_vgpud_hangs_its_sessions_up_and_a_new_one_serves_the_next)
{
	pthread_t t;
	struct side s;
	uint8_t buf[64];
	double start;

	start_all(NULL);
	open_echo(&s, &t);
	echo_frames(&s, 1, 10);
	start = now();
	kill(daemon_pid, SIGKILL);
	CHECK(!complete(&s, buf, sizeof(buf)));
	CHECK(now() - start < 1);
	side_close(&s);
	CHECK(daemon_wait() >= 0);
	CHECK_ATTRIBUTE("state", "offline");

	daemon_start(NULL);
	wait_attribute("state", "ready");
	open_echo(&s, &t);
	echo_frames(&s, 1, 10);
}

TEST(sigterm_lets_running_sessions_finish_and_takes_no_new_ones)
{
	struct side s, late;
	pthread_t t;
	uint64_t id;

	start_all(NULL);
	open_echo(&s, &t);
	kill(daemon_pid, SIGTERM);
	wait_attribute("state", "draining");
	function_setup(&late, RING, RING, &id);
	expect_closed(&late, VWIRE_REASON_DRAINING, "going down");
	echo_frames(&s, 1, 100);
	CHECK(!waitpid(daemon_pid, NULL, WNOHANG));
	side_close(&s);
	CHECK_EQ(daemon_wait(), 0);
	CHECK_ATTRIBUTE("state", "offline");
}

TEST(a_drain_has_an_end)
{
	struct side s;
	pthread_t t;

	start_all("--drain-timeout=200ms");
	open_echo(&s, &t);
	kill(daemon_pid, SIGTERM);
	expect_closed(&s, VWIRE_REASON_DRAINING, "going down");
	CHECK_EQ(daemon_wait(), 0);
}

TEST(two_hundred_sessions_leave_nothing_behind)
{
	unsigned int before;
	pthread_t t;
	struct side s;

	start_all(NULL);
	before = daemon_fds();
	for (int i = 0; i < 200; i++) {
		open_echo(&s, &t);
		echo_frames(&s, 1, 5);
		side_close(&s);
		pthread_join(t, NULL);
	}
	wait_attribute("sessions", "0");
	CHECK_ATTRIBUTE("mem_used", "0");
	/* The module counts a session out before vgpud has heard of its end. */
	for (double end = now() + 2; daemon_fds() != before && now() < end;)
		usleep(5000);
	CHECK_EQ(daemon_fds(), before);
}

TEST(idle_sessions_cost_no_cpu)
{
	unsigned long cpu;
	long switches;
	pthread_t t;
	struct side s[2];

	start_all(NULL);
	for (int i = 0; i < 2; i++)
		open_echo(&s[i], &t);
	echo_frames(&s[0], 1, 100);
	usleep(300000);
	cpu = daemon_cpu();
	switches = status_number("voluntary_ctxt_switches:");
	sleep(2);
	CHECK_EQ(daemon_cpu(), cpu);
	CHECK_EQ(status_number("voluntary_ctxt_switches:"), switches);
}

TEST(a_full_completion_ring_costs_no_cpu_and_loses_nothing)
{
	static uint8_t buf[65536], want[65536];
	struct lease_frame lease;
	unsigned long cpu;
	struct side s;
	uint64_t id;
	int fd, size = 4096;

	start_all(NULL);
	fd = server_accept();
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	function_setup(&s, RING, RING, &id);
	read_lease(fd, &lease);
	if (!fork()) {
		for (uint64_t n = 1; n <= 200; n++) {
			uint32_t len = make_frame(buf, n);

			CHECK_EQ(send(fd, buf, len, MSG_NOSIGNAL), len);
		}
		_exit(0);
	}
	usleep(500000);
	cpu = daemon_cpu();
	sleep(1);
	CHECK(daemon_cpu() - cpu <= 1);
	for (uint64_t n = 1; n <= 200; n++) {
		uint32_t len = make_frame(want, n);

		CHECK(complete(&s, buf, sizeof(buf)));
		CHECK(!memcmp(buf, want, len));
	}
}

TEST(sighup_reads_the_configuration_again)
{
	char text[256];
	uint16_t second;
	int first;

	server_listen(0);
	first = listener;
	second = port;
	server_listen(0);
	snprintf(text, sizeof(text), "server = 127.0.0.1:%u\n", second);
	CHECK(!mkdir("/etc", 0755) || errno == EEXIST);
	CHECK(!mkdir("/etc/dgsf", 0755) || errno == EEXIST);
	close(open("/etc/dgsf/vgpud.conf", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	CHECK(!write_file("/etc/dgsf/vgpud.conf", text));
	wait_attribute("state", "offline");
	daemon_pid = fork();
	if (!daemon_pid) {
		execl("/bin/vgpud", "vgpud", NULL);
		_exit(127);
	}
	wait_attribute("state", "ready");
	snprintf(text, sizeof(text), "127.0.0.1:%u", second);
	CHECK_ATTRIBUTE("server", text);

	snprintf(text, sizeof(text), "server = 127.0.0.1:9\n[vgpu0]\nserver = 127.0.0.1:%u\n",
		 port);
	close(open("/etc/dgsf/vgpud.conf", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	CHECK(!write_file("/etc/dgsf/vgpud.conf", text));
	kill(daemon_pid, SIGHUP);
	snprintf(text, sizeof(text), "127.0.0.1:%u", port);
	wait_attribute("server", text);
	wait_attribute("state", "ready");

	/* A wrong one changes nothing. */
	close(open("/etc/dgsf/vgpud.conf", O_WRONLY | O_CREAT | O_TRUNC, 0644));
	CHECK(!write_file("/etc/dgsf/vgpud.conf", "server = a b\nnosuch = 1\n"));
	kill(daemon_pid, SIGHUP);
	usleep(200000);
	CHECK_ATTRIBUTE("server", text);
	CHECK_ATTRIBUTE("state", "ready");
	unlink("/etc/dgsf/vgpud.conf");
	close(first);
}

TEST(with_a_user_it_keeps_one_capability)
{
	pthread_t t;
	struct side s;

	start_all("--user=nobody");
	CHECK_EQ(status_number("Uid:"), 65534);
	CHECK_EQ(status_number("Gid:"), 65534);
	CHECK_EQ(status_number("CapEff:"), 1 << 12);
	CHECK_EQ(status_number("CapPrm:"), 1 << 12);
	CHECK_EQ(status_number("NoNewPrivs:"), 1);
	open_echo(&s, &t);
	echo_frames(&s, 1, 10);
}

TEST(a_second_vgpud_says_that_there_is_one)
{
	start_all(NULL);
	daemon_spawn(NULL);
	CHECK(WEXITSTATUS(daemon_wait()) == 1);
}
