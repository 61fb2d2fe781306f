// SPDX-License-Identifier: MIT
/*
 * /sys/class/vgpu/vgpuN: values, modes, and what is refused. Documentation/ABI/sysfs-class-vgpu
 * says what is promised.
 */
#include <stddef.h>
#include <sys/stat.h>

#include "session.h"

#define LIMIT "/sys/class/vgpu/vgpu0/mem_limit"

TEST(a_device_at_rest_is_offline_unlimited_and_unused)
{
	CHECK_ATTRIBUTE("state", "offline");
	CHECK_ATTRIBUTE("server", "");
	CHECK_ATTRIBUTE("name", "");
	CHECK_ATTRIBUTE("uuid", "");
	CHECK_ATTRIBUTE("mem_limit", "0");
	CHECK_ATTRIBUTE("mem_used", "0");
	CHECK_ATTRIBUTE("sessions", "0");
}

TEST(mem_limit_takes_decimal_bytes)
{
	CHECK(!write_file(LIMIT, "1048576\n"));
	CHECK_ATTRIBUTE("mem_limit", "1048576");
	CHECK(!write_file(LIMIT, "18446744073709551615"));
	CHECK_ATTRIBUTE("mem_limit", "18446744073709551615");
	CHECK(!write_file(LIMIT, "0"));
	CHECK_ATTRIBUTE("mem_limit", "0");
}

TEST(mem_limit_refuses_what_is_not_decimal_bytes)
{
	static const char * const bad[] = {
		"x", "-1", "0x10", "1k", "1 2", "1.5", "\n", " 1", "12345678901234567890123",
	};
	size_t i;

	CHECK(!write_file(LIMIT, "77"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(write_file(LIMIT, bad[i]) == -1);
		CHECK_ATTRIBUTE("mem_limit", "77");
	}
	CHECK_ERR(write_file(LIMIT, "garbage\n"), EINVAL);
	CHECK_ERR(write_file(LIMIT, "18446744073709551616\n"), ERANGE);
	CHECK(!write_file(LIMIT, "0"));
}

TEST(a_session_keeps_the_limit_it_was_told)
{
	struct vgpu_session_attach attach;
	struct vgpu_ring_setup setup;
	int control = control_open(), fd = function_open();

	CHECK(!write_file(LIMIT, "1000"));
	CHECK(!ring_setup(fd, PAGE, PAGE, &setup));
	CHECK(!write_file(LIMIT, "0"));
	CHECK(session_attach(control, setup.session, &attach) >= 0);
	CHECK_EQ(setup.mem_limit, 1000);
	CHECK_EQ(attach.mem_limit, 1000);
}

TEST(mem_used_and_sessions_are_sums_over_the_sessions)
{
	struct vgpu_ring_setup setup[3];
	int control = control_open(), fd[3], daemon[3], i;

	for (i = 0; i < 3; i++) {
		fd[i] = function_open();
		CHECK(!ring_setup(fd[i], PAGE, PAGE, &setup[i]));
		daemon[i] = session_attach(control, setup[i].session, NULL);
		CHECK(daemon[i] >= 0);
		CHECK(!session_report(daemon[i], 1000 << i));
	}
	CHECK_ATTRIBUTE("sessions", "3");
	CHECK_ATTRIBUTE("mem_used", "7000");
	CHECK(!session_report(daemon[2], 100));
	CHECK_ATTRIBUTE("mem_used", "3100");
	close(fd[0]);
	CHECK_ATTRIBUTE("sessions", "2");
	CHECK_ATTRIBUTE("mem_used", "2100");
	close(daemon[1]);
	CHECK_ATTRIBUTE("sessions", "1");
	CHECK_ATTRIBUTE("mem_used", "100");
	close(control);
	CHECK_ATTRIBUTE("sessions", "0");
	CHECK_ATTRIBUTE("mem_used", "0");
}

TEST(a_report_of_nonsense_comes_off_again)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	CHECK(!session_report(pair.daemon.fd, UINT64_MAX));
	CHECK_ATTRIBUTE("mem_used", "18446744073709551615");
	side_close(&pair.daemon);
	CHECK_ATTRIBUTE("mem_used", "0");
}

TEST(state_and_server_are_what_the_daemon_reported_while_it_lives)
{
	int control = control_open();

	CHECK(!device_report(control, 0, VGPU_DEVICE_READY, "127.0.0.1:4000"));
	CHECK_ATTRIBUTE("state", "ready");
	CHECK_ATTRIBUTE("server", "127.0.0.1:4000");
	CHECK(!device_report(control, 0, VGPU_DEVICE_UNREACHABLE, "[::1]:4000"));
	CHECK_ATTRIBUTE("state", "unreachable");
	CHECK_ATTRIBUTE("server", "[::1]:4000");
	CHECK(!device_report(control, 0, VGPU_DEVICE_DRAINING, ""));
	CHECK_ATTRIBUTE("state", "draining");
	CHECK_ATTRIBUTE("server", "");
	close(control);
	CHECK_ATTRIBUTE("state", "offline");
	CHECK_ATTRIBUTE("server", "");
}

TEST(name_and_uuid_are_what_the_daemon_reported_last)
{
	struct vgpu_device_report report = {
		.size = sizeof(report), .state = VGPU_DEVICE_READY, .server = "a:1",
		.name = "NVIDIA H100 80GB HBM3",
		.uuid = { 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0, 0, 0, 0, 0, 0, 0xff },
	};
	int control = control_open();

	CHECK(!ioctl(control, VGPU_DEVICE_REPORT, &report));
	CHECK_ATTRIBUTE("name", "NVIDIA H100 80GB HBM3");
	CHECK_ATTRIBUTE("uuid", "01234567-89ab-cdef-0000-0000000000ff");
	/* of a daemon that knows neither */
	report.size = offsetof(struct vgpu_device_report, name);
	CHECK(!ioctl(control, VGPU_DEVICE_REPORT, &report));
	CHECK_ATTRIBUTE("name", "");
	CHECK_ATTRIBUTE("uuid", "");
	report.size = sizeof(report);
	CHECK(!ioctl(control, VGPU_DEVICE_REPORT, &report));
	close(control);
	CHECK_ATTRIBUTE("name", "");
	CHECK_ATTRIBUTE("uuid", "");
}

TEST(only_mem_limit_can_be_written_and_only_by_root)
{
	static const char * const names[] = {
		"mem_used", "sessions", "state", "server", "name", "uuid", "mem_limit",
	};
	char path[128];
	struct stat st;
	size_t i;

	for (i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "/sys/class/vgpu/vgpu0/%s", names[i]);
		CHECK(!stat(path, &st));
		CHECK_EQ(st.st_mode & 07777, i < 6 ? 0444 : 0644);
		CHECK_EQ(st.st_uid, 0);
	}
	drop_root();
	CHECK_ATTRIBUTE("mem_limit", "0");
	CHECK_ERR(write_file(LIMIT, "1"), EACCES);
}

TEST(the_control_device_is_for_root)
{
	struct stat st;

	CHECK(!stat("/dev/vgpuctl", &st));
	CHECK_EQ(st.st_mode & 07777, 0600);
	drop_root();
	CHECK_ERR(open("/dev/vgpuctl", O_RDWR), EACCES);
}

TEST(a_caller_who_is_not_root_is_known_by_its_user)
{
	struct vgpu_session_attach attach;
	struct vgpu_ring_setup setup;
	int control = control_open(), p[2], status;
	pid_t pid;

	CHECK(!chmod("/dev/vgpu0", 0666) && !pipe(p));
	pid = fork();
	if (!pid) {
		drop_root();
		CHECK(!ring_setup(function_open(), PAGE, PAGE, &setup));
		CHECK(write(p[1], &setup, sizeof(setup)) == sizeof(setup));
		pause();
	}
	close(p[1]);
	CHECK(read(p[0], &setup, sizeof(setup)) == sizeof(setup));
	CHECK(session_attach(control, setup.session, &attach) >= 0);
	CHECK_EQ(attach.uid, 65534);
	CHECK_EQ(attach.pid, pid);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(!chmod("/dev/vgpu0", 0600));
}
