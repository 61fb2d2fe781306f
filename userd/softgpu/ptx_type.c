/* SPDX-License-Identifier: MIT */
/*
 * ptx_type.c - names of types and modifiers
 */
#include <string.h>

#include "ptx_type.h"

#define ROW(id, name, bits, cls) [PTX_##id] = { name, bits, cls },
const struct ptx_type_info ptx_types[PTX_NR_TYPES] = {
	[PTX_NONE] = { "", 0, 0 },
	PTX_TYPES(ROW)
};
#undef ROW

#define ROW(id, name) name,
const char *const ptx_mod_names[PTX_NR_MODS] = { PTX_MODS(ROW) };
#undef ROW

enum ptx_type ptx_type_find(const char *s, size_t len)
{
	for (int t = PTX_PRED; t < PTX_NR_TYPES; t++)
		if (strlen(ptx_types[t].name) == len && !memcmp(ptx_types[t].name, s, len))
			return (enum ptx_type)t;
	return PTX_NONE;
}
