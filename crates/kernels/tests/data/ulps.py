"""Writes ulps.txt: values of elementary functions to twice the precision of a double.

    pip install mpmath && python ulps.py > ulps.txt

Each line: function, the bits of the argument, the bits of the rounded value and the rest of the value. The arguments are seeded at
random over the whole range of each function, more of them where the parts of an implementation meet.
"""

import random
import struct
from mpmath import mp, mpf

mp.prec = 400
random.seed(12)


def bits(x):
    return struct.pack(">d", x).hex()


def rounded(x):
    """To the nearest double, also where it is subnormal."""
    if x == 0:
        return 0.0
    e = max(int(mp.floor(mp.log(abs(x), 2))) - 52, -1074)
    return float(mp.ldexp(mp.nint(mp.ldexp(x, -e)), e))


def uniform(*ranges):
    return [random.uniform(a, b) for a, b in ranges for _ in range(60)]


def logarithmic(low, high, sign=1):
    return [sign * 2.0 ** random.uniform(low, high) for _ in range(40)]


SIGNED = logarithmic(-1074, -20) + logarithmic(-1074, -20, -1) + logarithmic(-20, 0) + logarithmic(-20, 0, -1)
F = {
    "exp": (mp.exp, SIGNED + uniform((-1, 1), (-40, 40), (-745, -700), (-745, 709.7))),
    "exp_m1": (mp.expm1, SIGNED + uniform((0.3, 0.45), (-0.45, -0.3), (-1, 1), (-42, 42), (0, 709.7))),
    "tanh": (mp.tanh, SIGNED + uniform((-0.3, 0.3), (-1, 1), (-22, 22))),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), SIGNED + uniform((-1, 1), (-40, 40), (-745, 40))),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), SIGNED + uniform((-1, 1), (-40, 40), (-745, 800))),
    "ln": (mp.log, logarithmic(-1074, -1022) + logarithmic(-1022, 1023) + uniform((0.5, 2), (0.99, 1.01), (1.3, 1.5))),
    "ln_1p": (mp.log1p, SIGNED + logarithmic(0, 1023) + uniform((-0.3, -0.2), (0.2, 0.3), (-1, 3))),
    "sin": (mp.sin, SIGNED + uniform((-1, 1), (-10, 10), (-1600, 1600), (-1e6, 1e6))),
    "cos": (mp.cos, SIGNED + uniform((-1, 1), (-10, 10), (-1600, 1600), (-1e6, 1e6))),
    "erf": (mp.erf, SIGNED + uniform((-1, 1), (0.9, 1.1), (-6.5, 6.5))),
}
# Doubles next to multiples of half of pi, where the reduction loses most.
NEAR = [float(k * mp.pi / 2) for k in [1, 2, 3, 5, 11, 22, 355, 710, 1017, 1018]]

print("# Made by ulps.py. Each line: function, bits of the argument, bits of the rounded value, the rest of the value.")
for name, (f, xs) in F.items():
    for x in xs + (NEAR if name in ("sin", "cos") else []):
        y = f(mpf(x))
        r = rounded(y)
        print(name, bits(x), bits(r), repr(float(y - mpf(r))))
