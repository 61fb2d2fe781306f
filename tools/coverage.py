#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
coverage.py [--check] - Documentation/coverage.rst: every function of the driver, how it is done, and what calls it in the tests

The column of tests is found by looking: programs of tests/cuda by the functions that they call, of the driver or of the runtime (RUNTIME says
which of the driver's those come to); unit tests of the library and the worker by the rows that they name. With --check the file is compared with
what would be written, in TAP.
"""
import glob
import os
import re
import sys

from cudadef import MODES, Table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "Documentation", "coverage.rst")
SHOWN = 3

TRIPS = {"LOCAL": "0", "MEMO": "1, then 0", "ASYNC": "0", "SYNC": "1", "NONE": "", "REFUSE": ""}
# Of HAND rows, the first that fits.
HAND = [
    (r"cuMemcpy(HtoD|HtoA|DtoD|DtoA|AtoD|AtoA).*|cuMemcpy\w*Peer.*", "0"),
    (r"cuMemcpy(DtoH|AtoH)(_v2)?", "1"),
    (r"cuMemcpy(DtoH|AtoH)Async.*|cuMemcpy.*", "1 where the host gets the bytes before the return, else 0"),
    (r"cuMemset.*|cuLaunch.*|cuFuncSet.*|cuKernelSet.*", "0"),
    (r"cuMem(Alloc|Free).*|cuArray.*|cuMipmappedArray.*", "0 within the limit"),
    (r"cu(Tex|Surf)ObjectDestroy|cuTexRefSet(Array|MipmappedArray|Address2D).*|cuSurfRefSetArray", "0"),
    (r"cuOccupancyMaxActiveClusters", "1 for 32 sizes of a cluster, then 0"),
    (r"cuTensorMap.*|cuOccupancy.*|cu(Module|Library)Get(Global|Managed).*", "1, then 0"),
    (r"cu(Func|Kernel)GetAttribute", "0; 1 for 1024 kernels of a larger module"),
    (r"cuModuleLoad.*|cuLibraryLoad.*", "0 of a cubin; else 1, at the first use of a library that is preserved"),
    (r"cu(Module|Library)Unload|cuLinkDestroy|cu\w*Destroy.*|cuCtx(Record|Wait)Event", "0"),
    (r"cu(Stream|Ctx)Synchronize.*", "1; 0 where nothing was begun since the last wait"),
    (r"cuGraph(Launch|Upload)", "0"),
    (r"cuGraph(Instantiate|ExecUpdate|ExecChildGraphNodeSetParams).*", "0 where the nodes are of kinds that are checked here, else 1"),
]

# What the runtime's functions come to.
COPY = ["cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", "cuMemcpyDtoD_v2"]
ASYNC = ["cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2"]
RUNTIME = {
    "cudaMalloc": ["cuMemAlloc_v2"], "cudaFree": ["cuMemFree_v2"], "cudaMallocPitch": ["cuMemAllocPitch_v2"],
    "cudaMallocHost": ["cuMemHostAlloc"], "cudaHostAlloc": ["cuMemHostAlloc"], "cudaFreeHost": ["cuMemFreeHost"],
    "cudaHostRegister": ["cuMemHostRegister_v2"], "cudaHostUnregister": ["cuMemHostUnregister"],
    "cudaHostGetDevicePointer": ["cuMemHostGetDevicePointer_v2"], "cudaMallocManaged": ["cuMemAllocManaged"],
    "cudaMemcpy": COPY, "cudaMemcpyAsync": ASYNC, "cudaMemset": ["cuMemsetD8_v2"], "cudaMemsetAsync": ["cuMemsetD8Async"],
    "cudaMemcpy2D": ["cuMemcpy2DUnaligned_v2"], "cudaMemcpy2DToArray": ["cuMemcpy2DUnaligned_v2"],
    "cudaMemcpy3D": ["cuMemcpy3D_v2"], "cudaMemcpy3DAsync": ["cuMemcpy3DAsync_v2"],
    "cudaMallocArray": ["cuArrayCreate_v2", "cuArray3DCreate_v2"], "cudaMalloc3DArray": ["cuArray3DCreate_v2"], "cudaFreeArray": ["cuArrayDestroy"],
    "cudaMallocMipmappedArray": ["cuMipmappedArrayCreate"], "cudaGetMipmappedArrayLevel": ["cuMipmappedArrayGetLevel"],
    "cudaFreeMipmappedArray": ["cuMipmappedArrayDestroy"],
    "cudaCreateTextureObject": ["cuTexObjectCreate"], "cudaDestroyTextureObject": ["cuTexObjectDestroy"],
    "cudaCreateSurfaceObject": ["cuSurfObjectCreate"], "cudaDestroySurfaceObject": ["cuSurfObjectDestroy"],
    "cudaMallocAsync": ["cuMemAllocAsync"], "cudaFreeAsync": ["cuMemFreeAsync"], "cudaMallocFromPoolAsync": ["cuMemAllocFromPoolAsync"],
    "cudaMemPoolCreate": ["cuMemPoolCreate"], "cudaMemPoolDestroy": ["cuMemPoolDestroy"], "cudaMemPoolTrimTo": ["cuMemPoolTrimTo"],
    "cudaMemPoolSetAttribute": ["cuMemPoolSetAttribute"], "cudaMemPoolGetAttribute": ["cuMemPoolGetAttribute"],
    "cudaDeviceGetDefaultMemPool": ["cuDeviceGetDefaultMemPool"], "cudaMemGetInfo": ["cuMemGetInfo_v2"],
    "cudaMemPrefetchAsync": ["cuMemPrefetchAsync_v2"], "cudaMemAdvise": ["cuMemAdvise_v2"],
    "cudaStreamCreate": ["cuStreamCreate"], "cudaStreamCreateWithFlags": ["cuStreamCreate"],
    "cudaStreamCreateWithPriority": ["cuStreamCreateWithPriority"], "cudaStreamDestroy": ["cuStreamDestroy_v2"],
    "cudaStreamSynchronize": ["cuStreamSynchronize"], "cudaStreamQuery": ["cuStreamQuery"], "cudaStreamWaitEvent": ["cuStreamWaitEvent"],
    "cudaStreamAddCallback": ["cuStreamAddCallback"], "cudaLaunchHostFunc": ["cuLaunchHostFunc"],
    "cudaEventCreate": ["cuEventCreate"], "cudaEventCreateWithFlags": ["cuEventCreate"], "cudaEventDestroy": ["cuEventDestroy_v2"],
    "cudaEventRecord": ["cuEventRecord"], "cudaEventSynchronize": ["cuEventSynchronize"], "cudaEventQuery": ["cuEventQuery"],
    "cudaEventElapsedTime": ["cuEventElapsedTime_v2"], "cudaDeviceSynchronize": ["cuCtxSynchronize_v2"],
    "cudaDeviceReset": ["cuDevicePrimaryCtxReset_v2"], "cudaLaunchCooperativeKernel": ["cuLaunchCooperativeKernel"],
    "cudaLaunchKernelEx": ["cuLaunchKernelEx"], "cudaFuncGetAttributes": ["cuKernelGetAttribute"], "cudaFuncSetAttribute": ["cuKernelSetAttribute"],
    "cudaOccupancyMaxActiveBlocksPerMultiprocessor": ["cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags"],
    "cudaStreamBeginCapture": ["cuStreamBeginCapture_v2"], "cudaStreamEndCapture": ["cuStreamEndCapture"],
    "cudaGraphCreate": ["cuGraphCreate"], "cudaGraphInstantiate": ["cuGraphInstantiateWithFlags"], "cudaGraphLaunch": ["cuGraphLaunch"],
    "cudaGraphAddKernelNode": ["cuGraphAddKernelNode_v2"], "cudaGraphAddMemcpyNode": ["cuGraphAddMemcpyNode"],
    "cudaGraphAddMemsetNode": ["cuGraphAddMemsetNode"], "cudaGraphAddHostNode": ["cuGraphAddHostNode"],
    "cudaGraphAddDependencies": ["cuGraphAddDependencies_v2"], "cudaGraphExecUpdate": ["cuGraphExecUpdate_v2"],
    "cudaGraphDestroy": ["cuGraphDestroy"], "cudaGraphExecDestroy": ["cuGraphExecDestroy"], "cudaGraphUpload": ["cuGraphUpload"],
}


def newest(table):
    """A function's name as programs write it: the newest variant."""
    names = {}
    for row in table.rows:
        if not row.twin and (row.root not in names or row.since >= names[row.root].since):
            names[row.root] = row
    return {root: row.name for root, row in names.items()}


def strip(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def called(path, table, names):
    """The rows that a source file calls."""
    text = strip(open(path, encoding="utf-8").read())
    exact = set(re.findall(r"#undef (cu\w+)", text))
    rows = set()
    for name in set(re.findall(r"\b(?:hand_|CUDA_ID_)?(cu[A-Z]\w*)", text)):
        rows.add(name if name in exact else names.get(name, name))
    for name in set(re.findall(r"\bcuda[A-Z]\w*(?=\s*\()", text)):
        rows.update(RUNTIME.get(name, ()))
    if "<<<" in text:
        rows.add("cuLaunchKernel")
    return {r for r in rows if r in table.by_name}


def tests(table):
    """{row: names of what calls it}"""
    names, found = newest(table), {}
    paths = glob.glob(os.path.join(ROOT, "tests", "cuda", "*.c*"))
    paths += [p for p in glob.glob(os.path.join(ROOT, "tests", "unit", "*_test.c"))
              if os.path.basename(p).startswith(("vcuda", "worker"))]
    paths.append(os.path.join(ROOT, "tests", "e2e", "double_test.py"))
    for path in sorted(paths):
        label = os.path.splitext(os.path.basename(path))[0]
        for row in called(path, table, names):
            found.setdefault(row, []).append(label)
    return found


def trips(row):
    if row.mode != "HAND":
        return TRIPS[row.mode]
    for pattern, text in HAND:
        if re.fullmatch(pattern, row.name):
            return text
    return "of the calls that it is made of" if "local" in row.tags else "1"


def tested(row, found):
    if row.reason:
        return row.reason
    labels = found.get(row.name, [])
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return ", ".join(labels[:SHOWN]) + more


def render():
    table = Table(os.path.join(ROOT, "uapi", "cuda.def"))
    found = tests(table)
    rows = [r for r in table.rows if not r.base]
    count = ", ".join(f"{n} {m}" for m in MODES if (n := sum(r.mode == m for r in rows)))
    out = """.. SPDX-License-Identifier: MIT
.. made by tools/coverage.py (make coverage) from uapi/cuda.def and tests, do not edit

Functions of the driver
=======================

"""
    out += f"{len(table.rows)} symbols: {len(table.rows) - len(rows)} per-thread twins, which are as their base, and {count}.\n"
    out += """The comment at the top of ``uapi/cuda.def`` says what the modes are. Round trips are those of one call. The last
column names programs of ``tests/cuda`` and unit tests of the library and the worker that call the function for what it
does; ``roundtrip_test`` calls every function that is not refused, with the driver or the body written by hand replaced,
to see that its arguments and outputs get across. Of what is refused it says why.

.. list-table::
   :header-rows: 1
   :widths: 34 10 22 34

   * - function
     - mode
     - round trips
     - tests, or reason
"""
    for r in rows:
        out += f"   * - {r.name}\n     - {r.mode}\n"
        for text in (trips(r), tested(r, found)):
            out += f"     - {text}".rstrip() + "\n"
    return out


def main():
    text = render()
    if sys.argv[1:] == ["--check"]:
        try:
            with open(OUT, encoding="utf-8") as f:
                same = f.read() == text
        except OSError:
            same = False
        print("TAP version 13\n1..1")
        print("ok 1 Documentation/coverage.rst is as the table and the tests are" if same else
              "not ok 1 Documentation/coverage.rst is out of date: make coverage")
        return 0 if same else 1
    if sys.argv[1:]:
        sys.exit(__doc__)
    with open(OUT, "w", encoding="utf-8") as f:
        f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
