#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Every program of tests/cuda in direct mode, on softgpu: results, round trips, bytes, and what happens when things break.

    program + libcuda.so.1 (libvcuda) --TCP--> vgpu-server --> vgpu-worker + softgpu

And with softgpu itself as the program's libcuda.so.1: class OnSoftgpu.
"""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import dgsf

CUDA = os.path.join(dgsf.BUILD, "tests", "cuda")
DATA = os.path.join(dgsf.ROOT, "tests", "data")
SOFTGPU = os.path.join(dgsf.BUILD, "softgpu", "libcuda.so.1")
LIBVCUDA = os.path.join(dgsf.BUILD, "libvcuda")
STATS = re.compile(r"vgpu: calls=(\d+) round_trips=(\d+) bytes_out=(\d+) bytes_in=(\d+) waited=([\d.]+)")


class Done:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err
        m = STATS.search(err)
        self.calls, self.round_trips, self.bytes_out, self.bytes_in = (int(v) for v in m.groups()[:4]) if m else (None,) * 4


class ProgramsTest(unittest.TestCase):
    server_args = ("--workers", "2", "--mem-default", "512M")
    server_env = {}

    def setUp(self):
        self.server = dgsf.GpuServer("--log-level", "debug", *self.server_args, env=self.server_env)
        self.addCleanup(self.server.kill)
        self.port = self.server.port
        self.server.wait_log(r"is warm")

    def env(self, **more):
        return {**os.environ, "LD_LIBRARY_PATH": LIBVCUDA, "VGPU_SERVER": f"127.0.0.1:{self.port}", "VGPU_STATS": "1", **more}

    def start(self, name, *args, **env):
        p = subprocess.Popen([os.path.join(CUDA, name), *args], env=self.env(**env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (p.poll() is None and p.kill(), p.wait(), p.stdout.close(), p.stderr.close()))
        return p

    def run_program(self, name, *args, timeout=100, **env):
        p = self.start(name, *args, **env)
        out, err = p.communicate(timeout=dgsf.patient(timeout))
        return Done(p.returncode, out, err)

    def passes(self, name, *args, round_trips=None, **env):
        done = self.run_program(name, *args, **env)
        self.assertEqual(done.code, 0, f"{done.out}\n{done.err}\n{self.server.log()[-3000:]}")
        self.assertIn("PASS", done.out)
        if round_trips is not None:
            self.assertLessEqual(done.round_trips, round_trips, done.err)
        return done

    def leases_end(self, n):
        self.server.wait_log(r"lease \d+ ended", n)


class Programs(ProgramsTest):
    """Results, and the round trips that each may cost: lease, module, and one for each place where the program waits."""

    def test_vecadd(self):
        self.passes("vecadd", round_trips=3)

    def test_vecadd_with_the_shared_runtime(self):
        self.passes("vecadd_shared", round_trips=3,
                    LD_LIBRARY_PATH=LIBVCUDA)

    def test_vecadd_with_the_library_preloaded(self):
        # a sanitizer's runtime has to be the first
        libraries = [os.environ.get("DGSF_PRELOAD"), os.path.join(LIBVCUDA, "libcuda.so.1")]
        self.passes("vecadd", round_trips=3, LD_LIBRARY_PATH="", LD_PRELOAD=":".join(filter(None, libraries)))

    def test_vecadd_with_modules_loaded_eagerly(self):
        self.passes("vecadd", CUDA_MODULE_LOADING="EAGER")

    def test_matmul(self):
        self.passes("matmul")

    @unittest.skipUnless(os.path.exists(os.path.join(CUDA, "fft")), "the toolkit has no cuFFT")
    def test_cufft(self):
        self.passes("fft")

    def test_reduce(self):
        self.passes("reduce")

    def test_histogram(self):
        self.passes("histogram")

    def test_streams(self):
        self.passes("streams")

    def test_cub(self):
        self.passes("cub_sort")

    def test_pageable(self):
        self.passes("pageable")

    def test_threads(self):
        self.passes("threads")

    def test_bulk(self):
        done = self.passes("bulk")
        self.assertNotIn("libvcuda:", done.err)
        stripes = [int(n) for n in self.server.wait_log(r"(\d+) stripes in, .*; (\d+) out")]
        self.assertGreater(sum(stripes) << 19, (done.bytes_out + done.bytes_in) * 9 // 10)  # nearly all of it goes that way

    def test_bulk_over_one_connection_and_over_none(self):
        self.passes("bulk", round_trips=58, VGPU_BULK="0")      # one for a copy, however many parts it has
        self.passes("bulk", VGPU_BULK="1")

    def test_drvptx(self):
        self.passes("drvptx")

    def test_pools(self):
        self.passes("pools")

    def test_virtual_memory_without_a_round_trip_but_for_what_waits(self):
        self.passes("shared", "--alone", round_trips=20)

    def test_memory_and_events_of_two_processes(self):
        self.passes("shared")

    def test_another_tenant_is_given_nothing(self):
        offer = subprocess.Popen([os.path.join(CUDA, "shared"), "--offer"], env=self.env(VGPU_TENANT="one"), stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (offer.stdin.close(), offer.wait(), offer.stdout.close(), offer.stderr.close()))
        handles = offer.stdout.read(192)
        for tenant, want in (("two", 0), ("one", 1)):
            p = subprocess.run([os.path.join(CUDA, "shared"), "--stranger"], env=self.env(VGPU_TENANT=tenant), input=handles, capture_output=True,
                               timeout=dgsf.patient(30))
            self.assertEqual(p.returncode, want, p.stdout + p.stderr)

    def test_mapped_and_managed_memory(self):
        self.passes("views")

    def test_a_launch_and_a_wait_on_mapped_memory_cost_one_round_trip(self):
        few = self.passes("views", "--rounds", "10")
        many = self.passes("views", "--rounds", "110")
        self.assertEqual(many.round_trips - few.round_trips, 100)

    def test_gridsync(self):
        self.passes("gridsync")

    def test_groups(self):
        self.passes("groups")

    def test_wmma(self):
        self.passes("wmma")

    def test_attributes_of_a_hundred_kernels(self):
        self.passes("manykernels")

    def test_a_module_of_a_thousand_kernels_comes_in_several_frames(self):
        self.passes("manykernels", "--kernels", "6000")

    def test_badimage(self):
        self.passes("badimage")

    @unittest.skipIf(dgsf.TSAN, "ThreadSanitizer follows no threads of a forked child")
    def test_fork_before_first_use(self):
        self.passes("forkfirst")

    @unittest.skipIf(dgsf.TSAN, "ThreadSanitizer follows no threads of a forked child")
    def test_a_child_of_a_program_that_used_the_device_is_told_so(self):
        self.passes("forkfirst", "--after")

    def test_kmeans_of_the_digits(self):
        done = self.passes("kmeans", "--csv", os.path.join(DATA, "digits.csv.gz"))
        iterations = int(re.search(r"iterations (\d+)", done.out).group(1))
        self.assertLessEqual(done.round_trips, 2 * iterations + 4)

    def test_kmeans_of_the_photograph_is_the_same_as_on_the_cpu(self):
        with tempfile.TemporaryDirectory() as d:
            args = ("--image", os.path.join(DATA, "china.jpg"), "--colors", "8", "--iterations", "6")
            gpu = self.run_program("kmeans", *args, "--no-check", "--out", f"{d}/gpu.png")
            self.assertEqual(gpu.code, 0, gpu.err)
            self.assertLessEqual(gpu.round_trips, 2 * 6 + 4)
            cpu = self.run_program("kmeans", *args, "--cpu", "--out", f"{d}/cpu.png")
            self.assertEqual(cpu.code, 0, cpu.err)
            with open(f"{d}/gpu.png", "rb") as a, open(f"{d}/cpu.png", "rb") as b:
                self.assertEqual(a.read(), b.read())

    def test_an_asynchronous_launch_costs_no_round_trip_and_64_bytes_beside_its_parameters(self):
        few = self.passes("async", "--launches", "100")
        many = self.passes("async", "--launches", "1100")
        self.assertEqual(few.round_trips, many.round_trips)
        parameters = 16     # a pointer, an int, to the next 8 bytes
        self.assertLessEqual((many.bytes_out - few.bytes_out) / 1000, 64 + parameters)

    def test_launches_make_no_system_call_while_the_peer_is_awake(self):
        done = self.passes("async", "--launches", "20000", VGPU_SPIN_US="1000")
        self.assertLessEqual(int(re.search(r"wakes=(\d+)", done.err).group(1)), 2000, done.err)

    def test_a_trace_has_one_line_a_call(self):
        with tempfile.NamedTemporaryFile("r") as f:
            done = self.passes("vecadd", VGPU_TRACE=f.name)
            lines = f.read().splitlines()
        self.assertEqual(len(lines), done.calls)
        self.assertTrue(any("cuLaunchKernel(" in line for line in lines))
        self.assertRegex(lines[-1], r"^\d+\.\d+ \d+ cu\w+\(.*\) = \d+ trips=\d+ [\d.]+ us$")

    def test_two_programs_at_once(self):
        programs = [self.start("matmul"), self.start("kmeans", "--csv", os.path.join(DATA, "digits.csv.gz"))]
        for p in programs:
            out, err = p.communicate(timeout=dgsf.patient(100))
            self.assertEqual(p.returncode, 0, err)
            self.assertIn("PASS", out)


class Cubins(ProgramsTest):
    """A device for which nvcc left machine code in the programs: the library reads its kernels itself, and waits for no module."""

    server_env = {"SOFTGPU_SM": "75"}

    def test_a_module_costs_no_round_trip(self):
        self.passes("vecadd", round_trips=2)
        self.passes("matmul", round_trips=2)
        self.passes("histogram", round_trips=2)

    def test_results(self):
        for name in ("streams", "threads", "graphs", "capture", "texture", "printf", "memory", "wmma", "cub_sort", "hostfunc"):
            with self.subTest(name):
                self.passes(name)

    def test_a_fault_is_told(self):
        self.passes("fault")


class HostFunctions(ProgramsTest):
    """The program's functions, graphs that reach its memory, and what kernels print: as without anything between."""

    def test_host_functions_and_graphs_that_reach_the_host(self):
        self.passes("hostfunc")

    def test_rules_of_captures(self):
        self.passes("capture", round_trips=7)

    def test_building_and_launching_graphs_costs_nothing(self):
        done = self.passes("graphs")
        self.assertLessEqual(done.round_trips, 22)

    def test_what_kernels_print_stands_where_it_belongs(self):
        done = self.passes("printf")
        want = "".join("host %d\ndevice %d, thread 0\ndevice %d, thread 1\n" % (i, i, i) for i in range(4)) + "host 4\nPASS\n"
        self.assertEqual(done.out, want)

    def test_a_kernel_prints_more_than_any_buffer_holds(self):
        done = self.passes("printf", "--lines", "60000")
        lines = [x for x in done.out.splitlines() if x.startswith("line")]
        self.assertEqual(lines, ["line %d of what one kernel has to say" % i for i in range(60000)])

    def test_a_failed_assertion_is_told_on_stderr(self):
        done = self.passes("printf", "--assert")
        self.assertRegex(done.err, r"ssertion `v == 2` failed")

    def test_a_program_that_dies_in_a_function_gives_everything_back(self):
        p = self.start("hostfunc", "--stall", "100")
        p.stdout.readline()
        p.kill()
        p.wait()
        self.leases_end(1)
        self.passes("vecadd")

    def test_a_server_that_dies_while_a_function_runs(self):
        p = self.start("hostfunc", "--stall", "100")
        p.stdout.readline()
        for pid in [self.server.pid] + self.server.children():
            os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        p.communicate(timeout=dgsf.patient(20))
        self.assertLess(time.monotonic() - start, 5)
        self.assertNotEqual(p.returncode, 0)


class Trouble(ProgramsTest):
    """Things that break: a clear error, soon, and the next program is served."""

    def and_then_the_next_is_served(self):
        self.passes("vecadd")

    def test_no_server(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            done = self.run_program("vecadd", VGPU_SERVER="127.0.0.1:%d" % s.getsockname()[1])
        self.assertNotEqual(done.code, 0)
        self.assertIn("Connection refused", done.err)

    def test_a_kernel_that_faults_poisons_its_own_program_alone(self):
        idle = self.start("idle", "--seconds", "4")
        self.assertEqual(self.run_program("fault").code, 0)
        self.and_then_the_next_is_served()
        self.assertEqual(idle.wait(20), 0)

    def test_more_memory_than_the_limit_is_out_of_memory(self):
        done = self.run_program("oom", VGPU_MEM_LIMIT="64M")
        self.assertEqual(done.code, 0, done.out + done.err)

    def test_a_limit_that_is_no_number_is_refused_with_its_name(self):
        for value in ("64X", "12MM", "-1", "M"):
            done = self.run_program("vecadd", VGPU_MEM_LIMIT=value)
            self.assertNotEqual(done.code, 0)
            self.assertIn(f"VGPU_MEM_LIMIT={value} is not a number of bytes", done.err)

    def test_memory_the_server_has_not_is_refused_with_the_reason(self):
        done = self.run_program("vecadd", VGPU_MEM_LIMIT="999G")
        self.assertNotEqual(done.code, 0)
        self.assertRegex(done.err, r"libvcuda: .*memory")

    def test_server_killed_under_a_program(self):
        p = self.start("bigcopy", "--seconds", "30")
        p.stdout.readline()
        for pid in [self.server.pid] + self.server.children():
            os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        _, err = p.communicate(timeout=dgsf.patient(20))
        self.assertLess(time.monotonic() - start, 2)
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("libvcuda: connection to the server lost", err)

    def test_managed_memory_can_be_touched_when_the_server_is_gone(self):
        p = subprocess.Popen([os.path.join(CUDA, "views"), "--hold"], env=self.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.addCleanup(lambda: p.poll() is None and p.kill())
        self.assertEqual(p.stdout.readline(), "ready\n")
        for pid in [self.server.pid] + self.server.children():
            os.kill(pid, signal.SIGKILL)
        out, err = p.communicate("\n", timeout=dgsf.patient(20))
        self.assertEqual(p.returncode, 0, out + err)
        self.assertIn("libvcuda: connection to the server lost", err)

    def test_worker_killed_under_a_program(self):
        before = set(self.server.children())
        p = self.start("bigcopy", "--seconds", "30")
        p.stdout.readline()
        pid = int(self.server.wait_log(r"worker (\d+).*lease|lease \d+.*worker (\d+)")[0] or 0)
        for victim in [pid] if pid in before else before:
            os.kill(victim, signal.SIGKILL)
        start = time.monotonic()
        p.communicate(timeout=dgsf.patient(20))
        self.assertLess(time.monotonic() - start, 2)
        self.assertNotEqual(p.returncode, 0)
        self.and_then_the_next_is_served()

    def test_program_killed_in_a_copy_gives_everything_back(self):
        p = self.start("bigcopy", "--seconds", "30")
        p.stdout.readline()
        p.kill()
        p.wait()
        self.leases_end(1)
        self.and_then_the_next_is_served()

    @unittest.skipIf(dgsf.TSAN, "ThreadSanitizer has a thread of its own in each process, which wakes up")
    def test_an_idle_session_and_worker_use_no_cpu(self):
        p = self.start("idle", "--seconds", "6")
        p.stdout.readline()
        time.sleep(1)
        processes = [p.pid, self.server.pid] + self.server.children()

        def ticks():
            total = 0
            for pid in processes:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
            return total
        before = ticks()
        time.sleep(3)
        self.assertEqual(ticks() - before, 0)


@unittest.skipIf(dgsf.TSAN, "ThreadSanitizer's own memory grows")
class Memory(ProgramsTest):
    """Copies use no more memory for being large."""
    server_args = ("--workers", "1", "--mem-default", "600M")
    GROWTH_MAX = 16 << 20       # stacks, and buffers of a fixed size that small copies did not fill
    others = ()                 # processes that are looked at, too

    def peak(self, pid):
        with open(f"/proc/{pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) << 10

    def grows_little(self, mib, **env):
        p = subprocess.Popen([sys.executable, os.path.join(dgsf.HERE, "bulkmem.py"), str(mib)], env=self.env(**env), text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (p.poll() is None and p.kill(), p.wait(), p.stdin.close(), p.stdout.close(), p.stderr.close()))
        peaks = []
        for _ in range(2):
            line = p.stdout.readline()
            self.assertTrue(line, p.stderr.read() if p.poll() is not None else "nothing was said")
            pids = (p.pid, int(self.server.wait_log(r"lease \d+: tenant .* worker (\d+)")), self.server.pid, *self.others)
            peaks.append([int(line)] + [self.peak(pid) for pid in pids[1:]])
            p.stdin.write("\n")
            p.stdin.flush()
        self.assertEqual(p.wait(10), 0)
        for before, after, who in zip(*peaks, ("program", "worker", "server", "vgpud")):
            self.assertLess(after - before, self.GROWTH_MAX, f"the {who} grew from {before} to {after} bytes")

    def test_large_copies_over_several_connections(self):
        self.grows_little(512)

    def test_large_copies_over_one_connection(self):
        self.grows_little(128, VGPU_BULK="0")


@unittest.skipIf(dgsf.TSAN, "softgpu alone is not what ThreadSanitizer is for")
class OnSoftgpu(unittest.TestCase):
    """Unmodified programs of the runtime and of the driver API, with no DGSF between them and softgpu."""

    def run_program(self, name, *args, timeout=60, **env):
        p = subprocess.run([os.path.join(CUDA, name), *args], env={**os.environ, "LD_LIBRARY_PATH": os.path.dirname(SOFTGPU), **env},
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=dgsf.patient(timeout))
        return Done(p.returncode, p.stdout, p.stderr)

    def passes(self, name, *args, **env):
        done = self.run_program(name, *args, **env)
        self.assertEqual(done.code, 0, f"{name} {args} {env}\n{done.out}\n{done.err}")
        self.assertIn("PASS", done.out)
        return done

    def test_a_launch_from_the_device_is_refused_by_name(self):
        done = self.passes("devlaunch", SOFTGPU_SM="90")
        self.assertIn("refused", done.out)
        self.assertRegex(done.err, "line \\d+, column \\d+: '\\w*GetParameterBufferV2' launches from the device")

    def test_the_runtime_linked_statically(self):
        for name in ("vecadd", "matmul", "reduce", "histogram", "streams", "threads", "gridsync", "groups", "texture", "arrays", "contexts", "memory", "runtime"):
            self.passes(name)

    def test_graphs(self):
        for name in ("graphs", "hostfunc", "capture", "printf"):
            self.passes(name)

    def test_the_runtime_as_a_shared_library(self):
        self.passes("vecadd_shared")

    @unittest.skipUnless(os.path.exists(os.path.join(CUDA, "fft")), "the toolkit has no cuFFT")
    def test_cufft(self):
        self.passes("fft")

    def test_modules_loaded_eagerly(self):
        self.passes("vecadd", CUDA_MODULE_LOADING="EAGER")

    def test_driver_api(self):
        for name in ("drvptx", "manykernels", "badimage", "forkfirst", "pools", "views", "shared"):
            self.passes(name)

    def test_small_copies_and_launches(self):
        self.passes("async", "--launches", "100")
        self.passes("spin", "--ms", "20")
        self.passes("idle", "--seconds", "0")

    def test_kmeans_of_the_digits(self):
        self.passes("kmeans", "--csv", os.path.join(DATA, "digits.csv.gz"))

    def test_no_race_is_found_where_there_is_none(self):
        for name, *args in (("vecadd",), ("matmul",), ("reduce",), ("histogram",), ("gridsync",), ("groups",), ("texture",), ("wmma",), ("graphs",),
                            ("kmeans", "--csv", os.path.join(DATA, "digits.csv.gz"))):
            self.assertNotIn("softgpu:", self.passes(name, *args, SOFTGPU_CHECK="race").err)

    def test_no_race_is_found_in_cub(self):
        for name in ("cub_sort", "cub_scan", "cub_pick"):
            self.assertNotIn("softgpu:", self.passes(name, SOFTGPU_CHECK="race", SOFTGPU_SM="90").err)

    def test_barriers_of_each_capability_order_what_they_should(self):
        for sm in ("75", "80", "90"):
            self.assertNotIn("softgpu:", self.passes("groups", SOFTGPU_CHECK="race", SOFTGPU_SM=sm).err)

    def test_a_fault_is_told_with_its_place(self):
        done = self.passes("fault")
        self.assertRegex(done.err, r"softgpu: kernel \w+: illegal global access")

    def test_more_memory_than_there_is(self):
        self.passes("oom", SOFTGPU_MEMORY="64M")

    def test_a_child_of_a_program_that_used_the_device_is_told_so(self):
        self.passes("forkfirst", "--after")


class HostileServer(unittest.TestCase):
    """What a server that lies can do to a program: end it with an error, within seconds, never by a signal."""

    def answer(self, data):
        """What vecadd does when the answer to its LEASE and HELLO is data."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            p = subprocess.Popen([os.path.join(CUDA, "vecadd")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env={**os.environ, "LD_LIBRARY_PATH": LIBVCUDA, "VGPU_SERVER": "127.0.0.1:%d" % listener.getsockname()[1]})
            listener.settimeout(10)
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(10)
                for _ in range(2):
                    size, = struct.unpack_from("<I", head := dgsf.read_exactly(sock, 16))
                    dgsf.read_exactly(sock, size - len(head))
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                out, err = p.communicate(timeout=dgsf.patient(10))
        self.assertEqual(p.returncode, 1, f"{data[:64]!r}: {p.returncode}\n{out}\n{err}")
        self.assertRegex(err, "libvcuda: ")
        return err

    def test_frames_whose_length_is_wrong(self):
        for size in (0, 1, 8, 15, 17, 20, (1 << 20) + 8, 0xfffffff8, 0xffffffff):
            self.answer(struct.pack("<IHHQ", size, dgsf.OP_WELCOME, 0, 0) + bytes(4096))

    def test_frames_that_nobody_asked_for(self):
        for op, flags in ((0x0101, 1), (0x0502, 0), (0xf008, 0), (0xf0ff, 0), (dgsf.OP_HELLO, 0), (dgsf.OP_LEASE, 0)):
            self.answer(dgsf.frame(op, bytes(64), seq=7, flags=flags))

    def test_greetings_cut_short_everywhere(self):
        for n in range(0, 256, 8):
            self.answer(dgsf.frame(dgsf.OP_WELCOME, bytes([1, 0, 0, 0]) + bytes(n)))

    def test_another_table_is_refused_with_both_named(self):
        err = self.answer(dgsf.frame(dgsf.OP_WELCOME, struct.pack("<IIQQ", 1, 13000, 0, 0x1234) + bytes(64)))
        self.assertRegex(err, r"table 0000000000001234, this library 1 with table [0-9a-f]{16}")

    def test_a_reason_longer_than_its_frame(self):
        self.answer(dgsf.frame(dgsf.OP_REFUSED, dgsf.REFUSED.pack(46, 5, 1, 1, 0xffffffff) + b"no"))

    def test_the_end_instead_of_an_answer(self):
        self.answer(b"")

    def test_a_reason_is_shown(self):
        err = self.answer(dgsf.frame(dgsf.OP_REFUSED, dgsf.REFUSED.pack(46, 2, 1, 1, 9) + b"no room  "))
        self.assertIn("libvcuda: no room", err)


class Full(ProgramsTest):
    server_args = ("--workers", "1", "--max-workers", "1", "--mem-default", "512M", "--queue-wait", "3s")

    def test_a_full_server_gives_up_after_its_wait(self):
        holder = self.start("idle", "--seconds", "30")
        holder.stdout.readline()
        start = time.monotonic()
        done = self.run_program("vecadd")
        self.assertNotEqual(done.code, 0)
        self.assertGreater(time.monotonic() - start, 2.9)
        self.assertRegex(done.err, r"libvcuda: waited \d+ ms for a (warm )?worker")
        self.assertEqual(len(re.findall("waiting for a GPU of the server: place 1 in its queue", done.err)), 1, done.err)

    def test_a_queued_program_runs_when_its_turn_comes(self):
        holder = self.start("idle", "--seconds", "30")
        holder.stdout.readline()
        waiting = self.start("vecadd")
        time.sleep(0.5)
        self.assertIsNone(waiting.poll())
        holder.kill()
        out, err = waiting.communicate(timeout=dgsf.patient(20))
        self.assertEqual(waiting.returncode, 0, err)
        self.assertIn("PASS", out)


class Queued(ProgramsTest):
    server_args = ("--workers", "1", "--max-workers", "1", "--mem-default", "512M", "--queue-wait", "60s")

    def test_who_waits_is_told_each_place(self):
        self.start("idle", "--seconds", "60").stdout.readline()
        before = self.start("vecadd")
        self.assertRegex(before.stderr.readline(), r"^libvcuda: waiting for a GPU of the server: place 1 in its queue, \d+ s so far$")
        behind = self.start("vecadd")
        self.assertIn("place 2 in its queue", behind.stderr.readline())
        before.kill()
        self.assertIn("place 1 in its queue", behind.stderr.readline())


class Many(ProgramsTest):
    def test_two_hundred_programs_in_a_row_leave_nothing_behind(self):
        self.passes("vecadd")
        self.leases_end(1)
        time.sleep(0.5)
        before = self.server.fds()
        for _ in range(200):
            self.passes("vecadd")
        self.leases_end(201)
        time.sleep(0.5)
        self.assertLessEqual(self.server.fds(), before + 1)
        self.assertLessEqual(len(self.server.children()), 3)


if __name__ == "__main__":
    dgsf.main()
