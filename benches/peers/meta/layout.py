"""The parameters of the learned loop as its two rows in Python keep them, and back: plain arrays, no library's.

Both networks stand side by side, so that each cell of the two is one or two products: the weights of the first cells
by gates, `f, f', i, i', o, o', g, g'`, those of the second cells as a batch of two. All are transposed, since a gate is
`W^T Z`, and the layer that sees a whole matrix sees it by rows.
"""

import numpy as np


def by_gates(direction, step):
    p = len(direction)
    both = np.stack([direction.T.reshape(4, p, p), step.T.reshape(4, p, p)], 1)
    return both.reshape(8 * p, p)


def inwards(leaves):
    """From the order and layout of `gmlstm.rs`."""
    dx1, dh1, dx2, dh2, dhead, sx1, sh1, sx2, sh2, shead, w1, b1, w2, b2 = leaves
    p, hidden = len(dhead), len(b1)
    d = w1.shape[1] // p
    together = lambda a, b: np.stack([a.T, b.T])
    found = [
        by_gates(dx1, sx1),
        by_gates(dh1, sh1),
        together(dx2, sx2),
        together(dh2, sh2),
        together(dhead, shead),
        w1.reshape(hidden, d, p).transpose(0, 2, 1).reshape(hidden, p * d),
        b1.reshape(hidden),
        w2.reshape(hidden),
        b2.reshape(()),
    ]
    return [np.ascontiguousarray(a) for a in found]


def outwards(grads):
    """To the order and layout of `gmlstm.rs`."""
    x1, h1, x2, h2, heads, w1, b1, w2, b2 = grads
    p, hidden = heads.shape[1], len(b1)
    d = w1.shape[1] // p
    first = [w.reshape(4, 2, p, p) for w in (x1, h1)]
    gates = [[w[:, k].reshape(4 * p, p).T for w in first] for k in (0, 1)]
    second = [[w[k].T for w in (x2, h2)] for k in (0, 1)]
    return [
        *gates[0], *second[0], heads[0].T,
        *gates[1], *second[1], heads[1].T,
        w1.reshape(hidden, p, d).transpose(0, 2, 1).reshape(hidden, p * d),
        b1.reshape(hidden, 1), w2.reshape(1, hidden), b2.reshape(1, 1),
    ]  # fmt: skip
