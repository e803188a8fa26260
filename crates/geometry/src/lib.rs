//! The interface of a Riemannian manifold: the trait [`Manifold`], its operations as methods on values and on plain
//! numbers ([`words!`](crate::words)), and its errors.
//!
//! The manifolds themselves are in `pullback-manifolds`, which exports everything here again. This crate is separate so
//! that the checker depends on the interface and not on the manifolds. To write a manifold of your own, you need only
//! this crate:
//!
//! ```
//! use pullback::{Batch, Scalar, Shape, Var};
//! use pullback_geometry::{Manifold, Parts, Result, Shapes, gaussian, residuals};
//!
//! /// Unit vectors of `R^n`.
//! #[derive(Debug)]
//! struct Circle;
//!
//! impl<T: Scalar> Manifold<T> for Circle {
//!     fn name(&self) -> String { "the unit circle".into() }
//!     fn shapes(&self) -> Shapes { [Shape::mat(2, 1)].into_iter().collect() }
//!     fn dim(&self) -> usize { 1 }
//!     fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
//!         [u[0] - x[0] * x[0].dot(u[0])].into_iter().collect()
//!     }
//!     fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
//!         let y = x[0] + v[0];
//!         [y.elem_div(y.norm())].into_iter().collect()
//!     }
//!     fn random_point(&self, batch: usize, rng: &mut dyn rand::Rng) -> Vec<Batch<T>> {
//!         let x = gaussian(Shape::batch(batch, 2, 1), rng);
//!         pullback_geometry::numbers::apply(&[&[x]], &mut |l| Manifold::reproject(self, &l[0])).unwrap()
//!     }
//!     fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
//!         let name = || Manifold::<T>::name(self);
//!         residuals::shapes(&name, &Manifold::<T>::shapes(self), x)?;
//!         residuals::point_equation(&name, "x^T x = 1", &residuals::gram_residual(&x[0], &x[0], 1.0), |_| residuals::tolerance::<T>(2))
//!     }
//!     fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
//!         let name = || Manifold::<T>::name(self);
//!         residuals::shapes(&name, &Manifold::<T>::shapes(self), u)?;
//!         residuals::tangent_equation(&name, "x^T u = 0", &residuals::gram_residual(&x[0], &u[0], 0.0), |b| {
//!             residuals::tolerance::<T>(2) * (1.0 + residuals::largest(&u[0], b))
//!         })
//!     }
//! }
//! pullback_geometry::words!(Circle);
//!
//! let (x, u) = (pullback::faer::mat![[1.0], [0.0]], pullback::faer::mat![[0.5], [2.0]]);
//! assert_eq!(Circle.project(&x, &u).unwrap(), pullback::faer::mat![[0.0], [2.0]]);
//! assert!(Circle.retract(&x, &u).unwrap_err().to_string().contains("not tangent"));
//! ```

mod error;
mod gradient;
mod manifold;
pub mod numbers;
mod place;
mod random;
pub mod residuals;
mod words;

pub use error::{Error, Result};
pub use gradient::{Egrad, Rgrad};
pub use manifold::{Another, Manifold, Parts, Shapes, ambient, geodesic};
#[doc(hidden)]
pub use place::random;
pub use place::{Place, Plain, Role, Word};
/// The crate of random numbers: [`Manifold::random_point`] takes its `Rng`.
pub use rand;
pub use random::{gaussian, rng};
