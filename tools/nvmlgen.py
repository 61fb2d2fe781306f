#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""nvmlgen.py TABLE DIRECTORY - make what is per NVML function from uapi/nvml.def

The functions that are not written by hand, and the version script of the library.
"""
import os
import sys

from ctext import block, head, write
from nvmldef import read_table

MADE = "made by tools/nvmlgen.py from nvml.def, do not edit"
# Symbols without the prototypes of nvml.h, so that any version of it will do.
STUB = {
    "DEVICE": ("void *device",
               ["nvmlReturn_t r = vnvml_check(device);", "",
                "return r ? r : NVML_ERROR_NOT_SUPPORTED;"]),
    "NONE": ("void", ["nvmlReturn_t r = vnvml_ready();", "",
                      "return r ? r : NVML_ERROR_NOT_SUPPORTED;"]),
}
# Beside the table's, what userd/server/nvml.c knows this library by.
OWN = ["vgpu_nvml"]


def stubs(rows):
    out = head("what is not supported", "vnvml.h", made=MADE)
    for name, mode in rows:
        if mode != "HAND":
            args, lines = STUB[mode]
            out += f'EXPORT nvmlReturn_t none_{name}({args}) __asm__("{name}");\n'
            out += block(f"nvmlReturn_t none_{name}({args})", lines)
    return out[:-1]


def script(rows):
    names = "".join(f"\t{name};\n" for name in sorted([name for name, _ in rows] + OWN))
    return f"/* {MADE} */\n{{\nglobal:\n{names}local:\n\t*;\n}};\n"


def main(table, directory):
    rows = read_table(table)
    write(os.path.join(directory, "nvml_stubs.gen.c"), stubs(rows))
    write(os.path.join(directory, "libnvml.map"), script(rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
