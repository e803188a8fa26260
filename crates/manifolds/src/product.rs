//! Products: a point is a point of each of several manifolds, and their matrices one list after another.
//!
//! The inner product is the sum of those of the factors, and with it everything else goes factor by factor: projection,
//! gradient, Hessian (the Euclidean Hessian that it starts from knows how the factors interact in the cost; the metric
//! does not), retraction, exponential, logarithm, transports, curvature. Squared distances add. The order of the
//! retraction is the least of the factors', the transport is isometric if all are, and what one factor does not have
//! the product does not have. The cost of an operation is the sum of the factors'.
//!
//! Many copies of *one* manifold are a [`Power`](crate::Power), which works on all of them at once.

use crate::{Another, Egrad, Error, Manifold, Parts, Result, Rgrad, Shapes};
use pullback::{Batch, Scalar, Var};
use rand::Rng;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;

/// The factors of a product: a tuple of two or three manifolds, or a list of boxed ones or of ones of the same type.
pub trait Factors<T: Scalar>: fmt::Debug + Send + Sync {
    /// Each of them, in order.
    fn each(&self) -> SmallVec<[&dyn Manifold<T>; 3]>;
}

impl<T: Scalar, A: Manifold<T>, B: Manifold<T>> Factors<T> for (A, B) {
    fn each(&self) -> SmallVec<[&dyn Manifold<T>; 3]> {
        let all: [&dyn Manifold<T>; 2] = [&self.0, &self.1];
        all.into_iter().collect()
    }
}

impl<T: Scalar, A: Manifold<T>, B: Manifold<T>, C: Manifold<T>> Factors<T> for (A, B, C) {
    fn each(&self) -> SmallVec<[&dyn Manifold<T>; 3]> {
        let all: [&dyn Manifold<T>; 3] = [&self.0, &self.1, &self.2];
        all.into_iter().collect()
    }
}

impl<T: Scalar> Factors<T> for Vec<Box<dyn Manifold<T>>> {
    fn each(&self) -> SmallVec<[&dyn Manifold<T>; 3]> {
        self.iter().map(|m| &**m).collect()
    }
}

/// The product of several manifolds: a point is a point of each, with the matrices of all in one list; inner products
/// and squared distances add, and every other operation is applied to each factor.
///
/// The factors are chosen when the program is written (a tuple) or when it runs (a list):
///
/// ```
/// use pullback::prelude::*;
/// use pullback_manifolds::{Euclidean, Grassmann, Manifold, Orthogonal, Product, rng};
///
/// // A tuple of two or three, each of its own type; points are tuples of values.
/// let pose = Product::new((Orthogonal::special(3), Euclidean::new(3, 1)));
/// let (x, y): (Vec<Batch>, Vec<Batch>) = (pose.random(&mut rng(1)), pose.random(&mut rng(2)));
/// let apart = pullback::value(
///     |(r, p, s, q): (Var, Var, Var, Var)| pose.dist2(vec![r, p], vec![s, q]),
///     &(x[0].clone(), x[1].clone(), y[0].clone(), y[1].clone()),
/// )?;
/// assert!(apart.data()[0] > 0.0);
/// // A list, as long as the data say.
/// let factors: Vec<Box<dyn Manifold>> = vec![Box::new(Grassmann::new(5, 2)), Box::new(pose)];
/// assert_eq!(Manifold::<f64>::name(&Product::new(factors)), "Gr(5, 2) x (SO(3) x R(3x1))");
/// # Ok::<(), pullback::Error>(())
/// ```
///
///
/// Many copies of *one* manifold are a [`Power`](crate::Power).
#[derive(Debug, Clone)]
pub struct Product<F> {
    factors: F,
}

impl<F> Product<F> {
    /// The product of these factors: a tuple of two or three manifolds, or `Vec<Box<dyn Manifold>>`.
    ///
    /// ```
    /// use pullback_manifolds::{Euclidean, Grassmann, Manifold, Product};
    /// let m = Product::new((Grassmann::new(5, 2), Euclidean::new(2, 2)));
    /// assert_eq!(Manifold::<f64>::dim(&m), 6 + 4);
    /// ```
    pub fn new(factors: F) -> Self {
        Product { factors }
    }

    /// The factors.
    pub fn factors(&self) -> &F {
        &self.factors
    }

    /// Each factor, and which of the matrices are its own.
    fn parts<T: Scalar>(&self) -> impl Iterator<Item = (&dyn Manifold<T>, Range<usize>)>
    where
        F: Factors<T>,
    {
        Factors::<T>::each(&self.factors).into_iter().scan(0, |from, m| {
            let to = *from + m.shapes().len();
            let range = *from..to;
            *from = to;
            Some((m, range))
        })
    }

    /// The answers of all factors, one after another.
    fn each<'t, T: Scalar>(&self, f: impl Fn(&dyn Manifold<T>, Range<usize>) -> Parts<'t, T>) -> Parts<'t, T>
    where
        F: Factors<T>,
    {
        self.parts::<T>().flat_map(|(m, r)| f(m, r)).collect()
    }

    /// The same, if all have one.
    fn maybe<'t, T: Scalar>(
        &self,
        f: impl Fn(&dyn Manifold<T>, Range<usize>) -> Option<Parts<'t, T>>,
    ) -> Option<Parts<'t, T>>
    where
        F: Factors<T>,
    {
        let all: Option<Vec<Parts<'t, T>>> = self.parts::<T>().map(|(m, r)| f(m, r)).collect();
        Some(all?.into_iter().flatten().collect())
    }

    /// The sum of the numbers of all factors.
    #[track_caller]
    fn sum<'t, T: Scalar>(&self, f: impl Fn(&dyn Manifold<T>, Range<usize>) -> Var<'t, T>) -> Var<'t, T>
    where
        F: Factors<T>,
    {
        match self.parts::<T>().map(|(m, r)| f(m, r)).reduce(|a, b| a + b) {
            Some(sum) => sum,
            None => panic!("Product: expected at least one factor, got none"),
        }
    }
}

/// An error of a factor, with the number of the matrix in the whole list.
fn shifted(e: Error, by: usize) -> Error {
    match e {
        Error::Shape { manifold, part, expected, got } => Error::Shape { manifold, part: part + by, expected, got },
        Error::NonFinite { part, index, value } => Error::NonFinite { part: part + by, index, value },
        e => e,
    }
}

pullback_geometry::words!([F] Product<F>);

impl<T: Scalar, F: Factors<T>> Manifold<T> for Product<F> {
    fn name(&self) -> String {
        let name = |m: &dyn Manifold<T>| {
            let name = m.name();
            if name.contains(" x ") { format!("({name})") } else { name }
        };
        Factors::<T>::each(&self.factors).into_iter().map(name).collect::<Vec<_>>().join(" x ")
    }
    fn shapes(&self) -> Shapes {
        Factors::<T>::each(&self.factors).into_iter().flat_map(|m| m.shapes()).collect()
    }
    fn dim(&self) -> usize {
        Factors::<T>::each(&self.factors).into_iter().map(|m| m.dim()).sum()
    }
    fn typical_distance(&self) -> f64 {
        Factors::<T>::each(&self.factors).into_iter().map(|m| m.typical_distance().powi(2)).sum::<f64>().sqrt()
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        self.sum(|m, r| m.inner(&x[r.clone()], &u[r.clone()], &v[r]))
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        self.each(|m, r| m.project(&x[r.clone()], &u[r]))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        Rgrad(self.each(|m, r| m.egrad_to_rgrad(&x[r.clone()], Egrad(&g.0[r])).0))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        self.each(|m, r| m.ehess_to_rhess(&x[r.clone()], Egrad(&g.0[r.clone()]), &h[r.clone()], &u[r]))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        self.each(|m, r| m.retract(&x[r.clone()], &v[r]))
    }
    fn retraction_order(&self) -> usize {
        Factors::<T>::each(&self.factors).into_iter().map(|m| m.retraction_order()).min().unwrap_or(1)
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        self.maybe(|m, r| m.inverse_retract(&x[r.clone()], &y[r]))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        self.each(|m, r| m.transport(&x[r.clone()], &y[r.clone()], &u[r]))
    }
    fn metric_is_ambient(&self) -> bool {
        Factors::<T>::each(&self.factors).into_iter().all(|m| m.metric_is_ambient())
    }
    fn transport_is_isometric(&self) -> bool {
        Factors::<T>::each(&self.factors).into_iter().all(|m| m.transport_is_isometric())
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        self.maybe(|m, r| m.exp(&x[r.clone()], &v[r]))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        self.maybe(|m, r| m.log(&x[r.clone()], &y[r]))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let all: Option<Vec<Var<'t, T>>> = self.parts::<T>().map(|(m, r)| m.dist2(&x[r.clone()], &y[r])).collect();
        all?.into_iter().reduce(|a, b| a + b)
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        self.maybe(|m, r| m.parallel_transport(&x[r.clone()], &y[r.clone()], &u[r]))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        self.maybe(|m, r| m.curvature(&x[r.clone()], &u[r.clone()], &v[r.clone()], &w[r]))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        self.each(|m, r| m.reproject(&x[r]))
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        Factors::<T>::each(&self.factors).into_iter().flat_map(|m| m.random_point(batch, rng)).collect()
    }
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), x)?;
        let mut all = Vec::new();
        for (m, r) in self.parts::<T>() {
            all.extend(m.random_tangent(&x[r], rng)?);
        }
        Ok(all)
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), x)?;
        self.parts::<T>().try_for_each(|(m, r)| m.check_point(&x[r.clone()]).map_err(|e| shifted(e, r.start)))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), u)?;
        self.parts::<T>()
            .try_for_each(|(m, r)| m.check_tangent(&x[r.clone()], &u[r.clone()]).map_err(|e| shifted(e, r.start)))
    }
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        self.sum(|m, r| m.apart(&x[r.clone()], &y[r]))
    }
    /// Other representatives in the factors that have some.
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        let (mut point, mut moved) = (x.to_vec(), tangents.to_vec());
        let mut any = false;
        for (m, r) in self.parts::<T>() {
            let own: Vec<Vec<Batch<T>>> = tangents.iter().map(|u| u[r.clone()].to_vec()).collect();
            let Some((y, us)) = m.another(&x[r.clone()], &own, rng) else { continue };
            any = true;
            point.splice(r.clone(), y);
            for (u, new) in moved.iter_mut().zip(us) {
                u.splice(r.clone(), new);
            }
        }
        any.then_some((point, moved))
    }
    /// The sum of the factors' costs, and of its square a little: so that the factors interact.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let rng = std::cell::RefCell::new(rng);
        interacting(self.sum(|m, r| m.cost(&x[r], &mut **rng.borrow_mut())))
    }
}

/// `s + s² / 100`.
pub(crate) fn interacting<'t, T: Scalar>(s: Var<'t, T>) -> Var<'t, T> {
    s.lincomb(1.0, s.hadamard(s), 0.01)
}
