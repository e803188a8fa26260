//! Evals of the GradBench suite as programs in this library, served to `../peers/run.py --suite gradbench`, which
//! checks them against the same evals in JAX and times both. `README.md` says which evals, at which sizes, and what
//! differs from the suite.
//!
//! `cargo run --release -p pullback-benches --bin gradbench operations` prints how many operations the programs that
//! branch on numbers record, and what one costs.
//!
//! An eval is one file: what goes in, and the program. How it is differentiated stands in `measured.rs`.

mod ba;
mod descent;
mod det;
mod gmm;
mod ht;
mod kmeans;
mod llsq;
mod lse;
mod lstm;
mod measured;
mod ode;
mod particle;
mod saddle;

use measured::{Program, serve};
use pullback::{Batch, Shape};
use pullback_benches::entries;
use pullback_benches::worker::{Problem, Requests};

/// An eval at one size.
pub(crate) struct Case {
    /// Eval and size, without spaces.
    pub(crate) name: String,
    pub(crate) problem: Box<dyn Fn() -> Problem>,
    pub(crate) program: Program,
}

impl Case {
    pub(crate) fn new(name: String, program: Program, problem: impl Fn() -> Problem + 'static) -> Self {
        Case { name, problem: Box::new(problem), program }
    }
}

fn main() {
    let cases: Vec<Case> = [
        lse::cases(),
        ode::cases(),
        gmm::cases(),
        kmeans::cases(),
        lstm::cases(),
        det::cases(),
        llsq::cases(),
        ba::cases(),
        ht::cases(),
        particle::cases(),
        saddle::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    if std::env::args().nth(1).is_some_and(|a| a == "operations") {
        return measured::print_operations(&cases);
    }
    let names: Vec<&str> = cases.iter().map(|c| c.name.as_str()).collect();
    let mut requests = Requests::default();
    while let Some(asked) = requests.next_row(&names) {
        match cases.iter().find(|c| c.name == asked.name) {
            Some(case) => serve(&mut requests, &asked, case),
            None => requests.no_such_row(),
        }
    }
}

/// Seeded numbers, uniform in (0, 1).
pub(crate) fn uniform(shape: Shape, seed: u64) -> Batch<f64> {
    Batch::from_slice(shape, &entries(shape.len(), seed).iter().map(|x| x + 0.5).collect::<Vec<_>>())
}

/// Seeded normal numbers: the radius and the angle of a point in the plane.
pub(crate) fn normal(shape: Shape, seed: u64) -> Batch<f64> {
    let (r, a) = (uniform(shape, seed), uniform(shape, seed + 1000));
    let point = |(r, a): (&f64, &f64)| (-2.0 * r.max(1e-300).ln()).sqrt() * (std::f64::consts::TAU * a).cos();
    Batch::from_slice(shape, &r.data().iter().zip(a.data()).map(point).collect::<Vec<_>>())
}

/// The unit vector of an entry.
pub(crate) fn unit(shape: Shape, place: usize) -> Batch<f64> {
    let mut v = Batch::zeros(shape);
    v.data_mut()[place] = 1.0;
    v
}

/// A number among the data.
pub(crate) fn number(x: usize) -> Batch<f64> {
    Batch::from_slice(Shape::SCALAR, &[x as f64])
}
