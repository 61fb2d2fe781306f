# SPDX-License-Identifier: MIT
"""roundtrip.py - the round trips that test every row; tests/unit/roundtrip.h says how they work"""
from ctext import CUDA_H_OLDEST, block, flag, head, kind
from cudadef import BY_VALUE


def rt_value(r, i, p):
    """A scalar's distinct value; one that is a length is small."""
    if p.name in [q.length for q in r.params]:
        return f"({p.type})RT_LENGTH"
    return f"({p.type})rt_value({i})"


def rt_same(p, expected):
    return f'rt_same("{p.name}", (uint64_t){p.name}, (uint64_t){expected});'


def rt_pass(r, i, p):
    """A parameter: its variable, a line before the call, argument, a line behind, the driver's."""
    n, fixed = p.name, (p.length or "").isdigit()
    array = f"{p.element} {n}[{p.length if fixed else 'RT_LENGTH'}];"
    null, is_null = ("rt_null ? NULL : ", "rt_null") if p.null else ("", "false")
    client, real = f"rt_client({kind(p)}, {i})", f"rt_real({kind(p)}, {i})"
    init = f"rt_init({n}, sizeof({n}), {i});"
    out = f'rt_out("{n}", {n}, sizeof({n}), {i}, {"rt_null || " if p.null else ""}result);'
    many, one = f"{n}, {p.length}, sizeof({p.element}), {i}", f"{n}, 1, sizeof(*{n}), {i}"
    return {
        "scalar": ("", "", rt_value(r, i, p), "", [rt_same(p, rt_value(r, i, p))]),
        "float": ("", "", rt_value(r, i, p), "", [rt_same(p, rt_value(r, i, p))]),
        "device": ("", "", rt_value(r, i, p), "", [rt_same(p, rt_value(r, i, p))]),
        "handle": ("", "", null + client, "", [rt_same(p, f"({null}{real})")]),
        "stream": ("", "", "rt_stream", "", [rt_same(p, "rt_real_stream()")]),
        "del": ("", "", client, f'rt_ended("{n}", {kind(p)}, {i});', [rt_same(p, real)]),
        "new": (f"{p.pointee} {n} = NULL;", "", "&" + n, f'rt_made("{n}", {kind(p)}, {n}, {i});',
                [f"*{n} = {real};"]),
        "str": ("", "", "rt_text", "", [f'rt_same("{n}", strcmp({n}, rt_text), 0);']),
        "blob": (array, init, null + n, "", [f'rt_in("{n}", {many}, {is_null});']),
        "out": (f"{p.pointee} {n}[1];", init, null + n, out, [f"rt_give({one});"]),
        "inout": (f"{p.pointee} {n}[1];", init, n, out,
                  [f'rt_in("{n}", {one}, false);', f"rt_give({one});"]),
        "outblob": (array, init, null + n, out, [f"rt_give({many});"]),
    }[p.kind]


def rt_generated(r):
    """The fake driver's function checks what arrives, the call what comes back."""
    parts = [rt_pass(r, i, p) for i, p in enumerate(r.params)]
    variables, before, args, behind, driver = zip(*parts) if parts else ((),) * 5
    lines = [v for v in variables if v] + ["CUresult result;", ""] + [b for b in before if b]
    lines += [f"result = {r.name}({', '.join(args)});"] + [b for b in behind if b]
    call = block(f"static CUresult call_{r.name}(void)", lines + ["return result;"])
    if r.base:
        return call
    lines = ["rt_driver();"] + [line for part in driver for line in part] + ["return rt_result;"]
    return block(f"static CUresult fake_{r.name}({r.args()})", lines) + call


def rt_hand(r):
    """The body that is written by hand, faked: every argument of the stub must get there."""
    args, lines = [], [f"rt_hand(CUDA_ID_{r.name});"]
    for i, p in enumerate(r.params):
        if p.base in BY_VALUE and not p.stars:
            args.append(f"*({p.type} *)rt_struct({i})")
            lines.append(f'rt_same("{p.name}", memcmp(&{p.name}, rt_struct({i}), sizeof({p.name})), 0);')
            continue
        cast = f"({p.type})(uintptr_t)" if p.stars or p.handle else f"({p.type})"
        args.append("rt_stream" if p.is_stream() else
                    "rt_text" if p.length == "str" else f"{cast}rt_value({i})")
        lines.append(rt_same(p, "rt_hand_stream()" if p.is_stream() else args[-1]))
    call = block(f"static CUresult call_{r.name}(void)", [f"return {r.name}({', '.join(args)});"])
    if r.base:
        return call
    if r.extra_stream():
        lines.append('rt_same("stream", (uint64_t)stream, (uint64_t)rt_default_stream());')
    return block(f"CUresult hand_{r.name}({r.hand_args()})", lines + ["return rt_result;"]) + call


def rt_row(r):
    base = (r.base or r).name
    stream = any(p.is_stream() and "del" not in p.tags for p in r.params)
    null = r.generated() and any(p.null for p in r.params)
    flags = [flag(f) for f in (r.base, r.wire(), stream, "early" in r.tags, null)]
    fake = f"(void **)&real.{base}, (void *)fake_{base}" if r.generated() else "NULL, NULL"
    return f"\t{{ CUDA_ID_{r.name}, CUDA_ID_{base}, {', '.join(flags)}," \
        f"\n\t  call_{r.name}, {fake} }},\n"


def emit_roundtrip(t):
    rows = [r for r in t.rows if r.done()]
    out = head("round trips", "roundtrip.h", "hand.gen.h", "realcuda.gen.h", "run_hand.gen.h",
               internal=True)
    newer = [r for r in rows if r.since > CUDA_H_OLDEST]
    out += "".join(f"CUresult {r.name}({r.args()});\n" for r in newer) + ("\n" if newer else "")
    for r in rows:
        out += rt_generated(r) if r.generated() else rt_hand(r)
    for r in t.wire_rows():
        if r.mode == "HAND":
            out += block(f"void run_{r.name}(struct request *rq)",
                         [f"rt_run(rq, CUDA_ID_{r.name});"])
    out += "const struct rt_row rt_rows[] = {\n" + "".join(rt_row(r) for r in rows)
    return out + "};\nconst size_t rt_nr_rows = sizeof(rt_rows) / sizeof(rt_rows[0]);\n"
