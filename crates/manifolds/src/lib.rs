//! Riemannian geometry as differentiable programs.
//!
//! You have a cost on subspaces, rotations or positive definite matrices, and you need gradients, retractions,
//! geodesics and transports that can be differentiated in turn. A manifold is a value that describes a space; its
//! operations are programs on [`Var`]: they take batches, are differentiable in every argument to any order, and are
//! only evaluated where no derivative is needed.
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_manifolds::{Egrad, Grassmann, Manifold, rng};
//!
//! let gr = Grassmann::new(5, 2);                                   // planes in R^5
//! let a = Batch::from_fn(pullback::Shape::mat(5, 5), |_, i, j| if i == j { i as f64 } else { 0.0 });
//! let x0: Batch = gr.random(&mut rng(7));
//!
//! // One step of steepest descent of tr X^T A X, and the value it reaches.
//! let after = |c: f64| {
//!     let (gr, a) = (&gr, &a);
//!     pullback::value(func(move |x: Var| {
//!         let g = gr.egrad_to_rgrad(x, Egrad(x.grad(|x| x.t_mul(a * x).trace())));
//!         let y = gr.retract(x, *g * -c);
//!         y.t_mul(a * y).trace()
//!     }), &x0).unwrap().data()[0]
//! };
//! assert!(after(0.1) < after(0.0));
//! # let _: &dyn Manifold = &gr;
//! ```
//!
//! `pullback-check` tests the properties that a manifold claims, and derivatives of functions on it (its guide explains
//! the reports):
//!
//! ```
//! use pullback::prelude::*;
//! use pullback_check::{check, check_space};
//! use pullback_manifolds::{Grassmann, Manifold, rng};
//!
//! let gr = Grassmann::new(5, 2);
//! check_space::<f64>(&gr).run().assert_ok();                       // projection, metric, retraction, Hessian, gauge, ...
//! let x0: Batch = gr.random(&mut rng(7));
//! check(|x: Var| x.mul_t(x).tanh().sum(), &x0).on(&gr).run().assert_ok(); // its gradient and Hessian along the retraction
//! ```
//!
//! The operations (`retract`, `exp`, `dist`, ...) are methods of every manifold and take a [`Var`], a tuple of them
//! where a point consists of several matrices, or plain matrices: `gr.retract(&x, &v)?`. The trait [`Manifold`] is for
//! writing a manifold, and for programs that work on any manifold; its methods take lists of values.
//!
//! [`Var`]: pullback::Var

mod anderson;
mod centre;
mod elliptope;
mod euclidean;
mod euclidean_group;
mod fixed_rank;
mod flat;
mod frames;
mod generalized_stiefel;
mod grassmann;
mod lorentz;
mod matrices;
mod oblique;
mod orthogonal;
mod poincare;
mod positive;
mod power;
mod product;
mod psd;
mod scalars;
mod simplex;
mod spd;
mod sphere;
mod stiefel;
mod stiefel_inverse;
mod stiefel_log;
mod stochastic;
mod submersion;
mod symplectic_stiefel;
mod unit;
mod verdicts;

pub use centre::{Centre, Effort, mean, median};
pub use elliptope::Elliptope;
pub use euclidean::Euclidean;
pub use euclidean_group::SpecialEuclidean;
pub use fixed_rank::{FixedRank, FixedRankRetraction};
pub use flat::{SkewMatrices, SymmetricMatrices};
pub use generalized_stiefel::GeneralizedStiefel;
pub use grassmann::{Grassmann, Retraction};
pub use lorentz::Lorentz;
pub use oblique::Oblique;
pub use orthogonal::{Orthogonal, OrthogonalRetraction};
pub use poincare::PoincareBall;
pub use positive::PositiveMatrices;
pub use power::Power;
pub use product::{Factors, Product};
pub use psd::PsdFixedRank;
pub use pullback_geometry::{
    Another, Egrad, Error, Manifold, Parts, Place, Plain, Result, Rgrad, Role, Shapes, Word, ambient, gaussian,
    geodesic, numbers, rand, residuals, rng, words,
};
pub use simplex::{Simplex, SimplexRetraction};
pub use spd::{Spd, SpdMetric, SpdRetraction};
pub use sphere::{Sphere, SphereRetraction};
pub use stiefel::{Stiefel, StiefelMetric, StiefelRetraction};
pub use stochastic::{DoublyStochastic, StochasticRetraction};
pub use symplectic_stiefel::{SymplecticRetraction, SymplecticStiefel};
