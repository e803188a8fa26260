//! Principal components as minimisation over a Grassmann manifold: the data's second moments, the loss, the exact
//! optimum, and the same data randomly rotated. No optimiser lives here.

use crate::data::{Digits, PIXELS};
use crate::error::{Result, during};
use pullback::faer::Mat;
use pullback::{Batch, Tape, Var};
use pullback_manifolds::{gaussian, rng};
use rand::seq::SliceRandom;

/// Which part of the images is held out.
const HELD_OUT: f64 = 500.0 / 1797.0;

/// The images of a split, one a row.
#[derive(Debug, Clone)]
pub(crate) struct Split {
    /// What optimisers and training see.
    pub(crate) train: Mat<f64>,
    /// What only the report sees.
    pub(crate) held_out: Mat<f64>,
}

impl Split {
    /// A seeded permutation, 1297 and 500 of 1797.
    pub(crate) fn new(digits: &Digits, seed: u64) -> Self {
        let n = digits.images.nrows();
        let held = (n as f64 * HELD_OUT).round() as usize;
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut rng(seed));
        let rows = |which: &[usize]| Mat::from_fn(which.len(), PIXELS, |i, j| digits.images[(which[i], j)]);
        Split { train: rows(&order[..n - held]), held_out: rows(&order[n - held..]) }
    }

    /// Every image turned by one orthogonal matrix.
    pub(crate) fn rotated(&self, q: &Mat<f64>) -> Self {
        Split { train: &self.train * q.transpose(), held_out: &self.held_out * q.transpose() }
    }
}

/// A uniformly random orthogonal matrix of the size of an image.
pub(crate) fn random_rotation(seed: u64) -> Mat<f64> {
    let z: Batch = gaussian(pullback::Shape::mat(PIXELS, PIXELS), &mut rng(seed));
    Tape::plain().constant(&z).qr().0.value().into_mat()
}

/// Loss on the training and on the held-out images.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Losses {
    pub(crate) train: f64,
    pub(crate) held_out: f64,
}

/// Find the `p`-dimensional subspace that loses least of the training images.
///
/// The loss of a basis `X` is the squared error per image, `sum |a_i - X X'a_i|² / n = tr C - tr X'CX`, with the second
/// moments `C = A'A/n` of all images at once: every method sees the same full gradient, `-2 C X`. Images are not
/// centred.
#[derive(Debug, Clone)]
pub(crate) struct Pca {
    /// Second moments of the training images.
    pub(crate) moments: Mat<f64>,
    /// The training images in columns, for those who look at them.
    pub(crate) images: Mat<f64>,
    held_moments: Mat<f64>,
    /// What the best subspace for the training images loses, by a singular value decomposition.
    pub(crate) optimum: Losses,
}

impl Pca {
    /// The task on these images with `p` components.
    pub(crate) fn new(split: &Split, p: usize) -> Result<Self> {
        let moments = second_moments(&split.train);
        let held_moments = second_moments(&split.held_out);
        let svd = split.train.thin_svd().map_err(|e| during("the exact optimum")(format!("{e:?}")))?;
        let best = svd.V().subcols(0, p).to_owned();
        let optimum = Losses { train: lost(&moments, &best), held_out: lost(&held_moments, &best) };
        Ok(Pca { moments, images: split.train.transpose().to_owned(), held_moments, optimum })
    }

    /// The loss of each member of a batch, as a program.
    pub(crate) fn cost<'t>(moments: &Batch, x: Var<'t>) -> Var<'t> {
        let c = x.tape().constant(moments);
        c.trace() - x.dot(c * x)
    }

    /// The losses of each member of a batch of bases.
    pub(crate) fn losses(&self, x: &Batch) -> Vec<Losses> {
        (0..x.shape().batch)
            .map(|b| {
                let x = x.member(b);
                Losses { train: lost(&self.moments, &x), held_out: lost(&self.held_moments, &x) }
            })
            .collect()
    }

    /// The sum of squares of an image, on average: what an empty subspace loses.
    pub(crate) fn energy(&self) -> f64 {
        trace(&self.moments)
    }
}

fn second_moments(images: &Mat<f64>) -> Mat<f64> {
    images.transpose() * images * (1.0 / images.nrows() as f64)
}

fn trace(c: &Mat<f64>) -> f64 {
    (0..c.nrows()).map(|i| c[(i, i)]).sum()
}

/// `tr C - tr X'CX`.
fn lost(c: &Mat<f64>, x: &Mat<f64>) -> f64 {
    let cx = c * x;
    let kept: f64 = (0..x.ncols()).map(|j| (0..x.nrows()).map(|i| x[(i, j)] * cx[(i, j)]).sum::<f64>()).sum();
    trace(c) - kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback_manifolds::{Grassmann, Manifold};

    fn split() -> Split {
        Split::new(&Digits::built_in().unwrap(), 3)
    }

    #[test]
    fn the_loss_is_the_reconstruction_error_image_by_image() {
        let split = split();
        assert_eq!((split.train.nrows(), split.held_out.nrows()), (1297, 500));
        let pca = Pca::new(&split, 5).unwrap();
        let x: Vec<Batch> = Grassmann::new(PIXELS, 5).random_point(2, &mut rng(1));
        for (b, l) in pca.losses(&x[0]).into_iter().enumerate() {
            let x = x[0].member(b);
            let error = |a: &Mat<f64>| (a - a * &x * x.transpose()).squared_norm_l2() / a.nrows() as f64;
            assert!(
                (l.train - error(&split.train)).abs() < 1e-10 && (l.held_out - error(&split.held_out)).abs() < 1e-10
            );
        }
        // The program and the numbers are one loss.
        let tape = Tape::plain();
        let cost = Pca::cost(&Batch::of(&pca.moments), tape.constant(&x[0])).value();
        assert!(pca.losses(&x[0]).iter().zip(cost.data()).all(|(l, c)| (l.train - c).abs() < 1e-11));
    }

    #[test]
    fn the_optimum_is_below_every_random_subspace_and_does_not_rotate() {
        let split = split();
        let pca = Pca::new(&split, 6).unwrap();
        let x = Grassmann::new(PIXELS, 6).random_point(20, &mut rng(2)).swap_remove(0);
        assert!(pca.losses(&x).iter().all(|l| l.train > pca.optimum.train + 0.1));
        let turned = Pca::new(&split.rotated(&random_rotation(9)), 6).unwrap();
        assert!((turned.optimum.train - pca.optimum.train).abs() < 1e-10);
        assert!((turned.optimum.held_out - pca.optimum.held_out).abs() < 1e-9);
        assert!((&turned.moments - &pca.moments).norm_l2() > 1.0);
    }
}
