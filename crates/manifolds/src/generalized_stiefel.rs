//! The generalised Stiefel manifold: frames that are orthonormal in another inner product, `X` of `n x p` with
//! `X^T B X = I`, for a given symmetric positive definite `B`, with the metric `tr U^T B V` (or the others of the
//! family of `stiefel.rs` in it).
//!
//! With the Cholesky factorisation `B = L L^T`, `X -> L^T X` is an isometry onto the Stiefel manifold, so everything is
//! there: each operation here is `L^{-T}` of that operation at `L^T X`, with all its claims, and the methods of Sato &
//! Aihara (*Cholesky QR-based retraction on the generalized Stiefel manifold*, 2019) are among them: the QR retraction
//! is theirs, and the polar one is `(X + V) ((X + V)^T B (X + V))^{-1/2}`. `B` is factored once. For the Euclidean
//! gradient `G`, `tr G^T V = tr (L^{-1} G)^T L^T V`: gradients and Hessians go over by `L^{-1}`.
//!
//! Only the projection belongs to the inner product of the ambient space `tr U^T V` (what `project` promises): normals
//! to `{V : sym(X^T B V) = 0}` are `N S` with `N = B X` and `S` symmetric, so `P(Z) = Z - N S` with
//! `N^T N S + S N^T N = 2 sym(N^T Z)`, a Lyapunov equation of size `p`. Transport is the projection in the metric.
//!
//! Cost: that of `stiefel.rs`, and `n² p` for each argument and for the answer.

use crate::matrices::{holds_at, holds_for, one, only, shaped};
use crate::scalars::Times;
use crate::stiefel::{Stiefel, StiefelMetric, StiefelRetraction};
use crate::{Egrad, Manifold, Parts, Result, Rgrad, Shapes, gaussian, residuals};
use pullback::faer::Mat;
use pullback::{Batch, Scalar, Shape, Tape, Triangle, Uplo, Var};
use rand::Rng;
use smallvec::smallvec;
use std::sync::Arc;

/// Frames with `X^T B X = I`.
#[derive(Debug, Clone)]
pub struct GeneralizedStiefel {
    stiefel: Stiefel,
    n: usize,
    p: usize,
    /// `B`, and `L` with `B = L L^T`.
    forms: Arc<(Batch<f64>, Batch<f64>)>,
}

impl GeneralizedStiefel {
    /// Matrices of `p` columns with `X^T B X = I`, with the metric `tr U^T B V` and the polar retraction.
    ///
    /// # Errors
    /// If `(B + B^T)/2`, which is used, is not positive definite, or not finite.
    ///
    /// # Panics
    /// If `B` is not square, or smaller than `p`, or `p = 0`.
    #[track_caller]
    pub fn new(b: &Mat<f64>, p: usize) -> Result<Self> {
        let n = b.nrows();
        assert!(n == b.ncols(), "GeneralizedStiefel: expected a square B, got {n}x{}", b.ncols());
        let stiefel = Stiefel::new(n, p);
        let tape = Tape::<f64>::plain();
        let b = tape.constant(b).sym();
        let l = b.cholesky();
        tape.check()?;
        Ok(GeneralizedStiefel { stiefel, n, p, forms: Arc::new((b.value(), l.value())) })
    }

    /// The same space with another retraction.
    #[must_use]
    pub fn with(self, retraction: StiefelRetraction) -> Self {
        GeneralizedStiefel { stiefel: self.stiefel.with(retraction), ..self }
    }

    /// The same space with another metric of the family, in the inner product of `B`.
    ///
    /// # Panics
    /// As [`Stiefel::with_metric`].
    #[track_caller]
    #[must_use]
    pub fn with_metric(self, metric: StiefelMetric) -> Self {
        GeneralizedStiefel { stiefel: self.stiefel.with_metric(metric), ..self }
    }

    /// As [`Stiefel::injectivity_radius`].
    pub fn injectivity_radius(&self) -> f64 {
        self.stiefel.injectivity_radius()
    }

    fn form<'t, T: Scalar>(&self, tape: &'t Tape<T>, form: &Batch<f64>) -> Var<'t, T> {
        let numbers: Vec<T> = form.data().iter().map(|v| T::of(*v)).collect();
        tape.constant(&Batch::from_slice(form.shape(), &numbers))
    }

    fn b<'t, T: Scalar>(&self, tape: &'t Tape<T>) -> Var<'t, T> {
        self.form(tape, &self.forms.0)
    }
}

/// `L^{-T} Z`.
const BACK: Triangle = Triangle::LOWER.transposed();

/// `L` on a tape: the way to the Stiefel manifold and back.
#[derive(Clone, Copy)]
struct Way<'t, T: Scalar>(Var<'t, T>);

impl<'t, T: Scalar> Way<'t, T> {
    fn new(m: &GeneralizedStiefel, x: &[Var<'t, T>]) -> Self {
        let tape = only(x).tape();
        Way(m.form(tape, &m.forms.1))
    }
    /// `L^T Z`.
    fn there(self, z: &[Var<'t, T>]) -> [Var<'t, T>; 1] {
        [self.0.t_mul(only(z))]
    }
    /// `L^{-1} G`, for what pairs with tangents.
    fn dual(self, g: &[Var<'t, T>]) -> [Var<'t, T>; 1] {
        [self.0.solve_triangular(Uplo::Lower, only(g))]
    }
    /// `L^{-T} Z`.
    fn back(self, z: &[Var<'t, T>]) -> Parts<'t, T> {
        one(self.0.solve_triangular_with(BACK, only(z)))
    }
}

pullback_geometry::words!(GeneralizedStiefel);

/// `L^{-T}` of an operation of the Stiefel manifold.
macro_rules! carried {
    ($($word:ident($x:ident $(, $arg:ident)*);)*) => {$(
        fn $word<'t>(&self, $x: &[Var<'t, T>] $(, $arg: &[Var<'t, T>])*) -> Parts<'t, T> {
            let way = Way::new(self, $x);
            way.back(&Manifold::$word(&self.stiefel, &way.there($x) $(, &way.there($arg))*))
        }
    )*};
    (maybe $($word:ident($x:ident $(, $arg:ident)*);)*) => {$(
        fn $word<'t>(&self, $x: &[Var<'t, T>] $(, $arg: &[Var<'t, T>])*) -> Option<Parts<'t, T>> {
            let way = Way::new(self, $x);
            Some(way.back(&Manifold::$word(&self.stiefel, &way.there($x) $(, &way.there($arg))*)?))
        }
    )*};
}

impl<T: Scalar> Manifold<T> for GeneralizedStiefel {
    fn name(&self) -> String {
        format!("St_B{}", &Manifold::<T>::name(&self.stiefel)[2..])
    }
    fn shapes(&self) -> Shapes {
        smallvec![Shape::mat(self.n, self.p)]
    }
    fn dim(&self) -> usize {
        Manifold::<T>::dim(&self.stiefel)
    }
    fn typical_distance(&self) -> f64 {
        Manifold::<T>::typical_distance(&self.stiefel)
    }
    fn inner<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
        let way = Way::new(self, x);
        Manifold::inner(&self.stiefel, &way.there(x), &way.there(u), &way.there(v))
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        let (x, u) = (only(x), only(u));
        let n = self.b(x.tape()) * x;
        let s = n.t_mul(n).lyapunov(n.t_mul(u).sym().times(2.0));
        one(u.add_mul(-1.0, n, s))
    }
    fn egrad_to_rgrad<'t>(&self, x: &[Var<'t, T>], g: Egrad<&[Var<'t, T>]>) -> Rgrad<Parts<'t, T>> {
        let way = Way::new(self, x);
        Rgrad(way.back(&Manifold::egrad_to_rgrad(&self.stiefel, &way.there(x), Egrad(&way.dual(g.0)))))
    }
    fn ehess_to_rhess<'t>(
        &self,
        x: &[Var<'t, T>],
        g: Egrad<&[Var<'t, T>]>,
        h: &[Var<'t, T>],
        u: &[Var<'t, T>],
    ) -> Parts<'t, T> {
        let way = Way::new(self, x);
        let (g, h) = (way.dual(g.0), way.dual(h));
        way.back(&Manifold::ehess_to_rhess(&self.stiefel, &way.there(x), Egrad(&g), &h, &way.there(u)))
    }
    carried! {
        retract(x, v);
        transport(x, y, u);
        reproject(x);
    }
    fn retraction_order(&self) -> usize {
        Manifold::<T>::retraction_order(&self.stiefel)
    }
    carried! { maybe
        inverse_retract(x, y);
        exp(x, v);
        log(x, y);
        curvature(x, u, v, w);
    }
    fn dist2<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Var<'t, T>> {
        let way = Way::new(self, x);
        Manifold::dist2(&self.stiefel, &way.there(x), &way.there(y))
    }
    fn random_point(&self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
        let tape = Tape::plain();
        let z = tape.constant(&gaussian::<T>(Shape::batch(batch, self.n, self.p), rng)).qr().0;
        vec![Way(self.form(&tape, &self.forms.1)).back(&[z])[0].value()]
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x])?;
        let tape = Tape::plain();
        let y = (self.b(&tape) * &x[0]).value();
        let residual = residuals::gram_residual(&x[0], &y, 1.0);
        holds_at::<T>(self, "X^T B X = I", &residual, self.tolerance::<T>())
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        shaped(self, &[x, u])?;
        let tape = Tape::plain();
        let asymmetry = (self.b(&tape) * &x[0]).t_mul(&u[0]).sym().times(2.0).value();
        let residual: Vec<f64> = (0..asymmetry.shape().batch).map(|b| residuals::largest(&asymmetry, b)).collect();
        holds_for(self, "X^T B U + U^T B X = 0", &residual, &u[0], self.tolerance::<T>())
    }
}

impl GeneralizedStiefel {
    /// Products with `B` round relative to its size, and points are as long as the root of its inverse.
    fn tolerance<T: Scalar>(&self) -> f64 {
        let (b, l) = &*self.forms;
        let least = (0..self.n).map(|i| l.data()[i * (self.n + 1)]).fold(f64::INFINITY, f64::min);
        residuals::tolerance::<T>(self.n) * (b.max_abs() / (least * least)).max(1.0)
    }
}
