//! What an iteration of an adjoint costs beside one reverse sweep over the recorded step: a term of the fixed-point
//! series, an iteration of Neumann's series as a linear solver, and one of GMRES.
//!
//! `cargo bench -p pullback-benches --bench adjoints`. The target of the first two is 1.2 sweeps. `-- SECONDS` sets the
//! budget of a row, `-- NAME` chooses the rows whose name holds it. A term is the difference between a series of many
//! terms and one of few, over the number of terms between, so that what is paid once is in neither. What is paid once,
//! recording and the certificate, is as much as dozens of sweeps over a small step, so the smaller the step, the more
//! terms lie between; else the difference would be mostly the noise of that.
//!
//! The column `chained` is a sweep whose cotangent is what the sweep before returned, as in any iteration, beside one
//! whose cotangent stands there: a processor begins the next of those before the last has ended. `product` is what a
//! call of the map of the linear solver costs, whose recorded program holds the projections of the tangent space too.
//!
//! The second table is of steps with many parameters: what a meta-gradient of five terms costs at a given solution,
//! with all that is paid once (recording, the certificate, the look for a kink beside the loop), in reverse sweeps by
//! state and parameters.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_benches::{Race, against, entries, pretty};
use pullback_implicit::linear::{Adjoint, Map, Method, Stop, solve};
use pullback_implicit::{Condition, Estimator, Iteration, Sensitivity, Tapes, fixed_point, inner_loop};
use pullback_manifolds::{Egrad, Grassmann, Manifold, rng};
use std::time::{Duration, Instant};

/// Terms, or iterations, of the short run: so many that its certificate, which looks at the last eleven terms, costs as
/// much as that of the long one.
const FEW: usize = 12;
/// Iterations of the long run of GMRES, whose cost grows with their number, and the fewest terms of the others.
const MANY: usize = 28;
/// The most terms of a long run, and the seconds that the sweeps between the short one and the long one may take.
const MOST: usize = 252;
const BETWEEN: f64 = 3e-4;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(4.0);
    let budget = Duration::from_secs_f64(seconds);
    println!("an adjoint iteration over one reverse sweep of the recorded step");
    println!(
        "{:<22} {:>10}   {:<22} {:<22} {:>6} {:>8} {:>8}",
        "step", "sweep", "series", "Neumann", "GMRES", "chained", "product"
    );
    for n in [16, 64, 256].into_iter().filter(|n| chosen(&network_name(*n))) {
        network(n, budget);
    }
    for (n, k) in [(8, 2), (50, 5), (200, 10)].into_iter().filter(|(n, k)| chosen(&subspace_name(*n, *k))) {
        subspace(n, k, budget);
    }
    println!("\na meta-gradient of five terms at a given solution, over one reverse sweep by state and parameters");
    println!("{:<22} {:>10} {:>10} {:>10}", "step", "parameters", "sweep", "gradient");
    for (n, columns) in
        [(64, 8), (64, 64), (256, 8), (256, 64)].into_iter().filter(|(n, c)| chosen(&weights_name(*n, *c)))
    {
        weights(n, columns, budget);
    }
}

/// Is this row among those that were asked for?
fn chosen(name: &str) -> bool {
    let mut asked = std::env::args().skip(1).filter(|a| !a.starts_with("--") && a.parse::<f64>().is_err()).peekable();
    asked.peek().is_none() || asked.any(|a| name.contains(&a))
}

fn network_name(n: usize) -> String {
    format!("tanh(A z), {n} x 8")
}

fn subspace_name(n: usize, k: usize) -> String {
    format!("subspace, Gr({n}, {k})")
}

fn weights_name(n: usize, columns: usize) -> String {
    format!("tanh(A z), {n} x {columns}")
}

fn matrix(m: usize, n: usize, seed: u64) -> Mat<f64> {
    let e = entries(m * n, seed);
    Mat::from_fn(m, n, |i, j| e[j * m + i])
}

/// `z <- tanh(A z + phi)` on eight columns.
fn network(n: usize, budget: Duration) {
    let a = matrix(n, n, 1) * (2.0 / (n as f64).sqrt());
    let (phi, z0) = (matrix(n, 8, 2) * 0.2, Batch::zeros(pullback::Shape::mat(n, 8)));
    let z = settled(&z0, |z| (&a * z + &phi).tanh());
    let condition = fixed_point(&z, &phi, |z: Var, phi: Var| (&a * z + phi).tanh()).flat();
    let it = inner_loop(&z, &phi, |z: Var, phi: Var, _| (&a * z + phi).tanh(), |z: Var, _| z.sum());
    row(&network_name(n), &condition, &it, &z, &phi, budget);
}

/// `z <- tanh(A z + b)` with `A` as the parameters.
fn weights(n: usize, columns: usize, budget: Duration) {
    let a = matrix(n, n, 1) * (2.0 / (n as f64).sqrt());
    let b = matrix(n, columns, 2) * 0.2;
    let z = settled(&Batch::zeros(pullback::Shape::mat(n, columns)), |z| (&a * z + &b).tanh());
    let it = inner_loop(&z, &a, |z: Var, a: Var, _| (a * z + &b).tanh(), |z: Var, _| z.sum());
    let tape = Tape::new();
    let (from, p) = (tape.input(&z), tape.input(&a));
    let to = it.step(&tape, from, p, 0);
    let v = Batch::from_slice(z.shape(), &entries(z.data().len(), 5));
    let (mut by_state, mut by_a, mut on) = (z.clone(), Batch::of(&a), Sensitivity::new());
    let times = Race::new()
        .with("sweep", || tape.vjp_into(&[(to, &v)], &[from, p], &mut [&mut by_state, &mut by_a]).expect("a cotangent"))
        .with("gradient", || {
            on.derivative(&it, &z, &a, 1, Estimator::FixedPoint { terms: 5 }).expect("a settled loop").gradient
        })
        .run(budget);
    println!(
        "{:<22} {:>10} {:>10} {:>10.1}",
        weights_name(n, columns),
        n * n,
        pretty(times.time("sweep")),
        times.ratio("gradient", "sweep")
    );
}

/// A step of gradient descent for a principal subspace.
fn descend<'t>(gr: &Grassmann, x: Var<'t>, c: Var<'t>) -> Var<'t> {
    let g = x.grad(|x| -x.dot(c.sym() * x));
    gr.retract(x, *gr.egrad_to_rgrad(x, Egrad(g)) * -0.3)
}

fn subspace(n: usize, k: usize, budget: Duration) {
    let gr = Grassmann::new(n, k);
    // Reflected, so that no entry of the fixed point is zero: beside an axis the loop leaves numbers of 1e-300 there,
    // and products of such numbers take many times as long.
    let v = matrix(n, 1, 7);
    let reflection = Mat::<f64>::identity(n, n) - (2.0 / v.squared_norm_l2()) * (&v * v.transpose());
    let values = Mat::from_fn(n, n, |i, j| if i == j { 1.0 / (1.0 + i as f64 * 0.5) } else { 0.0 });
    let c = &reflection * values * &reflection;
    let x0: Vec<Batch> = gr.random_point(1, &mut rng(3));
    let z = settled(&x0[0], |x| descend(&gr, x, x.tape().constant(&c)));
    let m = matrix(n, n, 4);
    let condition = fixed_point(&z, &c, |x: Var, c: Var| descend(&gr, x, c)).on(&gr);
    let it = inner_loop(&z, &c, |x: Var, c: Var, _| descend(&gr, x, c), |x: Var, _| x.dot(&m * x)).on(&gr);
    row(&subspace_name(n, k), &condition, &it, &z, &c, budget);
}

/// Where a step stays.
fn settled(z0: &Batch, step: impl for<'t> Fn(Var<'t>) -> Var<'t>) -> Batch {
    let tape = Tape::plain();
    tape.iterate(tape.constant(z0), 3000, step).value()
}

fn row<C, I>(name: &str, condition: &C, it: &I, z: &Batch, phi: &Mat<f64>, budget: Duration)
where
    C: Condition<State = Batch, Params = Mat<f64>>,
    I: Iteration<State = Batch, Params = Mat<f64>>,
{
    let tape = Tape::new();
    let (from, p) = (tape.input(z), tape.input(phi));
    let to = it.step(&tape, from, p, 0);
    let (v, mut w) = (Batch::from_slice(z.shape(), &entries(z.data().len(), 5)), z.clone());
    let series = |on: &mut Sensitivity, terms| {
        on.derivative(it, z, phi, 1, Estimator::FixedPoint { terms }).expect("a settled loop")
    };
    let mut tapes = Tapes::new();
    let solution = condition.at(z, phi).without_polish().without_check();
    let linear = solution.linearise(&mut tapes).expect("a solution");
    let adjoint = Adjoint(linear.map());
    let b = vec![v.clone()];
    let solved =
        |method, products| solve(&adjoint, &b, None, method, &Stop { tolerance: 1e-300, products }).expect("finite");
    let (mut on, mut on2) = (Sensitivity::new(), Sensitivity::new());
    let mut there = [v.clone(), v.clone()];
    let mut chained = |n: usize| {
        there[0].data_mut().copy_from_slice(v.data());
        for _ in 0..n {
            let [a, b] = &mut there;
            tape.vjp_into(&[(to, &*a)], &[from], &mut [&mut *b]).expect("a cotangent");
            there.swap(0, 1);
        }
    };
    let (mut x, mut y) = (b.clone(), b.clone());
    let mut products = |n: usize| {
        x[0].data_mut().copy_from_slice(v.data());
        for _ in 0..n {
            adjoint.rest(&x, &mut y).expect("a cotangent");
            std::mem::swap(&mut x, &mut y);
        }
    };
    let mut sweeps = |n: usize| {
        for _ in 0..n {
            tape.vjp_into(&[(to, &v)], &[from], &mut [&mut w]).expect("a cotangent");
        }
    };
    let many = terms(&mut sweeps);
    let times = Race::new()
        // As many as there are terms between, so that turns of all candidates are about as long.
        .with("sweeps", || sweeps(many - FEW))
        .with("chained", || chained(many - FEW))
        .with("product", || products(many - FEW))
        .with("series few", || series(&mut on, FEW).gradient)
        .with("series many", || series(&mut on2, many).gradient)
        .with("Neumann few", || solved(Method::Neumann { terms: FEW }, 1000))
        .with("Neumann many", || solved(Method::Neumann { terms: many }, 1000))
        .with("GMRES few", || solved(Method::Gmres { restart: MANY }, FEW))
        .with("GMRES many", || solved(Method::Gmres { restart: MANY }, MANY))
        .run(budget);
    let sweep = times.time("sweeps") / (many - FEW) as f64;
    let each = |what: &str, many: usize| {
        let (few, long) = (times.time(&format!("{what} few")), times.time(&format!("{what} many")));
        (long - few) / (many - FEW) as f64 / sweep
    };
    let (series, neumann) = (against(each("series", many), 1.2), against(each("Neumann", many), 1.2));
    let beside = |what: &str| times.ratio(what, "sweeps");
    println!(
        "{name:<22} {:>10}   {series:<22} {neumann:<22} {:>6.2} {:>8.2} {:>8.2}",
        pretty(sweep),
        each("GMRES", MANY),
        beside("chained"),
        beside("product")
    );
}

/// Terms of a long run, from the shortest time of a few sweeps.
fn terms(sweeps: &mut dyn FnMut(usize)) -> usize {
    let time = |n: usize, sweeps: &mut dyn FnMut(usize)| {
        let start = Instant::now();
        sweeps(n);
        start.elapsed().as_secs_f64() / n as f64
    };
    let sweep = (0..20).map(|_| time(4, sweeps)).fold(f64::INFINITY, f64::min);
    FEW + ((BETWEEN / sweep) as usize).clamp(MANY - FEW, MOST - FEW)
}
