# SPDX-License-Identifier: MIT
"""cudadef.py - reads uapi/cuda.def and refuses what is wrong in it, with the line

The form of a row is described at the top of the table.
"""
import hashlib
import re

from ctext import CUDA_H_OLDEST

MODES = ("NONE", "LOCAL", "MEMO", "ASYNC", "SYNC", "HAND", "REFUSE")
UNDONE = ("NONE", "REFUSE")
GENERATED = ("MEMO", "ASYNC", "SYNC")
ROW_TAGS = ("early", "local")
TAGS = ("new", "del", "null", "order")
RESERVED = ("scope", "call", "rq", "result", "real")	# names that generated code uses itself
# structs that a function takes by value: bodies by hand only, and a trace names them and no more
BY_VALUE = ("CUmemLocation", "CUipcMemHandle", "CUipcEventHandle")
BLOB_MAX = 512		# bytes behind one pointer of a generated row
OUTS_MAX = 7		# VCUDA_CALL_OUTS, and what fits RUN_OUT_BYTES
ROW = re.compile(r"(HANDLE|REASON|CU|TWIN)\(([^()]*)\)")
TYPE = re.compile(r"(const )?((?:unsigned )?(?:long long|int|char|short|long)|unsigned|\w+)"
                  r"((?: ?\*)*)")
SUFFIX = re.compile(r"(\w+?)(?:_v\d+)?(_ptsz|_ptds)?")


class Refused(Exception):
    """A row that is wrong: line, reason."""


class Param:
    """One parameter. kind says how a generated row carries it: see classify()."""

    def __init__(self, line, text, handles):
        self.line, self.text = line, text
        words = text.split()
        self.tags = []
        while len(words) > 2 and words[-1] in TAGS:
            self.tags.insert(0, words.pop())
        self.direction = words.pop(0) if words[0] in ("in", "out", "inout") else None
        m = re.fullmatch(r"(.*?[ *])(\w+)(?: \[(\w+)\])?", " ".join(words))
        kind = m and TYPE.fullmatch(m[1].strip())
        if not kind or m[2] in ("int", "char", "short", "long", "unsigned", "void"):
            unknown = [w for w in words[2:] if w.isidentifier()]
            raise Refused(line, f"unknown word '{unknown[-1]}' in '{text}'" if unknown
                          else f"not a parameter: '{text}'")
        self.type, self.name, self.length = m[1].strip(), m[2], m[3]
        self.decl = f"{self.type}{'' if self.type.endswith('*') else ' '}{self.name}"
        self.stars = kind[3].count("*")
        self.pointee = ((kind[1] or "") + kind[2] + " " + "*" * (self.stars - 1)).strip()
        self.element = "unsigned char" if kind[2] == "void" else kind[2]
        self.const = bool(kind[1])
        self.handle = handles.get(kind[2]) if self.stars <= 1 else None
        self.base = kind[2]
        self.null = "null" in self.tags

    def is_stream(self):
        return self.type == "CUstream"


class Row:
    def __init__(self, line, number, since, mode, name, base=None):
        self.line, self.id, self.since, self.mode, self.name = line, number, since, mode, name
        self.base, self.twins, self.tags, self.params = base, [], [], []
        self.root, self.twin = SUFFIX.fullmatch(name).groups()
        self.reason = None		# of a REFUSE row: why

    def done(self):
        return self.mode not in UNDONE

    def wire(self):
        own = self.mode == "HAND" and "local" not in self.tags
        return not self.base and (own or self.mode in GENERATED)

    def generated(self):
        return self.mode in GENERATED

    def args(self, extra=None):
        """The parameter list of a declaration."""
        return ", ".join([p.decl for p in self.params] + ([extra] if extra else [])) or "void"

    def hand_args(self):
        """The parameter list of hand_<symbol>()."""
        return self.args("CUstream stream" if self.extra_stream() else None)

    def extra_stream(self):
        """True when hand_<symbol>() gets the default stream as a further parameter."""
        return bool(self.twins) and not any(p.is_stream() for p in self.params)


class Table:
    def __init__(self, path):
        self.path, self.handles, self.rows, self.by_name = path, {}, [], {}
        self.reasons = {}
        self.parse(open(path, encoding="utf-8").read())

    def parse(self, text):
        text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)
        at = 0
        for m in list(ROW.finditer(text)) + [None]:
            rest = text[at:m.start() if m else None]
            if rest.strip():
                before = at + len(rest) - len(rest.lstrip())
                raise Refused(text.count("\n", 0, before) + 1, "not a row")
            if m:
                self.row(text, m)
                at = m.end()
        self.check_variants()

    def row(self, text, m):
        fields, at = [], m.start(2)
        for field in m[2].split(","):
            first = at + len(field) - len(field.lstrip())
            fields.append((text[:first].count("\n") + 1, " ".join(field.split())))
            at += len(field) + 1
        line = fields[0][0]
        {"HANDLE": self.handle, "REASON": self.why, "CU": self.function,
         "TWIN": self.twin}[m[1]](line, fields)

    def handle(self, line, fields):
        names = [text for _, text in fields]
        if len(names) != 2 or not all(n.isidentifier() for n in names):
            raise Refused(line, "HANDLE takes a C type and a kind")
        if names[0] in self.handles or names[1] in self.handles.values():
            raise Refused(line, f"HANDLE({names[0]}, {names[1]}) repeats an earlier one")
        self.handles[names[0]] = names[1]

    def why(self, line, fields):
        names = [text for _, text in fields]
        if len(names) != 2 or not names[0].isidentifier() or not names[1]:
            raise Refused(line, "REASON takes a key and a text without commas and parentheses")
        if names[0] in self.reasons:
            raise Refused(line, f"REASON({names[0]}) repeats an earlier one")
        self.reasons[names[0]] = names[1]

    def add(self, line, number, since, mode, name, base=None):
        if not re.fullmatch(r"0x[0-9a-f]{4}", number) or not 0 < int(number, 16) < 0xf000:
            raise Refused(line, f"id {number} is not one of 0x0001 to 0xefff")
        if not re.fullmatch(r"\d{4,5}", since):
            raise Refused(line, f"'{since}' is no version of CUDA")
        if not re.fullmatch(r"cu[A-Z]\w*", name):
            raise Refused(line, f"'{name}' is no function of the driver")
        row = Row(line, int(number, 16), int(since), mode, name, base)
        for other in self.rows:
            if other.id == row.id or other.name == row.name:
                raise Refused(line, f"{number} {name} repeats {other.name} of line {other.line}")
        self.rows.append(row)
        self.by_name[name] = row
        return row

    def function(self, line, fields):
        if len(fields) < 4:
            raise Refused(line, "CU takes an id, a version, a mode and a symbol at least")
        number, since, mode, name = (text for _, text in fields[:4])
        if mode not in MODES:
            raise Refused(line, f"mode '{mode}' is none of {' '.join(MODES)}")
        row = self.add(line, number, since, mode, name)
        if mode == "REFUSE":
            key = fields.pop(4)[1] if len(fields) > 4 else ""
            if key not in self.reasons:
                raise Refused(line, f"{name} is refused without a REASON: '{key}'")
            row.reason = self.reasons[key]
        for at, text in fields[4:]:
            if text in ROW_TAGS and not row.params:
                row.tags.append(text)
            elif not text:
                raise Refused(at, "empty parameter")
            else:
                row.params.append(Param(at, text, self.handles))
        if "local" in row.tags and mode != "HAND":
            raise Refused(line, "only a HAND row can be local")
        if row.done():
            check(row)
        if row.generated():
            for p in row.params:
                classify(row, p)
            if sum(p.kind in ("new", "del") for p in row.params) > 2:
                raise Refused(line, "more than two handles made or ended by one call")
            if sum(p.direction in ("out", "inout") for p in row.params) > OUTS_MAX:
                raise Refused(line, f"more than {OUTS_MAX} outputs")
            blobs = sum(p.kind in ("blob", "str") for p in row.params)
            if blobs > 1 or 8 * len(row.params) > BLOB_MAX - 16:
                raise Refused(line, "the arguments do not fit VCUDA_CALL_BYTES: a HAND row")

    def twin(self, line, fields):
        if len(fields) != 4:
            raise Refused(line, "TWIN takes an id, a version, a symbol and a base")
        number, since, name, base = (text for _, text in fields)
        row = self.by_name.get(base)
        if not row or row.base:
            raise Refused(line, f"no row {base} above")
        twin = self.add(line, number, since, row.mode, name, row)
        if name not in (base + "_ptsz", base + "_ptds"):
            raise Refused(line, f"{name} is not {base}_ptsz or {base}_ptds")
        if row.generated() and not any(p.is_stream() for p in row.params):
            raise Refused(line, f"{base} has no CUstream for {name}: a HAND row")
        twin.params, twin.tags, twin.reason = row.params, row.tags, row.reason
        row.twins.append(twin)

    def check_variants(self):
        seen = {}
        for row in self.rows:
            other = seen.setdefault((row.root, row.twin, row.since), row)
            if other is not row:
                raise Refused(row.line, f"{row.name} has the version of {other.name}")

    def wire_rows(self):
        return [row for row in self.rows if row.wire()]

    def hash(self):
        """What both ends must agree on: id, mode and parameters of what goes over the wire."""
        text = "\n".join(" ".join([hex(r.id), r.mode, r.name] + [p.text + ";" for p in r.params])
                         for r in sorted(self.wire_rows(), key=lambda r: r.id))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def sized_types(self):
        """Types of cuda.h in rows that go over the wire, whose sizes both ends must agree on."""
        named = {p.base for r in self.wire_rows() if r.since <= CUDA_H_OLDEST for p in r.params}
        return sorted(n for n in named if n.startswith(("CU", "cuuint")) and n not in self.handles)


def check(row):
    """What holds for the parameters of every row that does something."""
    names = {p.name: p for p in row.params}
    if sum("order" in p.tags for p in row.params) > 1:
        raise Refused(row.line, f"{row.name} has two parameters with order")
    for p in row.params:
        if p.name in RESERVED or row.extra_stream() and p.name == "stream":
            raise Refused(p.line, f"generated code uses the name {p.name} itself")
        if names[p.name] is not p:
            raise Refused(p.line, f"two parameters {p.name}")
        if p.stars and not p.direction:
            raise Refused(p.line, f"pointer {p.name} has no direction: in, out or inout")
        if p.direction and not p.stars:
            raise Refused(p.line, f"{p.name} is no pointer: it has no direction")
        if "order" in p.tags and not p.is_stream():
            raise Refused(p.line, f"order on {p.name}, which is no CUstream")
        if "new" in p.tags and not (p.direction == "out" and p.handle and p.stars == 1):
            raise Refused(p.line, f"new on {p.name}, which is no handle that comes out")
        if "del" in p.tags and not (p.handle and not p.stars):
            raise Refused(p.line, f"del on {p.name}, which is no handle")
        if p.length:
            check_length(p, names)


def check_length(p, names):
    if not p.stars:
        raise Refused(p.line, f"a length on {p.name}, which is no pointer")
    if p.length == "str":
        if p.type != "const char *" or p.direction != "in":
            raise Refused(p.line, f"str on {p.name}, which is no in const char *")
    elif not p.length.isdigit():
        n = names.get(p.length)
        if not n:
            raise Refused(p.line, f"length of {p.name}: no parameter {p.length}")
        if n.direction == "out":
            raise Refused(p.line, f"length of {p.name}: {p.length} is known only afterwards")
        if n.stars or n.handle:
            raise Refused(p.line, f"length of {p.name}: {p.length} is no number")


def classify(row, p):
    """Sets p.kind, the way a generated row carries it, or refuses what only hand code can do."""
    if not p.stars:
        if p.base in ("double", "void") + BY_VALUE:
            raise Refused(p.line, f"{p.name} is no integer and no handle: a HAND row")
        p.kind = "stream" if p.is_stream() and "del" not in p.tags else \
            "del" if "del" in p.tags else "handle" if p.handle else \
            "device" if p.type == "CUdevice" else "float" if p.base == "float" else "scalar"
    elif "new" in p.tags:
        p.kind = "new"
    elif p.stars > 1 or p.handle:
        what = "handles" if p.handle else "pointers"
        raise Refused(p.line, f"{p.name} points to {what}: a HAND row")
    elif p.direction == "in":
        if not p.length:
            raise Refused(p.line, f"{p.name} needs a length")
        p.kind = "str" if p.length == "str" else "blob"
    elif p.direction == "inout" and (p.length or p.null):
        raise Refused(p.line, f"inout {p.name} with length or null: a HAND row")
    elif p.base == "void" and not p.length:
        raise Refused(p.line, f"{p.name} needs a length")
    else:
        p.kind = p.direction + ("blob" if p.length else "")
    if row.mode == "ASYNC" and p.kind in ("out", "outblob", "inout"):
        raise Refused(p.line, f"{p.name} comes out of an ASYNC row, which has no reply")
    if row.mode == "MEMO" and p.kind in ("new", "del", "stream"):
        raise Refused(p.line, f"{p.name} in a MEMO row, which may not be called at all")
