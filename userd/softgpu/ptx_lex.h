/* SPDX-License-Identifier: MIT */
/*
 * ptx_lex.h - tokens of a PTX text
 */
#ifndef SOFTGPU_PTX_LEX_H
#define SOFTGPU_PTX_LEX_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

enum ptx_tok_kind {
	TOK_EOF,
	TOK_IDENT,		/* add  %r1  $L__BB0_2  _ */
	/* .s32  .global  .L1::evict_last: s and len are without the point */
	TOK_DOT,
	TOK_INT,
	TOK_F32,		/* 0f3F800000: u holds the bits */
	TOK_F64,		/* 0d... or 1.5: u holds the bits */
	TOK_STRING,
	TOK_PUNCT,		/* ch */
};

struct ptx_tok {
	enum ptx_tok_kind kind;
	char ch;
	uint32_t len, line, col;
	const char *s;
	uint64_t u;
};

struct ptx_lex {
	const char *p, *end, *line_start;
	uint32_t line;
	uint32_t nr_text;	/* 0: the only text; else its number, for the log */
	struct ptx_tok tok;	/* the current token */
	struct sg_log *log;
	enum sg_result res;	/* sticky: once set, every further token is TOK_EOF */
};

void ptx_lex_init(struct ptx_lex *l, const char *text, size_t len, struct sg_log *log);
void ptx_next(struct ptx_lex *l);
bool ptx_at_fraction(const struct ptx_lex *l, const struct ptx_tok *t);
void ptx_read_fraction(struct ptx_lex *l);	/* makes a number of the current token */
struct ptx_tok ptx_peek(const struct ptx_lex *l);	/* the token after the current one */
void ptx_skip_line(struct ptx_lex *l);		/* .loc and .file end with their line */

/*
 * Records the first error, with the place of token t; later ones are consequences and are dropped.
 */
void ptx_error_at(struct ptx_lex *l, const struct ptx_tok *t, enum sg_result res,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
#define ptx_error(l, ...) ptx_error_at(l, &(l)->tok, SG_INVALID_PTX, __VA_ARGS__)

void sg_log_add(struct sg_log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool ptx_tok_is(const struct ptx_tok *t, const char *word);	/* an identifier or a .word */
bool ptx_at(const struct ptx_lex *l, char ch);
bool ptx_at_dot(const struct ptx_lex *l, const char *word);
bool ptx_accept(struct ptx_lex *l, char ch);
bool ptx_accept_dot(struct ptx_lex *l, const char *word);
bool ptx_expect(struct ptx_lex *l, char ch);

#endif
