/* SPDX-License-Identifier: MIT */
/*
 * A cooperative grid: every block adds into its own cell, all blocks meet, then each reads its neighbour's. Without the meeting the
 * neighbour's cell is not ready.
 */
#include <cooperative_groups.h>

#include "dump.h"

#define BLOCKS	8
#define THREADS	64
#define ROUNDS	20

__global__ void ring(int *cells)
{
	cooperative_groups::grid_group grid = cooperative_groups::this_grid();

	for (int round = 0; round < ROUNDS; round++) {
		atomicAdd(&cells[blockIdx.x], 1);
		grid.sync();
		int next = cells[(blockIdx.x + 1) % BLOCKS];

		if (next != (round + 1) * THREADS)
			atomicAdd(&cells[BLOCKS], 1);
		grid.sync();
	}
}

int main()
{
	int *cells, host[BLOCKS + 1];
	void *args[] = { &cells };

	CHECK(cudaMalloc(&cells, sizeof(host)));
	CHECK(cudaMemset(cells, 0, sizeof(host)));
	CHECK(cudaLaunchCooperativeKernel((void *)ring, dim3(BLOCKS), dim3(THREADS), args, 0, 0));
	CHECK(cudaMemcpy(host, cells, sizeof(host), cudaMemcpyDeviceToHost));
	if (host[BLOCKS])
		fail("%d threads saw a neighbour that was not there yet", host[BLOCKS]);
	for (int i = 0; i < BLOCKS; i++)
		if (host[i] != ROUNDS * THREADS)
			fail("block %d counted %d", i, host[i]);
	dump("cells", host, sizeof(host));
	CHECK(cudaFree(cells));
	return pass();
}
