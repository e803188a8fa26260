//! Our side of the solver rows: a problem solved by trust regions, beside pymanopt's in `rows_pymanopt.py`.
//!
//! A row is one function on each side, under one name. It solves the problem from the start that both sides know, and
//! returns the cost it ended with and the number of outer iterations. A name without a function here is printed with
//! the peer's figures alone.

use pullback_benches::worker::Subject;

/// The cost at the end and the outer iterations, or what went wrong.
pub(crate) type Solve = fn() -> Result<(f64, usize), String>;

/// The rows that have a function on our side. None yet: this library has no trust regions.
pub(crate) const SOLVERS: &[(&str, Solve)] = &[];

/// A solver row taken up.
pub(crate) struct Solving {
    solve: Solve,
    /// What the last call found.
    found: (f64, usize),
}

impl Solving {
    pub(crate) fn new(solve: Solve) -> Self {
        Solving { solve, found: (f64::NAN, 0) }
    }
}

impl Subject for Solving {
    fn kinds(&self) -> &str {
        "solve"
    }

    fn run(&mut self, _kind: &str) -> Result<(), String> {
        self.found = (self.solve)()?;
        Ok(())
    }

    fn numbers(&self, _kind: &str) -> Vec<f64> {
        vec![self.found.0]
    }

    fn remark(&self) -> String {
        format!("{} outer", self.found.1)
    }
}
