#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Programs built for CUDA runtimes of other versions (tools/runtimes.sh), directly on softgpu and through DGSF in direct mode, and which form of
a function cuGetProcAddress gives for each version: the one that the cuda.h of that version names.
"""
import ctypes
import os
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import dgsf

RUNTIMES = os.path.join(dgsf.BUILD, "runtimes")
PROGRAMS = os.path.join(dgsf.BUILD, "tests", "runtimes")
DATA = os.path.join(dgsf.ROOT, "tests", "data")
SOFTGPU = os.path.join(dgsf.BUILD, "softgpu")
LIBVCUDA = os.path.join(dgsf.BUILD, "libvcuda")
CASES = ("runtime", "vecadd", "streams", "async", "graphs", "memory", "kmeans --csv @digits.csv.gz")
VERSIONS = ("12.2", "12.4", "12.8", "13.5")
PER_THREAD = 2      # CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM

# nvJPEG has the static runtime of its release inside, and says of which.
NVJPEG = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
handle, major, minor = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
assert lib.nvjpegGetCudartProperty(0, ctypes.byref(major)) == 0 and lib.nvjpegGetCudartProperty(1, ctypes.byref(minor)) == 0
result = lib.nvjpegCreateSimple(ctypes.byref(handle))
result = result or lib.nvjpegDestroy(handle)
print("runtime %d.%d, result %d" % (major.value, minor.value, result))
"""


class RuntimesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = RUNTIMES + ".missing"
        if os.path.exists(missing):
            with open(missing) as f:
                raise unittest.SkipTest(f.read().strip())
        if not os.path.exists(os.path.join(RUNTIMES, "packages")):
            raise unittest.SkipTest("no build/runtimes: make runtimes")
        cls.server = dgsf.GpuServer("--workers", "2", "--mem-default", "512M")

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()

    def passes(self, argv, expected):
        for where, env in (("softgpu", {"LD_LIBRARY_PATH": SOFTGPU}),
                           ("DGSF", {"LD_LIBRARY_PATH": LIBVCUDA, "VGPU_SERVER": f"127.0.0.1:{self.server.port}"})):
            p = subprocess.run(argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
            what = f"{argv} on {where}\n{p.stdout}\n{p.stderr}"
            self.assertEqual(p.returncode, 0, what)
            self.assertIn(expected, p.stdout, what)
            self.assertNotRegex(p.stderr, "not implemented|not known", what)

    def programs(self, version):
        for case in CASES:
            name, *args = case.split()
            self.passes([os.path.join(PROGRAMS, version, name), *(a.replace("@", DATA + "/") for a in args)], "PASS")

    def nvjpeg(self, version):
        library = os.path.join(RUNTIMES, version, "lib", "libnvjpeg.so.12")
        self.passes([sys.executable, "-c", NVJPEG, library], f"runtime {version}, result 0")

    def test_12_2_shared(self):
        self.programs("12.2")

    def test_12_4_shared(self):
        self.programs("12.4")

    def test_12_8_shared(self):
        self.programs("12.8")

    def test_13_5_shared(self):
        self.programs("13.5")

    def test_12_2_static(self):
        self.nvjpeg("12.2")

    def test_12_4_static(self):
        self.nvjpeg("12.4")

    def test_12_8_static(self):
        self.nvjpeg("12.8")

    def test_13_5_static(self):
        self.passes([os.path.join(PROGRAMS, "13.5", "vecadd_static")], "PASS")


class EntryPointsTest(unittest.TestCase):
    """
    cudaTypedefs.h of a version has a type PFN_NAME_vVERSION for each form of a function. cuGetProcAddress has to give, from that version of CUDA
    until the next that has a form, one symbol, and cuda.h must declare that symbol with that type.
    """

    def setUp(self):
        if not os.path.exists(os.path.join(RUNTIMES, "packages")):
            self.skipTest("no build/runtimes: make runtimes")

    @staticmethod
    def forms(include):
        """{(name, flags): sorted versions}"""
        found = {}
        for header in ("cudaTypedefs.h", "cudaProfilerTypedefs.h"):
            with open(os.path.join(include, header)) as f:
                for name, version, twin in re.findall(r"\*PFN_(cu\w+?)_v(\d+)(_ptds|_ptsz|)\)", f.read()):
                    found.setdefault((name, PER_THREAD if twin else 0), set()).add((int(version), twin))
        return {key: sorted(value) for key, value in found.items()}

    def ask(self, library, name, version, flags):
        got, status = ctypes.c_void_p(), ctypes.c_int(-1)
        result = library.cuGetProcAddress_v2(name.encode(), ctypes.byref(got), version, ctypes.c_uint64(flags), ctypes.byref(status))
        self.assertEqual((result, status.value == 0), (0, bool(got.value)), name)
        return got.value

    def chosen(self, library, symbols, include):
        """[(type, symbol)], after a look at which version gives which."""
        pairs = []
        for (name, flags), versions in sorted(self.forms(include).items()):
            given = [self.ask(library, name, version, flags) for version, _ in versions]
            self.assertNotIn(None, given, f"{name} of {versions}")
            self.assertEqual(len(set(given)), len(given), f"{name} of {versions}: one symbol for two")
            for before, (version, _) in zip([None] + given, versions):
                if not flags:       # a twin that came later than its function: before it, the function
                    self.assertEqual(self.ask(library, name, version - 1, flags), before, f"{name} before {version}")
            pairs += [(f"PFN_{name}_v{version}{twin}", symbols[fn]) for fn, (version, twin) in zip(given, versions)]
        return pairs

    @unittest.mock.patch.dict(os.environ, SOFTGPU_DRIVER_VERSION="99990")
    def compare(self, include):
        for directory in (SOFTGPU, LIBVCUDA):
            path = os.path.join(directory, "libcuda.so.1")
            names = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True, check=True).stdout
            library = ctypes.CDLL(path)
            symbols = {ctypes.cast(getattr(library, name), ctypes.c_void_p).value: name for name in re.findall(r" [TW] (cu\w+)", names)}
            pairs = self.chosen(library, symbols, include)
            self.assertGreater(len(pairs), 500)
            source = "#define __CUDA_API_VERSION_INTERNAL\n#define CUDA_API_PER_THREAD_DEFAULT_STREAM\n"
            source += "".join(f"#include <{name}.h>\n" for name in ("cuda", "cudaProfiler", "cudaTypedefs", "cudaProfilerTypedefs"))
            source += "".join(f'_Static_assert(__builtin_types_compatible_p({form}, __typeof__(&{symbol})), "{symbol} is no {form}");\n'
                              for form, symbol in pairs)
            p = subprocess.run([os.environ.get("CC", "gcc"), "-fsyntax-only", "-w", "-x", "c", "-", "-I", include], input=source, capture_output=True,
                               text=True, check=False)
            self.assertEqual((p.returncode, p.stderr[-2000:]), (0, ""), directory)


class OtherDriverTest(unittest.TestCase):
    """A server whose driver is older than the library's table, and one whose driver is newer: softgpu that says so."""

    def serve(self, version, driver=os.path.join(SOFTGPU, "libcuda.so.1")):
        server = dgsf.GpuServer("--workers", "2", "--mem-default", "256M", cuda=driver, env={"SOFTGPU_DRIVER_VERSION": str(version)})
        self.addCleanup(server.kill)
        self.env = {**os.environ, "LD_LIBRARY_PATH": LIBVCUDA, "VGPU_SERVER": f"127.0.0.1:{server.port}"}

    def serve_old(self):
        """A driver of CUDA 12.4: the symbols that are newer are not in it, by names that nobody asks for."""
        newer = {symbol for (name, _), versions in EntryPointsTest.forms(os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "include")).items()
                 for symbol in self.newer_symbols(name, versions)}
        with open(os.path.join(SOFTGPU, "libcuda.so.1"), "rb") as f:
            data = f.read()
        for symbol in newer:
            data = data.replace(b"\0" + symbol.encode() + b"\0", b"\0x" + symbol[1:].encode() + b"\0")
        old = tempfile.NamedTemporaryFile(prefix="libcuda-12.4-", suffix=".so")
        self.addCleanup(old.close)
        old.write(data)
        old.flush()
        self.serve(12040, old.name)
        self.assertIn("cuEventElapsedTime_v2", newer)

    @staticmethod
    def newer_symbols(name, versions):
        """Those of NAME, NAME_v2, ... that 12.4 has not: the last form has the largest number."""
        plain = sorted({v for v, _ in versions})
        return [name if i == 0 else f"{name}_v{i + 1}" for i, v in enumerate(plain) if v > 12040]

    def run_python(self, lines):
        p = subprocess.run([sys.executable, "-c", "import ctypes as c\nl = c.CDLL('libcuda.so.1')\nv, s, f = c.c_int(), c.c_int(), c.c_void_p()\n" + lines],
                           env=self.env, capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout.split(), p.stderr

    def run_program(self, version, name):
        path = os.path.join(PROGRAMS, version, name)
        if not os.path.exists(path):
            self.skipTest(f"no {path}: make runtimes")
        return subprocess.run([path], env=self.env, capture_output=True, text=True, timeout=60, check=False)

    ASK = """
def ask(name, version):
    r = l.cuGetProcAddress_v2(name, c.byref(f), version, c.c_uint64(0), c.byref(s))
    print(r, s.value, bool(f.value))
"""

    def test_an_older_driver_lacks_what_came_later(self):
        self.serve_old()
        out, err = self.run_python(self.ASK + """
assert l.cuInit(0) == 0 and l.cuDriverGetVersion(c.byref(v)) == 0
print(v.value)
ask(b"cuMemcpyBatchAsync", 13000)
ask(b"cuEventElapsedTime", 13000)
old = f.value
ask(b"cuEventElapsedTime", 12000)
print(old == f.value)
""")
        self.assertEqual(out, ["12040", "0", "1", "False", "0", "0", "True", "0", "0", "True", "True"])
        self.assertEqual(err, "")

    def test_a_newer_function_is_refused_by_name_at_the_call(self):
        self.serve_old()
        out, err = self.run_python(self.ASK + """
ask(b"cuCheckpointProcessLock", 12080)
ask(b"cuTensorMapEncodeIm2colWide", 13000)
wide = c.CFUNCTYPE(c.c_int, *[c.c_void_p] * 17)(f.value)
ctx, m, n = c.c_void_p(), (c.c_uint64 * 16)(), (c.c_uint64 * 8)(*[64] * 8)
assert l.cuInit(0) == 0 and l.cuDevicePrimaryCtxRetain(c.byref(ctx), 0) == 0 and l.cuCtxSetCurrent(ctx) == 0
u = (c.c_uint32 * 8)(*[1] * 8)
print(wide(c.addressof(m) + 63 & ~63, 7, 3, 1 << 33, c.addressof(n), c.addressof(n), 0, 0, 8, 8, c.addressof(u), 0, 0, 1, 0, 0, 0))
""")
        self.assertEqual(out[:6], ["0", "0", "True"] * 2)
        self.assertEqual(out[6:], ["801"])
        self.assertIn("libvcuda: cuTensorMapEncodeIm2colWide is of CUDA 12.8, the server's driver of 12.4", err)

    def test_programs_of_a_runtime_that_an_older_driver_takes(self):
        self.serve_old()
        for version in ("12.2", "12.4", "12.8"):
            p = self.run_program(version, "runtime")
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "PASS\n", ""), version)

    def test_a_runtime_newer_than_the_driver_says_so(self):
        self.serve_old()
        p = self.run_program("13.5", "vecadd")
        self.assertIn("cudaErrorInsufficientDriver", p.stdout)

    def test_a_newer_driver(self):
        self.serve(13050)
        for version in ("12.4", "13.5"):
            p = self.run_program(version, "runtime")
            self.assertEqual((p.returncode, p.stdout), (0, "PASS\n"), version)
            for line in p.stderr.splitlines():      # what a runtime asks such a driver for, and cuda.h does not have
                self.assertRegex(line, r"^libvcuda: cu\w+ is not known here: a function of a newer CUDA\?$")
        out, err = self.run_python(self.ASK + """
assert l.cuInit(0) == 0 and l.cuDriverGetVersion(c.byref(v)) == 0
print(v.value)
ask(b"cuOfTheNextCentury", 13050)
ask(b"cuOfTheNextCentury", 13050)
""")
        self.assertEqual(out, ["13050"] + ["0", "1", "False"] * 2)
        self.assertEqual(err, "libvcuda: cuOfTheNextCentury is not known here: a function of a newer CUDA?\n")


for _version in VERSIONS + ("toolkit",):
    def _test(self, version=_version):
        toolkit = os.environ.get("CUDA_HOME", "/usr/local/cuda")
        self.compare(os.path.join(toolkit if version == "toolkit" else os.path.join(RUNTIMES, version), "include"))
    setattr(EntryPointsTest, "test_entry_points_of_" + _version.replace(".", "_"), _test)


if __name__ == "__main__":
    dgsf.main()
