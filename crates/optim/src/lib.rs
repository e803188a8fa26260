//! Classical Riemannian solvers.
