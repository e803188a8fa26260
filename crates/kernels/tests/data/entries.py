"""Writes entries.txt: functions of entries and their derivatives of orders 0 to 4 and 12, rounded from 450 digits or more.

    pip install mpmath && python entries.py > entries.txt

Derivatives are central differences with a step of 1e-30 of the distance to the nearest singularity, whose error is about 1e-60; those
of the gamma function are mpmath's own polygamma functions. Single precision shares the points that it can represent.
"""

import struct
from mpmath import mp, mpf, psi



def single(*xs):
    return [struct.unpack("f", struct.pack("f", x))[0] for x in xs]


def both(*xs):
    return [s * x for x in xs for s in (1, -1)]


SMALL = both(*single(1e-30, 1e-8, 1e-3, 0.1)) + [1e-300, -1e-160]
MIDDLE = both(*single(0.3, 0.49, 0.8, 1.25, 2.2, 3.7))
TAILS = both(*single(6.0, 9.5, 13.3, 20.0, 33.3, 41.0, 88.5))
FAR = both(*single(1e3, 1e7, 1e18, 1e30)) + [1e102, -1e153, 1e155, 1e200, -1e300]
INSIDE = both(*single(0.9, 0.99, 0.9999, 1 - 2.0**-24)) + [1 - 2.0**-53, -1 + 2.0**-53]
one = lambda x: mpf(1)
pole = lambda x: abs((x / mp.pi - mp.floor(x / mp.pi)) - mpf(1) / 2) * mp.pi
edge = lambda x: 1 - abs(x)
away = lambda x: max(1, abs(x))

# The fourth derivative of asinh has a zero at 1.2247.
# name: function, points, the scale of the step.
F = {
    "tan": (mp.tan, SMALL + MIDDLE + TAILS + single(1e3, 1e7, 1.5707964, 1.5707962) + [1e15, 1.5707963267948966], pole),
    "sinh": (mp.sinh, SMALL + MIDDLE + TAILS + [700.0, -709.5], one),
    "cosh": (mp.cosh, SMALL + MIDDLE + TAILS + [700.0, -709.5], one),
    "asin": (mp.asin, SMALL + MIDDLE[:6] + INSIDE, edge),
    "acos": (mp.acos, SMALL + MIDDLE[:6] + INSIDE, edge),
    "atan": (mp.atan, SMALL + MIDDLE + TAILS + FAR, away),
    "asinh": (mp.asinh, SMALL + [x for x in MIDDLE if abs(x) != 1.25] + TAILS + FAR, away),
    "acosh": (mp.acosh, single(1 + 2.0**-23, 1.0001, 1.01, 1.3, 2.2, 3.7, 33.3, 1e3, 1e18, 1e30) + [1 + 2.0**-52, 1e155, 1e300], lambda x: x - 1),
    "atanh": (mp.atanh, SMALL + MIDDLE[:6] + INSIDE, edge),
    "erf": (mp.erf, SMALL + MIDDLE + both(*single(4.4, 5.9, 9.0, 10.1)) + [26.0, 26.5, -27.2, 28.4, 29.5], lambda x: 1 / away(x)),
    "erfc": (mp.erfc, SMALL + MIDDLE + both(*single(4.4, 5.9, 9.0, 10.1)) + [26.0, 26.5, -27.2, 28.4, 29.5], lambda x: 1 / away(x)),
    "ln_gamma": (None, single(1e-30, 1e-8, 0.1, 0.5, 0.9, 0.9999, 1.0001, 1.25, 1.4, 1.6, 1.9, 1.9999, 2.0001, 2.2, 3.7, 7.9, 13.3, 23.99, 24.1, 170.5, 1e3, 1e7, 1e18, 1e30)
                 + single(-1e-8, -0.1, -0.7, -1.3, -2.3, -3.4, -10.6, -20.4, -1000.3) + [1e-300, 1e153, 1e200, 1.0000000000000002, 1.9999999999999998]
                 + single(-2.5, -3.9, -4.01, -5.5, -6.999, -7.5, -8.2) + [-2.4570247382208006, -2.7476826467274127, -3.14358088834998, -3.955294284858599, -5.008218168322594, -6.999801507890638, -7.000198333407325], None),
    "digamma": (None, single(1e-30, 1e-8, 0.1, 0.5, 0.9, 1.0001, 1.25, 1.46, 1.462, 1.9, 2.2, 3.7, 7.9, 13.3, 23.99, 24.1, 170.5, 1e3, 1e7, 1e18, 1e30)
                + single(-1e-8, -0.1, -0.504, -0.7, -1.3, -1.5735, -2.3, -3.4, -10.6, -11.7141, -20.4, -1000.3) + [1e-300, 1e153, 1e200, 1.4616321449683622, 1.4616321449683625, -3.635293366436901], None),
    "log2": (lambda x: mp.log(x, 2), single(1e-30, 1e-8, 0.1, 0.9999, 1.0001, 2.2, 33.3, 1e18, 1e26, 1e30) + [1e-300, 1e77, 1e103, 1e300], lambda x: x),
    "log10": (lambda x: mp.log(x, 10), single(1e-30, 1e-8, 0.1, 0.9999, 1.0001, 2.2, 33.3, 1e18, 1e26, 1e30) + [1e-300, 1e77, 1e103, 1e300], lambda x: x),
    "ln": (mp.log, single(1e-30, 1e-8, 0.1, 0.9999, 1.0001, 2.2, 33.3, 1e18, 1e26, 1e30) + [1e-300, 1e77, 1e103, 1e300], lambda x: x),
    "recip": (lambda x: 1 / x, both(*single(1e-8, 0.1, 0.9999, 2.2, 33.3, 1e10)) + [1e-50, 1e26, 1e103], abs),
    "sqrt": (mp.sqrt, single(1e-30, 1e-8, 0.1, 2.2, 33.3, 1e18, 1e30) + [1e-160, 1e-200, 1e77, 1e103, 1e200], lambda x: x),
    "ln_1p": (mp.log1p, SMALL + both(*single(0.3, 0.9, 0.9999)) + TAILS[::2] + [1e30, 1e103, -1 + 2.0**-53], lambda x: 1 + x),
    "exp_m1": (mp.expm1, SMALL + MIDDLE + TAILS + [-745.0, 700.0], one),
    "tanh": (mp.tanh, SMALL + MIDDLE + TAILS + [300.0, -360.0], one),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), SMALL + MIDDLE + TAILS + [300.0, -700.0, 740.0], one),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), SMALL + MIDDLE + TAILS + [300.0, -700.0, 740.0], one),
}


def derivative(name, x, k):
    f, _, scale = F[name]
    mp.dps = 60 if f is None else 450 if 1e-100 < abs(x) < 1e100 else 1100
    x = mpf(x)
    if f is None:
        k -= name == "ln_gamma"
        return psi(k, x) if k >= 0 else mp.re(mp.loggamma(x))
    h = scale(x) * mpf(10) ** -30
    return f(x) if k == 0 else mp.diff(f, x, k, h=h, direction=0)


print("# Made by entries.py. Each line: function, argument, derivatives of orders 0, 1, 2, 3, 4 and 12 there.")
for name, (_, points, _) in F.items():
    for x in points:
        print(name, repr(x), *(repr(float(derivative(name, x, k))) for k in (0, 1, 2, 3, 4, 12)))
