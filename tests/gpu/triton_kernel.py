# SPDX-License-Identifier: MIT
"""A kernel of Triton's; it must stand in a file, which Triton reads."""
import torch
import triton
import triton.language as tl


@triton.jit
def add(a, b, c, n, block: tl.constexpr):
    i = tl.program_id(0) * block + tl.arange(0, block)
    tl.store(c + i, tl.load(a + i, mask=i < n) + tl.load(b + i, mask=i < n), mask=i < n)


def check():
    n = 10000
    a, b = torch.randn(n, device="cuda"), torch.randn(n, device="cuda")
    c = torch.empty_like(a)
    add[(triton.cdiv(n, 1024),)](a, b, c, n, block=1024)
    assert torch.equal(c, a + b)
