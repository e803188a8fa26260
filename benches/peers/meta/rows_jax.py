"""The learned loop and its meta-gradients in JAX: each call one compiled program, loops by `scan`.

As in `rows_torch.py`, both networks run as one and the gradient of the cost is written by hand. The functions are those
of `question.rs`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from layout import inwards, outwards

jax.config.update("jax_enable_x64", True)
STEPS, TERMS = 100, 5
SCALE, RATE = 0.1, 0.05


def about():
    return f"JAX {jax.__version__} jit"


def gradient(x, data):
    """Of `-|X^T D|^2 / n`."""
    return (-2.0 / data.shape[1]) * (data @ (data.T @ x))


def loss(x, data):
    y = data.T @ x
    return -jnp.sum(y * y) / data.shape[1]


def project(x, u):
    return u - x @ (x.T @ u)


def retract(y):
    q, r = jnp.linalg.qr(y)
    return q * jnp.sign(jnp.diagonal(r))


def cell(f, i, o, g, c):
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def step(phi, z, data):
    """The next point and state."""
    x1, h1, x2, h2, heads, w1, b1, w2, b2 = phi
    x, sh1, sc1, sh2, sc2 = z
    p, d = x.shape
    g = project(x, gradient(x, data))
    a1, c1 = cell(*(x1 @ g + h1 @ sh1).reshape(4, 2, p, d), sc1)
    sums = (x2 @ a1 + h2 @ sh2).reshape(2, 4, p, d)
    a2, c2 = cell(*(sums[:, k] for k in range(4)), sc2)
    out = heads @ a2
    hidden = jax.nn.relu(w1 @ jax.nn.relu(out[1]).ravel() + b1)
    rate = RATE * jnp.exp(w2 @ hidden + b2)
    along = project(x, out[0] * SCALE) + g
    new = [s[0] * s[1] for s in (a1, c1, a2, c2)]
    new = [s / jnp.sqrt(jnp.sum(s * s) + 1e-24) for s in new]
    return (retract(x - rate * along), *new)


@partial(jax.jit, static_argnums=3)
def walked(phi, z, data, steps):
    return jax.lax.scan(lambda z, _: (step(phi, z, data), None), z, length=steps)[0]


@jax.jit
def series(phi, z, seen, judged):
    """The fixed-point series on one step from `z`."""
    end, pull = jax.vjp(lambda phi, z: step(phi, z, seen), phi, z)
    v = (project(end[0], gradient(end[0], judged)), *(jnp.zeros_like(s) for s in end[1:]))

    def term(carry, _):
        v, p = carry
        _, v = pull(v)
        v = (project(end[0], project(z[0], v[0])), *v[1:])
        return (v, jax.tree.map(jnp.add, p, v)), None

    (_, p), _ = jax.lax.scan(term, (v, v), length=TERMS)
    return loss(end[0], judged), pull(p)[0]


@jax.jit
def unrolled(phi, z, seen, judged):
    return jax.value_and_grad(lambda phi: loss(walked(phi, z, seen, STEPS)[0], judged))(phi)


def prepare(name, problem):
    if problem is None:
        return {}
    dtype = jnp.float64 if name.endswith("f64") else jnp.float32
    take = lambda list_: [jnp.asarray(a, dtype=dtype) for a in list_]
    phi = tuple(take(inwards(problem.x)))
    (x0,), (seen, judged, *late) = take(problem.v), take(problem.w)
    start, late = (x0, *[jnp.zeros_like(x0)] * 4), tuple(late)

    def derivative(found):
        # The loss would hide how far small derivatives are off.
        _, grads = found
        return outwards([np.asarray(g) for g in grads])

    def meta():
        return series(phi, walked(phi, start, seen, STEPS - 1), seen, judged)

    ready = jax.block_until_ready
    return {
        "steps": (lambda: ready(walked(phi, start, seen, STEPS)), lambda z: [np.asarray(s) for s in z]),
        "implicit": (lambda: ready(series(phi, late, seen, judged)), derivative),
        "meta": (lambda: ready(meta()), derivative),
        "unroll": (lambda: ready(unrolled(phi, start, seen, judged)), derivative),
    }
