/* SPDX-License-Identifier: MIT */
/*
 * worker_driver.h - the driver of worker_fuzz: softgpu, without what would take for ever
 */
#ifndef FUZZ_WORKER_DRIVER_H
#define FUZZ_WORKER_DRIVER_H

/* After realcuda_load(). */
void worker_driver(void);

#endif
