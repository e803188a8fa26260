//! One row of a table, measured in a process of its own: `pullback-experiments tables-row` prints it as JSON. Which
//! rows there are, and what is said about them, is elsewhere.
//!
//! *Seconds* are processor time of the thread on Linux (`CLOCK_THREAD_CPUTIME_ID`), else time of the clock, of the
//! fastest of several runs; the first has to ask the system for its memory, the others find it in the tapes' pools.
//! *Tapes* are the bytes that the tapes of the derivative held at most. *Held* is the most that was allocated at once
//! during the first run, counted by the allocator: data, parameters, the inner loop, minibatches, recordings and
//! results. *Process* is `VmHWM` of `/proc/self/status`, the most that was resident since the process began; nothing
//! is reset, since a process measures one row.

use super::args::{How, RowArgs};
use super::clock::{Clock, processor};
use super::printed::Work;
use super::question::{Centres, Classifier, Components, Inner};
use crate::covariances::{ORDER, Regions};
use crate::data::Digits;
use crate::error::{Result, during};
use crate::faces::examples;
use crate::files::named;
use crate::memory::resident;
use pullback::{Batch, Leaves, Shape, Tape, Var, VarTree};
use pullback_implicit::{Derivative, Estimator, Iteration, Sensitivity, agreement};
use pullback_learned::{
    Descent, Each, GmLstm, GmLstmOptions, InnerLoop, OnTangent, Rmm, RmmOptions, RmmParams, RmmStep, Task, Update,
};
use pullback_manifolds::{Grassmann, Manifold, Retraction, Spd, SpdRetraction, Stiefel, StiefelRetraction, rng};

/// Terms of the series after the first, as in the papers.
const TERMS: usize = 5;
/// Components: columns of a point.
const COLUMNS: usize = 16;
/// Points side by side for principal components, as in the papers, and for faces.
const MEMBERS: (usize, usize) = (10, 8);
/// Scales of steps: somewhat below the step that is best for gradient descent on the built-in data.
const STEPS: (f64, f64, f64) = (0.05, 0.005, 0.02);
/// The network's share of a direction: enough to matter, and the loop still descends.
const SHARE: f64 = 0.1;
/// Runs stop when they took so many seconds together, or are so many. Tests look at bytes, not at times.
const ENOUGH: (f64, usize) = if cfg!(test) { (0.0, 1) } else { (2.0, 200) };
/// A run that took longer is not repeated; any other is at least once.
const LONG: f64 = 60.0;

/// What was measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Row {
    pub(crate) work: Work,
    pub(crate) how: How,
    /// `T`.
    pub(crate) steps: usize,
    /// Time to the inner solution, where the derivative begins with it.
    pub(crate) inner_seconds: Option<f64>,
    /// Time of the meta-gradient; the loop is part of it where it is recorded.
    pub(crate) seconds: f64,
    /// How many runs that is the fastest of.
    pub(crate) runs: usize,
    /// The most bytes that the derivative's tapes held.
    pub(crate) tapes: usize,
    /// The most bytes that were allocated at once.
    pub(crate) held: u64,
    /// The most MiB that were resident, and how many before the loop ran. None where the system does not say.
    pub(crate) process: Option<f64>,
    pub(crate) process_before: Option<f64>,
    /// Operations that were recorded.
    pub(crate) operations: usize,
    /// Parameters of the optimiser.
    pub(crate) parameters: usize,
    /// Points and shape.
    pub(crate) problem: String,
    /// The outer loss, a sum over members.
    pub(crate) value: f64,
    /// The verdict of the certificate, its estimate of the relative error, and the contraction that it saw.
    pub(crate) verdict: Option<String>,
    pub(crate) error: Option<f64>,
    pub(crate) rho: Option<f64>,
    /// Of an unroll: cosine and relative error of the implicit meta-gradient for the same loop.
    pub(crate) agreement: Option<(f64, f64)>,
    /// Processor time of the whole process, where the system tells it.
    pub(crate) processor: Option<f64>,
}

/// Measures a row and prints it.
pub(crate) fn run(args: &RowArgs) -> Result<()> {
    let mut row = measured(args)?;
    row.processor = processor().map(|ns| ns as f64 * 1e-9);
    println!("{}", serde_json::to_string(&row)?);
    Ok(())
}

/// The row.
pub(crate) fn measured(args: &RowArgs) -> Result<Row> {
    match args.work {
        Work::Components => components(args),
        Work::Faces => faces(args),
        Work::Clustering => clustering(args),
    }
}

/// What a call returns, and the bytes that it keeps.
fn counted<T>(f: impl FnOnce() -> T) -> (T, allocation_counter::AllocationInfo) {
    let mut out = None;
    let info = allocation_counter::measure(|| out = Some(f()));
    (out.unwrap_or_else(|| unreachable!("the closure was run")), info)
}

fn components(args: &RowArgs) -> Result<Row> {
    let (task, info) = counted(|| -> Result<Components> {
        let digits = Digits::built_in()?;
        let (n, p) = (digits.images.nrows(), digits.images.ncols());
        Ok(Components { images: Batch::from_fn(Shape::mat(p, n), |_, i, j| digits.images[(j, i)]) })
    });
    let task = task?;
    let m = Grassmann::new(task.images.shape().rows, COLUMNS).with(Retraction::Polar);
    tall(args, &task, &m, MEMBERS.0, STEPS.0, info.bytes_current)
}

fn faces(args: &RowArgs) -> Result<Row> {
    let (task, info) = counted(|| -> Result<Classifier> {
        let (images, marks) = examples(named(args.data.as_deref()).as_deref(), args.seed)?;
        Ok(Classifier { images, marks })
    });
    let task = task?;
    let (p, d) = (task.images.shape().rows, task.marks.shape().rows);
    let m = Stiefel::new(p, d).with(StiefelRetraction::Polar);
    // Grey values of faces are up to 255, of digits up to 16; one point is enough for 75 million parameters.
    let (members, step) = if p > 64 { (1, STEPS.1 * (16.0f64 / 255.0).powi(2)) } else { (MEMBERS.1, STEPS.1) };
    tall(args, &task, &m, members, step, info.bytes_current)
}

/// A task whose points are tall matrices, with the generalised matrix LSTM of the papers: the step network is 1024
/// wide.
fn tall<K: Task>(args: &RowArgs, task: &K, m: &dyn Manifold, members: usize, step: f64, before: i64) -> Result<Row> {
    let shape = m.shapes()[0];
    let options = GmLstmOptions {
        hidden: 1024,
        start_as_descent: false,
        output_scale: SHARE,
        ..GmLstmOptions::new(shape.rows, shape.cols)
    };
    let update = Update::new(step);
    let network = Each::new(GmLstm::new(options), update);
    let (params, info) = counted(|| network.init(&mut rng(args.seed ^ 1)));
    let start = m.random_point(members, &mut rng(args.seed ^ 2)).swap_remove(0);
    let ask = Ask { args, task, m, start, before: before + info.bytes_current };
    match args.how {
        // The gradient-free loop takes its steps from a tangent that is one step long.
        How::GradientFree => {
            let rule = network.rule.clone();
            let params = (params, vec![]);
            ask.about(OnTangent::new(rule, Update { c: 1.0 / args.steps as f64, ..update }, step), &params)
        }
        _ => ask.about(Descent(network), &params),
    }
}

fn clustering(args: &RowArgs) -> Result<Row> {
    let (task, info) = counted(|| -> Result<Centres> {
        let data = crate::clustering::load(named(args.data.as_deref()).as_deref())?;
        let of = |c: usize| {
            let all: &Regions = &data.train;
            all.some(&(0..all.count()).filter(|i| all.labels[*i] == c).collect::<Vec<_>>()).whiteners
        };
        Ok(Centres { classes: (0..data.classes).map(of).collect() })
    });
    let task = task?;
    let m = Spd::new(ORDER).with_retraction(SpdRetraction::Exponential);
    let options = RmmOptions { normalise_state: true, start_as_descent: false, ..RmmOptions::new(ORDER) };
    let network = Each::new(Rmm::new(options), Update::new(STEPS.2));
    let (params, kept) = counted(|| {
        let mut params: RmmParams = network.init(&mut rng(args.seed ^ 1));
        let RmmStep { weight2, bias2, .. } = &mut params.step;
        for b in [&mut params.direction.head, weight2, bias2] {
            b.data_mut().iter_mut().for_each(|v| *v *= SHARE);
        }
        params
    });
    let before = info.bytes_current + kept.bytes_current;
    let members = task.classes.len();
    let identity = Batch::from_fn(Shape::batch(members, ORDER, ORDER), |_, i, j| f64::from(u8::from(i == j)));
    Ask { args, task: &task, m: &m, start: identity, before }.about(Descent(network), &params)
}

/// What is asked, whatever the loop.
struct Ask<'a, K> {
    args: &'a RowArgs,
    task: &'a K,
    m: &'a dyn Manifold,
    start: Batch,
    /// Bytes that were allocated before the loop.
    before: i64,
}

impl<K: Task> Ask<'_, K> {
    /// Measures a loop.
    fn about<L: InnerLoop<K::Data>>(&self, inner: L, params: &L::Params) -> Result<Row> {
        let Ask { args, task, m, .. } = *self;
        let (steps, members) = (args.steps as usize, self.start.shape().batch);
        let mut it = Inner { inner, manifold: m, task, members, from: 0, one_batch: args.one_batch, seed: args.seed };
        let start = it.start(self.start.clone());
        let process_before = resident();
        let (Timed { inner_seconds, seconds, found }, info, runs) = self.timed(&mut it, &start, params)?;
        let process = resident();
        let certificate = (args.how == How::Implicit).then_some(&found.certificate);
        let shape = start[0].shape();
        Ok(Row {
            work: args.work,
            how: args.how,
            steps,
            inner_seconds,
            seconds,
            runs,
            tapes: found.bytes,
            held: info.bytes_max + u64::try_from(self.before).unwrap_or(0),
            process,
            process_before,
            operations: found.operations,
            parameters: params.shapes().iter().map(Shape::len).sum(),
            problem: format!("{members} points of {}x{}", shape.rows, shape.cols),
            value: found.value,
            verdict: certificate.map(|c| c.verdict.to_string()),
            error: certificate.and_then(|c| c.error).map(|e| e / length(&found.gradient)),
            rho: certificate.and_then(|c| c.rho),
            agreement: match args.how {
                How::Unroll => Some(agreed(&mut it, &start, params, steps, &found.gradient)?),
                _ => None,
            },
            processor: None,
        })
    }

    /// Runs the derivative once, counting bytes, and then a few times for its time.
    fn timed<L: InnerLoop<K::Data>>(
        &self,
        it: &mut Inner<'_, L, K>,
        start: &Vec<Batch>,
        params: &L::Params,
    ) -> Result<(Timed<L::Params>, allocation_counter::AllocationInfo, usize)> {
        let steps = self.args.steps as usize;
        let how = self.args.how;
        let (mut once, mut more) = (Repeat::new(true), Repeat::new(false));
        let (mut plain, mut on) = (Tape::plain(), Sensitivity::new());
        let mut ask = |repeat: &mut Repeat| match how {
            How::Implicit => given(&mut plain, &mut on, it, start, params, steps, repeat),
            How::Checkpointed => {
                whole(&mut on, it, start, params, steps, Estimator::Checkpointed { snapshots: None }, repeat)
            }
            How::Unroll | How::GradientFree => whole(&mut on, it, start, params, steps, Estimator::Unroll, repeat),
        };
        let failed = during("the meta-gradient of a row");
        let (timed, info) = counted(|| ask(&mut once));
        let mut first = timed.map_err(&failed)?;
        if first.seconds <= LONG {
            let again = ask(&mut more).map_err(&failed)?;
            first = Timed {
                inner_seconds: first.inner_seconds.zip(again.inner_seconds).map(|(a, b)| a.min(b)),
                seconds: first.seconds.min(again.seconds),
                found: again.found,
            };
        }
        Ok((first, info, once.runs + more.runs))
    }
}

/// The length of a tree of matrices.
fn length<P: Leaves<Scalar = f64>>(tree: &P) -> f64 {
    tree.batches().iter().flat_map(|b| b.data()).map(|v| v * v).sum::<f64>().sqrt()
}

/// A derivative and its time.
struct Timed<P> {
    inner_seconds: Option<f64>,
    seconds: f64,
    found: Derivative<Vec<Batch>, P>,
}

/// How often something is run.
struct Repeat {
    once: bool,
    /// Runs of the derivative that were made.
    runs: usize,
}

impl Repeat {
    fn new(once: bool) -> Self {
        Repeat { once, runs: 0 }
    }

    /// The fastest of several runs, and what the last returned.
    fn fastest<T>(
        &mut self,
        mut f: impl FnMut() -> pullback_implicit::Result<T>,
    ) -> pullback_implicit::Result<(T, f64)> {
        let (mut best, mut all) = (f64::INFINITY, 0.0);
        self.runs = 0;
        loop {
            let clock = Clock::start();
            let out = f()?;
            let seconds = clock.seconds();
            (best, all) = (best.min(seconds), all + seconds);
            self.runs += 1;
            if self.once || all >= ENOUGH.0 || self.runs >= ENOUGH.1 {
                return Ok((out, best));
            }
        }
    }
}

/// The derivative of the whole loop.
fn whole<L: InnerLoop<K::Data>, K: Task>(
    on: &mut Sensitivity,
    it: &Inner<'_, L, K>,
    start: &Vec<Batch>,
    params: &L::Params,
    steps: usize,
    how: Estimator,
    repeat: &mut Repeat,
) -> pullback_implicit::Result<Timed<L::Params>> {
    let (found, seconds) = repeat.fastest(|| on.derivative(it, start, params, steps, how))?;
    Ok(Timed { inner_seconds: None, seconds, found })
}

/// The loop, then the derivative at the solution that it reached: the last step is recorded, the others are not.
fn given<L: InnerLoop<K::Data>, K: Task>(
    plain: &mut Tape,
    on: &mut Sensitivity,
    it: &mut Inner<'_, L, K>,
    start: &[Batch],
    params: &L::Params,
    steps: usize,
    repeat: &mut Repeat,
) -> pullback_implicit::Result<Timed<L::Params>> {
    let (before, inner_seconds) = repeat.fastest(|| reach(plain, it, start, params, steps - 1))?;
    it.from = steps - 1;
    let how = Estimator::FixedPoint { terms: TERMS };
    let found = repeat.fastest(|| on.derivative(it, &before, params, 1, how));
    it.from = 0;
    let (found, seconds) = found?;
    Ok(Timed { inner_seconds: Some(inner_seconds), seconds, found })
}

/// How well the implicit meta-gradient agrees with another one of the same loop.
fn agreed<L: InnerLoop<K::Data>, K: Task>(
    it: &mut Inner<'_, L, K>,
    start: &[Batch],
    params: &L::Params,
    steps: usize,
    truth: &L::Params,
) -> Result<(f64, f64)> {
    let (mut plain, mut on) = (Tape::plain(), Sensitivity::new());
    let found = given(&mut plain, &mut on, it, start, params, steps, &mut Repeat::new(true))
        .map_err(during("the implicit meta-gradient beside an unroll"))?;
    let a = agreement(&found.found.gradient, truth);
    Ok((a.cosine, a.relative_error))
}

/// The state after so many steps, in constant memory.
fn reach<L: InnerLoop<K::Data>, K: Task>(
    tape: &mut Tape,
    it: &Inner<'_, L, K>,
    start: &[Batch],
    params: &L::Params,
    steps: usize,
) -> pullback_implicit::Result<Vec<Batch>> {
    tape.clear();
    let tape = &*tape;
    let z: Vec<Var<'_>> = start.iter().map(|b| tape.constant(b)).collect();
    let mut list = Vec::new();
    params.visit("", &mut |_, m| list.push(tape.constant(m)));
    let phi = params.bind_all(&list);
    let mut t = 0;
    let z = tape.iterate(z, steps, |z| {
        let next = it.step(tape, z, phi.map(&mut |v| v), t);
        t += 1;
        next
    });
    tape.check()?;
    Ok(z.iter().map(Var::value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(work: Work, how: How, steps: u32) -> Row {
        measured(&RowArgs { work, how, steps, seed: 3, one_batch: false, data: None }).unwrap()
    }

    #[test]
    fn what_is_held_does_not_grow_with_the_loop_but_with_an_unroll() {
        for work in Work::ALL {
            // The first row of a process also pays for the workspaces that kernels keep.
            row(work, How::Implicit, 5);
            let [a, b, c] = [5, 9, 17].map(|t| row(work, How::Implicit, t));
            assert_eq!((a.tapes, a.operations), (b.tapes, b.operations), "{work:?}");
            assert_eq!((b.tapes, b.operations), (c.tapes, c.operations), "{work:?}");
            assert_eq!((a.held, b.held), (b.held, c.held), "{work:?}");
            // An unroll grows by the same bytes at every step, beside what is there once.
            let [a, b, c] = [5, 10, 20].map(|t| row(work, How::Unroll, t));
            let (five, ten) = ((b.tapes - a.tapes) as f64, (c.tapes - b.tapes) as f64);
            assert!((ten / five - 2.0).abs() < 0.05 && c.tapes as f64 > 2.5 * a.tapes as f64, "{a:?} {b:?} {c:?}");
            assert!(b.operations > a.operations && c.operations > b.operations, "{a:?} {b:?} {c:?}");
        }
    }

    #[test]
    fn the_series_at_a_given_solution_is_that_of_the_whole_loop() {
        let args =
            RowArgs { work: Work::Clustering, how: How::Implicit, steps: 12, seed: 3, one_batch: false, data: None };
        let found = measured(&args).unwrap();
        assert!(found.inner_seconds.unwrap() > 0.0 && found.verdict.is_some());
        // The outer loss is the same number, wherever the recording began.
        let unrolled = row(Work::Clustering, How::Unroll, 12);
        assert!((found.value - unrolled.value).abs() < 1e-12 * found.value.abs());
        let (cosine, error) = unrolled.agreement.unwrap();
        assert!(cosine.abs() <= 1.0 + 1e-12 && error.is_finite());
    }
}
