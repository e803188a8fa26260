"""The rows in PyTorch, eager mode: gradients by one reverse sweep, Hessian-vector products by a second over the first.

Names, inputs and order of outputs are those of `rows.rs`.
"""

from functools import reduce

import torch
from torch import linalg

torch.set_num_threads(1)


def about():
    # The first words of a line of the build's description, which says what library multiplies and factorises.
    said = [s for s in torch.__config__.show().splitlines() if "Math Kernel" in s]
    blas = said[0].split("Version")[0].strip(" -") if said else "own BLAS"
    return f"PyTorch {torch.__version__} eager ({blas})"


def qr(x):
    q, r = linalg.qr(x)
    return q * q, r * r


def eigh(a):
    l, v = linalg.eigh(a)
    return l, v * v


def trace_fun(a):
    l = linalg.eigvalsh(a)
    return ((l * l.log()).sum(),)


def svd(a):
    u, s, vt = linalg.svd(a, full_matrices=False)
    v = vt.T
    return u * u, s, v * v


def polar(a):
    u, _, vt = linalg.svd(a, full_matrices=False)
    return (u @ vt,)


def logm_spd(a):
    l, v = linalg.eigh(a)
    return ((v * l.log()) @ v.T,)


def cayley(w):
    eye = torch.eye(len(w), dtype=w.dtype)
    return (linalg.solve(eye - 0.5 * w, eye + 0.5 * w),)


def lstsq(a, b):
    # Faster than `linalg.lstsq`, whose derivative goes through a pseudoinverse.
    q, r = linalg.qr(a)
    return (linalg.solve_triangular(r, q.T @ b, upper=True),)


def layers(h, *weights):
    for w in weights:
        h = torch.tanh(h @ w)
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
    "expm": lambda a: (torch.matrix_exp(a),),
    "layers": layers,
}


def prepare(name, problem):
    if name not in ROWS:
        return {}
    program = ROWS[name]
    plain = [torch.from_numpy(x) for x in problem.x]
    # Columns that only stand for a vector, and numbers, have the shape that this library gives them.
    outputs = program(*plain)
    weights = [torch.from_numpy(w).reshape(y.shape) for w, y in zip(problem.w, outputs, strict=True)]
    directions = [torch.from_numpy(v) for v in problem.v]
    inputs = [x.clone().requires_grad_() for x in plain]

    def cost(x):
        return reduce(torch.add, [(w * y).sum() for w, y in zip(weights, program(*x))])

    def hvp():
        first = torch.autograd.grad(cost(inputs), inputs, create_graph=True)
        return torch.autograd.grad(first, inputs, directions)

    def numpy(result):
        return [r.detach().numpy() for r in result]

    return {
        "value": (lambda: [cost(plain)], numpy),
        "gradient": (lambda: torch.autograd.grad(cost(inputs), inputs), numpy),
        "hvp": (hvp, numpy),
    }
