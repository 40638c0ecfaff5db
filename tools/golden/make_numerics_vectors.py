#!/usr/bin/env python3
"""Writes golden/numerics/vectors.txt: docs/NUMERICS.md a second time, in exact rational arithmetic.

Usage: make_numerics_vectors.py > golden/numerics/vectors.txt

Every f32 and fused operation is computed exactly as a fraction and rounded once, so this shares
nothing with the C++ but the text of the profile. Standard library only. Not run by the tests, which
read what it wrote.
"""

import math
import struct
from fractions import Fraction

INF = math.inf
# ---------------------------------------------------------------------------- rounding


def rounded(exact, precision, smallest, limit):
    """A fraction to the nearest float of a format, ties to even; a Python float."""
    if exact == 0:
        return 0.0
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    quantum = Fraction(2) ** max(exponent - precision + 1, smallest)
    value = round(exact / quantum) * quantum  # round() is half to even
    if abs(value) >= Fraction(2) ** limit:
        return INF if value > 0 else -INF
    return float(value)


def f32(exact):
    return rounded(Fraction(exact), 24, -149, 128)


def exact(operation, rounder, *values):
    """`operation` on fractions, rounded; IEEE by Python where a value is not finite or zero wins."""
    if all(math.isfinite(v) for v in values):
        result = operation(*[Fraction(v) for v in values])
        if result != 0:
            return rounder(result)
    return operation(*values)


def f64_round(value):
    return rounded(value, 53, -1074, 1024)


def add(a, b):
    return exact(lambda x, y: x + y, f32, a, b)


def sub(a, b):
    return exact(lambda x, y: x - y, f32, a, b)


def mul(a, b):
    return exact(lambda x, y: x * y, f32, a, b)


def div(a, b):
    return exact(lambda x, y: x / y, f32, a, b)


def fma(a, b, c):
    return exact(lambda x, y, z: x * y + z, f32, a, b, c)


def fma64(a, b, c):
    return exact(lambda x, y, z: x * y + z, f64_round, a, b, c)


def sqrt(a):
    return f32(math.sqrt(a))  # binary64 has digits enough that rounding twice is rounding once


def h(text):
    return float.fromhex(text)


def horner(fused, variable, coefficients):
    """Highest power first."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = fused(value, variable, coefficient)
    return value


# ---------------------------------------------------------------------------- section 4, f32

EXP_SMALLEST = h("-0x1.5d589ep+6")
EXP_LARGEST = h("0x1.62e42ep+6")
EXP = [h(c) for c in ("0x1.6abcbcp-10 0x1.123d9cp-7 0x1.55585ap-5 0x1.55548cp-3 0x1.fffffcp-2 "
                      "1 1").split()]
LOG = [h(c) for c in "0x1.f13b1ep-3 0x1.23d3ep-2 0x1.999c26p-2 0x1.555554p-1".split()]
TANH = [h(c) for c in "-0x1.750ce4p-8 0x1.51f8cep-6 -0x1.b835a4p-5 0x1.1106f6p-3 "
        "-0x1.555532p-2".split()]
GELU = [h(c) for c in ("-0x1.ffb4e4p-7 0x1.53e16ap-4 -0x1.20c218p-3 0x1.4bb088p-6 0x1.4a840ap-3 "
                       "0x1.3daa5ap-4 -0x1.98d74cp-1 0x1.4ef90cp+0 -0x1.18845cp+0 0x1p-1").split()]


def exp(x):
    if x < EXP_SMALLEST:
        return 0.0
    if x > EXP_LARGEST:
        return INF
    n = float(round(Fraction(mul(x, h("0x1.715476p+0")))))
    r = fma(-n, h("0x1.62e43p-1"), x)
    r = fma(-n, h("-0x1.05c61p-29"), r)
    return f32(Fraction(horner(fma, r, EXP)) * Fraction(2) ** int(n))


def log(x):
    if x == 0:
        return -INF
    if x == INF:
        return INF
    m, k = math.frexp(x)  # m in [0.5, 1)
    if m < h("0x1.6a09e6p-1"):
        m, k = m * 2, k - 1
    f = m - 1.0
    s = div(f, add(2.0, f))
    z = mul(s, s)
    half_square = mul(mul(0.5, f), f)
    small = fma(s, fma(horner(fma, z, LOG), z, half_square), mul(float(k), h("0x1.7f7d1cp-20")))
    return fma(float(k), h("0x1.62e4p-1"), sub(f, sub(half_square, small)))


def log1p_unit(x):
    total = add(1.0, x)
    lost = sub(x, sub(total, 1.0))
    return add(log(total), div(lost, total))


def tanh(x):
    a = abs(x)
    if a < 0.625:
        z = mul(a, a)
        y = fma(mul(horner(fma, z, TANH), z), a, a)
    else:
        y = sub(1.0, div(2.0, add(exp(mul(2.0, a)), 1.0)))
    return math.copysign(y, x)


def sigmoid(x):
    return div(1.0, add(1.0, exp(-x)))


def silu(x):
    return div(x, add(1.0, exp(-x)))


def gelu_tanh(x):
    inner = fma(mul(x, x), h("0x1.2444f2p-4"), h("0x1.988454p+0"))
    return div(x, add(1.0, exp(-mul(x, inner))))


def gelu_erf(x):
    a = min(abs(x), 14.0)
    square = mul(a, a)
    lost = fma(a, a, -square)
    v = div(a, add(a, 4.0))
    g = horner(fma, v, GELU)
    plain = mul(exp(mul(-0.5, square)), mul(sub(1.0, v), g))
    tail = fma(plain, mul(-0.5, lost), plain)
    return mul(x, tail if x < 0 else sub(1.0, tail))


def softplus(x):
    return add(max(x, 0.0), log1p_unit(exp(-abs(x))))


# ---------------------------------------------------------------------------- section 4, binary64


def factorial_terms(numbers, signs):
    return [sign / math.factorial(n) for n, sign in zip(numbers, signs)]


def exp2_64(x):
    n = round(Fraction(x))
    fraction = x - n
    ln2 = h("0x1.62e42fefa39efp-1")
    g = fraction * ln2
    lost = fma64(fraction, h("0x1.abc9e3b39803fp-56"), fma64(fraction, ln2, -g))
    q = horner(fma64, g, factorial_terms(range(13, 1, -1), [1] * 12))
    return math.ldexp(1.0 + (g + fma64(q, g * g, lost)), n)


LOG2 = [h(c) for c in (
    "0x1.00ecd7e080215p-3 0x1.1964ec6fc9491p-3 0x1.3703c1f4d0ffep-3 0x1.5b9ac9b743f0dp-3 "
    "0x1.89f3b1694cffep-3 0x1.c68f568d31760p-3 0x1.0c9a84994022dp-2 0x1.484b13d7c02a9p-2 "
    "0x1.a61762a7aded9p-2 0x1.2776c50ef9bfep-1 0x1.ec709dc3a03fdp-1").split()]


def log2_64(x):
    m, k = math.frexp(x)
    if m < h("0x1.6a09e667f3bcdp-1"):
        m, k = m * 2, k - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    return k + fma64(s * z, horner(fma64, z, LOG2), s * h("0x1.71547652b82fep+1"))


def sine_cosine_64(x):
    n = round(Fraction(x * h("0x1.45f306dc9c883p-1")))
    count = float(n)
    first = fma64(-count, h("0x1.921fb54442d18p+0"), x)
    middle = h("0x1.1a62633145c07p-54")
    second = count * middle
    second_lost = fma64(count, middle, -second)
    r = first - second
    t = ((first - r) - second) - fma64(count, h("-0x1.f1976b7ed8fbcp-110"), second_lost)
    z = r * r
    s = horner(fma64, z, factorial_terms(range(17, 1, -2), [1, -1] * 4))
    sine = r + fma64(r * z, s, fma64(-0.5 * z, t, t))
    c = horner(fma64, z, factorial_terms(range(18, 3, -2), [-1, 1] * 4))
    half = 0.5 * z
    near = 1.0 - half
    cosine = near + (((1.0 - near) - half) + fma64(z * z, c, -(r * t)))
    return [(sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine)][n % 4]


# ---------------------------------------------------------------------------- sections 1, 2, 3, 6


def fold(lanes):
    lanes = list(lanes)
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = [add(lanes[i], lanes[i + half]) for i in range(half)]
    return lanes[0]


def lanes_sum(values):
    lanes = [0.0] * 32
    for i, x in enumerate(values):
        lanes[i % 32] = add(lanes[i % 32], x)
    return fold(lanes)


def lanes_dot(xs, ys):
    lanes = [0.0] * 32
    for i, (x, y) in enumerate(zip(xs, ys)):
        lanes[i % 32] = fma(x, y, lanes[i % 32])
    return fold(lanes)


def rms_norm(x, w, eps):
    mean = div(lanes_dot(x, x), float(len(x)))
    r = div(1.0, sqrt(add(mean, eps)))
    return [mul(mul(a, r), b) for a, b in zip(x, w)]


def layer_norm(x, w, b, eps):
    mean = div(lanes_sum(x), float(len(x)))
    centred = [sub(a, mean) for a in x]
    r = div(1.0, sqrt(add(div(lanes_dot(centred, centred), float(len(x))), eps)))
    return [add(mul(mul(c, r), g), h_) for c, g, h_ in zip(centred, w, b)]


def softmax_sum(x):
    top = max(x)
    p = [exp(sub(a, top)) for a in x]
    return p, lanes_sum(p)


def quantise(x):
    amax = max(abs(v) for v in x)
    if amax < 2.0**-100:
        return 0.0, [0] * len(x)
    d = div(amax, 127.0)
    inv = div(127.0, amax)
    return d, [max(-127, min(127, round(Fraction(mul(v, inv))))) for v in x]


def philox(counter, key):
    c, k = list(counter), [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        a, b = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def attention(query, keys, values, scale, cap):
    """One head over f32 keys and values from index 0."""
    total = None
    for begin in range(0, len(keys), 256):
        scores = []
        for key in keys[begin:begin + 256]:
            s = 0.0
            for q, k in zip(query, key):
                s = fma(q, k, s)
            s = mul(s, scale)
            scores.append(mul(cap, tanh(div(s, cap))) if cap else s)
        m = max(scores)
        p = [exp(sub(s, m)) for s in scores]
        o = []
        for j in range(len(values[0])):
            o_j = 0.0
            for p_i, value in zip(p, values[begin:begin + 256]):
                o_j = fma(p_i, value[j], o_j)
            o.append(o_j)
        chunk = (m, lanes_sum(p), o)
        if total is None:
            total = chunk
            continue
        top = max(total[0], m)
        a, b = exp(sub(total[0], top)), exp(sub(m, top))
        total = (top, fma(total[1], a, mul(chunk[1], b)),
                 [fma(x, a, mul(y, b)) for x, y in zip(total[2], o)])
    return [div(x, total[1]) for x in total[2]]


# ---------------------------------------------------------------------------- RoPE


def yarn_magnitude(factor, multiplier):
    if factor <= 1:
        return 1.0
    return (0.1 * multiplier) * (log2_64(factor) * h("0x1.62e42fefa39efp-1")) + 1.0


def rope(kind, dim, base, factor, context, position, factors):
    pi2 = h("0x1.921fb54442d18p+2")
    log2_base = log2_64(base)
    f = [exp2_64(-((2.0 * i / dim) * log2_base)) for i in range(dim // 2)]
    if factors:
        f = [a / b for a, b in zip(f, factors)]
    magnitude = 1.0
    if kind == "linear":
        f = [a / factor for a in f]
    if kind == "yarn":
        def index(turns):
            return (dim * log2_64(context / (turns * pi2))) / (2.0 * log2_base)
        low = max(0, math.floor(index(32.0)))
        high = min(dim - 1, math.ceil(index(1.0)))
        span = max(0.001, float(high - low))
        out = []
        for i, a in enumerate(f):
            keep = 1.0 - min(1.0, max(0.0, (i - low) / span))
            out.append((a / factor) * (1.0 - keep) + a * keep)
        f = out
        magnitude = yarn_magnitude(factor, 1.0)
    if kind == "llama3":
        out = []
        for a in f:
            turns = context / (pi2 / a)
            smooth = (turns - 1.0) / 3.0
            out.append(a if turns > 4.0 else a / factor if turns < 1.0 else
                       (1.0 - smooth) * (a / factor) + smooth * a)
        f = out
    cosines, sines = [], []
    for a in f:
        sine, cosine = sine_cosine_64(float(position) * a)
        cosines.append(f32(cosine * magnitude))
        sines.append(f32(sine * magnitude))
    return cosines, sines


# ---------------------------------------------------------------------------- output


def bits(x):
    return struct.pack(">f", x).hex()


def bits64(x):
    return struct.pack(">d", x).hex()


def floats(values):
    return " ".join(bits(v) for v in values)


class Stream:
    """Reproducible inputs: words of Philox under a fixed key."""

    def __init__(self, key):
        self.key, self.index = key, 0

    def word(self):
        block = philox([self.index // 4, 0, 0, 0], self.key)
        self.index += 1
        return block[(self.index - 1) % 4]

    def value(self, size):
        """A multiple of 2^-23 in [-1, 1), times size."""
        return f32(Fraction((self.word() >> 8) - (1 << 23), 1 << 23) * Fraction(size))

    def values(self, count, size):
        return [self.value(size) for _ in range(count)]


def write_functions(stream):
    common = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0**-149, -(2.0**-130), 2.0**-126, 3.0, -10.0]
    table = [
        ("exp", exp, [EXP_SMALLEST, f32(EXP_SMALLEST - 2**-17), EXP_LARGEST,
                      f32(EXP_LARGEST + 2**-17), -INF, INF, 1e30, -1e30], 88),
        ("log", log, [2.0**-149, 1.5 * 2.0**-130, 0.70703125, 1.0000001192092896, 3.0e38, INF], 0),
        ("tanh", tanh, [0.625, -0.625, 0.62499994039535522, 9.0, 20.0, INF, -INF], 4),
        ("sigmoid", sigmoid, [-87.0, -100.0, 20.0, INF, -INF], 12),
        ("silu", silu, [-87.0, -89.0, -1000.0, 20.0, INF], 12),
        ("gelu_tanh", gelu_tanh, [-9.5, -20.0, 20.0, 1e30, -1e30, INF], 6),
        ("gelu_erf", gelu_erf, [-12.5, -13.5, 14.0, 20.0, 1e30, -1e30, INF], 6),
        ("softplus", softplus, [-87.0, -100.0, 20.0, 100.0, INF, -INF], 12),
    ]
    for name, function, special, size in table:
        inputs = [x for x in common if name != "log" or x > 0] + special
        inputs += [stream.value(size) if size else abs(stream.value(1)) * 2.0**(8 * i - 60)
                   for i in range(16)]
        for x in inputs:
            x = x if math.isinf(x) else f32(x) if x != 0 else x
            print(name, bits(x), "=", bits(function(x)))


def write_functions64(stream):
    for i in range(12):
        x = stream.value(2.0**(i - 2)) + stream.value(2.0**-24)
        print("exp2_f64", bits64(x), "=", bits64(exp2_64(x)))
    for x in [10000.0, 500000.0, 1000000.0, 1.0, 0.7071, 3.0, 150000.0, 32.0, 1.0000000001]:
        print("log2_f64", bits64(x), "=", bits64(log2_64(x)))
    for x in [0.0, 1.0, 0.785398163397448, 1.5707963267948966, 3.141592653589793, 100000.0,
              16777216.0, 16777215.0 * 0.8659643233600653, 1099511627775.0]:
        sine, cosine = sine_cosine_64(x)
        print("sine_cosine_f64", bits64(x), "=", bits64(sine), bits64(cosine))


def write_rows(stream):
    for width in [1, 5, 33, 100]:
        x, w = stream.values(width, 4), stream.values(width, 2)
        eps = f32(1e-6)
        print("rms_norm", bits(eps), "|", floats(x), "|", floats(w), "=",
              floats(rms_norm(x, w, eps)))
        b = stream.values(width, 1)
        print("layer_norm", bits(eps), "|", floats(x), "|", floats(w), "|", floats(b), "=",
              floats(layer_norm(x, w, b, eps)))
        p, total = softmax_sum(stream_logits := stream.values(width, 9))
        print("softmax_sum", floats(stream_logits), "=", floats(p), "|", bits(total))
        y = stream.values(width, 4)
        print("float_dot", floats(x), "|", floats(y), "=", bits(lanes_dot(x, y)))
    for group in [32, 256]:
        for size in [3, 2.0**-101, 2.0**-90, 1e30]:
            x = stream.values(group, size)
            if size == 3:
                x[4], x[5] = 1.5, -1.5
            d, q = quantise(x)
            print("quantise", group, "|", floats(x), "=", bits(d), "|", *q)


def write_rope():
    long_factors = [1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    for kind, base, factor, context, factors in [
            ("none", 10000.0, 1.0, 0.0, []), ("none", 1e6, 1.0, 0.0, long_factors),
            ("linear", 1e6, 8.0, 0.0, []), ("yarn", 1e6, 4.0, 32768.0, []),
            ("llama3", 500000.0, 32.0, 8192.0, [])]:
        for position in [0, 1, 777, 131071, 16777216]:
            cosines, sines = rope(kind, 16, base, factor, context, position, factors)
            print("rope", kind, 16, position, bits64(base), bits64(factor), bits64(context), "|",
                  floats(factors), "=", floats(cosines), "|", floats(sines))


def write_sampler():
    for counter, key in [((0, 0, 0, 0), 0), ((0xFFFFFFFF,) * 4, 0xFFFFFFFFFFFFFFFF),
                         ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), 0x299F31D0A4093822),
                         ((41, 0, 0, 0), 1234), ((42, 0, 1, 0), 1234)]:
        words = philox(counter, key)
        print("philox", *["%08x" % w for w in counter], "%016x" % key, "=",
              *["%08x" % w for w in words])
        print("uniform", "%08x" % words[0], "=", bits((words[0] >> 8) * 2.0**-24))
    print("uniform ffffffff =", bits(1.0 - 2.0**-24))


def write_attention():
    for count, dim, scale, cap in [(1, 2, 0.5, 0.0), (3, 2, 1.0, 0.0), (300, 4, 0.5, 0.0),
                                   (40, 4, 0.5, 2.0)]:
        query = [f32(Fraction(3 * j - 4, 4)) for j in range(dim)]
        keys = [[float((7 * i + 3 * j) % 17 - 8) / 8 for j in range(dim)] for i in range(count)]
        values = [[float((5 * i + 11 * j) % 23 - 11) / 16 for j in range(dim)]
                  for i in range(count)]
        print("attention", count, dim, bits(scale), bits(cap), "|", floats(query), "=",
              floats(attention(query, keys, values, scale, cap)))


def main():
    print("# Test vectors of the numerics profile fh-1 (docs/NUMERICS.md, section 9). Made by")
    print("# tools/golden/make_numerics_vectors.py; read by src/ops/numerics_vectors_test.cc.")
    print("# Words in hexadecimal are the bits of f32 (8 digits) or binary64 (16 digits).")
    stream = Stream(20)
    write_functions(stream)
    write_functions64(stream)
    write_rows(stream)
    write_rope()
    write_sampler()
    write_attention()


if __name__ == "__main__":
    main()
