/* SPDX-License-Identifier: MIT */
/*
 * handles.h - the client's numbers and the driver's objects behind them
 *
 * A number is good for one kind. The client picks it, so the hash is seeded: nobody outside knows
 * which numbers collide. Only the executor touches the table.
 */
#ifndef SERVER_HANDLES_H
#define SERVER_HANDLES_H

#include <stdbool.h>
#include <stdint.h>

#define HANDLES_MAX	(1u << 20)	/* live numbers of a session */

struct handle {
	uint32_t kind, number;	/* number 0: a free slot */
	void *real;
	void *aux;		/* a stream's struct queue, a module's struct module */
};

struct handles {
	struct handle *slots;
	uint32_t mask, nr;
	uint64_t seed;
};

int handles_init(struct handles *h, uint64_t seed);
void handles_fini(struct handles *h);
/* NULL: unknown. Valid until the next handles_add() or handles_del(). */
struct handle *handles_find(const struct handles *h, uint32_t kind, uint32_t number);
/* NULL: the number is 0 or taken, or HANDLES_MAX are live. */
struct handle *handles_add(struct handles *h, uint32_t kind, uint32_t number, void *real);
bool handles_del(struct handles *h, uint32_t kind, uint32_t number);
/* Those of the kind with that aux: what goes with another object. */
void handles_drop(struct handles *h, uint32_t kind, const void *aux);

#endif /* SERVER_HANDLES_H */
