//! Riemannian geometry as differentiable programs.
//!
//! A manifold is a value that describes a space; its operations are programs on [`Var`], so they are batched,
//! differentiable in every argument to any order, and plain when nobody asks for a derivative.
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
//! What a manifold claims can be proved, and so can a function on it (`pullback-check` has the page on how to read the
//! reports):
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
//! The words (`retract`, `exp`, `dist`, ...) are methods of every manifold and take a [`Var`], a tuple of them where a
//! point is several matrices, or plain matrices: `gr.retract(&x, &v)?`. The trait [`Manifold`] is what one implements,
//! and what programs for any manifold use; its methods take lists of values.
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
