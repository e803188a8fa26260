//! The memory of limited-memory BFGS as a program on batches: pairs, and the two loops that apply the inverse Hessian
//! which they define (Nocedal 1980; Huang, Gallivan & Absil 2015 on manifolds). Each member of a batch has pairs of its
//! own, so what a solver would decide by branching is a mask here. What learns is not known here.
//!
//! With pairs `(s_i, y_i)` from the oldest to the newest, all at the point `x`, and `q = g`:
//!
//! - from the newest to the oldest, `alpha_i = <s_i, q> / <s_i, y_i>`, `q -= alpha_i y_i`;
//! - `r = c q`, with `c` the initial scaling;
//! - from the oldest to the newest, `r += (alpha_i - <y_i, r> / <s_i, y_i>) s_i`.
//!
//! A pair whose `<s, y>` is not positive after it was transported is passed over. A new pair is kept if
//! `<s, y> > caution |s| |y|`; only then does the oldest leave.

use pullback::{Batch, Var};
use pullback_manifolds::{Manifold, Parts};

pullback::leaves! {
    /// Pairs from the oldest to the newest. Those that are not there yet are zero.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Memory as MemoryVars {
        /// Steps.
        s: Vec<Vec<Batch<f64>>>,
        /// Changes of the gradient along them.
        y: Vec<Vec<Batch<f64>>>,
    }
}

impl Memory {
    /// No pairs yet.
    pub(crate) fn empty(pairs: usize, tangent: &dyn Fn() -> Vec<Batch>) -> Self {
        let all = || (0..pairs).map(|_| tangent()).collect();
        Memory { s: all(), y: all() }
    }
}

/// `a / b` where `b > 0`, and 0 elsewhere.
pub(crate) fn over<'t>(a: Var<'t>, b: Var<'t>) -> Var<'t> {
    let good = b.gt(0.0);
    good.select(a, 0.0).elem_div(good.select(b, 1.0))
}

/// The memory at `x`: everything brought there, and the pair of the last step added if it is good.
pub(crate) fn remember<'t>(
    m: &dyn Manifold,
    x: &[Var<'t>],
    memory: &MemoryVars<'t>,
    (s, y): (&Parts<'t>, &Parts<'t>),
    going: Var<'t>,
    caution: f64,
    bring: &dyn Fn(&[Var<'t>]) -> Parts<'t>,
) -> MemoryVars<'t> {
    let lengths = m.inner(x, s, s).hadamard(m.inner(x, y, y));
    let product = m.inner(x, s, y);
    // <s, y> > caution |s| |y|, squared so that nothing has a root at zero.
    let positive = product.gt(0.0);
    let good = product.hadamard(product).gt(lengths * (caution * caution)).hadamard(positive).hadamard(going);
    let shifted = |list: &[Vec<Var<'t>>], new: &Parts<'t>| -> Vec<Vec<Var<'t>>> {
        let mut all: Vec<Parts<'t>> = list.iter().map(|u| bring(u)).collect();
        all.push(new.clone());
        let pick = |(old, next): (&Var<'t>, &Var<'t>)| good.select(*next, *old);
        (0..list.len()).map(|k| all[k].iter().zip(&all[k + 1]).map(pick).collect()).collect()
    };
    MemoryVars { s: shifted(&memory.s, s), y: shifted(&memory.y, y) }
}

/// `<s, y> / <y, y>` of the newest good pair, `without` where there is none.
pub(crate) fn newest_scale<'t>(m: &dyn Manifold, x: &[Var<'t>], memory: &MemoryVars<'t>, without: Var<'t>) -> Var<'t> {
    let mut scale = without;
    for (s, y) in memory.s.iter().zip(&memory.y) {
        let product = m.inner(x, s, y);
        scale = product.gt(0.0).select(over(product, m.inner(x, y, y)), scale);
    }
    scale
}

/// The inverse Hessian of the pairs, with the initial scaling `scaling`, applied to `g`.
pub(crate) fn two_loops<'t>(
    m: &dyn Manifold,
    x: &[Var<'t>],
    memory: &MemoryVars<'t>,
    g: &[Var<'t>],
    scaling: Var<'t>,
) -> Parts<'t> {
    let add = |to: &mut Parts<'t>, u: &[Var<'t>], c: Var<'t>| {
        to.iter_mut().zip(u).for_each(|(to, u)| *to += u.hadamard(c));
    };
    let products: Vec<Var<'t>> = memory.s.iter().zip(&memory.y).map(|(s, y)| m.inner(x, s, y)).collect();
    let mut q: Parts<'t> = g.iter().copied().collect();
    let mut alphas = Vec::with_capacity(products.len());
    for (k, product) in products.iter().enumerate().rev() {
        let alpha = over(m.inner(x, &memory.s[k], &q), *product);
        add(&mut q, &memory.y[k], -alpha);
        alphas.push(alpha);
    }
    let mut r: Parts<'t> = q.iter().map(|q| q.hadamard(scaling)).collect();
    for ((k, product), alpha) in products.iter().enumerate().zip(alphas.iter().rev()) {
        let beta = over(m.inner(x, &memory.y[k], &r), *product);
        add(&mut r, &memory.s[k], *alpha - beta);
    }
    r
}
