/* SPDX-License-Identifier: MIT */
/*
 * ptx_module.c - modules as the driver side sees them
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "ptx_parse.h"

enum sg_result sg_module_create_again(const struct sg_ptx *ptx, size_t nr,
				      const struct sg_module *first, struct sg_module **out,
				      struct sg_log *log)
{
	struct sg_module *m = calloc(1, sizeof(*m));
	enum sg_result res = SG_OK;

	*out = NULL;
	if (log && log->text && log->size)
		log->text[log->len = 0] = 0;
	if (!m)
		return SG_NOMEM;
	m->units_end = &m->units;
	m->isa = ptx_isa();
	m->first = first;
	for (size_t i = 0; i < nr && !res; i++)
		res = ptx_parse(m, &ptx[i], nr > 1 ? (uint32_t)i + 1 : 0, log);
	if (!res && sg_devrt_wanted(m))
		res = ptx_parse(m, &sg_devrt, 0, log);
	if (!res)
		res = ptx_link(m, log);
	if (res) {
		sg_module_destroy(m);
		return res;
	}
	*out = m;
	return SG_OK;
}

enum sg_result sg_module_create(const struct sg_ptx *ptx, size_t nr, struct sg_module **out,
				struct sg_log *log)
{
	return sg_module_create_again(ptx, nr, NULL, out, log);
}

bool sg_module_has_managed(const struct sg_module *m)
{
	for (uint32_t i = 0; i < m->nr_globals; i++)
		if (m->globals[i]->managed)
			return true;
	return false;
}

enum sg_result sg_ptx_check(const struct sg_ptx *ptx, struct sg_log *log)
{
	struct sg_module *m = calloc(1, sizeof(*m));
	enum sg_result res;

	if (!m)
		return SG_NOMEM;
	m->units_end = &m->units;
	m->isa = ptx_isa();
	res = ptx_parse(m, ptx, 0, log);
	sg_module_destroy(m);
	return res;
}

void sg_module_destroy(struct sg_module *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < m->nr_globals; i++)
		if (!m->globals[i]->borrowed)
			sg_mem_free(m->globals[i]->addr);
	for (struct ptx_unit *u = m->units; u; u = u->next)
		for (struct ptx_func *f = u->funcs; f; f = f->next)
			free(f->code);
	arena_free(&m->arena);
	free(m);
}

size_t sg_module_nr_kernels(const struct sg_module *m)
{
	return m->nr_kernels;
}

struct sg_kernel *sg_module_kernel(struct sg_module *m, size_t i)
{
	return i < m->nr_kernels ? &m->kernels[i] : NULL;
}

struct sg_kernel *sg_module_find(struct sg_module *m, const char *name)
{
	for (uint32_t i = 0; i < m->nr_kernels; i++)
		if (!strcmp(m->kernels[i].info.name, name))
			return &m->kernels[i];
	return NULL;
}

const struct sg_kernel_info *sg_kernel_info(const struct sg_kernel *k)
{
	return &k->info;
}

size_t sg_module_nr_globals(const struct sg_module *m)
{
	return m->nr_globals;
}

void sg_module_global(const struct sg_module *m, size_t i, const char **name, uint64_t *addr,
		      size_t *size)
{
	*name = m->globals[i]->name;
	*addr = m->globals[i]->addr;
	*size = m->globals[i]->size;
}

bool sg_module_find_global(const struct sg_module *m, const char *name, uint64_t *addr,
			   size_t *size)
{
	for (uint32_t i = 0; i < m->nr_globals; i++)
		if (!strcmp(m->globals[i]->name, name)) {
			*addr = m->globals[i]->addr;
			*size = m->globals[i]->size;
			return true;
		}
	return false;
}
