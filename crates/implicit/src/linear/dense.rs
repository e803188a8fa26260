//! The matrix of a map in an orthonormal frame, its singular values, and the solutions by them. For small spaces.

use super::team::Team;
use super::{Map, Status};
use crate::error::Result;
use crate::lists::{self, List};
use pullback::faer::Mat;
use pullback::{Batch, Scalar, Shape, Tape, Var};

/// An orthonormal basis of the space of a map, in its metric, for each member.
#[derive(Debug, Clone)]
pub struct Frame<T: Scalar = f64> {
    basis: Vec<List<T>>,
    lowered: Vec<List<T>>,
    members: usize,
}

/// Of a random vector about `sqrt((d - k) / d)` is left beside `k` others, and seldom less than this. In a metric that
/// is much larger along some directions than along others it may be next to nothing, most of which is rounding.
const LEFT: f64 = 0.1;

/// So often a vector is made orthogonal once more, if less is left of it.
const ROUNDS: usize = 6;

impl<T: Scalar> Frame<T> {
    /// Random vectors, projected and made orthonormal (Gram and Schmidt, twice, and again where little is left).
    ///
    /// Cost: `dim` projections and applications of the metric, `2 dim² n` for the inner products.
    ///
    /// # Errors
    /// [`crate::Error::Dimension`] if the space has fewer dimensions than the map says; the first failure of the map.
    pub fn new(map: &dyn Map<T>) -> Result<Self> {
        let mut frame = Frame { basis: vec![], lowered: vec![], members: lists::members(map.shapes()) };
        for k in 0..map.dim() {
            let mut v: List<T> = lists::noise_alike(map.shapes(), 0xF0 + k as u64);
            let mut g = lists::zeros(map.shapes());
            // What was left is projected once more, too: it may be rounding, which is not in the space.
            let mut is_new = false;
            for _ in 0..ROUNDS {
                is_new = frame.turned_away(map, &mut v, &mut g)?;
                if is_new {
                    break;
                }
            }
            if !is_new {
                return Err(crate::Error::Dimension { expected: map.dim(), got: k });
            }
            frame.basis.push(v);
            frame.lowered.push(g);
        }
        Ok(frame)
    }

    /// Projects `v`, takes the others out of it and makes it of length 1, with `G v` in `g`. Was enough of it left to
    /// be another direction, in every member?
    fn turned_away(&self, map: &dyn Map<T>, v: &mut List<T>, g: &mut List<T>) -> Result<bool> {
        map.project(v)?;
        map.lower(v, g)?;
        let length = |v: &List<T>, g: &List<T>, m: usize| lists::dot(v, g, m).max(0.0).sqrt();
        let first: Vec<f64> = (0..self.members).map(|m| length(v, g, m)).collect();
        for _ in 0..2 {
            for (e, ge) in self.basis.iter().zip(&self.lowered) {
                for m in 0..self.members {
                    let c = lists::dot(v, ge, m);
                    lists::add(v, -c, e, m);
                }
            }
        }
        map.lower(v, g)?;
        let mut is_new = true;
        for (m, first) in first.into_iter().enumerate() {
            let left = length(v, g, m);
            is_new &= left > LEFT * first;
            let scale = if left > 0.0 && T::of(1.0 / left).is_finite() { 1.0 / left } else { 0.0 };
            lists::scale(v, scale, m);
            lists::scale(g, scale, m);
        }
        Ok(is_new)
    }

    /// The matrix of the map, `<e_i, A e_j>`, for each member; `dim` products.
    ///
    /// # Errors
    /// The first failure of the map.
    pub fn matrix(&self, map: &dyn Map<T>) -> Result<Batch<T>> {
        let d = self.basis.len();
        let mut out = Batch::zeros(Shape::batch(self.members, d, d));
        let mut w = lists::zeros(map.shapes());
        for j in 0..d {
            map.apply(&self.basis[j], &mut w)?;
            for m in 0..self.members {
                for i in 0..d {
                    out.data_mut()[m * d * d + j * d + i] = T::of(lists::dot(&self.lowered[i], &w, m));
                }
            }
        }
        Ok(out)
    }

    /// The coordinates of a vector, one column for each member.
    fn coordinates(&self, v: &[Batch<T>]) -> Batch<T> {
        let d = self.basis.len();
        Batch::from_fn(Shape::batch(self.members, d, 1), |m, i, _| T::of(lists::dot(&self.lowered[i], v, m)))
    }

    fn vector(&self, coordinates: &Batch<T>, like: &[Shape]) -> List<T> {
        let d = self.basis.len();
        let mut out = lists::zeros(like);
        for m in 0..self.members {
            for i in 0..d {
                lists::add(&mut out, coordinates.data()[m * d + i].f64(), &self.basis[i], m);
            }
        }
        out
    }
}

/// The spectrum of the map of one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spectrum {
    /// The smallest singular value: the error of a solution is at most its residual divided by this.
    pub smallest: f64,
    /// The largest singular value.
    pub largest: f64,
    /// The smallest eigenvalue of the self-adjoint part.
    pub low: f64,
    /// The largest eigenvalue of the self-adjoint part.
    pub high: f64,
    /// `|A - A*| / |A|`.
    pub symmetry: f64,
}

/// The singular values and more of a map, from its whole matrix: `dim` products.
///
/// # Errors
/// As [`Frame::new`] and [`Frame::matrix`].
pub fn spectrum<T: Scalar>(map: &dyn Map<T>) -> Result<Vec<Spectrum>> {
    let matrix = Frame::new(map)?.matrix(map)?;
    (0..matrix.shape().batch).map(|m| of_matrix(&matrix.member(m))).collect()
}

fn of_matrix<T: Scalar>(a: &Mat<T>) -> Result<Spectrum> {
    if a.nrows() == 0 {
        return Ok(Spectrum { smallest: f64::INFINITY, largest: 0.0, low: f64::INFINITY, high: 0.0, symmetry: 0.0 });
    }
    let d = a.nrows();
    let square = |f: &dyn Fn(usize, usize) -> f64| (0..d * d).map(|k| f(k / d, k % d).powi(2)).sum::<f64>().sqrt();
    let size = square(&|i, j| a[(i, j)].f64());
    let defect = square(&|i, j| a[(i, j)].f64() - a[(j, i)].f64());
    if !size.is_finite() {
        return Ok(Spectrum {
            smallest: 0.0,
            largest: f64::INFINITY,
            low: f64::NAN,
            high: f64::NAN,
            symmetry: f64::NAN,
        });
    }
    let tape = Tape::plain();
    let a = tape.constant(a);
    let (s, l) = (a.svdvals(), a.sym().eigvalsh());
    tape.check()?;
    let range = |v: Var<'_, T>| {
        let v = v.value();
        v.data().iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x.f64()), h.max(x.f64())))
    };
    let ((smallest, largest), (low, high)) = (range(s), range(l));
    Ok(Spectrum { smallest, largest, low, high, symmetry: if size > 0.0 { defect / size } else { 0.0 } })
}

fn empty<T: Scalar>() -> Mat<T> {
    Mat::from_fn(0, 0, |_, _| T::zero())
}

/// A map as `U S V^T` in a frame: solutions for many right-hand sides, of the map and of its adjoint.
#[derive(Debug, Clone)]
pub(crate) struct Factor<T: Scalar> {
    frame: Frame<T>,
    /// `None` where the matrix of a member is not finite.
    svd: Vec<Option<(Mat<T>, Vec<f64>, Mat<T>)>>,
    symmetry: Vec<f64>,
    low: Vec<(f64, f64)>,
}

impl<T: Scalar> Factor<T> {
    pub(crate) fn new(map: &dyn Map<T>) -> Result<Self> {
        let frame = Frame::new(map)?;
        let matrix = frame.matrix(map)?;
        let (mut svd, mut symmetry, mut low) = (vec![], vec![], vec![]);
        for m in 0..frame.members {
            let a = matrix.member(m);
            let properties = of_matrix(&a)?;
            symmetry.push(properties.symmetry);
            low.push((properties.low, properties.high));
            if properties.largest.is_infinite() {
                svd.push(None);
                continue;
            }
            if a.nrows() == 0 {
                svd.push(Some((empty(), vec![], empty())));
                continue;
            }
            let tape = Tape::plain();
            let (u, s, v) = tape.constant(&a).svd();
            tape.check()?;
            let s = s.value().data().iter().map(|s| s.f64()).collect();
            svd.push(Some((u.value().into_mat(), s, v.value().into_mat())));
        }
        Ok(Factor { frame, svd, symmetry, low })
    }

    /// What is known of the map of each member.
    pub(crate) fn spectrum(&self) -> Vec<Spectrum> {
        let one = |m: usize| {
            let (smallest, largest) = self.singular(m).unwrap_or((0.0, f64::INFINITY));
            let (low, high) = self.low[m];
            Spectrum { smallest, largest, low, high, symmetry: self.symmetry[m] }
        };
        (0..self.svd.len()).map(one).collect()
    }

    pub(crate) fn singular(&self, m: usize) -> Option<(f64, f64)> {
        let (_, s, _) = self.svd[m].as_ref()?;
        Some(s.iter().fold((f64::INFINITY, 0.0f64), |(l, h), s| (l.min(*s), h.max(*s))))
    }

    /// Is the map of this member singular to rounding?
    pub(crate) fn singular_to_rounding(&self, m: usize) -> bool {
        self.singular(m).is_some_and(|(low, high)| low <= self.floor(high))
    }

    fn floor(&self, high: f64) -> f64 {
        4.0 * self.frame.basis.len().max(1) as f64 * T::EPS.f64() * high
    }

    /// The solution of `A x = b`, or of `A* x = b`; of least length and squares where the map is singular.
    pub(crate) fn solve(&self, b: &[Batch<T>], adjoint: bool) -> List<T> {
        let c = self.frame.coordinates(b);
        let d = self.frame.basis.len();
        let mut y = Batch::zeros(c.shape());
        for m in 0..self.svd.len() {
            let Some((u, s, v)) = &self.svd[m] else { continue };
            let (left, right) = if adjoint { (v, u) } else { (u, v) };
            let floor = self.floor(s.iter().fold(0.0f64, |h, s| h.max(*s)));
            let c = &c.data()[m * d..(m + 1) * d];
            for (k, s) in s.iter().enumerate().filter(|(_, s)| **s > floor) {
                let along: f64 = (0..d).map(|i| left[(i, k)].f64() * c[i].f64()).sum::<f64>() / s;
                (0..d).for_each(|i| y.data_mut()[m * d + i] += T::of(along) * right[(i, k)]);
            }
        }
        self.frame.vector(&y, &lists::shapes(b))
    }
}

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>) -> Result<()> {
    let factor = Factor::new(team.map)?;
    team.products += team.map.dim();
    finish(team, &factor, false)
}

/// A solution is refined at most so often.
const REFINED: usize = 4;

/// The solution by a factor, refined once, and again while a leaf changes: a factor is right beside the whole solution,
/// so beside a large leaf a small one needs more than one correction.
pub(super) fn finish<T: Scalar>(team: &mut Team<'_, T>, factor: &Factor<T>, adjoint: bool) -> Result<()> {
    for round in 0..=REFINED {
        if round > 0 {
            team.residual()?;
        }
        let dx = factor.solve(&team.r, adjoint);
        for m in (0..team.n()).filter(|m| team.works[*m]) {
            lists::add(&mut team.x, 1.0, &dx, m);
        }
        let changed = |m: usize| team.works[m] && !factor.singular_to_rounding(m) && changes(&team.x, &dx, m);
        if round > 0 && !(0..team.n()).any(changed) {
            break;
        }
    }
    for m in (0..team.n()).filter(|m| team.works[*m]).collect::<Vec<_>>() {
        team.members[m].iterations = 1;
        team.members[m].seen = factor.singular(m);
        let status = match () {
            () if factor.svd[m].is_none() => Status::NonFinite,
            () if factor.singular_to_rounding(m) => Status::Singular,
            () => Status::Converged,
        };
        team.rest(m, status);
    }
    Ok(())
}

/// Is a leaf of the step `dx` of member `m` more than half of the digits of that leaf?
fn changes<T: Scalar>(x: &[Batch<T>], dx: &[Batch<T>], m: usize) -> bool {
    let length = |v: &Batch<T>| lists::member_length(std::slice::from_ref(v), m);
    x.len() > 1 && x.iter().zip(dx).any(|(x, dx)| length(dx) > T::EPS.f64().sqrt() * length(x))
}
