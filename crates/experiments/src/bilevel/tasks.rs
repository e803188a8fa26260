//! The bilevel tasks on built-in data: what is minimised inside, what is judged outside, where both begin, and what is
//! reported of the parameters. How derivatives are taken is not known here.

use super::args::TaskName;
use super::problem::{Cost, Problem};
use crate::contest::objective::largest;
use crate::covariances::{ORDER, textures};
use crate::data::Digits;
use crate::error::{Result, during};
use pullback::{Axis, Batch, Shape, Tape, Var};
use pullback_manifolds::{Manifold, Spd, SpdRetraction, Stiefel, StiefelRetraction, gaussian, rng};
use rand::seq::SliceRandom;

/// A task: a problem for every outer step, where they begin, and what is said of parameters.
pub(crate) trait Task {
    /// For the report.
    fn about(&self) -> About;
    /// The problem of outer step `k`.
    fn problem(&self, k: u64) -> Problem;
    /// Where its loop begins.
    fn start(&self, k: u64) -> Batch;
    /// The first parameters.
    fn parameters(&self) -> Batch;
    /// What parameters are worth on data that nothing was learned from: `score` in words of [`About`].
    ///
    /// # Errors
    /// The first failure of a loop.
    fn test(&self, phi: &Batch) -> Result<Score>;
}

/// What a task is.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct About {
    pub(crate) name: TaskName,
    pub(crate) title: &'static str,
    pub(crate) inner: String,
    pub(crate) outer: &'static str,
    /// What `extra` is.
    pub(crate) extra: &'static str,
    /// Steps of the loop that is taken for the truth.
    pub(crate) reference: usize,
    /// Inner steps of the learning.
    pub(crate) learning: usize,
    /// The length of the first outer step.
    pub(crate) rate: f64,
}

/// What is reported of parameters.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Score {
    /// The outer loss on test data.
    pub(crate) loss: f64,
    pub(crate) extra: f64,
}

/// A task by its name.
pub(crate) fn task(name: TaskName, seed: u64) -> Result<Box<dyn Task>> {
    Ok(match name {
        TaskName::Penalties => Box::new(Penalties::new(seed)?),
        TaskName::FewShot => Box::new(FewShot::new(seed)?),
        TaskName::Weights => Box::new(Weights::new(seed)?),
    })
}

/// Images in columns and a 1 in the row of the class, a batch of sets of images.
#[derive(Debug, Clone)]
struct Images {
    a: Batch,
    marks: Batch,
}

impl Images {
    /// Sets of images of the digits `classes`, `of[b][j]` being an image's number and its place among the classes.
    fn new(digits: &Digits, of: &[Vec<(usize, usize)>], classes: usize) -> Self {
        let (pixels, n) = (digits.images.ncols(), of[0].len());
        Images {
            a: Batch::from_fn(Shape::batch(of.len(), pixels, n), |b, p, j| digits.images[(of[b][j].0, p)]),
            marks: Batch::from_fn(Shape::batch(of.len(), classes, n), |b, c, j| f64::from(u8::from(of[b][j].1 == c))),
        }
    }

    /// The mean cross-entropy of the logits, one number for each set.
    fn cross_entropy<'t>(&self, logits: Var<'t>) -> Var<'t> {
        let n = self.marks.shape().cols as f64;
        logits.column_log_softmax().dot(logits.tape().constant(&self.marks)) * -n.recip()
    }

    /// Which part of the images has its largest logit in the right row.
    fn accuracy(&self, logits: &Batch) -> f64 {
        let rows = self.marks.shape().rows;
        let columns = logits.data().chunks(rows).zip(self.marks.data().chunks(rows));
        let place = |c: &[f64]| largest(c.iter().copied());
        let right = columns.clone().filter(|(z, m)| place(z) == place(m)).count();
        right as f64 / columns.count() as f64
    }
}

/// Logits are this much of `X^T a` for pixels in 0..1: orthonormal columns cannot grow by themselves.
const GAIN: f64 = 4.0;

/// A penalty for every pixel on leaving the class means. Inside: `CE(4 X^T A) + sum_i e^(phi_i) |row i of X - X0|² / 2`
/// over `X` in St(64, 10), for 100 digits, with the orthonormal frame `X0` nearest to their class means; outside: the
/// cross-entropy of 300 others.
struct Penalties {
    train: Images,
    validation: Images,
    test: Images,
    start: Batch,
}

impl Penalties {
    fn new(seed: u64) -> Result<Self> {
        let digits = Digits::built_in()?;
        let mut order: Vec<usize> = (0..digits.images.nrows()).collect();
        order.shuffle(&mut rng(seed));
        let some = |which: &[usize]| {
            let of = which.iter().map(|i| (*i, usize::from(digits.labels[*i]))).collect();
            Images::new(&digits, &[of], 10)
        };
        let train = some(&order[..100]);
        let tape = Tape::plain();
        let start = tape.constant(&train.a).mul_t(tape.constant(&train.marks)).polar().0.value();
        tape.check().map_err(during("the frame of the class means"))?;
        Ok(Penalties { train, validation: some(&order[100..400]), test: some(&order[400..900]), start })
    }

    fn judged(images: &Images) -> Cost {
        let images = images.clone();
        boxed(move |x, _| images.cross_entropy(x.t_mul(&images.a) * GAIN))
    }
}

impl Task for Penalties {
    fn about(&self) -> About {
        About {
            name: TaskName::Penalties,
            title: "Penalties of pixels for leaving the class means, an orthogonal classifier of digits",
            inner: "cross-entropy of 100 digits plus a weighted distance to their class means, over St(64, 10); 64 parameters"
                .into(),
            outer: "cross-entropy of 300 other digits",
            extra: "test accuracy",
            reference: 4000,
            learning: 200,
            // A penalty of e^2 would be as much as steps of 0.2 bear.
            rate: 0.3,
        }
    }
    fn problem(&self, _: u64) -> Problem {
        let (train, centre) = (self.train.clone(), self.start.clone());
        Problem {
            manifold: Box::new(Stiefel::new(64, 10).with(StiefelRetraction::Polar)),
            step: 0.2,
            inner: boxed(move |x, phi| {
                let away = x - x.tape().constant(&centre);
                let rows = away.hadamard(away).row_sums();
                train.cross_entropy(x.t_mul(&train.a) * GAIN) + phi.exp().dot(rows) * 0.5
            }),
            outer: Self::judged(&self.validation),
        }
    }
    fn start(&self, _: u64) -> Batch {
        self.start.clone()
    }
    fn parameters(&self) -> Batch {
        Batch::from_fn(Shape::mat(64, 1), |_, _, _| -1.0)
    }
    fn test(&self, phi: &Batch) -> Result<Score> {
        let problem = Problem { outer: Self::judged(&self.test), ..self.problem(0) };
        let end = problem.run(&self.start, phi, self.about().reference / 4).map_err(during("testing penalties"))?;
        let logits = Tape::plain().constant(&end.point).t_mul(&self.test.a).value();
        Ok(Score { loss: end.value, extra: self.test.accuracy(&logits) })
    }
}

/// A closure as a cost: names the lifetimes that closures do not infer.
fn boxed(f: impl for<'t> Fn(Var<'t>, Var<'t>) -> Var<'t> + 'static) -> Cost {
    Box::new(f)
}

/// Features `tanh(W^T a)` that are shared, and a head `X` in St(16, 5) for each of eight episodes of five classes with
/// five examples. Inside: `CE(4 X^T F) + |X - X0|² / 4` on the support; outside: the mean cross-entropy of ten queries
/// for each class. Episodes are of the digits 0 to 4 with their order shuffled; tests are of 5 to 9.
struct FewShot {
    digits: Digits,
    of_class: Vec<Vec<usize>>,
    centre: Batch,
    seed: u64,
}

const EPISODES: usize = 8;
const WAYS: usize = 5;
const SHOTS: usize = 5;
const QUERIES: usize = 10;
const FEATURES: usize = 16;
/// Half of the weight of the distance to the centre.
const PULL: f64 = 0.25;

impl FewShot {
    fn new(seed: u64) -> Result<Self> {
        let digits = Digits::built_in()?;
        let of = |c: usize| (0..digits.labels.len()).filter(|i| usize::from(digits.labels[*i]) == c).collect();
        let of_class = (0..10).map(of).collect();
        let centre = Stiefel::new(FEATURES, WAYS).random_point(1, &mut rng(seed ^ 1)).swap_remove(0);
        Ok(FewShot { digits, of_class, centre, seed })
    }

    /// Support and queries of eight episodes of the classes from `first`.
    fn episodes(&self, first: usize, key: u64) -> (Images, Images) {
        let rng = &mut rng(self.seed.wrapping_mul(0x10_0000).wrapping_add(key));
        let (mut support, mut queries) = (vec![], vec![]);
        for _ in 0..EPISODES {
            let mut order: Vec<usize> = (first..first + WAYS).collect();
            order.shuffle(rng);
            let (mut s, mut q) = (vec![], vec![]);
            for (place, class) in order.into_iter().enumerate() {
                let mut images = self.of_class[class].clone();
                images.shuffle(rng);
                s.extend(images[..SHOTS].iter().map(|i| (*i, place)));
                q.extend(images[SHOTS..SHOTS + QUERIES].iter().map(|i| (*i, place)));
            }
            support.push(s);
            queries.push(q);
        }
        (Images::new(&self.digits, &support, WAYS), Images::new(&self.digits, &queries, WAYS))
    }

    fn on(&self, support: Images, queries: Images) -> Problem {
        let centre = self.centre.clone();
        let inner = boxed(move |x, w| {
            let away = x - x.tape().constant(&centre);
            support.cross_entropy(logits(x, w, &support)) + away.dot(away) * PULL
        });
        let outer = boxed(move |x, w| queries.cross_entropy(logits(x, w, &queries)).sum() * (EPISODES as f64).recip());
        let manifold = Box::new(Stiefel::new(FEATURES, WAYS).with(StiefelRetraction::Polar));
        Problem { manifold, step: 0.1, inner, outer }
    }
}

/// `4 X^T tanh(W^T A)`
fn logits<'t>(x: Var<'t>, w: Var<'t>, images: &Images) -> Var<'t> {
    x.t_mul(w.t_mul(&images.a).tanh()) * GAIN
}

impl Task for FewShot {
    fn about(&self) -> About {
        About {
            name: TaskName::FewShot,
            title: "Few-shot learning, orthogonal heads on shared features of digits",
            inner: format!(
                "cross-entropy of {WAYS} classes with {SHOTS} examples and a pull to a centre, over St({FEATURES}, {WAYS}) for each of {EPISODES} episodes; {} parameters",
                64 * FEATURES
            ),
            outer: "cross-entropy of queries",
            extra: "accuracy on classes never seen",
            reference: 1500,
            learning: 30,
            rate: 0.3,
        }
    }
    fn problem(&self, k: u64) -> Problem {
        let (support, queries) = self.episodes(0, k);
        self.on(support, queries)
    }
    fn start(&self, _: u64) -> Batch {
        let one = self.centre.shape();
        Batch::from_slice(Shape { batch: EPISODES, ..one }, &self.centre.data().repeat(EPISODES))
    }
    fn parameters(&self) -> Batch {
        let w: Batch = gaussian(Shape::mat(64, FEATURES), &mut rng(self.seed ^ 2));
        // Eight is the root of 64 pixels.
        Batch::from_fn(w.shape(), |_, i, j| w.data()[j * 64 + i] / 8.0)
    }
    fn test(&self, phi: &Batch) -> Result<Score> {
        let (mut loss, mut accuracy) = (0.0, 0.0);
        for k in 0..TESTS {
            let (support, queries) = self.episodes(WAYS, u64::MAX - k);
            let problem = self.on(support, queries.clone());
            let end = problem.run(&self.start(0), phi, 200).map_err(during("testing features"))?;
            let tape = Tape::plain();
            let scores = logits(tape.constant(&end.point), tape.constant(phi), &queries).value();
            loss += end.value / TESTS as f64;
            accuracy += queries.accuracy(&scores) / TESTS as f64;
        }
        Ok(Score { loss, extra: accuracy })
    }
}

/// Batches of episodes that tests are made of.
const TESTS: u64 = 10;

/// Weights of 36 covariances, of which 12 are of another texture. Inside: the centre, `sum softmax(phi)_i d²(M, C_i)`
/// over SPD(5); outside: the mean squared distance of 40 clean ones to it.
struct Weights {
    train: Batch,
    validation: Batch,
    test: Batch,
}

const CLEAN: usize = 24;
const OTHERS: usize = 12;

impl Weights {
    fn new(seed: u64) -> Result<Self> {
        let data = textures()?;
        let drawn = |class: usize, from: &crate::covariances::Regions| {
            let mut which: Vec<usize> = (0..from.count()).filter(|i| from.labels[*i] == class).collect();
            which.shuffle(&mut rng(seed ^ (class as u64 + 1)));
            which
        };
        let (right, wrong) = (drawn(0, &data.train), drawn(1, &data.train));
        let train = [&right[..CLEAN], &wrong[..OTHERS]].concat();
        Ok(Weights {
            train: data.train.some(&train).whiteners,
            validation: data.train.some(&right[CLEAN..CLEAN + 40]).whiteners,
            test: data.test.some(&drawn(0, &data.test)).whiteners,
        })
    }

    fn judged(of: &Batch) -> Cost {
        let of = of.clone();
        boxed(move |m, _| squares(&of, m).sum() * (of.shape().batch as f64).recip())
    }
}

/// `|log(W M W)|²` for each `W = C^(-1/2)`, in a column.
fn squares<'t>(w: &Batch, m: Var<'t>) -> Var<'t> {
    let n = w.shape().batch;
    let (w, m) = (m.tape().constant(w), m.gather(Axis::Batch, &vec![0; n]));
    let l = (w * m * w).logm_spd();
    l.dot(l).reshape_batch(Shape::mat(n, 1))
}

impl Task for Weights {
    fn about(&self) -> About {
        About {
            name: TaskName::Weights,
            title: "Weights of covariances, a third of them of another texture",
            inner: format!(
                "weighted squared distances to {} covariances, over SPD(5); {} parameters",
                CLEAN + OTHERS,
                CLEAN + OTHERS
            ),
            outer: "mean squared distance of 40 clean ones to the centre",
            extra: "weight of the wrong ones",
            reference: 400,
            learning: 30,
            rate: 1.0,
        }
    }
    fn problem(&self, _: u64) -> Problem {
        let train = self.train.clone();
        Problem {
            manifold: Box::new(Spd::new(ORDER).with_retraction(SpdRetraction::Exponential)),
            step: 0.1,
            inner: boxed(move |m, phi| squares(&train, m).dot(phi.column_log_softmax().exp())),
            outer: Self::judged(&self.validation),
        }
    }
    /// The covariance of the first region.
    fn start(&self, _: u64) -> Batch {
        let tape = Tape::plain();
        let c = tape.constant(&self.train.member(0)).inverse();
        (c * c).sym().value()
    }
    fn parameters(&self) -> Batch {
        Batch::zeros(Shape::mat(CLEAN + OTHERS, 1))
    }
    fn test(&self, phi: &Batch) -> Result<Score> {
        let problem = Problem { outer: Self::judged(&self.test), ..self.problem(0) };
        let end = problem.run(&self.start(0), phi, self.about().reference).map_err(during("testing weights"))?;
        let weights = Tape::plain().constant(phi).column_log_softmax().exp().value();
        Ok(Score { loss: end.value, extra: weights.data()[CLEAN..].iter().sum() })
    }
}
