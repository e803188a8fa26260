//! What a worker does: from parameters and a job to a contribution. It keeps nothing but buffers, so any worker gives
//! the same bits for the same job. What becomes of contributions is in `learner.rs`.

use crate::inner::InnerLoop;
use crate::keys::{Key, Purpose};
use crate::options::{OnSuspect, TrainingOptions};
use crate::pool::{Entry, join, members};
use crate::steps::finite;
use crate::task::{Member, Split, Task};
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var};
use pullback_implicit::{Certificate, Derivative, Estimator, Iteration, Sensitivity};
use pullback_manifolds::Manifold;
use pullback_optim::Numbers;
use serde::{Deserialize, Serialize};

/// The settings that all jobs of a run have in common.
#[derive(Debug, Clone)]
pub struct Setup<'a, L, K, T: Scalar = f64> {
    /// The inner loop.
    pub inner: L,
    /// The manifold of the points.
    pub manifold: &'a dyn Manifold<T>,
    /// The task.
    pub task: &'a K,
    /// The options of the training.
    pub options: TrainingOptions,
}

/// The members of one step of training, in groups. Plain data: it can be sent anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Job<T: Scalar = f64> {
    /// Which step of the training.
    pub step: usize,
    /// Steps of the inner loops.
    pub horizon: usize,
    /// The members, by groups. The first number of each tells its random numbers from others'.
    pub groups: Vec<Vec<(u64, Entry<T>)>>,
}

/// A member that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Which member of the job.
    pub member: u64,
    /// The instance of the task that it belonged to.
    pub instance: u64,
    /// What failed, in words.
    pub why: String,
}

/// The contribution of a group to a step of training: sums over members. Plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Contribution<T: Scalar = f64> {
    /// The sum of the members' meta-gradients, a matrix for each leaf of the parameters; empty if no member counts.
    pub gradient: Numbers<T>,
    /// How many members are in it.
    pub used: usize,
    /// The sum of their outer losses after the loop.
    pub loss: f64,
    /// The sum of their outer losses before it, on the same data.
    pub before: f64,
    /// The members after the loop, to be returned to the pool.
    pub arrived: Vec<Entry<T>>,
    /// Members that failed, each run alone.
    pub dropped: Vec<Dropped>,
    /// The contraction that each certificate saw.
    pub rho: Vec<f64>,
    /// Certificates whose series was cut off.
    pub truncated: usize,
    /// Meta-gradients that could not be trusted, whatever was done about them.
    pub suspect: usize,
    /// The most bytes the tapes held.
    pub bytes: usize,
}

impl<T: Scalar> Default for Contribution<T> {
    fn default() -> Self {
        Contribution {
            gradient: Numbers::default(),
            used: 0,
            loss: 0.0,
            before: 0.0,
            arrived: vec![],
            dropped: vec![],
            rho: vec![],
            truncated: 0,
            suspect: 0,
            bytes: 0,
        }
    }
}

/// The result of an estimator for an inner loop whose state is the matrices of the points, then the further leaves.
pub type Compared<P> = pullback_implicit::Result<Derivative<Vec<Batch<<P as Leaves>::Scalar>>, P>>;

/// Buffers for estimating. Make one for each thread.
#[derive(Debug)]
pub struct Worker<T: Scalar = f64> {
    tapes: Sensitivity<T>,
    plain: Tape<T>,
}

impl<T: Scalar> Default for Worker<T> {
    fn default() -> Self {
        Worker { tapes: Sensitivity::new(), plain: Tape::new() }
    }
}

type Drawn<T> = (u64, Entry<T>);

impl<T: Scalar> Worker<T> {
    /// A worker.
    pub fn new() -> Self {
        Self::default()
    }

    /// The contribution of one group of a job.
    ///
    /// If the group fails (its loop diverges, its cost has no value), each member is run alone, and those that fail
    /// alone are left out and named.
    pub fn estimate<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        setup: &Setup<'_, L, K, T>,
        params: &L::Params,
        job: &Job<T>,
        group: usize,
    ) -> Contribution<T> {
        let drawn = &job.groups[group];
        let mut out = Contribution::default();
        if self.add(setup, params, job, drawn, &mut out).is_err() {
            out = Contribution::default();
            for one in drawn {
                if let Err(why) = self.add(setup, params, job, std::slice::from_ref(one), &mut out) {
                    out.dropped.push(Dropped { member: one.0, instance: one.1.instance, why: why.to_string() });
                }
            }
        }
        shorten(&mut out, setup.options.clip_each);
        out
    }

    /// What one estimator says about all members of a job at once.
    pub(crate) fn ask<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        setup: &Setup<'_, L, K, T>,
        params: &L::Params,
        job: &Job<T>,
        drawn: &[Drawn<T>],
        how: Estimator,
    ) -> Compared<L::Params> {
        let group = Group::new(setup, job, drawn);
        self.tapes.derivative(&group, &group.start, params, job.horizon, how)
    }

    fn add<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        setup: &Setup<'_, L, K, T>,
        params: &L::Params,
        job: &Job<T>,
        drawn: &[Drawn<T>],
        out: &mut Contribution<T>,
    ) -> pullback_implicit::Result<()> {
        let group = Group::new(setup, job, drawn);
        let steps = job.horizon;
        let before = self.before(&group)?;
        let mut found = whole(self.tapes.derivative(&group, &group.start, params, steps, setup.options.estimator))?;
        let suspect = is_suspect(&found.certificate);
        let mut counts = true;
        match setup.options.on_suspect {
            OnSuspect::FallBack(other) if suspect => {
                found = whole(self.tapes.derivative(&group, &group.start, params, steps, other))?;
            }
            OnSuspect::Skip if suspect => counts = false,
            _ => {}
        }
        let arrived = self.end(&group, &found.state)?;
        if let Some((_, value)) = found.gradient.batches().iter().find_map(Batch::first_non_finite) {
            return Err(pullback_implicit::Error::Diverged { steps, member: 0, leaf: 0, value: value.f64() });
        }
        out.suspect += usize::from(suspect);
        out.rho.extend(found.certificate.rho);
        out.truncated += usize::from(found.certificate.truncated);
        out.bytes = out.bytes.max(found.bytes);
        out.arrived.extend(arrived);
        if counts {
            out.used += drawn.len();
            out.loss += found.value;
            out.before += before;
            sum(&mut out.gradient, found.gradient.batches());
        }
        Ok(())
    }

    /// The outer loss at the start.
    fn before<L: InnerLoop<K::Data, T>, K: Task<T>>(&mut self, g: &Group<'_, '_, L, K, T>) -> pullback::Result<f64> {
        self.plain.clear();
        let x: Vec<Var<'_, T>> = g.start[..g.points].iter().map(|b| self.plain.constant(b)).collect();
        let loss = g.setup.task.outer(&x, &g.validation()).sum();
        self.plain.check()?;
        Ok(loss.scalar().f64())
    }

    /// The members where they arrived.
    fn end<L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        g: &Group<'_, '_, L, K, T>,
        state: &[Batch<T>],
    ) -> pullback::Result<Vec<Entry<T>>> {
        self.plain.clear();
        let z: Vec<Var<'_, T>> = state.iter().map(|b| self.plain.constant(b)).collect();
        let (x, beside) = z.split_at(g.points);
        let x = g.setup.inner.end(g.setup.manifold, x, beside);
        self.plain.check()?;
        let x: Vec<Batch<T>> = x.iter().map(Var::value).collect();
        finite(&x)?;
        let kept = if g.setup.options.keep_state { &state[g.points..] } else { &[] };
        let entry = |b: usize, instance| Entry { point: members(&x, b), state: members(kept, b), instance };
        Ok(g.members.iter().enumerate().map(|(b, m)| entry(b, m.1)).collect())
    }
}

/// The derivative of all members; a failure of one is that of the group, whose members are then run alone.
fn whole<Z, P>(found: pullback_implicit::Result<Derivative<Z, P>>) -> pullback_implicit::Result<Derivative<Z, P>> {
    let found = found?;
    found.failures.first().map_or(Ok(()), |(_, e)| Err(e.clone()))?;
    Ok(found)
}

/// Is a meta-gradient with this certificate no estimate of anything?
fn is_suspect(c: &Certificate) -> bool {
    c.truncated || c.rho.is_some_and(|rho| rho.is_nan() || rho >= 1.0)
}

pub(crate) fn sum<T: Scalar>(to: &mut Numbers<T>, from: Vec<Batch<T>>) {
    if to.is_empty() {
        to.0 = from;
        return;
    }
    to.combine(1.0, 1.0, &from);
}

/// Brings the mean gradient of a contribution to at most `limit`.
fn shorten<T: Scalar>(c: &mut Contribution<T>, limit: Option<f64>) {
    let Some(limit) = limit else { return };
    let norm = c.gradient.dot(&c.gradient.0).sqrt() / c.used.max(1) as f64;
    if norm > limit {
        c.gradient.scale(limit / norm);
    }
}

/// The inner loop of some members as an iteration: the state is the matrices of the points, then what moves beside
/// them.
struct Group<'s, 'a, L, K, T: Scalar> {
    setup: &'s Setup<'a, L, K, T>,
    /// Matrices of a point.
    points: usize,
    start: Vec<Batch<T>>,
    /// Number and instance of each member.
    members: Vec<(u64, u64)>,
    train: Key,
    valid: Key,
}

impl<'s, 'a, T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>> Group<'s, 'a, L, K, T> {
    fn new(setup: &'s Setup<'a, L, K, T>, job: &Job<T>, drawn: &[Drawn<T>]) -> Self {
        let key = |purpose| Key::new(setup.options.seed, purpose).at(job.step as u64);
        let entries = || drawn.iter().map(|(_, e)| e);
        let one: Vec<Shape> = drawn[0].1.point.iter().map(Batch::shape).collect();
        let mut start: Vec<Batch<T>> =
            one.iter().enumerate().map(|(k, shape)| join(*shape, entries().map(|e| &e.point[k]))).collect();
        for (k, fresh) in setup.inner.begin(&one).iter().enumerate() {
            start.push(join(fresh.shape(), entries().map(|e| e.state.get(k).unwrap_or(fresh))));
        }
        Group {
            setup,
            points: one.len(),
            start,
            members: drawn.iter().map(|(id, e)| (*id, e.instance)).collect(),
            train: key(Purpose::Train),
            valid: key(Purpose::Validation),
        }
    }

    fn members(&self, key: Key) -> Vec<Member> {
        self.members.iter().map(|&(id, instance)| Member { instance, key: key.at(id) }).collect()
    }

    /// The minibatch of step `t`, drawn when it is needed.
    fn minibatch(&self, t: usize) -> K::Data {
        let t = if self.setup.options.fresh_batches { t as u64 } else { 0 };
        self.setup.task.sample(Split::Train, &self.members(self.train.at(t)))
    }

    fn validation(&self) -> K::Data {
        self.setup.task.sample(Split::Validation, &self.members(self.valid))
    }
}

impl<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>> Iteration for Group<'_, '_, L, K, T> {
    type State = Vec<Batch<T>>;
    type Params = L::Params;

    fn step<'t>(
        &self,
        _: &'t Tape<T>,
        z: Vec<Var<'t, T>>,
        phi: <L::Params as Leaves>::Vars<'t>,
        t: usize,
    ) -> Vec<Var<'t, T>> {
        let Setup { inner, manifold, task, options } = self.setup;
        let data = self.minibatch(t);
        let (x, beside) = z.split_at(self.points);
        let free = inner.tangents(self.points);
        let frozen =
            |(k, s): (usize, &Var<'t, T>)| if options.freeze_state && k >= free { s.stop_gradient() } else { *s };
        let beside: Vec<Var<'t, T>> = beside.iter().enumerate().map(frozen).collect();
        let (next, kept) = inner.step(*manifold, &phi, x, &beside, t, &|x| task.cost(x, &data), &data);
        next.into_iter().chain(kept).collect()
    }

    /// The sum over members: sums of groups can be added.
    fn outer<'t>(&self, _: &'t Tape<T>, z: Vec<Var<'t, T>>, _: <L::Params as Leaves>::Vars<'t>) -> Var<'t, T> {
        let (x, beside) = z.split_at(self.points);
        let x = self.setup.inner.end(self.setup.manifold, x, beside);
        self.setup.task.outer(&x, &self.validation()).sum()
    }

    fn project<'t>(&self, _: &'t Tape<T>, z: Vec<Var<'t, T>>, mut v: Vec<Var<'t, T>>) -> Vec<Var<'t, T>> {
        let (m, n) = (self.setup.manifold, self.points);
        let tangents = self.setup.inner.tangents(n).min(v.len() - n);
        for part in [0..n, n..n + tangents] {
            if part.len() == n {
                let projected = m.project(&z[..n], &v[part.clone()]);
                v[part].iter_mut().zip(projected).for_each(|(to, from)| *to = from);
            }
        }
        v
    }
}
