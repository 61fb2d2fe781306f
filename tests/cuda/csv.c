/* SPDX-License-Identifier: MIT */
/* Comma-separated whole numbers through zlib, which reads a file that is not packed as it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "csv.h"

#define LINE_MAX_BYTES 8192
#define COLUMNS_MAX (LINE_MAX_BYTES / 2)

static int refuse(const char *path, size_t line, const char *why)
{
	fprintf(stderr, "%s:%zu: %s\n", path, line, why);
	return -1;
}

/* How many numbers the line has, or -1. */
static int parse_line(const char *line, unsigned char *numbers)
{
	int n = 0;

	for (;;) {
		char *end;
		unsigned long number;

		if (*line < '0' || *line > '9' || n == COLUMNS_MAX)
			return -1;
		number = strtoul(line, &end, 10);
		if (number > 255)
			return -1;
		numbers[n++] = number;
		if (*end == '\0' || *end == '\r' || *end == '\n')
			return n;
		if (*end != ',')
			return -1;
		line = end + 1;
	}
}

static int append(struct csv *csv, size_t *capacity, const unsigned char *numbers)
{
	if (csv->rows == *capacity) {
		size_t more = *capacity ? *capacity * 2 : 1024;
		unsigned char *values = realloc(csv->values, more * csv->columns);
		unsigned char *labels;

		if (!values)
			return -1;
		csv->values = values;
		labels = realloc(csv->labels, more);
		if (!labels)
			return -1;
		csv->labels = labels;
		*capacity = more;
	}
	memcpy(csv->values + csv->rows * csv->columns, numbers, csv->columns);
	csv->labels[csv->rows++] = numbers[csv->columns];
	return 0;
}

/* A packed file that is cut short gives half a line before it gives an error. */
static int damaged(gzFile file)
{
	int error;

	gzerror(file, &error);
	return error != Z_OK;
}

static int read_rows(struct csv *csv, gzFile file, const char *path)
{
	char line[LINE_MAX_BYTES];
	unsigned char numbers[COLUMNS_MAX];
	size_t capacity = 0;

	while (gzgets(file, line, sizeof(line))) {
		int n;

		if (damaged(file))
			break;
		n = parse_line(line, numbers);
		if (n < 2)
			return refuse(path, csv->rows + 1, "not a row of numbers of 0 to 255");
		if (!csv->rows)
			csv->columns = n - 1;
		if (n != csv->columns + 1)
			return refuse(path, csv->rows + 1, "not as many columns as in line 1");
		if (append(csv, &capacity, numbers))
			return refuse(path, csv->rows + 1, strerror(ENOMEM));
	}
	if (damaged(file))
		return refuse(path, csv->rows + 1, "the file is damaged or cut short");
	if (!csv->rows)
		return refuse(path, 1, "no rows");
	return 0;
}

int csv_read(struct csv *csv, const char *path)
{
	gzFile file = gzopen(path, "rb");
	int ret;

	memset(csv, 0, sizeof(*csv));
	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	ret = read_rows(csv, file, path);
	gzclose(file);
	if (ret) {
		free(csv->values);
		free(csv->labels);
		memset(csv, 0, sizeof(*csv));
	}
	return ret;
}
