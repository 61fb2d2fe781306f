// SPDX-License-Identifier: MIT
/* Every ioctl with every wrong size, flag and pointer; then what each one promises. */
#include <stddef.h>

#include "session.h"

union argument {
	uint32_t size;
	struct vgpu_ring_setup ring_setup;
	struct vgpu_doorbell doorbell;
	struct vgpu_session_attach session_attach;
	struct vgpu_device_report device_report;
	struct vgpu_session_report session_report;
};

enum descriptor { FUNCTION, SESSION, CONTROL };

/* One row for each ioctl; every test below goes over all of them. */
static const struct row {
	const char *name;
	unsigned int cmd;
	enum descriptor on;
	uint32_t size;			/* of the first version */
} rows[] = {
	{ "RING_SETUP", VGPU_RING_SETUP, FUNCTION, sizeof(struct vgpu_ring_setup) },
	{ "DOORBELL (function)", VGPU_DOORBELL, FUNCTION, sizeof(struct vgpu_doorbell) },
	{ "DOORBELL (daemon)", VGPU_DOORBELL, SESSION, sizeof(struct vgpu_doorbell) },
	{ "SESSION_ATTACH", VGPU_SESSION_ATTACH, CONTROL, sizeof(struct vgpu_session_attach) },
	{ "DEVICE_REPORT", VGPU_DEVICE_REPORT, CONTROL, offsetof(struct vgpu_device_report, name) },
	{ "SESSION_REPORT", VGPU_SESSION_REPORT, SESSION, sizeof(struct vgpu_session_report) },
};

#define FOR_EACH_ROW(row) for (row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++)

/* As this version has it. */
static uint32_t size_now(const struct row *row)
{
	return row->cmd == VGPU_DEVICE_REPORT ? sizeof(struct vgpu_device_report) : row->size;
}

/*
 * Descriptors on which the row's ioctl, called right, succeeds once; fills in the right argument.
 */
struct scene {
	int control;
	int function;
	int session;
	int waiting;
};

static int scene_open(struct scene *scene, const struct row *row, union argument *argument)
{
	struct vgpu_ring_setup setup, waiting;

	scene->control = control_open();
	scene->function = function_open();
	scene->waiting = function_open();
	scene->session = -1;
	CHECK(!ring_setup(scene->waiting, PAGE, PAGE, &waiting));
	if (row->cmd != VGPU_RING_SETUP) {
		CHECK(!ring_setup(scene->function, PAGE, PAGE, &setup));
		scene->session = session_attach(scene->control, setup.session, NULL);
		CHECK(scene->session >= 0);
	}

	memset(argument, 0, sizeof(*argument));
	argument->size = row->size;
	if (row->cmd == VGPU_SESSION_ATTACH)
		argument->session_attach.session = waiting.session;
	if (row->cmd == VGPU_DEVICE_REPORT)
		argument->device_report.state = VGPU_DEVICE_READY;
	switch (row->on) {
	case FUNCTION:
		return scene->function;
	case SESSION:
		return scene->session;
	default:
		return scene->control;
	}
}

static void scene_close(struct scene *scene)
{
	close(scene->session);
	close(scene->function);
	close(scene->waiting);
	close(scene->control);
}

static void expect(const struct row *row, const char *what, int ret, int want)
{
	if (want && (ret != -1 || errno != want))
		FAIL("%s %s: %d %s, should be %s", row->name, what, ret, strerror(errno),
		     strerror(want));
	if (!want && ret)
		FAIL("%s %s: %s, should succeed", row->name, what, strerror(errno));
}

TEST(a_struct_of_the_right_size_is_accepted)
{
	union argument argument;
	const struct row *row;
	struct scene scene;
	int fd;

	FOR_EACH_ROW(row) {
		fd = scene_open(&scene, row, &argument);
		expect(row, "as it should be", ioctl(fd, row->cmd, &argument), 0);
		scene_close(&scene);
	}
}

TEST(a_struct_that_is_too_short_is_refused)
{
	union argument argument;
	const struct row *row;
	struct scene scene;
	uint32_t size;
	int fd;

	FOR_EACH_ROW(row) {
		fd = scene_open(&scene, row, &argument);
		for (size = 0; size < row->size; size++) {
			argument.size = size;
			expect(row, "too short", ioctl(fd, row->cmd, &argument), EINVAL);
		}
		scene_close(&scene);
	}
}

TEST(a_longer_struct_with_zeroes_at_its_end_is_accepted)
{
	uint8_t buffer[PAGE] __attribute__((aligned(8)));
	const struct row *row;
	struct scene scene;
	size_t extra;
	int fd;

	FOR_EACH_ROW(row) {
		for (extra = 1; extra <= sizeof(buffer) - row->size; extra += 61) {
			memset(buffer, 0, sizeof(buffer));
			fd = scene_open(&scene, row, (union argument *)buffer);
			*(uint32_t *)buffer = row->size + extra;
			expect(row, "longer with zeroes", ioctl(fd, row->cmd, buffer), 0);
			scene_close(&scene);
			if (extra > 300)
				extra += 1500;
		}
	}
}

TEST(a_longer_struct_with_garbage_at_its_end_is_refused)
{
	uint8_t buffer[PAGE] __attribute__((aligned(8)));
	const struct row *row;
	struct scene scene;
	size_t at;
	int fd;

	FOR_EACH_ROW(row) {
		memset(buffer, 0, sizeof(buffer));
		fd = scene_open(&scene, row, (union argument *)buffer);
		for (at = size_now(row); at < sizeof(buffer); at += 127) {
			*(uint32_t *)buffer = sizeof(buffer);
			buffer[at] = 1;
			expect(row, "longer with garbage", ioctl(fd, row->cmd, buffer), E2BIG);
			buffer[at] = 0;
		}
		expect(row, "longer, garbage gone", ioctl(fd, row->cmd, buffer), 0);
		scene_close(&scene);
	}
}

TEST(a_struct_longer_than_a_page_is_refused_unread)
{
	union argument argument;
	const struct row *row;
	struct scene scene;
	int fd;

	FOR_EACH_ROW(row) {
		fd = scene_open(&scene, row, &argument);
		argument.size = PAGE + 1;
		expect(row, "a page and a byte", ioctl(fd, row->cmd, &argument), E2BIG);
		argument.size = UINT32_MAX;
		expect(row, "4 GiB", ioctl(fd, row->cmd, &argument), E2BIG);
		scene_close(&scene);
	}
}

TEST(an_unknown_flag_is_refused)
{
	union argument argument;
	const struct row *row;
	struct scene scene;
	int fd, bit;

	FOR_EACH_ROW(row) {
		fd = scene_open(&scene, row, &argument);
		for (bit = 0; bit < 32; bit++) {
			argument.doorbell.flags = 1u << bit;	/* all structs have it there */
			expect(row, "with a flag", ioctl(fd, row->cmd, &argument), EOPNOTSUPP);
		}
		scene_close(&scene);
	}
}

TEST(a_pointer_to_nothing_is_refused)
{
	union argument argument;
	const struct row *row;
	struct scene scene;
	uint8_t *pages, *edge;
	int fd;

	pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED && !munmap(pages + PAGE, PAGE));
	FOR_EACH_ROW(row) {
		fd = scene_open(&scene, row, &argument);
		expect(row, "at NULL", ioctl(fd, row->cmd, NULL), EFAULT);
		expect(row, "in the kernel", ioctl(fd, row->cmd, 0xffffffff80000000ul), EFAULT);
		edge = pages + PAGE - 4;
		memcpy(edge, &argument, 4);
		expect(row, "with only its size mapped", ioctl(fd, row->cmd, edge), EFAULT);
		scene_close(&scene);
	}
}

TEST(an_unknown_ioctl_is_ENOTTY)
{
	union argument argument;
	const struct row *row;
	struct scene scene;
	unsigned int nr;

	scene_open(&scene, &rows[1], &argument);
	for (nr = 0; nr < 256; nr++) {
		unsigned int cmd = _IO(VGPU_IOC, nr);

		if (cmd != VGPU_RING_SETUP && cmd != VGPU_DOORBELL)
			CHECK_ERR(ioctl(scene.function, cmd, &argument), ENOTTY);
		if (cmd != VGPU_DOORBELL && cmd != VGPU_SESSION_REPORT)
			CHECK_ERR(ioctl(scene.session, cmd, &argument), ENOTTY);
		if (cmd != VGPU_SESSION_ATTACH && cmd != VGPU_DEVICE_REPORT)
			CHECK_ERR(ioctl(scene.control, cmd, &argument), ENOTTY);
	}
	FOR_EACH_ROW(row)
		CHECK_ERR(ioctl(scene.function, row->cmd ^ 0x100, &argument), ENOTTY);
	scene_close(&scene);
}

TEST(ring_sizes_are_powers_of_two_within_the_limits)
{
	static const uint32_t bad[] = {
		1, 2048, 4095, 4097, 12288, VGPU_RING_MAX - 4096, VGPU_RING_MAX * 2, UINT32_MAX,
		0x80000000u,
	};
	int control = control_open(), fd = function_open();
	struct vgpu_ring_setup setup;
	uint32_t bytes;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERR(ring_setup(fd, bad[i], PAGE, NULL), EINVAL);
		CHECK_ERR(ring_setup(fd, PAGE, bad[i], NULL), EINVAL);
	}
	close(fd);
	for (bytes = VGPU_RING_MIN; bytes <= VGPU_RING_MAX; bytes *= 4) {
		fd = function_open();
		CHECK(!ring_setup(fd, bytes, VGPU_RING_MIN, &setup));
		CHECK_EQ(setup.sq_bytes, bytes);
		CHECK_EQ(setup.cq_bytes, VGPU_RING_MIN);
		close(fd);
	}
	close(control);
}

TEST(ring_setup_says_what_was_granted)
{
	int control = control_open(), fd = function_open(), second = open("/dev/vgpu1", O_RDWR);
	struct vgpu_ring_setup setup;
	uint64_t first;

	CHECK(second >= 0);
	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "123456789012\n"));
	CHECK(!ring_setup(fd, 0, 0, &setup));
	CHECK_EQ(setup.sq_bytes, VGPU_RING_DEFAULT);
	CHECK_EQ(setup.cq_bytes, VGPU_RING_DEFAULT);
	CHECK_EQ(setup.abi, VGPU_ABI_VERSION);
	CHECK_EQ(setup.device, 0);
	CHECK_EQ(setup.mem_limit, 123456789012);
	CHECK(setup.session);
	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "0\n"));

	first = setup.session;
	CHECK(!ring_setup(second, PAGE, PAGE, &setup));
	CHECK_EQ(setup.device, 1);
	CHECK_EQ(setup.mem_limit, 0);
	CHECK(setup.session > first);
	close(control);
}

TEST(rings_are_set_up_once)
{
	int control = control_open(), fd = function_open();

	CHECK(!ring_setup(fd, PAGE, PAGE, NULL));
	CHECK_ERR(ring_setup(fd, PAGE, PAGE, NULL), EBUSY);
	close(control);
	CHECK_ERR(ring_setup(fd, PAGE, PAGE, NULL), EBUSY);
}

TEST(without_a_daemon_ring_setup_is_EHOSTDOWN_and_works_later)
{
	int fd = function_open(), control;

	CHECK_ERR(ring_setup(fd, PAGE, PAGE, NULL), EHOSTDOWN);
	control = control_open();
	CHECK(!ring_setup(fd, PAGE, PAGE, NULL));
	close(control);
}

TEST(a_ring_setup_whose_answer_cannot_be_written_leaves_no_rings)
{
	struct vgpu_ring_setup *setup = new_page();
	int control = control_open(), fd = function_open();

	setup->size = sizeof(*setup);
	CHECK(!mprotect(setup, PAGE, PROT_READ));
	CHECK_ERR(ioctl(fd, VGPU_RING_SETUP, setup), EFAULT);
	CHECK_ERR(doorbell(fd), ENXIO);
	CHECK_ATTRIBUTE("sessions", "0");
	CHECK(!ring_setup(fd, PAGE, PAGE, NULL));
	close(control);
}

TEST(a_doorbell_before_ring_setup_is_ENXIO)
{
	int fd = function_open();

	CHECK_ERR(doorbell(fd), ENXIO);
}

TEST(a_session_is_attached_once)
{
	struct vgpu_session_attach attach;
	int control = control_open(), fd = function_open();
	struct vgpu_ring_setup setup;

	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "65536\n"));
	CHECK(!ring_setup(fd, PAGE, 2 * PAGE, &setup));
	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "0\n"));
	CHECK(session_attach(control, setup.session, &attach) >= 0);
	CHECK_EQ(attach.device, 0);
	CHECK_EQ(attach.sq_bytes, PAGE);
	CHECK_EQ(attach.cq_bytes, 2 * PAGE);
	CHECK_EQ(attach.mem_limit, 65536);
	CHECK_EQ(attach.pid, getpid());
	CHECK_EQ(attach.uid, 0);
	CHECK_EQ(fcntl(attach.fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(session_attach(control, setup.session, NULL), EBUSY);
	close(attach.fd);
	CHECK_ERR(session_attach(control, setup.session, NULL), ENOENT);
	close(control);
}

TEST(an_unknown_or_ended_session_cannot_be_attached)
{
	int control = control_open(), fd = function_open();
	struct vgpu_ring_setup setup;

	CHECK(!ring_setup(fd, PAGE, PAGE, &setup));
	CHECK_ERR(session_attach(control, 0, NULL), ENOENT);
	CHECK_ERR(session_attach(control, setup.session + 1000, NULL), ENOENT);
	CHECK_ERR(session_attach(control, UINT64_MAX, NULL), ENOENT);
	close(fd);
	CHECK_ERR(session_attach(control, setup.session, NULL), ENOENT);
	close(control);
}

TEST(an_attach_whose_answer_cannot_be_written_can_be_repeated)
{
	struct vgpu_session_attach *attach = new_page();
	int control = control_open(), fd = function_open();
	struct vgpu_ring_setup setup;

	CHECK(!ring_setup(fd, PAGE, PAGE, &setup));
	attach->size = sizeof(*attach);
	attach->session = setup.session;
	CHECK(!mprotect(attach, PAGE, PROT_READ));
	CHECK_ERR(ioctl(control, VGPU_SESSION_ATTACH, attach), EFAULT);
	CHECK_EQ(poll_events(fd, 0) & (POLLHUP | POLLERR), 0);
	CHECK(session_attach(control, setup.session, NULL) >= 0);
	close(control);
}

TEST(a_device_report_is_checked)
{
	int control = control_open();
	struct vgpu_device_report report = { .size = sizeof(report), .state = VGPU_DEVICE_READY };

	CHECK_ERR(device_report(control, 99, VGPU_DEVICE_READY, "a:1"), ENOENT);
	CHECK_ERR(device_report(control, UINT32_MAX, VGPU_DEVICE_READY, "a:1"), ENOENT);
	CHECK_ERR(device_report(control, 0, VGPU_DEVICE_OFFLINE, "a:1"), EINVAL);
	CHECK_ERR(device_report(control, 0, VGPU_DEVICE_DRAINING + 1, "a:1"), EOPNOTSUPP);
	CHECK_ERR(device_report(control, 0, VGPU_DEVICE_READY, "a b"), EINVAL);
	CHECK_ERR(device_report(control, 0, VGPU_DEVICE_READY, "a\n"), EINVAL);
	CHECK_ERR(device_report(control, 0, VGPU_DEVICE_READY, "gr\xc3\xbc\xc3\x9f:1"), EINVAL);
	memset(report.server, 'a', sizeof(report.server));
	CHECK_ERR(ioctl(control, VGPU_DEVICE_REPORT, &report), EINVAL);
	CHECK_ATTRIBUTE("state", "offline");
	report.server[VGPU_SERVER_NAME_MAX - 1] = '\0';
	memset(report.name, 'a', sizeof(report.name));
	CHECK_ERR(ioctl(control, VGPU_DEVICE_REPORT, &report), EINVAL);
	report.name[VGPU_GPU_NAME_MAX - 1] = '\0';
	report.name[0] = '\n';
	CHECK_ERR(ioctl(control, VGPU_DEVICE_REPORT, &report), EINVAL);
	CHECK_ATTRIBUTE("state", "offline");
	report.name[0] = ' ';
	CHECK(!ioctl(control, VGPU_DEVICE_REPORT, &report));
	CHECK_EQ(strlen(attribute("server")), VGPU_SERVER_NAME_MAX - 1);
	CHECK_EQ(strlen(attribute("name")), VGPU_GPU_NAME_MAX - 1);
	close(control);
}

TEST(a_report_for_a_session_that_has_ended_is_EPIPE)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	CHECK(!session_report(pair.daemon.fd, 4096));
	CHECK_ATTRIBUTE("mem_used", "4096");
	side_close(&pair.function);
	CHECK_ERR(session_report(pair.daemon.fd, 8192), EPIPE);
	CHECK_ERR(doorbell(pair.daemon.fd), EPIPE);
	CHECK_ATTRIBUTE("mem_used", "0");
}

TEST(the_control_device_is_opened_once)
{
	int control = control_open();

	CHECK_ERR(open("/dev/vgpuctl", O_RDWR), EBUSY);
	CHECK_ERR(open("/dev/vgpuctl", O_RDONLY), EBUSY);
	close(control);
	control = control_open();
	close(control);
}

TEST(one_descriptor_too_many_on_a_device_is_EUSERS)
{
	int fd[4], i;

	CHECK(!write_file("/sys/module/vgpu/parameters/max_sessions", "3\n"));
	for (i = 0; i < 3; i++)
		fd[i] = function_open();
	CHECK_ERR(open("/dev/vgpu0", O_RDWR), EUSERS);
	fd[3] = open("/dev/vgpu1", O_RDWR);
	CHECK(fd[3] >= 0);
	close(fd[0]);
	fd[0] = function_open();
	CHECK(!write_file("/sys/module/vgpu/parameters/max_sessions", "1024\n"));
}

TEST(a_session_descriptor_cannot_be_read_or_written)
{
	struct pair pair;
	char c = 0;

	pair_open(&pair, PAGE, PAGE);
	CHECK_ERR(read(pair.function.fd, &c, 1), EINVAL);
	CHECK_ERR(write(pair.function.fd, &c, 1), EINVAL);
	CHECK_ERR(read(pair.daemon.fd, &c, 1), EINVAL);
	CHECK_ERR(write(pair.control, &c, 1), EINVAL);
}
