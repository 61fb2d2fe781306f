// SPDX-License-Identifier: MIT
/*
 * load.c - how a module's kernels become known here, and a module known at the server
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

static uint8_t (*at_server)[16];
static size_t nr_at_server;
static uint32_t nr_named;		/* kernels that the worker has heard of by name */

void vcuda_images_at_server(const uint8_t *hashes, size_t n)
{
	free(at_server);
	at_server = malloc(n * 16);
	nr_at_server = at_server ? n : 0;
	if (nr_at_server)
		memcpy(at_server, hashes, n * 16);
}

static bool server_has(const uint8_t hash[16])
{
	size_t i;

	for (i = 0; i < nr_at_server; i++)
		if (!memcmp(at_server[i], hash, 16))
			return true;
	return false;
}

/* Of the module's image, which is large: reckoned once. */
static const uint8_t *hash_of(struct vcuda_module *m, const struct vcuda_image *image)
{
	if (!m->is_hashed)
		vcuda_image_hash(image, m->hash);
	m->is_hashed = true;
	return m->hash;
}

/* ---- the request ---- */

static const struct vcuda_jit no_options;

/* w: NULL for one without an answer. */
static CUresult request(struct vcuda_module *m, const struct vcuda_image *image, bool cached,
			const struct vcuda_jit *j, struct vcuda_wait *w)
{
	struct vwire_module_load h = {
		.module = htole32((uint32_t)m->handle),
		.bytes = htole64(image->bytes),
		.log_bytes = htole32(j->error_bytes < VWIRE_LOG_MAX ? j->error_bytes : VWIRE_LOG_MAX),
		.nr_options = htole32(j->nr),
		.flags = htole32((m->library ? VWIRE_MODULE_F_LIBRARY : 0) | (w ? 0 : VWIRE_MODULE_F_LISTED) |
				 (cached ? VWIRE_MODULE_F_CACHED : 0) | image->flags),
	};
	struct vcuda_iov iov[2] = { { &h, sizeof(h) },
				    { j->options, j->nr * sizeof(j->options[0]) } };
	CUresult r = CUDA_SUCCESS;

	memcpy(h.hash, hash_of(m, image), sizeof(h.hash));
	vcuda_submit_lock();
	if (!cached)
		r = vcuda_image_send(image);
	if (!r)
		r = vcuda_submit_locked(CUDA_ID_cuModuleLoadData, w ? VWIRE_F_WAIT : 0, iov, 2, w,
					NULL);
	vcuda_submit_unlock();
	return r;
}

static CUresult ask(struct vcuda_module *m, const struct vcuda_image *image, bool cached,
		    const struct vcuda_jit *j, struct vcuda_wait *w)
{
	CUresult r;

	memset(w, 0, sizeof(*w));
	r = request(m, image, cached, j, w);
	return r ? r : vcuda_wait(w);
}

/* ---- the table of kernels, from the server ---- */

static CUresult make_kernels(struct vcuda_module *m, unsigned int n)
{
	if (m->kernels)
		return CUDA_SUCCESS;
	m->kernels = calloc(n ? n : 1, sizeof(*m->kernels));
	m->nr_kernels = m->kernels ? n : 0;
	return m->kernels ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static bool set_params(struct vcuda_kernel *k, const struct vcuda_param *p, uint32_t n)
{
	uint32_t i;

	k->params = p;
	k->nr_params = n;
	k->param_bytes = 0;
	for (i = 0; i < n; i++) {
		if (p[i].offset > 65535 || p[i].size > 65535)
			return false;
		if (p[i].offset + p[i].size > k->param_bytes)
			k->param_bytes = p[i].offset + p[i].size;
	}
	return true;
}

/* Listed once more, of the same image: only the number is new. The program may hold what it was told. */
static bool take_number(struct vcuda_kernel *k, const struct vwire_kernel *v, const char *name)
{
	size_t n = le32toh(v->name_len);

	k->function = le32toh(v->function);
	return k->function && le32toh(v->nr_params) == k->nr_params && strlen(k->name) == n &&
	       !memcmp(k->name, name, n);
}

static bool take_kernel(struct vcuda_module *m, struct vcuda_kernel *k, struct vwire_rd *rd)
{
	const struct vwire_param *p;
	struct vcuda_param *own;
	struct vwire_kernel v;
	const char *name;
	uint32_t i, n;

	rd_copy(rd, &v, sizeof(v));
	n = le32toh(v.nr_params);
	if (n > 4096 || le32toh(v.name_len) > 65535)
		return false;
	p = rd_bytes(rd, n * sizeof(*p));
	name = rd_bytes(rd, le32toh(v.name_len));
	if (!p || !name)
		return false;
	if (k->name)
		return take_number(k, &v, name);
	/* the table is ours: turned into the machine's order in place */
	own = (struct vcuda_param *)p;
	for (i = 0; i < n; i++)
		own[i] = (struct vcuda_param){ le32toh(p[i].offset), le32toh(p[i].size) };
	if (!set_params(k, own, n))
		return false;
	k->name = strndup(name, le32toh(v.name_len));
	k->module = m;
	k->function = le32toh(v.function);
	k->attribute_mask = le32toh(v.attribute_mask);
	k->barriers = m->no_barriers ? 0 : -1;
	for (i = 0; i < VWIRE_KERNEL_ATTRIBUTES; i++)
		k->attributes[i] = (int)le32toh(v.attributes[i]);
	return k->name && k->function;
}

static CUresult take_table(struct vcuda_module *m, struct vcuda_wait *w, struct vcuda_jit *j, uint64_t ns,
			   CUresult result)
{
	struct vwire_rd rd = rd_init(w->reply, w->reply_len);
	struct vwire_module v;
	const char *log;
	uint32_t i, n;

	rd_copy(&rd, &v, sizeof(v));
	n = le32toh(v.nr_kernels);
	if (!result && (rd.err || n > w->reply_len / sizeof(struct vwire_kernel) ||
			(m->kernels && n != m->nr_kernels)))
		goto wrong;
	if (!result)
		result = make_kernels(m, n);
	for (i = 0; !result && i < n; i++)
		if (!take_kernel(m, &m->kernels[i], &rd))
			goto wrong;
	log = rd_bytes(&rd, le32toh(v.log_bytes));
	vcuda_jit_give(j, (struct vcuda_iov){ log, log ? le32toh(v.log_bytes) : 0 },
		       (struct vcuda_iov){ 0 }, ns);
	if (!result && !m->params) {
		m->params = w->reply;
		w->reply = NULL;
	}
	return result;
wrong:
	vcuda_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, "a module's table that does not fit");
	return CUDA_ERROR_DEVICE_UNAVAILABLE;
}

/* Attributes that are missing are asked for by the numbers that the worker gave. */
bool vcuda_module_is_whole(const struct vcuda_module *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_kernels; i++)
		if (!m->kernels[i].attribute_mask)
			return false;
	return true;
}

/* What is asked of the JIT beside the code may have another answer next time. */
static bool asks_more(const struct vcuda_jit *j)
{
	return j->nr || j->error_log || j->error_size_out || j->info_log || j->info_size_out ||
	       j->wall_time;
}

/* What the program has set of a kernel lasts longer than the code at the server. */
static CUresult set_again(const struct vcuda_module *m)
{
	CUresult r = CUDA_SUCCESS;
	unsigned int i;

	for (i = 0; !r && i < m->nr_kernels; i++)
		r = vcuda_kernel_set_again(&m->kernels[i]);
	return r;
}

static CUresult list_there(struct vcuda_module *m, const struct vcuda_image *image,
			   struct vcuda_jit *j)
{
	uint64_t start = vcuda_now_ns();
	bool cached = server_has(hash_of(m, image));
	struct vcuda_table *t = NULL;
	struct vcuda_wait w;
	CUresult r;

	r = ask(m, image, cached, j, &w);
	if (r == CUDA_ERROR_NOT_FOUND && cached && w.reserved & VWIRE_MODULE_F_SEND) {
		free(w.reply);
		r = ask(m, image, false, j, &w);
	}
	if (!r && !asks_more(j))
		t = vcuda_table_new(m->hash, w.reply, w.reply_len);
	r = take_table(m, &w, j, vcuda_now_ns() - start, r);
	free(w.reply);
	if (!r && vcuda_module_is_whole(m))
		vcuda_table_keep(t);
	else
		free(t);
	if (r)
		return r;
	atomic_store(&m->sent, true);
	return set_again(m);
}

/* ---- the same from an earlier answer ---- */

/* CUDA_ERROR_NOT_FOUND: there is none. */
static CUresult list_again(struct vcuda_module *m)
{
	struct vcuda_wait w = { 0 };
	struct vcuda_jit none = { 0 };
	unsigned int i;
	CUresult r;

	w.reply = vcuda_table_copy(m->hash, &w.reply_len);
	if (!w.reply)
		return CUDA_ERROR_NOT_FOUND;
	r = take_table(m, &w, &none, 0, CUDA_SUCCESS);
	free(w.reply);
	/* the numbers were another module's */
	for (i = 0; i < m->nr_kernels; i++)
		m->kernels[i].function = 0;
	return r;
}

/* ---- the same from a cubin ---- */

static unsigned int device_sm(void)
{
	const int *d = vcuda_lease()->devices[0].attributes;

	return d[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR] * 10 +
	       d[CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR];
}


/* An image that the server has costs a few bytes to name: it loads it while it is unpacked here. */
static CUresult send_ahead(struct vcuda_module *m, const struct vcuda_image *image)
{
	CUresult r;

	if (!nr_at_server || !vcuda_image_is_packed(image, device_sm()) ||
	    !server_has(hash_of(m, image)))
		return CUDA_SUCCESS;
	r = request(m, image, true, &no_options, NULL);
	if (!r)
		atomic_store(&m->sent, true);
	return r;
}

static CUresult take_back(struct vcuda_module *m)
{
	atomic_store(&m->sent, false);
	return vcuda_module_send_unload(m);
}

static bool read_here(const struct vcuda_image *image, struct cubin *c, void **own)
{
	unsigned int sm = device_sm();
	struct vcuda_iov elf;

	if (!vcuda_image_cubin(image, sm, &elf, own))
		return false;
	if (cubin_read(c, elf.p, elf.n, sm))
		return true;
	free(*own);
	return false;
}

_Static_assert(CUBIN_ATTRIBUTES == VWIRE_KERNEL_ATTRIBUTES, "all that is asked for");

static bool take_cubin(struct vcuda_module *m, const struct cubin *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_kernels; i++) {
		const struct cubin_kernel *from = &c->kernels[i];
		struct vcuda_kernel *k = &m->kernels[i];

		k->module = m;
		k->name = strdup(from->name);
		k->attribute_mask = (1u << CUBIN_ATTRIBUTES) - 1;
		cubin_attributes(c, from, k->attributes);
		k->barriers = from->barriers;
		if (!k->name || !set_params(k, c->params + from->first_param, from->nr_params))
			return false;
	}
	return true;
}

/* CUDA_ERROR_NOT_FOUND: the server has to say. */
static CUresult list_here(struct vcuda_module *m, const struct vcuda_image *image)
{
	struct cubin c;
	void *own;
	CUresult r = send_ahead(m, image);

	if (r)
		return r;
	if (!read_here(image, &c, &own))
		return (atomic_load(&m->sent) ? take_back(m) : r) ?: CUDA_ERROR_NOT_FOUND;
	r = make_kernels(m, c.nr_kernels);
	if (!r && !take_cubin(m, &c))
		r = CUDA_ERROR_OUT_OF_MEMORY;
	if (r && atomic_load(&m->sent))
		take_back(m);
	if (!r) {
		m->params = c.params;
		c.params = NULL;
	}
	cubin_free(&c);
	free(own);
	return r;
}

/* Until it is sent; a library's for longer, since other contexts may have it loaded, too. */
static CUresult keep_image(struct vcuda_module *m, const struct vcuda_image *image)
{
	m->image = *image;
	if (m->preserved || m->kept || (atomic_load(&m->sent) && !m->library))
		return CUDA_SUCCESS;
	return vcuda_image_keep(&m->image, &m->kept);
}

CUresult vcuda_module_list(struct vcuda_module *m, struct vcuda_image *image, struct vcuda_jit *j)
{
	bool again = m->kernels;
	CUresult r;

	m->image_bytes = image->bytes;
	r = again ? CUDA_ERROR_NOT_FOUND : list_here(m, image);
	if (r == CUDA_ERROR_NOT_FOUND) {
		m->no_barriers = vcuda_image_has_no_barriers(image);
		memcpy(&m->code, hash_of(m, image), sizeof(m->code));
		if (!again && !asks_more(j))
			r = list_again(m);
	}
	if (!r) {
		vcuda_jit_give(j, (struct vcuda_iov){ 0 }, (struct vcuda_iov){ 0 }, 0);
		m->read_here = true;
		r = keep_image(m, image);
	} else if (r == CUDA_ERROR_NOT_FOUND) {
		r = list_there(m, image, j);
		if (!r && m->library && !asks_more(j))
			r = keep_image(m, image);
	}
	if (!r)
		atomic_store_explicit(&m->listed, true, memory_order_release);
	return r;
}

/* ---- what is listed here, made known there ---- */

CUresult vcuda_module_send(struct vcuda_module *m)
{
	CUresult r;

	if (atomic_load(&m->sent))
		return CUDA_SUCCESS;
	r = request(m, &m->image, server_has(hash_of(m, &m->image)), &no_options, NULL);
	if (r)
		return r;
	if (!m->library) {
		free(m->kept);
		m->kept = NULL;
	}
	atomic_store_explicit(&m->sent, true, memory_order_release);
	return CUDA_SUCCESS;
}

CUresult vcuda_kernel_name(struct vcuda_kernel *k)
{
	struct vcuda_module *m = k->module;
	uint32_t number = VWIRE_FUNCTION_NAMED | nr_named;
	struct vwire_function f = {
		.function = htole32(number),
		.module = htole32((uint32_t)m->handle),
		.flags = htole32(m->library ? VWIRE_MODULE_F_LIBRARY : 0),
		.nr_params = htole32(k->nr_params),
		.param_bytes = htole32(k->param_bytes),
		.name_len = htole32(strlen(k->name)),
	};
	struct vcuda_iov iov[2] = { { &f, sizeof(f) }, { k->name, strlen(k->name) } };
	CUresult r = vcuda_submit(CUDA_ID_cuModuleGetFunction, 0, iov, 2, NULL, NULL);

	if (r)
		return r;
	nr_named++;
	atomic_store_explicit(&k->function, number, memory_order_release);
	return CUDA_SUCCESS;
}

uint64_t vcuda_kernel_code(const struct vcuda_kernel *k)
{
	return (k->module->code + (uint64_t)(k - k->module->kernels) * 0x9e3779b97f4a7c15ull) | 1;
}

CUfunction vcuda_kernel_handle(struct vcuda_kernel *k)
{
	struct vcuda_object *o;

	if (!k->handle) {
		k->handle = (CUfunction)(uintptr_t)vcuda_handle_new(CUDA_HANDLE_function, &o);
		if (k->handle)
			__atomic_store_n(&o->p, k, __ATOMIC_RELEASE);
	}
	return k->handle;
}
