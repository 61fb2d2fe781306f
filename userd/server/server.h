/* SPDX-License-Identifier: MIT */
/*
 * server.h - what the files of vgpu-server share
 *
 * One thread, one loop. listener.c has the connections until they are leases, lease.c decides who
 * gets one, pool.c has the workers. CUDA is never called here; a second thread, in nvml.c, asks NVML.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "conf.h"
#include "event.h"
#include "info.h"
#include "listener.h"
#include "pool.h"
#include "queue.h"

#define SERVER_OPTIONS(X, T)                                                                       \
	X(T, listen, STR, ":7867", 1, 255, "host:port to listen on; no host: every address")       \
	X(T, workers, INT, "2", 1, 1024, "workers kept warm for the next leases")                  \
	X(T, max_workers, INT, "16", 1, 4096, "workers alive at most, leased ones included")       \
	X(T, cuda, STR, "libcuda.so.1", 1, 4095, "driver library that workers open")               \
	X(T, worker, STR, "", 0, 4095, "the worker's program; empty: vgpu-worker beside this one") \
	X(T, device, INT, "0", 0, 63, "number of the GPU that workers use")                        \
	X(T, nvml, STR, "libnvidia-ml.so.1", 0, 4095,                                              \
	  "library that knows the GPU's utilisation; empty: none")                                 \
	X(T, mem_default, SIZE, "0", 0, 1ull << 50,                                                \
	  "memory of a lease that asks for none; 0: mem-total / max-workers")                      \
	X(T, mem_total, SIZE, "0", 0, 1ull << 50,                                                  \
	  "memory of all leases; 0: what was free once the first workers were warm")               \
	X(T, queue_wait, MS, "30s", 0, 86400000, "longest wait for a lease")                       \
	X(T, queue_max, INT, "64", 0, 65536, "clients that may wait for a lease")                  \
	X(T, lease_timeout, MS, "5s", 1, 3600000, "time for a LEASE frame, from its first byte")   \
	X(T, max_idle, INT, "256", 1, 65536, "connections that have not asked for a lease")        \
	X(T, image_cache, STR, "", 0, 4095,                                                        \
	  "directory where workers keep module images; empty: none")                               \
	X(T, warm_timeout, MS, "60s", 1, 3600000, "time for a worker to get warm")                 \
	X(T, kill_timeout, MS, "2s", 0, 3600000, "time for a worker to exit before SIGKILL")       \
	X(T, drain_timeout, MS, "30s", 0, 86400000, "time that SIGTERM leaves running leases")     \
	X(T, log_level, STR, "info", 3, 5, "err, warn, info or debug")

struct server_conf { SERVER_OPTIONS(CONF_MEMBER, ) };

/**
 * struct server - all of it
 * @mem_fixed: mem_total was configured, or a lease was granted: what workers report no longer
 *   changes it
 * @nr_leases: granted so far; the number of the last
 * @pumping: lease_pump() is at work; who would call it again need not
 */
struct server {
	struct server_conf conf;
	struct event_loop loop;
	struct listener listener;
	struct queue queue;
	struct memory_ledger memory;
	struct pool pool;
	struct info info;
	bool mem_fixed;
	bool draining;
	bool pumping;
	uint64_t nr_leases;
	struct event signals;
	struct event_timer drain_timer;
};

#endif /* SERVER_SERVER_H */
