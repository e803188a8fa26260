"""The learned loop and its meta-gradients in PyTorch, eager mode, as somebody would write it who wants it fast.

- What the cost's gradient is, is written by hand: no second derivative is ever asked of the library.
- Both networks run as one: their weights are kept side by side, gates of one kind are neighbours, and so a cell is two
  products and one call for each function.
- Steps that nobody differentiates run in inference mode. The series records one step and pulls through it; nothing else
  keeps its graph.

The functions are those of `question.rs`; parameters are brought into the layout of `layout.py` once, and derivatives back.
"""

import torch
from layout import inwards, outwards

torch.set_num_threads(1)
STEPS, TERMS = 100, 5
SCALE, RATE = 0.1, 0.05


def about():
    return f"PyTorch {torch.__version__} eager"


def gradient(x, data):
    """Of `-|X^T D|^2 / n`."""
    return (-2.0 / data.shape[1]) * (data @ (data.T @ x))


def project(x, u):
    return torch.addmm(u, x, x.T @ u, alpha=-1.0)


def retract(y):
    q, r = torch.linalg.qr(y)
    return q * r.diagonal().sign()


def cell(open_, g, c):
    """From gates `f, i, o` (already squashed), `g` and `C` to the next `H` and `C`."""
    f, i, o = open_
    c = torch.addcmul(i * g, f, c)
    return o * c.tanh(), c


def step(phi, z, data):
    """The next point and state."""
    x1, h1, x2, h2, heads, w1, b1, w2, b2 = phi
    x, sh1, sc1, sh2, sc2 = z
    p, d = x.shape
    g = project(x, gradient(x, data))
    sums = torch.addmm(h1 @ sh1, x1, g).view(4, 2, p, d)
    a1, c1 = cell(sums[:3].sigmoid(), sums[3].tanh(), sc1)
    sums = torch.baddbmm(h2 @ sh2, x2, a1)
    a2, c2 = cell(sums[:, : 3 * p].sigmoid().view(2, 3, p, d).unbind(1), sums[:, 3 * p :].tanh(), sc2)
    out = torch.bmm(heads, a2)
    hidden = torch.addmv(b1, w1, out[1].relu().view(-1)).relu()
    rate = (torch.dot(w2, hidden) + b2).exp() * RATE
    along = project(x, out[0] * SCALE) + g
    new = torch.stack([a1, c1, a2, c2])
    new = new[:, 0] * new[:, 1]
    new = new / ((new * new).sum((1, 2), keepdim=True) + 1e-24).sqrt()
    return [retract(x - rate * along), *new.unbind(0)]


def prepare(name, problem):
    if problem is None:
        return {}
    dtype = torch.float64 if name.endswith("f64") else torch.float32
    take = lambda list_: [torch.from_numpy(a).to(dtype) for a in list_]
    phi = [w.requires_grad_() for w in take(inwards(problem.x))]
    plain = [w.detach() for w in phi]
    (x0,), (seen, judged, *late) = take(problem.v), take(problem.w)
    start = [x0] + [torch.zeros_like(x0)] * 4

    def walked(z, steps):
        for _ in range(steps):
            z = step(plain, z, seen)
        return z

    def loss(x):
        y = judged.T @ x
        return -(y * y).sum() / judged.shape[1]

    def series(z):
        """The fixed-point series on one step from `z`."""
        z = [s.detach().requires_grad_() for s in z]
        end = step(phi, z, seen)
        with torch.no_grad():
            v = [project(end[0], gradient(end[0], judged)), *(torch.zeros_like(s) for s in end[1:])]
            p = [s.clone() for s in v]
        for _ in range(TERMS):
            v = torch.autograd.grad(end, z, v, retain_graph=True)
            with torch.no_grad():
                v = [project(end[0], project(z[0], v[0])), *v[1:]]
                for total, term in zip(p, v):
                    total += term
        return loss(end[0].detach()), *torch.autograd.grad(end, phi, p)

    def steps():
        with torch.inference_mode():
            return walked(start, STEPS)

    def meta():
        with torch.no_grad():
            z = walked(start, STEPS - 1)
        return series(z)

    def unroll():
        z = start
        for _ in range(STEPS):
            z = step(phi, z, seen)
        value = loss(z[0])
        return value.detach(), *torch.autograd.grad(value, phi)

    def derivative(found):
        # The loss would hide how far small derivatives are off.
        _, *grads = found
        return outwards([g.detach().numpy() for g in grads])

    return {
        "steps": (steps, lambda z: [s.numpy() for s in z]),
        "implicit": (lambda: series(late), derivative),
        "meta": (meta, derivative),
        "unroll": (unroll, derivative),
    }
