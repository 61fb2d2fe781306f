/* SPDX-License-Identifier: MIT */
/*
 * halt_poll.h - how long to look for something before sleeping until it comes
 *
 * A sleep and its end cost more than most answers take, and on a virtual machine, whose processor is
 * given back meanwhile, as much as a long one. So what waited looks for as long as waits took lately,
 * as KVM does before it halts a virtual processor (Documentation/virt/kvm/halt-polling.rst of the
 * kernel): waits that end sooner keep it looking, waits that outlast all looking end that.
 */
#ifndef COMMON_HALT_POLL_H
#define COMMON_HALT_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds. Any thread may ask and note. */
struct halt_poll {
	uint64_t least, most;		/* most may be least, and both 0: sleep at once */
	_Atomic uint64_t recent;	/* what recent waits say, from least to most */
	atomic_bool long_look;		/* a thread looks for longer than least */
};

/* The bounds are env_spin_ns(). */
void halt_poll_init(struct halt_poll *h);
/* Other bounds, what waits took so far kept as they allow. Not while others ask. */
void halt_poll_bounds(struct halt_poll *h, uint64_t least, uint64_t most);
/* How long to look for what comes at the end of a wait. */
uint64_t halt_poll_ns(struct halt_poll *h);
/* A wait took so long, looking and sleeping. */
void halt_poll_note(struct halt_poll *h, uint64_t took);
/*
 * As halt_poll_ns(), for one thread at a time, as which of several ends first is not known: the
 * others are told least. halt_poll_leave() ends what it began.
 */
uint64_t halt_poll_enter(struct halt_poll *h);
void halt_poll_leave(struct halt_poll *h, uint64_t ns);
/* Between two looks, after so long: beyond least others that could run are let run. */
void halt_poll_pause(const struct halt_poll *h, uint64_t looked);

#endif /* COMMON_HALT_POLL_H */
