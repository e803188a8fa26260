//! The command `clustering`: one centre for each class of positive definite matrices. How optimisers are compared, and
//! where the matrices come from, is not known here.

use crate::cli::{ClusteringArgs, Network, Seen};
use crate::contest::looking::{Shows, Suited, in_turn};
use crate::contest::objective::{Objective, Part, Scores, accuracy, largest, minibatches, number};
use crate::contest::{self, About, Lessons, Places, Usual, contenders};
use crate::covariances::{Covariances, ORDER, Regions, kylberg, textures};
use crate::error::{Result, during};
use crate::files::named;
use crate::practice::{Practice, set_aside};
use crate::ranks::Crew;
use pullback::{Axis, Batch, Shape, Tape, Var};
use pullback_learned::Matrices;
use pullback_manifolds::{Manifold, Spd, SpdRetraction, rng};
use std::path::Path;

/// The task. A point is a batch with a centre for each class, and the cost is the mean squared distance of the matrices
/// to the centres of their classes in the affine-invariant metric. With `W = C^(-1/2)` a congruence by `W`, which is an
/// isometry, brings `C` to the identity, and the squared distance of `I` and `W M W` is `|log(W M W)|²`.
#[derive(Debug)]
struct Clustering {
    manifold: Spd,
    classes: usize,
    train: Regions,
    parts: Vec<Regions>,
    /// The matrices of each class, of all and of every minibatch.
    by_class: Vec<ByClass>,
    test: Regions,
    seed: u64,
}

#[derive(Debug)]
struct ByClass {
    all: Regions,
    parts: Vec<Regions>,
}

impl Clustering {
    fn new(data: Covariances, seed: u64) -> Self {
        let Covariances { train, test, classes, minibatch, .. } = data;
        let manifold = Spd::new(ORDER).with_retraction(SpdRetraction::Exponential);
        let parts: Vec<Regions> =
            minibatches(train.count(), minibatch, seed).iter().map(|which| train.some(which)).collect();
        let of = |regions: &Regions, class| {
            let own: Vec<usize> = (0..regions.count()).filter(|i| regions.labels[*i] == class).collect();
            let mut own = regions.some(&own);
            // The class is the only matrix of its point.
            own.labels.fill(0);
            own
        };
        let class = |c| ByClass { all: of(&train, c), parts: parts.iter().map(|p| of(p, c)).collect() };
        Clustering { manifold, classes, by_class: (0..classes).map(class).collect(), train, parts, test, seed }
    }
}

/// `|log(W M W)|²`, one number for each member.
fn squared_distances<'t>(w: Var<'t>, m: Var<'t>) -> Var<'t> {
    let l = (w * m * w).logm_spd();
    l.dot(l)
}

/// Squared distances of matrices to the centres of their classes, summed.
fn cost<'t>(regions: &Regions, centres: Var<'t>) -> Var<'t> {
    let own = centres.gather(Axis::Batch, &regions.labels);
    squared_distances(centres.tape().constant(&regions.whiteners), own).sum_batch()
}

/// The class of the nearest centre, for each matrix.
fn nearest(regions: &Regions, centres: &Batch) -> pullback::Result<Vec<usize>> {
    let tape = Tape::plain();
    let (w, m) = (tape.constant(&regions.whiteners), tape.constant(centres));
    let to: Vec<Batch> = (0..centres.shape().batch).map(|c| squared_distances(w, m.member(c)).value()).collect();
    tape.check()?;
    Ok((0..regions.count()).map(|i| largest(to.iter().map(|d| -d.data()[i]))).collect())
}

impl Objective for Clustering {
    fn manifold(&self) -> &dyn Manifold {
        &self.manifold
    }

    fn minibatches(&self) -> usize {
        self.parts.len()
    }

    /// A minibatch of `b` of `n` matrices, one of `m`, is weighted `m / n`: the mean over minibatches is that over
    /// matrices.
    fn cost<'t>(&self, x: Var<'t>, part: Part) -> Var<'t> {
        let n = self.train.count() as f64;
        match part {
            Part::All => cost(&self.train, x) * n.recip(),
            Part::Minibatch(k) => cost(&self.parts[k], x) * (self.parts.len() as f64 / n),
        }
    }

    fn kinds(&self) -> usize {
        self.classes
    }

    fn cost_of<'t>(&self, x: Var<'t>, class: usize, part: Part) -> Var<'t> {
        let (n, own) = (self.train.count() as f64, &self.by_class[class]);
        let (regions, weight) = match part {
            Part::All => (&own.all, n.recip()),
            Part::Minibatch(k) => (&own.parts[k], self.parts.len() as f64 / n),
        };
        // A small minibatch may have none of a class.
        if regions.count() == 0 { x.trace() * 0.0 } else { cost(regions, x) * weight }
    }

    fn test_loss(&self, x: &Batch) -> f64 {
        number(x, |x| cost(&self.test, x) * (self.test.count() as f64).recip())
    }

    fn shows(&self) -> Option<&dyn Shows> {
        Some(self)
    }

    /// The first start is the identity for every class, as in the papers; the others are random.
    fn start(&self, which: usize) -> Batch {
        let seed = self.seed.wrapping_mul(0x10_0000).wrapping_add(which as u64);
        match which {
            0 => Batch::from_fn(Shape::batch(self.classes, ORDER, ORDER), |_, i, j| f64::from(u8::from(i == j))),
            _ => self.manifold.random_point(self.classes, &mut rng(seed)).swap_remove(0),
        }
    }

    fn scores(&self, x: &Batch) -> Result<Scores> {
        let failed = during("distances to the centres");
        let of = |regions: &Regions| -> pullback::Result<f64> { Ok(accuracy(&nearest(regions, x)?, &regions.labels)) };
        Ok(Scores {
            test: self.test_loss(x),
            train_accuracy: of(&self.train).map_err(&failed)?,
            test_accuracy: of(&self.test).map_err(&failed)?,
        })
    }
}

/// Matrices that are shown of a minibatch for each class.
pub(crate) const SHOWN: usize = 32;

/// The covariances of the class, so that they are as large as centres are; the first ones again where a minibatch has
/// fewer, and zeros where it has none.
impl Shows for Clustering {
    fn suited(&self) -> Suited {
        Suited::Matrices(Matrices { order: ORDER, count: SHOWN })
    }

    fn shown(&self, class: usize, lot: usize) -> Batch {
        covariances(&self.by_class[class].parts[lot].whiteners, SHOWN)
    }
}

/// The covariances `(W^T W)^-1` of some whiteners, their entries in columns: so many, in turn.
pub(crate) fn covariances(whiteners: &Batch, count: usize) -> Batch {
    let (shape, tape) = (whiteners.shape(), Tape::plain());
    if shape.batch == 0 {
        return Batch::zeros(Shape::mat(shape.rows * shape.cols, count));
    }
    let w = tape.constant(whiteners);
    let all = w.t_mul(w).inverse().sym().value();
    let which = in_turn(&(0..shape.batch).collect::<Vec<_>>(), count);
    let each = shape.rows * shape.cols;
    Batch::from_fn(Shape::mat(each, count), |_, i, j| all.data()[which[j] * each + i])
}

/// The task of the command, and what its data are.
pub(crate) fn objective(folder: Option<&Path>, seed: u64) -> Result<(impl Objective, &'static str)> {
    let data = load(folder)?;
    let title = data.title;
    Ok((Clustering::new(data, seed), title))
}

/// Kylberg from a folder, or the built-in textures.
pub(crate) fn load(folder: Option<&Path>) -> Result<Covariances> {
    match folder {
        Some(folder) => kylberg(folder),
        None => textures(),
    }
}

/// Runs the command.
pub(crate) fn run(args: &ClusteringArgs, crew: &mut Crew) -> Result<()> {
    let (args, lessons) = (&args.contest, &args.lessons);
    *crew = Crew::new(&lessons.crew)?;
    let folder = named(args.data.as_deref());
    let data = load(folder.as_deref())?;
    let usual = Usual { networks: &NETWORKS, sees: if folder.is_some() { Seen::Euclidean } else { Seen::Riemannian } };
    let places = Places::open(args, "target/pullback/clustering", crew)?;
    let (title, origin) = (data.title, data.origin.clone());
    let (inner, aside) = set_aside(data.train.count(), args.seed);
    let (inner, aside) = (data.train.some(&inner), data.train.some(&aside));
    let of = |train: Regions| {
        let practice = Covariances { train, test: aside.clone(), origin: origin.clone(), ..data.clone() };
        Clustering::new(practice, args.seed)
    };
    let (inner, aside) = (of(inner), of(aside.clone()));
    let task = Clustering::new(data, args.seed);
    let about = About {
        command: "clustering",
        title: title.into(),
        origin,
        manifold: format!("{} for each class", Manifold::<f64>::name(&task.manifold)),
        loss: "squared affine-invariant distance to the centre of the class, mean over matrices",
        accuracy: "the class of the nearest centre",
        train: task.train.count(),
        test: task.test.count(),
        classes: task.classes,
        minibatches: task.parts.len(),
    };
    let lessons = Lessons::new(lessons, &usual, Practice { inner: &inner, aside: &aside });
    contest::hold(&task, about, &contenders::classical(args.quick), args, lessons, places, crew)
}

/// Who learns unless told otherwise.
///
/// What networks see is another matter. A proposed direction `n^` is converted to `X sym(n^) X`, and the size of `n^`
/// is that of the gradient that is seen. Only one of the size of the Euclidean gradient becomes a tangent of the size
/// of the Riemannian one. Where `X` is large, as the centres of Kylberg are (eigenvalues of 30 to 2500), seeing the
/// Riemannian gradient throws nearly every matrix out of the training; where `X` is small, as those of the built-in
/// textures are, it makes proposals timid, which does no harm.
const NETWORKS: [Network; 3] = [Network::MatrixLstm, Network::GmLstm, Network::Equivariant];

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiples of the identity: `C = 1, 4, 16`, so `W = 1, 1/2, 1/4`.
    fn tiny() -> Regions {
        let w = [1.0, 0.5, 0.25].map(|s| {
            let mut w = [0.0; ORDER * ORDER];
            (0..ORDER).for_each(|i| w[i * (ORDER + 1)] = s);
            w
        });
        Regions { whiteners: Batch::from_slice(Shape::batch(3, ORDER, ORDER), &w.concat()), labels: vec![0, 0, 1] }
    }

    #[test]
    fn the_cost_and_the_accuracy_are_those_of_a_hand_made_case() {
        let multiple = |s: f64| move |i: usize, j: usize| if i == j { s } else { 0.0 };
        let centres = Batch::from_fn(Shape::batch(2, ORDER, ORDER), |c, i, j| multiple([1.0, 8.0][c])(i, j));
        let tape = Tape::plain();
        // Distances of logarithms of the multiples, in each of five directions: 0, ln 4, ln 2.
        let expected = 5.0 * (4f64.ln().powi(2) + 2f64.ln().powi(2));
        let found: f64 = cost(&tiny(), tape.constant(&centres)).scalar();
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        // 4 is nearer to 8 than to 1: one of three is wrong.
        let classes = nearest(&tiny(), &centres).unwrap();
        assert_eq!(classes, [0, 1, 1]);
        assert_eq!(accuracy(&classes, &tiny().labels), 2.0 / 3.0);
    }

    #[test]
    fn the_mean_over_minibatches_is_the_mean_over_matrices() {
        let task = Clustering::new(textures().unwrap(), 1);
        let x = task.start(1);
        let tape = Tape::plain();
        let of = |part| -> f64 { task.cost(tape.constant(&x), part).scalar() };
        assert_eq!(task.minibatches(), 9);
        let mean = (0..9).map(|k| of(Part::Minibatch(k))).sum::<f64>() / 9.0;
        assert!((mean - of(Part::All)).abs() < 1e-12 * mean);
        // The papers' start.
        assert!(task.start(0).member(2).norm_l2() - 5f64.sqrt() < 1e-15);
    }
}
