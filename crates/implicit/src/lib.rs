//! Derivatives of iterations and of their solutions.
