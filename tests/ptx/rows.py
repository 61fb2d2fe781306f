# SPDX-License-Identifier: MIT
"""The table of instruction forms, rows.tsv, turned into kernels, inputs and a plan for run.c.

A line of the table is FORM <tab> OPERANDS <tab> FLAGS. {a,b} anywhere stands for each of its words,
so a line is a family of forms. OPERANDS are destinations, '=', sources; each is a letter:

  h w l  integers of 16, 32, 64 bits        c  a count: 0 to 70, 255 and such, 32 bits
  f d    f32, f64                           F D  the same, values that matter to conversions
  g k    f16, bf16                          G K  pairs of them
  e      two 8-bit numbers                  z  0 or 1, 32 bits
  p      predicate                          p|q  two destinations of one operand
  M B    pairs of f16, bf16 near one        m n  f32, f64 near one
  N      pairs of f16 of all sizes          o    f32 of all sizes
  i      f64, every other one a NaN

and anything else stands as it is: an immediate. A FORM that holds '$' or ';' is a piece of program:
$0 $1 ... the operands in order, $m a member mask, $G $S $L 32 bytes of its own for each thread in global,
shared and local memory, $C 16 bytes in shared memory that all threads share, $A 16 such in global memory,
$T $U $V 32-bit, $X $Y 64-bit, $H 16-bit, $f 32-bit float, $P $Q predicate scratch registers, <a, b>
a vector, $i a number that no label has yet. Memory starts as zeros.

Every kernel runs its form for 64 tuples of operands, one a thread, twice: for all threads, and under
a guard into registers that hold 0xa5a5...: the others must keep that. FLAGS:

  noguard   only once
  warp      both results are kept: the second differs since other lanes take part
  approx    inside the bound of the PTX ISA
  gpu       only a GPU knows the result
  isa       as the PTX ISA says, from which the driver's compiler departs
  ~         softgpu may refuse it

  rows.py plan DIRECTORY     writes the kernels and the plan of run.c, prints the plan's path
  rows.py forms              the forms that softgpu must run, one a line, for progfuzz.c
  rows.py pack < RESULTS     what run.c wrote, in the form that is kept in tests/data: results that
                             stood in the Nth line are "=N"
"""
import itertools
import os
import re
import struct
import sys

N = 64
GUARD = 0x5a3c96e1
HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(HERE, "rows.tsv")

CLASSES = {"h": "hgke", "w": "wcGKzMNB", "l": "l", "f": "fFmo", "d": "dDni", "p": "pq"}
CLASS = {letter: cls for cls, letters in CLASSES.items() for letter in letters}
WIDTH = {"h": 2, "w": 4, "l": 8, "f": 4, "d": 8, "p": 4}
LD = {"h": "u16", "w": "u32", "l": "u64", "f": "f32", "d": "f64"}


def f32(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def f64(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def f16(x):
    return struct.unpack("<H", struct.pack("<e", x))[0]


def mix(x):
    """A hash good enough to choose values, the same everywhere."""
    x = (x + 0x9e3779b97f4a7c15) & (1 << 64) - 1
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & (1 << 64) - 1
    x = (x ^ x >> 27) * 0x94d049bb133111eb & (1 << 64) - 1
    return x ^ x >> 31


def ints(bits):
    top = 1 << bits
    v = [0, 1, top - 1, top >> 1, (top >> 1) - 1, 2, top - 2, (top >> 1) + 1, 3, 10, top - 7, 0x55, 0xff80, 0x80, 0x7f,
         0xff, 0x100, 0x7fff, 0x8000, 0xffff]
    v += [(1 << bits // 2) - 1, 1 << bits // 2, top - (1 << bits // 2), 0x5555555555555555, 0xaaaaaaaaaaaaaaaa]
    if bits > 32:
        v += [0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0xffffffff80000000, 0xffffffff7fffffff, 1 << 53,
              (1 << 53) + 1, (1 << 54) + 2, (1 << 54) + 6, 0x7ffffffffffffc00, 0x7ffffffffffffe00, 0x7ffffffffffffdff]
    if bits >= 32:
        v += [0x1000000, 0x1000001, 0x1000003, 0x7fffff80, 0x7fffffbf, 0x7fffffc0, 0xffffff80, 0xffffff7f, 65504, 65519,
              65520, 0x12345678, 2049, 2051, 257, 259]
    return [x & top - 1 for x in v]


def floats(frac, exp):
    """Encodings at the borders of a format with frac fraction and exp exponent bits."""
    bits = frac + exp + 1
    inf, one = ((1 << exp) - 1) << frac, ((1 << exp - 1) - 1) << frac
    sign = 1 << bits - 1
    v = [0, one, inf, inf | 1 << frac - 1, inf - 1, 1, (1 << frac) - 1, 1 << frac, inf | 1, inf | (1 << frac) - 1,
         inf | 1 << frac - 1 | 5]
    v += [one + 1, one - 1, one + (1 << frac), one - (1 << frac), one + (1 << frac - 1), one + 3 * (1 << frac - 1),
          (1 << frac) + 1, 1 << frac - 1, one + 2 * (1 << frac) + (1 << frac - 2)]
    v += [one + (frac - 1 << frac), one + (frac << frac) + 1, one - (frac + 1 << frac), one - (frac + 1 << frac) + 1,
          one - (frac + 2 << frac), inf - (1 << frac)]
    return [x for y in v for x in (y, y | sign)]


def conversions(single):
    """Values at the borders of the integer types and of the narrower formats."""
    enc = f32 if single else f64
    v = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 127.5, 128.0, -128.5, -129.0, 255.0, 255.5, 256.0, 32767.0,
         32767.5, 32768.0, -32768.5, -32769.0, 65535.0, 65535.5, 65536.0, 2147483520.0, 2147483648.0, -2147483648.0,
         4294967040.0, 4294967296.0, 9223372036854775808.0, -9223372036854775808.0, 18446744073709551616.0, -1.0,
         65504.0, 65519.0, 65520.0, -65520.0, 2.0**-24, 2.0**-25, 1.5 * 2.0**-25, 2.0**-14, 1 + 2.0**-11,
         1 + 3 * 2.0**-11, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 448.0, 464.0, 464.5, 57344.0, 61440.0, 2.0**-9, 2.0**-10]
    if not single:
        v += [2147483647.0, 2147483647.5, -2147483648.5, 4294967295.5, 1 + 2.0**-24, 1 + 3 * 2.0**-24, 3.4e38, 3.5e38,
              2.0**-149, 2.0**-150, 1.5 * 2.0**-150, 2.0**-126 - 2.0**-151, 1 + 2.0**-11 + 2.0**-40]
    edge = floats(23, 8) if single else floats(52, 11)
    return [enc(x) for x in v] + edge[:16]


COUNTS = [0, 1, 2, 5, 7, 8, 15, 16, 17, 23, 24, 30, 31, 32, 33, 40, 48, 62, 63, 64, 65, 70, 254, 255, 256, 0x101, 287,
          0xffffffff, 0x80000000, 0xffffff04]
POOLS = {"h": ints(16), "w": ints(32), "l": ints(64), "c": COUNTS, "z": [0, 1], "p": [0, 1], "f": floats(23, 8),
         "d": floats(52, 11), "F": conversions(True), "D": conversions(False), "g": floats(10, 5), "k": floats(7, 8),
         "e": [a | b << 8 for a, b in itertools.product((0, 1, 0x38, 0x7e, 0x7f, 0x7c, 0x81, 0xb9, 0xfc), (0x40, 0x7b, 0xff))]}
NANS = [sign | top | low for sign in (0, 1 << 63) for top, low in itertools.product((0x7ff << 52, 0x7ff8 << 48), (2, 3, 0xabc << 30))]
POOLS["i"] = NANS + [f64(x) for x in (1.0, -2.0, 0.0, -0.0, 3.5, 1e300, -1e-300, float("inf"), -float("inf"), 2.0**-1074)]
BITS = {"h": 16, "w": 32, "l": 64, "f": 32, "d": 64, "F": 32, "D": 64, "g": 16, "k": 16, "e": 16, "G": 32, "K": 32}
# Operands where rounding, cancellation and underflow are decided: (a, b, c) in units of f32 and f64.
HARD = {"f": [(1.0, 2.0**-24, 2.0**-30), (1.0, -2.0**-25, 2.0**-60), (1 + 2.0**-23, 2.0**-24, -1.0),
              (1 + 2.0**-12, 1 + 2.0**-12, -(1 + 2.0**-11)), (-1 - 2.0**-12, 1 + 2.0**-12, 1 + 2.0**-11),
              (3.0, 1 / 3.0, -1.0), (2.0**-100, 2.0**-49, 0.0), (2.0**-75, 1.5 * 2.0**-75, 2.0**-126),
              (2.0**-126, 1 - 2.0**-24, -2.0**-149), (3e38, 3e38, -3e38), (2.0**64, 2.0**64, -3e38), (1e10, -1e10, 0.0),
              (7.0, 3.0, 1.0), (2.0**-126, 3.0, 2.0**-149), (1.0, 3.0, 2.0**-24)],
        "d": [(1.0, 2.0**-53, 2.0**-60), (1.0, -2.0**-54, 2.0**-120), (1 + 2.0**-52, 2.0**-53, -1.0),
              (1 + 2.0**-27, 1 + 2.0**-27, -(1 + 2.0**-26)), (-1 - 2.0**-27, 1 + 2.0**-27, 1 + 2.0**-26),
              (3.0, 1 / 3.0, -1.0), (2.0**-600, 2.0**-474, 0.0), (2.0**-537, 1.5 * 2.0**-537, 2.0**-1022),
              (2.0**-1022, 1 - 2.0**-53, -2.0**-1074), (1.7e308, 1.7e308, -1.7e308), (2.0**512, 2.0**512, -1e308),
              (1e10, -1e10, 0.0), (7.0, 3.0, 1.0), (2.0**-1022, 3.0, 2.0**-1074), (1.0, 3.0, 2.0**-53)]}


# Elements of matrices, whose sums ought to be finite: fraction and exponent bits, the exponents' spread, elements.
ELEMENTS = {"M": (10, 5, 5, 2), "N": (10, 5, 30, 2), "B": (7, 8, 9, 2), "m": (23, 8, 9, 1), "o": (23, 8, 60, 1),
            "n": (52, 11, 60, 1)}


def element(letter, h):
    """One in eight is zero or the smallest, the others are spread evenly about one."""
    frac, exp, spread, _ = ELEMENTS[letter]
    sign, pick = h >> 60 & 1, h >> 40 & 15
    if pick < 2:
        return pick | sign << frac + exp
    top = (1 << exp - 1) - 1 + (h >> 44) % spread - spread // 2
    return (top << frac | mix(h) & (1 << frac) - 1) | sign << frac + exp


def value(letter, i, j, nr):
    """Operand j of tuple i of forms with nr operands."""
    if letter in ELEMENTS:
        frac, exp, _, many = ELEMENTS[letter]
        return sum(element(letter, mix(i * 4001 + j * 67 + k * 7 + ord(letter))) << k * (frac + exp + 1) for k in range(many))
    if letter in "GK":
        low = {"G": "g", "K": "k"}[letter]
        return value(low, i, j, max(nr, 2)) | value(low, i + 77, j + 5, max(nr, 2)) << 16
    pool, h = POOLS[letter], mix(i * 1009 + j * 31 + ord(letter))
    bits = BITS.get(letter, 0)
    if nr == 1 and i < len(pool):
        return pool[i]
    if letter in HARD and nr > 1 and j < 3 and i < len(HARD[letter]):
        return (f32 if letter == "f" else f64)(HARD[letter][i][j])
    if not bits or h % 4:
        return pool[h // 4 % len(pool)]
    if letter in "fFdD" and h // 4 % 2:     # near one: sums and products that stay in range
        one, frac = (127 << 23, 23) if bits == 32 else (1023 << 52, 52)
        return one + ((h >> 8) % 9 - 4 << frac) ^ (mix(h) & (1 << frac) - 1) ^ (h >> 60 & 1) << bits - 1
    return mix(h) & (1 << bits) - 1


def expand(line):
    m = re.search(r"\{([^{}]*)\}", line)
    if not m:
        return [line]
    return [x for word in m.group(1).split(",") for x in expand(line[:m.start()] + word + line[m.end():])]


class Form:
    def __init__(self, text, operands, flags, nr, line):
        self.text, self.operands, self.flags, self.nr, self.line = text, operands, flags.split(), nr, line
        left, right = operands.split("=")
        self.dst_words, self.src_words = left.split(), right.split()
        self.dst = [x for word in self.dst_words for x in word.split("|")]
        self.src = [x for x in self.src_words if x in CLASS]
        self.label = (text + " " + operands).strip()

    def warp(self):
        return "warp" in self.flags

    def guarded(self):
        return "noguard" not in self.flags

    def template(self):
        """The program, with $n for the operands."""
        if "$" in self.text or ";" in self.text:
            return self.text
        n = itertools.count()
        words = ["|".join("$%d" % next(n) for _ in w.split("|")) for w in self.dst_words]
        words += ["$%d" % next(n) if w in CLASS else w for w in self.src_words]
        return self.text + " " + ", ".join(words)


def read_table(path=TABLE):
    """Lists of forms, one list a line of the table."""
    lines, nr = [], 0
    with open(path) as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            group = []
            for text in expand(line):
                fields = re.split(r"\t+", text)
                if len(fields) < 2:
                    raise ValueError("%s:%d: no operands" % (path, number))
                group.append(Form(fields[0], fields[1], fields[2] if len(fields) > 2 else "", nr, number))
                nr += 1
            lines.append(group)
    return lines


def signature(form):
    return "".join(form.src) or "-"


REGS = {"p": ".pred", "h": ".b16", "w": ".b32", "l": ".b64", "f": ".f32", "d": ".f64"}
SENTINEL = {"h": "0xa5a5", "w": "0xa5a5a5a5", "l": "0xa5a5a5a5a5a5a5a5", "f": "0fa5a5a5a5", "d": "0da5a5a5a5a5a5a5a5"}
SCRATCH = {"T": "%t", "U": "%u", "V": "%v", "X": "%x", "Y": "%y", "H": "%hh", "f": "%ff", "P": "%pp", "Q": "%qq", "G": "%scr",
           "S": "%shr", "L": "%loc", "C": "%com", "A": "%cog"}


def body(form, guarded, unique):
    regs = ["%%%s%d" % (CLASS[x], k + (10 if guarded else 0)) for k, x in enumerate(form.dst)]
    regs += ["%%%s%d" % (CLASS[x], 20 + k) for k, x in enumerate(form.src)]
    guard = "@%g " if guarded else ""
    mask = "0x%x" % (GUARD if guarded else 0xffffffff)

    def word(m):
        if m.group(1).isdigit():
            return regs[int(m.group(1))]
        return mask if m.group(1) == "m" else str(unique) if m.group(1) == "i" else SCRATCH[m.group(1)]
    text = re.sub(r"\$(\d+|\w)", word, form.template()).replace("<", "{").replace(">", "}")
    return ["\t%s%s;" % ("" if x.strip().startswith((".", "L_")) else guard, x.strip())
            for x in text.split(";") if x.strip()]


def store(form, guarded):
    out = []
    for k, x in enumerate(form.dst):
        cls, at = CLASS[x], (k + (len(form.dst) if guarded else 0)) * N * 8
        reg = "%%%s%d" % (cls, k + (10 if guarded else 0))
        if cls == "p":
            out += ["\tselp.u32 %%t, 1, 0, %s;" % reg, "\tst.global.u32 [%%out+%d], %%t;" % at]
        else:
            out.append("\tst.global.%s [%%out+%d], %s;" % (LD[cls], at, reg))
    return out


def kernel(form):
    text = form.template()
    o = [".visible .entry k%d(.param .u64 in, .param .u64 out, .param .u64 scratch)" % form.nr, "{"]
    used = {CLASS[x] for x in form.dst + form.src}
    o += ["\t.reg %s %%%s<64>;" % (REGS[c], c) for c in sorted(used)]
    o += ["\t.reg .pred %g, %pp, %qq;", "\t.reg .b16 %hh;", "\t.reg .f32 %ff;",
          "\t.reg .b32 %t, %u, %v, %shr, %loc, %com, %id;", "\t.reg .b64 %in, %out, %scr, %cog, %x, %y, %at;"]
    o += ["\tmov.u32 %id, %tid.x;", "\tld.param.u64 %in, [in];", "\tld.param.u64 %out, [out];",
          "\tmul.wide.u32 %at, %id, 8;", "\tadd.s64 %in, %in, %at;", "\tadd.s64 %out, %out, %at;",
          "\tand.b32 %%t, %%id, 31;", "\tshl.b32 %t, 1, %t;", "\tand.b32 %%t, %%t, 0x%x;" % GUARD,
          "\tsetp.ne.u32 %g, %t, 0;"]
    o = [x.replace("%%", "%") for x in o]
    if "$G" in text or "$A" in text:
        o += ["\tld.param.u64 %cog, [scratch];", "\tmul.wide.u32 %at, %id, 32;", "\tadd.s64 %scr, %cog, %at;",
              "\tadd.s64 %scr, %scr, 16;"]
    if "$S" in text or "$C" in text:
        o += ["\t.shared .align 16 .b8 shared_bytes[%d];" % (16 + N * 32), "\tmov.u32 %com, shared_bytes;",
              "\tmad.lo.u32 %shr, %id, 32, %com;", "\tadd.u32 %shr, %shr, 16;",
              "\tst.shared.v4.u32 [%com], {0, 0, 0, 0};", "\tst.shared.v4.u32 [%shr], {0, 0, 0, 0};",
              "\tst.shared.v4.u32 [%shr+16], {0, 0, 0, 0};", "\tbar.sync 0;"]
        o = [x.replace("{0, 0, 0, 0}", "{%t, %t, %t, %t}") for x in o]
        o.insert(-4, "\tmov.u32 %t, 0;")
    if "$L" in text:
        o += ["\t.local .align 16 .b8 local_bytes[32];", "\tmov.u32 %loc, local_bytes;", "\tmov.u32 %t, 0;",
              "\tst.local.v4.u32 [%loc], {%t, %t, %t, %t};", "\tst.local.v4.u32 [%loc+16], {%t, %t, %t, %t};"]
    for k, x in enumerate(form.src):
        cls = CLASS[x]
        reg = "%%%s%d" % (cls, 20 + k)
        if cls == "p":
            o += ["\tld.global.u32 %%t, [%%in+%d];" % (k * N * 8), "\tsetp.ne.u32 %s, %%t, 0;" % reg]
        else:
            o.append("\tld.global.%s %s, [%%in+%d];" % (LD[cls], reg, k * N * 8))
    o += body(form, False, form.nr * 2) + store(form, False)
    if form.guarded():
        for k, x in enumerate(form.dst):
            cls = CLASS[x]
            o.append("\tsetp.eq.u32 %%p%d, %%id, %%id;" % (k + 10) if cls == "p" else
                     "\tmov.%s %%%s%d, %s;" % (REGS[cls][1:], cls, k + 10, SENTINEL[cls]))
        o += body(form, True, form.nr * 2 + 1) + store(form, True)
    return "\n".join(o + ["\tret;", "}", ""])


PRELUDE = """.version 8.4
.target sm_90
.address_size 64

.func (.reg .b32 r) twice(.reg .b32 a)
{
	add.u32 r, a, a;
	ret;
}

.func (.param .b32 r) thrice(.param .b32 a)
{
	.reg .b32 %t;
	ld.param.b32 %t, [a];
	mul.lo.u32 %t, %t, 3;
	st.param.b32 [r], %t;
	ret;
}

"""


def write_plan(lines, where):
    """Modules, one a line of the table, and the plan that run.c carries out; returns its path."""
    os.makedirs(where, exist_ok=True)
    plan, inputs = [], {}
    for group in lines:
        path = os.path.join(where, "line%d.ptx" % group[0].line)
        with open(path, "w") as f:
            f.write(PRELUDE + "\n".join(kernel(form) for form in group))
        plan.append("module %s" % path)
        for form in group:
            sig = signature(form)
            if sig not in inputs:
                inputs[sig] = ["%x" % value(x, i, j, len(form.src)) for j, x in enumerate(form.src) for i in range(N)]
            dst = "".join(CLASS[x] for x in form.dst)
            how = "once" if not form.guarded() else "both" if form.warp() else "guard"
            plan.append("kernel k%d %s %s %s %s" % (form.nr, sig, dst, how, form.label))
    path = os.path.join(where, "plan")
    with open(path, "w") as f:
        f.writelines("input %s %d %s\n" % (sig, len(v), " ".join(v)) for sig, v in inputs.items())
        f.write("\n".join(plan) + "\n")
    return path


def pack(results):
    """Lines of run.c, with what was there before replaced by its line's number."""
    seen = {}
    for number, line in enumerate(results, 1):
        label, tab, values = line.rstrip("\n").partition("\t")
        if tab and len(values) > 20 and not line.startswith("!"):
            values = "=%d" % seen[values] if values in seen else seen.setdefault(values, number) and values
        yield label + tab + values


def unpack(lines):
    """The results by label, without lines that say what was refused."""
    seen, results = {}, {}
    for number, line in enumerate(lines, 1):
        label, tab, values = line.rstrip("\n").partition("\t")
        if not tab or line.startswith(("!", "#")):
            continue
        seen[number] = values = seen[int(values[1:])] if values.startswith("=") else values
        results[label] = values
    return results


def main(argv):
    if len(argv) == 3 and argv[1] == "plan":
        print(write_plan(read_table(), argv[2]))
    elif argv[1:] == ["forms"]:
        for form in itertools.chain(*read_table()):
            if not {"approx", "gpu", "~"} & set(form.flags) and form.template() != form.text:
                print("%s\t%s" % (form.text, form.operands))
    elif argv[1:] == ["pack"]:
        for line in pack(sys.stdin):
            print(line)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
