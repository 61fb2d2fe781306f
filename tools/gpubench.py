#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
gpubench.py - on a machine with an NVIDIA GPU: what DGSF costs, natively and remotely in turn

    tools/gpubench.py [--pairs N] [--seconds S] [--steps N] [--out DIRECTORY] [--delays US,US...] [--no-torch]
    tools/gpubench.py --document FILE.json

Each pair runs tests/gpu/micro and tests/gpu/models.py (where PyTorch is) natively, through DGSF over the loopback
interface, and with each delay of a round trip added by build/tools/delayproxy. --seconds: no pair is begun that would
end later, as far as the ones before it tell. Writes after each pair DIRECTORY/gpubench.json (every value of every run),
gpubench.rst (medians, ratios, goals) and gpubench.svg, and prints the table at the end.

--document writes picture and table of such a file into Documentation, which needs no GPU.
"""
import argparse
import glob
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

import gpucheck
import gpupicture

ROOT, BUILD = gpucheck.ROOT, gpucheck.BUILD
MICRO = os.path.join(BUILD, "tests", "gpu", "micro")
MODELS = os.path.join(ROOT, "tests", "gpu", "models.py")
DOCUMENTATION = os.path.join(ROOT, "Documentation")
BEGIN, END = ".. gpubench: begin, written by tools/gpubench.py --document\n", ".. gpubench: end\n"
# Of a steady step: the places where the program itself waits.
WAITS = {"resnet50": 2, "bert": 2, "gpt2": 71, "train": 3}


def torch_libraries():
    """Folders of the libraries that PyTorch brings, without importing it; nothing where it is not installed."""
    spec = importlib.util.find_spec("torch")
    if not spec:
        return None
    site = os.path.dirname(os.path.dirname(spec.origin))
    return sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))


def cublas(folders):
    found = [x for d in folders or [] for x in glob.glob(os.path.join(d, "libcublas.so.*"))]
    return found[:1]


def run(argv, env):
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          check=False)
    if done.returncode:
        print("# %s: exit status %d\n# %s" % (argv[-1], done.returncode, done.stderr[-1500:].replace("\n", "\n# ")), file=sys.stderr)
    return done


def micro(env, folders):
    env = {**env, "LD_LIBRARY_PATH": ":".join([env.get("LD_LIBRARY_PATH", ""), *(folders or [])])}
    out = {}
    for line in run([MICRO, *cublas(folders)], env).stdout.splitlines():
        name, value, unit = line.split("\t")
        out["%s, %s" % (name, unit)] = float(value)
    return out


def torch(env, steps):
    out = {}
    done = run([sys.executable, MODELS, "--steps", str(steps)], env)
    for line in done.stdout.splitlines():
        if not line.startswith("{"):
            continue
        result = json.loads(line)
        name = result.pop("program")
        for what, value in result.items():
            if what == "init":
                out["torch.cuda.init, ms"] = value * 1e3
            elif what in ("load", "first", "step"):
                out["%s %s, ms" % (name, what)] = value * 1e3
            elif what != "trips":
                out["%s %s" % (name, what)] = value
    m = gpucheck.STATS.search(done.stderr)
    if m:
        out["PyTorch round trips"] = int(m.group(2))
    return out


class Delayed:
    """build/tools/delayproxy before the server."""

    def __init__(self, port, us):
        self.proc = subprocess.Popen([os.path.join(BUILD, "tools", "delayproxy"), "--listen", "127.0.0.1:0", "--to", "127.0.0.1:%d" % port,
                                      "--rtt", str(us)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.proc.stdout.readline().rsplit(":", 1)[1])

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)


def environments(port, delays, proxies):
    remote = {**os.environ, "LD_LIBRARY_PATH": ":".join([os.path.join(BUILD, "libvcuda"), os.path.join(BUILD, "libnvml"), os.environ.get("LD_LIBRARY_PATH", "")]),
              "LD_PRELOAD": os.path.join(BUILD, "libvcuda", "libcuda.so.1"), "VGPU_STATS": "1"}
    yield "native", dict(os.environ)
    yield "loopback", {**remote, "VGPU_SERVER": "127.0.0.1:%d" % port}
    for us in delays:
        proxies.append(Delayed(port, us))
        yield "+%d us" % us, {**remote, "VGPU_SERVER": "127.0.0.1:%d" % proxies[-1].port}


def measure_pair(values, envs, folders, steps):
    """values: {measure: {where: [values]}}"""
    for where, env in envs:
        one = micro(env, folders)
        if folders is not None:
            one.update(torch(env, steps))
        for name, value in one.items():
            values.setdefault(name, {}).setdefault(where, []).append(value)


def number(v):
    return "%.0f" % v if abs(v) >= 1000 else "%.3g" % v


def delay_ms(where):
    return float(where[1:].split()[0]) / 1e3 if where.startswith("+") else 0


def goal(name, where, native):
    """(what it is, the limit) of a measure, in its own unit; (None, None): there is none."""
    program, _, what = name.partition(" ")
    if where == "native":
        return None, None
    if what == "step, ms" and program in WAITS:
        if where == "loopback":
            return "1.00 x native", native
        return "native + %d x delay + 3 %%" % WAITS[program], native * 1.03 + WAITS[program] * delay_ms(where)
    if name in ("torch.cuda.init, ms", "start to first product, ms") and where == "loopback":
        return "0.3 x native", 0.3 * native
    if name == "launch, us" and where == "loopback":
        return "0.3 us", 0.3
    return None, None


def medians_of(by):
    return {w: statistics.median(v) for w, v in by.items()}


def goals(name, medians, wheres):
    """Two cells: the goals, and for each of them whether it is met."""
    texts, met = [], []
    for w in wheres[1:]:
        text, limit = goal(name, w, medians.get("native", 0))
        if text and w in medians and "native" in medians:
            texts.append(text)
            met.append("yes" if medians[w] <= limit else "no")
    return "; ".join(dict.fromkeys(texts)), ", ".join(met)


def table(values, wheres):
    head = ["what", *wheres] + ["%s / native" % w for w in wheres[1:]] + ["goal", "met"]
    rows = []
    for name, by in values.items():
        medians = medians_of(by)
        ratios = [number(medians[w] / medians["native"]) if medians.get("native") and w in medians else "" for w in wheres[1:]]
        rows.append([name, *(number(medians[w]) if w in medians else "" for w in wheres), *ratios, *goals(name, medians, wheres)])
    return gpucheck.table_of(head, rows)


def bars(values, wheres, chosen):
    """For gpupicture.py: (name, [(where, ratio to native, label, limit as a ratio or None)])"""
    for name, by in values.items():
        medians = medians_of(by)
        if not chosen(name) or not medians.get("native"):
            continue
        n = medians["native"]
        row = []
        for w in wheres:
            if w in medians:
                limit = goal(name, w, n)[1]
                row.append((w, medians[w] / n, number(medians[w]) + name[-3:], limit and limit / n))
        yield name[:-4], row


def picture(values, wheres):
    return gpupicture.draw([
        ("A step", list(bars(values, wheres, lambda n: n.endswith(" step, ms")))),
        ("Cold start", list(bars(values, wheres, lambda n: n in ("torch.cuda.init, ms", "start to first product, ms")))),
        ("Load and first step", list(bars(values, wheres, lambda n: n.endswith((" load, ms", " first, ms")))))], wheres)


def summary(result):
    """What stands above the table."""
    return "%s; natively and through DGSF over the loopback interface%s, in turn; medians of %d pairs; %s cores" % (
        result["gpu"], "".join(", " + w for w in result["wheres"][2:]), result["pairs"], result["cores"])


def write_results(result, out):
    os.makedirs(out, exist_ok=True)
    text = "%s\n\n%s\n" % (summary(result), table(result["values"], result["wheres"]))
    for name, content in (("gpubench.rst", text), ("gpubench.json", json.dumps(result, indent=1) + "\n"),
                          ("gpubench.svg", picture(result["values"], result["wheres"]))):
        with open(os.path.join(out, name), "w") as f:
            f.write(content)
    return text


def document(path, folder=DOCUMENTATION):
    """The results of a run into the documentation: picture, values, and the table between its marks."""
    with open(path) as f:
        result = json.load(f)
    page = os.path.join(folder, "benchmarks.rst")
    with open(page) as f:
        before, rest = f.read().split(BEGIN)
    after = rest.split(END)[1]
    for name, content in (("gpubench.json", json.dumps(result, indent=1) + "\n"),
                          ("gpubench.svg", picture(result["values"], result["wheres"])),
                          ("benchmarks.rst", "%s%s\n%s, %s:\n\n%s\n\n%s%s" % (before, BEGIN, result["date"], summary(result),
                                                                            table(result["values"], result["wheres"]), END, after))):
        with open(os.path.join(folder, name), "w") as f:
            f.write(content)


def run_pairs(result, envs, folders, o):
    """Writes what there is after each, so that a run that is cut short is not lost."""
    start, longest = time.monotonic(), 0
    for pair in range(o.pairs):
        begun = time.monotonic()
        if o.seconds and pair and begun - start + longest > o.seconds:
            print("# no time for pair %d" % (pair + 1))
            break
        measure_pair(result["values"], envs, folders, o.steps)
        longest = max(longest, time.monotonic() - begun)
        result["pairs"] = pair + 1
        write_results(result, o.out)
        print("# pair %d of %d: %.0f s" % (pair + 1, o.pairs, time.monotonic() - begun), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", default=os.path.join(BUILD, "gpubench"))
    parser.add_argument("--delays", default="200,1000")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--document", metavar="FILE.json")
    o = parser.parse_args()
    if o.document:
        document(o.document)
        return 0
    gpu = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True, check=False)
    if gpu.returncode:
        print("skipped: no NVIDIA GPU here, nvidia-smi failed")
        return 0
    folders = None if o.no_torch else torch_libraries()
    if folders is None:
        print("# PyTorch and cuBLAS are left out: " + ("asked for" if o.no_torch else "PyTorch is not installed"))
    server, proxies = gpucheck.Server(), []
    envs = list(environments(server.port, [int(x) for x in o.delays.split(",") if x], proxies))
    result = {"gpu": gpu.stdout.strip(), "date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "pairs": 0,
              "wheres": [w for w, _ in envs], "values": {}}
    run_pairs(result, envs, folders, o)
    for proxy in proxies:
        proxy.stop()
    server.stop()
    print(write_results(result, o.out))
    remote = len(envs) - 1      # natively there are no round trips
    return 0 if all(len(by) >= remote + (not n.endswith("round trips")) for n, by in result["values"].items()) else 1


if __name__ == "__main__":
    sys.exit(main())
