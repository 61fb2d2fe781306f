// SPDX-License-Identifier: MIT
/*
 * userd/server/queue.c: order, places, the memory ledger; userd/server/wire.c: what a LEASE frame
 * may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "queue.h"
#include "wire.h"

struct told {
	struct queue_entry *e[8];
	uint32_t place[8];
	unsigned int n;
};

static void note(struct queue_entry *e, uint32_t place, void *arg)
{
	struct told *t = arg;

	t->e[t->n] = e;
	t->place[t->n++] = place;
}

static void who_comes_first_is_first(void **state)
{
	struct queue_entry e[3] = { 0 };
	struct queue q;

	(void)state;
	queue_init(&q);
	assert_null(queue_first(&q));
	for (int i = 0; i < 3; i++)
		queue_push(&q, &e[i]);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(queue_first(&q), &e[i]);
		queue_remove(&q, &e[i]);
	}
	assert_null(queue_first(&q));
	assert_int_equal(q.len, 0);
}

static void a_place_is_told_when_it_changes_and_only_then(void **state)
{
	struct queue_entry e[4] = { 0 };
	struct told t = { 0 };
	struct queue q;

	(void)state;
	queue_init(&q);
	for (int i = 0; i < 4; i++)
		queue_push(&q, &e[i]);
	queue_show(&q, note, &t);
	assert_int_equal(t.n, 4);
	assert_int_equal(t.place[3], 4);

	t.n = 0;
	queue_show(&q, note, &t);
	assert_int_equal(t.n, 0);

	/* The second leaves: the two behind it move up, the first does not. */
	queue_remove(&q, &e[1]);
	queue_show(&q, note, &t);
	assert_int_equal(t.n, 2);
	assert_ptr_equal(t.e[0], &e[2]);
	assert_int_equal(t.place[0], 2);
	assert_ptr_equal(t.e[1], &e[3]);
	assert_int_equal(t.place[1], 3);
}

static void the_sum_of_quotas_never_exceeds_the_total(void **state)
{
	struct memory_ledger m = { .total = 1000, .quota_default = 400 };
	uint64_t quota;

	(void)state;
	assert_true(ledger_quota(&m, 0, &quota));
	assert_int_equal(quota, 400);
	assert_true(ledger_fits(&m, quota));
	ledger_take(&m, quota);
	assert_true(ledger_quota(&m, 601, &quota));
	assert_false(ledger_fits(&m, quota));
	assert_true(ledger_fits(&m, 600));
	ledger_take(&m, 600);
	assert_false(ledger_fits(&m, 1));
	ledger_give(&m, 400);
	assert_true(ledger_fits(&m, 400));
	assert_false(ledger_fits(&m, UINT64_MAX));
	assert_false(ledger_quota(&m, 1001, &quota));
	assert_false(ledger_quota(&m, UINT64_MAX, &quota));
}

static void a_default_above_the_total_is_all_of_it(void **state)
{
	struct memory_ledger m = { .total = 1000, .quota_default = 5000 };
	uint64_t quota;

	(void)state;
	assert_true(ledger_quota(&m, 0, &quota));
	assert_int_equal(quota, 1000);
}

static void nothing_fits_while_the_total_is_unknown(void **state)
{
	struct memory_ledger m = { 0 };
	uint64_t quota;

	(void)state;
	assert_true(ledger_quota(&m, 1ull << 50, &quota));
	assert_false(ledger_fits(&m, 0));
}

struct lease_frame {
	struct vwire_frame h;
	struct vwire_lease l;
	uint8_t tlv[64];
};

static size_t good_frame(struct lease_frame *f, size_t tlv_bytes)
{
	size_t n = offsetof(struct lease_frame, tlv) + tlv_bytes;

	memset(f, 0, sizeof(*f));
	f->h.size = htole32(n);
	f->h.op = htole16(VWIRE_OP_LEASE);
	f->l.magic = htole32(VWIRE_MAGIC);
	f->l.version = htole16(VWIRE_VERSION);
	f->l.version_min = htole16(VWIRE_VERSION);
	strcpy(f->l.tenant, "blue");
	return n;
}

static void a_good_lease_is_taken_and_an_empty_tenant_named(void **state)
{
	struct lease_frame f;
	struct vwire_lease l;
	struct refusal why;
	size_t n = good_frame(&f, 0);

	(void)state;
	assert_int_equal(wire_check_header(&f.h, &why), 0);
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), 0);
	assert_string_equal(l.tenant, "blue");
	*f.l.tenant = '\0';
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), 0);
	assert_string_equal(l.tenant, "default");
}

static void header_sizes_and_ops_are_checked(void **state)
{
	static const uint32_t bad[] = { 0,   15,   16,	       sizeof(struct vwire_lease),
					129, 4104, 0xffffffffu };
	struct lease_frame f;
	struct refusal why;

	(void)state;
	good_frame(&f, 0);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.h.size = htole32(bad[i]);
		assert_int_equal(wire_check_header(&f.h, &why), -EPROTO);
		assert_int_equal(why.reason, VWIRE_REASON_PROTOCOL);
	}
	good_frame(&f, 0);
	f.h.op = htole16(VWIRE_OP_HELLO);
	assert_int_equal(wire_check_header(&f.h, &why), -EPROTO);
}

static void a_version_without_a_common_one_is_refused_and_both_named(void **state)
{
	struct lease_frame f;
	struct vwire_lease l;
	struct refusal why;
	size_t n = good_frame(&f, 0);

	(void)state;
	f.l.version = htole16(9);
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), 0);
	f.l.version_min = htole16(7);
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	assert_int_equal(why.reason, VWIRE_REASON_VERSION);
	assert_non_null(strstr(why.text, "7 to 9"));
	assert_non_null(strstr(why.text, "1 to 1"));
	f.l.version = f.l.version_min = 0;
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	f.l.version = htole16(1);
	f.l.version_min = htole16(2);
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
}

static void what_a_lease_must_not_hold_is_refused(void **state)
{
	struct lease_frame f;
	struct vwire_lease l;
	struct refusal why;
	size_t n = good_frame(&f, 0);

	(void)state;
	f.l.magic = 0;
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	good_frame(&f, 0);
	f.l.connection = htole32(1);
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	good_frame(&f, 0);
	f.l.session[15] = 1;
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	good_frame(&f, 0);
	memset(f.l.tenant, 'x', sizeof(f.l.tenant));
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	good_frame(&f, 0);
	strcpy(f.l.tenant, "a\nb");
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	assert_int_equal(why.reason, VWIRE_REASON_PROTOCOL);
}

static void tagged_values_are_skipped_unless_required(void **state)
{
	struct vwire_tlv tlv = { htole16(99), 0, htole32(5) };
	struct lease_frame f;
	struct vwire_lease l;
	struct refusal why;
	size_t n = good_frame(&f, 16);

	(void)state;
	memcpy(f.tlv, &tlv, sizeof(tlv));
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), 0);
	tlv.flags = htole16(VWIRE_TLV_F_REQUIRED);
	memcpy(f.tlv, &tlv, sizeof(tlv));
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	assert_int_equal(why.reason, VWIRE_REASON_VERSION);
	assert_non_null(strstr(why.text, "type 99"));
	tlv.flags = 0;
	tlv.len = htole32(9);
	memcpy(f.tlv, &tlv, sizeof(tlv));
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
	tlv.len = htole32(0xfffffff9u);
	memcpy(f.tlv, &tlv, sizeof(tlv));
	assert_int_equal(wire_parse_lease(&f, n, &l, &why), -EPROTO);
}

static void refusals_and_places_are_whole_frames(void **state)
{
	uint8_t buf[VWIRE_CONTROL_MAX] __attribute__((aligned(8)));
	const struct vwire_frame *h = (const void *)buf;
	const struct vwire_queued *q = (const void *)(h + 1);
	const struct vwire_refused *r = (const void *)(h + 1);
	struct refusal why;
	size_t n;

	(void)state;
	n = wire_queued(buf, 3, 1ull << 40);
	assert_int_equal(n, 24);
	assert_int_equal(le32toh(h->size), 24);
	assert_int_equal(le16toh(h->op), VWIRE_OP_QUEUED);
	assert_int_equal(le32toh(q->place), 3);
	assert_int_equal(le32toh(q->waited_ms), UINT32_MAX);

	refusal_set(&why, 2, VWIRE_REASON_MEMORY, "%s", "no room");
	n = wire_refused(buf, &why);
	assert_int_equal(n, 16 + 16 + 8);
	assert_int_equal(le32toh(h->size), n);
	assert_int_equal(le16toh(h->op), VWIRE_OP_REFUSED);
	assert_int_equal(le32toh(r->result), 2);
	assert_int_equal(le32toh(r->text_len), 7);
	assert_memory_equal(buf + 32, "no room", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_comes_first_is_first),
		cmocka_unit_test(a_place_is_told_when_it_changes_and_only_then),
		cmocka_unit_test(the_sum_of_quotas_never_exceeds_the_total),
		cmocka_unit_test(a_default_above_the_total_is_all_of_it),
		cmocka_unit_test(nothing_fits_while_the_total_is_unknown),
		cmocka_unit_test(a_good_lease_is_taken_and_an_empty_tenant_named),
		cmocka_unit_test(header_sizes_and_ops_are_checked),
		cmocka_unit_test(a_version_without_a_common_one_is_refused_and_both_named),
		cmocka_unit_test(what_a_lease_must_not_hold_is_refused),
		cmocka_unit_test(tagged_values_are_skipped_unless_required),
		cmocka_unit_test(refusals_and_places_are_whole_frames),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
