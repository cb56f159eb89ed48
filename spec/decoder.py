#!/usr/bin/env python3
"""A second decoder of `.sparc` streams, written from sparc.md alone, to show that the text suffices.

It favours the text over speed: a second of sound takes some seconds. Needs Python 3.9 and numpy 2.

    decoder.py IN.sparc OUT.f32 [MODEL.sparcmodel]...

writes interleaved binary32 samples at the coded rate, lowest byte first. Section numbers are those of sparc.md.
"""

import hashlib
import os
import struct
import sys
import zlib
from operator import mul

import numpy as np

f32 = np.float32
HERE = os.path.dirname(os.path.abspath(__file__))


class Fault(Exception):
    """A rule is broken; `number` is the class of §3.9."""

    def __init__(self, number, what):
        super().__init__(what)
        self.number = number


TRUNCATED, MALFORMED, CORRUPT, UNSUPPORTED, LIMIT, MODEL_FAULT = 1, 2, 3, 4, 5, 6


def rule(holds, what, number=MALFORMED):
    if not holds:
        raise Fault(number, what)


def at_most(x, limit, what):
    rule(x <= limit, what, LIMIT)


# ---------------------------------------------------------------- §1.2 numbers


class Bytes:
    """Reads forward through a body."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        rule(self.at + n <= len(self.data), "body too short", TRUNCATED)
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def i8(self):
        return struct.unpack("<b", self.take(1))[0]

    def varint(self):
        value = 0
        for n in range(10):
            byte = self.u8()
            rule(not (n == 9 and byte > 1) and not (n > 0 and byte == 0), "varint")
            value |= (byte & 127) << 7 * n
            if byte < 128:
                return value

    def up_to(self, bits):
        value = self.varint()
        rule(value < 1 << bits, "number too large")
        return value

    def signed(self):
        x = self.up_to(32)
        return (x >> 1) ^ -(x & 1)

    def signed16(self):
        x = self.signed()
        rule(-32768 <= x <= 32767, "number beyond 16 bits")
        return x

    def i16(self):
        return struct.unpack("<h", self.take(2))[0]

    def f32(self):
        return f32(struct.unpack("<f", self.take(4))[0])

    def end(self):
        rule(self.at == len(self.data), "bytes left over")


def clip(x, n):
    return -n if x < -n else n if x > n else x


def trunc(a, b):
    """a / b towards zero."""
    return a // b if a >= 0 else -(-a // b)


# ---------------------------------------------------------------- §4 header


class Header:
    def __init__(self, body):
        b = Bytes(body)
        version = b.u8()
        rule(version >> 4 == 1, "major version", UNSUPPORTED)
        flags = b.u8()
        rule(version & 15 or not flags & 32, "flag 5")
        self.rate, self.channels = b.up_to(32), b.u8()
        self.source_rate, self.source_channels = (b.up_to(32), b.u8()) if flags & 1 else (self.rate, self.channels)
        self.total = b.varint() if flags & 2 else None
        self.pre_skip = b.up_to(32) if flags & 4 else 0
        transform = b.u8()
        kind = transform >> 4 & 7
        rule(kind <= 1, "window", UNSUPPORTED)
        self.n, self.sine = 1 << (transform & 15), kind == 1
        self.window = self.n if transform & 128 else b.up_to(16)
        self.hop, self.segment_frames = b.up_to(16), b.up_to(16)
        self.model = bytes(b.take(8)) if flags & 8 else None
        self.origin, self.step = b.signed16(), b.u8()
        kinds = b.u8()
        self.mask, self.phases = kinds & 15, kinds >> 4
        rule(self.mask <= 3 and self.phases <= 2, "kinds", UNSUPPORTED)
        self.ridge = self.mask == 3
        self.seed = struct.unpack("<Q", b.take(8))[0] if self.mask == 0 else 0
        self.threshold_step = b.u8() if self.ridge else 1
        self.context_values = bool(flags & 64)
        self.lattice = tuple(b.take(3)) if flags & 16 else None
        self.phase_bits = b.u8() if self.phases else 0
        if self.phases == 1:
            b.signed16()
        self.coefficients, self.coefficient_step = (b.u8(), b.i8()) if flags & 128 else (0, 0)
        if version & 15 == 0:
            b.end()
        self.check(bool(flags & 128))

    def check(self, waveform):
        """§4.2 and §10."""
        for rate, channels in ((self.rate, self.channels), (self.source_rate, self.source_channels)):
            rule(rate >= 1000 and channels >= 1, "signal")
            at_most(rate, 192000, "rate")
            at_most(channels, 8, "channels")
        rule(self.n >= 64, "transform length")
        at_most(self.n, 4096, "transform length")
        rule(2 <= self.window <= self.n, "window length")
        rule(1 <= self.hop <= self.window // 2 and 64 * self.hop >= self.n, "hop")
        rule(self.segment_frames >= 1 and self.step >= 1 and self.threshold_step >= 1, "frames and steps")
        self.bins = self.n // 2 + 1
        at_most(self.bins * self.segment_frames * self.channels, 2098176, "pixels of a segment")
        if self.total is not None:
            at_most(self.total, 1 << 39, "total samples")
        self.covered = min((self.coefficients - 1) * self.n // (2 * self.hop), self.bins - 1) if waveform else 0
        if waveform:
            rule(self.ridge and 1 <= self.coefficients <= self.hop, "waveform layer")
            at_most(self.coefficients, 128, "coefficients")
        if self.lattice:
            bands, every, step = self.lattice
            rule(min(bands, every, step) >= 1 and bands <= self.bins - self.covered, "lattice")
            at_most(bands, 64, "bands")
        if self.phases:
            rule(1 <= self.phase_bits <= 12, "phase bits")

    def coded_samples(self, total):
        return self.pre_skip + -(-total * self.rate // self.source_rate)

    def frames_of(self, total):
        return 0 if total == 0 else 1 + -(-self.coded_samples(total) // self.hop)

    def segments_of(self, total):
        return -(-self.frames_of(total) // self.segment_frames)


# ---------------------------------------------------------------- §5 entropy coding


def logit_tables():
    e = [1 << 32]
    for _ in range(2816):
        e.append(e[-1] * 4278222805 >> 32)
    up = [(1 << 48) // ((1 << 32) + x) for x in e]
    squash = [65536 - up[-x] for x in range(-2816, 0)] + up
    low, x = [0] * 32769, -2816
    for p in range(32769):
        wanted = p if p < 2048 else p & ~15
        while x < 0 and squash[x + 2816] < wanted:
            x += 1
        low[p] = x
    return squash, [low[p] if p <= 32768 else -low[65536 - p] for p in range(65536)]


SQUASH, STRETCH = logit_tables()


def squash(x):
    return SQUASH[x + 2816]


SITES = {  # §5.5: slots of each input, features, sets of each mixer
    "MASK": ((1024, 1024, 1024, 2048, 2048, 2048, 2048), 12, (64, 64, 128)),
    "VALUE": ((2048, 2048, 2048), 9, (16, 16, 16)),
    "LATTICE": ((2048, 2048, 1024, 1280), 10, (16, 16, 16)),
    "THRESHOLD": ((1024, 1024, 1024), 2, (16, 1, 1)),
    "COEFFICIENT": ((2048, 2048, 2048, 1024), 4, (16, 16, 16)),
    "PLAIN_VALUE": ((1024, 1024, 1024), 0, (16, 1, 1)),
    "RUN": ((512,), 0, (1, 1, 1)),
    "PHASE": ((64, 256, 128), 0, (8, 1, 1)),
}


def layout():
    places, slot, weight, weights = {}, 0, 0, []
    for name, (slots, features, sets) in SITES.items():
        first_slots, first_sets = [], []
        for n in slots:
            first_slots.append(slot)
            slot += n
        for n in sets:
            first_sets.append(weight)
            weight += n * (len(slots) + features)
            share = 65536 if len(slots) == 1 else 81920 // len(slots)
            weights += ([share] * len(slots) + [0] * features) * n
        places[name] = (first_slots, first_sets)
    return places, slot, weights


def start_state():
    """§5.6: the state every segment starts from."""
    places, slots, weights = layout()
    with open(os.path.join(HERE, "priors.bin"), "rb") as f:
        raw = f.read()
    assert hashlib.sha256(raw).hexdigest() == "e351a1782a9762a00d9922d29f7cc608490801c7e824ab75793b0ac7e273b49d"
    words = struct.unpack("<%dh" % (len(raw) // 2), raw)
    trained_slots = places["PLAIN_VALUE"][0][0]
    p, n = [1 << 21] * slots, [0] * slots
    counts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32]
    for i, word in enumerate(words[:trained_slots]):
        p[i], n[i] = squash(2 * (word >> 4)) * 64, counts[word & 15]
    for i, word in enumerate(words[trained_slots:]):
        weights[i] = 16 * word
    return places, p, n, weights


START = start_state()
PACE = [131072 // (2 * n + 3) for n in range(128)]


class Coder:
    """Range decoder and the state that learns (§5.1 to §5.4)."""

    def __init__(self, payload):
        self.places, self.p, self.n, self.weights = START[0], START[1][:], START[2][:], START[3][:]
        self.payload, self.next = payload, 0
        self.code, self.range = 0, 1 << 48
        self.log = None
        for _ in range(6):
            self.code = self.code << 8 | self.byte()

    def byte(self):
        self.next += 1
        return self.payload[self.next - 1] if self.next <= len(self.payload) else 0

    def bit(self, p):
        bound = (self.range >> 16) * p
        bit = self.code < bound
        if bit:
            self.range = bound
        else:
            self.code -= bound
            self.range -= bound
        while self.range < 1 << 40:
            self.code = self.code << 8 | self.byte()
            self.range <<= 8
        return int(bit)

    def fair(self, bits):
        x = 0
        for _ in range(bits):
            x = x << 1 | self.bit(32768)
        return x

    def decide(self, site, contexts, features=(), sets=(0, 0, 0)):
        first_slots, first_sets = self.places[site]
        p, weights = self.p, self.weights
        slots = [a + b for a, b in zip(first_slots, contexts)]
        inputs = [STRETCH[max(p[i] >> 6, 1)] for i in slots]
        inputs += features
        count = len(inputs)
        mixed, starts = [], []
        for m in range(3):
            s = first_sets[m] + sets[m] * count
            starts.append(s)
            mixed.append(clip(sum(map(mul, [w >> 4 for w in weights[s:s + count]], inputs)) >> 12, 2816))
        probability = min(max(squash(sum(mixed) // 3), 2), 65534)
        bit = self.bit(probability)
        if self.log is not None:
            self.log.append((site, probability, bit))
        for m in range(3):
            step = (65536 * bit - squash(mixed[m])) * 400 >> 8
            for i, x in enumerate(inputs, starts[m]):
                w = weights[i] + (x * step + 32768 >> 16)
                weights[i] = -524288 if w < -524288 else 524287 if w > 524287 else w
        target = (1 << 22) - 1 if bit else 0
        for i in slots:
            p[i] += (target - p[i]) * PACE[self.n[i]] >> 16
            self.n[i] = min(self.n[i] + 1, 127)
        return bit

    def number(self, site, contexts, estimates, sets, guess):
        """§5.7"""
        guess = min(max(guess, 0), 255)
        contexts = [16 * c for c in contexts]

        def ask(node, border):
            sign = -1 if node >= 9 else 1
            features = [0 if x is None else sign * clip(16 * (x - (16 * border + 8)), 1023) for x in estimates]
            return self.decide(site, [c + node for c in contexts], features, (node, *sets))

        at, j = guess, 0
        if guess == 0 or ask(0, guess - 1):
            while at < 255:
                if j == 24:
                    return at + self.fair(8)
                if not ask(1 + min(j, 7), at):
                    return at
                at, j = at + 1, j + 1
            return at
        at -= 1
        while at > 0:
            if j == 24:
                return at - min(self.fair(8), at)
            if not ask(9 + min(j, 6), at - 1):
                return at
            at, j = at - 1, j + 1
        return at

    def length(self, kind):
        """§5.8"""
        w = 0
        while w < 27 and self.decide("RUN", [256 * kind + w]):
            w += 1
        x = 1
        if w >= 1:
            high = self.decide("RUN", [256 * kind + 32 + 4 * w + 1])
            x = 2 | high
        if w >= 2:
            x = x << 1 | self.decide("RUN", [256 * kind + 32 + 4 * w + 2 + high])
        if w > 2:
            x = x << (w - 2) | self.fair(w - 2)
        return x - 1


# ---------------------------------------------------------------- §6.5 lattice

BARK = [(0, 0), (250, 2445), (500, 4736), (750, 6770), (1000, 8511), (1250, 9974), (1500, 11199), (1750, 12230),
        (2000, 13104), (2250, 13855), (2500, 14509), (2750, 15087), (3000, 15602), (3250, 16069), (3500, 16496),
        (3750, 16891), (4000, 17259), (4500, 17932), (5000, 18539), (5500, 19095), (6000, 19606), (6500, 20079),
        (7000, 20513), (7500, 20912), (8000, 21275), (9000, 21906), (10000, 22424), (11000, 22847), (12000, 23195),
        (13000, 23482), (14000, 23722), (15000, 23923), (16000, 24094), (17000, 24241), (18000, 24368),
        (19000, 24478), (20000, 24575), (21000, 24661), (22000, 24737), (23000, 24804), (24000, 24865),
        (32000, 25192), (48000, 25476), (96000, 25719)]


def bark(n, d):
    for (f0, z0), (f1, z1) in zip(BARK, BARK[1:]):
        if n < f1 * d:
            return z0 + (z1 - z0) * (n - f0 * d) // ((f1 - f0) * d)
    return BARK[-1][1]


def band_edges(bands, first, bins, rate):
    """§6.5.1. Fewer bins than bands make each bin a band (only zones can ask for that)."""
    bands = min(bands, bins - first)
    d = 2 * (bins - 1)
    bottom = bark(first * rate, d)
    top = max(bark(rate * (d // 2), d) - bottom, 1)
    edges = [first]
    for b in range(1, bands):
        k = first
        while k < bins and (bark(k * rate, d) - bottom) * bands < top * b:
            k += 1
        edges.append(min(max(k, edges[-1] + 1), bins - (bands - b)))
    return edges + [bins]


def spread(column, edges, step, bins):
    """§6.5.2: the levels of a column at every bin, for contexts."""
    c = [a + b - 1 for a, b in zip(edges, edges[1:])]
    out, b = [], 0
    for k in range(bins):
        while b + 1 < len(c) and c[b + 1] <= 2 * k:
            b += 1
        w, rise = 0, 0
        if b + 1 < len(c):
            w = 256 * max(2 * k - c[b], 0) // (c[b + 1] - c[b])
            rise = column[b + 1] - column[b]
        out.append((column[b] * 256 + rise * w) * step >> 8)
    return out


# ---------------------------------------------------------------- §6 segments


class Image:
    """The symbols of one channel of a segment; `values` and `angles` by pixel, in pixel order."""

    def __init__(self, frames):
        self.frames = frames
        self.kept = {}
        self.thresholds, self.lattice, self.angles, self.waveform = [], [], {}, []


def draw(state):
    """§6.2.1: the state after, and the draw."""
    m = (1 << 64) - 1
    state = z = state + 0x9E3779B97F4A7C15 & m
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & m
    z = (z ^ z >> 27) * 0x94D049BB133111EB & m
    return state, z ^ z >> 31


def seeded(seed, index, channel, pixels, count):
    place = (index * 256 + channel % 256) * 0xD6E8FEB86659FD93 & (1 << 64) - 1
    state = draw(seed ^ place)[1]
    kept = []
    for pixel in range(pixels):
        if len(kept) == count:
            break
        state, x = draw(state)
        if (x >> 32) * (pixels - pixel) >> 32 < count - len(kept):
            kept.append(pixel)
    return kept


CLASSES = (-128, -96, -72, -48, -32, -16, -4, 8, 20, 32, 48, 72, 96, 128, 176)
CLASS = [sum(edge <= x for edge in CLASSES) for x in range(-129, 178)]


def class_of(x):
    return CLASS[min(max(x, -129), 177) + 129]


MAGNITUDES = (1, 4, 7, 11, 16, 22, 30, 40, 54, 72, 96, 136, 200, 320, 640)
MAGNITUDE_CLASS = [sum(edge <= x for edge in MAGNITUDES) for x in range(641)]


def magnitude_class(x):
    return MAGNITUDE_CLASS[min(x, 640)]


FALL = (65536, 62757, 60097, 57549, 55109, 52773, 50535, 48393, 46341, 44376, 42495, 40693, 38968, 37316, 35734, 34219)


class Ridge:
    """Thresholds, positions and values of the ridge mask (§6.3.1, §6.3.2). Rows are padded by 16 bins."""

    PAD = 16

    def __init__(self, h):
        self.h = h
        width = h.bins + 2 * self.PAD
        self.kept = [[0] * width for _ in range(3)]
        self.level = [[0] * width for _ in range(3)]
        self.h0 = self.h1 = self.h2 = 0
        self.frame = 0
        edges = band_edges(16, 0, h.bins, h.rate)
        self.zones = [z for z in range(len(edges) - 1) for _ in range(edges[z], edges[z + 1])]

    def threshold(self, c):
        self.h2, self.h1 = self.h1, self.h0
        h1, h2 = self.h1, self.h2
        contexts, guess = ([15] * 3, 20) if self.frame == 0 else ([31] * 3, h1) if self.frame == 1 else (
            [clip(h1 - h2, 7) + 7, 16, 32 + min(h1, 31)], h1)
        self.h0 = c.number("THRESHOLD", contexts, [16 * h1, 16 * (2 * h1 - h2)], (0, 0), guess)
        rule(self.h0 <= 255, "threshold")
        self.floor = self.h0 * self.h.threshold_step
        return self.h0

    def row(self, c, background):
        """Codes a frame; returns value + 1 of its kept pixels, else 0."""
        h, pad, floor = self.h, self.PAD, self.floor
        self.kept = [[0] * (h.bins + 2 * pad)] + self.kept[:2]
        self.level = [[0] * (h.bins + 2 * pad)] + self.level[:2]
        if self.frame == 0:
            for n in (1, 2):
                self.level[n][pad:pad + h.bins] = background
        kept, kept1, _ = self.kept
        level, level1, _ = self.level
        self.change = 7 if self.frame == 0 else clip(self.h0 - self.h1, 3) + 3
        self.last = self.before = self.height = self.shift = 0
        for k in range(h.covered):
            level[pad + k] = min(background[k], floor)
        for k in range(h.covered, h.bins):
            i = k + pad
            v = self.pixel(c, k, background[k] - floor)
            if v is None:
                level[i] = min(background[k], floor)
                continue
            rule(v <= 255, "value")
            kept[i] = v + 1
            level[i] = floor + v * h.step + h.step // 2
            if not kept[i - 1]:
                self.before, self.height = self.last, 0
            if v + 1 > self.height:
                self.height, self.last, self.shift, best = v + 1, k, 0, 0
                for shift in (0, 1, -1, 2, -2):
                    if kept1[i - shift] > best:
                        best, self.shift = kept1[i - shift], shift
        self.frame += 1
        return kept[pad:pad + h.bins]

    def levels(self):
        return self.level[0][self.PAD:self.PAD + self.h.bins]

    def pixel(self, c, k, ground):
        i, floor, s = k + self.PAD, self.floor, self.h.step
        (kept, kept1, kept2), (level, level1, level2) = self.kept, self.level
        zone, first = self.zones[k], int(self.frame == 0)
        a, b, cc = int(kept[i - 1] > 0), int(kept[i - 2] > 0), int(kept[i - 3] > 0)
        l, u, d, ll = int(kept1[i] > 0), int(kept1[i + 1] > 0), int(kept1[i - 1] > 0), int(kept2[i] > 0)
        xa, xb = level[i - 1] - floor, level[i - 2] - floor
        xl, xu, xd, xll = level1[i] - floor, level1[i + 1] - floor, level1[i - 1] - floor, level2[i] - floor
        y_up, y_down = level2[i + 1] - floor, level2[i - 1] - floor
        off, spacing = min(k - self.last, 15), min(self.last - self.before, 15)
        aligned, on = level1[i - self.shift] - floor, int(kept1[i - self.shift] > 0)
        harmonic = level[i - spacing] - floor if spacing > 1 else 0
        time = trunc(2 * xl + xu + xd, 4)
        plane = xa + xl - xd
        blend = trunc(6 * xa + 4 * xl + 3 * xu + 2 * xd + xll, 16)
        far = trunc(2 * xl + xu + xd + 2 * xll + y_up + y_down, 8)
        fine = min(max(trunc(blend + 160, 8), 0), 63)
        g2 = class_of(ground) >> 1
        contexts = (
            zone | a << 4 | l << 5 | u << 6 | d << 7 | ll << 8 | b << 9,
            class_of(xl) >> 1 | class_of(xa) >> 1 << 3 | u << 6 | d << 7 | ll << 8 | b << 9,
            class_of(plane) | g2 << 4 | a << 7 | l << 8 | b << 9,
            off | spacing << 4 | a << 8 | l << 9 | (u | d) << 10,
            class_of(time) | g2 << 4 | self.change << 7 | a << 10,
            fine | g2 << 6 | a << 9 | b << 10,
            class_of(far) | class_of(aligned) >> 1 << 4 | a << 7 | l << 8 | cc << 9 | b << 10,
        )
        features = [256] + [clip(4 * x, 1023) for x in (xl, xa, xu, xd, xll, ground, aligned, harmonic,
                                                       level1[i + 2] - floor, level1[i - 2] - floor, xb)]
        sets = (a | l << 1 | u << 2 | d << 3 | ll << 4 | first << 5, zone | a << 4 | b << 5, off | spacing >> 1 << 4)
        if not c.decide("MASK", contexts, features, sets):
            return None
        half = s // 2
        votes = ((2 * l, xl), (2 * a, xa), (u, xu), (d, xd), (2 * (a & l & d), plane), (a & b, 2 * xa - xb))
        weight = sum(n for n, _ in votes)
        total = sum(n * (x - half) for n, x in votes)
        guess = min(max((total + weight * s // 2) // (weight * s), 0), 20) if weight else 0

        def quarters(x):
            return min(max(4 * (x - half - guess * s) // s + 7, 0), 14)

        def halves(x):
            return min(max(2 * (x - half - guess * s) // s + 4, 0), 7)

        def value(there, x):
            return trunc(16 * (x - half), s) if there else None

        contexts = (
            a | l << 1 | u << 2 | d << 3 | b << 4 | min(guess, 3) << 5,
            min(off, 7) | halves(aligned) << 3 | on << 6,
            quarters(plane) | halves(time) >> 1 << 4 | a << 6,
        )
        estimates = (16 * guess + 24, value(a, xa), value(l, xl), value(u, xu), value(d, xd),
                     value(a and (l or d), plane), value(on, aligned), value(b, xb), value(ll, xll))
        return c.number("VALUE", contexts, estimates, (a | l << 1 | u << 2 | d << 3, class_of(ground)), guess)


class Lattice:
    """§6.5.3"""

    def __init__(self, h):
        self.bands, _, self.step = h.lattice
        self.edges = band_edges(self.bands, h.covered, h.bins, h.rate)
        self.before = self.older = [0] * self.bands
        self.floor, self.seen = 0, 0

    def column(self, c, floor):
        bands, s, now = self.bands, self.step, []
        before, older = self.before, self.older
        rise = trunc(8 * (floor - self.floor), s)
        fresh = self.seen == 0
        for b in range(bands):
            zone = 16 * b // bands
            west = before[b]
            far_west = older[b] if self.seen > 1 else west
            north_west = before[b + 1] if b + 1 < bands else west
            south = now[b - 1] if b > 0 else 0
            far_south = now[b - 2] if b > 1 else south
            lift = south - before[b - 1] if b > 0 else 0
            far_lift = far_south - before[b - 2] if b > 1 else lift
            if fresh:
                guess = south if b else trunc(max(floor - 96, 0), s)
                contexts, sets = (112 + zone, 127, 63, 79), (15, 15)
            else:
                guess = 8 * west + 2 * lift + far_lift + trunc(rise, 4) + 4 >> 3
                q = lambda x, n: clip(x, n) + n
                contexts = (
                    zone + 16 * q(west - guess, 3),
                    q(north_west - guess, 3) + 8 * q(south - guess, 3) + 56 * (b == 0),
                    q(trunc(rise, 8), 4) + 9 * min(q(west - far_west, 3), 5),
                    q(south - guess, 5) + 11 * q(west - guess, 3),
                )
                sets = (min(zone, 14), q(lift, 3) + 7 * (b > 1 and far_lift > 0))
            past = lambda x: None if fresh else x
            estimates = (past(16 * west), past(16 * far_west), past(16 * north_west), 16 * south if b else None,
                         16 * far_south if b > 1 else None, past(16 * (west + lift)), past(16 * (west + far_lift)),
                         past(16 * west + 2 * rise), 16 * guess + 24, trunc(16 * floor, s) if floor else None)
            v = c.number("LATTICE", contexts, estimates, sets, guess)
            rule(v <= 255, "lattice level")
            now.append(v)
        self.before, self.older, self.floor, self.seen = now, before, floor, self.seen + 1
        return now


class Waveform:
    """§6.7"""

    PAD = 2

    def __init__(self, count):
        self.count = count
        self.before = self.older = [0] * (count + 4)
        self.floor, self.seen = 0, 0

    def row(self, c, floor):
        fall = floor - self.floor
        h, r = fall // 48, fall % 48

        def faded(x):
            part = x * FALL[r // 3] >> 16
            return min(part >> min(h, 40) if h >= 0 else part << min(-h, 20), 16368)

        p, q = [faded(x) for x in self.before], [faded(x) for x in self.older]
        now, out = [0] * (self.count + 4), []
        for k in range(self.count):
            i = k + 2
            a, b = now[i - 1], now[i - 2]
            near, past = (2 * a + b) // 3, (2 * p[i] + p[i - 1] + p[i + 1]) // 4
            wide = (p[i - 2] + p[i + 2] + q[i - 2] + q[i - 1] + 2 * q[i] + q[i + 1] + q[i + 2]) // 8
            mean = (2 * a + b + 2 * p[i] + p[i - 1] + p[i + 1] + q[i]) // 8
            guess = 11 * mean // 256
            cl = magnitude_class
            contexts = (cl(mean) | min(k // 4, 7) << 4, cl(past) | cl(near) >> 1 << 4, cl(wide) | cl(a) >> 1 << 4,
                        63 if self.seen == 0 else min(k, 31) + 32 * (guess > 0))
            estimates = [min(x, 4000) for x in (mean, past, a, wide)]
            m = c.number("COEFFICIENT", contexts, estimates, (cl(mean), cl(wide)), min(guess, 255))
            rule(m <= 255, "coefficient")
            if m == 255:
                m += c.fair(12)
            rule(m <= 4095, "coefficient")
            now[i] = min(16 * m, 16368)
            out.append(-m if m and c.fair(1) else m)
        self.before, self.older, self.floor, self.seen = now, p, floor, self.seen + 1
        return out


class ContextValues:
    """§6.4.2"""

    def __init__(self, h):
        self.h, self.recent = h, {}

    def row(self, c, kept, background):
        below, out = None, []
        bins = self.h.bins
        for k in kept:
            total = weight = 0
            for e in range(4):
                for j in (k - e, k + e):
                    if j in self.recent:
                        total += (4 - e) * self.recent[j]
                        weight += 4 - e
            time = (total + weight // 2) // weight if weight else None
            ground = background[k] // self.h.step if background else None
            both = time is not None and below is not None
            guess = (time + below + 1) // 2 if both else next((x for x in (time, below, ground) if x is not None), 0)
            d = lambda x: 7 if x is None else clip(x - guess, 3) + 3
            contexts = (d(time) | d(below) << 3, d(ground) | d(below) << 3,
                        min(16 * k // bins, 15) | (time is not None) << 4 | (below is not None) << 5)
            v = c.number("PLAIN_VALUE", contexts, (), (0, 0), guess)
            rule(v <= 255, "value")
            self.recent[k] = below = v
            out.append(v)
        return out


class Phases:
    """§6.6"""

    def __init__(self, h):
        self.h, self.before = h, [0] * (h.bins + 2)

    def row(self, c, kept, levels):
        has, out, before = [0] * (self.h.bins + 2), {}, self.before
        for k in range(self.h.bins):
            there = 1
            if self.h.phases == 1:
                a, b = has[k], has[k - 1] if k else 0
                l, u, d = before[k + 1], before[k + 2], before[k]
                keep, level = int(k in kept), min(max(trunc(levels[k], 24), 0), 63)
                there = c.decide("PHASE", (a | b << 1 | l << 2 | u << 3 | d << 4 | keep << 5, level | a << 6 | l << 7,
                                           level | keep << 6), (), (a | l << 1 | keep << 2, 0, 0))
            has[k + 1] = there
            if there:
                out[k] = c.fair(self.h.phase_bits)
        self.before = has
        return out


def packed_values(b, count):
    width = b.u8()
    rule(width <= 8, "width of packed values")
    bits = int.from_bytes(b.take((width * count + 7) // 8), "little")
    return [bits >> width * i & (1 << width) - 1 for i in range(count)]


def read_segment(h, body, log=None):
    """The index and the images of a SEGM body (§6)."""
    b = Bytes(body)
    place = b.varint()
    index, frames = place >> 1, h.segment_frames
    rule(index < 1 << 32, "segment index")
    if place & 1:
        frames = b.varint()
        rule(1 <= frames < h.segment_frames, "segment frames")
    pixels = frames * h.bins
    images = [Image(frames) for _ in range(h.channels)]
    counts, packed = [], []
    for channel, image in enumerate(images):  # the plain part
        if h.ridge:
            continue
        if h.mask == 1:
            bits = int.from_bytes(b.take((pixels + 7) // 8), "little")
            rule(bits >> pixels == 0, "padding of packed mask")
            image.kept = {p: 0 for p in range(pixels) if bits >> p & 1}
            counts.append(len(image.kept))
        else:
            counts.append(b.varint())
            rule(counts[-1] <= pixels, "count of kept pixels")
            if h.mask == 0:
                image.kept = dict.fromkeys(seeded(h.seed, index, channel, pixels, counts[-1]), 0)
        packed.append(None if h.context_values else packed_values(b, counts[-1]))
    c = Coder(b.data[b.at:])
    c.log = log
    if h.mask == 2:
        for image in images:  # §6.2.3
            at, kind, first = 0, 0, True
            while at < pixels:
                n = c.length(kind) + (0 if first else 1)
                rule(at + n <= pixels, "run")
                if kind:
                    image.kept.update(dict.fromkeys(range(at, at + n), 0))
                at, kind, first = at + n, 1 - kind, False
    states = [(Ridge(h) if h.ridge else None, Lattice(h) if h.lattice else None,
               Waveform(h.coefficients) if h.coefficients else None, ContextValues(h), Phases(h)) for _ in images]
    grounds = [[0] * h.bins for _ in images]
    for t in range(frames):
        for channel, (image, (ridge, lattice, waveform, values, phases)) in enumerate(zip(images, states)):
            if ridge:
                image.thresholds.append(ridge.threshold(c))
            floor = ridge.floor if ridge else 0
            if lattice:
                if t % h.lattice[1] == 0:
                    image.lattice.append(lattice.column(c, floor))
                    grounds[channel] = spread(image.lattice[-1], lattice.edges, lattice.step, h.bins)
            elif ridge:
                grounds[channel] = [floor - 96] * h.bins
            background = grounds[channel]
            if waveform:
                image.waveform.append(waveform.row(c, floor))
            start = t * h.bins
            if ridge:
                row = ridge.row(c, background)
                image.kept.update({start + k: v - 1 for k, v in enumerate(row) if v})
            elif h.context_values:
                kept = [p - start for p in range(start, start + h.bins) if p in image.kept]
                row = values.row(c, kept, background if lattice else None)
                image.kept.update({start + k: v for k, v in zip(kept, row)})
            if h.phases:
                kept = {p - start for p in range(start, start + h.bins) if p in image.kept}
                levels = ridge.levels() if ridge else background
                image.angles.update({start + k: v for k, v in phases.row(c, kept, levels).items()})
    rule(c.next >= len(c.payload), "end of segment")
    for image, count, values in zip(images, counts, packed):
        rule(count == len(image.kept), "count of kept pixels")
        if values is not None:
            image.kept = dict(zip(image.kept, values))
    return index, images


# ---------------------------------------------------------------- §11 functions


def log10f(x):
    """Of positive normal numbers."""
    bits = np.asarray(x, f32).view(np.uint32).astype(np.int64) + (0x3F800000 - 0x3F3504F3)
    k = ((bits >> 23) - 127).astype(f32)
    f = ((bits & 0x7FFFFF) + 0x3F3504F3).astype(np.uint32).view(f32) - f32(1)
    s = f / (f32(2) + f)
    z = s * s
    w = z * z
    t = z * (f32(0.66666662693) + w * f32(0.28498786688)) + w * (f32(0.40000972152) + w * f32(0.24279078841))
    h = f32(0.5) * f * f
    hi = ((f - h).view(np.uint32) & np.uint32(0xFFFFF000)).view(f32)
    lo = f - hi - h + s * (h + t)
    y = (k * f32(7.9034151668e-07) + (lo + hi) * f32(-3.1689971365e-05) + lo * f32(4.3432617188e-01)
         + hi * f32(4.3432617188e-01) + k * f32(3.0102920532e-01))
    return np.where(x == 1, f32(0), y)


# ---------------------------------------------------------------- §9.1 transform

SINES = np.sin(2 * np.pi * np.arange(1025) / 4096).astype(f32)


def unit(j):
    """Cosine and sine of j steps of 1/4096 turn."""
    quarter, r = np.divmod(np.asarray(j, np.int64) % 4096, 1024)
    up, down = SINES[r], SINES[1024 - r]
    return np.choose(quarter, [down, -up, -down, up]), np.choose(quarter, [up, down, -up, -down])


def times(c, s, re, im):
    """The complex product (c, s) * (re, im)."""
    return c * re - s * im, c * im + s * re


def turns(k, n):
    """W(k, n)"""
    c, s = unit(4096 // n * k)
    return c, -s


def fft(re, im):
    """Forward transform along the last axis."""
    length, order = re.shape[-1], [0]
    while len(order) < length:
        order = [2 * i for i in order] + [2 * i + 1 for i in order]
    re, im = re[:, order], im[:, order]
    size = 2
    while size <= length:
        m = size // 2
        re, im = re.reshape(len(re), -1, size), im.reshape(len(im), -1, size)
        a, b, c, d = re[..., :m], im[..., :m], re[..., m:], im[..., m:]
        if size == 2:
            x, y = c, d
        elif size == 4:
            x, y = np.stack([c[..., 0], d[..., 1]], -1), np.stack([d[..., 0], -c[..., 1]], -1)
        else:
            x, y = times(*turns(np.arange(m), size), c, d)
        re, im = (np.concatenate(x, -1).reshape(len(re), -1) for x in ([a + x, a - x], [b + y, b - y]))
        size *= 2
    return re, im


class Transform:
    """Frames of n samples, `hop` samples apart. Spectra are two arrays, real and imaginary parts, frames x bins."""

    def __init__(self, h, hop):
        self.n, self.hop, self.bins = h.n, hop, h.bins
        i = np.arange(h.window)
        wave = np.sin(np.pi * i / h.window)
        self.window = np.zeros(h.n, f32)
        start = (h.n - h.window) // 2
        self.window[start:start + h.window] = wave if h.sine else wave * wave
        self.inner = np.arange(1, h.n // 4 + 1)
        self.turns = turns(self.inner, h.n)

    def spectra(self, signal, start, frames):
        """Spectra of frames of `signal`, the first at index `start`; silence where it has no samples."""
        n, half, k = self.n, self.n // 2, self.inner
        u = np.zeros((frames, n), f32)
        for t in range(frames):
            at = start + t * self.hop
            lo, hi = max(at, 0), min(at + n, len(signal))
            if lo < hi:
                u[t, lo - at:hi - at] = signal[lo:hi]
        u = u * (f32(0.5) * self.window)
        re, im = fft(u[:, 0::2], u[:, 1::2])
        x, y = np.zeros((2, frames, self.bins), f32)
        x[:, 0], x[:, half] = f32(2) * (re[:, 0] + im[:, 0]), f32(2) * (re[:, 0] - im[:, 0])
        even, odd = (re[:, k] + re[:, half - k], im[:, k] - im[:, half - k]), times(
            *self.turns, im[:, k] + im[:, half - k], re[:, half - k] - re[:, k])
        x[:, half - k], y[:, half - k] = even[0] - odd[0], odd[1] - even[1]
        x[:, k], y[:, k] = even[0] + odd[0], even[1] + odd[1]
        return x, y

    def frames(self, x, y):
        """The windowed samples of spectra."""
        half, k = self.n // 2, self.inner
        re, im = np.empty((2, len(x), half), f32)
        re[:, 0], im[:, 0] = x[:, 0] - x[:, half], x[:, 0] + x[:, half]
        even = x[:, k] + x[:, half - k], y[:, k] - y[:, half - k]
        odd = times(self.turns[0], -self.turns[1], x[:, k] - x[:, half - k], y[:, k] + y[:, half - k])
        re[:, half - k], im[:, half - k] = odd[0] - even[1], even[0] + odd[1]
        re[:, k], im[:, k] = even[1] + odd[0], even[0] - odd[1]
        re, im = fft(re, im)
        u = np.empty((len(x), self.n), f32)
        u[:, 0::2], u[:, 1::2] = im, re
        return u * (self.window * (f32(1) / f32(self.n)))

    def signal(self, x, y):
        """The signal of spectra; its first sample lies at position -n / 2."""
        total, weight = np.zeros((2, (len(x) - 1) * self.hop + self.n), f32)
        for t, frame in enumerate(self.frames(x, y)):
            at = slice(t * self.hop, t * self.hop + self.n)
            total[at] += frame
            weight[at] += self.window * self.window
        heard = weight > f32(1e-8)
        return np.where(heard, total * (f32(1) / np.where(heard, weight, f32(1))), f32(0))


# ---------------------------------------------------------------- §8 completion

LOWEST, HIGHEST = -8192, 8191


def level(x):
    return np.clip(x, LOWEST, HIGHEST)


def planes(h, images):
    """§8.1: values, image, background and mask, frames x bins, of all segments of a channel."""
    frames = sum(image.frames for image in images)
    values, mask = np.zeros((frames, h.bins), np.int64), np.zeros((frames, h.bins), bool)
    background = fill_lattice(h, images)
    t = 0
    for image in images:
        kept = np.array(list(image.kept), np.int64)
        above = (2 * np.array(list(image.kept.values()), np.int64) + 1) * h.step
        if h.ridge:
            thresholds = 2 * h.threshold_step * np.array(image.thresholds, np.int64)
            rows = background[t:t + image.frames]
            rows[:] = np.minimum(rows, level(thresholds)[:, None])
            above += thresholds[kept // h.bins]
        kept += t * h.bins
        values.reshape(-1)[kept], mask.reshape(-1)[kept] = level(above), True
        t += image.frames
    return values, np.where(mask, values, background), background, mask


def share(x, d):
    x = min(max(x, 0), d)
    return (65536 * x + d) // (2 * d)


def blend(a, b, w):
    return a + ((b - a) * w + 16384 >> 15)


def fill_lattice(h, images):
    """§8.2"""
    frames = sum(image.frames for image in images)
    out = np.zeros((frames, h.bins), np.int64)
    if not h.lattice:
        return out
    bands, every, step = h.lattice
    edges = band_edges(bands, h.covered, h.bins, h.rate)
    centre = [a + b - 1 for a, b in zip(edges, edges[1:])]
    band, weight = [], []
    for k in range(h.bins):
        b = max([0] + [b for b in range(bands - 1) if centre[b] <= 2 * k])
        band.append(b)
        weight.append(share(2 * k - centre[b], centre[b + 1] - centre[b]) if bands > 1 else 0)
    band, weight = np.array(band), np.array(weight)
    above = np.minimum(band + 1, bands - 1)
    columns, own, places = [], [], []
    for image in images:
        for j in range(image.frames):
            own.append(len(columns) + j // every)
            places.append(j % every)
        columns += [level(2 * step * np.array(column, np.int64)) for column in image.lattice]
    for t, (column, j) in enumerate(zip(own, places)):
        behind = 2 * j >= every - 1
        w = share(2 * j - (every - 1), 2 * every) if behind else share(2 * j + every + 1, 2 * every)
        first, second = (column, column + 1) if behind else (column - 1, column)
        e = blend(columns[max(first, 0)], columns[min(second, len(columns) - 1)], w)
        out[t] = blend(e[band], e[above], weight)
    return out


def completed(h, model, images):
    """§8: fine frames of each coded one, the transform, the dense image, and the waveform layer's spectra or None."""
    up = model.up if model else next((u for u in (8, 4, 2) if h.hop % u == 0 and h.hop // u >= h.n // 8), 1)
    tr = Transform(h, h.hop // up)
    values, image, background, mask = planes(h, images)
    low = None
    if h.coefficients:
        low = [part[:, :h.covered] for part in tr.spectra(lapped(h, images), h.hop - h.n // 2, len(mask) * up)]
        power = low[0][::up] * low[0][::up] + low[1][::up] * low[1][::up]
        power = np.where(power > f32(1e-16), power, f32(1e-16))
        above = np.floor(f32(160) * log10f(power) + f32(0.5)).astype(np.int64) - 2 * h.origin
        c = h.covered
        values[:, :c] = image[:, :c] = np.clip(above, 0, HIGHEST)
        mask[:, :c] = True
    y = model.run(values, image, background, mask) if model else 0
    after = np.concatenate([image[1:], image[-1:]])
    base = np.zeros((len(mask), up, h.bins), np.int64)
    if model is None or model.residual:
        for j in range(up):
            base[:, j] = image * (up - j) + after * j + up // 2 >> up.bit_length() - 1
    return up, tr, level(base + y).reshape(-1, h.bins), low


# ---------------------------------------------------------------- §9 synthesis

TENTHS = np.array([10.0 ** (r / 320) for r in range(320)]).astype(f32)
POWERS = np.array([float("1e%d" % d) for d in range(-8, 9)]).astype(f32)


def magnitude(x):
    """§9.2: of levels that count from the origin of all levels."""
    d, r = np.divmod(np.clip(x, -2560, 2560), 320)
    return TENTHS[r] * POWERS[d + 8]


def short(x):
    """§9.2: numbers without their lower 16 bits."""
    return (np.ascontiguousarray(x, f32).view(np.uint32) & np.uint32(0xFFFF0000)).view(f32)


def lapped(h, images):
    """§9.6: the signal of the waveform layer of a channel, whose first sample lies at position -hop."""
    m, count = h.hop, h.coefficients
    k, x = np.arange(count)[:, None], np.arange(2 * m)[None, :] + 0.5
    basis = (np.sin(np.pi * x / (2.0 * m)) * np.cos(np.pi / m * (x + 0.5 * m) * (k + 0.5))).astype(f32)
    signal, block = np.zeros((sum(image.frames for image in images) + 1) * m, f32), 0
    for image in images:
        for threshold, row in zip(image.thresholds, image.waveform):
            step = magnitude(2 * (threshold * h.threshold_step + h.coefficient_step + h.origin)) * (f32(2) / f32(m))
            for q, wave in zip(row, basis):
                if q != 0:
                    signal[block * m:(block + 2) * m] += f32(q) * step * wave
            block += 1
    return signal


TURN = (1 << 32) - 1  # phases are whole numbers modulo this plus one


def angle(re, im):
    """§9.3: the phase of a complex number."""
    x, y, j, d = abs(re), abs(im), 0, 512
    while d:
        if SINES[j + d] * x <= SINES[1024 - j - d] * y:
            j += d
        d //= 2
    out = (j << 20) + (1 << 19)
    if re < 0:
        out = (1 << 31) - out
    return -out if im < 0 else out


def integrate(h, hop, dense, held):
    """§9.3: phases, frames x bins. `held` has for every frame the phases of its held pixels, by bin (of covered ones
    that of the highest alone matters)."""
    frames, bins = dense.shape
    g = (0.42465 if h.sine else 0.25645) * float(h.window * h.window)
    u = np.log(10.0) / 320 / (2 * np.pi) * 2.0 ** 30
    a = int(np.floor(hop * h.n / g * u + 0.5))
    b = int(np.floor(g / (hop * h.n) * u + 0.5))
    out = []
    for t in range(frames):
        here = dense[t]
        before, after = dense[max(t - 1, 0)], dense[min(t + 1, frames - 1)]
        wide = [np.concatenate([x[:1], x, x[-1:]]) for x in (before, here)]
        along = a * sum(x[2:] - x[:-2] for x in wide) + np.arange(bins) * (hop * (1 << 32) // h.n)
        apart = after - before
        rise = [0] + ((1 << 31) - b * (apart[:-1] + apart[1:])).tolist()
        floor = max(here.max(), before.max()) - 1920
        own = [x if x > floor else None for x in here.tolist()]
        reach = [x if x > floor and t > 0 else None for x in before.tolist()]
        phase, known = [None] * bins, held[t]
        for k in range(bins):
            if k in known:
                phase[k] = known[k]
            elif own[k] is None:
                phase[k] = draw(t * bins + k & (1 << 64) - 1)[1] >> 32

        def more(x, y):
            """Whether x is a level and not less than y."""
            return x is not None and (y is None or x >= y)

        def hand_on(k, x):
            if own[k] is None or k in known:
                return own[k]
            loud = reach[k] if more(reach[k], x) else x
            return None if loud is None else min(own[k], loud)

        below, above = [None] * (bins + 1), [None] * bins
        for k in range(bins):
            below[k + 1] = hand_on(k, below[k])
        for k in range(bins - 1, 0, -1):
            above[k - 1] = hand_on(k, above[k])
        k, later = 0, []
        while k < bins:
            r, c, d = reach[k], below[k], above[k]
            if phase[k] is not None:
                pass
            elif more(r, c) and more(r, d):
                phase[k] = out[t - 1][k] + int(along[k]) & TURN
            elif more(c, d):
                phase[k] = phase[k - 1] + rise[k] & TURN
            elif d is not None:
                later.append(k)  # nobody follows from it from below
            else:
                end = k
                while end < bins and phase[end] is None and reach[end] is below[end] is above[end] is None:
                    end += 1
                seed = max(range(k, end), key=lambda i: (own[i], -i))
                phase[seed] = 0
                for i in range(seed + 1, end):
                    phase[i] = phase[i - 1] + rise[i] & TURN
                for i in range(seed - 1, k - 1, -1):
                    phase[i] = phase[i + 1] - rise[i + 1] & TURN
                k = end - 1
            k += 1
        for k in reversed(later):
            phase[k] = phase[k + 1] - rise[k + 1] & TURN
        out.append([x & TURN for x in phase])
    return np.array(out, np.int64)


def refine(tr, mags, held, x, y, trace):
    """§9.4: fast Griffin-Lim, from the spectra (x, y). `trace` gets the spectra before the first step and after each."""
    before, start = (short(x), short(y)), (x, y)
    trace.append(start)
    for _ in range(7):
        now = tr.spectra(tr.signal(x, y), 0, len(x))
        re, im = (a + f32(0.7) * (a - b) for a, b in zip(now, before))
        p = re * re + im * im
        p = np.where(p < f32(3e38), p, f32(3e38))
        q = (0x5F3759DF - (p.view(np.uint32) >> 1)).astype(np.uint32).view(f32)
        for _ in range(2):
            q = q * (f32(1.5) - f32(0.5) * p * q * q)
        x, y = (np.where(held, a, z * (mags * q)) for z, a in zip((re, im), start))
        before = short(now[0]), short(now[1])
        trace.append((x, y))
    return x, y


def synthesise(h, tr, up, dense, images, low, trace=None):
    """§9: phases as they are integrated, and the signal of a channel from position 0 on, from its dense image. `trace` gets
    the spectra of each step."""
    mags = short(magnitude(dense + 2 * h.origin))
    held, phases = np.zeros(dense.shape, bool), [{} for _ in dense]
    t = 0
    for image in images:
        for pixel, index in image.angles.items():
            frame, k = (t + pixel // h.bins) * up, pixel % h.bins
            if k >= h.covered:
                phases[frame][k] = index << 32 - h.phase_bits
                held[frame, k] = True
        t += image.frames
    if h.covered:
        held[:, :h.covered] = True
        for frame, re, im in zip(phases, *(part[:, -1] for part in low)):
            frame.update(dict.fromkeys(range(h.covered), angle(re, im)))
    turn = integrate(h, tr.hop, dense, phases)
    c, s = unit(turn + (1 << 19) >> 20)
    x, y = mags * c, mags * s
    if low is not None:
        x[:, :h.covered], y[:, :h.covered] = low
    x, y = refine(tr, mags, held, x, y, [] if trace is None else trace)
    return turn, tr.signal(x, y)[tr.n // 2:]


# ---------------------------------------------------------------- §7 model files


class Model:
    """A model file; only its completion is kept."""

    def __init__(self, data):
        rule(data[:8] == b"\x8bSPM\r\n\x1a\n", "model signature")
        at, kind, bodies = 8, None, []
        while kind != 0x14:
            first = at == 8
            kind, body, at = chunk_at(data, at)
            rule(first == (kind == 0x11), "place of MHDR")
            rule(kind in (0x11, 0x12, 0x14) or kind & 128, "unknown critical chunk", UNSUPPORTED)
            if kind == 0x11:
                analysis = self.header(Bytes(body))
            elif kind == 0x12:
                bodies.append(body)
        rule(at == len(data) and not body, "end of the model")
        rule(len(bodies) == self.count + analysis and self.count > 0, "number of nodes")
        self.nodes = [node(Bytes(body)) for body in bodies[:self.count]]
        rule(all(op.whole in (None, self.whole) for op, _ in self.nodes), "numbers of another kind")
        self.up = self.upsampling()

    def header(self, b):
        version = b.u8()
        rule(version >> 4 == 1, "model version", UNSUPPORTED)
        self.rate, transform = b.varint(), b.u8()
        self.transform = transform & 127
        self.window = 1 << (transform & 15) if transform & 128 else b.varint()
        self.hop = b.varint()
        arithmetic = b.u8()
        rule(arithmetic < 2, "arithmetic", UNSUPPORTED)
        self.whole = arithmetic == 1
        self.offset, self.scale = (b.i16(), b.i16()) if self.whole else (b.f32(), b.f32())
        residual = b.u8()
        rule(np.isfinite(self.offset) and np.isfinite(self.scale) and self.scale > 0 and residual < 2, "normalisation")
        self.residual = residual == 1
        self.count, analysis = b.u8(), b.u8()
        if version & 15 == 0:
            b.end()
        return analysis

    def fits(self, h):
        return (self.rate, self.transform, self.window, self.hop) == (
            h.rate, h.n.bit_length() - 1 | h.sine << 4, h.window, h.hop)

    def upsampling(self):
        steps = []
        for run, inputs in self.nodes:
            steps.append(run.step(max(steps[i] if i < 128 else 0 for i in inputs)))
        return 1 << -steps[-1]

    def run(self, values, image, background, mask):
        """§8.3, §8.10: what is added to the base, coded frames x fine frames of each x bins."""
        if self.whole:
            enter, one, zero = lambda x: clip16(x - self.offset), self.scale, 0
        else:
            enter, one, zero = lambda x: (x.astype(f32) / f32(16) - self.offset) / self.scale, f32(1), f32(0)
        everywhere = np.ones(mask.shape, bool)
        planes = [np.where(mask, enter(values), zero), enter(image), enter(background), np.where(mask, one, zero)]
        given = {128 + i: (x[..., None], everywhere, (0, 0)) for i, x in enumerate(planes)}
        given[128] = given[128][0], mask, (0, 0)
        for n, (op, inputs) in enumerate(self.nodes):
            given[n] = op.run([given[i] for i in inputs], mask.shape)
        y = given[len(self.nodes) - 1][0].reshape(mask.shape[0], -1, mask.shape[1])
        if self.whole:
            return y + (0 if self.residual else self.offset)
        y = np.floor(((f32(0) if self.residual else self.offset) + y * self.scale) * f32(16) + f32(0.5))
        return clip16(np.nan_to_num(y, nan=0.0)).astype(np.int64)


def clip16(x):
    return np.clip(x, -32768, 32767)


def node(b):
    """An operation and the numbers of its inputs (§7.4)."""
    kind = b.u8()
    inputs = list(b.take(b.u8()))
    rule(1 <= kind <= 6, "operation", UNSUPPORTED)
    op = (Convolution, Activation, Combination, Pool, Upsampling, Shuffle)[kind - 1](b)
    b.end()
    return op, inputs


def sides(shape, exponents):
    """Frames and bins of a grid (§8.3)."""
    (frames, bins), (bin_step, step) = shape, exponents
    return frames << -step if step < 0 else -(-frames >> step), -(-bins >> bin_step)


def log2(x):
    return x.bit_length() - 1


class Convolution:
    """§8.4"""

    def __init__(self, b):
        self.sparse, self.kernel, self.stride, self.dilation = b.u8() == 1, b.take(2), b.take(2), b.take(2)
        self.groups, inputs, self.outputs, coding = b.varint(), b.varint(), b.varint(), b.u8()
        rule(coding < 5, "coding of weights", UNSUPPORTED)
        rule(self.groups and inputs % self.groups == 0 and self.outputs % self.groups == 0, "groups")
        self.inputs, self.whole = inputs // self.groups, coding > 2
        each = self.inputs * self.kernel[0] * self.kernel[1]
        if coding == 2:
            rows = [b.f32() * np.frombuffer(b.take(each), np.int8).astype(f32) for _ in range(self.outputs)]
            weights = np.concatenate(rows)
        else:
            kind = np.dtype(("<f4", "<f2", None, "<i1", "<i2")[coding])
            weights = np.frombuffer(b.take(each * self.outputs * kind.itemsize), kind)
        self.weights = weights.reshape(self.outputs, self.inputs, *self.kernel).astype(np.float64 if self.whole else f32)
        self.shift = np.frombuffer(b.take(self.outputs), np.uint8).astype(np.int64) if self.whole else 0
        self.bias = np.frombuffer(b.take(4 * self.outputs), "<i4" if self.whole else "<f4")
        self.bias = self.bias.astype(np.int64 if self.whole else f32)
        if self.whole:
            rule((self.shift <= 24).all(), "shift")
            most = 32768 * np.abs(self.weights).sum((1, 2, 3)).astype(np.int64) + np.abs(self.bias) + (1 << self.shift >> 1)
            rule((most < 1 << 31).all(), "sums that overflow")
        rule(np.isfinite(self.weights).all() and np.isfinite(self.bias).all(), "weights")

    def step(self, step):
        return step + log2(self.stride[1])

    def run(self, inputs, shape):
        (x, seen, (bin_step, step)), = inputs
        (g, f), (dg, df), (sg, sf) = self.kernel, self.dilation, self.stride
        exponents = bin_step + log2(sg), step + log2(sf)
        frames, bins = sides(shape, exponents)
        if not self.sparse:
            seen = np.ones(x.shape[:2], bool)
        # Zeros around the image, as far as any kernel reaches.
        after = f * df + sf, g * dg + sg
        kind = self.weights.dtype
        x = np.where(seen[..., None], x, 0).astype(kind)
        x = np.pad(x, ((f // 2 * df, after[0]), (g // 2 * dg, after[1]), (0, 0)))
        inside = np.pad(seen.astype(np.int64), ((f // 2 * df, after[0]), (g // 2 * dg, after[1])))
        total, count = np.zeros((frames, bins, self.outputs), kind), np.zeros((frames, bins), np.int64)
        each = self.outputs // self.groups
        group = np.arange(self.outputs) // each
        for v in range(f):
            for u in range(g):
                at = (slice(v * df, v * df + (frames - 1) * sf + 1, sf), slice(u * dg, u * dg + (bins - 1) * sg + 1, sg))
                count += inside[at]
                here = x[at]
                if self.whole:  # in binary64, which holds all of these sums
                    for n in range(self.groups):
                        o = slice(n * each, (n + 1) * each)
                        total[..., o] += here[..., n * self.inputs:(n + 1) * self.inputs] @ self.weights[o, :, u, v].T
                else:
                    for i in range(self.inputs):
                        total += here[..., group * self.inputs + i] * self.weights[:, i, u, v]
        out = (self.finish_whole if self.whole else self.finish)(total, count)
        return out, count > 0 if self.sparse else np.ones((frames, bins), bool), exponents

    def finish(self, total, count):
        factor = f32(1)
        if self.sparse:
            area = f32(self.kernel[0] * self.kernel[1])
            factor = np.where(count > 0, area / np.maximum(count, 1).astype(f32), f32(0))[..., None]
        return total * factor + self.bias

    def finish_whole(self, total, count):
        total = total.astype(np.int64)
        if not self.sparse:
            return clip16(total + self.bias + (1 << self.shift >> 1) >> self.shift)
        area, many = 65536 * self.kernel[0] * self.kernel[1], np.maximum(count, 1)
        factor = np.where(count > 0, (area + many // 2) // many, 0)[..., None]
        return clip16(total * factor + (self.bias << 16) + (1 << self.shift + 15) >> self.shift + 16)


class Activation:
    """§8.5"""

    def __init__(self, b):
        kind = b.u8()
        rule(kind in (1, 2, 3), "activation", UNSUPPORTED)
        self.whole = (None, None, False, True)[kind]
        self.slopes = 0
        if kind > 1:
            code = ("<f4", "<i2")[kind - 2]
            count = b.varint()
            self.slopes = np.frombuffer(b.take(count * np.dtype(code).itemsize), code).astype((f32, np.int64)[kind - 2])

    def step(self, step):
        return step

    def run(self, inputs, _):
        (x, seen, grid), = inputs
        less = clip16(x * self.slopes + 16384 >> 15) if self.whole else x * self.slopes
        less = np.zeros_like(x) if self.whole is None else less
        return np.where(x > 0, x, less), seen, grid


class Combination:
    """§8.6"""

    whole = None

    def __init__(self, b):
        self.concatenate = b.u8()
        rule(self.concatenate < 2, "combination", UNSUPPORTED)

    def step(self, step):
        return step

    def run(self, inputs, _):
        xs = [x for x, _, _ in inputs]
        seen = np.logical_or.reduce([seen for _, seen, _ in inputs])
        out = np.concatenate(xs, 2) if self.concatenate else sum(xs[1:], xs[0])
        return out if out.dtype == f32 else clip16(out), seen, inputs[0][2]


class Pool:
    """§8.7"""

    whole = None

    def __init__(self, b):
        self.maximum, self.factor = b.u8(), b.take(2)
        rule(self.maximum < 2, "pool", UNSUPPORTED)

    def step(self, step):
        return step + log2(self.factor[1])

    def run(self, inputs, shape):
        (x, seen, (bin_step, step)), = inputs
        pg, pf = self.factor
        exponents = bin_step + log2(pg), step + log2(pf)
        frames, bins = sides(shape, exponents)
        room = (0, frames * pf - x.shape[0]), (0, bins * pg - x.shape[1])
        x, seen = np.pad(x, room + ((0, 0),)), np.pad(seen, room)
        out, n = np.zeros((frames, bins, x.shape[2]), x.dtype), np.zeros((frames, bins), np.int64)
        for v in range(pf):
            for u in range(pg):
                y, there = x[v::pf, u::pg], seen[v::pf, u::pg]
                more = np.maximum(out, y) if self.maximum else out + y
                out = np.where(there[..., None], np.where((n > 0)[..., None], more, y), out)
                n += there
        many = np.maximum(n, 1)[..., None]
        if not self.maximum:
            out = out / many.astype(f32) if out.dtype == f32 else (2 * out + many) // (2 * many)
        return out, n > 0, exponents


class Upsampling:
    """§8.8"""

    whole = None

    def __init__(self, b):
        self.factor = b.take(2)

    def step(self, step):
        return step - log2(self.factor[1])

    def run(self, inputs, shape):
        (x, seen, (bin_step, step)), = inputs
        exponents = bin_step - log2(self.factor[0]), step - log2(self.factor[1])
        frames, bins = sides(shape, exponents)
        at = np.ix_(np.arange(frames) // self.factor[1], np.arange(bins) // self.factor[0])
        return x[at], seen[at], exponents


class Shuffle(Upsampling):
    """§8.9"""

    def run(self, inputs, shape):
        (pg, pf), channels = self.factor, inputs[0][0].shape[2]
        x, seen, exponents = super().run(inputs, shape)
        t, k = np.arange(x.shape[0])[:, None, None], np.arange(x.shape[1])[None, :, None]
        c = np.arange(channels // (pg * pf))[None, None, :]
        return np.take_along_axis(x, (c * pg + k % pg) * pf + t % pf, 2), seen, exponents


# ---------------------------------------------------------------- §3 container

HEAD, META, SEGM, SEEK, MODL, TAIL = 0x01, 0x82, 0x03, 0x84, 0x85, 0x06
LONGEST = {HEAD: 256, META: 65536, SEGM: 8388608, SEEK: 1 + 20 * 1048576, MODL: 8388608, TAIL: 16}


def chunk_at(data, at, most=1 << 62):
    """Type and body of the chunk at a place, and the place behind it."""
    b = Bytes(data)
    b.at = at
    kind, length = b.u8(), b.varint()
    at_most(length, min(LONGEST.get(kind, 1048576), most), "chunk length")
    body = b.take(length)
    end = b.at
    rule(struct.unpack("<I", b.take(4))[0] == zlib.crc32(data[at:end]), "checksum", CORRUPT)
    return kind, body, b.at


class Stream:
    """What a stream tells, up to `fault` if it has one."""

    def __init__(self, data):
        self.header, self.segments, self.model, self.total, self.fault = None, {}, None, None, None
        try:
            self.read(data)
        except Fault as fault:
            self.fault = fault

    def read(self, data):
        rule(data[:8] == b"\x8bSPR\r\n\x1a\n"[:len(data)], "signature")
        rule(len(data) >= 8, "signature", TRUNCATED)
        at, self.next, self.short = 8, 0, False
        self.hurt, self.trailer = False, False  # damage behind the last sound segment; TAIL seen
        while at < len(data):
            try:
                kind, body, end = chunk_at(data, at)
            except Fault as fault:
                if self.header is None:
                    raise
                at = self.resume(data, at, fault)
                continue
            self.chunk(kind, body)
            at = end
        rule(self.header is not None, "no HEAD", TRUNCATED)
        rule(self.total is not None, "no sample count", TRUNCATED)
        if self.next < self.header.segments_of(self.total):
            rule(self.hurt or self.trailer, "segments missing", TRUNCATED)
            self.check_lost(self.header.segments_of(self.total))

    def check_lost(self, segments):
        found = len(self.segments)
        at_most(segments - found, 600 + 10 * found, "lost segments")

    def resume(self, data, at, fault):
        """§3.8: the next sound chunk behind damage."""
        for place in range(at + 1, len(data)):
            if data[place] in (META, SEGM, SEEK, MODL, TAIL):
                try:
                    chunk_at(data, place, 65536)
                except Fault:
                    continue
                self.hurt = True
                return place
        rule(fault.number != TRUNCATED, "cut short", TRUNCATED)
        self.hurt = True
        return len(data)

    def chunk(self, kind, body):
        h = self.header
        rule((kind == HEAD) == (h is None), "place of HEAD")
        if kind == HEAD:
            self.header = Header(body)
            self.total = self.header.total
        elif kind == MODL:
            if not self.segments and h.model is not None and hashlib.sha256(body).digest()[:8] == h.model:
                self.model = bytes(body)
        elif kind == TAIL:
            b = Bytes(body)
            total = b.varint()
            b.end()
            at_most(total, 1 << 39, "total samples")
            rule(self.total in (None, total) and h.segments_of(total) >= self.next, "total samples")
            self.total, self.trailer = total, True
        elif kind == SEGM:
            try:
                index, images = read_segment(h, body)
                rule(self.next <= index < (1 << 32) - 1 and not self.short, "segment index")
                frames = images[0].frames
                if self.total is not None:
                    left = h.frames_of(self.total) - index * h.segment_frames
                    rule(left > 0 and frames == min(left, h.segment_frames), "segment frames")
                self.check_lost(index)
                self.short, self.next, self.hurt = frames < h.segment_frames, index + 1, False
                self.segments[index] = images
            except Fault:
                self.hurt = True
        else:
            rule(kind & 128, "unknown critical chunk", UNSUPPORTED)


def silent(h, frames):
    """§3.8: what stands in for a lost segment."""
    image = Image(frames)
    image.thresholds = [0] * frames if h.ridge else []
    image.lattice = [[0] * h.lattice[0]] * -(-frames // h.lattice[1]) if h.lattice else []
    image.waveform = [[0] * h.coefficients] * frames
    return image


def serialised(h, segments):
    """§13: the symbols as bytes."""
    out = bytearray()
    bits = lambda pixels, size: sum(1 << p for p in pixels).to_bytes((size + 7) // 8, "little")
    for index in sorted(segments):
        out += struct.pack("<II", index, segments[index][0].frames)
        for image in segments[index]:
            size = image.frames * h.bins
            out += bits(image.kept, size) + bytes(image.kept.values()) + bytes(image.thresholds)
            out += b"".join(map(bytes, image.lattice))
            out += b"".join(struct.pack("<%dh" % len(row), *row) for row in image.waveform)
            if h.phases:
                out += bits(image.angles, size) + struct.pack("<%dH" % len(image.angles), *image.angles.values())
    return bytes(out)


def decode(data, models=()):
    """The header and the PCM, samples x channels at the coded rate."""
    return sound(Stream(data), models)


def sound(stream, models=()):
    if stream.fault:
        raise stream.fault
    h, model = stream.header, None
    if h.model is not None:
        model = next((m for m in [stream.model, *models] if m and hashlib.sha256(m).digest()[:8] == h.model), None)
        rule(model is not None, "no such model", MODEL_FAULT)
        try:
            model = Model(model)
        except Fault as fault:
            raise Fault(MODEL_FAULT, "model: %s" % fault)
        rule(model.fits(h), "model of another rate or transform", MODEL_FAULT)
        rule(h.hop // model.up * 64 >= h.n, "fine frames too dense", MODEL_FAULT)
    channels = []
    for channel in range(h.channels):
        images, left = [], h.frames_of(stream.total)
        for index in range(h.segments_of(stream.total)):
            frames = min(left, h.segment_frames)
            lost = index not in stream.segments
            images.append(silent(h, frames) if lost else stream.segments[index][channel])
            left -= frames
        if images:
            up, tr, dense, low = completed(h, model, images)
            channels.append(synthesise(h, tr, up, dense, images, low)[1])
        else:
            channels.append(np.zeros(0, f32))
    count = h.coded_samples(stream.total) - h.pre_skip
    return h, np.stack(channels, 1)[h.pre_skip:h.pre_skip + count]


def main(arguments):
    source, target, *models = arguments
    with open(source, "rb") as f:
        data = f.read()
    _, pcm = decode(data, [open(path, "rb").read() for path in models])
    with open(target, "wb") as f:
        f.write(pcm.astype("<f4").tobytes())


if __name__ == "__main__":
    main(sys.argv[1:])
