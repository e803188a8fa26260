//! Riemannian geometry as differentiable programs.
