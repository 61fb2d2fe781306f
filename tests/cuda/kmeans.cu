/* SPDX-License-Identifier: MIT */
/*
 * K-means by Lloyd's iterations, of the pixels of a picture or of the rows of a table.
 *
 * The GPU and the CPU give the same result bit for bit, whatever the order in which rows are
 * summed: features are bytes, sums are whole numbers, and a centroid is the fixed-point quotient of
 * two of them. An iteration waits for the GPU once: the new centroids stay on the device, and only
 * the number of rows that moved comes back.
 */
#include <getopt.h>
#include "dump.h"
#include "csv.h"
#include "imageio.h"

#define K_MAX 256
#define THREADS 256
#define BLOCKS_MAX 512
#define SHARED_MAX (48 << 10)	/* what a launch may have without asking: cudaFuncSetAttribute */
#define FRACTION 8		/* bits of a centroid's feature that lie behind the point */

typedef unsigned long long u64;
typedef unsigned short label_t;

struct rows {
	const unsigned char *values;	/* count x columns */
	size_t count;
	int columns;
};

struct clustering {
	int k;
	unsigned *centroids;		/* k x columns */
	label_t *labels;
	int iterations;
};

struct options {
	const char *image, *csv, *out;
	int k, iterations;
	bool cpu, check;
	u64 seed;
};

/*
 * What an iteration adds up, one array so that it is cleared and flushed by one loop: the sums of
 * each cluster's features (k x columns), its number of rows (k), and how many rows moved.
 */
__host__ __device__ static int total_cells(int k, int columns)
{
	return k * columns + k + 1;
}

/* A difference is below 2^16, so its square is right in 32 bits, taken modulo 2^32 or not. */
__host__ __device__ static u64 distance(const unsigned char *row, const unsigned *centroid,
					int columns)
{
	u64 sum = 0;

	for (int i = 0; i < columns; i++) {
		unsigned difference = ((unsigned)row[i] << FRACTION) - centroid[i];

		sum += difference * difference;
	}
	return sum;
}

/* The first of several that are as near. */
__host__ __device__ static label_t nearest(const unsigned char *row, const unsigned *centroids,
					   int k, int columns)
{
	u64 best = distance(row, centroids, columns);
	label_t label = 0;

	for (int cluster = 1; cluster < k; cluster++) {
		u64 d = distance(row, centroids + cluster * columns, columns);

		if (d < best) {
			best = d;
			label = cluster;
		}
	}
	return label;
}

__host__ __device__ static unsigned mean(u64 sum, u64 count)
{
	return ((sum << FRACTION) + count / 2) / count;
}

/* A block of at most 2^24 rows, so that its sums of bytes fit 32 bits: see grid_size(). */
__global__ void assign(struct rows rows, const unsigned *centroids, int k, label_t *labels,
		       u64 *totals)
{
	extern __shared__ unsigned shared[];
	int columns = rows.columns, cells = total_cells(k, columns);
	unsigned *near = shared, *local = shared + k * columns;
	size_t step = (size_t)gridDim.x * blockDim.x;

	for (int i = threadIdx.x; i < k * columns; i += blockDim.x)
		near[i] = centroids[i];
	for (int i = threadIdx.x; i < cells; i += blockDim.x)
		local[i] = 0;
	__syncthreads();

	for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < rows.count; i += step) {
		const unsigned char *row = rows.values + i * columns;
		label_t label = nearest(row, near, k, columns);

		for (int column = 0; column < columns; column++)
			atomicAdd(&local[label * columns + column], row[column]);
		atomicAdd(&local[k * columns + label], 1);
		if (labels[i] != label) {
			labels[i] = label;
			atomicAdd(&local[cells - 1], 1);
		}
	}
	__syncthreads();

	for (int i = threadIdx.x; i < cells; i += blockDim.x)
		if (local[i])
			atomicAdd(&totals[i], (u64)local[i]);
}

/* A cluster that lost its last row stays where it was. */
__global__ void update(unsigned *centroids, const u64 *totals, int k, int columns)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < k * columns && totals[k * columns + i / columns])
		centroids[i] = mean(totals[i], totals[k * columns + i / columns]);
}

static void *allocate(size_t n, size_t size)
{
	void *memory = calloc(n, size);

	if (!memory)
		fail("no memory for %zu x %zu bytes", n, size);
	return memory;
}

static u64 next_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 2685821657736338717ull;
}

static void seed_with(unsigned *centroid, const struct rows *rows, size_t row)
{
	for (int i = 0; i < rows->columns; i++)
		centroid[i] = (unsigned)rows->values[row * rows->columns + i] << FRACTION;
}

/* The row that @point falls on where each row is as wide as its distance. */
static size_t row_at(const u64 *distances, size_t count, u64 point)
{
	size_t row = 0;

	while (row + 1 < count && point >= distances[row])
		point -= distances[row++];
	return row;
}

/* k-means++ (Arthur and Vassilvitskii, 2007): far rows are likelier, by squared distance. */
static void seed_centroids(struct clustering *c, const struct rows *rows, u64 seed)
{
	u64 *distances = (u64 *)allocate(rows->count, sizeof(*distances));
	u64 state = seed * 0x9e3779b97f4a7c15ull | 1;
	size_t row = next_random(&state) % rows->count;

	memset(distances, 0xff, rows->count * sizeof(*distances));
	for (int cluster = 0; ; cluster++) {
		unsigned *centroid = c->centroids + cluster * rows->columns;
		u64 total = 0;

		seed_with(centroid, rows, row);
		if (cluster == c->k - 1)
			break;
		for (size_t i = 0; i < rows->count; i++) {
			u64 d = distance(rows->values + i * rows->columns, centroid, rows->columns);

			if (d < distances[i])
				distances[i] = d;
			total += distances[i];
		}
		/* With fewer different rows than clusters, all distances are 0 at some point. */
		row = row_at(distances, rows->count, total ? next_random(&state) % total : 0);
	}
	free(distances);
}

static void open_clustering(struct clustering *c, const struct rows *rows, int k)
{
	c->k = k;
	c->centroids = (unsigned *)allocate((size_t)k * rows->columns, sizeof(*c->centroids));
	c->labels = (label_t *)allocate(rows->count, sizeof(*c->labels));
	c->iterations = 0;
	memset(c->labels, 0xff, rows->count * sizeof(*c->labels));	/* of no cluster yet */
}

static void close_clustering(struct clustering *c)
{
	free(c->centroids);
	free(c->labels);
}

/* One iteration; returns how many rows moved. */
static u64 iterate_cpu(struct clustering *c, const struct rows *rows, u64 *totals)
{
	int columns = rows->columns, cells = total_cells(c->k, columns);

	memset(totals, 0, cells * sizeof(*totals));
	for (size_t i = 0; i < rows->count; i++) {
		const unsigned char *row = rows->values + i * columns;
		label_t label = nearest(row, c->centroids, c->k, columns);

		for (int column = 0; column < columns; column++)
			totals[label * columns + column] += row[column];
		totals[c->k * columns + label]++;
		totals[cells - 1] += c->labels[i] != label;
		c->labels[i] = label;
	}
	for (int i = 0; i < c->k * columns; i++)
		if (totals[c->k * columns + i / columns])
			c->centroids[i] = mean(totals[i], totals[c->k * columns + i / columns]);
	return totals[cells - 1];
}

static void cluster_cpu(struct clustering *c, const struct rows *rows, int limit)
{
	u64 *totals = (u64 *)allocate(total_cells(c->k, rows->columns), sizeof(*totals));
	u64 moved = 1;

	while (moved && c->iterations < limit) {
		moved = iterate_cpu(c, rows, totals);
		c->iterations++;
	}
	free(totals);
}

static size_t shared_size(int k, int columns)
{
	return ((size_t)k * columns + total_cells(k, columns)) * sizeof(unsigned);
}

static int grid_size(size_t rows)
{
	size_t blocks = (rows + THREADS - 1) / THREADS;

	if (rows / BLOCKS_MAX >= 1 << 24)
		fail("%zu rows are too many", rows);
	return blocks < BLOCKS_MAX ? blocks : BLOCKS_MAX;
}

static void cluster_gpu(struct clustering *c, const struct rows *rows, int limit)
{
	int columns = rows->columns, cells = total_cells(c->k, columns);
	size_t centroids_size = (size_t)c->k * columns * sizeof(unsigned);
	size_t labels_size = rows->count * sizeof(label_t), values_size = rows->count * columns;
	unsigned char *values;
	unsigned *centroids;
	label_t *labels;
	u64 *totals, moved = 1;

	CHECK(cudaMalloc(&values, values_size));
	CHECK(cudaMalloc(&centroids, centroids_size));
	CHECK(cudaMalloc(&labels, labels_size));
	CHECK(cudaMalloc(&totals, cells * sizeof(*totals)));
	CHECK(cudaMemcpy(values, rows->values, values_size, cudaMemcpyHostToDevice));
	CHECK(cudaMemcpy(centroids, c->centroids, centroids_size, cudaMemcpyHostToDevice));
	CHECK(cudaMemset(labels, 0xff, labels_size));		/* of no cluster yet */

	while (moved && c->iterations < limit) {
		struct rows on_device = { values, rows->count, columns };

		CHECK(cudaMemsetAsync(totals, 0, cells * sizeof(*totals)));
		assign<<<grid_size(rows->count), THREADS, shared_size(c->k, columns)>>>
			(on_device, centroids, c->k, labels, totals);
		CHECK_LAUNCH();
		update<<<(c->k * columns + THREADS - 1) / THREADS, THREADS>>>
			(centroids, totals, c->k, columns);
		CHECK_LAUNCH();
		CHECK(cudaMemcpy(&moved, totals + cells - 1, sizeof(moved),
				 cudaMemcpyDeviceToHost));
		c->iterations++;
	}

	CHECK(cudaMemcpy(c->labels, labels, labels_size, cudaMemcpyDeviceToHost));
	CHECK(cudaMemcpy(c->centroids, centroids, centroids_size, cudaMemcpyDeviceToHost));
	dump("labels", c->labels, labels_size);
	dump("centroids", c->centroids, centroids_size);
	CHECK(cudaFree(values));
	CHECK(cudaFree(centroids));
	CHECK(cudaFree(labels));
	CHECK(cudaFree(totals));
}

static void compare(const struct clustering *gpu, const struct clustering *cpu,
		    const struct rows *rows)
{
	if (gpu->iterations != cpu->iterations)
		fail("%d iterations, not %d", gpu->iterations, cpu->iterations);
	for (int i = 0; i < cpu->k * rows->columns; i++)
		if (gpu->centroids[i] != cpu->centroids[i])
			fail("feature %d of cluster %d is %u/256, not %u/256", i % rows->columns,
			     i / rows->columns, gpu->centroids[i], cpu->centroids[i]);
	for (size_t i = 0; i < rows->count; i++)
		if (gpu->labels[i] != cpu->labels[i])
			fail("row %zu is in cluster %d, not %d", i, gpu->labels[i], cpu->labels[i]);
}

/* Leaves the result in @c; true where it was checked against the CPU. */
static bool cluster(struct clustering *c, const struct rows *rows, const struct options *options)
{
	struct clustering cpu;
	bool check = options->check && !options->cpu;

	if (!options->cpu && shared_size(options->k, rows->columns) > SHARED_MAX)
		fail("%d clusters of %d columns do not fit into shared memory", options->k,
		     rows->columns);
	open_clustering(c, rows, options->k);
	seed_centroids(c, rows, options->seed);
	if (check) {
		open_clustering(&cpu, rows, options->k);
		memcpy(cpu.centroids, c->centroids,
		       (size_t)c->k * rows->columns * sizeof(*c->centroids));
	}

	if (options->cpu)
		cluster_cpu(c, rows, options->iterations);
	else
		cluster_gpu(c, rows, options->iterations);
	printf("iterations %d\n", c->iterations);

	if (check) {
		cluster_cpu(&cpu, rows, options->iterations);
		compare(c, &cpu, rows);
		close_clustering(&cpu);
	}
	return check;
}

/* Each pixel takes its cluster's colour. */
static void recolour(struct image *image, const struct clustering *c)
{
	for (size_t i = 0; i < (size_t)image->width * image->height; i++)
		for (int channel = 0; channel < 3; channel++) {
			unsigned feature = c->centroids[c->labels[i] * 3 + channel];

			image->rgb[i * 3 + channel] =
				(feature + (1 << (FRACTION - 1))) >> FRACTION;
		}
}

static bool cluster_image(const struct options *options)
{
	struct image image;
	struct clustering c;
	struct rows rows;
	bool checked;

	if (image_read(&image, options->image))
		exit(1);
	rows = { image.rgb, (size_t)image.width * image.height, 3 };
	checked = cluster(&c, &rows, options);
	recolour(&image, &c);
	if (options->out && image_write(&image, options->out))
		exit(1);
	close_clustering(&c);
	free(image.rgb);
	return checked;
}

/* The part of the rows that bear their cluster's commonest label. */
static double purity(const struct csv *csv, const struct clustering *c)
{
	size_t (*counts)[256] = (size_t (*)[256])allocate(c->k, sizeof(*counts));
	size_t pure = 0;

	for (size_t i = 0; i < csv->rows; i++)
		counts[c->labels[i]][csv->labels[i]]++;
	for (int cluster = 0; cluster < c->k; cluster++) {
		size_t most = 0;

		for (int label = 0; label < 256; label++)
			if (counts[cluster][label] > most)
				most = counts[cluster][label];
		pure += most;
	}
	free(counts);
	return (double)pure / csv->rows;
}

static bool cluster_csv(const struct options *options)
{
	struct csv csv;
	struct clustering c;
	struct rows rows;
	bool checked;

	if (csv_read(&csv, options->csv))
		exit(1);
	rows = { csv.values, csv.rows, csv.columns };
	checked = cluster(&c, &rows, options);
	printf("purity %.4f\n", purity(&csv, &c));
	close_clustering(&c);
	free(csv.values);
	free(csv.labels);
	return checked;
}

__attribute__((noreturn)) static void usage(const char *program)
{
	fprintf(stderr,
		"usage: %s --image FILE [--colors K] [--out FILE.png] [options]\n"
		"       %s --csv FILE [--k K] [options]\n"
		"  --image FILE    cluster the pixels of a PNG or JPEG into K colours (8)\n"
		"  --csv FILE      cluster the rows of a table, plain or gzip, into K\n"
		"                  clusters (10); its last column is the label\n"
		"  --out FILE.png  where to write the picture in its K colours\n"
		"  --iterations N  stop after N iterations (100)\n"
		"  --seed N        which rows the clusters start from (1)\n"
		"  --cpu           the same on the CPU, without a GPU\n"
		"  --no-check      do not compare with the CPU\n", program, program);
	exit(2);
}

static long number(const char *text, long min, long max, const char *program)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < min || value > max) {
		fprintf(stderr, "%s is not a number of %ld to %ld\n", text, min, max);
		usage(program);
	}
	return value;
}

static void parse_options(struct options *options, int argc, char **argv)
{
	static const struct option names[] = {
		{ "image", required_argument, NULL, 'i' },
		{ "csv", required_argument, NULL, 'c' },
		{ "out", required_argument, NULL, 'o' },
		{ "colors", required_argument, NULL, 'k' },
		{ "k", required_argument, NULL, 'k' },
		{ "iterations", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "cpu", no_argument, NULL, 'C' },
		{ "no-check", no_argument, NULL, 'N' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	options->iterations = 100;
	options->check = true;
	options->seed = 1;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (option) {
		case 'i': options->image = optarg; break;
		case 'c': options->csv = optarg; break;
		case 'o': options->out = optarg; break;
		case 'k': options->k = number(optarg, 1, K_MAX, argv[0]); break;
		case 'n': options->iterations = number(optarg, 1, 1000000, argv[0]); break;
		case 's': options->seed = number(optarg, 0, 1L << 62, argv[0]); break;
		case 'C': options->cpu = true; break;
		case 'N': options->check = false; break;
		default: usage(argv[0]);
		}
	}
	if (optind != argc || !options->image == !options->csv || (options->csv && options->out))
		usage(argv[0]);
	if (!options->k)
		options->k = options->image ? 8 : 10;
}

int main(int argc, char **argv)
{
	struct options options = {};

	parse_options(&options, argc, argv);
	if (options.image ? cluster_image(&options) : cluster_csv(&options))
		return pass();
	return 0;
}
