#!/usr/bin/env python3
"""Writes golden/numerics/sampler.txt: section 6 of docs/NUMERICS.md a second time.

Usage: make_sampler_vectors.py > golden/numerics/sampler.txt

Lines: `penalty repeat frequency presence count logit = logit`,
`dry multiplier base extra logit = logit` and
`pick temperature top_k typical top_p min_p word | logits = id`, where the chain is temperature,
top-k, typical, top-p, min-p, and a logit of ff800000 is no candidate. Floats as bits, counts decimal.
"""

from make_numerics_vectors import (Stream, add, bits, div, exp, f32, floats, fma, fold, log, mul,
                                   sub)


def lane_sum(by_id, join):
    lanes = [0.0] * 32
    for token, values in sorted(by_id.items()):
        lanes[token % 32] = join(lanes[token % 32], values)
    return fold(lanes)


def penalise(repeat, frequency, presence, count, logit):
    if count == 0:
        return logit
    logit = div(logit, repeat) if logit > 0 else mul(logit, repeat)
    return sub(sub(logit, mul(float(count), frequency)), presence)


def dry(multiplier, base, extra, logit):
    for _ in range(extra):
        multiplier = mul(multiplier, base)
    return sub(logit, multiplier)


class Softmax:
    def __init__(self, logits):
        self.top = max(logits.values()) + 0.0
        self.p = {t: exp(sub(l, self.top)) for t, l in logits.items()}
        self.sum = lane_sum(self.p, add)
        self.total = 0.0
        for token in sorted(self.p):
            self.total += self.p[token]


def walk(order, p, share, total):
    kept, c = [], 0.0
    for token in order:
        kept.append(token)
        c += p[token]
        if c >= share * total:
            break
    return kept


def typical(logits, share):
    s = Softmax(logits)
    surprise = {t: sub(log(s.sum), sub(l, s.top)) for t, l in logits.items()}
    weighted = {t: (div(s.p[t], s.sum), surprise[t]) for t in logits}
    entropy = lane_sum(weighted, lambda acc, qe: fma(qe[0], qe[1], acc))
    deviation = {t: abs(sub(entropy, e)) for t, e in surprise.items()}
    return walk(sorted(logits, key=lambda t: (deviation[t], t)), s.p, share, s.total)


def pick(temperature, top_k, typical_share, top_p, min_p, word, row):
    logits = {t: l for t, l in enumerate(row) if l != -float("inf")}
    in_order = lambda: sorted(logits, key=lambda t: (-logits[t], t))
    keep = lambda tokens: {t: logits[t] for t in tokens}
    if temperature == 0:
        return in_order()[0]
    logits = {t: div(l, temperature) for t, l in logits.items()}
    if top_k:
        logits = keep(in_order()[:top_k])
    if typical_share < 1:
        logits = keep(typical(logits, typical_share))
    if top_p < 1:
        s = Softmax(logits)
        logits = keep(walk(in_order(), s.p, top_p, s.total))
    s = Softmax(logits)
    logits = keep([t for t in logits if s.p[t] >= min_p])
    s = Softmax(logits)
    u = (word >> 8) * 2.0**-24
    c = 0.0
    for token in sorted(logits):
        c += s.p[token]
        if c > u * s.total:
            return token
    raise AssertionError("a candidate is always found")


def main():
    stream = Stream(21)
    print("# Sampler vectors of the numerics profile fh-1 (docs/NUMERICS.md, section 6). Made by")
    print("# tools/golden/make_sampler_vectors.py, which explains the lines.")
    for repeat, frequency, presence, count, logit in [
            (1.1, 0.0, 0.0, 1, 3.7), (1.1, 0.0, 0.0, 1, -3.7), (1.0, 0.3, 0.7, 3, 2.0),
            (1.3, 0.1, 0.2, 7, -0.4), (1.3, 0.1, 0.2, 0, 5.5)]:
        values = [f32(v) for v in (repeat, frequency, presence)]
        print("penalty", floats(values), count, bits(f32(logit)), "=",
              bits(penalise(*values, count, f32(logit))))
    for multiplier, base, extra, logit in [(0.8, 1.75, 0, 2.0), (0.8, 1.75, 5, 2.0)]:
        values = [f32(multiplier), f32(base)]
        print("dry", floats(values), extra, bits(f32(logit)), "=",
              bits(dry(*values, extra, f32(logit))))
    settings = [(0.0, 0, 1.0, 1.0, 0.0), (1.0, 0, 1.0, 1.0, 0.0), (0.8, 40, 1.0, 0.95, 0.05),
                (0.7, 5, 1.0, 1.0, 0.0), (1.5, 0, 1.0, 0.5, 0.0), (1.0, 0, 1.0, 1.0, 0.2),
                (1.0, 0, 0.6, 1.0, 0.0), (1.2, 50, 0.9, 0.9, 0.02)]
    for width in [1, 2, 40, 130]:
        row = [stream.value(6) for _ in range(width)]
        for i in range(2, width):
            if stream.word() % 9 == 0:
                row[i] = -float("inf")
            elif stream.word() % 5 == 0:
                row[i] = row[1]  # Ties are broken by id.
        for setting in settings:
            temperature, top_k, share, top_p, min_p = setting
            for word in [0, 0xFFFFFFFF, stream.word(), stream.word()]:
                values = [f32(v) for v in (share, top_p, min_p)]
                token = pick(f32(temperature), top_k, *values, word, row)
                print("pick", bits(f32(temperature)), top_k, floats(values), "%08x" % word, "|",
                      floats(row), "=", token)


if __name__ == "__main__":
    main()
