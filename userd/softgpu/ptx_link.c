/* SPDX-License-Identifier: MIT */
/*
 * ptx_link.c - joins the texts of a module: symbols across texts, device memory, shared layouts,
 * kernels
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "ptx_parse.h"

struct global_name {
	const char *name;
	struct ptx_var *var;
	struct ptx_func *fn;
	enum ptx_linkage linkage;
	uint32_t order;
};

struct name_table {
	struct global_name *e;
	size_t nr;
};

static int by_name(const void *a, const void *b)
{
	const struct global_name *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : x->order < y->order ? -1 : x->order > y->order;
}

static enum sg_result unresolved(struct sg_log *log, const struct ptx_unit *u, uint32_t line,
				 const char *what, const char *name)
{
	if (u->nr)
		sg_log_add(log, "text %u, ", u->nr);
	sg_log_add(log, "line %u, column 1: unresolved %s '%s'\n", line, what, name);
	return SG_UNRESOLVED;
}

static bool collect(struct sg_module *m, struct name_table *t)
{
	size_t nr = 1;

	for (struct ptx_unit *u = m->units; u; u = u->next) {
		for (struct ptx_var *v = u->vars; v; v = v->next)
			nr++;
		for (struct ptx_func *f = u->funcs; f; f = f->next)
			nr++;
	}
	t->e = calloc(nr, sizeof(*t->e));
	if (!t->e)
		return false;
	for (struct ptx_unit *u = m->units; u; u = u->next) {
		for (struct ptx_var *v = u->vars; v; v = v->next) {
			if (v->linkage == PTX_PRIVATE || v->linkage == PTX_EXTERN)
				continue;
			t->e[t->nr] = (struct global_name){ v->name, v, NULL, v->linkage,
							    (uint32_t)t->nr };
			t->nr++;
		}
		for (struct ptx_func *f = u->funcs; f; f = f->next) {
			if ((!f->defined && !f->alias) || f->linkage == PTX_PRIVATE)
				continue;
			t->e[t->nr] = (struct global_name){ f->name, NULL, f->alias ? f->alias : f,
							    f->linkage, (uint32_t)t->nr };
			t->nr++;
		}
	}
	qsort(t->e, t->nr, sizeof(*t->e), by_name);
	return true;
}

/* One definition per name: a strong one, or else the largest common or first weak one. */
static enum sg_result unique(struct name_table *t, struct sg_log *log)
{
	size_t out = 0;

	for (size_t i = 0; i < t->nr; i++) {
		struct global_name *last = out ? &t->e[out - 1] : NULL, *e = &t->e[i];

		if (!last || strcmp(last->name, e->name)) {
			t->e[out++] = *e;
			continue;
		}
		if (last->linkage == PTX_VISIBLE && e->linkage == PTX_VISIBLE) {
			sg_log_add(log, "line %u, column 1: symbol '%s' is defined in two texts\n",
				   e->var ? e->var->line : e->fn->line, e->name);
			return SG_INVALID_PTX;
		}
		if (e->linkage == PTX_VISIBLE ||
		    (last->linkage == PTX_COMMON && e->linkage == PTX_COMMON && e->var &&
		     last->var && e->var->size > last->var->size))
			*last = *e;
	}
	t->nr = out;
	return SG_OK;
}

static const struct global_name *lookup(const struct name_table *t, const char *name)
{
	size_t lo = 0, hi = t->nr;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = strcmp(name, t->e[mid].name);

		if (!c)
			return &t->e[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static void resolve(struct sg_module *m, const struct name_table *t)
{
	for (struct ptx_unit *u = m->units; u; u = u->next) {
		for (struct ptx_var *v = u->vars; v; v = v->next) {
			const struct global_name *g =
				v->linkage == PTX_PRIVATE ? NULL : lookup(t, v->name);

			if (g && g->var)
				v->def = g->var;
			else if (!v->def && v->linkage != PTX_EXTERN)
				v->def = v;
			else if (!v->def && v->space == SG_SPACE_SHARED && !v->size)
				v->def = v;	/* dynamic shared memory */
		}
		for (struct ptx_func *f = u->funcs; f; f = f->next) {
			const struct global_name *g =
				f->linkage == PTX_PRIVATE ? NULL : lookup(t, f->name);

			f->def = g && g->fn ? g->fn : f->defined ? f : f->alias;
			if (f->def && f->indirect)
				f->def->indirect = true;
		}
	}
}

static bool same_shape(const struct ptx_func *a, const struct ptx_func *b)
{
	if (a->nr_params != b->nr_params || a->nr_rets != b->nr_rets)
		return false;
	for (uint32_t i = 0; i < a->nr_params; i++)
		if (a->params[i]->size != b->params[i]->size)
			return false;
	for (uint32_t i = 0; i < a->nr_rets; i++)
		if (a->rets[i]->size != b->rets[i]->size)
			return false;
	return true;
}

static enum sg_result check_refs(struct sg_module *m, struct sg_log *log)
{
	for (struct ptx_unit *u = m->units; u; u = u->next)
		for (struct ptx_func *f = u->funcs; f; f = f->next)
			for (struct ptx_ref *r = f->refs; r; r = r->next) {
				if (r->var && !r->var->def)
					return unresolved(log, u, r->line, "variable",
							  r->var->name);
				if (!r->fn)
					continue;
				if (!r->fn->def && !r->fn->builtin)
					return unresolved(log, u, r->line, "function", r->fn->name);
				if (r->fn->def && !same_shape(r->fn, r->fn->def)) {
					sg_log_add(log,
						   "line %u, column 1: function '%s' is defined "
						   "with other "
						   "parameters\n",
						   r->line, r->fn->name);
					return SG_INVALID_PTX;
				}
				if (r->fn->def)
					r->fn->builtin = PTX_NOT_BUILTIN;
			}
	return SG_OK;
}

static bool is_global(const struct ptx_var *v)
{
	return v->def == v && (v->space == SG_SPACE_GLOBAL || v->space == SG_SPACE_CONST);
}

static enum sg_result place_globals(struct sg_module *m, struct sg_log *log)
{
	uint32_t nr = 0;

	for (struct ptx_unit *u = m->units; u; u = u->next)
		for (struct ptx_var *v = u->vars; v; v = v->next)
			nr += is_global(v);
	m->globals = arena_alloc(&m->arena, (nr + 1) * sizeof(*m->globals));
	if (!m->globals)
		return SG_NOMEM;
	for (struct ptx_unit *u = m->units; u; u = u->next) {
		for (struct ptx_var *v = u->vars; v; v = v->next) {
			if (v->def == v && v->space == SG_SPACE_SHARED)
				v->shared_index = ++m->nr_shared;
			if (!is_global(v))
				continue;
			if (v->managed && m->first && m->nr_globals < m->first->nr_globals) {
				v->addr = m->first->globals[m->nr_globals]->addr;
				v->borrowed = true;
				m->globals[m->nr_globals++] = v;
				continue;
			}
			v->addr = v->managed ? sg_mem_alloc_managed(v->size ? v->size : 1, v->align)
					     : sg_mem_alloc(v->size ? v->size : 1, v->align);
			if (!v->addr) {
				sg_log_add(log,
					   "line %u, column 1: no device memory for '%s' (%llu "
					   "bytes)\n",
					   v->line, v->name, (unsigned long long)v->size);
				return SG_NOMEM;
			}
			m->globals[m->nr_globals++] = v;
			if (v->init)
				memcpy((void *)(uintptr_t)v->addr, v->init, v->size);
		}
	}
	return SG_OK;
}

static enum sg_result fill_reloc(struct ptx_var *v, const struct ptx_reloc *r, struct sg_log *log)
{
	const struct ptx_var *def = r->var ? r->var->def : NULL;
	uint64_t a;

	if (r->fn) {
		if (!r->fn->def)
			return unresolved(log, v->unit, v->line, "function", r->fn->name);
		a = SG_CODE_ADDRESS(r->fn->def->index);
	} else if (!def) {
		return unresolved(log, v->unit, v->line, "variable", r->var->name);
	} else if (def->space != SG_SPACE_GLOBAL && def->space != SG_SPACE_CONST) {
		sg_log_add(log,
			   "line %u, column 1: the address of '%s' is not known before a launch\n",
			   v->line, def->name);
		return SG_UNSUPPORTED_PTX;
	} else {
		a = def->addr;
	}
	a += (uint64_t)r->addend;
	if (r->mask)
		a = (a & r->mask) >> __builtin_ctzll(r->mask);
	memcpy((uint8_t *)(uintptr_t)v->addr + r->offset, &a, r->bytes);
	return SG_OK;
}

static enum sg_result number_functions(struct sg_module *m)
{
	uint32_t n = 0;

	for (struct ptx_unit *u = m->units; u; u = u->next)
		for (struct ptx_func *f = u->funcs; f; f = f->next)
			m->nr_funcs += f->defined;
	m->funcs = arena_alloc(&m->arena, (m->nr_funcs + 1) * sizeof(*m->funcs));
	if (!m->funcs)
		return SG_NOMEM;
	for (struct ptx_unit *u = m->units; u; u = u->next)
		for (struct ptx_func *f = u->funcs; f; f = f->next)
			if (f->defined) {
				f->index = n;
				m->funcs[n++] = f;
			}
	return SG_OK;
}

/*
 * Rows that differ from frame to frame come first, so that making a frame again need not look at
 * the rest.
 */
static void sort_constants(struct ptx_func *f)
{
	struct ptx_const *vary = NULL, **vary_end = &vary, *same = NULL, **same_end = &same, *next;

	for (struct ptx_const *c = f->consts; c; c = next) {
		next = c->next;
		c->next = NULL;
		if (c->kind == CONST_IMM) {
			*same_end = c;
			same_end = &c->next;
		} else {
			*vary_end = c;
			vary_end = &c->next;
		}
	}
	*vary_end = same;
	f->consts = vary;
}

static enum sg_result fill_constants(struct sg_module *m, struct sg_log *log)
{
	enum sg_result res = SG_OK;

	for (uint32_t i = 0; i < m->nr_globals && !res; i++)
		for (struct ptx_reloc *r = m->globals[i]->relocs;
		     r && !m->globals[i]->borrowed && !res; r = r->next)
			res = fill_reloc(m->globals[i], r, log);
	for (uint32_t i = 0; i < m->nr_funcs && !res; i++) {
		for (struct ptx_const *c = m->funcs[i]->consts; c && !res; c = c->next) {
			if (c->kind == CONST_VAR) {
				c->kind = CONST_IMM;
				c->value += c->var->def->addr;
			} else if (c->kind == CONST_FUNC) {
				if (!c->fn->def)
					res = unresolved(log, m->funcs[i]->unit, m->funcs[i]->line,
							 "function", c->fn->name);
				else
					c->value = SG_CODE_ADDRESS(c->fn->def->index);
				c->kind = CONST_IMM;
			}
		}
		sort_constants(m->funcs[i]);
	}
	return res;
}

static bool calls_pointers(const struct ptx_func *f)
{
	for (uint32_t i = 0; i < f->nr_code; i++)
		if (f->code[i].ctl == SG_CTL_CALL && !((const struct ptx_call *)f->code[i].aux)->fn)
			return true;
	return false;
}

static void note_builtin(struct sg_kernel_info *info, enum ptx_builtin b)
{
	info->prints |= b == PTX_VPRINTF;
	info->allocates |= b == PTX_MALLOC || b == PTX_FREE;
}

/* Marks what a kernel can reach, and notes what that needs; pending is a stack of nr_funcs entries. */
static void reach(struct sg_module *m, struct sg_kernel *k, uint32_t mark,
		  struct ptx_func **pending)
{
	uint64_t local = 0;
	uint32_t top = 0;

	k->fn->mark = mark;
	pending[top++] = k->fn;
	while (top) {
		struct ptx_func *f = pending[--top];

		local += (f->local_bytes + 15) & ~15u;
		for (struct ptx_ref *r = f->refs; r; r = r->next) {
			if (!r->fn)
				continue;
			note_builtin(&k->info, r->fn->builtin);
			if (r->fn->def && r->fn->def->mark != mark) {
				r->fn->def->mark = mark;
				pending[top++] = r->fn->def;
			}
		}
		if (!calls_pointers(f))
			continue;
		for (uint32_t i = 0; i < m->nr_funcs; i++)
			if (m->funcs[i]->indirect && m->funcs[i]->mark != mark) {
				m->funcs[i]->mark = mark;
				pending[top++] = m->funcs[i];
			}
	}
	k->info.stack_bytes = local < UINT32_MAX ? (uint32_t)local : UINT32_MAX;
}

/* Places each variable once; dynamic arrays (size 0) all begin where the static ones end. */
static enum sg_result lay_out_shared(struct sg_module *m, struct sg_kernel *k, uint32_t mark,
				     struct sg_log *log)
{
	uint64_t top = 0, align = 16;

	for (int dynamic = 0; dynamic < 2; dynamic++) {
		for (uint32_t i = 0; i < m->nr_funcs; i++) {
			if (m->funcs[i]->mark != mark)
				continue;
			for (struct ptx_ref *r = m->funcs[i]->refs; r; r = r->next) {
				const struct ptx_var *v = r->var ? r->var->def : NULL;

				if (!v || v->space != SG_SPACE_SHARED || (v->size == 0) != dynamic)
					continue;
				if (dynamic) {
					k->shared_off[v->shared_index] = (uint32_t)top;
				} else if (k->shared_off[v->shared_index] == UINT32_MAX) {
					top = (top + v->align - 1) & ~(uint64_t)(v->align - 1);
					k->shared_off[v->shared_index] = (uint32_t)top;
					top += v->size;
				}
				if (top > 228u << 10) {
					sg_log_add(log,
						   "line %u, column 1: kernel '%s' uses more than "
						   "228 KiB of "
						   "shared memory\n",
						   k->fn->line, k->fn->name);
					return SG_INVALID_PTX;
				}
				if (v->align > align)
					align = v->align;
			}
		}
		if (!dynamic)
			k->info.static_shared = (uint32_t)top;
		top = (top + align - 1) & ~(align - 1);
	}
	return SG_OK;
}

/*
 * As ptxas would: never so many that a block of the kernel's largest size does not fit a
 * multiprocessor's 65536, a quarter of which is for each fourth warp.
 */
static uint32_t estimate_regs(const struct ptx_func *f, uint32_t max_threads)
{
	uint32_t lanes = (max_threads + 4 * SG_LANES - 1) / (4 * SG_LANES) * 4 * SG_LANES;
	uint32_t want = 16 + f->nr_rows / 8, most = (65536 / lanes) & ~7u;

	if (most > 255)
		most = 255;
	return want < most ? want : most;
}

static enum sg_result make_kernel(struct sg_module *m, struct sg_kernel *k, struct ptx_func *f,
				  struct ptx_func **pending, struct sg_log *log)
{
	uint32_t mark = m->nr_kernels;

	k->module = m;
	k->fn = f;
	k->params = arena_alloc(&m->arena, (f->nr_params + 1) * sizeof(*k->params));
	k->shared_off = arena_alloc(&m->arena, (m->nr_shared + 1) * sizeof(uint32_t));
	if (!k->params || !k->shared_off)
		return SG_NOMEM;
	memset(k->shared_off, 0xff, (m->nr_shared + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < f->nr_params; i++) {
		k->params[i].offset = (uint32_t)f->params[i]->addr;
		k->params[i].size = (uint32_t)f->params[i]->size;
	}
	k->info = (struct sg_kernel_info){
		.name = f->name,
		.params = k->params,
		.nr_params = f->nr_params,
		.param_bytes = f->param_bytes,
		.local_bytes = f->local_bytes,
		.num_regs = estimate_regs(f, f->maxntid ? f->maxntid : 1024),
		.max_threads = f->maxntid ? f->maxntid : 1024,
		.ptx_version = f->unit->version,
		.target = f->unit->target,
	};
	for (uint32_t i = 0; i < m->nr_globals; i++)
		if (m->globals[i]->space == SG_SPACE_CONST)
			k->info.const_bytes += (uint32_t)m->globals[i]->size;
	reach(m, k, mark, pending);
	return lay_out_shared(m, k, mark, log);
}

static enum sg_result make_kernels(struct sg_module *m, const struct name_table *t,
				   struct sg_log *log)
{
	struct ptx_func **pending = calloc(m->nr_funcs + 1, sizeof(*pending));
	enum sg_result res = SG_OK;

	m->kernels = arena_alloc(&m->arena, (m->nr_funcs + 1) * sizeof(*m->kernels));
	if (!pending || !m->kernels)
		res = SG_NOMEM;
	for (uint32_t i = 0; i < m->nr_funcs && !res; i++) {
		struct ptx_func *f = m->funcs[i];
		const struct global_name *g = lookup(t, f->name);

		/* of two weak entries (templates in two texts) one counts */
		if (!f->entry || (g && g->fn != f && f->linkage != PTX_PRIVATE))
			continue;
		m->nr_kernels++;
		res = make_kernel(m, &m->kernels[m->nr_kernels - 1], f, pending, log);
	}
	free(pending);
	return res;
}

enum sg_result ptx_link(struct sg_module *m, struct sg_log *log)
{
	struct name_table t = { 0 };
	enum sg_result res;

	if (!collect(m, &t))
		return SG_NOMEM;
	res = unique(&t, log);
	if (!res) {
		resolve(m, &t);
		res = check_refs(m, log);
	}
	if (!res)
		res = number_functions(m);
	if (!res)
		res = place_globals(m, log);
	if (!res)
		res = fill_constants(m, log);
	if (!res)
		res = make_kernels(m, &t, log);
	free(t.e);
	return res;
}
