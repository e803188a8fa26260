//! A training over the ranks of MPI: rank 0 is the learner, the others are workers. Bytes travel here; what they mean
//! is in `message.rs`. Draw, estimate and apply are those of `train.rs`, and every rank may have threads of its own.
//!
//! No wait of the learner is without an end, except within a transfer: it sends from a buffer, and looks for answers
//! instead of waiting in MPI for them.

use crate::Error;
use crate::inner::InnerLoop;
use crate::learner::Progress;
use crate::message::{self, Message};
use crate::rank_error::RankError;
use crate::task::Task;
use crate::train::Training;
use crate::worker::{Contribution, Job, Setup};
use mpi::environment::Universe;
use mpi::traits::{Communicator, Destination, MatchedReceiveVec, Source};
use mpi::{Threading, initialize_with_threading};
use pullback::{Batch, Leaves, Scalar, Shape};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long an answer may take where nothing else is said.
const LIMIT: Duration = Duration::from_secs(600);
/// What MPI adds to a message in the buffer, generously.
const BESIDE: usize = 4096;
/// Looks without a pause, and the pause from then on.
const LOOKS: usize = 2000;
const PAUSE: Duration = Duration::from_micros(200);

/// The processes of a training: the ranks of MPI's world. Rank 0 learns, the others work for it.
///
/// Every process runs the same program up to the training. Then rank 0 takes [steps](Ranks::step) and the others
/// [serve](Ranks::serve):
///
/// ```no_run
/// # use pullback_learned::*;
/// # fn train<L: InnerLoop<K::Data>, K: Task>(mut training: Training<'_, L, K>) -> Result<(), Error> {
/// let mut ranks = Ranks::start()?;
/// if !ranks.is_learner() {
///     return ranks.serve(&mut training);
/// }
/// for _ in 0..1000 {
///     let _progress = ranks.step(&mut training)?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// **The same bits.** Contributions are applied in the order of the job's groups, so that any number of ranks of one
/// kind of machine gives the parameters of [`Training::step`] to the bit.
///
/// **Failures.** A member that fails is left out as it is on a thread. A rank that fails says so, and a rank that does
/// not answer within the [time limit](Ranks::time_limit) is named: both are typed errors of the step. A process that
/// dies is first of all noticed by `mpirun`, which names it and ends all others, unless it is told to go on
/// (`--enable-recovery` of Open MPI).
///
/// **One training after the other.** Rank 0 says with [`release`](Ranks::release) that a training is over; the others
/// come back from [`serve`](Ranks::serve) and may serve the next one. Dropping it on rank 0 tells them that there is no
/// more to come.
pub struct Ranks {
    /// There until it is dropped.
    universe: Option<Universe>,
    rank: usize,
    size: usize,
    limit: Duration,
    /// What ended the training.
    broken: Option<RankError>,
    /// Has this worker heard, or said, that there is no more to come?
    over: bool,
    /// Has this worker been released from its last training?
    released: bool,
}

/// What a worker is to do after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    Released,
    Over,
}

impl Ranks {
    /// Begins MPI. Without `mpirun` there is one rank, which does everything itself.
    ///
    /// # Errors
    /// [`RankError::Start`] if MPI was begun before in this process, or cannot live beside threads.
    pub fn start() -> Result<Self, Error> {
        let begun = initialize_with_threading(Threading::Funneled);
        let (universe, threads) = begun.ok_or(RankError::Start("it was begun before in this process"))?;
        if threads < Threading::Funneled {
            return Err(
                RankError::Start("expected a library that allows threads beside it, got one that does not").into()
            );
        }
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        Ok(Ranks { universe: Some(universe), rank, size, limit: LIMIT, broken: None, over: false, released: false })
    }

    /// How long the learner waits for the answers to a job; ten minutes at first. Give several times what a step
    /// takes: the first includes whatever a rank does before it [serves](Ranks::serve).
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Which rank this process is, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Is this rank 0, which draws, applies, prints and writes?
    pub fn is_learner(&self) -> bool {
        self.rank == 0
    }

    /// One step of training, as [`Training::step`], with the groups of its job shared among the ranks.
    ///
    /// # Errors
    /// As [`Training::step`] and [`Ranks::estimate`].
    pub fn step<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        training: &mut Training<'_, L, K, T>,
    ) -> Result<Progress, Error> {
        let job = training.draw()?;
        let found = self.estimate(training, &job)?;
        Ok(training.apply(&job, found))
    }

    /// On rank 0: this training is over, and the others may go on to the next one. Elsewhere it does nothing.
    pub fn release(&mut self) {
        if let (true, None, Some(universe)) = (self.is_learner(), &self.broken, &self.universe) {
            let world = universe.world();
            (1..self.size).for_each(|rank| world.process_at_rank(rank as i32).send(&message::released()[..]));
        }
    }

    /// The contributions of all groups of a job, in their order: as [`Training::estimate`]. Group `k` belongs to rank
    /// `(k + 1) mod size`, so that rank 0, which has other work too, has the fewest.
    ///
    /// # Errors
    /// [`Error::Rank`]. After it the job's members have left the pool, and every later call gives the same error: go on
    /// in new processes, from a checkpoint.
    pub fn estimate<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        training: &mut Training<'_, L, K, T>,
        job: &Job<T>,
    ) -> Result<Vec<Contribution<T>>, Error> {
        if let Some(why) = &self.broken {
            return Err(why.clone().into());
        }
        if !self.is_learner() {
            return Err(RankError::Role { expected: "0", got: self.rank }.into());
        }
        let found = self.share(training, job);
        if let Err(why) = &found {
            self.broken = Some(why.clone());
        }
        Ok(found?)
    }

    fn share<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        training: &mut Training<'_, L, K, T>,
        job: &Job<T>,
    ) -> Result<Vec<Contribution<T>>, RankError> {
        let busy: Vec<usize> = (1..self.size).filter(|&rank| self.groups(job, rank).next().is_some()).collect();
        let begun = Instant::now();
        self.send_jobs(training, job, &busy)?;
        // Where a transfer needs the learner's help it has it now, and not after its own groups.
        for (rank, said) in self.answers::<T>(&busy, begun)? {
            expect(matches!(said, Message::Taken), rank, "the word that the job has arrived", &said)?;
        }
        let mut shares = vec![training.estimate(&self.part(job, 0))];
        shares.resize_with(self.size, Vec::new);
        for (rank, said) in self.answers::<T>(&busy, begun)? {
            let expected = self.groups(job, rank).count();
            let Message::Found(share) = said else { return Err(unexpected(rank, "contributions", &said)) };
            if share.len() != expected {
                let got = format!("{} from rank {rank}", share.len());
                return Err(RankError::Message { expected: format!("{expected} contributions"), got });
            }
            shares[rank] = share;
        }
        let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
        // Every share has the groups of its rank in their order.
        Ok((0..job.groups.len()).filter_map(|k| shares[self.owner(k)].next()).collect())
    }

    /// The rank that estimates a group.
    fn owner(&self, group: usize) -> usize {
        (group + 1) % self.size
    }

    fn groups<T: Scalar>(&self, job: &Job<T>, rank: usize) -> impl Iterator<Item = usize> + use<T> {
        let size = self.size;
        (0..job.groups.len()).filter(move |k| (k + 1) % size == rank)
    }

    /// A rank's part of a job.
    fn part<T: Scalar>(&self, job: &Job<T>, rank: usize) -> Job<T> {
        let groups = self.groups(job, rank).map(|k| job.groups[k].clone()).collect();
        Job { step: job.step, horizon: job.horizon, groups }
    }

    /// Sends without waiting for anybody. Earlier jobs have been answered, so that the buffer is free.
    fn send_jobs<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        training: &Training<'_, L, K, T>,
        job: &Job<T>,
        to: &[usize],
    ) -> Result<(), RankError> {
        let (setup, params) = (words(training.setup()), &training.state().params);
        let messages: Vec<_> = to.iter().map(|&rank| message::job(&setup, params, &self.part(job, rank))).collect();
        let mut room = BESIDE * self.size;
        for (&rank, bytes) in to.iter().zip(&messages) {
            room += bytes.len() + BESIDE;
            if i32::try_from(room).is_err() {
                return Err(RankError::TooLarge { rank, bytes: bytes.len() });
            }
        }
        let Some(universe) = &mut self.universe else { return Ok(()) };
        if universe.buffer_size() < room {
            universe.set_buffer_size(room.max(1 << 16));
        }
        let world = universe.world();
        to.iter().zip(&messages).for_each(|(&rank, m)| world.process_at_rank(rank as i32).buffered_send(&m[..]));
        Ok(())
    }

    /// A message from each of these ranks.
    fn answers<T: Scalar>(&self, from: &[usize], begun: Instant) -> Result<Vec<(usize, Message<T>)>, RankError> {
        let (mut pending, mut got, mut looks) = (from.to_vec(), Vec::new(), 0);
        while !pending.is_empty() {
            // The last look comes after the end of the time, however long the learner itself was busy.
            let late = begun.elapsed() > self.limit;
            let before = pending.len();
            for rank in std::mem::take(&mut pending) {
                match self.look(rank) {
                    None => pending.push(rank),
                    Some(bytes) => match Message::read(&bytes)? {
                        Message::Failed(why) => return Err(RankError::Failed { rank, why }),
                        said => got.push((rank, said)),
                    },
                }
            }
            if late && pending.len() == before {
                return Err(RankError::Lost { ranks: pending, limit: self.limit });
            }
            rest(&mut looks);
        }
        Ok(got)
    }

    /// A message from this rank, if there is one.
    fn look(&self, rank: usize) -> Option<Vec<u8>> {
        let world = self.universe.as_ref()?.world();
        Some(world.process_at_rank(rank as i32).immediate_matched_probe()?.matched_receive_vec::<u8>().0)
    }

    /// Works for the learner until it says that this training is over, or that there is no more to come; after that it
    /// returns at once. The parameters of `training` are the learner's from then on; its pool is not used.
    ///
    /// # Errors
    /// [`RankError::Failed`] with this rank if its setup (scalar, inner loop, manifold, options) is not the learner's,
    /// or if its work panics. The learner gets the same error.
    pub fn serve<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &mut self,
        training: &mut Training<'_, L, K, T>,
    ) -> Result<(), Error> {
        if self.is_learner() {
            return Err(RankError::Role { expected: "1 or higher", got: 0 }.into());
        }
        let mut looks = 0;
        self.released = false;
        while !self.over {
            let Some(bytes) = self.look(0) else {
                rest(&mut looks);
                continue;
            };
            looks = 0;
            let done = Message::read(&bytes).map_err(|e| e.to_string()).and_then(|m| self.answer(training, m));
            match done {
                Ok(Next::More) => {}
                Ok(next) => {
                    (self.over, self.released) = (next == Next::Over, next == Next::Released);
                    return Ok(());
                }
                Err(why) => {
                    self.tell(&message::failed(&why));
                    self.over = true;
                    return Err(RankError::Failed { rank: self.rank, why }.into());
                }
            }
        }
        Ok(())
    }

    /// Answers a message of the learner; says what comes next.
    fn answer<T: Scalar, L: InnerLoop<K::Data, T>, K: Task<T>>(
        &self,
        training: &mut Training<'_, L, K, T>,
        said: Message<T>,
    ) -> Result<Next, String> {
        let (setup, params, job) = match said {
            Message::Released => return Ok(Next::Released),
            Message::Over => return Ok(Next::Over),
            Message::Job { setup, params, job } => (setup, params, job),
            other => return Err(unexpected(0, "a job", &other).to_string()),
        };
        self.tell(&message::taken());
        let here = words(training.setup());
        if let Some((there, here)) = difference(&setup, &here) {
            return Err(format!("expected the learner's `{there}`, got `{here}`; start all ranks with the same flags"));
        }
        let shapes = |list: &[Batch<T>]| list.iter().map(Batch::shape).collect::<Vec<Shape>>();
        if shapes(&params) != training.params().shapes() {
            let (expected, got) = (training.params().shapes(), shapes(&params));
            return Err(format!("expected parameters of the shapes {expected:?}, got {got:?}"));
        }
        training.take_params(params);
        let found = catch_unwind(AssertUnwindSafe(|| training.estimate(&job)));
        let found = found.map_err(|panic| format!("it panicked: {}", in_words(&*panic)))?;
        self.tell(&message::found(&found));
        Ok(Next::More)
    }

    /// Waits for the word that there is no more to come, after the last training that this worker has served. Says
    /// whether it was that: a learner that has more work is told that this worker leaves.
    fn hears_the_end(&self) -> bool {
        let mut looks = 0;
        loop {
            match self.look(0) {
                Some(bytes) => return matches!(Message::<f64>::read(&bytes), Ok(Message::Over)),
                None => rest(&mut looks),
            }
        }
    }

    /// Sends to the learner.
    fn tell(&self, bytes: &[u8]) {
        if let Some(universe) = &self.universe {
            universe.world().process_at_rank(0).send(bytes);
        }
    }
}

/// What learner and worker must have in common.
fn words<T: Scalar, L: std::fmt::Debug, K>(setup: &Setup<'_, L, K, T>) -> String {
    let options = serde_json::to_string(&setup.options).unwrap_or_default();
    format!("{} {:?} {:?} {options}", T::NAME, setup.inner, setup.manifold)
}

/// Where two texts differ first, with a few letters around, unless they are equal.
fn difference(a: &str, b: &str) -> Option<(String, String)> {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let around = |s: &str| s.chars().skip(same.saturating_sub(30)).take(50).collect();
    (a != b).then(|| (around(a), around(b)))
}

/// A short pause, once nothing has come for a while.
fn rest(looks: &mut usize) {
    *looks += 1;
    if *looks < LOOKS { std::thread::yield_now() } else { std::thread::sleep(PAUSE) }
}

fn unexpected<T: Scalar>(rank: usize, expected: &str, got: &Message<T>) -> RankError {
    let got = match got {
        Message::Job { .. } => "a job",
        Message::Taken => "the word that a job has arrived",
        Message::Found(_) => "contributions",
        Message::Failed(_) => "a failure",
        Message::Released => "the end of a training",
        Message::Over => "the end",
    };
    RankError::Message { expected: expected.into(), got: format!("{got} from rank {rank}") }
}

fn expect<T: Scalar>(holds: bool, rank: usize, expected: &str, got: &Message<T>) -> Result<(), RankError> {
    if holds { Ok(()) } else { Err(unexpected(rank, expected, got)) }
}

/// What a panic says.
fn in_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".into())
}

impl Drop for Ranks {
    /// The learner says that there is no more to come; a worker that was not told so says that it leaves, if the
    /// learner has work for it. Then MPI is brought to its end, for which it waits for all ranks. Only a learner that
    /// has lost one, or panics, does not: its process ends without, and so `mpirun` ends the others.
    fn drop(&mut self) {
        if !self.is_learner() && self.released && !std::thread::panicking() {
            self.over = self.hears_the_end();
        }
        let Some(universe) = self.universe.take() else { return };
        if self.is_learner() {
            if self.broken.is_some() || std::thread::panicking() {
                std::mem::forget(universe);
                return;
            }
            let world = universe.world();
            (1..self.size).for_each(|rank| world.process_at_rank(rank as i32).send(&message::over()[..]));
        } else if !self.over {
            universe.world().process_at_rank(0).send(&message::failed("it ended before the training")[..]);
        }
    }
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.size)
    }
}
