/* SPDX-License-Identifier: MIT */
/*
 * video.h - how a video instruction takes its operands apart
 */
#ifndef SOFTGPU_VIDEO_H
#define SOFTGPU_VIDEO_H

#include <stdbool.h>
#include <stdint.h>

enum sg_video_op {
	VIDEO_ADD, VIDEO_SUB, VIDEO_ABSDIFF, VIDEO_MIN, VIDEO_MAX, VIDEO_AVRG, VIDEO_SHL, VIDEO_SHR, VIDEO_SET, VIDEO_MAD,
};
enum sg_video_cmp { VIDEO_EQ, VIDEO_NE, VIDEO_LT, VIDEO_LE, VIDEO_GT, VIDEO_GE };
enum sg_video_second { VIDEO_NONE, VIDEO_THEN_ADD, VIDEO_THEN_MIN, VIDEO_THEN_MAX };

/* A part of a word. */
struct sg_part {
	uint8_t shift, bits;
};

/* aux; r[1] to r[3] are a, b and c */
struct sg_video {
	uint8_t op, cmp, second, shift;	/* shift: scale of vmad */
	bool d_signed, a_signed, b_signed, sat, wrap, merge;
	bool minus_product, minus_c, plus_one;
	uint8_t lanes;			/* 1, 2 or 4 */
	uint8_t mask;			/* of the lanes that are written */
	struct sg_part d, a, b;		/* scalar */
	uint8_t a_sel[4], b_sel[4];	/* SIMD: places in b:a */
};

#endif
