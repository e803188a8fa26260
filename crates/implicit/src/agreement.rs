//! How well two derivatives agree. Which of them is right is not known here.

use crate::estimate::{difference, double, norm};
use crate::lists::is_plain;
use pullback::{Batch, Leaves};

/// How well one derivative agrees with another that is taken for the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The cosine of the angle between them; NaN if one is zero.
    pub cosine: f64,
    /// `|a - truth| / |truth|`.
    pub relative_error: f64,
    /// `|a| / |truth|`.
    pub length: f64,
}

/// Compares two trees leaf by leaf.
///
/// # Panics
/// If they differ in shape.
#[track_caller]
pub fn agreement<L: Leaves>(a: &L, truth: &L) -> Agreement {
    let (a, t) = (a.batches(), truth.batches());
    let shapes = |l: &[Batch<L::Scalar>]| l.iter().map(Batch::shape).collect::<Vec<_>>();
    assert_eq!(shapes(&a), shapes(&t), "agreement: the derivatives are by other parameters");
    let entries = a.iter().flat_map(|b| b.data()).zip(t.iter().flat_map(|b| b.data()));
    let (size, truth) = (norm(&a), norm(&t));
    // Products of small numbers underflow, and those of large ones overflow.
    let units = if is_plain(size * truth) { [1.0, 1.0] } else { [size, truth] };
    let dot: f64 = entries.map(|(a, t)| double(*a) / units[0] * (double(*t) / units[1])).sum();
    let lengths = (size / units[0]) * (truth / units[1]);
    Agreement { cosine: dot / lengths, relative_error: difference(&a, &t) / truth, length: size / truth }
}
