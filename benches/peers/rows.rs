//! The matrix rows: what each takes and what it computes. The same programs stand in `rows_torch.py`, `rows_jax.py` and
//! `rows_scipy.py` under the same names; the weights come in the order of the outputs here.
//!
//! Where a factor is unique up to signs only, the program squares its entries, here and at the peers.

use crate::inputs::{any, around, of_norm, scaled, spectrum};
use pullback::{Batch, SymFn, Var};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The inputs at order `n`; derivatives are taken by all of them.
    pub(crate) inputs: fn(usize) -> Vec<Batch<f64>>,
    /// Are they symmetric?
    pub(crate) symmetric: bool,
    pub(crate) program: for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>,
}

const fn row(name: &'static str, inputs: fn(usize) -> Vec<Batch<f64>>, program: Program) -> Row {
    Row { name, inputs, symmetric: false, program }
}

const fn symmetric(name: &'static str, program: Program) -> Row {
    Row { name, inputs: |n| vec![spectrum(n, 1, 1)], symmetric: true, program }
}

type Program = for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>;

pub(crate) const ROWS: &[Row] = &[
    row("matmul", |n| vec![any(n, n, 1), any(n, n, 2)], |x| vec![x[0] * x[1]]),
    row(
        "qr",
        |n| vec![around(n, 1)],
        |x| {
            let (q, r) = x[0].qr();
            vec![q.square(), r.square()]
        },
    ),
    symmetric("cholesky", |x| vec![x[0].cholesky()]),
    row("solve", |n| vec![around(n, 1), any(n, n, 2)], |x| vec![x[0].solve(x[1])]),
    row("inverse", |n| vec![around(n, 1)], |x| vec![x[0].inverse()]),
    row("logdet", |n| vec![around(n, 1)], |x| vec![x[0].logdet()]),
    row("lstsq", |n| vec![any(2 * n, n, 1), any(2 * n, 4, 2)], |x| vec![x[0].lstsq(x[1])]),
    row("pinv", |n| vec![any(2 * n, n, 1)], |x| vec![x[0].pinv()]),
    symmetric("eigh", |x| {
        let (l, v) = x[0].eigh();
        vec![l, v.square()]
    }),
    symmetric("trace_fun", |x| vec![x[0].trace_fun(SymFn::XLogX)]),
    row(
        "svd",
        |n| vec![spectrum(n, 1, 2)],
        |x| {
            let (u, s, v) = x[0].svd();
            vec![u.square(), s, v.square()]
        },
    ),
    row("polar", |n| vec![around(n, 1)], |x| vec![x[0].polar().0]),
    symmetric("logm_spd", |x| vec![x[0].logm_spd()]),
    row("cayley", |n| vec![scaled(1.0 / (n as f64).sqrt(), &any(n, n, 1))], |x| vec![x[0].cayley(0.5)]),
    row("expm", |n| vec![of_norm(n, 4.0)], |x| vec![x[0].expm()]),
    row("layers", layers, |x| vec![x[1..].iter().fold(x[0], |h, w| (h * *w).tanh())]),
    row("sylvester", |n| vec![around(n, 1), around(n, 2), any(n, n, 3)], |x| vec![x[0].sylvester(x[1], x[2])]),
    row("sqrtm", |n| vec![around(n, 1)], |x| vec![x[0].sqrtm()]),
    row("logm", |n| vec![around(n, 1)], |x| vec![x[0].logm()]),
];

/// `H`, and the matrices of ten layers `H <- tanh(H W_k)`.
fn layers(n: usize) -> Vec<Batch<f64>> {
    let weight = |k: u64| scaled(3.0 / (n as f64).sqrt(), &any(n, n, 10 + k));
    std::iter::once(any(n, n, 1)).chain((0..10).map(weight)).collect()
}
