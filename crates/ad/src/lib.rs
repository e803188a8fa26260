//! Differentiate *matrix* programs, to any order, and trust the answer.
//!
//! You have a cost made of factorisations (QR, Cholesky, polar, functions of symmetric matrices), and you want its
//! gradient and Hessian where others return NaN: at repeated eigenvalues, at orthonormal points, after a pivot changed.
//!
//! ```
//! use pullback::prelude::*;
//! use faer::mat;
//!
//! let a = mat![[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]];
//! let x0 = mat![[1.0, 0.2], [0.1, 1.0], [0.3, 0.4]];
//! let cost = func(|x| { let (q, _r) = x.qr(); q.t_mul(&a * q).trace() });   // a function of span(X)
//!
//! let (f, g) = value_and_grad(cost, &x0).unwrap();
//! let hv = hvp(cost, &x0, &g).unwrap();                                  // forward over reverse
//! let (q, pull) = vjp(|x| x.qr().0, &x0).unwrap();                       // as many cotangents as you like
//! assert!(f > 0.0 && pull(&q).unwrap().norm_l2() < 1e-15);               // |Q|² is constant
//! # let _ = hv;
//! ```
//!
//! One type, [`Var`], stands for a batch of matrices on a [`Tape`]; the same closure can be evaluated, differentiated
//! in forward mode, or recorded. Rules are derived by hand, once, and run over numbers, over pairs (number, tangent)
//! and over recorded values, so every order comes from the same code. An error in the data (a matrix that is not
//! positive definite, say) is returned by the function that was called as one [`Error`]; misuse panics at your line.

mod batch;
mod checkpoint;
mod compiled;
mod custom;
mod dead;
mod diagnose;
mod drivers;
mod dual;
mod dump;
mod eager;
mod error;
mod in_program;
mod invariance;
mod jacobian;
mod leaves;
mod lent;
mod on_tape;
mod operators;
mod ops;
mod programs;
mod record;
mod scratch;
mod shape;
mod store;
mod sweep;
mod tape;
mod trees;
mod val;
mod value;
mod var;
mod views;

pub use batch::{Batch, MatLike, View};
pub use compiled::Scalar;
pub use custom::Custom;
pub use drivers::{
    HessianMap, Pull, PullMany, Push, grad, hessian_map, hvp, jvp, jvp_many, jvps, linearize, value, value_and_grad,
    value_grad_hvp, vjp, vjp_many,
};
pub use dump::{Dump, DumpRow};
pub use error::{Error, Line, Origin, Result};
pub use faer;
pub use jacobian::{hessian, jacobian};
#[doc(hidden)]
pub use leaves::join;
pub use leaves::{Leaves, VarTree};
pub use lent::{Lent, release_buffers};
pub use on_tape::HvpOperator;
#[doc(hidden)]
pub use ops::SECTIONS;
#[doc(hidden)]
pub use ops::documentation::{COMPOSED, COMPOSITIONS, PrimitiveDoc, Section};
pub use ops::{control::gauge::Gauge, layout::moves::Axis, products::linear::LinearMap};
pub use programs::{CostFn, Many, ManyFn, func, pin, pin_many};
pub use pullback_kernels::{
    Failure, Group, OwnFn, ScalarFn, Side, SymFn, Threads, ThreadsError, Triangle, Unary, Uplo,
};
pub use shape::Shape;
pub use tape::Tape;
pub use trees::Key;
pub use var::{AtZero, General, Lu, Operand, Schur, Singular, Spd, Symmetric, Var, separation, stein_separation};

/// The page for those who know other libraries, so that its code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/coming-from.md")]
struct ComingFrom;

/// The first page of the book, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/start.md")]
struct Start;

/// What most programs need.
pub mod prelude {
    pub use crate::{
        Axis, Batch, Gauge, SymFn, Tape, Uplo, Var, VarTree, func, grad, hessian, hessian_map, hvp, jacobian, jvp,
        linearize, pin, value_and_grad, vjp,
    };
}
