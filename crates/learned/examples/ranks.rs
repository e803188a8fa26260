//! Trainings over the ranks of MPI: the same bits as one process, and what is said when a rank is in trouble.
//!
//!     cargo build -p pullback-learned --features mpi --example ranks
//!     mpirun -n 4 target/debug/examples/ranks                # compares with a training of one process
//!     mpirun -n 4 target/debug/examples/ranks hangs 2 1.5    # rank 2 hangs; a rank has 1.5 seconds for an answer
//!
//! Troubles: `panics`, `hangs`, `dies` (in the middle of its work), `leaves` (before the training), `differs` (another
//! seed). Exit status: 0 when the bits are the same, 1 when the training ended with an error, which is printed.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Grassmann, gaussian, rng};
use pullback_optim::{Method, Rsgd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Steps of the training, and after how many minibatches the trouble begins.
const STEPS: usize = 6;
const QUIET: usize = 20;

/// Principal subspaces of noise whose first directions are louder; one instance in five has no finite outer loss.
struct Noise {
    trouble: Option<String>,
    sampled: AtomicUsize,
}

impl Task for Noise {
    type Data = Batch;
    fn instance(&self, rng: &mut dyn rand::Rng) -> u64 {
        u64::from(rng.next_u32().is_multiple_of(5))
    }
    fn sample(&self, split: Split, members: &[Member]) -> Batch {
        if self.sampled.fetch_add(1, Ordering::Relaxed) >= QUIET {
            match self.trouble.as_deref() {
                Some("panics") => panic!("on purpose"),
                Some("hangs") => std::thread::sleep(Duration::from_secs(3600)),
                // As a process that the system kills: nothing of it is brought to an end.
                Some("dies") => std::process::abort(),
                _ => {}
            }
        }
        let one = |m: &Member| {
            let z = gaussian::<f64>(Shape::mat(6, 20), &mut m.key.rng()).member(0);
            let loud = if m.instance == 1 && split == Split::Validation { 1e200 } else { 3.0 };
            Mat::from_fn(6, 20, |i, j| loud / (1.0 + i as f64) * z[(i, j)])
        };
        Batch::stack(&members.iter().map(one).collect::<Vec<_>>())
    }
    fn cost<'t>(&self, x: &[Var<'t>], d: &Batch) -> Var<'t> {
        let d = x[0].tape().constant(d);
        let y = x[0].t_mul(d);
        (d.dot(d) - y.dot(y)) * 0.05
    }
}

/// Bits of all parameters, and what was said on the way.
type Told = (Vec<u64>, Vec<String>);

fn bits(p: &impl Leaves<Scalar = f64>) -> Vec<u64> {
    p.batches().iter().flat_map(|b| b.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

/// Trains, over ranks or alone. A worker has nothing to show for it.
fn train(task: &Noise, seed: u64, ranks: Option<&mut Ranks>) -> Result<Told, Error> {
    let gr = Grassmann::new(6, 2);
    let network = Each::new(GmLstm::new(GmLstmOptions { hidden: 8, ..GmLstmOptions::new(6, 2) }), Update::new(0.01));
    let params = network.init(&mut rng(1));
    let options = TrainingOptions {
        horizon: Horizon::LogUniform(2, 7),
        members: 11,
        group: 2,
        estimator: Estimator::Unroll,
        keep_state: true,
        warm_up: WarmUp { members: 8, steps: 3, push_after: 0, push_every: 1 },
        refresh: Some(3),
        seed,
        ..TrainingOptions::default()
    };
    let methods: [&dyn Method; 1] = [&Rsgd { step: 1e-3 }];
    let mut training = Training::new(Descent(network), params, &gr, task, &methods, options);
    let mut said = vec![];
    let mut ranks = ranks;
    if let Some(ranks) = ranks.as_deref_mut().filter(|r| !r.is_learner()) {
        ranks.serve(&mut training)?;
        return Ok((vec![], said));
    }
    for _ in 0..STEPS {
        let p = match ranks.as_deref_mut() {
            Some(ranks) => ranks.step(&mut training)?,
            None => training.step()?,
        };
        said.push(format!("{:?} {:?} {:?} {:?} {}", p.loss, p.before, p.gradient, p.dropped, p.pool));
    }
    if let Some(ranks) = ranks {
        ranks.release();
    }
    Ok((bits(training.params()), said))
}

/// What rank 0 has to say.
fn run(ranks: &mut Ranks, args: &[String]) -> Result<String, Box<dyn std::error::Error>> {
    let number = |k: usize| args.get(k).map_or(Ok(0.0), |s| s.parse::<f64>());
    let troubled = args.len() > 1 && ranks.rank() == number(1)? as usize;
    let trouble = args.first().filter(|_| troubled).cloned();
    if trouble.as_deref() == Some("leaves") {
        return Err("no data here".into());
    }
    let seed = if trouble.as_deref() == Some("differs") { 6 } else { 5 };
    let over = train(&Noise { trouble, sampled: AtomicUsize::new(0) }, seed, Some(&mut *ranks))?;
    // The same ranks serve one training after the other.
    let next = train(&Noise { trouble: None, sampled: AtomicUsize::new(0) }, seed, Some(&mut *ranks))?;
    if !ranks.is_learner() {
        return Ok(String::new());
    }
    if next != over {
        return Err("other bits in the second training than in the first".into());
    }
    let alone = train(&Noise { trouble: None, sampled: AtomicUsize::new(0) }, seed, None)?;
    let dropped = alone.1.iter().filter(|s| s.contains("member: ")).count();
    if over != alone {
        return Err(format!("other bits on {} ranks than in one process", ranks.size()).into());
    }
    let numbers = alone.0.len();
    Ok(format!(
        "{} ranks: the bits of one process, {numbers} parameters, {dropped} of {STEPS} steps with members left out\n",
        ranks.size()
    ))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let limit = args.get(2).and_then(|s| s.parse().ok()).unwrap_or(60.0);
    let mut ranks = match Ranks::start() {
        Ok(ranks) => ranks.time_limit(Duration::from_secs_f64(limit)),
        Err(e) => {
            eprintln!("error: {e}");
            return ExitCode::FAILURE;
        }
    };
    // Said before the ranks part: a rank that ends with an error lets `mpirun` end the others.
    match run(&mut ranks, &args) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("error of rank {}: {e}", ranks.rank());
            ExitCode::FAILURE
        }
    }
}
