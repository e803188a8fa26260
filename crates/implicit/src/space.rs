//! The space of a solution, and the operations of that space at one point, recorded once: projection, and the way from
//! cotangents to tangents and back. What the condition says is not known here.

use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, MatLike, Scalar, Shape, Tape, Var, VarTree};
use pullback_manifolds::residuals::tolerance;
use pullback_manifolds::{Egrad, Manifold, ambient};

/// So many rounding units a point may be off its manifold, relative to its size, that is there to rounding.
const ROUNDING: f64 = 8.0;

/// The space of a solution.
#[derive(Debug, Clone, Copy)]
pub enum Space<'m, T: Scalar = f64> {
    /// Matrices without a constraint, in the ambient inner product.
    Flat,
    /// A manifold whose points are the leaves of the solution, in order.
    On(&'m dyn Manifold<T>),
}

impl<T: Scalar> Space<'_, T> {
    /// Are the numbers a point?
    pub(crate) fn check(&self, x: &[Batch<T>]) -> Result<()> {
        match self {
            Space::Flat => Ok(()),
            Space::On(m) => Ok(m.check_point(x)?),
        }
    }

    /// Numbers that are a point to the tolerance of its check, made one to rounding: no residual shows how far they are
    /// off, and not every retraction brings them back. Leaf by leaf, so that a large one hides no small one. What
    /// is as near as rounding stays as it is. So does what would be moved by more than that tolerance: it is a point
    /// already, and would only be written in another way.
    pub(crate) fn brought_back(&self, mut at: List<T>) -> List<T> {
        let Space::On(m) = self else { return at };
        let tape = Tape::plain();
        let x: Vec<Var<'_, T>> = at.iter().map(|b| tape.constant(b)).collect();
        let y: List<T> = m.reproject(&x).iter().map(Var::value).collect();
        if tape.check().is_err() || lists::shapes(&y) != lists::shapes(&at) {
            return at;
        }
        for (at, y) in at.iter_mut().zip(&y) {
            let (at, y) = (std::slice::from_mut(at), std::slice::from_ref(y));
            let shape = at[0].shape();
            let most = 4.0 * tolerance::<T>(shape.rows.max(shape.cols));
            let off = lists::minus(y, at);
            let length = |v: &[Batch<T>], m| lists::member_length(v, m);
            for m in 0..shape.batch {
                let (off, size) = (length(&off, m), length(at, m));
                if off > ROUNDING * T::EPS.f64() * size && off <= most * size {
                    lists::copy_member(at, y, m);
                }
            }
        }
        at
    }

    /// The dimension of one member.
    pub(crate) fn dim(&self, shapes: &[Shape]) -> usize {
        match self {
            Space::Flat => shapes.iter().map(Shape::each).sum(),
            Space::On(m) => m.dim(),
        }
    }

    pub(crate) fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        match self {
            Space::Flat => u.to_vec(),
            Space::On(m) => m.project(x, u).into_vec(),
        }
    }

    pub(crate) fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        match self {
            Space::Flat => x.iter().zip(v).map(|(x, v)| *x + *v).collect(),
            Space::On(m) => m.retract(x, v).into_vec(),
        }
    }

    fn raise<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        match self {
            Space::Flat => u.to_vec(),
            Space::On(m) => m.egrad_to_rgrad(x, Egrad(u)).0.into_vec(),
        }
    }

    /// Does it say that its metric is the ambient one?
    fn is_ambient(&self) -> bool {
        match self {
            Space::Flat => true,
            Space::On(m) => m.metric_is_ambient(),
        }
    }

    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        match self {
            Space::Flat => ambient(u, v),
            Space::On(m) => m.inner(x, u, v),
        }
    }

    /// The point that the tangent `v` leads to, as numbers.
    pub(crate) fn step(&self, x: &[Batch<T>], v: &[Batch<T>]) -> Result<List<T>> {
        let tape = Tape::plain();
        let put = |l: &[Batch<T>]| -> Vec<Var<'_, T>> { l.iter().map(|b| tape.constant(b)).collect() };
        let (x, v) = (put(x), put(v));
        let y: List<T> = self.retract(&x, &v).iter().map(Var::value).collect();
        tape.check()?;
        Ok(y)
    }
}

/// The tangent space at one point. Each word is linear in its argument, so it is one forward sweep over what was
/// recorded once; words that turn out to be the identity are not computed at all.
#[derive(Debug)]
pub(crate) struct Tangents<'t, T: Scalar> {
    tape: &'t Tape<T>,
    u: Vec<Var<'t, T>>,
    projected: Vec<Var<'t, T>>,
    raised: Vec<Var<'t, T>>,
    lowered: Vec<Var<'t, T>>,
    /// Is every ambient vector tangent?
    whole: bool,
    /// Is the space of no dimension, so that what a projection leaves is rounding?
    point: bool,
    /// Is the metric the ambient one here?
    pub(crate) ambient: bool,
}

impl<'t, T: Scalar> Tangents<'t, T> {
    pub(crate) fn new(tape: &'t Tape<T>, space: Space<'_, T>, at: &[Batch<T>]) -> Result<Self> {
        let flat = matches!(space, Space::Flat);
        if flat {
            let none = Vec::new;
            let (u, projected, raised, lowered) = (none(), none(), none(), none());
            return Ok(Tangents { tape, u, projected, raised, lowered, whole: true, point: false, ambient: true });
        }
        let noise = lists::noise::<T>(&lists::shapes(at), 77);
        let x: Vec<Var<'t, T>> = at.iter().map(|b| tape.input(b)).collect();
        let u: Vec<Var<'t, T>> = noise.iter().map(|b| tape.input(b)).collect();
        let projected = space.project(&x, &u);
        let (raised, lowered) = match space.is_ambient() {
            true => (vec![], vec![]),
            false => {
                // <a, u>_x is linear in a, so its gradient by a, anywhere, is G u.
                let slope = u.clone().grad(|a| space.inner(&x, &a, &u).sum());
                (space.raise(&x, &u), space.project(&x, &slope))
            }
        };
        let ambient = space.is_ambient();
        let point = space.dim(&lists::shapes(at)) == 0;
        let words = Tangents { tape, u, projected, raised, lowered, whole: false, point, ambient };
        tape.check()?;
        if point {
            return Ok(Tangents { ambient: true, ..words });
        }
        let mut p = noise.clone();
        words.word(&words.projected, &noise, &mut p)?;
        let ambient = ambient || words.seems_ambient(&noise, &p)?;
        Ok(Tangents { whole: near(&p, &noise), ambient, ..words })
    }

    /// Is the metric the ambient one at this point, though the manifold does not say that it is one everywhere? `p` is
    /// the tangent part of `noise`.
    fn seems_ambient(&self, noise: &[Batch<T>], p: &[Batch<T>]) -> Result<bool> {
        let (mut r, mut l) = (p.to_vec(), p.to_vec());
        self.word(&self.raised, noise, &mut r)?;
        self.word(&self.lowered, p, &mut l)?;
        Ok(near(&r, p) && near(&l, p))
    }

    fn word(&self, outs: &[Var<'t, T>], v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        sweep(self.tape, &self.u, v, outs, out)
    }

    /// `v = P v`.
    pub(crate) fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        if self.whole {
            return Ok(());
        }
        if self.point {
            v.iter_mut().for_each(|b| b.data_mut().fill(T::zero()));
            return Ok(());
        }
        let from = v.to_vec();
        self.word(&self.projected, &from, v)
    }

    /// The tangent that a cotangent is: `out = G^{-1} P v`.
    pub(crate) fn raise(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        match (self.ambient, self.whole) {
            (true, true) => lists::copy(out, v),
            _ if self.point => out.iter_mut().for_each(|b| b.data_mut().fill(T::zero())),
            (true, false) => return self.word(&self.projected, v, out),
            _ => return self.word(&self.raised, v, out),
        }
        Ok(())
    }

    /// The cotangent that a tangent is: `out = G v`.
    pub(crate) fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.ambient {
            lists::copy(out, v);
            return Ok(());
        }
        self.word(&self.lowered, v, out)
    }
}

/// Are two vectors the same up to rounding?
fn near<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> bool {
    lists::length(&lists::minus(a, b)) <= 8.0 * T::EPS.f64() * lists::length(b)
}

/// Runs a sweep that fills `out`. A number that is not finite is the affair of the member that has it, not a failure;
/// but what a sweep that fails early does not fill must not pass for a result, so one that failed runs again over NaNs.
fn known<T: Scalar>(
    out: &mut [Batch<T>],
    sweep: &mut dyn FnMut(&mut [Batch<T>]) -> pullback::Result<()>,
) -> Result<()> {
    match sweep(out) {
        Ok(()) => return Ok(()),
        Err(pullback::Error::NonFinite { .. }) => out.iter_mut().for_each(|b| b.data_mut().fill(T::nan())),
        Err(e) => return Err(e.into()),
    }
    match sweep(out) {
        Ok(()) | Err(pullback::Error::NonFinite { .. }) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Pushes `v` at `from` forward to `to`.
pub(crate) fn sweep<'t, T: Scalar>(
    tape: &'t Tape<T>,
    from: &[Var<'t, T>],
    v: &[Batch<T>],
    to: &[Var<'t, T>],
    out: &mut [Batch<T>],
) -> Result<()> {
    known(out, &mut |out| {
        if let ([from], [v], [to], [out]) = (from, v, to, &mut *out) {
            return tape.jvp_into(&[(*from, v)], &[*to], &mut [out]);
        }
        tape.jvp_into(&seeds(from, v), to, &mut out.iter_mut().collect::<Vec<_>>())
    })
}

/// Pulls `v` at `to` back to `from`.
pub(crate) fn sweep_back<'t, T: Scalar>(
    tape: &'t Tape<T>,
    to: &[Var<'t, T>],
    v: &[Batch<T>],
    from: &[Var<'t, T>],
    out: &mut [Batch<T>],
) -> Result<()> {
    known(out, &mut |out| {
        if let ([to], [v], [from], [out]) = (to, v, from, &mut *out) {
            return tape.vjp_into(&[(*to, v)], &[*from], &mut [out]);
        }
        tape.vjp_into(&seeds(to, v), from, &mut out.iter_mut().collect::<Vec<_>>())
    })
}

pub(crate) fn seeds<'v, 't, T: Scalar>(at: &[Var<'t, T>], v: &'v [Batch<T>]) -> Vec<(Var<'t, T>, &'v dyn MatLike<T>)> {
    at.iter().zip(v).map(|(at, v)| (*at, v as &dyn MatLike<T>)).collect()
}
