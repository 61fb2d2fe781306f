/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <string.h>

#include "init.h"
#include "ptx_lex.h"

bool target_runs(unsigned int sm, enum target_kind kind)
{
	switch (kind) {
	case TARGET_PLAIN:
		return sm <= driver_sm();
	case TARGET_FAMILY:
		return sm <= driver_sm() && sm / 10 == driver_sm() / 10;
	case TARGET_EXACT:
		return sm == driver_sm();
	}
	return false;
}

static unsigned int decimal(const char *s, size_t n, size_t *i)
{
	unsigned int v = 0;

	while (*i < n && s[*i] >= '0' && s[*i] <= '9' && v < 100000)
		v = v * 10 + (unsigned int)(s[(*i)++] - '0');
	return v;
}

/* "9.0" is 90, "12.10" would be 130. */
static unsigned int version_of(const struct ptx_tok *t)
{
	size_t i = 0;
	unsigned int major = decimal(t->s, t->len, &i);

	i++;
	return major * 10 + decimal(t->s, t->len, &i);
}

static CUresult check_version(struct ptx_lex *l)
{
	unsigned int v = version_of(&l->tok);

	if (v <= PTX_VERSION_MAX)
		return CUDA_SUCCESS;
	ptx_error(l, ".version %u.%u is newer than softgpu knows (%u.%u)", v / 10, v % 10,
		  PTX_VERSION_MAX / 10, PTX_VERSION_MAX % 10);
	return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
}

static CUresult check_target(struct ptx_lex *l)
{
	const struct ptx_tok *t = &l->tok;
	enum target_kind kind = TARGET_PLAIN;
	unsigned int sm;
	size_t i = 3;

	if (t->len <= 3 || memcmp(t->s, "sm_", 3))
		return CUDA_SUCCESS;
	sm = decimal(t->s, t->len, &i);
	if (i < t->len)
		kind = t->s[i] == 'a' ? TARGET_EXACT : TARGET_FAMILY;
	if (target_runs(sm, kind))
		return CUDA_SUCCESS;
	ptx_error(l, "a text for %.*s does not run on this device, sm_%u", (int)t->len, t->s,
		  driver_sm());
	return CUDA_ERROR_INVALID_PTX;
}

CUresult target_check(const struct sg_ptx *ptx, unsigned int nr, struct sg_log *log)
{
	CUresult r = CUDA_SUCCESS;
	struct ptx_lex l;

	ptx_lex_init(&l, ptx->text, ptx->len, NULL);
	l.log = log;
	l.nr_text = nr;
	if (!ptx_accept_dot(&l, "version") || l.tok.kind != TOK_F64)
		return CUDA_SUCCESS;
	r = check_version(&l);
	if (r != CUDA_SUCCESS)
		return r;
	ptx_next(&l);
	if (!ptx_accept_dot(&l, "target"))
		return CUDA_SUCCESS;
	while (r == CUDA_SUCCESS && l.tok.kind == TOK_IDENT) {
		r = check_target(&l);
		ptx_next(&l);
		if (!ptx_accept(&l, ','))
			break;
	}
	return r;
}
