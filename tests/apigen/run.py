#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py [--update] - tests of tools/apigen.py and tools/check-cuda-h.py, as KTAP

  small.def     a table with one parameter of each sort; golden/ is what is made of it
  bad/*.def     tables that are refused, on the line and for the reason that a comment in them names

With --update golden/ is written anew: read the difference before you keep it. What needs a compiler
and cuda.h (CC, CUDA_HOME) is skipped without them.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
GOLDEN, SMALL = os.path.join(HERE, "golden"), os.path.join(HERE, "small.def")
CUDA_H = os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "include")
CC = os.environ.get("CC", "cc")
DIRECTORIES = ("uapi", "libvcuda", "userd/server", "tests/unit")
INCLUDES = [f"-I{os.path.join(TOP, d)}" for d in DIRECTORIES] + [f"-I{CUDA_H}"]
CFLAGS = ["-O1", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]


class Skip(Exception):
    pass


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def run(*command):
    """Exit status, and everything that was printed."""
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       check=False, cwd=TOP)
    return p.returncode, p.stdout


def apigen(table, out):
    return run(sys.executable, os.path.join(TOP, "tools", "apigen.py"), table, out)


def generated(tmp, text):
    """A directory with the outputs for a table."""
    table = os.path.join(tmp, "table.def")
    with open(table, "w", encoding="utf-8") as f:
        f.write(text)
    out = tempfile.mkdtemp(dir=tmp)
    status, printed = apigen(table, out)
    assert status == 0, printed
    return out


def need_compiler():
    if not shutil.which(CC):
        raise Skip("no C compiler")
    if not os.path.exists(os.path.join(CUDA_H, "cuda.h")):
        raise Skip("no cuda.h")


def every_output_is_as_the_golden_one(tmp):
    status, printed = apigen(SMALL, tmp)
    assert status == 0, printed
    names = sorted(os.listdir(tmp))
    assert names == sorted(os.listdir(GOLDEN)), f"{names} are made"
    for name in names:
        assert read(os.path.join(tmp, name)) == read(os.path.join(GOLDEN, name)), \
            f"{name} differs: diff it with golden/{name}"


def an_output_that_stays_the_same_is_not_written(tmp):
    apigen(SMALL, tmp)
    path = os.path.join(tmp, "stubs.gen.c")
    os.utime(path, (1, 1))
    with open(os.path.join(tmp, "ids.gen.c"), "a", encoding="utf-8") as f:
        f.write("changed")
    apigen(SMALL, tmp)
    assert os.stat(path).st_mtime == 1, "stubs.gen.c was written"
    assert "changed" not in read(os.path.join(tmp, "ids.gen.c")), "ids.gen.c was not"


def refused(name):
    def test(tmp):
        path = os.path.join(HERE, "bad", name + ".def")
        lines = [f"{path}:{n}: {m[1]}" for n, line in enumerate(read(path).split("\n"), 2)
                 for m in re.finditer(r"/\* refused on the next line: (.*) \*/", line)]
        status, printed = apigen(path, os.path.join(tmp, "out"))
        assert len(lines) == 1, "no comment says where it is refused"
        assert printed.strip() == lines[0], f"wanted '{lines[0]}', got '{printed.strip()}'"
        assert status == 1, f"exit status {status}"
        assert not os.path.exists(os.path.join(tmp, "out")), "something was made of it"
    test.__name__ = name + "_is_refused"
    return test


def table_hash(out):
    return re.search(r"GEN_ROWS_HASH\s+(\w+)", read(os.path.join(out, "cuda_ids.gen.h")))[1]


def the_hash_is_of_the_rows_that_go_over_the_wire(tmp):
    text = read(SMALL)
    same = table_hash(generated(tmp, text))
    local = text.replace("early, unsigned", "unsigned")
    local += "CU(0x0500, 4000, LOCAL, cuProfilerStart)\n"
    assert table_hash(generated(tmp, local)) == same, "a LOCAL row changes it"
    for old, new in (("0x0205", "0x0206"), ("SYNC, cuEventElapsed", "MEMO, cuEventElapsed"),
                     (" [len]", " [16]"), ("int len,", "long len,")):
        assert old in text
        other = table_hash(generated(tmp, text.replace(old, new)))
        assert other != same, f"'{new}' does not change it"


def the_row_that_adding_rst_shows_is_one(tmp):
    text = read(os.path.join(TOP, "uapi", "cuda.def"))
    doc = read(os.path.join(TOP, "Documentation", "adding.rst"))
    shown = re.findall(r"^CU\([^)]*\)$", textwrap.dedent("\n".join(
        line for line in doc.split("\n") if line.startswith("\t\t"))), re.M)
    assert len(shown) == 1, f"{len(shown)} rows are shown"
    number, name = re.search(r"CU\((\w+)", shown[0])[1], re.search(r"\bcu[A-Z]\w+", shown[0])[0]
    old = re.search(rf"^CU\({number}, \d+, \w+, {name},[^)]*\)$", text, re.M)
    assert old, f"cuda.def has no row {number} {name}"
    out = generated(tmp, text.replace(old[0], shown[0]))
    assert f"gen_run_{name}(" in read(os.path.join(out, "dispatch.gen.c")), "nothing is made of it"


def the_preprocessor_reads_the_table_too(tmp):
    need_compiler()
    path, table = os.path.join(tmp, "count.c"), os.path.join(TOP, "uapi", "cuda.def")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#define HANDLE(type, kind)\n#define REASON(key, text)\n#define CU(id, since, mode, symbol, ...) + 1\n"
                "#define TWIN(id, since, symbol, base) + 1\n"
                '#include "ids.gen.c"\n_Static_assert(sizeof(rows) / sizeof(rows[0]) == 0\n'
                f'#include "{table}"\n, "not as many as the generator reads");\n')
    out = generated(tmp, read(table))
    status, printed = run(CC, "-fsyntax-only", *CFLAGS, f"-I{out}", path)
    assert status == 0, printed


def the_small_table_compiles_and_makes_its_round_trips(tmp):
    need_compiler()
    out = generated(tmp, read(SMALL))
    names = ("stubs", "ids", "procaddr", "dispatch", "realcuda", "roundtrip", "asserts")
    sources = [os.path.join(out, f"{n}.gen.c") for n in names]
    sources += [os.path.join(TOP, "tests", "unit", f"roundtrip_{n}.c") for n in ("test", "double")]
    program, softgpu = os.path.join(tmp, "roundtrip"), os.path.join(out, "softgpu_stubs.gen.c")
    for command in ((CC, *CFLAGS, f"-I{out}", *INCLUDES, *sources, "-o", program), (program,),
                    (CC, *CFLAGS, "-fsyntax-only", softgpu)):
        status, printed = run(*command)
        assert status == 0, printed


def a_row_that_cuda_h_declares_otherwise_stops_the_build(tmp):
    need_compiler()
    for old, new in (("int len, CUdevice dev", "unsigned int len, CUdevice dev"),
                     ("in const void *srcHost", "in void *srcHost"), ("size_t size,\n", "")):
        text = read(SMALL)
        assert old in text
        out = generated(tmp, text.replace(old, new))
        status, printed = run(CC, "-fsyntax-only", *CFLAGS, f"-I{out}", *INCLUDES,
                              os.path.join(out, "asserts.gen.c"))
        refusal = "is declared otherwise in cuda.h"
        assert status != 0 and refusal in printed, f"'{new}' instead of '{old}' compiles"


HEADER = """
#define cuMemAlloc cuMemAlloc_v2
#define cuEventRecord __CUDA_API_PTSZ(cuEventRecord)
/* CUresult CUDAAPI cuInComment(void); */
CUresult CUDAAPI cuMemAlloc(CUdeviceptr *dptr, size_t bytesize);
CUresult CUDAAPI cuEventRecord(CUevent hEvent,
	CUstream hStream);
#if defined(__CUDA_API_VERSION_INTERNAL)
    #undef cuMemAlloc
    CUresult CUDAAPI cuMemAlloc(CUdeviceptr_v1 *dptr, unsigned int bytesize);
#endif
CUresult CUDAAPI cuInit(unsigned int Flags);
"""
TYPEDEFS = "".join(f"typedef CUresult (CUDAAPI *PFN_{n})(void);\n" for n in (
    "cuInit_v2000", "cuMemAlloc_v3020", "cuMemAlloc_v2000", "cuEventRecord_v2000",
    "cuEventRecord_v7000_ptsz"))


def check_header(tmp, table, header=HEADER, typedefs=TYPEDEFS):
    paths = [os.path.join(tmp, n) for n in ("cuda.h", "cudaTypedefs.h", "table.def")]
    for path, text in zip(paths, (header, typedefs, table)):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    return run(sys.executable, os.path.join(TOP, "tools", "check-cuda-h.py"), paths[2], paths[0])


def a_function_of_cuda_h_without_a_row_is_found(tmp):
    rows = ["CU(0x1, 2000, LOCAL, cuInit)", "CU(0x2, 2000, NONE, cuMemAlloc)",
            "CU(0x3, 3020, NONE, cuMemAlloc_v2)", "CU(0x4, 2000, NONE, cuEventRecord)",
            "TWIN(0x5, 7000, cuEventRecord_ptsz, cuEventRecord)"]
    status, printed = check_header(tmp, "\n".join(rows))
    assert status == 0 and "\nok 1 " in printed, printed
    for i, row in enumerate(rows):
        name = re.search(r"cu\w+", row)[0]
        status, printed = check_header(tmp, "\n".join(rows[:i] + rows[i + 1:]))
        assert status == 1 and f"no row for {name}\n" in printed, f"without {name}: {printed}"
        wrong = re.sub(r", \d+,", ", 5000,", row)
        status, printed = check_header(tmp, "\n".join(rows[:i] + [wrong] + rows[i + 1:]))
        assert status == 1 and f"{name} exists since" in printed, f"{name} since 5000: {printed}"
    status, printed = check_header(tmp, "\n".join(rows), header="")
    assert status == 1, "an empty header has all rows"


def update():
    shutil.rmtree(GOLDEN, ignore_errors=True)
    status, printed = apigen(SMALL, GOLDEN)
    print(printed, end="")
    return status


def main():
    names = os.listdir(os.path.join(HERE, "bad"))
    bad = sorted(name[:-4] for name in names if name.endswith(".def"))
    cases = [every_output_is_as_the_golden_one, an_output_that_stays_the_same_is_not_written]
    cases += [refused(name) for name in bad]
    cases += [the_hash_is_of_the_rows_that_go_over_the_wire, the_row_that_adding_rst_shows_is_one, the_preprocessor_reads_the_table_too,
              the_small_table_compiles_and_makes_its_round_trips,
              a_row_that_cuda_h_declares_otherwise_stops_the_build,
              a_function_of_cuda_h_without_a_row_is_found]
    failed = 0
    print(f"KTAP version 1\n1..{len(cases)}")
    for n, case in enumerate(cases, 1):
        try:
            with tempfile.TemporaryDirectory() as tmp:
                case(tmp)
            print(f"ok {n} {case.__name__}")
        except Skip as reason:
            print(f"ok {n} {case.__name__} # SKIP {reason}")
        except AssertionError as e:
            failed += 1
            print("# " + str(e).rstrip().replace("\n", "\n# "))
            print(f"not ok {n} {case.__name__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(update() if sys.argv[1:] == ["--update"] else main())
