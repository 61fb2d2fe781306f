#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
libnvidia-ml.so.1 as NVIDIA's Python module calls it, direct mode, against a server with softgpu, a server that does wrong and none.

What it exports is compared with the module and with nvml.h. Without the library, or the module, everything is skipped.
"""
import ctypes
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
import unittest.mock

import dgsf

GIB = 1 << 30
SERVER = os.path.join(dgsf.BUILD, "server", "vgpu-server")
LIBRARY = os.path.join(dgsf.BUILD, "libnvml", "libnvidia-ml.so.1")
MODULE = os.path.join(dgsf.BUILD, "nvml", "pynvml.py")
PATHS = [os.path.join(dgsf.BUILD, name) for name in ("libnvml", "libvcuda")]
OP_QUERY, OP_INFO = 0xf012, 0xf013

# Lines of Python in a process of its own: they have n (pynvml), cuda (libcuda.so.1, when wanted), d (the device), say().
PRELUDE = """
import ctypes, json, os, sys, pynvml as n
def say(**what): print(json.dumps(what), flush=True)
def code(fn, *args):
    try:
        fn(*args)
    except n.NVMLError as e:
        return e.value
    return 0
"""
START = "n.nvmlInit(); d = n.nvmlDeviceGetHandleByIndex(0)\n"


class NvmlTest(unittest.TestCase):
    def setUp(self):
        for path in (LIBRARY, MODULE):
            if not os.path.exists(path):
                self.skipTest(f"no {path}: tools/nvml-packages.sh")

    def serve(self, *args):
        server = dgsf.Daemon([SERVER, "--listen", "127.0.0.1:0", "--workers", "1", "--max-workers", "3", "--mem-total", "2G", "--mem-default", "512M",
                              "--cuda", os.path.join(dgsf.BUILD, "softgpu", "libcuda.so.1"), "--log-level", "debug", *args])
        self.addCleanup(server.kill)
        self.server = server
        self.port = int(server.wait_log(r"listening on 127\.0\.0\.1:(\d+)"))

    def start(self, lines, server=None, env=None):
        env = {**os.environ, "PYTHONPATH": os.path.dirname(MODULE), "LD_LIBRARY_PATH": ":".join(PATHS),
               "VGPU_SERVER": server or f"127.0.0.1:{self.port}", "PYTHONWARNINGS": "ignore", **(env or {})}
        env.pop("VGPU_DEVICE", None)
        return subprocess.Popen([sys.executable, "-c", PRELUDE + lines], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run_lines(self, lines, **kw):
        """What the lines say, and their stderr."""
        out, err = self.start(lines, **kw).communicate(timeout=60)
        self.assertTrue(out, err)
        return json.loads(out), err

    # ---- the virtual GPU ----

    def test_the_device_is_what_libcuda_says(self):
        self.serve()
        said, _ = self.run_lines(START + """
cuda = ctypes.CDLL("libcuda.so.1")
cuda.cuInit(0)
name, pci, uuid = (ctypes.create_string_buffer(96) for _ in range(3))
major, minor, version, sms = (ctypes.c_int() for _ in range(4))
cuda.cuDeviceGetName(name, 96, 0); cuda.cuDeviceGetPCIBusId(pci, 96, 0); cuda.cuDeviceGetUuid(uuid, 0)
cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, 0); cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, 0)
cuda.cuDeviceGetAttribute(ctypes.byref(sms), 16, 0)
cuda.cuDriverGetVersion(ctypes.byref(version))
u = uuid.raw[:16].hex()
info = n.nvmlDeviceGetPciInfo(d)
say(cuda=[name.value.decode(), "GPU-" + "-".join([u[:8], u[8:12], u[12:16], u[16:20], u[20:]]), pci.value.decode(), [major.value, minor.value],
          version.value, sms.value],
    nvml=[n.nvmlDeviceGetName(d), n.nvmlDeviceGetUUID(d), info.busIdLegacy, list(n.nvmlDeviceGetCudaComputeCapability(d)),
          n.nvmlSystemGetCudaDriverVersion_v2(), n.nvmlDeviceGetAttributes(d).multiprocessorCount],
    count=n.nvmlDeviceGetCount(), index=n.nvmlDeviceGetIndex(d), minor=n.nvmlDeviceGetMinorNumber(d),
    same=[h.value == d.value if isinstance(h, ctypes.c_void_p) else ctypes.addressof(h.contents) == ctypes.addressof(d.contents)
          for h in (n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(d)), n.nvmlDeviceGetHandleByPciBusId(info.busId),
                    n.nvmlDeviceGetHandleByPciBusId(pci.value))],
    modes=[n.nvmlDeviceGetComputeMode(d), n.nvmlDeviceGetDisplayMode(d), n.nvmlDeviceGetDisplayActive(d), n.nvmlDeviceGetPersistenceMode(d)],
    p2p=n.nvmlDeviceGetTopologyCommonAncestor(d, d), process=n.nvmlSystemGetProcessName(os.getpid()))
""")
        self.assertEqual(said["nvml"], said["cuda"])
        self.assertEqual((said["count"], said["index"], said["minor"], said["same"]), (1, 0, 0, [True] * 3))
        self.assertEqual((said["modes"], said["p2p"]), ([0, 0, 0, 1], 0))
        self.assertEqual(said["process"], sys.executable)

    def test_it_takes_no_lease_and_no_worker(self):
        self.serve("--max-workers", "1")
        said, _ = self.run_lines(START + "m = n.nvmlDeviceGetMemoryInfo(d); say(total=m.total, used=m.used, free=m.free, "
                                         "processes=n.nvmlDeviceGetComputeRunningProcesses(d))")
        self.assertEqual(said, {"total": GIB // 2, "used": 0, "free": GIB // 2, "processes": []})
        self.assertNotRegex(self.server.log(), r"lease \d+: tenant")

    def test_it_answers_while_every_worker_is_taken(self):
        self.serve("--max-workers", "1")
        self.server.wait_log("is warm")
        holder = dgsf.Client(self.port, dgsf.lease())
        self.addCleanup(holder.sock.close)
        self.server.wait_log(r"lease 1: tenant")
        said, _ = self.run_lines(START + "say(total=n.nvmlDeviceGetMemoryInfo(d).total)")
        self.assertEqual(said["total"], GIB // 2)

    def test_the_memory_limit_is_that_of_a_lease(self):
        self.serve()
        said, _ = self.run_lines(START + "say(total=n.nvmlDeviceGetMemoryInfo(d, n.nvmlMemory_v2).total, attributes=n.nvmlDeviceGetAttributes(d).memorySizeMB)",
                                 env={"VGPU_MEM_LIMIT": "64M"})
        self.assertEqual(said, {"total": 64 << 20, "attributes": 64})

    def test_with_a_session_it_agrees_with_cuMemGetInfo(self):
        self.serve()
        said, _ = self.run_lines(START + """
cuda = ctypes.CDLL("libcuda.so.1")
ctx, left, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
cuda.cuInit(0); cuda.cuDevicePrimaryCtxRetain(ctypes.byref(ctx), 0)
none = n.nvmlDeviceGetMemoryInfo(d).used
current = ctypes.c_void_p(1)
cuda.cuCtxGetCurrent(ctypes.byref(current))
cuda.cuCtxSetCurrent(ctx)
cuda.cuMemAlloc_v2(ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(50 << 20))
cuda.cuMemGetInfo_v2(ctypes.byref(left), ctypes.byref(total))
m = n.nvmlDeviceGetMemoryInfo(d)
say(cuda=[left.value, total.value], nvml=[m.free, m.total], used=m.used, none=none, current=current.value, pid=os.getpid(),
    processes=[[p.pid, p.usedGpuMemory] for p in n.nvmlDeviceGetComputeRunningProcesses(d)],
    graphics=n.nvmlDeviceGetGraphicsRunningProcesses(d))
""")
        self.assertEqual(said["nvml"], said["cuda"])
        self.assertGreaterEqual(said["used"], 50 << 20)
        self.assertEqual(said["none"], said["used"] - (50 << 20))
        self.assertIsNone(said["current"])
        self.assertEqual((said["processes"], said["graphics"]), ([[said["pid"], said["used"]]], []))

    def test_another_process_sees_what_the_tenant_uses_and_no_other_tenant(self):
        self.serve()
        holder = self.start("""
cuda = ctypes.CDLL("libcuda.so.1")
ctx = ctypes.c_void_p()
cuda.cuInit(0); cuda.cuDevicePrimaryCtxRetain(ctypes.byref(ctx), 0); cuda.cuCtxSetCurrent(ctx)
say(r=cuda.cuMemAlloc_v2(ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(50 << 20)))
cuda.cuCtxSynchronize()
sys.stdin.read()
""", env={"VGPU_TENANT": "ada"})
        self.addCleanup(holder.communicate)
        self.assertEqual(json.loads(holder.stdout.readline()), {"r": 0})
        lines = START + "import time\nend = time.monotonic() + 10\nwhile n.nvmlDeviceGetMemoryInfo(d).used < 50 << 20 and time.monotonic() < end: pass\n" \
            "say(used=n.nvmlDeviceGetMemoryInfo(d).used)"
        said, _ = self.run_lines(lines, env={"VGPU_TENANT": "ada"})
        self.assertGreaterEqual(said["used"], 50 << 20)
        said, _ = self.run_lines(START + "say(used=n.nvmlDeviceGetMemoryInfo(d).used)", env={"VGPU_TENANT": "bob"})
        self.assertEqual(said["used"], 0)

    def test_what_is_not_known_is_not_supported(self):
        self.serve()
        said, _ = self.run_lines(START + """
say(codes=[code(fn, d, *args) for fn, *args in ((n.nvmlDeviceGetTemperature, 0), (n.nvmlDeviceGetPowerUsage,), (n.nvmlDeviceGetClockInfo, 0),
    (n.nvmlDeviceGetUtilizationRates,), (n.nvmlDeviceGetMigMode,), (n.nvmlDeviceGetNvLinkState, 0), (n.nvmlDeviceGetSerial,))],
    driver=code(n.nvmlSystemGetDriverVersion))
""")
        self.assertEqual(said, {"codes": [3] * 7, "driver": 3})

    def test_the_servers_own_library_gives_driver_and_utilisation(self):
        self.serve("--nvml", os.path.join(dgsf.BUILD, "tests", "unit", "nvml_double.so"))
        said, _ = self.run_lines(START + "u = n.nvmlDeviceGetUtilizationRates(d)\n"
                                         "say(rates=[u.gpu, u.memory], driver=n.nvmlSystemGetDriverVersion(), nvml=n.nvmlSystemGetNVMLVersion())")
        self.assertEqual(said, {"rates": [37, 12], "driver": "580.1.2", "nvml": "13.580.1.2"})

    def test_a_library_that_hangs_does_not_hold_the_server(self):
        with unittest.mock.patch.dict(os.environ, NVML_DOUBLE_HANGS="1"):
            self.serve("--nvml", os.path.join(dgsf.BUILD, "tests", "unit", "nvml_double.so"))
        said, _ = self.run_lines(START + "say(rates=[code(n.nvmlDeviceGetUtilizationRates, d) for _ in range(3)], "
                                         "total=n.nvmlDeviceGetMemoryInfo(d).total, driver=n.nvmlSystemGetDriverVersion())")
        self.assertEqual(said, {"rates": [3] * 3, "total": GIB // 2, "driver": "580.1.2"})

    def test_a_server_does_not_ask_itself(self):
        self.serve("--nvml", LIBRARY)
        said, _ = self.run_lines(START + "say(rates=code(n.nvmlDeviceGetUtilizationRates, d))")
        self.assertEqual(said, {"rates": 3})

    def test_events_fields_and_the_brand(self):
        self.serve()
        said, _ = self.run_lines(START + """
import time
s, t = n.nvmlEventSetCreate(), time.monotonic()
fields = n.nvmlDeviceGetFieldValues(d, [n.NVML_FI_DEV_MEMORY_TEMP, n.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, 9999])
say(types=n.nvmlDeviceGetSupportedEventTypes(d), register=code(n.nvmlDeviceRegisterEvents, d, 8, s), wait=code(n.nvmlEventSetWait_v2, s, 200),
    waited=time.monotonic() - t >= 0.19, free=[code(n.nvmlEventSetFree, s) for _ in range(2)], gone=code(n.nvmlEventSetWait_v2, s, 0),
    fields=[f.nvmlReturn for f in fields], brand=n.nvmlDeviceGetBrand(d))
""")
        self.assertEqual(said, {"types": 0, "register": 3, "wait": 10, "waited": True, "free": [0, 2], "gone": 2, "fields": [3] * 3, "brand": 0})

    def test_the_private_table_says_not_supported(self):
        lib = ctypes.CDLL(LIBRARY)
        table, other = ctypes.c_void_p(), ctypes.c_void_p(1)
        known = bytes.fromhex("c4fe3e6cc98f6c4ea327ee696e12f7c4")
        self.assertEqual(lib.nvmlInternalGetExportTable(ctypes.byref(table), known), 0)
        words = ctypes.cast(table, ctypes.POINTER(ctypes.c_uint64))
        slot = ctypes.CFUNCTYPE(ctypes.c_int)
        self.assertEqual([words[0] // 8, slot(words[1])(), slot(words[words[0] // 8 - 1])()], [1024, 3, 3])
        self.assertNotEqual(lib.nvmlInternalGetExportTable(ctypes.byref(other), bytes(16)), 0)
        self.assertFalse(other.value)
        self.assertEqual(lib.nvmlInternalGetExportTable(None, known), 2)

    def nvidia_smi(self, *args):
        p = subprocess.run([os.path.join(dgsf.BUILD, "nvidia-smi", "nvidia-smi"), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                           env={**os.environ, "LD_LIBRARY_PATH": ":".join(PATHS), "VGPU_SERVER": f"127.0.0.1:{self.port}"}, check=False)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout

    def test_nvidia_smi(self):
        missing = os.path.join(dgsf.BUILD, "nvidia-smi.missing")
        if not os.path.exists(os.path.join(dgsf.BUILD, "nvidia-smi", "nvidia-smi")):
            why = "no build/nvidia-smi: tools/nvidia-smi.sh"
            if os.path.exists(missing):
                with open(missing) as f:
                    why = f.read().strip()
            self.skipTest(why)
        with unittest.mock.patch.dict(os.environ, NVML_DOUBLE_DRIVER="580.65.06"):
            self.serve("--nvml", os.path.join(dgsf.BUILD, "tests", "unit", "nvml_double.so"))
        self.assertRegex(self.nvidia_smi("-L"), r"^GPU 0: softgpu \(UUID: GPU-[0-9a-f-]{36}\)\n$")
        said = self.nvidia_smi("--format=csv,noheader", "--query-gpu=name,memory.total,memory.used,memory.free,driver_version,utilization.gpu,"
                               "utilization.memory,temperature.gpu,power.draw,compute_cap,pci.bus_id,clocks.sm")
        self.assertEqual(said, "softgpu, 512 MiB, 0 MiB, 512 MiB, 580.65.06, 37 %, 12 %, [N/A], [N/A], 7.5, 00000000:01:00.0, [N/A]\n")
        plain = self.nvidia_smi()
        self.assertRegex(plain, r"Driver Version: 580\.65\.06 +CUDA Version: 13\.0")
        self.assertRegex(plain, r"\| N/A +N/A +N/A +N/A / +N/A \| +0MiB / +512MiB \| +37% +Default \|")
        self.assertRegex(self.nvidia_smi("topo", "-m"), r"GPU0\s+X")
        long = self.nvidia_smi("-q")
        self.assertNotRegex(long, "Unknown Error")
        for line in ("Product Brand +: Unknown", "Total +: 512 MiB", "Gpu +: 37 %", "Current Power Limit +: N/A", "GPU Current Temp +: N/A"):
            self.assertRegex(long, line)

    # ---- what may go wrong ----

    def test_a_server_that_dies_loses_the_gpu_and_says_so_once(self):
        self.serve()
        child = self.start(START + "say(up=1); sys.stdin.readline()\nsay(codes=[code(n.nvmlDeviceGetMemoryInfo, d) for _ in range(3)], name=n.nvmlDeviceGetName(d), "
                                   "init=code(n.nvmlInit))\nn.nvmlShutdown(); n.nvmlShutdown()\nsay(init=code(n.nvmlInit))")
        self.assertEqual(json.loads(child.stdout.readline()), {"up": 1})
        self.server.kill()
        out, err = child.communicate("\n", timeout=60)
        lost, again = (json.loads(line) for line in out.splitlines())
        self.assertEqual((lost["codes"], lost["init"], again["init"]), ([15] * 3, 0, 9))
        self.assertTrue(lost["name"])
        self.assertRegex(err, r"^libnvml: server 127\.0\.0\.1:\d+: Connection refused\n$")

    def test_without_a_server_or_a_device_no_driver_is_loaded(self):
        said, err = self.run_lines("say(init=code(n.nvmlInit))", server=" ", env={"VGPU_DEVICE": "", "VGPU_SERVER": ""})
        self.assertEqual(said["init"], 9)
        self.assertRegex(err, r"^libnvml: ")

    def test_a_wrong_memory_limit_is_said(self):
        said, err = self.run_lines("say(init=code(n.nvmlInit))", server="127.0.0.1:1", env={"VGPU_MEM_LIMIT": "much"})
        self.assertEqual((said["init"], err), (9, "libnvml: VGPU_MEM_LIMIT=much is not a number of bytes\n"))

    def answer(self, data):
        """A server that answers each connection with data, and the time that nvmlInit() took."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        held = []

        def serve():
            while True:
                try:
                    sock = listener.accept()[0]
                except OSError:
                    return
                held.append(sock)
                if data is not None:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
        threading.Thread(target=serve, daemon=True).start()
        start = time.monotonic()
        said, err = self.run_lines("say(init=code(n.nvmlInit))", server=f"127.0.0.1:{listener.getsockname()[1]}")
        self.assertEqual(said["init"], 9)
        self.assertEqual(err.count("libnvml: "), 1)
        return err, time.monotonic() - start

    def test_a_server_that_answers_nonsense_is_no_driver(self):
        info = struct.pack("<IIQQII", 1, 13000, GIB, 0, 0, 1)
        device = struct.pack("<64s16sQIIII", b"x" * 64, bytes(16), GIB, 0, 0, 1000, 0)
        for what, data in (("nothing", b""), ("half a header", b"\0" * 7), ("a size of 0", struct.pack("<IHHQ", 0, OP_INFO, 0, 0)),
                           ("a large size", struct.pack("<IHHQ", 1 << 31, OP_INFO, 0, 0)), ("a size of 17", struct.pack("<IHHQ", 17, OP_INFO, 0, 0) + b"x"),
                           ("no payload", dgsf.frame(OP_INFO)), ("no device", dgsf.frame(OP_INFO, info)), ("another op", dgsf.frame(OP_INFO + 1, info)),
                           ("a long value", dgsf.frame(OP_INFO, info + struct.pack("<HHI", 2, 0, 1 << 30))),
                           ("too many attributes", dgsf.frame(OP_INFO, info + struct.pack("<HHI", 2, 0, len(device)) + device)),
                           ("a required value", dgsf.frame(OP_INFO, info + struct.pack("<HHI", 99, 1, 0))),
                           ("a refusal without text", dgsf.frame(dgsf.OP_REFUSED, dgsf.REFUSED.pack(46, 4, 1, 1, 500)))):
            with self.subTest(what):
                self.assertRegex(self.answer(data)[0], r"libnvml: server 127\.0\.0\.1:\d+: ")

    def test_a_refusal_is_said_in_the_servers_words(self):
        text = b"no common version"
        err, _ = self.answer(dgsf.frame(dgsf.OP_REFUSED, dgsf.REFUSED.pack(46, 1, 2, 2, len(text)) + text))
        self.assertIn("no common version", err)

    def test_a_silent_server_is_left_after_five_seconds(self):
        err, took = self.answer(None)
        self.assertIn("timed out", err.lower())
        self.assertGreater(took, 4.5)

    # ---- the frame ----

    def query(self, **kw):
        frame = bytearray(dgsf.lease(**kw))
        struct.pack_into("<H", frame, 4, OP_QUERY)
        return bytes(frame)

    def test_a_query_is_answered_and_the_connection_ends(self):
        self.serve()
        self.server.wait_log("is warm")
        with dgsf.Client(self.port, self.query()) as c:
            op, payload = c.recv()
            version, driver, limit, used, leases, devices = struct.unpack_from("<IIQQII", payload)
            self.assertEqual((op, version, limit, used, leases, devices), (OP_INFO, 1, GIB // 2, 0, 0, 1))
            self.assertGreaterEqual(driver, 13000)
            self.assertTrue(c.at_end())
        with dgsf.Client(self.port, self.query(mem=64 * GIB)) as c:
            self.assertEqual(struct.unpack_from("<Q", c.recv()[1], 8)[0], 2 * GIB)
        with dgsf.Client(self.port, self.query(version=9, version_min=9)) as c:
            self.assertEqual(c.refused()[1], dgsf.REASON_VERSION)

    # ---- the names ----

    def test_every_name_that_the_module_looks_up_is_there(self):
        with open(MODULE) as f:
            names = set(re.findall(r"_nvmlGetFunctionPointer\([\"'](nvml\w+)", f.read()))
        self.assertGreater(len(names), 300)
        library = ctypes.CDLL(LIBRARY)
        self.assertEqual([name for name in sorted(names) if not hasattr(library, name)], [])


if __name__ == "__main__":
    dgsf.main()
