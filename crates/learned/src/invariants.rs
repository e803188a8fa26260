//! What the equivariant optimiser's network sees: numbers that an isometry, a change of units of the cost and the
//! dimension leave alone. What is made of them is in `equivariant.rs`.
//!
//! With `g` the gradient, `s` the last step, `y` the change of the gradient along it, `m_k` the momenta, all at the
//! point, `g'` the last gradient, `gamma` the scale of the quasi-Newton memory and `t` the number of steps:
//!
//! - the fifteen cosines between `g, s, y, m_1, m_2, m_3`;
//! - the logarithms of `|m_k| / |g|`, `|s| / (gamma |g|)`, `|g| / |g'|`, `gamma / gamma'`, `gamma |g|` and `|s|`;
//! - is `t = 0`, is `t = 1`, and `min(ln(1 + t), 3.7) / 2`;
//! - `ln cos²(s, y)`, the logarithm of the ratio of the two steps of Barzilai & Borwein.
//!
//! Logarithms are cut at `±10` and are 0 before the first step where they would need one.

use crate::memory::number;
use crate::optimizer::least;
use pullback::{Axis, Scalar, Var};
use pullback_manifolds::{Manifold, Parts};

/// How many there are.
pub(crate) const FEATURES: usize = 15 + 3 + 5 + 3 + 1;

/// A point and the tangents that are known there.
pub(crate) struct Known<'a, 't, T: Scalar> {
    pub(crate) m: &'a dyn Manifold<T>,
    pub(crate) x: &'a [Var<'t, T>],
    pub(crate) g: &'a [Var<'t, T>],
    pub(crate) step: &'a Parts<'t, T>,
    pub(crate) change: &'a Parts<'t, T>,
    pub(crate) momenta: &'a [Parts<'t, T>],
    pub(crate) last: &'a Parts<'t, T>,
}

/// `ln(a / b) / 2` for squares, cut.
fn log_ratio<'t, T: Scalar>(a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    let ln = |x: Var<'t, T>| x.shifted(least::<T>()).ln();
    (ln(a) - ln(b)).scaled(0.5).clamp(-10.0, 10.0)
}

/// All of them, a column for each member. `going` is 1 from the second step on.
pub(crate) fn features<'t, T: Scalar>(
    k: &Known<'_, 't, T>,
    count: Var<'t, T>,
    going: Var<'t, T>,
    gamma: Var<'t, T>,
    last_gamma: Var<'t, T>,
) -> Var<'t, T> {
    let inner = |u: &[Var<'t, T>], v: &[Var<'t, T>]| k.m.inner(k.x, u, v);
    let all: [&[Var<'t, T>]; 6] = [k.g, k.step, k.change, &k.momenta[0], &k.momenta[1], &k.momenta[2]];
    let squares = all.map(|u| inner(u, u));
    let cosine = |i: usize, j: usize| {
        let length = |i: usize| squares[i].shifted(least::<T>()).sqrt();
        let lengths = length(i).hadamard(length(j));
        inner(all[i], all[j]).elem_div(lengths)
    };
    let mut out: Vec<Var<'t, T>> =
        (0..6).flat_map(|i| (i + 1..6).map(move |j| (i, j))).map(|(i, j)| cosine(i, j)).collect();
    let angle = out[5];
    out.extend((3..6).map(|i| log_ratio(squares[i], squares[0])));
    let one = gamma.hadamard(gamma).hadamard(squares[0]);
    let after = |v: Var<'t, T>| v.hadamard(going);
    out.push(after(log_ratio(squares[1], one)));
    out.push(after(log_ratio(squares[0], inner(k.last, k.last))));
    out.push(after(log_ratio(gamma.hadamard(gamma), last_gamma.hadamard(last_gamma))));
    out.push(one.shifted(least::<T>()).ln().scaled(0.5).clamp(-10.0, 10.0));
    out.push(after(squares[1].shifted(least::<T>()).ln().scaled(0.5).clamp(-10.0, 10.0)));
    let below = |c: f64| count.lt(number(count.tape(), c));
    out.push(below(0.5));
    out.push(below(1.5).hadamard(going));
    out.push(count.shifted(1.0).ln().scaled(0.5).clamp(0.0, 1.85));
    out.push(after(angle.hadamard(angle).shifted(1e-12).ln().clamp(-10.0, 10.0)));
    debug_assert_eq!(out.len(), FEATURES);
    Var::concat(&out, Axis::Rows)
}
