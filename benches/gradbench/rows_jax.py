"""The evals in JAX: an independent computation of every value and derivative, and times to compare with.

Names of rows, inputs and data are those of the Rust files beside; a batch comes as a matrix with its members side by
side. Programs follow the definitions of the suite, not the text of the other side. What is timed is a call compiled
once, so it stands against both a held tape (`gradient`) and a fresh recording (`driver`).
"""

from itertools import permutations
from math import lgamma, log, pi

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def about():
    return f"JAX {jax.__version__} jit"


def lse(x):
    a = jnp.max(x)
    return a + jnp.log(jnp.sum(jnp.exp(x - a)))


def ode(x, steps):
    x = x[:, 0]
    h = 2.0 / steps

    def slope(y):
        return jnp.concatenate([x[:1], x[1:] * y[:-1]])

    def step(_, y):
        k1 = slope(y)
        k2 = slope(y + h * k1 / 2)
        k3 = slope(y + h * k2 / 2)
        k4 = slope(y + h * k3)
        return y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6

    return jax.lax.fori_loop(0, steps, step, jnp.zeros_like(x))[-1]


def gmm(alpha, mu, q, l, x):
    (d, k), n = mu.shape, x.shape[1]
    below = jnp.triu_indices(d, 1)  # Below the diagonal of the transpose, column after column.
    factor = jax.vmap(lambda q, l: jnp.zeros((d, d)).at[below].set(l).T + jnp.diag(jnp.exp(q)))(q.T, l.T)
    z = jnp.einsum("kij,kjn->kin", factor, x[None] - mu.T[:, :, None])
    beta = alpha[0][:, None] - 0.5 * jnp.sum(z**2, axis=1) + jnp.sum(q, axis=0)[:, None]
    likelihood = jnp.sum(jax.nn.logsumexp(beta, axis=0)) - n * (d / 2 * log(2 * pi) + jax.nn.logsumexp(alpha[0]))
    nu = d + 1
    ln_gamma = d * (d - 1) / 4 * log(pi) + sum(lgamma(nu / 2 + (1 - j) / 2) for j in range(1, d + 1))
    prior = k * (nu * d * log(2**-0.5) - ln_gamma) - 0.5 * jnp.sum(factor**2)
    return likelihood + prior


def kmeans(centres, points):
    # By |p|^2 - 2 p.c + |c|^2, which is one product.
    d2 = jnp.sum(points**2, 0)[:, None] - 2 * points.T @ centres + jnp.sum(centres**2, 0)[None]
    return jnp.sum(jnp.min(d2, axis=1))


def lstm(main, extra, start, text):
    layers = main.shape[1] // 8
    gates = main.T.reshape(layers, 2, 4, -1)
    in_weight, out_weight, out_bias = extra.T

    def step(state, now_next):
        now, wanted = now_next
        x, new = now * in_weight, []
        for i in range(layers):
            (wf, wi, wo, wc), (bf, bi, bo, bc) = gates[i]
            hidden, cell = state[2 * i], state[2 * i + 1]
            cell = cell * jax.nn.sigmoid(x * wf + bf) + jax.nn.sigmoid(hidden * wi + bi) * jnp.tanh(hidden * wc + bc)
            x = jax.nn.sigmoid(x * wo + bo) * jnp.tanh(cell)
            new += [x, cell]
        y = x * out_weight + out_bias
        return jnp.stack(new), jnp.sum(wanted * (y - jnp.log(2 + jnp.sum(jnp.exp(y)))))

    _, terms = jax.lax.scan(step, start.T, (text.T[:-1], text.T[1:]))
    return -jnp.sum(terms) / (text.shape[0] * len(terms))


def llsq(x, t):
    # Horner's scheme, unrolled: several times as fast here as a Vandermonde matrix.
    return 0.5 * jnp.sum((jnp.sign(t) - jnp.polyval(x[::-1, 0], t, unroll=len(x))) ** 2)


def det(a, *_):
    """By expansion along rows: minors of one size at once, named by the columns that the rows above took."""
    n, minors = len(a), 1.0
    for row in reversed(range(n)):
        last = jnp.array([taken[-1] for taken in permutations(range(n), row + 1)])
        terms = (a[row, last] * minors).reshape(-1, n - row)
        minors = terms @ jnp.array([(-1.0) ** j for j in range(n - row)])
    return minors[0]


def ba(camera, point, w, observed):
    """Residuals of one observation."""
    r, centre, f, u0, k = camera[:3], camera[3:6], camera[6], camera[7:9], camera[9:]
    theta = jnp.sqrt(r @ r)
    axis, x = r / theta, point - centre
    x = x * jnp.cos(theta) + jnp.cross(axis, x) * jnp.sin(theta) + axis * (axis @ x) * (1 - jnp.cos(theta))
    u = x[:2] / x[2]
    u = u * (1 + k[0] * (u @ u) + k[1] * (u @ u) ** 2)
    return jnp.concatenate([w * (u * f + u0 - observed), 1 - w**2])


def turn(axis, angle):
    """A turn about a coordinate axis as a 4x4 matrix."""
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    c, s = jnp.cos(angle), jnp.sin(angle)
    return jnp.eye(4).at[i, i].set(c).at[j, j].set(c).at[i, j].set(-s).at[j, i].set(s)


def placed(pose, starts, fixed, inverses, weighted):
    pose = pose[:, 0]
    members = lambda m: [m[:, 4 * b : 4 * b + 4] for b in range(m.shape[1] // 4)]
    starts, bones = members(starts), members(fixed)
    for k, place in enumerate([6, 8, 9]):
        for finger in range(5):
            i = place + 4 * finger
            local = starts[5 * k + finger] @ (turn(2, pose[i + 1]) @ turn(0, pose[i]) if k == 0 else turn(0, pose[i]))
            bones.append(local if k == 0 else bones[7 + 5 * (k - 1) + finger] @ local)
    positions = sum(
        (b @ inverse)[:3] @ weighted[4 * i : 4 * i + 4] for i, (b, inverse) in enumerate(zip(bones, members(inverses)))
    )
    r = pose[:3]
    theta = jnp.sqrt(r @ r)
    cross = jnp.array([[0, -r[2], r[1]], [r[2], 0, -r[0]], [-r[1], r[0], 0]])
    rotation = jnp.eye(3) + jnp.sin(theta) / theta * cross + (1 - jnp.cos(theta)) / theta**2 * cross @ cross
    return rotation @ positions + pose[3:6, None]


def ht(pose, starts, fixed, inverses, weighted, measured, vertex):
    return measured - placed(pose, starts, fixed, inverses, weighted)[:, vertex[0].astype(int)]


def ht_free(pose, u, starts, fixed, inverses, weighted, measured, corners):
    a, b, c = placed(pose, starts, fixed, inverses, weighted)[:, corners.astype(int)].transpose(1, 0, 2)
    return measured - (a + u[0] * (b - a) + u[1] * (c - a))


def argmin(f, x):
    """The descent of the suite. Its gradients are tangents, since JAX pulls back through no loop of unknown length."""
    gradient = jax.jacfwd(f)

    def step(state):
        x, fx, gx, eta, steps, _ = state
        after = x - eta * gx
        f_after = f(after)
        near, falls, longer = jnp.linalg.norm(after - x) <= 1e-5, f_after < fx, steps == 10
        g_after = jax.lax.cond(falls & ~near & ~longer, gradient, lambda _: gx, after)
        pick = lambda doubled, close, moved, halved: jnp.where(
            longer, doubled, jnp.where(near, close, jnp.where(falls, moved, halved))
        )
        return (
            pick(x, x, after, x),
            pick(fx, fx, f_after, fx),
            pick(gx, gx, g_after, gx),
            pick(2 * eta, eta, eta, eta / 2),
            pick(0, steps, steps + 1, 0),
            ~longer & near,
        )

    start = (x, f(x), gradient(x), 1e-5, 0, False)
    going = lambda state: (jnp.linalg.norm(state[2]) > 1e-5) & ~state[5]
    return jax.lax.while_loop(going, step, start)[0]


def saddle(start):
    f = lambda a, b: a @ a - b @ b
    best = lambda a: argmin(lambda b: -f(a, b), start[:, 0])
    a = argmin(lambda a: f(a, best(a)), start[:, 0])
    return jnp.concatenate([a, best(a)])


def particle(start):
    def crossing(w):
        charges = jnp.array([[10.0, 10.0], [10.0, 0.0]]).at[0, 1].add(-w[0])
        potential = lambda x: sum(1 / jnp.sqrt((x - c) @ (x - c)) for c in charges)

        def step(state):
            x, v = state
            return x + 0.1 * v, v - 0.1 * jax.jacfwd(potential)(x)

        x, v = jax.lax.while_loop(
            lambda s: s[0][1] + 0.1 * s[1][1] > 0, step, (jnp.array([0.0, 8.0]), jnp.array([0.75, 0.0]))
        )
        return (x[0] - x[1] / v[1] * v[0]) ** 2

    return argmin(crossing, start[:, 0])


def of_solved(program, x, w):
    return None, program, lambda done: [done]


def of_cost(program, x, w):
    return program, jax.value_and_grad(program, tuple(range(len(x)))), lambda done: done[1]


def of_ode(program, x, w):
    # The number of steps decides the program.
    steps = int(w[0][0, 0])
    w.clear()
    return of_cost(lambda x: ode(x, steps), x, w)


def of_det(program, x, w):
    if not jnp.allclose(program(*x), jnp.linalg.det(x[0]), rtol=1e-12):
        raise ArithmeticError("expected the expansion to be the determinant")
    return of_cost(program, x, w)


def of_diagonal(program, x, w):
    gradient = jax.value_and_grad(program)

    def direction(x, *w):
        (_, g), (_, h) = jax.jvp(lambda x: gradient(x, *w), (x,), (jnp.ones_like(x),))
        return g / h

    return program, direction, lambda done: [done]


def of_blocks(program, x, w):
    # Members are columns of everything, and so of every cotangent.
    each = jax.vmap(lambda c, p, w, o: program(c, p, w, o), in_axes=1)
    blocks = jax.vmap(jax.jacrev(program, (0, 1, 2)), in_axes=1, out_axes=2)

    def value(*all):
        y = each(*all)
        return jnp.concatenate([y[:, :2].ravel(), y[:, 2]])

    return value, blocks, lambda done: [b[i] for i in range(3) for b in done]


def of_columns(program, x, w):
    def columns(pose, *rest):
        by_pose = jax.jacfwd(program)(pose, *rest)[..., 0]
        free = rest[: len(x) - 1]
        along = lambda u, k: jnp.zeros_like(u).at[k].set(1.0)
        by_rows = [
            jax.jvp(lambda u: program(pose, u, *rest[1:]), (u,), (along(u, k),))[1] for u in free for k in range(u.shape[0])
        ]
        return by_pose, by_rows

    return program, columns, lambda done: [done[0][:, :, k] for k in range(done[0].shape[2])] + done[1]


EVALS = {
    "lse": (lse, of_cost),
    "lse-primitive": (jax.nn.logsumexp, of_cost),
    "ode": (ode, of_ode),
    "gmm": (gmm, of_cost),
    "kmeans": (kmeans, of_diagonal),
    "lstm": (lstm, of_cost),
    "llsq": (llsq, of_cost),
    "det": (det, of_det),
    "ba": (ba, of_blocks),
    "ht": (ht, of_columns),
    "ht-free": (ht_free, of_columns),
    "particle": (particle, of_solved),
    "saddle": (saddle, of_solved),
}


def prepare(name, problem):
    program, derive = EVALS[name.split("/")[0]]
    x, w = ([jnp.asarray(a) for a in part] for part in (problem.x, problem.w))
    value, derivative, unpack = derive(program, x, w)
    derivative = jax.jit(derivative)

    def derived():
        return jax.block_until_ready(derivative(*x, *w))

    if value is None:
        return {"driver": (derived, unpack)}
    value = jax.jit(value)
    return {
        "value": (lambda: jax.block_until_ready(value(*x, *w)), lambda y: [y]),
        "gradient": (derived, unpack),
        "driver": (derived, unpack),
    }
