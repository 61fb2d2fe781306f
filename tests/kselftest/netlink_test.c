// SPDX-License-Identifier: MIT
/*
 * The netlink family: events as sessions come and go, lists of sessions and devices, and who may
 * see them.
 */
#include "genl.h"

TEST(a_session_is_announced_when_its_rings_are_set_up)
{
	struct vgpu_ring_setup setup;
	struct message m;
	struct genl genl;
	int control = control_open(), fd;

	genl_open(&genl);
	CHECK(!genl_join(&genl));
	fd = function_open();
	CHECK(!genl_message(&genl, &m, 100) && errno == EAGAIN);
	CHECK(!ring_setup(fd, PAGE, PAGE, &setup));
	CHECK(genl_message(&genl, &m, 5000));
	CHECK_EQ(m.command, VGPU_CMD_SESSION_OPEN);
	CHECK_EQ(get_u32(&m, VGPU_A_DEVICE), 0);
	CHECK_EQ(get_u64(&m, VGPU_A_SESSION), setup.session);
	CHECK_EQ(get_u32(&m, VGPU_A_PID), getpid());
	CHECK_EQ(get_u32(&m, VGPU_A_UID), 0);
	close(control);
}

static void expect_close(struct genl *genl, uint64_t session)
{
	struct message m;

	CHECK(genl_message(genl, &m, 5000));
	CHECK_EQ(m.command, VGPU_CMD_SESSION_CLOSE);
	CHECK_EQ(get_u32(&m, VGPU_A_DEVICE), 0);
	CHECK_EQ(get_u64(&m, VGPU_A_SESSION), session);
	CHECK(!genl_message(genl, &m, 50) && errno == EAGAIN);
}

TEST(the_end_of_a_session_is_told_once_whoever_closes_first)
{
	struct pair pair;
	struct side function;
	struct genl genl;
	uint64_t session;

	pair_open(&pair, PAGE, PAGE);
	genl_open(&genl);
	CHECK(!genl_join(&genl));
	side_close(&pair.function);
	expect_close(&genl, pair.session);
	side_close(&pair.daemon);

	close(pair.control);
	pair_open(&pair, PAGE, PAGE);
	genl_open(&genl);
	CHECK(!genl_join(&genl));
	side_close(&pair.daemon);
	expect_close(&genl, pair.session);
	side_close(&pair.function);

	function_setup(&function, PAGE, PAGE, &session);
	genl_open(&genl);
	CHECK(!genl_join(&genl));
	close(pair.control);
	expect_close(&genl, session);
}

TEST(a_descriptor_without_rings_comes_and_goes_unannounced)
{
	struct message m;
	struct genl genl;

	genl_open(&genl);
	CHECK(!genl_join(&genl));
	close(function_open());
	CHECK(!genl_message(&genl, &m, 100) && errno == EAGAIN);
}

TEST(a_list_of_sessions_has_each_waiting_and_attached_one)
{
	struct vgpu_ring_setup first, second;
	int control = control_open(), fd, nr = 0;
	struct message m;
	struct genl genl;

	CHECK(!ring_setup(function_open(), PAGE, PAGE, &first));
	CHECK(!ring_setup(function_open(), PAGE, PAGE, &second));
	function_open();
	fd = session_attach(control, first.session, NULL);
	CHECK(fd >= 0 && !session_report(fd, 12345));

	genl_open(&genl);
	genl_dump(&genl, VGPU_CMD_SESSION_GET);
	while (genl_message(&genl, &m, 5000)) {
		bool is_first = get_u64(&m, VGPU_A_SESSION) == first.session;

		CHECK_EQ(m.command, VGPU_CMD_SESSION_GET);
		CHECK(is_first || get_u64(&m, VGPU_A_SESSION) == second.session);
		CHECK_EQ(get_u32(&m, VGPU_A_DEVICE), 0);
		CHECK_EQ(get_u32(&m, VGPU_A_PID), getpid());
		CHECK_EQ(get_u32(&m, VGPU_A_UID), 0);
		CHECK_EQ(get_u32(&m, VGPU_A_ATTACHED), is_first);
		CHECK_EQ(get_u64(&m, VGPU_A_MEM_USED), is_first ? 12345 : 0);
		nr++;
	}
	CHECK_EQ(errno, 0);
	CHECK_EQ(nr, 2);
	close(control);
}

TEST(a_list_longer_than_a_message_is_complete_and_in_order)
{
	enum { NR = 700 };
	int control = control_open(), i;
	struct vgpu_ring_setup setup;
	uint64_t last = 0;
	struct message m;
	struct genl genl;

	for (i = 0; i < NR; i++)
		CHECK(!ring_setup(function_open(), PAGE, PAGE, &setup));
	genl_open(&genl);
	genl_dump(&genl, VGPU_CMD_SESSION_GET);
	for (i = 0; genl_message(&genl, &m, 5000); i++) {
		CHECK(get_u64(&m, VGPU_A_SESSION) > last);
		last = get_u64(&m, VGPU_A_SESSION);
	}
	CHECK_EQ(i, NR);
	CHECK_EQ(last, setup.session);
	close(control);
}

TEST(a_list_of_devices_says_what_sysfs_says)
{
	struct message m;
	struct pair pair;
	struct genl genl;
	int nr = 0;

	pair_open(&pair, PAGE, PAGE);
	CHECK(!device_report(pair.control, 0, VGPU_DEVICE_READY, "gpu.example:4000"));
	CHECK(!session_report(pair.daemon.fd, 1ull << 40));
	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "18446744073709551615\n"));
	genl_open(&genl);
	genl_dump(&genl, VGPU_CMD_DEVICE_GET);
	while (genl_message(&genl, &m, 5000)) {
		CHECK_EQ(m.command, VGPU_CMD_DEVICE_GET);
		CHECK_EQ(get_u32(&m, VGPU_A_DEVICE), nr);
		CHECK_EQ(get_u64(&m, VGPU_A_MEM_LIMIT), nr ? 0 : UINT64_MAX);
		CHECK_EQ(get_u64(&m, VGPU_A_MEM_USED), nr ? 0 : 1ull << 40);
		CHECK_EQ(get_u32(&m, VGPU_A_SESSIONS), !nr);
		CHECK_EQ(get_u32(&m, VGPU_A_STATE), nr ? VGPU_DEVICE_OFFLINE : VGPU_DEVICE_READY);
		CHECK(m.attr[VGPU_A_SERVER]);
		CHECK(!strcmp(ATTR_DATA(m.attr[VGPU_A_SERVER]), nr ? "" : "gpu.example:4000"));
		nr++;
	}
	CHECK_EQ(errno, 0);
	CHECK(nr > 1);
	CHECK(!write_file("/sys/class/vgpu/vgpu0/mem_limit", "0\n"));
}

TEST(a_request_with_an_attribute_or_without_dump_is_refused)
{
	uint32_t device = 0;
	struct message m;
	struct genl genl;

	genl_open(&genl);
	genl_send(&genl, genl.family, NLM_F_DUMP, VGPU_CMD_DEVICE_GET, VGPU_A_DEVICE, &device, 4);
	CHECK(!genl_message(&genl, &m, 5000) && errno == EINVAL);
	genl_send(&genl, genl.family, 0, VGPU_CMD_DEVICE_GET, 0, NULL, 0);
	CHECK(!genl_message(&genl, &m, 5000) && errno == EOPNOTSUPP);
	genl_send(&genl, genl.family, 0, VGPU_CMD_SESSION_OPEN, 0, NULL, 0);
	CHECK(!genl_message(&genl, &m, 5000) && errno == EOPNOTSUPP);
}

TEST(without_CAP_NET_ADMIN_nothing_is_listed_and_nothing_heard)
{
	struct message m;
	struct genl genl;

	drop_root();
	genl_open(&genl);
	genl_dump(&genl, VGPU_CMD_SESSION_GET);
	CHECK(!genl_message(&genl, &m, 5000) && errno == EPERM);
	genl_dump(&genl, VGPU_CMD_DEVICE_GET);
	CHECK(!genl_message(&genl, &m, 5000) && errno == EPERM);
	CHECK_ERR(genl_join(&genl), EPERM);
}
