//! Euclidean and Riemannian gradients as two types. Each manifold defines how one becomes the other.

/// A Euclidean gradient: the ambient gradient of any extension of a cost, as the engine returns it.
///
/// It is a type of its own since the most common error in Riemannian programs is to use it as a direction. Only
/// `egrad_to_rgrad` and `ehess_to_rhess` take it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Egrad<P>(pub P);

/// A Riemannian gradient: the tangent `g` with `<g, v>_x = Df(x)[v]` for every tangent `v`.
///
/// It dereferences to the tangent that it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rgrad<P>(pub P);

impl<P> std::ops::Deref for Rgrad<P> {
    type Target = P;
    fn deref(&self) -> &P {
        &self.0
    }
}
