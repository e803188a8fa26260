//! The random numbers of points and tangents.

use pullback::{Batch, Scalar, Shape};
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

/// The generator used throughout: small, fast, the same numbers on every machine.
pub fn rng(seed: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed)
}

/// Independent standard normal entries.
pub fn gaussian<T: Scalar>(shape: Shape, rng: &mut dyn Rng) -> Batch<T> {
    let mut normal = || -> f64 { StandardNormal.sample(&mut *rng) };
    Batch::from_fn(shape, |_, _, _| T::of(normal()))
}
