//! What threads bring: programs on a number of threads beside the same programs on one, taking turns.
//!
//! `cargo bench -p pullback-benches --bench threads`; `-- SECONDS` sets the budget of a row and `-- --threads N` their
//! number (two, if not said). The targets, with two threads on two cores that are free: 1.7 for the members of a batch
//! and for programs with tapes of their own, 1.5 for products of order 512. Other work on the machine is measured too,
//! and lowers the ratio.

use pullback::prelude::*;
use pullback::{Key, Shape, Threads};
use pullback_benches::{Race, entries, pretty};
use pullback_implicit::Estimator;
use pullback_learned::{
    Descent, Each, GmLstm, GmLstmOptions, Horizon, Member, Split, Task, Training, TrainingOptions, Update, WarmUp,
};
use pullback_manifolds::{Grassmann, rng};
use pullback_optim::{Method, Rsgd};
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)?.parse().ok());
    let threads = Threads::new(number("--threads").unwrap_or(2)).expect("a number of threads");
    let seconds = args.first().and_then(|a| a.parse().ok()).unwrap_or(2.0);
    let bench = Bench { threads, budget: Duration::from_secs_f64(seconds) };
    println!("times as fast on {} threads as on one", bench.threads.count());
    println!("\nvalue and gradient on a held tape, 64 members");
    for n in [16, 32, 64] {
        bench.members(n);
    }
    println!("\nprograms with tapes of their own: 64 gradients by a driver");
    for n in [4, 16, 64] {
        bench.programs(n);
    }
    println!("\na step of meta-training: eight inner loops of twenty steps on Gr(64, 16), generalised matrix LSTM");
    bench.training();
    println!("\none matrix: value, value and gradient");
    for n in [256, 512] {
        bench.matrix(n);
    }
}

struct Bench {
    threads: Threads,
    budget: Duration,
}

type Program = for<'t> fn(Var<'t>) -> Var<'t>;

const PROGRAMS: [(&str, Program); 8] = [
    ("matmul", |x| x * x),
    ("solve", |x| definite(x).solve(x)),
    ("cholesky", |x| definite(x).cholesky()),
    ("qr", |x| x.qr().0),
    ("eigh", |x| definite(x).eigh().1),
    ("svd", |x| x.svd().0),
    ("expm", |x| x.expm()),
    ("tanh(X W)", |x| (x * x.t()).tanh()),
];

/// `X X^T / n + 1`.
fn definite(x: Var<'_>) -> Var<'_> {
    let n = x.rows() as f64;
    (x * x.t() / n).sym() + x.tape().eye(x.rows())
}

impl Bench {
    fn members(&self, n: usize) {
        for (name, f) in PROGRAMS {
            let x = batch(64, n);
            let held = Held::new(&x, f);
            self.row(&format!("{name}, 64 x {n} x {n}"), &[("", &|| held.gradient())]);
        }
    }

    fn programs(&self, n: usize) {
        for (name, f) in PROGRAMS {
            let starts: Vec<Batch> = (0..64).map(|k| member(n, k)).collect();
            let one = |x: &Batch| grad(func(|x| weighed(f(x))), x).expect("a gradient");
            let run = |threads: &Threads| drop(std::hint::black_box(threads.map(&starts, one)));
            let alone = Threads::new(1).expect("a thread");
            let race = Race::new().with("one", || run(&alone)).with("more", || run(&self.threads));
            let found = race.run(self.budget);
            println!("{name:<14} {n:>4}: {:>10} {:>6.2}", pretty(found.time("one")), found.ratio("one", "more"));
        }
    }

    fn training(&self) {
        let (gr, task) = (Grassmann::new(64, 16), Components);
        let options = TrainingOptions {
            horizon: Horizon::Steps(20),
            members: 8,
            group: 1,
            estimator: Estimator::FixedPoint { terms: 5 },
            warm_up: WarmUp { members: 8, steps: 1, push_after: 0, push_every: 1 },
            refresh: None,
            ..TrainingOptions::default()
        };
        let rule =
            Each::new(GmLstm::new(GmLstmOptions { hidden: 32, ..GmLstmOptions::new(64, 16) }), Update::new(1e-3));
        let methods: [&dyn Method; 1] = [&Rsgd { step: 1e-3 }];
        let [mut one, mut more] = [1, self.threads.count()].map(|count| {
            let params = rule.init(&mut rng(1));
            Training::new(Descent(rule.clone()), params, &gr, &task, &methods, options.clone()).threads(count)
        });
        let race =
            Race::new().with("one", || one.step().expect("a step")).with("more", || more.step().expect("a step"));
        let found = race.run(self.budget);
        println!("{:<19} {:>10} {:>6.2}", "a step", pretty(found.time("one")), found.ratio("one", "more"));
    }

    fn matrix(&self, n: usize) {
        for (name, f) in PROGRAMS {
            let held = Held::new(&batch(1, n), f);
            self.row(&format!("{name}, {n}"), &[("value", &|| held.value()), ("gradient", &|| held.gradient())]);
        }
    }

    fn row(&self, name: &str, runs: &[(&str, &dyn Fn())]) {
        print!("{name:<24}");
        for (what, run) in runs {
            let race = Race::new().with("one", run).with("more", || self.threads.run(run));
            let found = race.run(self.budget);
            print!(" {what} {:>10} {:>6.2}", pretty(found.time("one")), found.ratio("one", "more"));
        }
        println!();
    }
}

/// Principal subspaces of noise whose first directions are louder.
struct Components;

impl Task for Components {
    type Data = Batch;

    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let all: Vec<f64> = members.iter().flat_map(|m| entries(64 * 64, m.instance + 1)).collect();
        Batch::from_fn(Shape::batch(members.len(), 64, 64), |b, i, j| all[(b * 64 + j) * 64 + i] / (1.0 + i as f64))
    }

    fn cost<'t>(&self, x: &[Var<'t>], data: &Batch) -> Var<'t> {
        let y = x[0].t_mul(x[0].tape().constant(data));
        y.dot(y) * -0.01
    }
}

/// A recorded program with one input and the cost `<W, f(X)>`.
struct Held {
    tape: Tape,
    x: Batch,
    input: Key,
    cost: Key,
}

impl Held {
    fn new(x: &Batch, f: Program) -> Self {
        let tape = Tape::new();
        let input = tape.input(x);
        let cost = weighed(f(input)).key();
        Held { x: x.clone(), input: input.key(), cost, tape }
    }

    fn value(&self) {
        self.tape.set(self.tape.var(self.input), &self.x);
        self.tape.replay().expect("a value");
    }

    fn gradient(&self) {
        self.value();
        let (y, x) = (self.tape.var(self.cost), self.tape.var(self.input));
        self.tape.vjp_visit(&[(y, &Batch::from_slice(Shape::SCALAR, &[1.0]))], &[x], |_, _| ()).expect("a gradient");
    }
}

fn weighed(y: Var<'_>) -> Var<'_> {
    let w = Batch::from_slice(y.shape(), &entries(y.shape().len(), 5));
    y.dot(&w).sum()
}

fn batch(members: usize, n: usize) -> Batch {
    Batch::from_slice(Shape::batch(members, n, n), &entries(members * n * n, 1))
}

fn member(n: usize, seed: u64) -> Batch {
    Batch::from_slice(Shape::mat(n, n), &entries(n * n, seed))
}
