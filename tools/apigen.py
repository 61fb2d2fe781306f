#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""apigen.py TABLE DIRECTORY - make everything that is per CUDA function from uapi/cuda.def

Every output has one emit_* function; a file is written only when its text has changed. A row that
is wrong is refused with file and line.
"""
import os
import sys

from ctext import (CUDA_H_OLDEST, MADE, block, flag, fold, guard, head, header, kind, search,
                   write)
from cudadef import BLOB_MAX, BY_VALUE, MODES, Refused, Table
from roundtrip import emit_roundtrip


# ---- ids ----

def emit_ids_h(t):
    out = "/* Of the rows that go over the wire, and of the sizes of their types in cuda.h. */\n"
    out += f"#define GEN_ROWS_HASH\t0x{t.hash():016x}ull\n"
    out += "#define GEN_TABLE_HASH\t(GEN_ROWS_HASH"
    for i, name in enumerate(t.sized_types(), 1):
        out += f" \\\n\t+ sizeof({name}) * {hex(2654435761 * i)}ull"
    out += ")\n"
    out += f"#define GEN_BLOB_MAX\t{BLOB_MAX}\t/* bytes behind one pointer of a row */\n\n"
    out += "enum cuda_mode {\n" + "".join(f"\tCUDA_MODE_{m},\n" for m in MODES) + "};\n\n"
    out += "enum cuda_handle_kind {\n"
    for i, name in enumerate(t.handles.values()):
        out += f"\tCUDA_HANDLE_{name}{' = 1' if i == 0 else ''},\n"
    out += "\tCUDA_HANDLE_MAX\t\t/* one more than the last kind */\n};\n\n"
    out += "enum cuda_id {\n"
    out += "".join(f"\tCUDA_ID_{r.name} = 0x{r.id:04x},\n" for r in t.rows) + "};\n\n"
    out += "/* NULL, CUDA_MODE_NONE: no such row. A twin has the mode of its base. */\n"
    out += "const char *gen_name(uint16_t id);\nenum cuda_mode gen_mode(uint16_t id);\n"
    return header("cuda_ids.gen.h", "ids, modes and handle kinds", ["<stdint.h>"], out)


def emit_ids_c(t):
    out = head("names and modes of the rows", "<stddef.h>", "cuda_ids.gen.h")
    out += "static const struct {\n\tuint16_t id, mode;\n\tconst char *name;\n} rows[] = {\n"
    for r in sorted(t.rows, key=lambda r: r.id):
        out += f'\t{{ 0x{r.id:04x}, CUDA_MODE_{r.mode}, "{r.name}" }},\n'
    out += "};\n\n" + search("static int find(uint16_t id)", "rows", "middle", "-1") + "\n"
    out += block("const char *gen_name(uint16_t id)",
                 ["int i = find(id);", "", "return i < 0 ? NULL : rows[i].name;"])
    out += block("enum cuda_mode gen_mode(uint16_t id)",
                 ["int i = find(id);", "", "return i < 0 ? CUDA_MODE_NONE : rows[i].mode;"])
    return out[:-1]


# ---- the library ----

def emit_hand_h(t):
    rows = [r for r in t.rows if r.mode in ("LOCAL", "HAND") and not r.base]
    out = "".join(f"CUresult hand_{r.name}({r.hand_args()});\n" for r in rows)
    return header("hand.gen.h", "bodies written by hand, the library's half", ["<cuda.h>"], out)


# Handles that cuda.h declares as numbers.
NUMBERS = ("CUmemGenericAllocationHandle",)


def trace(r):
    """The lines that fill struct vcuda_scope's args."""
    words, values = [], []
    for p in r.params:
        if p.length == "str":
            word, value = "%s", f'{p.name} ? {p.name} : "(null)"'
        elif p.stars or p.handle and p.base not in NUMBERS:
            word, value = "%p", p.name
        elif p.base in BY_VALUE:
            word, value = "%s", f'"{p.base}"'
        elif p.base.startswith("CUdeviceptr") or p.base in NUMBERS:
            word, value = "%#llx", f"(unsigned long long){p.name}"
        elif p.base.startswith(("unsigned", "size_t", "cuuint")):
            word, value = "%llu", f"(unsigned long long){p.name}"
        elif p.base == "float":
            word, value = "%g", p.name
        else:
            word, value = "%lld", f"(long long){p.name}"
        words.append(f"{p.name}={word}")
        values.append(value)
    args = ", ".join([f'"{" ".join(words)}"'] + values)
    return ["if (scope.trace)", f"\tvcuda_trace_args(&scope, {args});"] if words else []


def client_lines(p):
    """How one parameter of a generated row gets into the call."""
    n, null = p.name, flag(p.null)
    size = f"length(&call, {p.length}, sizeof({p.element}))"
    want = f"vcuda_want_scalar(&call, {n}, sizeof(*{n}), {null});"
    return {
        "scalar": [f"vcuda_put_u64(&call, {n});"],
        "float": [f"vcuda_put_float(&call, {n});"],
        "device": [f"vcuda_put_device(&call, {n});"],
        "handle": [f"vcuda_put_handle(&call, {kind(p)}, {n}, {null});"],
        "stream": [f"vcuda_put_stream(&call, {n});"],
        "del": [f"vcuda_put_del(&call, {kind(p)}, {n});"],
        "new": [f"vcuda_put_new(&call, {kind(p)}, {n});"],
        "str": [f"put_string(&call, {n});"],
        "blob": [f"vcuda_put_blob(&call, {n}, {size}, {null});"],
        "out": [want],
        "inout": [f"vcuda_put_u64(&call, {n} ? *{n} : 0);", want],
        "outblob": [f"vcuda_want_blob(&call, {n}, {size}, {null});"],
    }[p.kind]


def emit_stub(r):
    """One exported function; a twin calls the body of its base."""
    base, args = r.base or r, []
    for p in r.params:
        thread = r.base and p.is_stream()
        args.append(f"{p.name} ? {p.name} : CU_STREAM_PER_THREAD" if thread else p.name)
    if not r.generated() and base.extra_stream():
        args.append("CU_STREAM_PER_THREAD" if r.base else "CU_STREAM_LEGACY")
    body = f"{'body' if r.generated() else 'hand'}_{base.name}({', '.join(args)})"
    lines = ["struct vcuda_scope scope;", ""]
    lines += [f"vcuda_enter(&scope, CUDA_ID_{r.name}, {flag('early' in r.tags)});"] + trace(r)
    for p in r.params:
        if p.is_stream() and "del" in p.tags:  # natively, too, before all else: even before cuInit()
            lines += [f"if (vcuda_is_default_stream({p.name}))", "\tscope.err = CUDA_ERROR_INVALID_HANDLE;"]
    lines += [f"return vcuda_leave(&scope, scope.err ? scope.err : {body});"]
    return block(f"EXPORT CUresult {r.name}({r.args()})", lines)


def emit_body(r):
    """What a generated row does: encode, and hand over as its mode says."""
    lines = ["struct vcuda_call call;", "", f"vcuda_begin(&call, CUDA_ID_{r.name});"]
    lines += [line for p in r.params for line in client_lines(p)]
    lines += [f"return vcuda_{r.mode.lower()}(&call);"]
    return block(f"static CUresult body_{r.name}({r.args()})", lines)


STUB_HELPERS = """\
#define EXPORT __attribute__((visibility("default")))

static CUresult refuse(enum cuda_id id, const char *why)
{
	struct vcuda_scope scope;

	vcuda_enter(&scope, id, false);
	return vcuda_leave(&scope, scope.err ? scope.err : vcuda_refuse(id, why));
}

/* Not done here: the symbol without its prototype, so that any version of cuda.h will do. */
#define REFUSE(symbol, why)							\\
	EXPORT CUresult refuse_##symbol(void) __asm__(#symbol);			\\
	CUresult refuse_##symbol(void)						\\
	{									\\
		return refuse(CUDA_ID_##symbol, why);				\\
	}
#define NONE(symbol)	REFUSE(symbol, NULL)

/* Bytes of n elements; what is too long is refused here: the server would close the session. */
static inline size_t length(struct vcuda_call *c, size_t n, size_t size)
{
	if (n <= GEN_BLOB_MAX / size)
		return n * size;
	if (!c->err)
		c->err = CUDA_ERROR_INVALID_VALUE;
	return 0;
}

static inline void put_string(struct vcuda_call *c, const char *s)
{
	if (s && strlen(s) < GEN_BLOB_MAX)
		vcuda_put_str(c, s);
	else if (!c->err)
		c->err = CUDA_ERROR_INVALID_VALUE;
}

"""


def emit_stubs(t):
    out = head("the exported functions", "call.h", "hand.gen.h", internal=True) + STUB_HELPERS
    for r in t.rows:
        if not r.done():
            out += f'REFUSE({r.name}, "{r.reason}")\n\n' if r.reason else f"NONE({r.name})\n\n"
            continue
        if r.generated() and not r.base:
            out += emit_body(r)
        out += emit_stub(r)
    for word in ("NONE(", "REFUSE("):
        out = out.replace(f")\n\n{word}", f")\n{word}")
    return out[:-1]


def emit_map(t):
    names = "".join(f"\t{name};\n" for name in sorted(r.name for r in t.rows))
    return f"/* {MADE} */\n{{\nglobal:\n{names}local:\n\t*;\n}};\n"


PROCADDR_H = """\
struct gen_procaddr {
	const char *name;	/* without _vN, _ptsz and _ptds */
	int since;		/* version of CUDA that brought this variant */
	bool per_thread;
	const char *symbol;
	void (*fn)(void);	/* NULL: not in this library */
};
/* Sorted by name, then per_thread, then since. */
extern const struct gen_procaddr gen_procaddr[];
extern const size_t gen_procaddr_count;
"""


def emit_procaddr_h(_):
    return header("procaddr.gen.h", "what cuGetProcAddress chooses from",
                  ["<stdbool.h>", "<stddef.h>"], PROCADDR_H)


def emit_procaddr(t):
    rows = sorted(t.rows, key=lambda r: (r.root, bool(r.twin), r.since))
    out = head("what cuGetProcAddress chooses from", "procaddr.gen.h")
    out += "/* Without prototypes, and weak: another library than libvcuda may lack some. */\n"
    out += "#define REF(symbol) \\\n\textern void symbol(void) "
    out += '__attribute__((weak, visibility("default")));\n\n'
    out += "".join(f"REF({r.name})\n" for r in rows)
    out += "\nconst struct gen_procaddr gen_procaddr[] = {\n"
    for r in rows:
        out += f'\t{{ "{r.root}", {r.since}, {flag(r.twin)}, "{r.name}", {r.name} }},\n'
    out += "};\nconst size_t gen_procaddr_count = sizeof(gen_procaddr) / "
    return out + "sizeof(gen_procaddr[0]);\n"


# ---- the worker ----

def server_lines(p):
    """One parameter taken from the payload, and the checks that need all of them to be there."""
    n, room, fail = p.name, f"GEN_BLOB_MAX / sizeof({p.element})", "\trq->in.err = true;"
    number, blob = f"uint32_t {n}_number", f"rd_blob(&rq->in, GEN_BLOB_MAX, &{n}_bytes)"
    uneven = f"if ((size_t){p.length} > {room} || {n}_bytes != {p.length} * sizeof({p.element}))"
    if p.null:
        uneven = f"if (!{n}_bytes)", f"\t{n} = NULL;", "else " + uneven
    else:
        uneven = (uneven,)
    return {
        "scalar": ([f"{p.type} {n} = TAKE(rq, {p.type});"], []),
        "float": ([f"float {n} = run_float(rq);"], []),
        "device": ([f"CUdevice {n} = run_device(rq);"], []),
        "handle": ([f"{p.type} {n} = run_handle(rq, {kind(p)}, {flag(p.null)});"], []),
        "stream": ([f"{p.type} {n} = run_stream(rq);"], []),
        "del": ([f"{number} = 0;", f"{p.type} {n} = run_del(rq, {kind(p)}, &{n}_number);"], []),
        "new": ([f"{p.pointee} {n} = NULL;", f"{number} = run_new(rq, {kind(p)});"], []),
        "str": ([f"const char *{n} = rd_str(&rq->in, GEN_BLOB_MAX);"], []),
        "blob": ([f"size_t {n}_bytes;", f"{p.decl} = ({p.type}){blob};"], [*uneven, fail]),
        "out": ([f"{p.pointee} {n} = 0;"], []),
        "inout": ([f"{p.pointee} {n} = TAKE(rq, {p.pointee});"], []),
        "outblob": ([f"{p.element} {n}[{room}] = {{ 0 }};"],
                    [f"if ((size_t){p.length} > {room})", fail]),
    }[p.kind]


def reply_lines(p):
    """What is done with one parameter when the driver's call has succeeded."""
    n = p.name
    return {
        "del": [f"run_unbind(rq, {kind(p)}, {n}_number);"],
        "new": [f"run_bind(rq, {kind(p)}, {n}_number, {n});"],
        "out": [f"GIVE(rq, {n});"],
        "inout": [f"GIVE(rq, {n});"],
        "outblob": [f"run_out_blob(rq, {n}, {p.length} * sizeof({p.element}));"],
    }.get(p.kind, [])


def emit_run(r):
    """The dispatch function of a generated row."""
    takes, checks, gives, args = [], [], [], []
    for p in r.params:
        take, need = server_lines(p)
        takes += take
        checks += need
        gives += reply_lines(p)
        args.append(("&" if p.kind in ("new", "out", "inout") else "") + p.name)
    lines = takes + ["CUresult result = CUDA_ERROR_NOT_SUPPORTED;", ""] + checks
    lines += ["if (!run_ready(rq)) {", "\trun_bad(rq);", "\treturn;", "}",
              f"if (real.{r.name})", f"\tresult = real.{r.name}({', '.join(args)});"]
    if len(gives) == 1:
        lines += ["if (!result)", "\t" + gives[0]]
    elif gives:
        lines += ["if (!result) {"] + ["\t" + line for line in gives] + ["}"]
    return block(f"static void gen_run_{r.name}(struct request *rq)",
                 lines + ["run_result(rq, result);"])


RUN_HELPERS = """\
/* An integer or enum from the payload; what does not fit its type is malformed. */
#define TAKE(rq, type) ({							\\
	uint64_t raw_ = rd_u64(&(rq)->in);					\\
	type value_ = (type)raw_;						\\
										\\
	if ((uint64_t)value_ != raw_)						\\
		(rq)->in.err = true;						\\
	value_;									\\
})

/* The bytes of a value, widened with zeros: the reader takes as many as its type has. */
#define GIVE(rq, value) ({							\\
	uint64_t raw_ = 0;							\\
										\\
	_Static_assert(sizeof(value) <= sizeof(raw_), "a struct needs [1]");	\\
	memcpy(&raw_, &(value), sizeof(value));					\\
	run_out_u64(rq, raw_);							\\
})

"""


def emit_run_hand_h(t):
    rows = [r for r in t.wire_rows() if r.mode == "HAND"]
    out = "".join(f"void run_{r.name}(struct request *rq);\n" for r in rows)
    return header("run_hand.gen.h", "bodies written by hand, the server's half", ["run.h"], out)


def emit_dispatch(t):
    rows = sorted(t.wire_rows(), key=lambda r: r.id)
    out = head("requests, decoded and run", "realcuda.gen.h", "run_hand.gen.h") + RUN_HELPERS
    out += "".join(emit_run(r) for r in rows if r.generated())
    out += "static const struct gen_dispatch_row rows[] = {\n"
    for r in rows:
        out += f"\t{{ 0x{r.id:04x}, {'gen_' if r.generated() else ''}run_{r.name} }},\n"
    return out + "};\n\n" + search("gen_dispatch_fn gen_dispatch_find(uint16_t op)", "rows",
                                   "rows[middle].fn", "NULL", "op")


def real_rows(t):
    """Members of struct realcuda: not the twins, nor old variants that nothing calls."""
    newest = {}
    for r in t.rows:
        if not r.twin and r.since >= newest.get(r.root, r).since:
            newest[r.root] = r
    return [r for r in t.rows if not r.base and (r.done() or newest[r.root] is r)]


def emit_realcuda_h(t):
    rows = real_rows(t)
    out = "/* cuda.h renames some to newer variants: here each has the name that is exported. */\n"
    out += "".join(f"#undef {r.name}\n" for r in rows if r.name == r.root)
    out += "\n/* NULL: the driver does not have it. */\nstruct realcuda {\n"
    out += "".join(guard(r, f"\tCUresult (*{r.name})({r.args()});\n") for r in rows)
    out += "};\n\nextern struct realcuda real;\n\n"
    out += "/* Looks them up in a dlopen()ed driver; gives the number of those it lacks. */\n"
    out += "int realcuda_load(struct realcuda *to, void *dlhandle);\n"
    return header("realcuda.gen.h", "the driver's functions", ["<cuda.h>", "<cudaProfiler.h>"], out)


def emit_realcuda_c(t):
    out = head("the driver's functions", "<dlfcn.h>", "<stddef.h>", "realcuda.gen.h")
    out += "struct realcuda real;\n\n"
    out += "static const struct {\n\tconst char *name;\n\tsize_t offset;\n} rows[] = {\n"
    for r in real_rows(t):
        out += guard(r, f'\t{{ "{r.name}", offsetof(struct realcuda, {r.name}) }},\n')
    out += "};\n\n" + block("int realcuda_load(struct realcuda *to, void *dlhandle)", [
        "int missing = 0;", "", "for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {",
        "\tvoid *fn = dlsym(dlhandle, rows[i].name);", "",
        "\t*(void **)((char *)to + rows[i].offset) = fn;", "\tmissing += !fn;", "}",
        "return missing;"])
    return out[:-1]


ASSERTS = f"""\
#if CUDA_VERSION < {CUDA_H_OLDEST}
#error cuda.h is older than {CUDA_H_OLDEST}
#endif

#define SAME(symbol, ...)							\\
	_Static_assert(__builtin_types_compatible_p(__typeof__(&symbol),	\\
						    CUresult (*)(__VA_ARGS__)),	\\
		       #symbol " is declared otherwise in cuda.h")

"""


def emit_asserts(t):
    out = head("the prototypes are those of cuda.h", "<cuda.h>", "<cudaProfiler.h>", internal=True)
    return out + ASSERTS + "".join(guard(r, f"SAME({r.name}, {r.args()});\n") for r in t.rows)


# ---- softgpu ----

SOFTGPU = """\
/*
 * Without cuda.h, whose prototypes these do not have. A strong definition of the same name takes
 * the place of one of these.
 */
enum { NOT_SUPPORTED = 801 };	/* CUDA_ERROR_NOT_SUPPORTED */

void driver_log(const char *fmt, ...);

static int none(const char *name, char *said)
{
	if (!__atomic_test_and_set(said, __ATOMIC_RELAXED))
		driver_log("%s is not implemented", name);
	return NOT_SUPPORTED;
}

#define NONE(symbol)								\\
	int symbol(void) __attribute__((weak, visibility("default")));		\\
	int symbol(void)							\\
	{									\\
		static char said;						\\
										\\
		return none(#symbol, &said);					\\
	}

"""


def emit_softgpu(t):
    out = head("what softgpu does not implement") + SOFTGPU
    return out + "".join(f"NONE({r.name})\n" for r in t.rows)


# ---- the recorder of tools/gputwin.py ----

TWIN_UNDONE = """\
/* Not done by libvcuda: passed on without a record, and without a prototype. */
#define PASS(symbol)								\\
	__asm__(".text\\n.globl " #symbol "\\n.type " #symbol ", @function\\n"	\\
		#symbol ":\\n\tjmp *twin_real_" #symbol "(%rip)\\n");			\\
	__attribute__((visibility("hidden"), used)) twin_fn twin_real_##symbol;

"""


def emit_twin_fn(r):
    """An exported function that calls the library's own and writes down what that said."""
    args = ", ".join(p.name for p in r.params)
    lines = ["CUresult result;", "", "twin_depth++;",
             f"result = ((__typeof__(&{r.name}))twin_real_{r.name})({args});",
             f'twin_record("{r.name}", result);']
    if r.root == "cuGetProcAddress":
        symbol, pfn, version, flags = (p.name for p in r.params[:4])
        lines += ["if (!result)", f"\ttwin_swap({symbol}, {pfn}, {version}, {flags});"]
    return guard(r, f"static twin_fn twin_real_{r.name};\n\n" +
                 block(f"EXPORT CUresult {r.name}({r.args()})", lines + ["return result;"]))


def emit_twin(t):
    """A libcuda.so.1 that stands before another: tools/twin.c is the rest of it."""
    out = head("functions that record what another library says", "<cuda.h>", "<cudaProfiler.h>",
               "twin.h", internal=True)
    out += '#define EXPORT __attribute__((visibility("default")))\n\n' + TWIN_UNDONE
    for r in t.rows:
        out += emit_twin_fn(r) if r.done() else f"PASS({r.name})\n"
    out += "\nconst struct twin_row twin_rows[] = {\n"
    for r in t.rows:
        row = f'\t{{ "{r.name}", &twin_real_{r.name} }},\n'
        out += guard(r, row) if r.done() else row
    return out + "\t{ 0 },\n};\n"


OUTPUTS = {
    "cuda_ids.gen.h": emit_ids_h,
    "ids.gen.c": emit_ids_c,
    "hand.gen.h": emit_hand_h,
    "stubs.gen.c": emit_stubs,
    "libcuda.map": emit_map,
    "procaddr.gen.h": emit_procaddr_h,
    "procaddr.gen.c": emit_procaddr,
    "run_hand.gen.h": emit_run_hand_h,
    "dispatch.gen.c": emit_dispatch,
    "realcuda.gen.h": emit_realcuda_h,
    "realcuda.gen.c": emit_realcuda_c,
    "asserts.gen.c": emit_asserts,
    "roundtrip.gen.c": emit_roundtrip,
    "softgpu_stubs.gen.c": emit_softgpu,
    "twin.gen.c": emit_twin,
}


def main(table, directory):
    try:
        t = Table(table)
    except Refused as e:
        sys.exit(f"{table}:{e.args[0]}: {e.args[1]}")
    os.makedirs(directory, exist_ok=True)
    for name, emit in OUTPUTS.items():
        text = emit(t)
        write(os.path.join(directory, name), fold(text))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
