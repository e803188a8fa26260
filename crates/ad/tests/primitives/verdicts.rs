//! What tests say of a result: which failure it is, how close two matrices are.

use faer::Mat;
use pullback::{Error, Failure};

/// The verdict of a primitive on its numbers.
#[track_caller]
pub(crate) fn failure<R: std::fmt::Debug>(r: Result<R, Error>) -> Failure {
    match r {
        Err(Error::Data { failure, .. }) => failure,
        other => panic!("a verdict on the data is expected, and this came: {other:?}"),
    }
}

/// Equal to `tolerance` of the larger.
#[track_caller]
pub(crate) fn close(a: &Mat<f64>, b: &Mat<f64>, tolerance: f64) {
    let (d, size) = ((a - b).norm_max(), a.norm_max().max(b.norm_max()));
    assert!(d <= tolerance * size, "{d:e} of {size:e}\n{a:?}\n{b:?}");
}
