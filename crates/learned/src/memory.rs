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

use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_manifolds::{Manifold, Parts};

pullback::leaves! {
    /// Pairs from the oldest to the newest. Those that are not there yet are zero.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Memory<T: Scalar = f64> as MemoryVars {
        /// Steps.
        s: Vec<Vec<Batch<T>>>,
        /// Changes of the gradient along them.
        y: Vec<Vec<Batch<T>>>,
    }
}

impl<T: Scalar> Memory<T> {
    /// No pairs yet.
    pub(crate) fn empty(pairs: usize, tangent: &dyn Fn() -> Vec<Batch<T>>) -> Self {
        let all = || (0..pairs).map(|_| tangent()).collect();
        Memory { s: all(), y: all() }
    }
}

/// A number as a constant.
pub(crate) fn number<T: Scalar>(tape: &Tape<T>, c: f64) -> Var<'_, T> {
    tape.filled(Shape::SCALAR, T::of(c))
}

/// `a / b` where `b > 0`, and 0 elsewhere.
pub(crate) fn over<'t, T: Scalar>(a: Var<'t, T>, b: Var<'t, T>) -> Var<'t, T> {
    let tape = a.tape();
    let (zero, one) = (number(tape, 0.0), number(tape, 1.0));
    let good = b.gt(zero);
    good.select(a, zero).elem_div(good.select(b, one))
}

/// The memory at `x`: everything brought there, and the pair of the last step added if it is good.
pub(crate) fn remember<'t, T: Scalar>(
    m: &dyn Manifold<T>,
    x: &[Var<'t, T>],
    memory: &MemoryVars<'t, T>,
    (s, y): (&Parts<'t, T>, &Parts<'t, T>),
    going: Var<'t, T>,
    caution: f64,
    bring: &dyn Fn(&[Var<'t, T>]) -> Parts<'t, T>,
) -> MemoryVars<'t, T> {
    let lengths = m.inner(x, s, s).hadamard(m.inner(x, y, y));
    let product = m.inner(x, s, y);
    // <s, y> > caution |s| |y|, squared so that nothing has a root at zero.
    let positive = product.gt(number(product.tape(), 0.0));
    let good = product.hadamard(product).gt(lengths.scaled(caution * caution)).hadamard(positive).hadamard(going);
    let shifted = |list: &[Vec<Var<'t, T>>], new: &Parts<'t, T>| -> Vec<Vec<Var<'t, T>>> {
        let mut all: Vec<Parts<'t, T>> = list.iter().map(|u| bring(u)).collect();
        all.push(new.clone());
        let pick = |(old, next): (&Var<'t, T>, &Var<'t, T>)| good.select(*next, *old);
        (0..list.len()).map(|k| all[k].iter().zip(&all[k + 1]).map(pick).collect()).collect()
    };
    MemoryVars { s: shifted(&memory.s, s), y: shifted(&memory.y, y) }
}

/// `<s, y> / <y, y>` of the newest good pair, `without` where there is none.
pub(crate) fn newest_scale<'t, T: Scalar>(
    m: &dyn Manifold<T>,
    x: &[Var<'t, T>],
    memory: &MemoryVars<'t, T>,
    without: Var<'t, T>,
) -> Var<'t, T> {
    let mut scale = without;
    for (s, y) in memory.s.iter().zip(&memory.y) {
        let product = m.inner(x, s, y);
        scale = product.gt(number(product.tape(), 0.0)).select(over(product, m.inner(x, y, y)), scale);
    }
    scale
}

/// The inverse Hessian of the pairs, with the initial scaling `scaling`, applied to `g`.
pub(crate) fn two_loops<'t, T: Scalar>(
    m: &dyn Manifold<T>,
    x: &[Var<'t, T>],
    memory: &MemoryVars<'t, T>,
    g: &[Var<'t, T>],
    scaling: Var<'t, T>,
) -> Parts<'t, T> {
    let add = |to: &mut Parts<'t, T>, u: &[Var<'t, T>], c: Var<'t, T>| {
        to.iter_mut().zip(u).for_each(|(to, u)| *to += u.hadamard(c));
    };
    let products: Vec<Var<'t, T>> = memory.s.iter().zip(&memory.y).map(|(s, y)| m.inner(x, s, y)).collect();
    let mut q: Parts<'t, T> = g.iter().copied().collect();
    let mut alphas = Vec::with_capacity(products.len());
    for (k, product) in products.iter().enumerate().rev() {
        let alpha = over(m.inner(x, &memory.s[k], &q), *product);
        add(&mut q, &memory.y[k], -alpha);
        alphas.push(alpha);
    }
    let mut r: Parts<'t, T> = q.iter().map(|q| q.hadamard(scaling)).collect();
    for ((k, product), alpha) in products.iter().enumerate().zip(alphas.iter().rev()) {
        let beta = over(m.inner(x, &memory.y[k], &r), *product);
        add(&mut r, &memory.s[k], *alpha - beta);
    }
    r
}
