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
//!
//! Without a line search pairs are not conjugate (`<s_i, y_j> = 0`), as they are after exact ones on a quadratic, and
//! the two loops then satisfy the secant equation of the newest pair only. [`conjugated`] makes them conjugate, from
//! the newest to the oldest, by a share `kappa` of what Gram and Schmidt take away:
//!
//! ```text
//!     s_i -= kappa <s_i, y_j> / <s_j, y_j> s_j,     y_i -= kappa <s_j, y_i> / <s_j, y_j> y_j     for j newer than i
//! ```
//!
//! With `kappa = 1` the two loops satisfy every secant equation of a quadratic, `H y_i = s_i` (Schnabel 1983,
//! *Quasi-Newton methods using multiple secant equations*), so a step begins at the lowest point of the span of the
//! last steps: what exact line searches would have found, one gradient later.

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

/// The pairs made conjugate by a share `kappa`. A pair of which less than `LEFT` remains is none.
pub(crate) fn conjugated<'t, T: Scalar>(
    m: &dyn Manifold<T>,
    x: &[Var<'t, T>],
    memory: &MemoryVars<'t, T>,
    kappa: Var<'t, T>,
) -> MemoryVars<'t, T> {
    const LEFT: f64 = 1e-3;
    let less = |u: &[Var<'t, T>], c: Var<'t, T>, v: &[Var<'t, T>]| -> Vec<Var<'t, T>> {
        u.iter().zip(v).map(|(u, v)| *u - v.hadamard(c)).collect()
    };
    let times = |u: &[Var<'t, T>], c: Var<'t, T>| -> Vec<Var<'t, T>> { u.iter().map(|u| u.hadamard(c)).collect() };
    // From the newest to the oldest, with <s, y>.
    let mut done: Vec<(Vec<Var<'t, T>>, Vec<Var<'t, T>>, Var<'t, T>)> = vec![];
    for (s, y) in memory.s.iter().zip(&memory.y).rev() {
        let (mut s, mut y) = (s.clone(), y.clone());
        let whole = m.inner(x, &s, &y);
        for (newer_s, newer_y, product) in &done {
            let share = |u: Var<'t, T>| over(u.hadamard(kappa), *product);
            let (of_s, of_y) = (share(m.inner(x, &s, newer_y)), share(m.inner(x, newer_s, &y)));
            (s, y) = (less(&s, of_s, newer_s), less(&y, of_y, newer_y));
        }
        let product = m.inner(x, &s, &y);
        let remains = product.gt(whole.scaled(LEFT));
        done.push((times(&s, remains), times(&y, remains), product.hadamard(remains)));
    }
    let (s, y) = done.into_iter().rev().map(|(s, y, _)| (s, y)).unzip();
    MemoryVars { s, y }
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

#[cfg(test)]
mod tests {
    use super::*;
    use pullback_manifolds::{Euclidean, gaussian, rng};

    /// `H y_i` for each pair of a quadratic, with pairs made conjugate by this share.
    fn images(kappa: f64) -> (Vec<Batch>, Vec<Batch>) {
        let (n, tape, m) = (7, Tape::plain(), Euclidean::new(7, 1));
        let rng = &mut rng(5);
        let b: Batch = gaussian(Shape::mat(n, n), rng);
        let b = tape.constant(&b);
        let one = Batch::from_fn(Shape::mat(n, n), |_, i, j| f64::from(u8::from(i == j)));
        let a = b * b.t() + tape.constant(&one);
        let s: Vec<Batch> = (0..4).map(|_| gaussian(Shape::mat(n, 1), rng)).collect();
        let s: Vec<Vec<Var>> = s.iter().map(|s| vec![tape.constant(s)]).collect();
        let y: Vec<Vec<Var>> = s.iter().map(|s| vec![a * s[0]]).collect();
        let memory = conjugated(&m, &[s[0][0]], &MemoryVars { s: s.clone(), y: y.clone() }, number(&tape, kappa));
        let scaling = number(&tape, 0.3);
        let found = y.iter().map(|y| two_loops(&m, &[s[0][0]], &memory, y, scaling)[0].value().clone()).collect();
        (found, s.iter().map(|s| s[0].value().clone()).collect())
    }

    /// The largest entry of `H y - s` of a pair.
    fn misses(kappa: f64) -> Vec<f64> {
        let (found, steps) = images(kappa);
        let off =
            |(h, s): (&Batch, &Batch)| h.data().iter().zip(s.data()).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
        found.iter().zip(&steps).map(off).collect()
    }

    #[test]
    fn conjugate_pairs_satisfy_every_secant_equation_and_others_the_newest() {
        assert!(misses(1.0).iter().all(|m| *m < 1e-10), "{:?}", misses(1.0));
        let plain = misses(0.0);
        assert!(plain[3] < 1e-12 && plain[..3].iter().all(|m| *m > 1e-2), "{plain:?}");
    }

    #[test]
    fn a_pair_that_the_newer_ones_span_is_passed_over() {
        let (tape, m) = (Tape::plain(), Euclidean::new(2, 1));
        let v = |a: f64, b: f64| vec![tape.constant(&Batch::from_slice(Shape::mat(2, 1), &[a, b]))];
        // The oldest is a multiple of the newest, and the place of a fourth is empty.
        let s = vec![v(0.0, 0.0), v(2.0, 0.0), v(0.5, 1.0), v(1.0, 0.0)];
        let y = vec![v(0.0, 0.0), v(6.0, 0.0), v(1.5, 2.0), v(3.0, 0.0)];
        let found = conjugated(&m, &s[0].clone(), &MemoryVars { s, y }, number(&tape, 1.0));
        let lengths: Vec<f64> = found.s.iter().map(|s| s[0].dot(s[0]).value().data()[0]).collect();
        assert_eq!(lengths, [0.0, 0.0, 1.0, 1.0]);
    }
}
