//! Learned Riemannian optimisers.
