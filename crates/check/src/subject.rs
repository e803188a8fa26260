//! What every layer of the checker sees: a value, its derivative along a direction, and its transpose, as functions of
//! numbers. Programs on a tape are one kind of subject, triples of plain functions another. No test lives here.

use crate::Error;
use crate::lists::{List, same_shapes};
use pullback::Scalar;

pub(crate) trait Subject<T: Scalar> {
    /// The outputs at `x`, evaluated and nothing more.
    fn outputs(&self, x: &[pullback::Batch<T>]) -> pullback::Result<List<T>>;
    /// The derivative along `v`.
    fn push(&self, x: &List<T>, v: &List<T>) -> Result<List<T>, Error>;
    /// The transpose of the derivative, applied to `w`.
    fn pull(&self, x: &List<T>, w: &List<T>) -> Result<List<T>, Error>;
}

/// The values at the point, after making sure that the subject is a function with finite values.
pub(crate) fn sound<T: Scalar>(f: &dyn Subject<T>, x: &List<T>) -> Result<List<T>, Error> {
    let (first, second) = (f.outputs(x).map_err(Error::Value)?, f.outputs(x).map_err(Error::Value)?);
    if first.is_empty() {
        return Err(Error::NoOutput);
    }
    same_shapes(&first, &second)?;
    for (output, (a, b)) in first.iter().zip(&second).enumerate() {
        if let Some(index) = a.data().iter().zip(b.data()).position(|(a, b)| a != b) {
            let (first, second) = (a.data()[index].f64(), b.data()[index].f64());
            return Err(Error::Random { output, index, first, second });
        }
    }
    Ok(first)
}
