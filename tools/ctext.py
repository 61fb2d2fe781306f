# SPDX-License-Identifier: MIT
"""ctext.py - what the generated C files have in common"""
import os
import re

CUDA_H_OLDEST = 13000	# the build takes cuda.h of this version and of any later one
MADE = "made by tools/apigen.py from cuda.def, do not edit"


def head(title, *includes, internal=False, made=MADE):
    """internal: with the older variants, which cuda.h hides behind the name of the newest."""
    lines = ["/* SPDX-License-Identifier: MIT */", f"/* {title}; {made} */"]
    if internal:
        lines.append("#define __CUDA_API_VERSION_INTERNAL\t/* variants by their exported names */")
    lines += [f"#include {i}" if i[0] == "<" else f'#include "{i}"' for i in includes]
    return "\n".join(lines) + "\n\n"


def header(file, title, includes, body):
    """A header file with its include guard."""
    name = re.sub(r"\W", "_", file).upper()
    first, rest = head(title, *includes).split("\n#include", 1)
    return f"{first}\n#ifndef {name}\n#define {name}\n\n#include{rest}{body}\n#endif\n"


def block(declaration, lines):
    body = "".join(f"\t{line}\n" if line else "\n" for line in lines)
    return f"{declaration}\n{{\n{body}}}\n\n"


def fold(text):
    """Lines of more than 100 columns, broken behind a comma or an operator where there is one."""
    lines = []
    for line in text.split("\n"):
        indent = line[:len(line) - len(line.lstrip("\t"))] + "\t\t"
        while len(line.expandtabs(8)) > 100 and not line.endswith("\\"):
            cuts = [m.end() for m in re.finditer(r"(,|\|\||&&) ", line) if m.start() > len(indent)]
            if not cuts:
                break
            fits = [c for c in cuts if len(line[:c - 1].expandtabs(8)) <= 100]
            at = max(fits, default=cuts[0])
            lines.append(line[:at - 1])
            line = indent + line[at:]
        lines.append(line)
    return "\n".join(lines)


def guard(row, text):
    """Text that needs the header's declaration of a row, which older headers than the row lack."""
    if row.since <= CUDA_H_OLDEST:
        return text
    return f"#if CUDA_VERSION >= {row.since}\n{text}#endif\n"


def kind(p):
    return f"CUDA_HANDLE_{p.handle}"


def flag(value):
    return "true" if value else "false"


SEARCH = """\
	int low = 0, high = sizeof(@rows@) / sizeof(@rows@[0]) - 1;

	while (low <= high) {
		int middle = (low + high) / 2;

		if (@rows@[middle].id == @id@)
			return @found@;
		if (@rows@[middle].id < @id@)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return @none@;
"""


def search(declaration, rows, found, none, by="id"):
    """A function that looks an id up in a sorted array."""
    body = SEARCH
    for word, text in (("rows", rows), ("id", by), ("found", found), ("none", none)):
        body = body.replace(f"@{word}@", text)
    return f"{declaration}\n{{\n{body}}}\n"


def write(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    new = f"{path}.{os.getpid()}"
    with open(new, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(new, path)
