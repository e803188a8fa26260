//! Dense numerical kernels in `f64` and `f32` for the engine; no other crate uses faer's low-level interface.
//!
//! Every matrix is a packed column-major slice. Kernels are the functions of the traits in [`list`], one trait for a
//! family, implemented for `f64` and `f32` alone, so that faer's generics are compiled here, once, at full
//! optimisation, whatever the profile of the caller. Generic code is bounded by [`Kernels`], which is all of them; code
//! that only needs a number by [`Scalar`]. None of them allocates once its [`Workspace`] has grown (second and higher
//! derivatives of chosen eigenvalues excepted), none panics on data, and each that rests on a factorisation scans its
//! input, because faer turns NaN into plausible numbers; it returns what is wrong as a [`Failure`].
//!
//! Not in this crate: shapes of batches, tapes, rules of derivatives.

mod action;
mod action_plan;
mod atan_root;
mod blocks;
mod cayley;
mod cholesky;
mod cholesky_rules;
mod columns;
mod complete;
mod complex;
mod dense;
mod divided;
mod divided_angles;
mod divided_own;
mod eig;
mod eigh;
mod eigh_large;
mod elementwise;
mod equation_base;
mod equations;
mod erf;
mod expm;
mod expm_matrix;
mod expm_scale;
mod failure;
mod field;
mod fixed;
mod francis;
mod gamma;
mod gemm;
mod gemm_tiles;
mod group;
mod hessenberg;
mod householder;
mod inverses;
mod least_squares;
pub mod list;
mod ln_gamma;
mod logistic;
mod logm;
mod logm_frame;
mod lu;
mod lu_blocks;
mod lu_rules;
mod minors;
mod panels;
mod pivots;
mod polar;
mod qr;
mod qr_rules;
mod quasi;
mod quasi_products;
mod quasi_vectors;
mod real;
mod roots;
mod rotation;
mod scalar;
mod schur;
mod schur_order;
mod schur_windows;
mod spectral;
mod spectrum;
mod strips;
mod stumpff;
mod sums;
mod svd;
mod svd_gram;
mod sylvester;
pub mod threads;
mod ties;
pub mod tolerances;
mod transposed;
mod triangular;
mod tridiagonal;
mod turn;
mod wide;
mod wide_registers;
mod workspace;

pub use columns::{ColumnOp, Verdict};
pub use divided::SymFn;
pub use divided_own::{OwnFn, ScalarFn};
pub use elementwise::Unary;
pub use failure::Failure;
pub use field::WithTangent;
pub use group::Group;
pub use least_squares::Least;
pub use list::Kernels;
pub use scalar::Scalar;
pub use spectrum::Window;
pub use threads::{Threads, ThreadsError};
pub use triangular::{Side, Triangle, Uplo};
pub use workspace::Workspace;
