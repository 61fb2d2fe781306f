#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
gpubench.py - on a machine with an NVIDIA GPU: what DGSF costs, natively and remotely in turn

    tools/gpubench.py [--pairs N] [--out DIRECTORY] [--delays US,US...] [--no-torch]

Each pair runs tests/gpu/micro and tests/gpu/models.py (where PyTorch is) natively, through DGSF over the loopback
interface, and with each delay of a round trip added by build/tools/delayproxy. Writes DIRECTORY/gpubench.json (every
value of every run), gpubench.rst (medians and ratios) and gpubench.svg, and prints the table.
"""
import argparse
import glob
import importlib.util
import json
import os
import statistics
import subprocess
import sys

import gpucheck

ROOT, BUILD = gpucheck.ROOT, gpucheck.BUILD
MICRO = os.path.join(BUILD, "tests", "gpu", "micro")
MODELS = os.path.join(ROOT, "tests", "gpu", "models.py")


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


def torch(env):
    out = {}
    done = run([sys.executable, MODELS], env)
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


def measure(pairs, envs, folders):
    """{measure: {where: [values]}}"""
    values = {}
    for pair in range(pairs):
        for where, env in envs:
            one = micro(env, folders)
            if folders is not None:
                one.update(torch(env))
            for name, value in one.items():
                values.setdefault(name, {}).setdefault(where, []).append(value)
        print("# pair %d of %d" % (pair + 1, pairs), flush=True)
    return values


def number(v):
    return "%.0f" % v if abs(v) >= 1000 else "%.3g" % v


def table(values, wheres):
    head = ["what", *wheres] + ["%s / native" % w for w in wheres[1:]]
    rows = []
    for name, by in values.items():
        medians = {w: statistics.median(v) for w, v in by.items()}
        ratios = [number(medians[w] / medians["native"]) if medians.get("native") and w in medians else "" for w in wheres[1:]]
        rows.append([name, *(number(medians[w]) if w in medians else "" for w in wheres), *ratios])
    return gpucheck.table_of(head, rows)


def picture(values, path):
    """Bars of DGSF over loopback beside native, as their ratio: shorter is better."""
    rows = [(n, statistics.median(by["loopback"]) / statistics.median(by["native"])) for n, by in values.items()
            if n.endswith(" ms") and "loopback" in by and statistics.median(by.get("native", [0]))]
    height, scale, left = 22, 260, 250
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">' %
           (left + 2 * scale + 80, height * (len(rows) + 2))]
    for i, (name, ratio) in enumerate(rows):
        y = height * i + 6
        bar = min(ratio, 2) * scale
        out.append('<text x="%d" y="%d" text-anchor="end">%s</text>' % (left - 8, y + 13, name[:-4]))
        out.append('<rect x="%d" y="%d" width="%.1f" height="15" fill="%s"/>' % (left, y, bar, "#4a7" if ratio <= 1 else "#c74"))
        out.append('<text x="%.1f" y="%d">%.2f</text>' % (left + bar + 5, y + 13, ratio))
    end = height * len(rows) + 6
    out.append('<path d="M%d 0 V%d" stroke="#333" stroke-dasharray="3"/>' % (left + scale, end))
    out.append('<text x="%d" y="%d" text-anchor="middle">1 = as long as natively</text></svg>' % (left + scale, end + 18))
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--out", default=os.path.join(BUILD, "gpubench"))
    parser.add_argument("--delays", default="200,1000")
    parser.add_argument("--no-torch", action="store_true")
    o = parser.parse_args()
    gpu = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True, check=False)
    if gpu.returncode:
        print("skipped: no NVIDIA GPU here, nvidia-smi failed")
        return 0
    folders = None if o.no_torch else torch_libraries()
    if folders is None:
        print("# PyTorch and cuBLAS are left out: " + ("asked for" if o.no_torch else "PyTorch is not installed"))
    server, proxies = gpucheck.Server(), []
    envs = list(environments(server.port, [int(x) for x in o.delays.split(",") if x], proxies))
    values = measure(o.pairs, envs, folders)
    for proxy in proxies:
        proxy.stop()
    server.stop()
    os.makedirs(o.out, exist_ok=True)
    text = "%s; medians of %d\n\n%s\n" % (gpu.stdout.strip(), o.pairs, table(values, [w for w, _ in envs]))
    print(text)
    with open(os.path.join(o.out, "gpubench.rst"), "w") as f:
        f.write(text)
    with open(os.path.join(o.out, "gpubench.json"), "w") as f:
        json.dump({"gpu": gpu.stdout.strip(), "pairs": o.pairs, "values": values}, f, indent=1)
    picture(values, os.path.join(o.out, "gpubench.svg"))
    return 0 if all(len(by) == len(envs) for by in values.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
