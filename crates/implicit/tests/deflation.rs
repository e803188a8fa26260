//! What deflation could save beside a start from earlier solutions, on systems that move slowly: products to a residual
//! of 1e-8 over a sequence. The vectors are the best that there are, eigenvectors of the system before to rounding, so
//! that no Ritz vectors of earlier solves can save more.
//!
//! Then what the Ritz vectors save that [`Recycle::deflating`] keeps.
//!
//! `cargo test -p pullback-implicit --test deflation -- --nocapture` prints the tables of `docs/implicit.md`.

#[path = "solutions/matrices.rs"]
mod matrices;
#[allow(dead_code)]
#[path = "solutions/spaces.rs"]
mod spaces;

use matrices::{apart, mat, qf, solve, sym, times};
use pullback::faer::Mat;
use pullback::{Batch, Shape, Tape, Var};
use pullback_implicit::linear::{Map, Method, Positive, Recycle, SelfAdjoint, Stop, solve as linear_solve};
use pullback_implicit::{Condition, Result, Settings, root, stationary};

const N: usize = 120;
const SYSTEMS: usize = 12;

/// A symmetric matrix `A`, or `A - A U E^{-1} U' A` with `E = U' A U`: the map of deflated conjugate gradients (Saad,
/// Yeung, Erhel & Guyomarc'h 2000), whose kernel is the space of `U`.
struct Deflated {
    a: Batch,
    /// `A U` and `E^{-1} U' A`.
    taken: Option<(Batch, Batch)>,
    shapes: Vec<Shape>,
}

impl Map for Deflated {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        N
    }
    fn apply(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        // By the engine: a test is compiled in a hurry, and a product of faer's is slow then.
        let tape = Tape::plain();
        let v = tape.constant(&v[0]);
        let w = tape.constant(&self.a) * v;
        let taken = self.taken.as_ref().map(|(au, eua)| tape.constant(au) * (tape.constant(eua) * v));
        out[0] = taken.map_or(w, |taken| w - taken).value();
        Ok(())
    }
    fn adjoint(&self, v: &[Batch], out: &mut [Batch]) -> Result<()> {
        self.apply(v, out)
    }
    fn is_ambient(&self) -> bool {
        true
    }
}

/// Products and the error of a system, with the vectors in `u` deflated.
fn deflated(a: &Mat<f64>, b: &Mat<f64>, u: Option<&Mat<f64>>, start: Option<&Mat<f64>>) -> (usize, Mat<f64>) {
    let shapes = vec![Shape::mat(N, 1)];
    let base = start.map_or(Mat::zeros(N, 1), Clone::clone);
    let r = b - a * &base;
    let stop = Stop { tolerance: 1e-8 * b.norm_l2() / r.norm_l2(), products: 4000 };
    let cg = Method::Cg(Positive::asserted());
    let Some(u) = u else {
        let map = Deflated { a: Batch::of(a), taken: None, shapes };
        let x = linear_solve(&map, &[Batch::of(&r)], None, cg, &stop).unwrap();
        return (x.products, base + x.x[0].member(0));
    };
    // x = U E^{-1} U' r + (I - U E^{-1} U' A) y,  (A - A U E^{-1} U' A) y = r - A U E^{-1} U' r.
    let au = a * u;
    let e = u.transpose() * &au;
    let down = |v: &Mat<f64>| solve(&e, &(u.transpose() * v));
    let eua = solve(&e, &au.transpose().to_owned());
    let right = &r - &au * down(&r);
    let map = Deflated { a: Batch::of(a), taken: Some((Batch::of(&au), Batch::of(&eua))), shapes };
    let stop = Stop { tolerance: 1e-8 * b.norm_l2() / right.norm_l2(), ..stop };
    let y = linear_solve(&map, &[Batch::of(&right)], None, cg, &stop).unwrap();
    let y0 = y.x[0].member(0);
    (y.products + u.ncols(), base + u * down(&r) + &y0 - u * (&eua * &y0))
}

/// The eigenvectors of the smallest eigenvalues.
fn smallest(a: &Mat<f64>, k: usize) -> Mat<f64> {
    let tape = pullback::Tape::plain();
    let v = tape.constant(a).sym().eigh().1.value().into_mat();
    let av = times(a, &v);
    let l: Vec<f64> = (0..N).map(|j| (0..N).map(|i| v[(i, j)] * av[(i, j)]).sum()).collect();
    let mut order: Vec<usize> = (0..N).collect();
    order.sort_by(|i, j| l[*i].total_cmp(&l[*j]));
    Mat::from_fn(N, k, |i, j| v[(i, order[j])])
}

/// A sequence of systems: eigenvalues given, eigenvectors and right-hand sides that turn slowly.
fn sequence(values: &dyn Fn(usize) -> f64) -> Vec<(Mat<f64>, Mat<f64>)> {
    let (g, h) = (mat(1, N, N), mat(2, N, N));
    let (b, c) = (mat(3, N, 1), mat(4, N, 1));
    let one = |k: usize| {
        let t = 0.01 * k as f64;
        let q = qf(&(&g + &h * t));
        let d = Mat::from_fn(N, N, |i, j| if i == j { values(i) * (1.0 + t * (i as f64).sin()) } else { 0.0 });
        (times(&times(&q, &d), &q.transpose().to_owned()), &b + &c * t)
    };
    (0..SYSTEMS).map(one).collect()
}

fn products(systems: &[(Mat<f64>, Mat<f64>)], solutions: usize, vectors: usize) -> usize {
    let (recycle, mut total) = (Recycle::new(solutions), 0);
    for (k, (a, b)) in systems.iter().enumerate() {
        let map = Deflated { a: Batch::of(a), taken: None, shapes: vec![Shape::mat(N, 1)] };
        let start = recycle.start(&map, &[Batch::of(b)]).unwrap();
        let (start, spent) = start.map_or((None, 0), |(x, p)| (Some(x[0].member(0)), p));
        let u = (vectors > 0 && k > 0).then(|| smallest(&systems[k - 1].0, vectors));
        let (taken, x) = deflated(a, b, u.as_ref(), start.as_ref());
        assert!((a * &x - b).norm_l2() < 1e-6 * b.norm_l2(), "{}", (a * &x - b).norm_l2());
        recycle.keep(&[Batch::of(&x)]);
        total += taken + spent;
    }
    total
}

#[test]
fn what_deflation_could_save() {
    println!("products of {SYSTEMS} systems of dimension {N}");
    println!(
        "{:<28} {:>8} {:>22} {:>22} {:>22}",
        "", "alone", "2, 3, 4 solutions", "2, 4, 8 vectors", "3 solutions and 2, 4, 8"
    );
    for exponent in [2, 3, 4, 5] {
        let kappa = 10f64.powi(exponent);
        let even = sequence(&|i| kappa.powf(-(i as f64) / (N - 1) as f64));
        let few = sequence(&|i| if i < 4 { (1.0 + i as f64) / kappa } else { 0.1 + 0.9 * i as f64 / N as f64 });
        for (name, s) in [("even in the logarithm", even), ("four small ones", few)] {
            let row = |f: &dyn Fn(usize) -> usize, l: [usize; 3]| l.map(|k| format!("{:>6}", f(k))).join(" ");
            let solutions = row(&|k| products(&s, k, 0), [2, 3, 4]);
            let vectors = row(&|k| products(&s, 0, k), [2, 4, 8]);
            let both = row(&|k| products(&s, 3, k), [2, 4, 8]);
            println!("1e{exponent}, {name:<22} {:>8} {solutions:>22} {vectors:>22} {both:>22}", products(&s, 0, 0));
        }
    }
}

/// Products of the derivatives of a sequence of solutions, each to a residual of 1e-8.
fn derivatives(systems: &[(Mat<f64>, Mat<f64>)], recycle: &Recycle) -> usize {
    let zero = Mat::zeros(N, 1);
    let one = |(a, b): &(Mat<f64>, Mat<f64>)| {
        let c = stationary(&zero, &zero, |z, phi| z.dot(a * z) * 0.5 - z.dot(phi)).flat();
        let s = c.at(&zero, &zero).method(Method::Cg(Positive::asserted())).tolerance(1e-8).without_check();
        let d = s.recycling(recycle).vjp(b).unwrap();
        assert!((a * &d.value - b).norm_l2() < 1e-7 * b.norm_l2(), "{}", d.certificate);
        d.certificate.products
    };
    systems.iter().map(one).sum()
}

#[test]
fn what_the_ritz_vectors_of_earlier_systems_save() {
    println!(
        "products of {SYSTEMS} derivatives, with the last three solutions recycled and 0, 2, 4, 8 Ritz vectors kept"
    );
    for exponent in [2, 3, 4, 5] {
        let kappa = 10f64.powi(exponent);
        let even = sequence(&|i| kappa.powf(-(i as f64) / (N - 1) as f64));
        let few = sequence(&|i| if i < 4 { (1.0 + i as f64) / kappa } else { 0.1 + 0.9 * i as f64 / N as f64 });
        let row = |s: &[(Mat<f64>, Mat<f64>)]| [0, 2, 4, 8].map(|k| derivatives(s, &Recycle::new(3).deflating(k)));
        let (even, few) = (row(&even), row(&few));
        println!("1e{exponent}, even in the logarithm {even:?}, four small ones {few:?}");
        // Where a few directions are what is hard, they are found and taken out.
        assert!(exponent < 4 || 5 * few[2] < 4 * few[0], "{few:?}");
    }
}

/// As [`derivatives`], of roots of maps that need not be positive, by another method.
fn roots(systems: &[(Mat<f64>, Mat<f64>)], method: Method, recycle: &Recycle) -> usize {
    let zero = Mat::zeros(N, 1);
    let one = |(a, b): &(Mat<f64>, Mat<f64>)| {
        let c = root(&zero, &zero, |z, phi| a.transpose().to_owned() * z - phi).flat();
        let settings = Settings { method, tolerance: 1e-8, products: 20_000, check: false, ..Settings::new::<f64>() };
        let d = c.at(&zero, &zero).with(settings).recycling(recycle).vjp(b).unwrap();
        assert!((a * &d.value - b).norm_l2() < 1e-7 * b.norm_l2(), "{method:?}: {}", d.certificate);
        d.certificate.products
    };
    systems.iter().map(one).sum()
}

#[test]
fn what_the_ritz_vectors_save_other_solvers() {
    println!("the same for maps that are not positive");
    // Four small eigenvalues of both signs among others of both signs, and the same skewed.
    let signed = |i: usize, x: f64| if i.is_multiple_of(2) { x } else { -x };
    for exponent in [2, 3, 4] {
        let kappa = 10f64.powi(exponent);
        let of = |i: usize| if i < 4 { (1.0 + i as f64) / kappa } else { 0.1 + 0.9 * i as f64 / N as f64 };
        let both = sequence(&|i| signed(i, of(i)));
        let (one, skew) = (sequence(&of), mat(5, N, N) * (0.02 / (N as f64).sqrt()));
        let skewed: Vec<_> = one.iter().map(|(a, b)| (a + &skew - skew.transpose(), b.clone())).collect();
        let minres = Method::Minres(SelfAdjoint::asserted());
        let row =
            |s: &[(Mat<f64>, Mat<f64>)], method| [0, 2, 4, 8].map(|k| roots(s, method, &Recycle::new(3).deflating(k)));
        let (m, g, h, b) = (
            row(&both, minres),
            row(&skewed, Method::Gmres { restart: 30 }),
            row(&skewed, Method::Gmres { restart: N }),
            row(&skewed, Method::BiCgStab),
        );
        println!(
            "1e{exponent}, MINRES, both signs {m:?}; not self-adjoint: GMRES(30) {g:?}; GMRES({N}) {h:?}; BiCGStab {b:?}"
        );
        // Every solution was looked at in `roots`; a few directions are what is hard, and they are found and taken out.
        assert!(5 * b[2] < 4 * b[0], "{b:?}");
    }
}

#[test]
fn deflated_derivatives_are_right_in_a_metric_and_in_every_member() {
    // M A M = I on the positive matrices, so M = A^{-1/2}; 78 dimensions, in the metric of each point.
    let n = 12;
    let (spd, g, h) = (spaces::Spd(n), mat(610, n, n), mat(612, n, n));
    let (recycle, target) = (Recycle::new(1).deflating(3), sym(&mat(611, n, n)));
    for k in 0..4 {
        let b = &g + &h * (0.02 * k as f64);
        let a = &b * b.transpose() + Mat::<f64>::identity(n, n) * 0.1;
        let m = pullback::value(|a: pullback::Var| a.invsqrtm_spd(), &a).unwrap().into_mat();
        let c =
            stationary(&m, &a, |m: pullback::Var, a: pullback::Var| (m * a.sym()).trace() + m.spd().inverse().trace())
                .on(&spd);
        let closed = pullback::grad(|a: pullback::Var| a.sym().invsqrtm_spd().dot(&target), &a).unwrap();
        let d = c.at(&m, &a).recycling(&recycle).hypergradient(|m, _| m.dot(&target)).unwrap();
        assert!(apart(&d.gradient, &closed) < 1e-7, "{k}: {:e} {}", apart(&d.gradient, &closed), d.certificate);
        assert!(d.certificate.verdict.is_sound(), "{}", d.certificate);
    }
    // Two members: four small eigenvalues, and none.
    let systems = sequence(&|i| if i < 4 { (1.0 + i as f64) * 1e-4 } else { 0.1 + 0.9 * i as f64 / N as f64 });
    let easy = sequence(&|i| 1.0 + i as f64 / N as f64);
    let (zero, recycle) = (Batch::zeros(Shape::batch(2, N, 1)), Recycle::new(2).deflating(4));
    for ((a, b), (e, f)) in systems.iter().zip(&easy).take(4) {
        let both = Batch::from_fn(Shape::batch(2, N, N), |m, i, j| [a, e][m][(i, j)]);
        let right = Batch::from_fn(zero.shape(), |m, i, _| [b, f][m][(i, 0)]);
        let c = stationary(&zero, &zero, |z, phi| z.dot(&both * z) * 0.5 - z.dot(phi)).flat();
        let d = c.at(&zero, &zero).tolerance(1e-9).recycling(&recycle).vjp(&right).unwrap();
        for (m, (a, b)) in [(a, b), (e, f)].into_iter().enumerate() {
            let left = (a * d.value.member(m) - b).norm_l2() / b.norm_l2();
            assert!(left < 1e-7, "{m}: {left:e} {}", d.certificate);
        }
    }
}

#[test]
fn a_direction_that_is_lengthened_beyond_the_numbers_is_not_kept_and_no_error() {
    // In single precision: a direction is shortened to 1e-22, and the square of what lengthens it is no number.
    let n = 60;
    let d = Mat::<f32>::from_fn(n, 1, |i, _| if i == 0 { 1e-22 } else { 1.0 + i as f32 / n as f32 });
    let (z, w) = (Mat::<f32>::zeros(n, 1), Mat::<f32>::from_fn(n, 1, |i, _| if i == 0 { 1.0 } else { 0.0 }));
    let c = root(&z, &z, |z: Var<'_, f32>, p: Var<'_, f32>| z.hadamard(&d) - p).flat();
    let recycle = Recycle::new(2).deflating(2);
    for _ in 0..2 {
        let found = c.at(&z, &z).method(Method::Gmres { restart: 30 }).recycling(&recycle).vjp(&w).unwrap();
        assert!(!found.certificate.verdict.is_sound(), "{}", found.certificate);
    }
    // And the next system, of another right-hand side, is solved as without.
    let w = Mat::<f32>::from_fn(n, 1, |i, _| if i > 0 { (i as f32).sin() } else { 0.0 });
    let found = c.at(&z, &z).method(Method::Gmres { restart: 30 }).recycling(&recycle).vjp(&w).unwrap();
    let far = (0..n).map(|i| (found.value[(i, 0)] * d[(i, 0)] - w[(i, 0)]).abs()).fold(0.0, f32::max);
    assert!(far < 1e-5, "{far:e}\n{}", found.certificate);
}
