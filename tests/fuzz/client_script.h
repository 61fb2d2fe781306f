/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_CLIENT_SCRIPT_H
#define FUZZ_CLIENT_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

/* Every call that has an answer, from cuInit() on. */
void client_script(void);

#endif
