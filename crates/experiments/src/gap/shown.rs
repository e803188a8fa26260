//! What problems show to those who look at examples. Who looks is in `entrants.rs`.

use super::losses::{Loss, members};
use super::problems::Problems;
use crate::clustering::covariances;
use crate::contest::looking::in_turn;
use crate::data::{Digits, PIXELS};
use pullback::faer::Mat;
use pullback::{Batch, Shape};
use rand::{Rng, RngExt};

/// Examples of a problem for those who look at them.
pub(super) const EXAMPLES: usize = 64;

/// Some images of these classes in columns.
pub(super) fn images_of(digits: &Digits, classes: &[u8], rng: &mut dyn Rng) -> Mat<f64> {
    let rows: Vec<usize> = (0..digits.labels.len()).filter(|i| classes.contains(&digits.labels[*i])).collect();
    let chosen: Vec<usize> = (0..EXAMPLES).map(|_| rows[rng.random_range(0..rows.len())]).collect();
    Mat::from_fn(PIXELS, EXAMPLES, |i, j| digits.images[(chosen[j], i)])
}

impl Problems {
    /// What those who look at examples see of each problem: so many in columns, the first ones again where there are
    /// fewer. Samples of principal components, in the units of the cost; images of the robust loss; covariances. Zeros
    /// where a problem has none.
    pub(crate) fn shown(&self, count: usize) -> Batch {
        if let Loss::Centres { whiteners, each, .. } = &self.loss {
            let of = |k: usize| members(whiteners, &(k * each..(k + 1) * each).collect::<Vec<_>>());
            let all = (0..self.count()).map(|k| covariances(&of(k), count).into_mat());
            return Batch::stack(&all.collect::<Vec<_>>());
        }
        let all = match &self.loss {
            Loss::Robust { images, .. } => Some(images),
            _ => self.examples.as_ref(),
        };
        let Some(all) = all else {
            return Batch::zeros(Shape::batch(self.count(), self.starts.shape().rows, count));
        };
        let which = in_turn(&(0..all.shape().cols).collect::<Vec<_>>(), count);
        let (rows, each) = (all.shape().rows, all.shape().each());
        let at = |b: usize, i: usize, j: usize| all.data()[b * each + which[j] * rows + i] * self.scale[b].sqrt();
        Batch::from_fn(Shape::batch(self.count(), rows, count), at)
    }
}
