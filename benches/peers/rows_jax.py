"""The rows in JAX, compiled once by `jit`. Hessian-vector products are forward over reverse.

Names, inputs and order of outputs are those of `rows.rs`. What is timed is a call with arrays that JAX holds already,
until its result is there.
"""

import jax
import jax.numpy as jnp
from jax.numpy import linalg

jax.config.update("jax_enable_x64", True)


def about():
    return f"JAX {jax.__version__} jit"


def qr(x):
    q, r = linalg.qr(x)
    return q * q, r * r


def eigh(a):
    l, v = linalg.eigh(a)
    return l, v * v


def trace_fun(a):
    l = linalg.eigvalsh(a)
    return (jnp.sum(l * jnp.log(l)),)


def svd(a):
    u, s, vt = linalg.svd(a, full_matrices=False)
    v = vt.T
    return u * u, s, v * v


def polar(a):
    u, _, vt = linalg.svd(a, full_matrices=False)
    return (u @ vt,)


def logm_spd(a):
    l, v = linalg.eigh(a)
    return ((v * jnp.log(l)) @ v.T,)


def cayley(w):
    eye = jnp.eye(len(w))
    return (linalg.solve(eye - 0.5 * w, eye + 0.5 * w),)


def lstsq(a, b):
    # Faster than `linalg.lstsq`, which takes singular values.
    q, r = linalg.qr(a)
    return (jax.scipy.linalg.solve_triangular(r, q.T @ b),)


def layers(h, *weights):
    for w in weights:
        h = jnp.tanh(h @ w)
    return (h,)


ROWS = {
    "matmul": lambda a, b: (a @ b,),
    "qr": qr,
    "cholesky": lambda a: (linalg.cholesky(a),),
    "solve": lambda a, b: (linalg.solve(a, b),),
    "inverse": lambda a: (linalg.inv(a),),
    "logdet": lambda a: (linalg.slogdet(a)[1],),
    "lstsq": lstsq,
    "pinv": lambda a: (linalg.pinv(a),),
    "eigh": eigh,
    "trace_fun": trace_fun,
    "svd": svd,
    "polar": polar,
    "logm_spd": logm_spd,
    "cayley": cayley,
    "expm": lambda a: (jax.scipy.linalg.expm(a),),
    "layers": layers,
}


def prepare(name, problem):
    if name not in ROWS:
        return {}
    program = ROWS[name]
    x = [jnp.asarray(x) for x in problem.x]
    v = [jnp.asarray(v) for v in problem.v]
    shapes = jax.eval_shape(program, *x)
    weights = [jnp.asarray(w.reshape(y.shape)) for w, y in zip(problem.w, shapes, strict=True)]

    # Weights are arguments, so that nothing is computed when compiling.
    def cost(x, weights):
        return sum(jnp.sum(w * y) for w, y in zip(weights, program(*x)))

    value = jax.jit(cost)
    gradient = jax.jit(jax.value_and_grad(cost))
    hvp = jax.jit(lambda x, w, v: jax.jvp(lambda x: jax.grad(cost)(x, w), (x,), (v,))[1])
    return {
        "value": (lambda: jax.block_until_ready(value(x, weights)), lambda y: [y]),
        "gradient": (lambda: jax.block_until_ready(gradient(x, weights)), lambda done: done[1]),
        "hvp": (lambda: jax.block_until_ready(hvp(x, weights, v)), list),
    }
