"""Trust regions in pymanopt, one function a row, with gradients and Hessians written by hand in NumPy: its fastest way.

The four problems have a seeded start and an answer that does not depend on the solver. `solvers.rs` has our side.
"""

from types import SimpleNamespace

import numpy as np
import pymanopt
from pymanopt.manifolds import Grassmann, SpecialOrthogonalGroup, Sphere, Stiefel
from pymanopt.optimizers import TrustRegions

MASK = (1 << 64) - 1


def about():
    from importlib.metadata import version

    return f"pymanopt {version('pymanopt')}, NumPy {np.__version__}"


def mat(seed, rows, cols):
    """Entries in (-1, 1) row by row, by the generator SplitMix64."""
    out = np.empty(rows * cols)
    for k in range(rows * cols):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        out[k] = 2 * (z >> 11) * 2.0**-53 - 1
    return out.reshape(rows, cols)


def sym(a):
    return (a + a.T) / 2


def orthonormal(a):
    q, r = np.linalg.qr(a)
    return q * np.sign(np.diag(r))


def rayleigh():
    """`x^T A x` on the sphere."""
    a, x = sym(mat(1, 100, 100)), mat(2, 100, 1)[:, 0]
    return Sphere(100), x / np.linalg.norm(x), lambda x: x @ (a @ x), lambda x: 2 * (a @ x), lambda x, v: 2 * (a @ v)


def subspace():
    """`-tr(X^T A X)` on the subspaces."""
    a, x = sym(mat(3, 128, 128)), orthonormal(mat(4, 128, 3))
    cost = lambda x: -np.sum(x * (a @ x))
    return Grassmann(128, 3), x, cost, lambda x: -2 * (a @ x), lambda x, v: -2 * (a @ v)


def brockett():
    """`tr(X^T A X N)` on the orthonormal frames."""
    a, n, x = sym(mat(5, 50, 50)), np.array([5.0, 4, 3, 2, 1]), orthonormal(mat(6, 50, 5))
    cost = lambda x: np.sum(x * (a @ x) * n)
    return Stiefel(50, 5), x, cost, lambda x: 2 * (a @ x) * n, lambda x, v: 2 * (a @ v) * n


def procrustes():
    """`|R A - B|^2` on the rotations."""
    a, b = mat(7, 10, 30), mat(8, 10, 30)
    aa, ba = a @ a.T, b @ a.T
    cost = lambda r: np.sum((r @ a - b) ** 2)
    return SpecialOrthogonalGroup(10), np.eye(10), cost, lambda r: 2 * (r @ aa - ba), lambda r, v: 2 * (v @ aa)


ROWS = {"rayleigh": rayleigh, "subspace": subspace, "brockett": brockett, "procrustes": procrustes}


def prepare(name, _problem):
    if name not in ROWS:
        return {}
    manifold, start, *functions = ROWS[name]()
    cost, gradient, hessian = (pymanopt.function.numpy(manifold)(f) for f in functions)
    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=gradient, euclidean_hessian=hessian)
    solver = TrustRegions(min_gradient_norm=1e-8, max_iterations=500, verbosity=0)

    def solve():
        done = solver.run(problem, initial_point=start)
        return SimpleNamespace(cost=done.cost, remark=f"{done.iterations} outer, |g| {done.gradient_norm:.1e}")

    return {"solve": (solve, lambda done: [np.array([done.cost])])}
