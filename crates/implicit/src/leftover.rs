//! What a linear solver left of a derivative: its residual, taken through an inverse of the map and through what was
//! asked. A residual that is small beside the right-hand side may be large where parameters weigh it, in a leaf that is
//! small beside others, or in a small member. What an error means for a verdict is in `certify.rs`.
//!
//! Let `r = b - A x`. The derivative is affine in `x`, so what is missing of it is what was asked of `e = A^{-1} r`. In
//! small spaces a factor gives `e`. In others `e` is estimated by `(r + A r / high) / low`, with the ends of the
//! spectrum that were seen: a component that `e` has and `r` does not comes in by a product. That is too long rather
//! than too short, and where it matters `e` is solved for.

use crate::ask::Aid;
use crate::certify::Raw;
use crate::condition::Condition;
use crate::error::Result;
use crate::iteration::Of;
use crate::kinks::Question;
use crate::linear::{Map, Method, Solved, Stop};
use crate::lists::{self, List};
use crate::local::Local;
use crate::solution::Linearisation;
use pullback::{Batch, Scalar};

/// The length of a leaf of a derivative, of one member of it if it has members.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) member: Option<usize>,
    pub(crate) length: f64,
}

/// What a derivative is short of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Left {
    /// Of the whole, relative to its scale.
    pub(crate) whole: f64,
    /// Of each member's part, relative to that part. `None` where members have no parts.
    pub(crate) members: Option<Vec<f64>>,
    /// Of each leaf, relative to that leaf; 0 where it may be rounding.
    pub(crate) pieces: Vec<Piece>,
}

impl Left {
    /// The largest of all.
    pub(crate) fn worst(&self) -> f64 {
        let pieces = self.pieces.iter().map(|p| p.length);
        pieces.chain(self.members.iter().flatten().copied()).fold(self.whole, |w, x| if x <= w { w } else { x })
    }

    /// Of a member's part, or of the whole where members have none.
    pub(crate) fn of(&self, m: usize) -> f64 {
        self.members.as_ref().map_or(self.whole, |all| all[m])
    }
}

/// The lengths of the leaves of a derivative, of each member where a leaf has `n` of them.
pub(crate) fn pieces<T: Scalar>(v: &[Batch<T>], n: usize) -> Vec<Piece> {
    let one = |b: &Batch<T>| -> Vec<Piece> {
        let b = std::slice::from_ref(b);
        match b[0].shape().batch == n {
            true => (0..n).map(|m| Piece { member: Some(m), length: lists::member_length(b, m) }).collect(),
            false => vec![Piece { member: None, length: lists::length(b) }],
        }
    };
    v.iter().flat_map(one).collect()
}

/// `a / b`, 0 of 0.
fn share(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

/// A difference of derivatives relative to `raw`. A leaf whose error, relative to itself, is more than `limits` says of
/// the member is not looked at: it is so small that it may be rounding as a whole.
pub(crate) fn relative<T: Scalar>(difference: &[Batch<T>], raw: &Raw<T>, limits: &[f64]) -> Left {
    let n = limits.len();
    let length = |v: &[Batch<T>], m| lists::member_length(v, m);
    let part = |m| share(length(difference, m), length(&raw.value, m).max(length(difference, m)));
    let apart = n > 1 && difference.iter().all(|b| b.shape().batch == n);
    let piece = |(d, size): (Piece, &Piece)| {
        let limit = d.member.map_or_else(|| limits.iter().fold(0.0, |w: f64, l| w.max(*l)), |m| limits[m]);
        let length = share(d.length, size.length.max(d.length));
        Piece { length: if length > limit { 0.0 } else { length }, ..d }
    };
    Left {
        whole: share(lists::length(difference), raw.scale),
        members: apart.then(|| (0..n).map(part).collect()),
        pieces: pieces(difference, n).into_iter().zip(&raw.pieces).map(piece).collect(),
    }
}

/// So many rounding units of its terms a residual may be of which rounding is a good part.
const ROUNDING: f64 = 100.0;

/// So many rounding units of a solution, times the condition number, a leaf may be that is nothing but rounding.
const NOTHING: f64 = 4.0;

/// Rounds of refinement, and how much of a residual each may leave.
const ROUNDS: usize = 3;
const ROUND: f64 = 1e-6;

impl<C: Condition> Linearisation<'_, '_, C> {
    /// The ends of the spectrum of each member as far as they are known: singular values in small spaces, else what the
    /// solver and a random vector saw.
    pub(crate) fn ends(
        &self,
        at: &Local<'_, Of<C::State>>,
        solved: &Solved<Of<C::State>>,
    ) -> Result<Vec<Option<(f64, f64)>>> {
        let factor = at.is_small().then(|| at.factor()).transpose()?;
        let probe = match factor {
            Some(_) => None,
            None => Some(at.probe(self.solution.settings.products, self.solution.aid)?),
        };
        let one = |m: usize| {
            let seen = probe.map(|p| (p[m].low, p[m].low));
            let wide = crate::linear::wider(seen, solved.members[m].seen);
            factor.and_then(|f| f.singular(m)).or(wide)
        };
        Ok((0..solved.members.len()).map(one).collect())
    }

    /// What the residual of a solution leaves in the derivative that it leads to. In a large space that costs a
    /// product, and for a cotangent a sweep in any.
    pub(crate) fn left(
        &self,
        at: &Local<'_, Of<C::State>>,
        raw: &Raw<Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
    ) -> Result<Left> {
        let n = raw.solved.members.len();
        let mut r = raw.solved.r.clone();
        (0..n).filter(|m| !lists::finite(&raw.solved.r, *m)).for_each(|m| lists::scale(&mut r, 0.0, m));
        if (0..n).all(|m| lists::is_zero(&r, m)) {
            return Ok(Left::default());
        }
        let ends = self.ends(at, &raw.solved)?;
        let e = match at.is_small() {
            true => at.factor()?.solve(&r, asked.is_adjoint() && !at.is_self_adjoint()),
            false => roughly(at, r, asked.is_adjoint(), &ends)?,
        };
        let limits = visible(at, &e, &raw.solved.x, &[], &ends)?;
        Ok(relative(&asked.led(at, &e)?, raw, &limits))
    }

    /// A derivative whose solution is refined until what is left does not matter beside `most`, and what is left then.
    /// A residual that is rounding tells nothing of the error, so there it is left as it is.
    pub(crate) fn refined(
        &self,
        at: &Local<'_, Of<C::State>>,
        mut raw: Raw<Of<C::State>>,
        asked: &Question<'_, Of<C::State>>,
        most: f64,
    ) -> Result<(Raw<Of<C::State>>, Left)> {
        let mut left = self.left(at, &raw, asked)?;
        let (stop, aid) = (
            Stop { tolerance: ROUND, products: self.solution.settings.products },
            Aid { recycle: None, ..self.solution.aid },
        );
        let floor = self.rounding(at, &raw.solved)?;
        for _ in 0..ROUNDS {
            let lengths = at.lengths(&raw.solved.r)?;
            let open = |m: usize| lengths[m] > floor[m];
            if left.worst() <= most || !(0..lengths.len()).any(open) {
                break;
            }
            let right = lists::only(&raw.solved.r, &open);
            let more = at.solve(&right, asked.is_adjoint(), None, Method::Auto, &stop, aid)?;
            let better: Vec<bool> = (0..lengths.len()).map(|m| open(m) && more.members[m].residual < 0.5).collect();
            if !better.contains(&true) {
                break;
            }
            let e = lists::only(&more.x, &|m| better[m]);
            lists::add_all(&mut raw.value, 1.0, &asked.led(at, &e)?);
            lists::add_all(&mut raw.solved.x, 1.0, &e);
            (0..better.len()).filter(|m| better[*m]).for_each(|m| lists::copy_member(&mut raw.solved.r, &more.r, m));
            left = self.left(at, &raw, asked)?;
        }
        Ok((raw, left))
    }

    /// How long a residual is of which rounding is a good part.
    fn rounding(&self, at: &Local<'_, Of<C::State>>, solved: &Solved<Of<C::State>>) -> Result<Vec<f64>> {
        let (ends, x) = (self.ends(at, solved)?, at.lengths(&solved.x)?);
        let product = |m: usize| ends[m].map_or(0.0, |(_, high)| high * x[m]);
        let one = |m: usize| ROUNDING * lists::eps::<Of<C::State>>() * (solved.sizes[m] + product(m));
        Ok((0..x.len()).map(one).collect())
    }
}

/// An estimate of `A^{-1} r` by one product.
pub(crate) fn roughly<T: Scalar>(
    at: &Local<'_, T>,
    mut r: List<T>,
    adjoint: bool,
    ends: &[Option<(f64, f64)>],
) -> Result<List<T>> {
    let mut ar = lists::zeros(at.shapes());
    match adjoint {
        true => at.adjoint(&r, &mut ar)?,
        false => at.apply(&r, &mut ar)?,
    }
    for (m, ends) in ends.iter().enumerate() {
        let (low, high) = ends.unwrap_or((1.0, 1.0));
        lists::combine(&mut r, 1.0 / low, 1.0 / (low * high), &ar, m);
    }
    Ok(r)
}

/// How much an error `e` of the solution `x` may be of a leaf that is more than rounding, for each member. Where the
/// whole is wrong by `|e| / |x|`, or the point by `apart` where that is given, a leaf that is as small as rounding is
/// wrong by so much more as it is small.
pub(crate) fn visible<T: Scalar>(
    at: &Local<'_, T>,
    e: &[Batch<T>],
    x: &[Batch<T>],
    apart: &[f64],
    ends: &[Option<(f64, f64)>],
) -> Result<Vec<f64>> {
    let (e, x) = (at.lengths(e)?, at.lengths(x)?);
    let rounding = |m: usize| NOTHING * lists::eps::<T>() * ends[m].map_or(1.0, |(low, high)| high / low);
    let off = |m: usize| e[m] + apart.get(m).map_or(0.0, |a| a * x[m]);
    Ok((0..e.len()).map(|m| share(off(m), rounding(m) * x[m])).collect())
}
