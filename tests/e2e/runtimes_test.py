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
import unittest

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
        cls.server = dgsf.Daemon([os.path.join(dgsf.BUILD, "server", "vgpu-server"), "--listen", "127.0.0.1:0", "--workers", "2", "--mem-default", "512M",
                                  "--cuda", os.path.join(SOFTGPU, "libcuda.so.1")])
        cls.port = int(cls.server.wait_log(r"listening on 127\.0\.0\.1:(\d+)"))

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()

    def passes(self, argv, expected):
        for where, env in (("softgpu", {"LD_LIBRARY_PATH": SOFTGPU}),
                           ("DGSF", {"LD_LIBRARY_PATH": LIBVCUDA, "VGPU_SERVER": f"127.0.0.1:{self.port}"})):
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
        self.assertEqual(result == 0, status.value == 0 and bool(got.value), name)
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


for _version in VERSIONS + ("toolkit",):
    def _test(self, version=_version):
        toolkit = os.environ.get("CUDA_HOME", "/usr/local/cuda")
        self.compare(os.path.join(toolkit if version == "toolkit" else os.path.join(RUNTIMES, version), "include"))
    setattr(EntryPointsTest, "test_entry_points_of_" + _version.replace(".", "_"), _test)


if __name__ == "__main__":
    dgsf.main()
