//! Kinks at a solution: does a condition, or an outer loss, bend there, so that its derivative is that of one side? A
//! program does not say where it bends, so it is asked: it is run at points a little to both sides, and what it does
//! there is set against its derivative. What a derivative is worth otherwise is measured in `certify.rs`.
//!
//! Along a direction `v` of solution and parameters, `delta(h) = c(h v) - c(0) - h Dc v`. Where `c` is smooth, `delta`
//! falls like `h^2`; with a kink at 0 of the slope like `h` on one side or both; with one of a cost, whose gradient `c`
//! jumps, it does not fall. So it is looked at for three lengths on either side, and only a `delta` that follows one of
//! the two laws, as a vector, is a kink: rounding follows none, and a kink that is near but not at the solution is out
//! of reach of the shortest length. That length, `5 sqrt(eps)` of each entry, is what "at the solution" means here.
//!
//! A derivative along `dphi` is looked at along `(dz, dphi)` itself: that is its definition. A cotangent has no
//! direction, so solution and parameters are moved at random, which finds every kink, and `<p, delta>` says whether the
//! cotangent meets it, with `A* p = b`. What was found counts if it is still there along `(dz, dphi)` for a random
//! `dphi`; that costs a solve, and is asked only where something was found.

use crate::condition::Condition;
use crate::error::Result;
use crate::iteration::Of;
use crate::linear::{Method, Stop};
use crate::lists::{self, List};
use crate::local::Local;
use crate::recording::outcome;
use crate::solution::Linearisation;
use pullback::{Batch, Scalar};
use std::ops::Range;

/// What was asked of a linearisation.
pub(crate) enum Question<'q, T: Scalar> {
    /// The solution's derivative along a direction of the parameters.
    Push(&'q [Batch<T>]),
    /// The pullback of a cotangent, of a loss if there is one.
    Pull(Option<Loss<'q, T>>),
}

impl<T: Scalar> Question<'_, T> {
    /// Is its linear system that of the adjoint?
    pub(crate) fn is_adjoint(&self) -> bool {
        matches!(self, Question::Pull(_))
    }

    /// What a change of the solution of the linear system leads to: itself, or what it pulls back to the parameters.
    pub(crate) fn led(&self, at: &Local<'_, T>, x: &[Batch<T>]) -> Result<List<T>> {
        match self {
            Question::Push(_) => Ok(x.to_vec()),
            Question::Pull(_) => at.pull_params(x),
        }
    }
}

/// An outer loss, and its derivatives by the solution and by the parameters.
#[derive(Clone, Copy)]
pub(crate) struct Loss<'q, T: Scalar> {
    pub(crate) value: &'q dyn Fn(&[Batch<T>], &[Batch<T>]) -> Result<f64>,
    /// The derivatives at another point.
    pub(crate) slopes: &'q dyn Fn(&[Batch<T>]) -> Result<(List<T>, List<T>)>,
    pub(crate) zbar: &'q [Batch<T>],
    pub(crate) direct: &'q [Batch<T>],
}

/// How much of the change to one side is not that of the derivative: of the condition in each member, and of the loss.
/// 0 where nothing was found, 1 where it is all of it.
pub(crate) struct Kinks {
    pub(crate) members: Vec<f64>,
    pub(crate) loss: f64,
}

impl Kinks {
    fn none(&self) -> bool {
        self.loss == 0.0 && self.members.iter().all(|k| *k == 0.0)
    }
}

/// A Newton step of more than this much of the point leads to one that is known by its rounding only.
const LONG_STEP: f64 = 0.1;

/// From one length to the next.
const FACTOR: f64 = 4.0;

/// The lengths, relative to the entries, the longest first.
fn moves<T: Scalar>() -> [f64; 3] {
    let least = 5.0 * lists::eps::<T>().sqrt();
    [FACTOR * FACTOR * least, FACTOR * least, least]
}

/// Changes of slope below this much of the slope are not told from rounding.
pub(crate) fn least_jump<T: Scalar>() -> f64 {
    64.0 * lists::eps::<T>().sqrt()
}

/// How far each entry may go: its size, or that of the entries around it if they are larger than it and not larger
/// than 1, since a kink is often where an entry is zero.
fn reach<T: Scalar>(x: &[Batch<T>]) -> List<T> {
    let one = |b: &Batch<T>| {
        let (mut reach, each) = (b.clone(), b.shape().each().max(1));
        for member in reach.data_mut().chunks_mut(each) {
            let least = least_reach(member);
            member.iter_mut().for_each(|x| *x = x.abs().max(least));
        }
        reach
    };
    x.iter().map(one).collect()
}

/// How far the entry of a member may go that is zero.
pub(crate) fn least_reach<T: Scalar>(member: &[T]) -> T {
    let around = lists::flat_length(member) / (member.len() as f64).sqrt();
    lists::number(if around > 0.0 { around.min(1.0) } else { 1.0 })
}

/// A random direction whose entries go about as far as they may.
pub(crate) fn anywhere<T: Scalar>(x: &[Batch<T>], seed: u64) -> List<T> {
    let (direction, mut v) = (Direction::new(seed), x.to_vec());
    for (leaf, v) in v.iter_mut().enumerate() {
        let each = v.shape().each();
        direction.along(leaf, each, v.data_mut(), |_, v| v);
    }
    v
}

/// A random direction from any point, whose entries go about as far as they may, the same in every member. It is not
/// kept but made where it is needed, from a few thousand numbers: parameters may be many, and more numbers would take
/// longer to draw than a step takes. The numbers are uniform and of variance 1; each round of them has a factor.
pub(crate) struct Direction<T> {
    round: Vec<T>,
    factors: Vec<T>,
}

impl<T: Scalar> Direction<T> {
    pub(crate) fn new(seed: u64) -> Self {
        let mut uniform = lists::uniform(seed);
        let mut draw = |n: usize, f: &dyn Fn(f64) -> f64| (0..n).map(|_| lists::number(f(uniform()))).collect();
        // Primes, so that rows and columns of a matrix are not in step with the rounds.
        let round = draw(4093, &|u| (2.0 * u - 1.0) * 3f64.sqrt());
        Direction { round, factors: draw(127, &|u| 0.5 + u) }
    }

    /// `x = f(x, v)` with the direction `v` from `x`, for leaf number `leaf` with members of `each` entries.
    pub(crate) fn along(&self, leaf: usize, each: usize, x: &mut [T], f: impl Fn(T, T) -> T) {
        for member in x.chunks_mut(each.max(1)) {
            let least = least_reach(member);
            for (k, x) in member.chunks_mut(self.round.len()).enumerate() {
                let factor = self.factors[(k + 7 * leaf) % self.factors.len()];
                x.iter_mut().zip(&self.round).for_each(|(x, r)| *x = f(*x, x.abs().max(least) * *r * factor));
            }
        }
    }
}

/// How many times `v` fits into what its entries may go: `min(reach / |v|)` over the entries of a member, or over all
/// of them. Infinite for zeros.
pub(crate) fn fits<T: Scalar>(x: &[Batch<T>], v: &[Batch<T>], member: Option<usize>) -> f64 {
    let mut least = f64::INFINITY;
    for (v, r) in v.iter().zip(&reach(x)) {
        let each = v.shape().each();
        let of = member.map_or(0..v.data().len(), |m| m * each..(m + 1) * each);
        for (v, r) in v.data()[of.clone()].iter().zip(&r.data()[of]) {
            least = if v.f64() == 0.0 { least } else { least.min(r.f64() / v.f64().abs()) };
        }
    }
    least
}

/// Makes entries zero that are rounding beside the others: along such an entry a program may jump.
fn without_rounding<T: Scalar>(v: &mut [Batch<T>], m: usize) {
    let of = |b: &Batch<T>| m * b.shape().each()..(m + 1) * b.shape().each();
    let largest = v.iter().flat_map(|b| &b.data()[of(b)]).fold(0.0f64, |a, x| a.max(x.f64().abs()));
    for b in v {
        let range = of(b);
        let tiny = |x: &&mut T| x.f64().abs() <= 64.0 * lists::eps::<T>() * largest;
        b.data_mut()[range].iter_mut().filter(tiny).for_each(|x| *x = T::zero());
    }
}

/// `x + a v`.
pub(crate) fn beside<T: Scalar>(x: &[Batch<T>], a: f64, v: &[Batch<T>]) -> List<T> {
    let mut y = x.to_vec();
    lists::add_all(&mut y, a, v);
    y
}

/// Do the three differences, of the longest move first, follow the law of a jump or that of a change of slope?
fn is_bent(dots: impl Fn(usize, usize) -> f64) -> bool {
    let apart = |i: usize, j: usize, c: f64| (c * c * dots(j, j) - 2.0 * c * dots(i, j) + dots(i, i)).max(0.0).sqrt();
    let length = |i: usize| dots(i, i).sqrt();
    let law = |c: f64, within: f64| apart(0, 1, c) <= within * length(0) && apart(1, 2, c) <= within * length(1);
    length(2) > 0.0 && (law(1.0, 0.02) || law(FACTOR, 0.1))
}

/// A number as a function of the length of a move.
pub(crate) struct Line {
    /// The number.
    pub(crate) at: f64,
    /// A size whose rounding it has.
    pub(crate) noise: f64,
    /// Its derivative, and the length of that without what cancels in it.
    pub(crate) slope: f64,
    pub(crate) size: f64,
}

impl Line {
    /// How much of its change to a side is not that of the slope; 0 where it does not bend.
    pub(crate) fn bends<T: Scalar>(&self, value: &dyn Fn(f64) -> Option<f64>) -> f64 {
        let h = moves::<T>()[2];
        let floor = h * least_jump::<T>() * self.size + 32.0 * lists::eps::<T>() * self.noise;
        let sides = [1.0, -1.0].map(|side| {
            let delta = |h: f64| value(side * h).map(|f| f - self.at - side * h * self.slope);
            let found = differences::<T, _>(delta, |d| d.abs() > floor);
            found.filter(|d| is_bent(|i, j| d[i] * d[j])).map_or(0.0, |d| share(d[2].abs(), h * self.size))
        });
        sides[0].max(sides[1])
    }
}

/// How much of a change is not that of the slope.
fn share(bend: f64, slope: f64) -> f64 {
    bend / (bend + slope)
}

/// What differs at the three lengths, the longest first. `None` if it cannot be had at one of them, or if at the
/// shortest, which is looked at first and mostly is enough, nothing is seen.
fn differences<T: Scalar, D>(of: impl Fn(f64) -> Option<D>, is_seen: impl Fn(&D) -> bool) -> Option<[D; 3]> {
    let [a, b, c] = moves::<T>();
    let last = of(c).filter(is_seen)?;
    Some([of(a)?, of(b)?, last])
}

/// A program with outcome `at` as a function of the length of a move: how much of its change to a side is not that of
/// `slope`, in each member; 0 where it does not bend, or where `weight`, if there is one, does not see it.
struct Bends<'b, T: Scalar> {
    at: &'b [Batch<T>],
    slope: &'b [Batch<T>],
    /// What the slope is the sum of: what the solution and what the parameters give to it.
    terms: [&'b [Batch<T>]; 2],
    weight: Option<&'b [Batch<T>]>,
}

impl<T: Scalar> Bends<'_, T> {
    fn of(&self, outcome: &dyn Fn(f64) -> Option<List<T>>) -> Vec<f64> {
        let mut worst = vec![0.0f64; lists::members(&lists::shapes(self.at))];
        for side in [1.0, -1.0] {
            let delta = |h: f64| {
                let mut d = lists::minus(&outcome(side * h)?, self.at);
                lists::add_all(&mut d, -side * h, self.slope);
                Some(d)
            };
            let seen = |d: &List<T>, m: usize| self.pieces().any(|p| self.seen(d, m, p) > 0.0);
            let found = differences::<T, _>(delta, |d| (0..worst.len()).any(|m| seen(d, m)));
            for (m, worst) in worst.iter_mut().enumerate() {
                *worst = worst.max(found.as_ref().map_or(0.0, |d| self.bent(d, m)));
            }
        }
        worst
    }

    /// The whole outcome, and each leaf: in a leaf that is small a kink is not seen beside the rounding of a large one.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let n = self.at.len();
        std::iter::once(0..n).chain((0..if n > 1 { n } else { 0 }).map(|k| k..k + 1))
    }

    /// How much of the change of a member over the shortest length is a bend, in the piece where that is most.
    fn bent(&self, delta: &[List<T>; 3], m: usize) -> f64 {
        let dots = |p: &Range<usize>, i: usize, j: usize| lists::dot(&delta[i][p.clone()], &delta[j][p.clone()], m);
        let bent = self.pieces().filter(|p| is_bent(|i, j| dots(p, i, j)));
        bent.map(|p| self.seen(&delta[2], m, p)).fold(0.0, f64::max)
    }

    /// How much of the change of a piece of a member over the shortest length is `delta`; 0 if it may be rounding.
    ///
    /// With a weight the rounding is that of all leaves, each as far as its weight sees it: leaves have units.
    fn seen(&self, delta: &[Batch<T>], m: usize, piece: Range<usize>) -> f64 {
        let (h, length) = (moves::<T>()[2], |v: &[Batch<T>]| lists::member_length(v, m));
        let size = |p: Range<usize>| self.terms.iter().map(|t| length(&t[p.clone()])).sum::<f64>();
        let noise = |p: Range<usize>| 32.0 * lists::eps::<T>() * (size(p.clone()) + length(&self.at[p]));
        let floor = |p: Range<usize>| h * least_jump::<T>() * size(p.clone()) + noise(p);
        let (seen, floor, size) = match self.weight {
            Some(w) => {
                let all = |of: &dyn Fn(Range<usize>) -> f64| -> f64 {
                    (0..w.len()).map(|k| of(k..k + 1) * length(&w[k..k + 1])).sum()
                };
                let seen = lists::dot(&w[piece.clone()], &delta[piece], m).abs();
                (seen, all(&floor), all(&size))
            }
            None => (length(&delta[piece.clone()]), floor(piece.clone()), size(piece)),
        };
        if seen > floor { share(seen, h * size) } else { 0.0 }
    }
}

impl<C: Condition> Linearisation<'_, '_, C> {
    /// Kinks at the point that is differentiated, and where the solution is not there beside the shortest move, at the
    /// next point of Newton's method.
    pub(crate) fn kinks_at_solution(
        &self,
        here: &Local<'_, Of<C::State>>,
        x: &[Batch<Of<C::State>>],
        asked: &Question<'_, Of<C::State>>,
    ) -> Result<Kinks> {
        let found = self.kinks(here, x, asked)?;
        // After a long step the next point has the rounding of this one, which may be much larger.
        let apart = self.is_far(here, 0.01 * moves::<Of<C::State>>()[2]) && !self.is_far(here, LONG_STEP);
        let apart = apart && found.none();
        let Some(next) = self.points.get(self.here + 1).filter(|_| apart) else {
            return Ok(found);
        };
        // A tangent here is nearly one there.
        let mut x = x.to_vec();
        next.words.project(&mut x)?;
        let x = &x;
        let Question::Pull(Some(loss)) = asked else { return self.kinks(next, x, asked) };
        let (zbar, direct) = (loss.slopes)(&next.at)?;
        self.kinks(next, x, &Question::Pull(Some(Loss { zbar: &zbar, direct: &direct, ..*loss })))
    }

    /// Where the condition or the loss bends, as far as what was asked meets it. `x` is the solution of the linear
    /// system. Where a program cannot be run beside the solution, nothing is found.
    ///
    /// Cost: for a derivative along a direction two runs of the gradient of the condition, or of the step or residual,
    /// and two forward sweeps; for a cotangent four runs, six of the loss, and two sweeps. Where something may bend, at
    /// most three times as many runs, a solve and six runs more.
    fn kinks(
        &self,
        here: &Local<'_, Of<C::State>>,
        x: &[Batch<Of<C::State>>],
        asked: &Question<'_, Of<C::State>>,
    ) -> Result<Kinks> {
        let members = here.stationarity.len();
        let loss = match asked {
            Question::Push(dphi) => {
                let (dz, dphi) = self.within(here, x, dphi);
                return Ok(Kinks { members: self.bent(here, &dz, &dphi, None)?, loss: 0.0 });
            }
            Question::Pull(loss) => loss,
        };
        let weight = here.weights(x)?;
        let mut d = anywhere(&here.at, 0x0B5);
        here.cap(&mut d)?;
        let dphi = anywhere(&self.start.phi, 0x5EED);
        let (still, none) = (lists::zeros(&lists::shapes(&d)), lists::zeros(&lists::shapes(&dphi)));
        let mut found = Kinks { members: vec![0.0; members], loss: 0.0 };
        for (d, dphi) in [(&d, &none), (&still, &dphi)] {
            let bent = self.bent(here, d, dphi, Some(&weight))?;
            found.members.iter_mut().zip(bent).for_each(|(f, b)| *f = f.max(b));
            found.loss = found.loss.max(self.loss_bends(here, d, dphi, loss.as_ref()));
        }
        if found.none() {
            return Ok(found);
        }
        let mut right = here.push_params(&dphi)?;
        (0..members).for_each(|m| lists::scale(&mut right, -1.0, m));
        let stop = Stop { tolerance: 1e-10f64.max(100.0 * lists::eps::<Of<C::State>>()), products: 2000 };
        let dz = here.solve(&right, false, None, Method::Auto, &stop, self.solution.aid)?.x;
        let (dz, dphi) = self.within(here, &dz, &dphi);
        let members = self.bent(here, &dz, &dphi, Some(&weight))?;
        Ok(Kinks { members, loss: self.loss_bends(here, &dz, &dphi, loss.as_ref()) })
    }

    /// A direction of solution and parameters, as long as their entries may go: in each member where parameters have
    /// members too, else in all together.
    fn within(
        &self,
        here: &Local<'_, Of<C::State>>,
        dz: &[Batch<Of<C::State>>],
        dphi: &[Batch<Of<C::State>>],
    ) -> (List<Of<C::State>>, List<Of<C::State>>) {
        let (members, phi) = (here.stationarity.len(), &self.start.phi);
        let apart = dphi.iter().all(|b| b.shape().batch == members);
        let (mut dz, mut dphi) = (dz.to_vec(), dphi.to_vec());
        (0..members).for_each(|m| without_rounding(&mut dz, m));
        let one = |m: Option<usize>| fits(&here.at, &dz, m).min(fits(phi, &dphi, m));
        let by: Vec<f64> = (0..members).map(|m| one(apart.then_some(m))).collect();
        let by: Vec<f64> = by.into_iter().map(|c| if c.is_finite() { c } else { 0.0 }).collect();
        (0..members).for_each(|m| lists::scale(&mut dz, by[m], m));
        match apart {
            true => (0..members).for_each(|m| lists::scale(&mut dphi, by[m], m)),
            false => dphi.iter_mut().for_each(|b| {
                b.data_mut().iter_mut().for_each(|x| *x *= lists::number(by.first().copied().unwrap_or(0.0)));
            }),
        }
        (dz, dphi)
    }

    /// By how much the condition bends along a direction, in each member.
    fn bent(
        &self,
        here: &Local<'_, Of<C::State>>,
        d: &[Batch<Of<C::State>>],
        dphi: &[Batch<Of<C::State>>],
        weight: Option<&[Batch<Of<C::State>>]>,
    ) -> Result<Vec<f64>> {
        let (s, at) = (&self.solution, here.outcome());
        let nothing = |v: &[Batch<_>]| lists::all_dot(v, v) == 0.0;
        let zero = lists::zeros(&lists::shapes(d));
        let mut slope = if nothing(d) { zero.clone() } else { here.slope_by_state(d)? };
        let by_phi = if nothing(dphi) { zero.clone() } else { here.slope_by_params(dphi)? };
        let by_state = slope.clone();
        lists::add_all(&mut slope, 1.0, &by_phi);
        let run = |h: f64| {
            let (w, phi) = (beside(&zero, h, d), beside(&self.start.phi, h, dphi));
            outcome(s.condition, &here.at, &w, (s.z, s.phi), &phi).ok()
        };
        let bends = |at: &[Batch<_>]| Bends { at, slope: &slope, terms: [&by_state, &by_phi], weight }.of(&run);
        let found = bends(&at);
        if found.iter().all(|b| *b == 0.0) {
            return Ok(found);
        }
        // A run rounds otherwise than the recording, and beside a change that is as small that looks like a jump.
        Ok(run(0.0).map_or(found, |at| bends(&at)))
    }

    /// By how much the loss bends along a direction.
    fn loss_bends(
        &self,
        here: &Local<'_, Of<C::State>>,
        d: &[Batch<Of<C::State>>],
        dphi: &[Batch<Of<C::State>>],
        loss: Option<&Loss<'_, Of<C::State>>>,
    ) -> f64 {
        let Some(loss) = loss else { return 0.0 };
        let (by_state, by_params) = (lists::all_dot(loss.zbar, d), lists::all_dot(loss.direct, dphi));
        let space = self.solution.condition.space();
        let zero = lists::zeros(&lists::shapes(d));
        let run = |h: f64| {
            let at = space.step(&here.at, &beside(&zero, h, d)).ok()?;
            (loss.value)(&at, &beside(&self.start.phi, h, dphi)).ok().filter(|f| f.is_finite())
        };
        let Some(at) = run(0.0) else { return 0.0 };
        let (slope, size) = (by_state + by_params, by_state.abs() + by_params.abs());
        Line { at, noise: at.abs(), slope, size }.bends::<Of<C::State>>(&run)
    }
}
