//! The command `faces`: an orthogonal linear classifier on a Stiefel manifold, on Extended Yale B or, built in, digits.
//! How optimisers are compared is not known here.

use crate::cli::{FacesArgs, Network, Seen};
use crate::contest::looking::{Shows, Suited, in_turn};
use crate::contest::objective::{Objective, Part, Scores, accuracy, largest, minibatches, number};
use crate::contest::{self, About, Lessons, Places, Usual, contenders};
use crate::data::Digits;
use crate::error::Result;
use crate::files::{DataFile, DataFolder, classes_of, named};
use crate::practice::{Practice, set_aside};
use crate::ranks::Crew;
use pullback::{Batch, Shape, Var};
use pullback_experiments::arrays::{Bytes, Shorts};
use pullback_learned::Labelled;
use pullback_manifolds::{Manifold, Stiefel, StiefelRetraction, rng};
use std::path::Path;

const IMAGES: DataFile = DataFile {
    name: "images_32_u8.npy",
    format: "NumPy .npy, unsigned bytes (|u1), C order, n x 32 x 32, grey values 0..255",
};
const LABELS: DataFile = DataFile {
    name: "labels_1to38_u8.npy",
    format: "NumPy .npy, unsigned bytes (|u1), n labels 1..38, one for each image, all of them among the training images",
};
const TRAIN: DataFile = DataFile {
    name: "split_train_idx_u16.npy",
    format: "NumPy .npy, unsigned 16-bit integers (<u2), the rows of the training images, each at most once",
};
const TEST: DataFile = DataFile {
    name: "split_test_idx_u16.npy",
    format: "NumPy .npy, unsigned 16-bit integers (<u2), the rows of the test images, none of them a training image",
};
const ORIGIN: &str = "the cropped Extended Yale Face Database B (Georghiades, Belhumeur & Kriegman 2001; Lee, Ho & Kriegman 2005), \
    for research, scaled to 32x32, with the split of the papers (50 images of each person to train on)";
const PERSONS: usize = 38;
/// Images of a minibatch in the papers.
const MINIBATCH: usize = 64;
/// Which part of the digits is held out.
const HELD_OUT: f64 = 500.0 / 1797.0;

/// Images in columns, with their classes.
#[derive(Debug, Clone)]
struct Examples {
    /// Grey values: pixels x images.
    grey: Batch,
    /// A 1 in the row of the class: classes x images.
    marks: Batch,
    labels: Vec<usize>,
}

impl Examples {
    /// The images with these numbers.
    fn new(
        pixels: usize,
        classes: usize,
        which: &[usize],
        grey: impl Fn(usize, usize) -> f64,
        labels: &[usize],
    ) -> Self {
        let labels: Vec<usize> = which.iter().map(|i| labels[*i]).collect();
        let marks = Batch::from_fn(Shape::mat(classes, which.len()), |_, c, j| f64::from(u8::from(labels[j] == c)));
        Examples { grey: Batch::from_fn(Shape::mat(pixels, which.len()), |_, i, j| grey(which[j], i)), marks, labels }
    }

    fn count(&self) -> usize {
        self.labels.len()
    }

    fn some(&self, which: &[usize]) -> Self {
        let (pixels, n) = (self.grey.shape().rows, self.marks.shape().rows);
        let grey = |i: usize, p: usize| self.grey.data()[i * pixels + p];
        Examples::new(pixels, n, which, grey, &self.labels)
    }

    /// Cross-entropies of `X^T a`, summed over the images: `sum_i (log sum_c exp z_ci - z_(y_i) i)` with `Z = X^T A`.
    fn cross_entropy<'t>(&self, x: Var<'t>) -> Var<'t> {
        -x.t_mul(&self.grey).column_log_softmax().dot(&self.marks)
    }

    /// The class with the largest entry of `X^T a`, for each image.
    fn predicted(&self, x: &Batch) -> Vec<usize> {
        let scores = pullback::Tape::plain().constant(x).t_mul(&self.grey).value();
        let classes = scores.shape().rows;
        scores.data().chunks(classes).map(|column| largest(column.iter().copied())).collect()
    }
}

/// The task: the mean cross-entropy over images.
#[derive(Debug)]
struct Faces {
    manifold: Stiefel,
    train: Examples,
    parts: Vec<Examples>,
    test: Examples,
    /// The largest grey value of a training image.
    white: f64,
    seed: u64,
}

impl Faces {
    fn new(train: Examples, test: Examples, seed: u64) -> Self {
        let manifold = Stiefel::new(train.grey.shape().rows, train.marks.shape().rows).with(StiefelRetraction::Polar);
        let parts = minibatches(train.count(), MINIBATCH, seed).iter().map(|which| train.some(which)).collect();
        let white = train.grey.data().iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        Faces { manifold, train, parts, test, white, seed }
    }
}

impl Objective for Faces {
    fn manifold(&self) -> &dyn Manifold {
        &self.manifold
    }

    fn minibatches(&self) -> usize {
        self.parts.len()
    }

    /// A minibatch of `b` of `n` images, one of `m`, is weighted `m / n`: the mean over minibatches is that over
    /// images.
    fn cost<'t>(&self, x: Var<'t>, part: Part) -> Var<'t> {
        let n = self.train.count() as f64;
        match part {
            Part::All => self.train.cross_entropy(x) * n.recip(),
            Part::Minibatch(k) => self.parts[k].cross_entropy(x) * (self.parts.len() as f64 / n),
        }
    }

    fn test_loss(&self, x: &Batch) -> f64 {
        number(x, |x| self.test.cross_entropy(x) * (self.test.count() as f64).recip())
    }

    fn shows(&self) -> Option<&dyn Shows> {
        Some(self)
    }

    /// A uniformly random frame, as in the papers.
    fn start(&self, which: usize) -> Batch {
        let seed = self.seed.wrapping_mul(0x10_0000).wrapping_add(which as u64);
        self.manifold.random_point(1, &mut rng(seed)).swap_remove(0)
    }

    fn scores(&self, x: &Batch) -> Result<Scores> {
        Ok(Scores {
            test: self.test_loss(x),
            train_accuracy: accuracy(&self.train.predicted(x), &self.train.labels),
            test_accuracy: accuracy(&self.test.predicted(x), &self.test.labels),
        })
    }
}

/// Pixels between 0 and 1, and below them a 1 in the row of the class. Where a minibatch has fewer images than the
/// features are for, its first ones are shown again.
impl Shows for Faces {
    fn suited(&self) -> Suited {
        let (pixels, classes) = (self.train.grey.shape().rows, self.train.marks.shape().rows);
        Suited::Labelled(Labelled { pixels, classes, images: MINIBATCH, columns: classes })
    }

    fn shown(&self, _: usize, lot: usize) -> Batch {
        let (part, pixels) = (&self.parts[lot], self.train.grey.shape().rows);
        let which = in_turn(&(0..part.count()).collect::<Vec<_>>(), MINIBATCH);
        let classes = self.train.marks.shape().rows;
        Batch::from_fn(Shape::mat(pixels + classes, MINIBATCH), |_, i, j| match i.checked_sub(pixels) {
            None => part.grey.data()[which[j] * pixels + i] / self.white,
            Some(class) => f64::from(u8::from(part.labels[which[j]] == class)),
        })
    }
}

/// The training images in columns, and a 1 in the row of the class of each.
pub(crate) fn examples(folder: Option<&Path>, seed: u64) -> Result<(Batch, Batch)> {
    let (_, _, train, _) = load(folder, seed)?;
    Ok((train.grey, train.marks))
}

/// The task of the command, and what its data are.
pub(crate) fn objective(folder: Option<&Path>, seed: u64) -> Result<(impl Objective, &'static str)> {
    let (title, _, train, test) = load(folder, seed)?;
    Ok((Faces::new(train, test, seed), title))
}

/// Extended Yale B from a folder, or the built-in digits.
fn load(folder: Option<&Path>, seed: u64) -> Result<Loaded> {
    match folder {
        Some(folder) => yale(folder),
        None => digits(seed),
    }
}

/// Runs the command.
pub(crate) fn run(args: &FacesArgs, crew: &mut Crew) -> Result<()> {
    let (args, lessons) = (&args.contest, &args.lessons);
    *crew = Crew::new(&lessons.crew)?;
    let (title, origin, train, test) = load(named(args.data.as_deref()).as_deref(), args.seed)?;
    let places = Places::open(args, "target/pullback/faces", crew)?;
    let (inner, aside) = set_aside(train.count(), args.seed);
    let (inner, aside) = (train.some(&inner), train.some(&aside));
    let inner = Faces::new(inner, aside.clone(), args.seed);
    let aside = Faces::new(aside.clone(), aside, args.seed);
    let task = Faces::new(train, test, args.seed);
    // A matrix LSTM for 1024x38 points has as many weights as 75 million numbers are.
    let small = Manifold::<f64>::shapes(&task.manifold)[0].len() <= LARGEST;
    let usual = Usual { networks: if small { &DEFAULT } else { &DEFAULT[..2] }, sees: Seen::Riemannian };
    let about = About {
        command: "faces",
        title: title.into(),
        origin,
        manifold: Manifold::<f64>::name(&task.manifold),
        loss: "cross-entropy of X^T a, mean over images, grey values as they are, no bias",
        accuracy: "the class with the largest entry of X^T a",
        train: task.train.count(),
        test: task.test.count(),
        classes: task.train.marks.shape().rows,
        minibatches: task.parts.len(),
    };
    let lessons = Lessons::new(lessons, &usual, Practice { inner: &inner, aside: &aside });
    contest::hold(&task, about, &contenders::classical(args.quick), args, lessons, places, crew)
}

/// Who learns unless told otherwise; the last of them only where points have no more entries than this.
const DEFAULT: [Network; 3] = [Network::Subspace, Network::SubspaceFree, Network::GmLstm];
const LARGEST: usize = 4096;

/// Title, origin, training and test examples.
type Loaded = (&'static str, String, Examples, Examples);

/// The built-in digits: 1297 to train on and 500 to test, by the seed.
fn digits(seed: u64) -> Result<Loaded> {
    use rand::seq::SliceRandom;
    let digits = Digits::built_in()?;
    let (n, pixels) = (digits.images.nrows(), digits.images.ncols());
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rng(seed));
    let (train, test) = order.split_at(n - (n as f64 * HELD_OUT).round() as usize);
    let labels: Vec<usize> = digits.labels.iter().map(|l| usize::from(*l)).collect();
    // Ink 0..16, as in the file: the papers do not scale their images either.
    let grey = |i: usize, p: usize| digits.images[(i, p)] * 16.0;
    let some = |which: &[usize]| Examples::new(pixels, 10, which, grey, &labels);
    Ok(("Handwritten digits, 8x8, by an orthogonal linear classifier", digits.origin.clone(), some(train), some(test)))
}

/// Extended Yale B with the papers' split.
fn yale(folder: &Path) -> Result<Loaded> {
    let folder = DataFolder::new(folder, "yaleb32", &IMAGES, ORIGIN);
    let files = [IMAGES, LABELS, TRAIN, TEST].map(|f| folder.bytes(&f));
    let [images, labels, train, test] = files;
    let (images, labels) = (images?, labels?);
    let Bytes { shape, entries: grey } = Bytes::from_npy(&images).map_err(|e| folder.wrong(&IMAGES, e.to_string()))?;
    let (n, pixels) = match shape[..] {
        [n, 32, 32] if n > 0 => (n, 32 * 32),
        _ => return Err(folder.wrong(&IMAGES, format!("it holds an array of shape {shape:?}"))),
    };
    let Bytes { shape, entries } = Bytes::from_npy(&labels).map_err(|e| folder.wrong(&LABELS, e.to_string()))?;
    if shape != [n] {
        return Err(folder.wrong(&LABELS, format!("it holds an array of shape {shape:?} for {n} images")));
    }
    let labels = classes_of(entries, PERSONS).map_err(|e| folder.wrong(&LABELS, e))?;
    let (train, test) = (rows(&folder, &TRAIN, &train?, n)?, rows(&folder, &TEST, &test?, n)?);
    if let Some(both) = test.iter().find(|i| train.contains(i)) {
        return Err(folder.wrong(&TEST, format!("row {both} is among the training images too")));
    }
    if let Some(c) = (0..PERSONS).find(|c| !train.iter().any(|i| labels[*i] == *c)) {
        return Err(folder.wrong(&LABELS, format!("no training image has the label {}", c + 1)));
    }
    let value = |i: usize, p: usize| f64::from(grey[i * pixels + p]);
    let some = |which: &[usize]| Examples::new(pixels, PERSONS, which, value, &labels);
    Ok(("Faces of 38 persons, 32x32, by an orthogonal linear classifier", folder.shown(), some(&train), some(&test)))
}

/// The numbers of rows in a file of the split.
fn rows(folder: &DataFolder, file: &DataFile, bytes: &[u8], n: usize) -> Result<Vec<usize>> {
    let Shorts { shape, entries } = Shorts::from_npy(bytes).map_err(|e| folder.wrong(file, e.to_string()))?;
    if shape.len() != 1 || entries.is_empty() {
        return Err(folder.wrong(file, format!("it holds an array of shape {shape:?}")));
    }
    let mut seen = vec![false; n];
    for row in &entries {
        match seen.get_mut(usize::from(*row)) {
            None => return Err(folder.wrong(file, format!("it names row {row} of {n} images"))),
            Some(true) => return Err(folder.wrong(file, format!("it names row {row} twice"))),
            Some(new) => *new = true,
        }
    }
    Ok(entries.into_iter().map(usize::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback::Tape;

    /// Three images of two pixels, two classes.
    fn tiny() -> Examples {
        let grey = [[2.0, 0.0], [0.0, 1.0], [1.0, 3.0]];
        Examples::new(2, 2, &[0, 1, 2], |i, p| grey[i][p], &[0, 1, 0])
    }

    #[test]
    fn cross_entropy_and_accuracy_are_those_of_a_hand_made_case() {
        let (e, x) = (tiny(), Batch::of(&pullback::faer::mat![[1.0, 0.0], [0.0, 1.0]]));
        assert_eq!(e.predicted(&x), [0, 1, 1]);
        assert_eq!(accuracy(&e.predicted(&x), &e.labels), 2.0 / 3.0);
        let tape = Tape::plain();
        let found: f64 = e.cross_entropy(tape.constant(&x)).scalar();
        let expected = (1.0 + (-2f64).exp()).ln() + (1.0 + (-1f64).exp()).ln() + (1.0 + 2f64.exp()).ln();
        assert!((found - expected).abs() < 1e-14, "{found} {expected}");
    }

    #[test]
    fn the_mean_over_minibatches_is_the_mean_over_images() {
        let (_, _, train, test) = digits(3).unwrap();
        assert_eq!((train.count(), test.count()), (1297, 500));
        let task = Faces::new(train, test, 3);
        let x = task.start(0);
        let tape = Tape::plain();
        let cost = |part| -> f64 { task.cost(tape.constant(&x), part).scalar() };
        let m = task.minibatches();
        assert_eq!(m, 21);
        let mean = (0..m).map(|k| cost(Part::Minibatch(k))).sum::<f64>() / m as f64;
        assert!((mean - cost(Part::All)).abs() < 1e-12 * mean);
        // Other starts are other points, and the same number is the same point.
        assert!(task.start(1) != x && task.start(0) == x);
    }
}
