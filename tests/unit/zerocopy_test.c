// SPDX-License-Identifier: MIT
/*
 * zerocopy_test.c - sends from the caller's pages: when they may be changed, and when it is given up.
 * Loopback alone is here, where the kernel copies in the end; what it tells otherwise is made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net.h"
#include "zerocopy.h"

#define BYTES	(512u << 10)
#define TIMES	8

static uint8_t data[BYTES], back[BYTES];
static int ends[2];

static int connected(void **state)
{
	struct net_addr addr = { 0 };
	char name[NET_NAME_MAX];
	int listener;

	(void)state;
	assert_int_equal(net_resolve("127.0.0.1:0", true, &addr, 1), 1);
	listener = net_listen(&addr, 1);
	assert_true(listener >= 0);
	assert_int_equal(net_local(listener, &addr), 0);
	net_name(&addr, name, sizeof(name));
	ends[0] = net_connect(name, 5000);
	assert_true(ends[0] >= 0);
	ends[1] = accept(listener, NULL, NULL);
	assert_true(ends[1] >= 0);
	close(listener);
	return 0;
}

static int closed(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* All of data[], read at the other end as it goes. */
static void send_and_read(struct zerocopy *z)
{
	size_t sent = 0, got = 0;
	ssize_t n;

	while (got < BYTES) {
		n = sent < BYTES ? zerocopy_send(z, data + sent, BYTES - sent) : 0;
		sent += n > 0 ? n : 0;
		n = recv(ends[1], back + got, BYTES - got, MSG_DONTWAIT);
		got += n > 0 ? n : 0;
	}
}

static void where_the_kernel_copies_it_is_given_up(void **state)
{
	struct zerocopy z;

	(void)state;
	zerocopy_init(&z, ends[0], true);
	if (!z.on)
		skip();
	for (int i = 0; i < TIMES; i++) {
		memset(data, i + 1, BYTES);
		send_and_read(&z);
		assert_true(zerocopy_wait(&z, 10000));
		assert_int_equal(z.done, z.sent);
		assert_memory_equal(back, data, BYTES);
		assert_false(zerocopy_is_on(&z));
	}
	assert_in_range(z.sent, 1, 64);		/* all of the first time */
}

static void unwanted_it_sends_as_usual(void **state)
{
	struct zerocopy z;

	(void)state;
	zerocopy_init(&z, ends[0], false);
	memset(data, 3, BYTES);
	send_and_read(&z);
	assert_memory_equal(back, data, BYTES);
	assert_int_equal(z.sent, 0);
	assert_true(zerocopy_wait(&z, 0));
}

static struct sock_extended_err told(uint32_t from, uint32_t to, uint8_t code)
{
	return (struct sock_extended_err){ .ee_origin = SO_EE_ORIGIN_ZEROCOPY, .ee_code = code,
					   .ee_info = from, .ee_data = to };
}

/* Ranges, around the end of 32 bits too; what others have put into that queue is not for us. */
static void ranges_are_counted(void **state)
{
	struct zerocopy z;
	struct sock_extended_err e;

	(void)state;
	zerocopy_init(&z, ends[0], false);
	z.on = true;
	z.sent = 3;
	z.done = UINT32_MAX - 4;
	e = told(UINT32_MAX - 4, UINT32_MAX - 1, 0);
	zerocopy_told(&z, &e);
	assert_int_equal(z.done, UINT32_MAX);
	e = told(UINT32_MAX, 1, 0);
	zerocopy_told(&z, &e);
	assert_int_equal(z.done, 2);
	assert_true(z.on);
	assert_false(zerocopy_wait(&z, 0));
	e = told(2, 2, 0);
	e.ee_origin = SO_EE_ORIGIN_ICMP;
	zerocopy_told(&z, &e);
	assert_int_equal(z.done, 2);
	e = told(2, 2, SO_EE_CODE_ZEROCOPY_COPIED);
	zerocopy_told(&z, &e);
	assert_int_equal(z.done, z.sent);
	assert_false(z.on);
	assert_true(zerocopy_wait(&z, 0));
}

/* Where room is given back in order: a later one that is over first gives none. */
static void what_is_through_is_so_from_the_first_on(void **state)
{
	static const struct {
		uint32_t from, to, through;
	} steps[] = {
		{ 1, 1, 0 }, { 3, 5, 0 }, { 0, 0, 2 }, { 2, 2, 6 }, { 6, 68, 69 }, { 70, 132, 69 }, { 69, 69, 133 },
	};
	struct zerocopy z;
	struct sock_extended_err e;

	(void)state;
	zerocopy_init(&z, ends[0], false);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		e = told(steps[i].from, steps[i].to, 0);
		zerocopy_told(&z, &e);
		assert_int_equal(zerocopy_through(&z), steps[i].through);
	}
	z.through = UINT32_MAX;
	e = told(1, 1, 0);
	zerocopy_told(&z, &e);
	assert_int_equal(zerocopy_through(&z), UINT32_MAX);
	e = told(UINT32_MAX, 0, 0);
	zerocopy_told(&z, &e);
	assert_int_equal(zerocopy_through(&z), 2);
}

/* Nobody tells of pages that a dead connection held. */
static void a_connection_that_ends_is_not_waited_for(void **state)
{
	struct zerocopy z;

	(void)state;
	zerocopy_init(&z, ends[0], false);
	z.sent = 1;
	shutdown(ends[0], SHUT_RDWR);
	shutdown(ends[1], SHUT_RDWR);
	assert_false(zerocopy_wait(&z, 10000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(where_the_kernel_copies_it_is_given_up, connected, closed),
		cmocka_unit_test_setup_teardown(unwanted_it_sends_as_usual, connected, closed),
		cmocka_unit_test_setup_teardown(ranges_are_counted, connected, closed),
		cmocka_unit_test_setup_teardown(what_is_through_is_so_from_the_first_on, connected, closed),
		cmocka_unit_test_setup_teardown(a_connection_that_ends_is_not_waited_for, connected, closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
