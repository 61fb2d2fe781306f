#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The CUDA libraries and PyTorch, unmodified, through DGSF on a machine with a GPU: make gpulibraries

    libraries.py [--jobs N] [CASE...]     every case in a process of its own; speaks TAP
    libraries.py --case CASE              that one, here

A case compares its result with the CPU's, or with what must hold. What PyTorch does not bring is skipped.
"""
import ctypes
import glob
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

CASES = {}
SKIP = 77


def case(f):
    CASES[f.__name__] = f
    return f


def close(a, b, tolerance=1e-3):
    import torch
    a, b = torch.as_tensor(a).cpu().double(), torch.as_tensor(b).cpu().double()
    worst = float((a - b).abs().max() / (b.abs().max() + 1e-30))
    assert worst <= tolerance, "off by %g of the largest" % worst


def skip(why):
    print("# " + why)
    sys.exit(SKIP)


def library(name):
    """A library that came with PyTorch, or the toolkit's."""
    site = os.path.dirname(os.path.dirname(importlib.util.find_spec("torch").origin))
    found = glob.glob(os.path.join(site, "nvidia", "*", "lib", name + ".so.*")) + glob.glob("/usr/local/cuda/lib64/" + name + ".so.*")
    if not found:
        skip("no " + name)
    return ctypes.CDLL(found[0])


@case
def cublas_products_of_every_type():
    import torch
    torch.manual_seed(1)
    a, b = torch.randn(300, 200), torch.randn(200, 100)
    torch.backends.cuda.matmul.allow_tf32 = False
    close(a.cuda() @ b.cuda(), a @ b, 1e-5)
    close(a.cuda().double() @ b.cuda().double(), a.double() @ b.double(), 1e-12)
    for t, tolerance in ((torch.half, 2e-2), (torch.bfloat16, 5e-2)):
        close((a.cuda().to(t) @ b.cuda().to(t)).float(), a @ b, tolerance)


@case
def cublaslt_with_bias_and_gelu():
    import torch
    x, layer = torch.randn(64, 256), torch.nn.Linear(256, 128)
    y = torch.nn.functional.gelu(layer(x))
    layer.cuda()
    close(torch.nn.functional.gelu(layer(x.cuda())).detach(), y.detach(), 5e-3)


@case
def cudnn_convolutions_forth_and_back():
    import torch
    conv, x = torch.nn.Conv2d(8, 16, 3, padding=1), torch.randn(4, 8, 32, 32)
    y = conv(x)
    y.square().mean().backward()
    grad = conv.weight.grad.clone()
    conv.zero_grad()
    conv.cuda()
    z = conv(x.cuda())
    z.square().mean().backward()
    close(z.detach(), y.detach(), 5e-3)
    close(conv.weight.grad, grad, 5e-3)


@case
def cudnn_recurrent_network():
    import torch
    net, x = torch.nn.LSTM(16, 32, 2), torch.randn(20, 4, 16)
    y = net(x)[0].detach()
    close(net.cuda()(x.cuda())[0].detach(), y, 5e-3)


@case
def cufft_forth_and_back():
    import torch
    x = torch.randn(16, 4096)
    close(torch.view_as_real(torch.fft.rfft(x.cuda())), torch.view_as_real(torch.fft.rfft(x)), 1e-4)
    close(torch.fft.irfft(torch.fft.rfft(x.cuda()), n=4096), x, 1e-4)


@case
def cusolver_decompositions():
    import torch
    a = torch.randn(64, 64, dtype=torch.double)
    spd = a @ a.T + 64 * torch.eye(64, dtype=torch.double)
    close(torch.linalg.cholesky(spd.cuda()), torch.linalg.cholesky(spd), 1e-10)
    close(torch.linalg.svdvals(a.cuda()), torch.linalg.svdvals(a), 1e-10)
    close(torch.linalg.eigvalsh(spd.cuda()), torch.linalg.eigvalsh(spd), 1e-10)
    close(torch.linalg.solve(spd.cuda(), a.cuda()), torch.linalg.solve(spd, a), 1e-10)


@case
def cusparse_products():
    import torch
    a = torch.randn(200, 200) * (torch.rand(200, 200) < 0.05)
    b = torch.randn(200, 32)
    close(a.to_sparse_csr().cuda() @ b.cuda(), a @ b, 1e-4)
    close(torch.sparse.mm(a.to_sparse().cuda(), b.cuda()), a @ b, 1e-4)


@case
def curand_uniform_numbers():
    import torch
    lib, n = library("libcurand"), 1 << 20
    x, generator = torch.zeros(n, device="cuda"), ctypes.c_void_p()
    assert lib.curandCreateGenerator(ctypes.byref(generator), 100) == 0
    assert lib.curandSetPseudoRandomGeneratorSeed(generator, ctypes.c_ulonglong(7)) == 0
    assert lib.curandGenerateUniform(generator, ctypes.c_void_p(x.data_ptr()), ctypes.c_size_t(n)) == 0
    torch.cuda.synchronize()
    assert abs(float(x.mean()) - 0.5) < 0.01 and 0 < float(x.min()) and float(x.max()) <= 1


@case
def nvrtc_kernel_of_pytorch():
    import torch
    f = torch.cuda.jiterator._create_jit_fn("template <typename T> T f(T x, T y) { return x * y + 3; }")
    x = torch.randn(1000)
    close(f(x.cuda(), x.cuda()), x * x + 3, 1e-6)


@case
def nccl_with_one_rank():
    import torch
    import torch.distributed as dist
    with tempfile.NamedTemporaryFile() as f:
        dist.init_process_group("nccl", init_method="file://" + f.name + ".nccl", rank=0, world_size=1)
    x = torch.arange(1000.0, device="cuda")
    dist.all_reduce(x)
    dist.broadcast(x, 0)
    dist.barrier()
    close(x, torch.arange(1000.0))
    dist.destroy_process_group()


@case
def triton_by_torch_compile():
    import torch
    if not importlib.util.find_spec("triton"):
        skip("no Triton")

    def f(x, y):
        return (torch.sin(x) * y).softmax(-1).sum(0)
    x, y = torch.randn(64, 512), torch.randn(64, 512)
    close(torch.compile(f)(x.cuda(), y.cuda()), f(x, y), 1e-4)


@case
def triton_by_itself():
    if not importlib.util.find_spec("triton"):
        skip("no Triton")
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import triton_kernel
    triton_kernel.check()


@case
def cuda_graphs_of_pytorch():
    import torch
    model, static = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 8)).cuda(), torch.zeros(16, 64, device="cuda")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side), torch.no_grad():
        for _ in range(3):
            model(static)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph), torch.no_grad():
        out = model(static)
    for seed in range(4):
        torch.manual_seed(seed)
        x = torch.randn(16, 64)
        static.copy_(x)
        graph.replay()
        with torch.no_grad():
            close(out, model(x.cuda()), 1e-5)


@case
def training_with_amp_and_an_optimizer():
    import torch
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4)).cuda()
    x, y = torch.randn(256, 32, device="cuda"), torch.randint(0, 4, (256,), device="cuda")
    optimizer, scaler, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), torch.amp.GradScaler("cuda"), []
    for _ in range(60):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.half):
            loss = torch.nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(float(loss))
    assert losses[-1] < 0.7 * losses[0], losses


class Numbers:
    def __len__(self):
        return 64

    def __getitem__(self, i):
        import torch
        return torch.full((1000,), float(i))


def data_loader(method):
    import torch
    torch.zeros(1, device="cuda")
    loader = torch.utils.data.DataLoader(Numbers(), batch_size=8, num_workers=2, pin_memory=True, multiprocessing_context=method)
    total = sum(float(batch.cuda(non_blocking=True).sum()) for batch in loader)
    assert total == 1000 * sum(range(64)), total


@case
def data_loader_with_forked_workers():
    data_loader("fork")


@case
def data_loader_with_spawned_workers():
    data_loader("spawn")


@case
def several_streams_with_events():
    import torch
    streams, parts = [torch.cuda.Stream() for _ in range(4)], []
    x = torch.randn(512, 512, device="cuda")
    torch.cuda.synchronize()
    for stream in streams:
        with torch.cuda.stream(stream):
            parts.append((x @ x).sum())
    done = [s.record_event() for s in streams]
    for event in done:
        event.wait()
    close(torch.stack(parts).cpu(), torch.full((4,), float((x @ x).sum())), 1e-3)


@case
def several_threads():
    import torch
    results = [None] * 6

    def work(i):
        y = torch.full((1000,), float(i), device="cuda")
        for _ in range(50):
            y = y + 1
        results[i] = float(y.sum())
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [1000.0 * (i + 50) for i in range(6)], results


@case
def two_processes_at_once():
    me = [sys.executable, os.path.abspath(__file__), "--case", "cublas_products_of_every_type"]
    both = [subprocess.Popen(me) for _ in range(2)]
    assert [p.wait(200) for p in both] == [0, 0]


@case
def expandable_segments():
    os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    import torch
    kept = [torch.full((1 << 20,), float(i), device="cuda") for i in range(40)]
    assert sum(float(x[0]) for x in kept) == sum(range(40))
    del kept
    torch.cuda.empty_cache()


@case
def cudamallocasync_allocator():
    os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "backend:cudaMallocAsync"
    import torch
    for i in range(50):
        x = torch.full((1 << 20,), float(i), device="cuda")
        assert float(x.mean()) == i
    assert torch.cuda.memory_allocated() >= 4 << 20


@case
def out_of_memory_is_an_exception_and_no_more():
    import torch
    free, _ = torch.cuda.mem_get_info()
    try:
        torch.empty(2 * free, dtype=torch.uint8, device="cuda")
    except torch.cuda.OutOfMemoryError:
        pass
    else:
        raise AssertionError("twice the free memory was given")
    assert float(torch.ones(10, device="cuda").sum()) == 10


@case
def an_assertion_in_a_kernel_is_told():
    code = "import torch; x = torch.zeros(4, device='cuda'); i = torch.tensor([9], device='cuda'); x[i]; torch.cuda.synchronize()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode != 0 and "device-side assert" in done.stderr, done.stderr[-500:]
    assert "index out of bounds" in done.stderr + done.stdout, done.stderr[-500:]


@case
def device_properties_and_nvml():
    import torch
    p = torch.cuda.get_device_properties(0)
    assert p.total_memory > 0 and p.multi_processor_count > 0 and torch.cuda.get_device_name(0) == p.name
    assert torch.cuda.device_count() == 1


def one(name):
    done = subprocess.run([sys.executable, os.path.abspath(__file__), "--case", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=280, check=False)
    return name, done.returncode, done.stdout


def main():
    if sys.argv[1:2] == ["--case"]:
        CASES[sys.argv[2]]()
        return 0
    if not importlib.util.find_spec("torch"):
        print("1..0 # SKIP PyTorch is not installed")
        return 0
    jobs = int(sys.argv[sys.argv.index("--jobs") + 1]) if "--jobs" in sys.argv else 4
    names = [x for x in sys.argv[1:] if x in CASES] or list(CASES)
    print("TAP version 13\n1..%d" % len(names))
    bad = 0
    with ThreadPoolExecutor(jobs) as pool:
        for number, (name, code, out) in enumerate(pool.map(one, names), 1):
            bad += code not in (0, SKIP)
            print("%s %d %s%s" % ("ok" if code in (0, SKIP) else "not ok", number, name, " # SKIP" if code == SKIP else ""), flush=True)
            if code:
                print("\n".join("# " + x for x in out.splitlines()[-12:]), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
