//! The action of the exponential of a matrix on a thin matrix, `exp(A) B`, and its derivatives of any order along any
//! directions, by truncated Taylor series: only products of `n x n` with thin matrices, and no exponential is formed.
//!
//! All derivatives are those of the number `phi(A, B, C) = <C, exp(A) B>`: its gradient by `C` is the action
//! `exp(A) B`, that by `B` the transposed action `exp(A^T) C`, and that by `A` is
//! `P = int_0^1 e^{(1-t) A^T} C (e^{t A} B)^T dt`, an `n x n` matrix. For mixed derivatives along directions adjoin
//! symbols `e_1, .., e_k` that square to zero and let `A`, `B` and `C` be sums over sets `S` of them, `e_S A_S`; what
//! is wanted is the coefficient of the set of all symbols (compare `expm.rs`).
//!
//! **Action.** With the shift, segments and degree of `action_plan.rs`: `s` times `F <- e^{mu / s} T_m(X) F`, where the
//! terms of the polynomial are `x_j = X x_{j-1} / j`. In the algebra of symbols,
//! `(X x)_S = sum over P in S of X_P x_{S - P}`.
//!
//! **Gradient by A.** The derivative of what is computed, in reverse: for one segment with `C` as the cotangent of its
//! result (times `e^{mu / s}`), `l_m = C`, `l_{j-1} = C + X^T l_j / j`; then `gX = sum of l_j x_{j-1}^T / j`, and `l_0`
//! is the cotangent of `F` before the segment, that is, the transposed action so far. `gA = gX / s`. The sum over `j`
//! is one product of `n x mp` by `mp x n`. It is a derivative along one direction more than there are symbols, and the
//! degree is chosen for that.
//!
//! Shift, segments and degree are constants of the evaluation; any shift gives the same function, and the truncation is
//! chosen so that derivatives along the given number of directions are right too.
//!
//! What does not live here: how often and how far (`action_plan.rs`), rules.

use crate::action_plan::{Plan, plan};
use crate::gemm::gemm;
use crate::real::{Real, finite, max_abs};
use crate::sums::all_finite;
use crate::tolerances::ACTION_ORDER;
use crate::{Failure, Scalar, Workspace};

const OVERFLOW: Failure =
    Failure::Overflow { what: "the action of the exponential of a matrix, or a derivative of it" };

/// A matrix with symbols, scaled for one segment: `X_0 = (A_0 - mu I) / s` and the other `A_S`, to be divided by `s`.
struct Operator<'a, T> {
    n: usize,
    p: usize,
    x: &'a [T],
    rest: &'a [&'a [T]],
    plan: Plan,
    /// `e^{mu / s}`
    factor: T,
}

/// Coefficients by sets; an empty slice stands for zeros.
type Sets<'a, T> = &'a [&'a [T]];

/// `Y = [e_1 .. e_k] exp(sum of e_S op(A_S)) sum of e_S B_S` for thin `B_S` of `n x p`.
///
/// Errors: entries that are not finite; a norm too large; overflow; more than five symbols. Cost: `3^k s m` products
/// `n^2 p`, and memory for `3 2^k` thin matrices and one `n x n`. Source: Al-Mohy & Higham 2011; the derivatives are
/// derived here.
pub(crate) fn action<T: Real>(
    es: Sets<'_, T>,
    bs: Sets<'_, T>,
    (n, p): (usize, usize),
    transpose: bool,
    y: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    check(&[es, bs])?;
    if y.is_empty() {
        return Ok(());
    }
    let len = es.len() * n * p;
    let [x, f, term, next, work] = w.slices([n * n, len, len, len, 3 * n]);
    let op = Operator::of(es, 0, (n, p), x, work)?;
    gather(bs, n * p, f);
    for _ in 0..op.plan.s {
        op.segment(transpose, f, term, next)?;
    }
    y.copy_from_slice(&f[len - n * p..]);
    if all_finite(y) { Ok(()) } else { Err(OVERFLOW) }
}

/// The coefficients of all symbols of the gradients of `<C, exp(A) B>` by `A` (into `ga`) and by `B` (into `gb`).
///
/// Errors as for [`action`]. Cost: `3^k` times `s m` products `n^2 p` for each of: the terms forward (twice, where
/// there is more than one segment), backward, and the sum of outer products; memory for `(s + 2 m + 4) 2^k` thin
/// matrices.
pub(crate) fn pull<T: Real>(
    es: Sets<'_, T>,
    bs: Sets<'_, T>,
    cs: Sets<'_, T>,
    (n, p): (usize, usize),
    ga: &mut [T],
    gb: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    check(&[es, bs, cs])?;
    ga.fill(T::zero());
    if n == 0 || p == 0 {
        return Ok(());
    }
    let len = es.len() * n * p;
    // How much is kept depends on the plan, which needs its own room first.
    let mut outer = w.take(n * n + 3 * n);
    let (x, work) = outer[..n * n + 3 * n].split_at_mut(n * n);
    let done = Operator::of(es, 1, (n, p), x, work).and_then(|op| {
        let (s, m) = (op.plan.s, op.plan.m);
        let [starts, terms, ls, c, term, next] = w.slices([s * len, m * len, m * len, len, len, len]);
        gather(bs, n * p, &mut starts[..len]);
        for i in 1..s {
            let (known, f) = starts.split_at_mut(i * len);
            f[..len].copy_from_slice(&known[(i - 1) * len..]);
            op.segment(false, &mut f[..len], term, next)?;
        }
        gather(cs, n * p, c);
        for start in starts[..s * len].chunks_exact(len).rev() {
            op.terms(start, terms, term, next);
            op.back(c, ls, term, next);
            op.outer(terms, ls, ga);
        }
        gb.copy_from_slice(&c[len - n * p..]);
        Ok(())
    });
    w.put(outer);
    done?;
    if all_finite(ga) && all_finite(gb) { Ok(()) } else { Err(OVERFLOW) }
}

fn check<T: Real>(lists: &[Sets<'_, T>]) -> Result<(), Failure> {
    debug_assert!(lists.iter().all(|l| l.len() == lists[0].len() && l.len().is_power_of_two()));
    lists.iter().flat_map(|l| *l).try_for_each(|x| finite(x))?;
    if lists[0].len() > 1 << ACTION_ORDER {
        return Err(Failure::Unsupported { what: "a derivative of the action of an exponential beyond the fifth" });
    }
    Ok(())
}

/// Coefficients one after the other, zeros where there is none.
fn gather<T: Real>(sets: Sets<'_, T>, len: usize, out: &mut [T]) {
    for (set, out) in sets.iter().zip(out.chunks_exact_mut(len)) {
        if set.is_empty() { out.fill(T::zero()) } else { out.copy_from_slice(set) }
    }
}

impl<'a, T: Real> Operator<'a, T> {
    /// The operator whose exponential is right to so many directions `more` than there are symbols.
    fn of(
        es: Sets<'a, T>,
        more: usize,
        (n, p): (usize, usize),
        x: &'a mut [T],
        work: &mut [T],
    ) -> Result<Self, Failure> {
        let trace = (0..n).fold(0.0, |t, i| t + Scalar::f64(es[0][i + i * n]) / n as f64);
        let mu = T::of(trace);
        x.copy_from_slice(es[0]);
        (0..n).for_each(|i| x[i + i * n] -= mu);
        let plan = plan(x, n, es.len().ilog2() as usize + more, work)?;
        let s = T::of(plan.s as f64);
        x.iter_mut().for_each(|x| *x /= s);
        Ok(Operator { n, p, x, rest: es, plan, factor: T::of((Scalar::f64(mu) / plan.s as f64).exp()) })
    }

    fn sets(&self) -> usize {
        self.rest.len()
    }

    /// `out = X from / j`, or with `X^T`.
    fn step(&self, j: usize, transpose: bool, from: &[T], out: &mut [T]) {
        let (n, p) = (self.n, self.p);
        let one = T::one() / T::of(j as f64);
        let over_s = T::one() / T::of((j * self.plan.s) as f64);
        for (set, out) in out.chunks_exact_mut(n * p).enumerate() {
            let at = |t: usize| &from[t * n * p..][..n * p];
            gemm(out, n, p, n, one, self.x, transpose, at(set), false, false);
            for part in (1..=set).filter(|part| part & !set == 0 && !self.rest[*part].is_empty()) {
                gemm(out, n, p, n, over_s, self.rest[part], transpose, at(set & !part), false, true);
            }
        }
    }

    /// `F <- e^{mu / s} T_m(X) F`. Of the value alone, terms that can no longer change the sum are left out.
    ///
    /// Errors: the first term that is left out is not small, because one of the norms that were estimated is larger.
    fn segment(&self, transpose: bool, f: &mut [T], term: &mut [T], next: &mut [T]) -> Result<(), Failure> {
        let Plan { m, falls, .. } = self.plan;
        term.copy_from_slice(f);
        let (mut term, mut next) = (term, next);
        for j in 1..=m {
            self.step(j, transpose, term, next);
            f.iter_mut().zip(&*next).for_each(|(f, x)| *f += *x);
            core::mem::swap(&mut term, &mut next);
            if self.sets() == 1 && j >= falls && max_abs(term) <= T::of(0.25) * T::EPS * max_abs(f) {
                break;
            }
        }
        if falls == usize::MAX {
            self.step(m + 1, transpose, term, next);
            let (left, whole) = (max_abs(&next[..self.n * self.p]), max_abs(&f[..self.n * self.p]));
            if left > T::of(1e4) * T::EPS * whole {
                let residual = Scalar::f64(left / whole);
                return Err(Failure::IllConditioned { what: "the action of an exponential", residual });
            }
        }
        f.iter_mut().for_each(|f| *f *= self.factor);
        Ok(())
    }

    /// The terms `x_0, .., x_{m-1}` of a segment, by sets.
    fn terms(&self, start: &[T], out: &mut [T], term: &mut [T], next: &mut [T]) {
        term.copy_from_slice(start);
        let (mut term, mut next) = (term, next);
        for j in 0..self.plan.m {
            if j > 0 {
                self.step(j, false, term, next);
                core::mem::swap(&mut term, &mut next);
            }
            self.keep(j, term, T::one(), out);
        }
    }

    /// From the cotangent `C` of the result of a segment: `l_j / (j s)` for `j = 1, .., m`, by sets, and in `C` the
    /// cotangent `l_0` of what the segment began with.
    fn back(&self, c: &mut [T], out: &mut [T], l: &mut [T], next: &mut [T]) {
        c.iter_mut().for_each(|c| *c *= self.factor);
        l.copy_from_slice(c);
        let (mut l, mut next) = (l, next);
        for j in (1..=self.plan.m).rev() {
            self.keep(j - 1, l, T::one() / T::of((j * self.plan.s) as f64), out);
            self.step(j, true, l, next);
            next.iter_mut().zip(&*c).for_each(|(l, c)| *l += *c);
            core::mem::swap(&mut l, &mut next);
        }
        c.copy_from_slice(l);
    }

    /// Writes `factor x` to the place of term `j` of each set.
    fn keep(&self, j: usize, x: &[T], factor: T, out: &mut [T]) {
        let len = self.n * self.p;
        for (set, x) in x.chunks_exact(len).enumerate() {
            let at = (set * self.plan.m + j) * len;
            out[at..at + len].iter_mut().zip(x).for_each(|(o, x)| *o = factor * *x);
        }
    }

    /// `gA += sum over j and sets S of l_S x_{all - S}^T`.
    fn outer(&self, terms: &[T], ls: &[T], ga: &mut [T]) {
        let (n, columns) = (self.n, self.plan.m * self.p);
        let full = self.sets() - 1;
        for set in 0..=full {
            let (l, x) = (&ls[set * n * columns..][..n * columns], &terms[(full & !set) * n * columns..]);
            gemm(ga, n, n, columns, T::one(), l, false, &x[..n * columns], true, true);
        }
    }
}
