// SPDX-License-Identifier: MIT
#include "halt_poll.h"

#include <sched.h>

#include "env.h"

uint64_t halt_poll_ns(struct halt_poll *h)
{
	return atomic_load_explicit(&h->recent, memory_order_relaxed);
}

void halt_poll_bounds(struct halt_poll *h, uint64_t least, uint64_t most)
{
	uint64_t recent = halt_poll_ns(h);

	h->least = least;
	h->most = most > least ? most : least;
	h->recent = recent < least ? least : recent < h->most ? recent : h->most;
}

void halt_poll_init(struct halt_poll *h)
{
	uint64_t most, least = env_spin_ns(&most);

	atomic_init(&h->recent, 0);
	atomic_init(&h->long_look, false);
	halt_poll_bounds(h, least, most);
}

/* Two that note at once may lose one of their notes, which the next wait makes again. */
void halt_poll_note(struct halt_poll *h, uint64_t took)
{
	uint64_t recent = halt_poll_ns(h), enough = took + took / 4, next = recent;

	if (took <= h->least)
		return;		/* was found in any case, and says nothing of long waits */
	if (took > h->most)
		next = h->least + (recent - h->least) / 2;
	else if (enough > recent)
		next = enough < h->most ? enough : h->most;
	else
		next = recent - (recent - enough) / 8;
	if (next != recent)
		atomic_store_explicit(&h->recent, next, memory_order_relaxed);
}

uint64_t halt_poll_enter(struct halt_poll *h)
{
	uint64_t ns = halt_poll_ns(h);

	return ns > h->least && atomic_exchange(&h->long_look, true) ? h->least : ns;
}

void halt_poll_leave(struct halt_poll *h, uint64_t ns)
{
	if (ns > h->least)
		atomic_store(&h->long_look, false);
}

void halt_poll_pause(const struct halt_poll *h, uint64_t looked)
{
	if (looked > h->least)
		sched_yield();
	else
		__builtin_ia32_pause();
}
