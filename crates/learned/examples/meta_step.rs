//! How long a step of meta-training takes, where the time goes, and how many bytes it needs.
//!
//! `cargo run --release -p pullback-learned --example meta_step [p] [d] [members] [inner steps] [hidden]`

use pullback::prelude::*;
use pullback::{Result, Shape};
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Grassmann, Manifold, gaussian, rng};
use pullback_optim::Rsgd;
use std::time::Instant;

/// Principal components of Gaussian samples, 64 to a minibatch.
struct Pca {
    p: usize,
}

const SAMPLES: usize = 64;

impl Task for Pca {
    type Data = Batch;
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let p = self.p;
        let one = |m: &Member| {
            let z: Batch = gaussian(Shape::mat(p, SAMPLES), &mut m.key.rng());
            pullback::faer::Mat::from_fn(p, SAMPLES, |i, j| z.data()[j * p + i] / (1.0 + i as f64).sqrt())
        };
        Batch::stack(&members.iter().map(one).collect::<Vec<_>>())
    }
    fn cost<'t>(&self, x: &[Var<'t>], d: &Batch) -> Var<'t> {
        let d = x[0].tape().constant(d);
        let y = x[0].t_mul(d);
        (d.dot(d) - y.dot(y)) * (1.0 / SAMPLES as f64)
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut sizes = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let mut size = |default| sizes.next().unwrap_or(Ok(default));
    let (p, d, members, steps, hidden) = (size(64)?, size(8)?, size(8)?, size(20)?, size(64)?);
    let (task, gr) = (Pca { p }, Grassmann::new(p, d));
    let options = GmLstmOptions { hidden, ..GmLstmOptions::new(p, d) };
    println!("p {p}, d {d}, {members} members, T {steps}, hidden {hidden}: {} parameters", options.parameter_count());
    let net = Each::new(GmLstm::new(options), Update::new(0.1));
    let fresh = net.init(&mut rng(1));
    println!("{:<26} {:>10} {:>12} {:>8}", "estimator", "ms a step", "bytes", "rho");
    let series = |terms| Estimator::FixedPoint { terms };
    for estimator in [Estimator::OneStep, series(5), series(20), Estimator::Truncated { steps: 6 }, Estimator::Unroll] {
        let options = TrainingOptions {
            horizon: Horizon::Steps(steps),
            members,
            group: members,
            estimator,
            refresh: None,
            ..TrainingOptions::default()
        };
        let methods: [&dyn pullback_optim::Method; 1] = [&Rsgd { step: 0.1 }];
        let mut training = Training::new(Descent(net.clone()), fresh.clone(), &gr, &task, &methods, options);
        training.step()?;
        let (start, n) = (Instant::now(), 10);
        let mut last = None;
        for _ in 0..n {
            last = Some(training.step()?);
        }
        let ms = start.elapsed().as_secs_f64() * 1e3 / n as f64;
        let last = last.ok_or("no step")?;
        let rho = last.rho.first().map_or(String::from("-"), |r| format!("{r:.3}"));
        println!("{:<26} {ms:>10.1} {:>12} {rho:>8}", format!("{estimator:?}"), last.bytes);
    }
    let start: Vec<Batch> = gr.random_point(members, &mut rng(2));
    let trained = Trained::new(net, fresh);
    let instances = vec![0; members];
    let time = |mut run: Rollout<'_, Pca>| -> Result<f64> {
        let data = task.sample(Split::Train, &Member::list(&instances, 3));
        run.step_on(&data)?;
        let begin = Instant::now();
        for _ in 0..50 {
            run.step_on(&data)?;
        }
        Ok(begin.elapsed().as_secs_f64() * 1e3 / 50.0)
    };
    let method = Rsgd { step: 0.1 };
    println!("one learned step   {:.2} ms", time(Rollout::new(&trained, &gr, &task, &start, &instances, 1))?);
    println!("one classical step {:.2} ms", time(Rollout::new(&method, &gr, &task, &start, &instances, 1))?);
    Ok(())
}
