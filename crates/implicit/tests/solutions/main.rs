//! Derivatives of solutions: closed forms, certificates, a census of cases that break solvers, the synthetic problem of
//! the literature, layers and loops.

mod census;
mod certificates;
mod closed_forms;
mod estimators;
mod layers;
mod loops;
mod matrices;
mod mistakes;
mod more_forms;
mod spaces;
mod synthetic;
mod unseen_forms;

pub(crate) use matrices::{apart, dot, mat, qf, solve, sym, with_spectrum};
