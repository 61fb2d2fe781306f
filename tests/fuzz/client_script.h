/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_CLIENT_SCRIPT_H
#define FUZZ_CLIENT_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

/* An empty frame with this op before a client's input: worker_script() asks. */
#define CLIENT_OP_OTHER	0xeeee

/* Every call that a program often makes and that has an answer, from cuInit() on. */
void client_script(void);
/* The rarer ones. */
void worker_script(void);

#endif
