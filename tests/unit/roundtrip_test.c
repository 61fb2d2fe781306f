// SPDX-License-Identifier: MIT
/*
 * roundtrip_test.c - every row of cuda.def there and back
 *
 * Prints KTAP. A case goes over all the rows it is about; what fails is named in a "# " line before
 * it.
 */
#include <stdio.h>

#include "procaddr.gen.h"
#include "realcuda.gen.h"
#include "roundtrip.h"

#define EACH(row, condition)						\
	for (const struct rt_row *row = rt_rows; row < rt_rows + rt_nr_rows; row++)	\
		if (condition)

static const CUresult failure = CUDA_ERROR_ILLEGAL_ADDRESS;

static bool replies(const struct rt_row *row)
{
	return gen_mode(row->id) != CUDA_MODE_ASYNC;
}

static void expect(unsigned int got, unsigned int wanted, const char *what)
{
	if (got != wanted)
		rt_fail("%s: %u, not %u", what, got, wanted);
}

static CUresult call(const struct rt_row *row)
{
	CUresult r;

	if (row->slot)
		*row->slot = row->fake;
	r = row->call();
	expect(rt_seen.entered, 1, "vcuda_enter()");
	expect(rt_seen.scope, row->id, "entered as");
	expect(rt_seen.early, row->early, "callable before cuInit");
	return r;
}

static void arguments_reach_the_driver_and_outputs_come_back(void)
{
	EACH(row, row->slot) {
		rt_reset(row);
		expect(call(row), CUDA_SUCCESS, "result");
		expect(rt_seen.driver, 1, "calls of the driver");
		expect(rt_seen.id, row->base, "op");
	}
}

static void an_error_of_the_driver_comes_back_without_outputs(void)
{
	EACH(row, row->slot) {
		rt_reset(row);
		rt_result = failure;
		expect(call(row), replies(row) ? failure : CUDA_SUCCESS, "result");
		expect(rt_seen.answer, failure, "the worker's result");
	}
}

static void the_null_stream_is_the_legacy_one_or_the_threads_own(void)
{
	EACH(row, row->stream) {
		rt_reset(row);
		rt_stream = NULL;
		expect(call(row), CUDA_SUCCESS, "result");
	}
}

static void what_may_be_null_gets_there_as_null(void)
{
	EACH(row, row->null) {
		rt_reset(row);
		rt_null = true;
		expect(call(row), CUDA_SUCCESS, "result");
		expect(rt_seen.driver, 1, "calls of the driver");
	}
}

static void a_truncated_payload_never_reaches_the_driver(void)
{
	EACH(row, row->slot && !row->twin) {
		struct rt_seen full;

		rt_reset(row);
		call(row);
		full = rt_seen;
		for (size_t n = 0; n < full.content; n++) {
			rt_seen.driver = 0;
			rt_dispatch(row->id, full.payload, n);
			expect(rt_seen.driver, 0, "calls of the driver with a payload cut short");
			expect(rt_seen.bad, 1, "refused");
		}
	}
}

static void a_longer_payload_never_reaches_the_driver(void)
{
	EACH(row, row->slot && !row->twin) {
		uint8_t payload[VCUDA_CALL_BYTES + 8] = { 0 };

		rt_reset(row);
		call(row);
		memcpy(payload, rt_seen.payload, rt_seen.len);
		rt_seen.driver = 0;
		rt_dispatch(row->id, payload, rt_seen.len + 8);
		expect(rt_seen.driver, 0, "calls of the driver with 8 bytes too many");
		expect(rt_seen.bad, 1, "refused");
	}
}

static void change(const struct rt_row *row, const struct rt_seen *full, size_t at, uint8_t bit)
{
	uint8_t payload[VCUDA_CALL_BYTES];

	memcpy(payload, full->payload, full->len);
	payload[at] ^= bit;
	rt_seen.driver = rt_seen.differ = 0;
	rt_may_differ = true;
	rt_dispatch(row->id, payload, full->len);
	rt_may_differ = false;
	if (rt_seen.driver && !rt_seen.differ && !full->padding[at])
		rt_fail("a bit of byte %zu makes no difference", at);
}

static void a_changed_bit_is_refused_or_arrives_changed(void)
{
	EACH(row, row->slot && !row->twin) {
		struct rt_seen full;

		rt_reset(row);
		call(row);
		full = rt_seen;
		for (size_t at = 0; at + 8 <= full.len; at += 8) {
			change(row, &full, at + 4, 0x02); /* bit 33: more than most types hold */
			change(row, &full, at + 7,
			       0x40); /* bit 62: a count times 4 stays the same */
		}
	}
}

static void a_function_that_the_driver_lacks_is_not_supported(void)
{
	EACH(row, row->slot) {
		rt_reset(row);
		call(row);
		rt_dispatch(row->base, rt_seen.payload, rt_seen.len);
		expect(rt_seen.answer, CUDA_SUCCESS, "result");
		*row->slot = NULL;
		rt_dispatch(row->base, rt_seen.payload, rt_seen.len);
		expect(rt_seen.answer, CUDA_ERROR_NOT_SUPPORTED, "result without the function");
	}
}

static void hand_written_bodies_get_every_argument(void)
{
	EACH(row, !row->slot) {
		rt_reset(row);
		expect(call(row), CUDA_SUCCESS, "result");
		expect(rt_seen.hand, 1, "calls of the body");
		expect(rt_seen.id, row->base, "body");
		rt_reset(row);
		rt_result = failure;
		expect(call(row), failure, "result");
	}
}

static void no_body_runs_before_the_library_is_ready(void)
{
	EACH(row, true) {
		rt_reset(row);
		rt_scope_err = rt_result = CUDA_ERROR_NOT_INITIALIZED;
		expect(call(row), CUDA_ERROR_NOT_INITIALIZED, "result");
		expect(rt_seen.hand + rt_seen.driver, 0, "calls of the body");
	}
}

static const struct gen_procaddr *symbol(const char *name)
{
	for (size_t i = 0; i < gen_procaddr_count; i++) {
		if (!strcmp(gen_procaddr[i].symbol, name))
			return &gen_procaddr[i];
	}
	rt_fail("%s is not in gen_procaddr", name);
	return NULL;
}

static void every_function_that_is_missing_says_so(void)
{
	unsigned int n = 0;

	for (unsigned int id = 0; id < VWIRE_OP_CONTROL; id++) {
		const struct gen_procaddr *p;

		bool refused = gen_mode(id) == CUDA_MODE_REFUSE;

		if (!gen_name(id) || (!refused && gen_mode(id) != CUDA_MODE_NONE))
			continue;
		n++;
		rt_reset(NULL);
		p = symbol(gen_name(id));
		if (!p || !p->fn)
			continue;
		expect(((CUresult (*)(void))p->fn)(), CUDA_ERROR_NOT_SUPPORTED, p->symbol);
		expect(rt_seen.missing, 1, p->symbol);
		expect(rt_seen.id, id, p->symbol);
		expect(rt_seen.reason && *rt_seen.reason, refused, p->symbol);
	}
	if (n + rt_nr_rows != gen_procaddr_count)
		rt_fail("%u rows are NONE and %zu are not, of %zu", n, rt_nr_rows,
			gen_procaddr_count);
}

static void only_ops_of_the_wire_are_dispatched(void)
{
	for (unsigned int op = 0; op < 0x10000; op++) {
		const struct rt_row *found = NULL;

		EACH(row, row->id == op && row->wire && !row->twin)
			found = row;
		rt_reset(found);
		if (!found != !gen_dispatch_find(op))
			rt_fail("op %#x", op);
		if (!found || found->slot)
			continue;
		rt_dispatch(op, "", 0);
		expect(rt_seen.run_id, op, "run by hand");
	}
}

static void procaddr_is_sorted_and_whole(void)
{
	rt_reset(NULL);
	for (size_t i = 0; i < gen_procaddr_count; i++) {
		const struct gen_procaddr *b = &gen_procaddr[i], *a = b - (i > 0);
		int order = strcmp(a->name, b->name);

		if (!order)
			order = a->per_thread - b->per_thread;
		if (!order)
			order = a->since - b->since;
		if (i && order >= 0)
			rt_fail("%s is not behind %s", b->symbol, a->symbol);
		if (!b->fn || strncmp(b->symbol, b->name, strlen(b->name)))
			rt_fail("%s as %s", b->symbol, b->name);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(fn) { #fn, fn }
	CASE(arguments_reach_the_driver_and_outputs_come_back),
	CASE(an_error_of_the_driver_comes_back_without_outputs),
	CASE(the_null_stream_is_the_legacy_one_or_the_threads_own),
	CASE(what_may_be_null_gets_there_as_null),
	CASE(a_truncated_payload_never_reaches_the_driver),
	CASE(a_longer_payload_never_reaches_the_driver),
	CASE(a_changed_bit_is_refused_or_arrives_changed),
	CASE(a_function_that_the_driver_lacks_is_not_supported),
	CASE(hand_written_bodies_get_every_argument),
	CASE(no_body_runs_before_the_library_is_ready),
	CASE(every_function_that_is_missing_says_so),
	CASE(only_ops_of_the_wire_are_dispatched),
	CASE(procaddr_is_sorted_and_whole),
};

int main(void)
{
	size_t n = sizeof(cases) / sizeof(cases[0]), failed = 0;

	printf("KTAP version 1\n1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		rt_failures = 0;
		cases[i].run();
		failed += rt_failures != 0;
		printf("%sok %zu %s\n", rt_failures ? "not " : "", i + 1, cases[i].name);
	}
	return failed != 0;
}
