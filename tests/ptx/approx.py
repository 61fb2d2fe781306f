# SPDX-License-Identifier: MIT
"""How far the approximate instructions may be from the truth (PTX ISA 9.7.3, 9.7.4)."""
import math
import struct

INF = float("inf")


def decode(letter, bits):
    if letter in "hG":
        raise ValueError(letter)
    if letter == "g":
        return struct.unpack("<e", struct.pack("<H", bits))[0]
    if letter == "k":
        return struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    if letter in "fF":
        return struct.unpack("<f", struct.pack("<I", bits))[0]
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def lanes(letter, bits):
    """A number, or the two of a pair."""
    if letter in "GK":
        return [decode(letter.lower(), bits & 0xffff), decode(letter.lower(), bits >> 16)]
    return [decode(letter, bits)]


def divide(a, b):
    if b == 0 or math.isinf(b):
        return float("nan") if a == 0 and b == 0 or math.isinf(a) and math.isinf(b) else math.copysign(INF, a) * \
            math.copysign(1, b) if b == 0 else math.copysign(0.0, a) * math.copysign(1, b)
    return a / b


def power(a):
    return INF if a >= 1024 else 2.0 ** max(a, -2000.0)


def root(a):
    return float("nan") if a < 0 else math.sqrt(a)


def log(a):
    return float("nan") if a < 0 else -INF if a == 0 else math.log2(a) if not math.isinf(a) else a


def wave(f):
    return lambda a: float("nan") if math.isinf(a) else f(a)


FUNCTIONS = {"div": divide, "sqrt": root, "rcp": lambda a: divide(1.0, a), "rsqrt": lambda a: divide(1.0, root(a)),
             "ex2": power, "lg2": log, "sin": wave(math.sin), "cos": wave(math.cos), "tanh": math.tanh}


def bound(op, letter, args, truth):
    """Absolute bound for a finite truth, or None where PTX gives none."""
    if letter in "gk":
        rel = {("ex2", "g"): 2.0**-9.9, ("ex2", "k"): 2.0**-7}.get((op, letter))
        return rel * abs(truth) if rel else 2.0**-10.987 if letter == "g" else 2.0**-8 * abs(truth)
    if letter == "d":
        return 2.0**-20 * abs(truth)
    if op == "div":
        return 2 * 2.0**-23 * abs(truth) if 2.0**-126 <= abs(args[1]) <= 2.0**126 else None
    if op in ("sin", "cos"):
        return 2.0**-20.5 if abs(args[0]) <= 2 * math.pi else 2.0**-14.7 if abs(args[0]) <= 100 * math.pi else None
    if op == "lg2":
        return 2.0**-22 if 0.5 <= args[0] <= 2 else 2.0**-22 * abs(truth)
    if op == "tanh":
        return 2.0**-11 * abs(truth)
    if op == "ex2":
        return 2.0**-22 * abs(truth)
    return {"rcp": 2.0**-23, "sqrt": 2.0**-23, "rsqrt": 2.0**-22.4}[op] * abs(truth)


TINY = {"f": 2.0**-126, "F": 2.0**-126, "d": 2.0**-1022, "g": 2.0**-24, "k": 2.0**-126}
LARGE = {"f": 3.4028235e38, "F": 3.4028235e38, "d": 1.7976931348623157e308, "g": 65504.0, "k": 3.3895314e38}


def wrong(op, flushed, letter, args, got):
    """Why got is no good result, or None."""
    one = letter.lower() if letter in "GK" else letter
    if one == "d" and flushed:      # only the upper halves of f64 are seen
        args = [struct.unpack("<d", struct.pack("<Q", struct.unpack("<Q", struct.pack("<d", x))[0] & ~0xffffffff))[0]
                for x in args]
    if flushed:
        args = [math.copysign(0.0, x) if abs(x) < TINY[one] else x for x in args]
    truth = FUNCTIONS[op](*args) if not any(map(math.isnan, args)) else float("nan")
    if math.isnan(truth):
        return None if math.isnan(got) else "NaN wanted"
    limit = bound(op, one, args, truth) if not math.isinf(truth) else 0
    if limit is None:
        return None
    if math.isnan(got):
        return "a NaN where %r is right" % truth
    # what is tiny may have been flushed, and the largest numbers may have overflowed
    if abs(truth) < TINY[one] * (1 + 2.0**-7) and (abs(got) <= TINY[one]):
        return None
    if abs(truth) > LARGE[one]:
        return None if abs(got) >= LARGE[one] * (1 - limit / abs(truth) if limit else 1) and got * truth > 0 else \
            "overflow wanted"
    if math.isinf(got) or abs(got - truth) > limit * (1 + 2.0**-20) + (2.0**-25 if one == "g" else 0):
        return "%r where %r is right: off by %.3g, allowed %.3g" % (got, truth, abs(got - truth), limit)
    return None
