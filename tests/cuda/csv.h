/* SPDX-License-Identifier: MIT */
#ifndef CSV_H
#define CSV_H

#include <stddef.h>

/* Whole numbers of 0 to 255; the last column of the file is the label. */
struct csv {
	size_t rows;
	int columns;		/* without the label */
	unsigned char *values;	/* rows x columns */
	unsigned char *labels;
};

#ifdef __cplusplus
extern "C" {
#endif

/* Plain or gzip. 0, or -1 after a line on stderr; free csv->values and csv->labels. */
int csv_read(struct csv *csv, const char *path);

#ifdef __cplusplus
}
#endif

#endif
