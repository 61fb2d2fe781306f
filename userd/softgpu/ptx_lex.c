/* SPDX-License-Identifier: MIT */
/*
 * ptx_lex.c - cuts a PTX text into tokens (PTX ISA 4.1 to 4.5)
 *
 * The text may hold anything: every read is bounded by l->end, and an error makes all further
 * tokens TOK_EOF, so that each loop of the parser that stops at the end of the text also stops at
 * an error.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx_lex.h"

void sg_log_add(struct sg_log *log, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!log || !log->text || !log->size || log->len + 1 >= log->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(log->text + log->len, log->size - log->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		log->len += (size_t)n < log->size - log->len ? (size_t)n : log->size - log->len - 1;
}

void ptx_error_at(struct ptx_lex *l, const struct ptx_tok *t, enum sg_result res, const char *fmt,
		  ...)
{
	char msg[256];
	va_list ap;

	if (l->res)
		return;
	l->res = res;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	for (char *c = msg; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	if (l->nr_text)
		sg_log_add(l->log, "text %u, ", l->nr_text);
	sg_log_add(l->log, "line %u, column %u: %s\n", t->line, t->col, msg);
	l->tok.kind = TOK_EOF;
	l->tok.len = 0;
}

void ptx_lex_init(struct ptx_lex *l, const char *text, size_t len, struct sg_log *log)
{
	const char *nul = memchr(text, 0, len);

	memset(l, 0, sizeof(*l));
	l->p = l->line_start = text;
	l->end = nul ? nul : text + len;	/* an image pads its text with NULs */
	l->line = 1;
	l->log = log;
	ptx_next(l);
}

static bool ident_char(int c)
{
	return isalnum(c) || c == '_' || c == '$';
}

static void skip_space(struct ptx_lex *l)
{
	while (l->p < l->end) {
		if (*l->p == '\n') {
			l->line++;
			l->line_start = ++l->p;
		} else if (isspace((unsigned char)*l->p)) {
			l->p++;
		} else if (*l->p == '/' && l->p + 1 < l->end && l->p[1] == '/') {
			while (l->p < l->end && *l->p != '\n')
				l->p++;
		} else if (*l->p == '/' && l->p + 1 < l->end && l->p[1] == '*') {
			for (l->p += 2; l->p < l->end; l->p++) {
				if (*l->p == '\n') {
					l->line++;
					l->line_start = l->p + 1;
				} else if (*l->p == '*' && l->p + 1 < l->end && l->p[1] == '/') {
					l->p += 2;
					break;
				}
			}
		} else {
			return;
		}
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits of a base up to 16; false when the value does not fit 64 bits or there is none. */
static bool digits(struct ptx_lex *l, unsigned base, uint64_t *out)
{
	const char *start = l->p;
	uint64_t v = 0;
	bool fits = true;

	for (; l->p < l->end; l->p++) {
		int d = hex_value(*l->p);

		if (d < 0 || (unsigned)d >= base)
			break;
		if (__builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			fits = false;
	}
	*out = v;
	return fits && l->p > start;
}

/* 0f and 0d literals: exactly 8 or 16 hexadecimal digits, the bits of the number. */
static bool float_bits(struct ptx_lex *l, struct ptx_tok *t)
{
	bool f32 = l->p[1] == 'f' || l->p[1] == 'F';
	const char *start = l->p += 2;

	t->kind = f32 ? TOK_F32 : TOK_F64;
	return digits(l, 16, &t->u) && l->p - start == (f32 ? 8 : 16);
}

static bool decimal_float(struct ptx_lex *l, struct ptx_tok *t)
{
	char buf[64];
	size_t n = 0;
	double d;
	char *end;

	for (; l->p < l->end && n < sizeof(buf) - 1; l->p++) {
		bool sign = (*l->p == '+' || *l->p == '-') && n && (buf[n - 1] | 0x20) == 'e';

		if (!isdigit((unsigned char)*l->p) && *l->p != '.' && (*l->p | 0x20) != 'e' &&
		    !sign)
			break;
		buf[n++] = *l->p;
	}
	buf[n] = 0;
	d = strtod(buf, &end);
	memcpy(&t->u, &d, sizeof(d));
	t->kind = TOK_F64;
	return !*end;
}

static bool number(struct ptx_lex *l, struct ptx_tok *t)
{
	char c = l->p + 1 < l->end ? l->p[1] | 0x20 : 0;
	const char *p = l->p;
	bool ok;

	t->kind = TOK_INT;
	if (*p == '0' && (c == 'f' || c == 'd'))
		return float_bits(l, t);
	if (*p == '0' && (c == 'x' || c == 'b')) {
		l->p += 2;
		ok = digits(l, c == 'x' ? 16 : 2, &t->u);
	} else {
		while (p < l->end && isdigit((unsigned char)*p))
			p++;
		if (p < l->end && (*p == '.' || (*p | 0x20) == 'e'))
			return decimal_float(l, t);
		ok = digits(l, *l->p == '0' ? 8 : 10, &t->u);
	}
	if (l->p < l->end && (*l->p == 'U' || *l->p == 'u'))
		l->p++;
	return ok && (l->p == l->end || !ident_char((unsigned char)*l->p));
}

static void string(struct ptx_lex *l, struct ptx_tok *t)
{
	t->kind = TOK_STRING;
	t->s = ++l->p;
	while (l->p < l->end && *l->p != '"' && *l->p != '\n')
		l->p++;
	t->len = (uint32_t)(l->p - t->s);
	if (l->p == l->end || *l->p != '"')
		ptx_error_at(l, t, SG_INVALID_PTX, "a string that does not end");
	else
		l->p++;
}

void ptx_next(struct ptx_lex *l)
{
	struct ptx_tok *t = &l->tok;
	unsigned char c;

	skip_space(l);
	*t = (struct ptx_tok){ .kind = TOK_EOF, .s = l->p, .line = l->line,
			       .col = (uint32_t)(l->p - l->line_start) + 1 };
	if (l->res || l->p >= l->end)
		return;
	c = (unsigned char)*l->p;
	if (isalpha(c) || c == '_' || c == '$' || c == '%') {
		t->kind = TOK_IDENT;
		do
			l->p++;
		while (l->p < l->end && ident_char((unsigned char)*l->p));
	} else if (c == '.') {
		t->kind = TOK_DOT;
		t->s = ++l->p;
		while (l->p < l->end && (ident_char((unsigned char)*l->p) ||
		       (*l->p == ':' && l->p + 1 < l->end && (l->p[1] == ':' || l->p[-1] == ':'))))
			l->p++;
	} else if (isdigit(c)) {
		if (!number(l, t)) {
			while (l->p < l->end && ident_char((unsigned char)*l->p))
				l->p++;
			ptx_error_at(l, t, SG_INVALID_PTX, "bad number '%.*s'",
				     (int)(l->p - t->s > 40 ? 40 : l->p - t->s), t->s);
			return;
		}
	} else if (c == '"') {
		string(l, t);
		return;
	} else {
		t->kind = TOK_PUNCT;
		t->ch = (char)c;
		l->p++;
	}
	t->len = (uint32_t)(l->p - t->s);
}

/*
 * .5 is a number where a value is expected, and looks like a modifier (.2d) elsewhere: the caller
 * knows.
 */
bool ptx_at_fraction(const struct ptx_lex *l, const struct ptx_tok *t)
{
	return t->kind == TOK_DOT && t->s < l->end && isdigit((unsigned char)*t->s);
}

void ptx_read_fraction(struct ptx_lex *l)
{
	struct ptx_tok *t = &l->tok;

	l->p = --t->s;
	if (!decimal_float(l, t))
		ptx_error_at(l, t, SG_INVALID_PTX, "bad number '%.*s'", (int)(l->p - t->s), t->s);
	else
		t->len = (uint32_t)(l->p - t->s);
}

struct ptx_tok ptx_peek(const struct ptx_lex *l)
{
	struct ptx_lex ahead = *l;

	ahead.log = NULL;	/* what is wrong there is said when it becomes the current token */
	ptx_next(&ahead);
	return ahead.tok;
}

void ptx_skip_line(struct ptx_lex *l)
{
	uint32_t line = l->tok.line;

	if (l->res)
		return;
	while (l->p < l->end && l->line == line && *l->p != '\n')
		l->p++;
	ptx_next(l);
}

bool ptx_tok_is(const struct ptx_tok *t, const char *word)
{
	return (t->kind == TOK_IDENT || t->kind == TOK_DOT) && strlen(word) == t->len &&
	       !memcmp(t->s, word, t->len);
}

bool ptx_at(const struct ptx_lex *l, char ch)
{
	return l->tok.kind == TOK_PUNCT && l->tok.ch == ch;
}

bool ptx_at_dot(const struct ptx_lex *l, const char *word)
{
	return l->tok.kind == TOK_DOT && ptx_tok_is(&l->tok, word);
}

bool ptx_accept(struct ptx_lex *l, char ch)
{
	if (!ptx_at(l, ch))
		return false;
	ptx_next(l);
	return true;
}

bool ptx_accept_dot(struct ptx_lex *l, const char *word)
{
	if (!ptx_at_dot(l, word))
		return false;
	ptx_next(l);
	return true;
}

bool ptx_expect(struct ptx_lex *l, char ch)
{
	if (ptx_accept(l, ch))
		return true;
	if (l->tok.kind == TOK_EOF)
		ptx_error(l, "the text ends where '%c' is expected", ch);
	else
		ptx_error(l, "'%c' expected before '%s%.*s'", ch, l->tok.kind == TOK_DOT ? "." : "",
			  (int)(l->tok.len > 40 ? 40 : l->tok.len), l->tok.s);
	return false;
}
