//! Powers: `k` points of one manifold as one point, side by side.
//!
//! Each matrix `n x p` of a point of `M` becomes one of `n x pk`, whose blocks of `p` columns are the copies. In
//! storage those are one after another, so that a point of the power is a batch of `k` points of `M` to look at,
//! without moving a number, and every operation is one of `M` on a batch. It costs `k` times that of `M` and nothing
//! for each copy. The inner product is the sum over the copies, squared distances add; everything else goes copy by
//! copy.
//!
//! **How this differs from a batch.** The members of a batch are independent: each has its own cost, its own inner
//! products, its own step size and, in a solver, its own end. The copies of a power are one point: *one* cost depends
//! on all of them, one inner product and one norm measure all of them, and a step moves them together. Points of a
//! power may themselves come in batches. Different manifolds, or copies of different sizes, are a
//! [`Product`](crate::Product).

use crate::product::interacting;
use crate::{Another, Egrad, Error, Manifold, Parts, Result, Rgrad, Shapes};
use pullback::{Batch, Scalar, Shape, Var};
use rand::Rng;

/// `k` copies of the manifold `m` as one: points have the columns of the copies side by side.
///
/// A power is not a batch: the members of a batch are independent points, each with its own cost, norm and step. The
/// copies of a power are one point, with one cost, one norm and one step. There may be batches of points of a power.
///
/// ```
/// use pullback_manifolds::{Grassmann, Manifold, Power};
/// // Ten planes of R^5, in one matrix of 5 x 20.
/// let m = Power::new(Grassmann::new(5, 2), 10);
/// assert_eq!(Manifold::<f64>::dim(&m), 60);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Power<M> {
    m: M,
    k: usize,
}

impl<M> Power<M> {
    /// `k` copies of `m`.
    ///
    /// # Panics
    /// If `k = 0`.
    #[track_caller]
    pub fn new(m: M, k: usize) -> Self {
        assert!(k > 0, "Power: expected at least one copy, got k = 0");
        Power { m, k }
    }

    /// The manifold of one copy.
    pub fn base(&self) -> &M {
        &self.m
    }

    /// How many copies.
    pub fn copies(&self) -> usize {
        self.k
    }

    /// One copy of a matrix of a point or tangent.
    ///
    /// # Panics
    /// If there is no copy of that number.
    #[track_caller]
    #[must_use]
    pub fn copy<'t, T: Scalar>(&self, x: Var<'t, T>, j: usize) -> Var<'t, T> {
        assert!(j < self.k, "Power: expected a copy below {}, got {j}", self.k);
        let p = x.cols() / self.k;
        x.column_range(j * p, p)
    }

    /// The lists as those of batches of copies, all with one batch: a batch of one stands for all, and the copies of it
    /// must meet the copies of each of the others.
    fn copies_of<'t, T: Scalar, const N: usize>(&self, lists: [&[Var<'t, T>]; N]) -> [Parts<'t, T>; N] {
        let batch = lists.iter().flat_map(|l| l.iter()).map(|v| v.shape().batch).max().unwrap_or(1);
        lists.map(|l| {
            let spread = |v: &Var<'t, T>| {
                let s = Shape { batch, ..v.shape() };
                v.broadcast_to(s).reshape_batch(Shape::batch(batch * self.k, s.rows, s.cols / self.k))
            };
            l.iter().map(spread).collect()
        })
    }

    /// Copies side by side again.
    fn together<'t, T: Scalar>(&self, l: &[Var<'t, T>]) -> Parts<'t, T> {
        let joined = |v: &Var<'t, T>| {
            let s = v.shape();
            v.reshape_batch(Shape::batch(s.batch / self.k, s.rows, s.cols * self.k))
        };
        l.iter().map(joined).collect()
    }

    /// The sum of a number over the copies.
    fn summed<'t, T: Scalar>(&self, v: Var<'t, T>) -> Var<'t, T> {
        v.reshape_batch(Shape::batch(v.shape().batch / self.k, self.k, 1)).sum_each()
    }

    fn split<T: Scalar>(&self, l: &[Batch<T>]) -> Vec<Batch<T>> {
        let one = |b: &Batch<T>| {
            let s = b.shape();
            Batch::from_slice(Shape::batch(s.batch * self.k, s.rows, s.cols / self.k), b.data())
        };
        l.iter().map(one).collect()
    }

    fn joined<T: Scalar>(&self, l: Vec<Batch<T>>) -> Vec<Batch<T>> {
        let one = |b: Batch<T>| {
            let s = b.shape();
            Batch::from_slice(Shape::batch(s.batch / self.k, s.rows, s.cols * self.k), b.data())
        };
        l.into_iter().map(one).collect()
    }

    /// The member of the batch instead of the copy, and the copy in the name.
    fn said(&self, e: Error) -> Error {
        let named = |name: String, copy: usize| format!("{name} (copy {} of {})", copy % self.k, self.k);
        match e {
            Error::NotAPoint { manifold, member, equation, residual, tolerance } => Error::NotAPoint {
                manifold: named(manifold, member),
                member: member / self.k,
                equation,
                residual,
                tolerance,
            },
            Error::NotTangent { manifold, member, equation, residual, tolerance } => Error::NotTangent {
                manifold: named(manifold, member),
                member: member / self.k,
                equation,
                residual,
                tolerance,
            },
            e => e,
        }
    }
}

pullback_geometry::words!([M] Power<M>);

impl<T: Scalar, M: Manifold<T>> Manifold<T> for Power<M> {
    fn name(&self) -> String {
        format!("{}^{}", self.m.name(), self.k)
    }
    fn shapes(&self) -> Shapes {
        self.m.shapes().into_iter().map(|s| Shape { cols: s.cols * self.k, ..s }).collect()
    }
    fn dim(&self) -> usize {
        self.m.dim() * self.k
    }
    fn typical_distance(&self) -> f64 {
        self.m.typical_distance() * (self.k as f64).sqrt()
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let [x, u, v] = self.copies_of([x, u, v]);
        self.summed(self.m.inner(&x, &u, &v))
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let [x, u] = self.copies_of([x, u]);
        self.together(&self.m.project(&x, &u))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let [x, g] = self.copies_of([x, g.0]);
        Rgrad(self.together(&self.m.egrad_to_rgrad(&x, Egrad(&g))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let [x, g, h, u] = self.copies_of([x, g.0, h, u]);
        self.together(&self.m.ehess_to_rhess(&x, Egrad(&g), &h, &u))
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let [x, v] = self.copies_of([x, v]);
        self.together(&self.m.retract(&x, &v))
    }
    fn retraction_order(&self) -> usize {
        self.m.retraction_order()
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let [x, y] = self.copies_of([x, y]);
        Some(self.together(&self.m.inverse_retract(&x, &y)?))
    }
    fn transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let [x, y, u] = self.copies_of([x, y, u]);
        self.together(&self.m.transport(&x, &y, &u))
    }
    fn metric_is_ambient(&self) -> bool {
        self.m.metric_is_ambient()
    }
    fn transport_is_isometric(&self) -> bool {
        self.m.transport_is_isometric()
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let [x, v] = self.copies_of([x, v]);
        Some(self.together(&self.m.exp(&x, &v)?))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let [x, y] = self.copies_of([x, y]);
        Some(self.together(&self.m.log(&x, &y)?))
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let [x, y] = self.copies_of([x, y]);
        Some(self.summed(self.m.dist2(&x, &y)?))
    }
    fn parallel_transport<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        let [x, y, u] = self.copies_of([x, y, u]);
        Some(self.together(&self.m.parallel_transport(&x, &y, &u)?))
    }
    fn curvature<'t>(
        &self,
        x: &[Var<'t, T>],
        u: &[Var<'t, T>],
        v: &[Var<'t, T>],
        w: &[Var<'t, T>],
    ) -> Option<Parts<'t, T>> {
        let [x, u, v, w] = self.copies_of([x, u, v, w]);
        Some(self.together(&self.m.curvature(&x, &u, &v, &w)?))
    }
    fn reproject<'t>(&self, x: &[Var<'t, T>]) -> Parts<'t, T> {
        let [x] = self.copies_of([x]);
        self.together(&self.m.reproject(&x))
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        self.joined(self.m.random_point(batch * self.k, rng))
    }
    fn random_tangent(&self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), x)?;
        Ok(self.joined(self.m.random_tangent(&self.split(x), rng)?))
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), x)?;
        self.m.check_point(&self.split(x)).map_err(|e| self.said(e))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        crate::residuals::shapes(&|| self.name(), &self.shapes(), u)?;
        // One point, many tangents: the point once for each.
        let many = u.first().map_or(1, |u| u.shape().batch);
        let x: Vec<Batch<T>> = x
            .iter()
            .map(|x| match x.shape() {
                s if s.batch == 1 && many > 1 => Batch::from_slice(Shape { batch: many, ..s }, &x.data().repeat(many)),
                _ => x.clone(),
            })
            .collect();
        self.m.check_tangent(&self.split(&x), &self.split(u)).map_err(|e| self.said(e))
    }
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        let [x, y] = self.copies_of([x, y]);
        self.m.apart(&x, &y)
    }
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        let own: Vec<Vec<Batch<T>>> = tangents.iter().map(|u| self.split(u)).collect();
        let (y, us) = self.m.another(&self.split(x), &own, rng)?;
        Some((self.joined(y), us.into_iter().map(|u| self.joined(u)).collect()))
    }
    /// The sum of the copies' costs, and of its square a little: so that the copies interact.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let [x] = self.copies_of([x]);
        interacting(self.m.cost(&x, rng))
    }
}
