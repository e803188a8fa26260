//! The principal logarithm of a general real matrix and its mixed derivatives `D^k log(A)[E_1, .., E_k]`, by inverse
//! scaling and squaring on the real Schur form. The logarithm of a symmetric matrix lives in `spectral.rs`.

use num_traits::Float;

use crate::equations::alternating;
use crate::gemm::gemm;
use crate::logm_frame::{Frame, accurate_blocks, judge};
use crate::quasi_products::{inverse_upper, product_upper};
use crate::real::{Real, finite, view, view_mut};
use crate::roots::{blame, residual, root, to_axis};
use crate::sums::all_finite;
use crate::sylvester::{Equation, Kind, Scratch, scratch_lengths};
use crate::tolerances::{LOGM_ORDER, LOGM_ROOTS, logm_plan};
use crate::{Failure, Scalar, Workspace};

/// The `L` with `exp(L) = A` and eigenvalues of imaginary part in `(-pi, pi)`, and a handle of `n (2 n + 1)` numbers
/// for [`logm_along`]: the Schur form of `A` or `A - I`, and which of the two it is (see `logm_frame.rs`).
///
/// Errors: entries that are not finite; a singular matrix, to working precision ([`Failure::Singular`]); an eigenvalue
/// on the negative real axis, to working precision ([`Failure::NoPrincipalValue`]); a square root on the way without
/// half of its digits ([`Failure::IllConditioned`]). Cost: the Schur form (about `25 n^3`), about `n^3` for each of the
/// square roots (some two to ten) and `2 n^3` for each of five to ten nodes, `4 n^3` to turn it back. Sources: Kenney
/// and Laub 1989; Al-Mohy and Higham 2012.
pub(crate) fn logm<T: Real>(
    a: &[T],
    n: usize,
    l: &mut [T],
    handle: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && l.len() == n * n && handle.len() == n * (2 * n + 1));
    finite(a)?;
    if n == 0 {
        return Ok(());
    }
    let (form, mark) = handle.split_at_mut(2 * n * n);
    mark.fill(T::zero());
    mark[0] = Frame::choose(a, n, l);
    crate::schur::schur(l, n, form, w)?;
    let frame = Frame::of(handle, n);
    let [parts, y] = w.slices([2 * n + 3 * crate::equation_base::BASE * crate::equation_base::BASE, n]);
    alternating(y);
    judge(&frame, parts, y)?;
    let middle = frame.middle(parts);
    handle[2 * n * n] = middle;
    member(handle, n, &[&[]], [(0, l)], w)
}

/// `D^k log(A)[E_1, .., E_k]` with `k = es.len() >= 1`, from the handle of [`logm`]; it does not depend on the order of
/// the directions.
///
/// Errors: directions that are not finite, more than four of them, a derivative that overflows. Cost, in `n^3`:
/// `4 (k + 1)` for the bases, `2 (2^k - 1)` for each square root, and `4 (2^k - 1)` for each node, with products of
/// subsets beside. Source: Al-Mohy, Higham and Relton 2013 for one direction; derived here for more.
pub(crate) fn logm_along<T: Real>(
    handle: &[T],
    n: usize,
    es: &[&[T]],
    out: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(handle.len() == n * (2 * n + 1) && es.iter().all(|e| e.len() == n * n));
    es.iter().try_for_each(|e| finite(e))?;
    if es.len() > LOGM_ORDER {
        return Err(Failure::Unsupported { what: "a derivative of the logarithm beyond the fourth" });
    }
    if n == 0 {
        return Ok(());
    }
    let mut sets: [&[T]; 1 << LOGM_ORDER] = [&[]; 1 << LOGM_ORDER];
    es.iter().enumerate().for_each(|(i, e)| sets[1 << i] = e);
    let all = 1 << es.len();
    member(handle, n, &sets[..all], [(all - 1, out)], w)
}

/// `D log(A)[G]` into `first`, and into `second` its derivative while `A` moves along `E` and `G` along `F` (nothing if
/// that is empty), `D^2 log(A)[G, E] + D log(A)[F]`: two coefficients of one jet, with `F` as the direction of both
/// symbols. All else as for [`logm_along`] with two directions, for the same price.
pub(crate) fn logm_pair<T: Real>(
    handle: &[T],
    n: usize,
    [g, e, f]: [&[T]; 3],
    first: &mut [T],
    second: &mut [T],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    debug_assert!(handle.len() == n * (2 * n + 1) && g.len() == n * n && e.len() == n * n);
    [g, e, f].into_iter().try_for_each(|e| finite(e))?;
    if n == 0 { Ok(()) } else { member(handle, n, &[&[], g, e, f], [(1, first), (3, second)], w) }
}

/// The coefficients of `J = sum over S of e_S J_S`, where `e_1, .., e_k` are symbols that square to zero and `S` a set
/// of them: matrices one after the other, in the order of the numbers of the sets, whose bits are the symbols.
struct Jet<'a, T> {
    n: usize,
    sets: usize,
    j: &'a mut [T],
}

/// The proper subsets of `s` that are not empty, with their complements in it.
fn pairs(s: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..s).filter(move |p| p & !s == 0).map(move |p| (p, s & !p))
}

impl<T: Real> Jet<'_, T> {
    fn of(&self, s: usize) -> &[T] {
        let nn = self.n * self.n;
        &self.j[s * nn..(s + 1) * nn]
    }

    /// The square root in place. From `R R = J`: `R_0` is the root of `J_0`, and
    /// `R_0 R_S + R_S R_0 = J_S - sum of R_P R_Q` over the pairs of disjoint sets that make up `S`: a Sylvester
    /// equation for each set.
    fn root(&mut self, s: &mut Scratch<'_, T>) -> Result<(), T> {
        let (n, nn) = (self.n, self.n * self.n);
        root(view_mut(&mut self.j[..nn], n, n), s).map_err(|s| s.ratio)?;
        let eq = Equation { kind: Kind::Sum, ta: false, tb: false, floor: T::zero() };
        for set in 1..self.sets {
            let (done, rest) = self.j.split_at_mut(set * nn);
            let of = |p: usize| &done[p * nn..(p + 1) * nn];
            for (p, q) in pairs(set) {
                gemm(&mut rest[..nn], n, n, n, -T::one(), of(p), false, of(q), false, true);
            }
            let r = view(of(0), n, n);
            eq.solve(r, r, view_mut(&mut rest[..nn], n, n), 0, s).map_err(|s| s.ratio)?;
        }
        Ok(())
    }
}

/// Coefficients of `log(A + sum of e_S E_S)` over sets `S` of symbols: those of the sets that are named, into what
/// stands beside them. Empty directions stand for zeros, and that of the empty set is not read.
///
/// Inverse scaling: `s` square roots bring `A` near the identity, and `log A = 2^s log(I + X)`. The rational function
/// `log(I + X) = sum of w_j X (I + t_j X)^{-1}` over Gauss-Legendre nodes `t_j` and weights `w_j` in `[0, 1]` is the
/// Padé approximant (Dieci, Morini and Papini 1996). Both are done with jets, so the derivative is that of what is
/// computed, and it is a derivative of the logarithm because the radius is chosen for the order (`logm_plan`).
fn member<T: Real, const K: usize>(
    handle: &[T],
    n: usize,
    es: &[&[T]],
    mut outs: [(usize, &mut [T]); K],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    let frame = Frame::of(handle, n);
    let (sets, nn) = (es.len(), n * n);
    let tiles = scratch_lengths(Kind::Sum, n, n)[0].max(2 * n);
    let [j, f, g, b, work, tiles] = w.slices([sets * nn, sets * nn, nn, nn, nn.max(n * n / 4 + n), tiles]);
    let mut jet = Jet { n, sets, j };
    frame.begin(es, &mut jet.j[..], work);
    let roots = near_identity(&mut jet, &frame, [b, work], tiles)?;
    // Without square roots a set has a direction only if it was given one.
    let whole = roots > 0 || (0..sets).any(|s| s.count_ones() > 1 && !es[s].is_empty());
    nodes(&jet, whole, f, [g, b, work], &mut outs);
    // The coefficients, times 2^s: into the basis of A.
    let last = T::of((roots as f64).exp2());
    for (_, out) in &mut outs {
        out.iter_mut().for_each(|x| *x *= last);
        if sets == 1 {
            frame.value_blocks(out);
        }
        gemm(work, n, n, n, T::one(), frame.u, false, out, false, false);
        gemm(out, n, n, n, T::one(), &work[..nn], false, frame.u, true, false);
        if !all_finite(out) {
            return Err(Failure::Unsupported { what: "a derivative that overflows" });
        }
    }
    Ok(())
}

/// Square roots until `X` is small enough; `J` becomes the jet of `X`. Returns how many there were.
fn near_identity<T: Real>(
    jet: &mut Jet<'_, T>,
    frame: &Frame<'_, T>,
    [before, square]: [&mut [T]; 2],
    tiles: &mut [T],
) -> Result<usize, Failure> {
    let (n, nn) = (jet.n, jet.n * jet.n);
    let [.., (_, radius)] = logm_plan::<T>(jet.sets.ilog2() as usize);
    if frame.shifted && norm_one(frame.t, n) <= radius {
        jet.j[..nn].copy_from_slice(frame.t);
        return Ok(0);
    }
    for roots in 1..=LOGM_ROOTS {
        before[..nn].copy_from_slice(jet.of(0));
        if let Err(ratio) = jet.root(&mut Scratch::new(tiles, &mut [])) {
            return Err(match jet.sets {
                1 => blame(frame.t, n, T::one(), tiles, to_axis),
                _ => Failure::Singular { index: 0, ratio: Scalar::f64(ratio) },
            });
        }
        if jet.sets == 1 {
            residual(before, jet.of(0), &mut square[..nn], n)?;
        }
        // Off the diagonal nothing is subtracted, and on it the blocks are written anew.
        before[..nn].copy_from_slice(jet.of(0));
        accurate_blocks(frame, roots, &mut before[..nn]);
        if norm_one(&before[..nn], n) <= radius {
            jet.j[..nn].copy_from_slice(&before[..nn]);
            return Ok(roots);
        }
    }
    Err(Failure::IllConditioned { what: "the logarithm", residual: 1.0 })
}

/// The largest sum of magnitudes of a column.
pub(crate) fn norm_one<T: Real>(a: &[T], n: usize) -> T {
    a.chunks_exact(n).map(|c| c.iter().fold(T::zero(), |s, x| s + Float::abs(*x))).fold(T::zero(), T::max)
}

/// The coefficients of `sum of w F` over the nodes `t` and weights `w`, where `(I + t X) F = X`.
///
/// With `G = (I + t X_0)^{-1}`: `F_0 = X_0 G`, so `I - t F_0 = G`; and the coefficient of `S` of the equation is
/// `F_S = G (X_S G - t sum of X_P F_Q)` over the pairs of disjoint sets, neither empty, that make up `S`.
fn nodes<T: Real>(
    x: &Jet<'_, T>,
    whole: bool,
    f: &mut [T],
    [g, b, work]: [&mut [T]; 3],
    outs: &mut [(usize, &mut [T])],
) {
    let (n, nn) = (x.n, x.n * x.n);
    let ([first, second, last], norm) = (logm_plan::<T>(x.sets.ilog2() as usize), norm_one(x.of(0), n));
    let (list, _) = [first, second].into_iter().find(|(_, radius)| norm <= *radius).unwrap_or(last);
    outs.iter_mut().for_each(|(_, out)| out.fill(T::zero()));
    for &(t, w) in list {
        let (t, w) = (T::of(t), T::of(w));
        b.iter_mut().zip(x.of(0)).for_each(|(b, &x)| *b = t * x);
        (0..n).for_each(|i| b[i + i * n] += T::one());
        inverse_upper(view(b, n, n), view_mut(g, n, n), work);
        product_upper(view(x.of(0), n, n), view(g, n, n), view_mut(&mut f[..nn], n, n));
        for s in 1..x.sets {
            let (done, rest) = f.split_at_mut(s * nn);
            let sum = &mut work[..nn];
            if whole || s.is_power_of_two() {
                gemm(sum, n, n, n, T::one(), x.of(s), false, g, false, false);
            } else {
                sum.fill(T::zero());
            }
            for (p, q) in pairs(s) {
                if whole || p.is_power_of_two() {
                    gemm(sum, n, n, n, -t, x.of(p), false, &done[q * nn..(q + 1) * nn], false, true);
                }
            }
            gemm(&mut rest[..nn], n, n, n, T::one(), g, false, sum, false, false);
        }
        for (set, out) in &mut *outs {
            out.iter_mut().zip(&f[*set * nn..][..nn]).for_each(|(o, &f)| *o += w * f);
        }
    }
}
