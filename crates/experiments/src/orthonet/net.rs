//! The network as a task: digits in three parts, layers as matrices, the loss, and what is measured at a point. No
//! optimiser lives here.

use crate::contest::objective::{accuracy, largest};
use crate::data::Digits;
use crate::error::{Error, Result, during};
use pullback::{Batch, Shape, Tape, Var};
use pullback_learned::{Member, Split, Task};
use pullback_manifolds::{Euclidean, Manifold, Product, Stiefel, StiefelRetraction, rng};
use rand::RngExt;
use rand::seq::SliceRandom;

/// Images for the outer loss and for choosing numbers, and images that only the report sees.
const VALIDATION: usize = 297;
const TEST: usize = 500;
/// Images of a minibatch.
pub(crate) const MINIBATCH: usize = 64;
const CLASSES: usize = 10;
/// Ink of a full pixel: images go in as they are in the file.
const INK: f64 = 16.0;

/// Images in columns, with their classes.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    ink: Batch,
    /// A 1 in the row of the class.
    marks: Batch,
    labels: Vec<usize>,
}

impl Images {
    fn new(digits: &Digits, which: &[usize]) -> Self {
        let labels: Vec<usize> = which.iter().map(|i| usize::from(digits.labels[*i])).collect();
        let n = which.len();
        Images {
            ink: Batch::from_fn(Shape::mat(digits.images.ncols(), n), |_, p, j| INK * digits.images[(which[j], p)]),
            marks: Batch::from_fn(Shape::mat(CLASSES, n), |_, c, j| f64::from(u8::from(labels[j] == c))),
            labels,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.labels.len()
    }
}

/// The task.
pub(crate) struct Net {
    pub(crate) train: Images,
    pub(crate) validation: Images,
    pub(crate) test: Images,
    /// Rows and columns of each layer.
    pub(crate) layers: Vec<(usize, usize)>,
}

/// What is measured at a point.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Measured {
    pub(crate) train: f64,
    pub(crate) validation: f64,
    pub(crate) test: f64,
    pub(crate) accuracy: f64,
    /// The largest entry of `|W^T W - I|` over the layers.
    pub(crate) defect: f64,
}

impl Net {
    /// The digits, divided by the seed, and layers of these hidden sizes.
    ///
    /// # Errors
    /// Says which size does not fit.
    pub(crate) fn new(digits: &Digits, hidden: &[u16], seed: u64) -> Result<Self> {
        let mut order: Vec<usize> = (0..digits.images.nrows()).collect();
        order.shuffle(&mut rng(seed));
        if order.len() < 2 * (VALIDATION + TEST) {
            let found = format!("{} images are too few, expected at least {}", order.len(), 2 * (VALIDATION + TEST));
            return Err(Error::Flag {
                found,
                advice: "leave out `--data` and PULLBACK_DATA to use the built-in digits",
            });
        }
        let (test, rest) = order.split_at(TEST);
        let (validation, train) = rest.split_at(VALIDATION);
        let images = |which| Images::new(digits, which);
        let sizes: Vec<usize> = [digits.images.ncols()]
            .into_iter()
            .chain(hidden.iter().map(|h| usize::from(*h)))
            .chain([CLASSES])
            .collect();
        let layers: Vec<(usize, usize)> = sizes.windows(2).map(|w| (w[0], w[1])).collect();
        match layers.iter().find(|(p, d)| d > p) {
            Some((p, d)) => Err(Error::Flag {
                found: format!("a layer of {p}x{d} cannot have orthonormal columns"),
                advice: "give `--layers` sizes that do not grow",
            }),
            None => Ok(Net { train: images(train), validation: images(validation), test: images(test), layers }),
        }
    }

    /// The product of the Stiefel manifolds of all layers, or of the spaces around them.
    pub(crate) fn space(&self, orthogonal: bool) -> Product<Vec<Box<dyn Manifold>>> {
        let of = |&(p, d): &(usize, usize)| -> Box<dyn Manifold> {
            match orthogonal {
                true => Box::new(Stiefel::new(p, d).with(StiefelRetraction::Qr)),
                false => Box::new(Euclidean::new(p, d)),
            }
        };
        Product::new(self.layers.iter().map(of).collect())
    }

    /// The start with this number: uniformly random orthonormal columns.
    pub(crate) fn start(&self, which: u64, seed: u64) -> Vec<Batch> {
        let space = self.space(true);
        Manifold::<f64>::random_point(&space, 1, &mut rng(seed.wrapping_mul(0x10_0000).wrapping_add(which)))
    }

    /// Losses, accuracy and orthogonality.
    pub(crate) fn measure(&self, x: &[Batch]) -> Result<Measured> {
        let loss = |images: &Images| -> Result<(f64, Vec<usize>)> {
            let tape = Tape::plain();
            let w: Vec<Var<'_>> = x.iter().map(|b| tape.constant(b)).collect();
            let z = logits(&w, tape.constant(&images.ink));
            let loss = cross_entropy(z, tape.constant(&images.marks)) * (images.count() as f64).recip();
            tape.check().map_err(during("measuring a network"))?;
            let scores = z.value();
            let predicted = scores.data().chunks(CLASSES).map(|c| largest(c.iter().copied())).collect();
            Ok((loss.scalar(), predicted))
        };
        let (test, predicted) = loss(&self.test)?;
        Ok(Measured {
            train: loss(&self.train)?.0,
            validation: loss(&self.validation)?.0,
            test,
            accuracy: accuracy(&predicted, &self.test.labels),
            defect: x.iter().map(defect).fold(0.0, f64::max),
        })
    }
}

/// `W_k^T relu(... relu(W_1^T A))`.
fn logits<'t>(w: &[Var<'t>], a: Var<'t>) -> Var<'t> {
    let (last, others) = w.split_last().unwrap_or_else(|| unreachable!("a network has layers"));
    last.t_mul(others.iter().fold(a, |a, w| w.t_mul(a).relu()))
}

/// Summed over the images.
fn cross_entropy<'t>(logits: Var<'t>, marks: Var<'t>) -> Var<'t> {
    -logits.column_log_softmax().dot(marks)
}

/// The largest entry of `|W^T W - I|`.
fn defect(w: &Batch) -> f64 {
    let tape = Tape::plain();
    let w = tape.constant(w);
    let gram = w.t_mul(w).value();
    let n = gram.shape().rows;
    let entry = |(k, v): (usize, &f64)| (v - f64::from(u8::from(k % n == k / n))).abs();
    gram.data().iter().enumerate().map(entry).fold(0.0, f64::max)
}

impl Task for Net {
    /// Ink and marks, a minibatch for each member.
    type Data = (Batch, Batch);

    fn sample(&self, split: Split, members: &[Member]) -> (Batch, Batch) {
        let from = if split == Split::Train { &self.train } else { &self.validation };
        let draw = |m: &Member| {
            let mut rng = m.key.rng();
            (0..MINIBATCH).map(|_| rng.random_range(0..from.count())).collect::<Vec<_>>()
        };
        let which: Vec<usize> = members.iter().flat_map(draw).collect();
        let columns = |b: &Batch| {
            let rows = b.shape().rows;
            let data: Vec<f64> =
                which.iter().flat_map(|j| b.data()[j * rows..(j + 1) * rows].iter().copied()).collect();
            Batch::from_slice(Shape::batch(members.len(), rows, MINIBATCH), &data)
        };
        (columns(&from.ink), columns(&from.marks))
    }

    fn cost<'t>(&self, x: &[Var<'t>], (ink, marks): &(Batch, Batch)) -> Var<'t> {
        let tape = x[0].tape();
        cross_entropy(logits(x, tape.constant(ink)), tape.constant(marks)) * (MINIBATCH as f64).recip()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn small() -> Net {
        Net::new(&Digits::built_in().unwrap(), &[16, 12], 1).unwrap()
    }

    #[test]
    fn the_parts_are_disjoint_and_the_layers_have_the_sizes_asked_for() {
        let net = small();
        assert_eq!((net.train.count(), net.validation.count(), net.test.count()), (1000, 297, 500));
        assert_eq!(net.layers, [(64, 16), (16, 12), (12, 10)]);
        assert!(Net::new(&Digits::built_in().unwrap(), &[12, 16], 1).is_err());
    }

    #[test]
    fn the_loss_of_equal_logits_is_the_logarithm_of_the_classes() {
        let net = small();
        let zeros: Vec<Batch> = net.layers.iter().map(|(p, d)| Batch::zeros(Shape::mat(*p, *d))).collect();
        let m = net.measure(&zeros).unwrap();
        assert!((m.train - 10f64.ln()).abs() < 1e-12 && (m.test - 10f64.ln()).abs() < 1e-12);
        assert_eq!(m.defect, 1.0);
        let start = net.start(0, 3);
        assert!(net.measure(&start).unwrap().defect < 1e-14);
        assert_ne!(start, net.start(1, 3));
    }
}
