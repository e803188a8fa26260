//! Gradients and Hessians written by hand: how a problem holds them, and how they are compared with the engine's. What
//! a solver asks is in `oracle`.

use crate::Result;
use crate::numbers::Numbers;
use crate::oracle::{Closure, Oracle, WHOLE, Where, double};
use crate::problem::Problem;
use crate::space::Space;
use pullback::{Batch, CostFn, Leaves, MatLike, Origin, Scalar};
use pullback_manifolds::rng;
use std::fmt;
use std::sync::Arc;

type Gradient<'m, L> = Arc<dyn Fn(&L) -> L + Send + Sync + 'm>;
type Hessian<'m, L> = Arc<dyn Fn(&L, &L) -> L + Send + Sync + 'm>;

/// What a problem was given besides its cost.
pub(crate) struct ByHand<'m, L> {
    pub(crate) gradient: Option<Gradient<'m, L>>,
    pub(crate) hessian: Option<Hessian<'m, L>>,
}

impl<L> Default for ByHand<'_, L> {
    fn default() -> Self {
        ByHand { gradient: None, hessian: None }
    }
}

impl<L> Clone for ByHand<'_, L> {
    fn clone(&self) -> Self {
        ByHand { gradient: self.gradient.clone(), hessian: self.hessian.clone() }
    }
}

impl<L> fmt::Debug for ByHand<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gradient, hessian) = (self.gradient.is_some(), self.hessian.is_some());
        f.debug_struct("ByHand").field("gradient", &gradient).field("hessian", &hessian).finish()
    }
}

/// Writes what was computed by hand, if it has the right shapes and is finite.
pub(crate) fn take<L: Leaves>(what: &'static str, from: &L, to: &mut [Batch<L::Scalar>]) -> Result<()> {
    let shapes = from.shapes();
    if shapes.len() != to.len() {
        return Err(pullback::Error::Leaves { what, expected: to.len(), got: shapes.len() }.into());
    }
    for (to, got) in to.iter().zip(shapes) {
        if to.shape() != got {
            return Err(pullback::Error::Shape { what, expected: to.shape(), got }.into());
        }
    }
    let mut slots = to.iter_mut();
    from.visit("", &mut |_, m: &dyn MatLike<L::Scalar>| {
        if let Some(slot) = slots.next() {
            m.write(slot.data_mut());
        }
    });
    for b in to.iter() {
        if let Some((index, value)) = b.first_non_finite() {
            let (value, origin) = (double(value), Origin::Unknown);
            return Err(pullback::Error::NonFinite { what, index, value, origin }.into());
        }
    }
    Ok(())
}

/// By how much a derivative written by hand is off from the engine's: see [`Problem::check_derivatives`].
#[derive(Debug, Clone, PartialEq)]
pub struct Off {
    /// The largest difference of an entry.
    pub largest: f64,
    /// In which matrix of the point, by its name.
    pub leaf: String,
    /// Which entry there, in storage order.
    pub index: usize,
    /// What the engine computes for it.
    pub engine: f64,
    /// What was written by hand.
    pub by_hand: f64,
    /// The norm of the difference, relative to the norm of the engine's.
    pub relative: f64,
}

impl fmt::Display for Off {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Off { leaf, index, engine, by_hand, relative, .. } = self;
        write!(f, "off by {relative:.1e} of its size, most at entry {index} of {leaf}: ")?;
        write!(f, "the engine has {engine:e}, by hand it is {by_hand:e}")
    }
}

/// What [`Problem::check_derivatives`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Derivatives {
    /// The Riemannian gradient; `None` if none was written by hand.
    pub gradient: Option<Off>,
    /// The Riemannian Hessian along the tangent where it is off most; `None` if neither gradient nor Hessian were
    /// written by hand.
    pub hessian: Option<Off>,
    /// What rounding explains, relative.
    pub tolerance: f64,
}

impl Derivatives {
    /// Are both right to rounding?
    pub fn agree(&self) -> bool {
        [&self.gradient, &self.hessian].into_iter().flatten().all(|off| off.relative <= self.tolerance)
    }
}

impl fmt::Display for Derivatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |off: &Option<Off>| match off {
            None => "is the engine's".to_string(),
            Some(off) if off.relative <= self.tolerance => format!("agrees to {:.1e}", off.relative),
            Some(off) => format!("is {off}"),
        };
        write!(f, "the gradient {}; the Hessian {}", one(&self.gradient), one(&self.hessian))
    }
}

/// Along so many tangents Hessians are compared.
const TANGENTS: u64 = 3;

impl<L: Leaves, F: for<'t> CostFn<'t, L>> Problem<'_, L, F> {
    /// Compares the gradient and the Hessian that were written by hand with the engine's, at a point, and says by how
    /// much they are off.
    ///
    /// It compares Riemannian gradients and Hessians, the latter along three tangents, since the Euclidean ones may
    /// belong to another extension of the cost beyond the manifold and still be right.
    ///
    /// # Errors
    /// If `x` is not a point of the manifold; [`Error::Engine`](crate::Error::Engine) if the engine's derivative does
    /// not exist, or what is written by hand has other shapes than the point or is not finite.
    pub fn check_derivatives(&self, x: &L) -> Result<Derivatives> {
        let at = Numbers(x.batches());
        self.manifold.check_point(&at)?;
        let mut space = Space::new(self.manifold);
        let nothing = ByHand::default();
        let mut engine = Closure::new(self.start, &self.cost, self.form, &nothing);
        let mut by_hand = Closure::new(self.start, &self.cost, self.form, &self.by_hand);
        let names: Vec<String> = x.named().into_iter().map(|(name, _)| name).collect();
        let both = [gradient(&mut engine, &mut space, &at)?, gradient(&mut by_hand, &mut space, &at)?];
        let off = |[a, b]: &[Numbers<L::Scalar>; 2]| compare(&names, a, b);
        let compared = self.by_hand.gradient.is_some();
        let mut found = Derivatives {
            gradient: compared.then(|| off(&[both[0].1.clone(), both[1].1.clone()])),
            hessian: None,
            tolerance: explained::<L::Scalar>(),
        };
        if self.by_hand.hessian.is_none() && !compared {
            return Ok(found);
        }
        for seed in 1..=TANGENTS {
            let v = Numbers(self.manifold.random_tangent(&at, &mut rng(seed))?);
            let a = hessian(&mut engine, &mut space, &at, &both[0].0, &v)?;
            let b = hessian(&mut by_hand, &mut space, &at, &both[1].0, &v)?;
            let off = off(&[a, b]);
            if found.hessian.as_ref().is_none_or(|worst| off.relative > worst.relative) {
                found.hessian = Some(off);
            }
        }
        Ok(found)
    }
}

/// What rounding explains, relative: derivatives may lose half of the digits by cancellation.
fn explained<T: Scalar>() -> f64 {
    T::EPS.f64().sqrt()
}

/// Euclidean and Riemannian gradient.
fn gradient<T: Scalar>(
    oracle: &mut dyn Oracle<T>,
    space: &mut Space<'_, T>,
    at: &Numbers<T>,
) -> Result<(Numbers<T>, Numbers<T>)> {
    let (mut egrad, mut rgrad) = (Numbers::zeros(at), Numbers::zeros(at));
    oracle.at(at, WHOLE)?;
    oracle.gradient(&mut egrad.0)?;
    space.rgrad(at, &egrad, &mut rgrad)?;
    Ok((egrad, rgrad))
}

/// The Riemannian Hessian along a tangent.
fn hessian<T: Scalar>(
    oracle: &mut dyn Oracle<T>,
    space: &mut Space<'_, T>,
    at: &Numbers<T>,
    egrad: &Numbers<T>,
    v: &Numbers<T>,
) -> Result<Numbers<T>> {
    let (mut ehess, mut rhess) = (Numbers::zeros(at), Numbers::zeros(at));
    oracle.hessian(&Where { x: at, draw: WHOLE, fresh: true }, v, &mut ehess.0)?;
    space.rhess(at, oracle.gradient_of_hessian().unwrap_or(egrad), &ehess, v, &mut rhess)?;
    Ok(rhess)
}

/// Where two lists differ most.
fn compare<T: Scalar>(names: &[String], engine: &Numbers<T>, by_hand: &Numbers<T>) -> Off {
    let mut off = Off { largest: -1.0, leaf: String::new(), index: 0, engine: 0.0, by_hand: 0.0, relative: 0.0 };
    for ((name, a), b) in names.iter().zip(engine.iter()).zip(by_hand.iter()) {
        for (index, (a, b)) in a.data().iter().zip(b.data()).enumerate() {
            let (a, b) = (a.f64(), b.f64());
            if (a - b).abs() > off.largest {
                off = Off { largest: (a - b).abs(), leaf: name.clone(), index, engine: a, by_hand: b, relative: 0.0 };
            }
        }
    }
    let mut difference = by_hand.clone();
    difference.combine(1.0, -1.0, engine);
    let (d, e) = (difference.dot(&difference).sqrt(), engine.dot(engine).sqrt());
    // Of a derivative that is zero, the difference itself is told.
    off.relative = if e > 0.0 { d / e } else { d };
    off
}
