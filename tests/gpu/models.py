#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Four PyTorch programs with random weights, as people run them, timed: make gpubench

    models.py [--steps N] [resnet50|bert|gpt2|train]...

Prints a line of JSON for each: seconds to load the model, of the first step, the median step, and sums of the results
that two runs with the same seed agree on. Through DGSF also the round trips up to each of them: "trips". The first line
has the seconds of torch.cuda.init().
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

import vgpustats


def conv(a, b, k, stride=1):
    return nn.Sequential(nn.Conv2d(a, b, k, stride, k // 2, bias=False), nn.BatchNorm2d(b))


class Block(nn.Module):
    """Of a ResNet: two convolutions, or three with the middle one narrow."""

    def __init__(self, a, b, stride, bottleneck):
        super().__init__()
        mid = b // 4 if bottleneck else b
        parts = [conv(a, mid, 1), nn.ReLU(), conv(mid, mid, 3, stride), nn.ReLU(), conv(mid, b, 1)] if bottleneck else \
            [conv(a, b, 3, stride), nn.ReLU(), conv(b, b, 3)]
        self.body = nn.Sequential(*parts)
        self.skip = conv(a, b, 1, stride) if a != b or stride != 1 else nn.Identity()

    def forward(self, x):
        return functional.relu(self.body(x) + self.skip(x))


def resnet(counts, bottleneck, classes=1000):
    parts, width = [conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for i, count in enumerate(counts):
        out = (256 if bottleneck else 64) << i
        for k in range(count):
            parts.append(Block(width, out, 2 if i and not k else 1, bottleneck))
            width = out
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Bert(nn.Module):
    def __init__(self, words=30522, width=768, heads=12, layers=12, length=512):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, activation="gelu", batch_first=True)
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, tokens):
        return self.body(self.words(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device)))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, past):
        n, t, width = x.shape
        q, k, v = (p.view(n, t, self.heads, -1).transpose(1, 2) for p in self.qkv(x).chunk(3, -1))
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=past is None and t > 1)
        return self.out(y.transpose(1, 2).reshape(n, t, width)), (k, v)


class Gpt2(nn.Module):
    def __init__(self, words=50257, width=768, heads=12, layers=12, length=1024):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2 * layers + 1))
        self.attention = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.mlps = nn.ModuleList(nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)) for _ in range(layers))

    def forward(self, tokens, past):
        start = past[0][0].shape[2] if past else 0
        x, now = self.words(tokens) + self.places(torch.arange(start, start + tokens.shape[1], device=tokens.device)), []
        for i, (attend, mlp) in enumerate(zip(self.attention, self.mlps)):
            y, kv = attend(self.norms[2 * i](x), past[i] if past else None)
            now.append(kv)
            x = x + y
            x = x + mlp(self.norms[2 * i + 1](x))
        return self.norms[-1](x[:, -1]) @ self.words.weight.T, now


def infer(model, data):
    with torch.no_grad():
        return float(model(data.cuda()).double().abs().sum())


def generate(model, prompt, count=32):
    tokens, past, out = prompt.cuda(), None, []
    with torch.no_grad():
        for _ in range(count):
            logits, past = model(tokens, past)
            tokens = logits.argmax(-1, keepdim=True)
            out.append(int(tokens))
    return sum(out)


def trainer(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images, labels = torch.randn(32, 3, 224, 224).pin_memory(), torch.randint(0, 1000, (32,)).pin_memory()

    def step():
        loss = functional.cross_entropy(model(images.cuda(non_blocking=True)), labels.cuda(non_blocking=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss)
    return step


def programs():
    picture, text = torch.randn(1, 3, 224, 224), torch.randint(0, 30522, (1, 384))
    prompt = torch.randint(0, 50257, (1, 8))
    return {"resnet50": (lambda: resnet((3, 4, 6, 3), True).eval(), lambda m: lambda: infer(m, picture)),
            "bert": (lambda: Bert().eval(), lambda m: lambda: infer(m, text)),
            "gpt2": (lambda: Gpt2().eval(), lambda m: lambda: generate(m, prompt)),
            "train": (lambda: resnet((2, 2, 2, 2), False).train(), trainer)}


def timed(f):
    start = time.perf_counter()
    result = f()
    return time.perf_counter() - start, result


def measure(name, build, start, count):
    model = build()
    trips = [vgpustats.round_trips()]
    load, _ = timed(lambda: (model.cuda(), torch.cuda.synchronize()))
    trips.append(vgpustats.round_trips())
    step = start(model)
    first, result = timed(step)
    trips.append(vgpustats.round_trips())
    steps = []
    for _ in range(count):
        steps.append(timed(step))
        trips.append(vgpustats.round_trips())
    out = {"program": name, "load": load, "first": first, "step": statistics.median(s for s, _ in steps), "result": result,
           "last": steps[-1][1]}
    return out if trips[0] is None else {**out, "trips": trips}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("programs", nargs="*")
    o = parser.parse_args()
    init, _ = timed(lambda: (torch.cuda.init(), torch.zeros(1, device="cuda"), torch.cuda.synchronize()))
    print(json.dumps({"program": "init", "init": init}), flush=True)
    for name, (build, start) in programs().items():
        if not o.programs or name in o.programs:
            torch.manual_seed(7)
            print(json.dumps(measure(name, build, start, o.steps)), flush=True)


if __name__ == "__main__":
    main()
