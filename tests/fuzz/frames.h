/* SPDX-License-Identifier: MIT */
/*
 * frames.h - a custom mutator of libFuzzer for a row of frames
 *
 * Most random bytes are no frames. So a mutation changes the payload of one frame, or one number in
 * it, gives it the op of another, or takes, doubles, moves or borrows whole frames, and afterwards every size is right and, if
 * the numbers count, every number is greater than the one before. One mutation in 32 is left as
 * libFuzzer made it.
 *
 * With FUZZ_MAIN there is a main() here, for make check, which has no libFuzzer.
 */
#ifndef FUZZ_FRAMES_H
#define FUZZ_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* of the mutator: seq of requests is made to grow */
extern bool frames_count;
/* numbers that mean something to who takes the frames */
extern const uint64_t frames_numbers[];
extern const size_t frames_nr_numbers;

/* Size of the frame at p, of which n bytes are left; the whole rest when it is not one. */
size_t frames_size(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
