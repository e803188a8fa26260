//! Our side of the solver rows: a problem solved by trust regions, beside pymanopt's in `rows_pymanopt.py`.
//!
//! A row is one function on each side, under one name. It solves the problem from the start that both sides know, and
//! returns the cost it ended with and the number of outer iterations. A name without a function here is printed with
//! the peer's figures alone.

/// The cost at the end and the outer iterations, or what went wrong.
pub(crate) type Solved = Result<(f64, usize), String>;

/// The rows that have a function on our side. None yet: this library has no trust regions.
pub(crate) const SOLVERS: &[(&str, fn() -> Solved)] = &[];
