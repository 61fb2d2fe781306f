// SPDX-License-Identifier: MIT
/* The rings' mappings: twice in a row, shared by both sides, and nothing else. */
#include <sys/syscall.h>

#include "session.h"

TEST(a_ring_shows_its_pages_twice_in_a_row)
{
	struct pair pair;
	uint32_t i, bytes = 16 * PAGE;

	pair_open(&pair, bytes, PAGE);
	for (i = 0; i < bytes; i += 8)
		*(uint64_t *)(pair.function.sq + i) = i * 0x9e3779b97f4a7c15ull;
	CHECK(!memcmp(pair.function.sq, pair.function.sq + bytes, bytes));
	/* A write across the seam is seen at the ring's start, and by the other side. */
	memcpy(pair.function.sq + bytes - 4, "seamseam", 8);
	CHECK(!memcmp(pair.function.sq, "seam", 4));
	CHECK(!memcmp(pair.daemon.sq + bytes - 4, "seamseam", 8));
	CHECK(!memcmp(pair.daemon.sq, pair.function.sq, 2 * bytes));
}

TEST(both_sides_map_the_same_pages)
{
	struct pair pair;

	pair_open(&pair, PAGE, 2 * PAGE);
	strcpy((char *)pair.function.sq, "to the daemon");
	strcpy((char *)pair.daemon.cq + PAGE, "to the function");
	pair.function.control->sq_head.index = 42;
	CHECK(!strcmp((char *)pair.daemon.sq, "to the daemon"));
	CHECK(!strcmp((char *)pair.function.cq + PAGE, "to the function"));
	CHECK_EQ(pair.daemon.control->sq_head.index, 42);
}

TEST(fresh_rings_are_zero)
{
	struct pair pair;
	uint32_t i;

	pair_open(&pair, 64 * PAGE, 64 * PAGE);
	for (i = 0; i < 64 * PAGE; i += 8)
		CHECK(!*(uint64_t *)(pair.function.sq + i) && !*(uint64_t *)(pair.function.cq + i));
	CHECK_EQ(pair.function.control->sq_head.index, 0);
	CHECK_EQ(pair.function.control->state, VGPU_STATE_ATTACHED);
}

TEST(two_sessions_share_no_page)
{
	struct pair pair;
	struct side other;
	uint64_t session;

	pair_open(&pair, PAGE, PAGE);
	function_setup(&other, PAGE, PAGE, &session);
	memset(pair.function.sq, 0xaa, PAGE);
	memset(pair.function.cq, 0xaa, PAGE);
	CHECK_EQ(*(uint64_t *)other.sq, 0);
	CHECK_EQ(*(uint64_t *)other.cq, 0);
	CHECK_EQ(other.control->state, VGPU_STATE_WAITING);
}

static void *try_map(int fd, size_t bytes, int prot, int flags, uint64_t offset)
{
	return mmap(NULL, bytes, prot, flags, fd, (off_t)offset);
}

TEST(wrong_lengths_and_offsets_are_refused)
{
	static const struct { size_t bytes; uint64_t offset; } bad[] = {
		{ 2 * PAGE, VGPU_MMAP_CONTROL }, { PAGE, PAGE }, { 2 * PAGE, 0x300000000ull },
		{ PAGE, VGPU_MMAP_SQ }, { 3 * PAGE, VGPU_MMAP_SQ }, { 4 * PAGE, VGPU_MMAP_SQ },
		{ PAGE, VGPU_MMAP_CQ }, { 2 * PAGE, VGPU_MMAP_CQ }, { 8 * PAGE, VGPU_MMAP_CQ },
		{ PAGE, VGPU_MMAP_SQ + PAGE }, { 2 * PAGE, VGPU_MMAP_SQ + PAGE },
		{ 2 * PAGE, VGPU_MMAP_SQ - PAGE }, { PAGE, 0x7ffffffff000ull },
		{ 1ul << 32, VGPU_MMAP_SQ },
	};
	struct pair pair;
	size_t i;

	pair_open(&pair, PAGE, 2 * PAGE);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERR(try_map(pair.function.fd, bad[i].bytes, PROT_READ, MAP_SHARED,
				  bad[i].offset), EINVAL);
		CHECK_ERR(try_map(pair.daemon.fd, bad[i].bytes, PROT_READ, MAP_SHARED,
				  bad[i].offset), EINVAL);
	}
}

TEST(a_private_or_executable_mapping_is_refused)
{
	struct pair pair;
	int rw = PROT_READ | PROT_WRITE, fd;

	pair_open(&pair, PAGE, PAGE);
	fd = pair.function.fd;
	CHECK_ERR(try_map(fd, 2 * PAGE, rw, MAP_PRIVATE, VGPU_MMAP_SQ), EINVAL);
	CHECK_ERR(try_map(fd, 2 * PAGE, PROT_READ, MAP_PRIVATE, VGPU_MMAP_SQ), EINVAL);
	CHECK_ERR(try_map(fd, 2 * PAGE, rw | PROT_EXEC, MAP_SHARED, VGPU_MMAP_SQ), EINVAL);
	CHECK_ERR(mprotect(pair.function.sq, PAGE, PROT_READ | PROT_EXEC), EACCES);
}

TEST(a_mapping_through_a_read_only_descriptor_is_refused)
{
	int control = control_open(), fd = open("/dev/vgpu0", O_RDONLY);

	CHECK(fd >= 0 && !ring_setup(fd, PAGE, PAGE, NULL));
	CHECK_ERR(try_map(fd, PAGE, PROT_READ, MAP_SHARED, VGPU_MMAP_CONTROL), EINVAL);
	close(control);
}

TEST(nothing_can_be_mapped_before_ring_setup)
{
	CHECK_ERR(try_map(function_open(), PAGE, PROT_READ, MAP_SHARED, VGPU_MMAP_CONTROL), ENXIO);
}

TEST(a_mapping_does_not_grow)
{
	struct pair pair;

	pair_open(&pair, PAGE, PAGE);
	CHECK_ERR(mremap(pair.function.sq, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

TEST(a_mapping_is_not_inherited_over_fork)
{
	struct pair pair;
	unsigned char in;
	int status;
	pid_t pid;

	pair_open(&pair, PAGE, PAGE);
	CHECK(!mincore(pair.function.sq, PAGE, &in));
	pid = fork();
	if (!pid) {
		CHECK_ERR(mincore(pair.function.sq, PAGE, &in), ENOMEM);
		CHECK_ERR(mincore(pair.function.control, PAGE, &in), ENOMEM);
		CHECK_ERR(mincore(pair.daemon.cq, PAGE, &in), ENOMEM);
		/* The descriptor is the same session, though. */
		CHECK(!doorbell(pair.function.fd));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(poll_events(pair.daemon.fd, 0) & POLLHUP, 0);
}

static bool has_flag(const char *flags, const char *flag)
{
	const char *p = strstr(flags, flag);

	return p && p[-1] == ' ';
}

TEST(a_mapping_stays_out_of_core_dumps)
{
	char line[512], want[64];
	bool mine = false;
	struct pair pair;
	FILE *smaps;

	pair_open(&pair, PAGE, PAGE);
	snprintf(want, sizeof(want), "%lx-", (unsigned long)pair.function.sq);
	smaps = fopen("/proc/self/smaps", "r");
	if (!smaps)
		SKIP("no /proc/self/smaps");
	while (fgets(line, sizeof(line), smaps)) {
		if (!strncmp(line, want, strlen(want)))
			mine = true;
		if (mine && !strncmp(line, "VmFlags:", 8)) {
			CHECK(has_flag(line, "dd") && has_flag(line, "dc") && has_flag(line, "de"));
			return;
		}
	}
	SKIP("this kernel's smaps has no VmFlags");
}

static void bus(int signal)
{
	(void)signal;
	_exit(77);
}

TEST(a_hole_punched_by_one_side_hurts_only_that_side)
{
	struct pair pair;
	int status;
	pid_t pid;

	pair_open(&pair, PAGE, PAGE);
	pair.daemon.sq[0] = 5;
	pid = fork();
	if (!pid) {
		uint8_t *sq = map(pair.function.fd, 2 * PAGE, VGPU_MMAP_SQ);

		signal(SIGBUS, bus);
		CHECK(sq[0] == 5);
		CHECK(!madvise(sq, PAGE, MADV_DONTNEED));
		CHECK(sq[PAGE] == 5);
		_exit(*(volatile uint8_t *)sq);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 77);
	CHECK_EQ(pair.daemon.sq[0], 5);
	CHECK_EQ(pair.function.sq[0], 5);
}

TEST(pages_outlive_the_descriptors_until_they_are_unmapped)
{
	struct pair pair;

	pair_open(&pair, 4 * PAGE, PAGE);
	memset(pair.function.sq, 1, 4 * PAGE);
	close(pair.function.fd);
	close(pair.daemon.fd);
	close(pair.control);
	memset(pair.function.sq + 4 * PAGE, 2, 4 * PAGE);
	CHECK_EQ(pair.daemon.sq[0], 2);
	munmap(pair.function.sq, 8 * PAGE);
	CHECK_EQ(pair.daemon.sq[3 * PAGE], 2);
}

/* send(2) and the like pin the pages: they are ordinary ones. */
TEST(the_kernel_can_send_from_ring_memory)
{
	struct pair pair;
	char got[64] = "";
	int p[2];

	pair_open(&pair, PAGE, PAGE);
	strcpy((char *)pair.function.sq + PAGE - 4, "wrapped");
	CHECK(!pipe(p));
	CHECK_EQ(write(p[1], pair.daemon.sq + PAGE - 4, 8), 8);
	CHECK_EQ(read(p[0], got, sizeof(got)), 8);
	CHECK(!strcmp(got, "wrapped"));
}
