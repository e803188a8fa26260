//! What sweeps do from buffer to buffer, without the rules' words (`src/ops/direct.rs`), where the table does not lead:
//! inputs that go several ways, so that cotangents meet, with and without a tangent; outputs used alone; batches.

use super::points::{Kind, Rng, batch, stack};
use pullback::faer::{Mat, mat};
use pullback::{Batch, Error, Shape, Tape, Var, func};
use pullback_check::check;

/// A factorisation's outputs that have derivatives, and its shapes.
type Factors = for<'t> fn(Var<'t>) -> Vec<Var<'t>>;
const FACTORS: [(&str, &[(usize, usize)], Factors); 2] = [
    ("qr", &[(1, 1), (4, 2), (3, 3), (5, 4), (4, 4), (6, 5)], |x| {
        let (q, r) = x.qr();
        vec![q, r]
    }),
    ("lu", &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (5, 3)], |x| {
        let (l, u, _) = x.lu_factors();
        vec![l, u]
    }),
];

fn weighted<'t>(y: Var<'t>, seed: u64) -> Var<'t> {
    y.dot(Rng::new(seed).normal(y.rows(), y.cols()))
}

/// Right at a point, in every mode and to the second order.
macro_rules! right {
    ($what:expr, $x:expr, |$v:ident| $f:expr) => {
        let report = check(func(|$v: Var| $f), $x).orders(1..=2).run();
        assert!(report.is_ok(), "{:?}\n{report}", $what);
    };
}

#[test]
fn cotangents_meet_in_the_input_of_a_factorisation() {
    for (name, shapes, factors) in FACTORS {
        for &(m, n) in shapes {
            let x = Kind::Tall(m, n).generic(7);
            let c = Rng::new(8).normal(m, n);
            // With a tangent of its own, and without, from before the factorisation is reached and from after.
            right!((name, m, n, "squares"), &x, |x| weighted(factors(x)[0], 1) + x.dot(x));
            right!((name, m, n, "squares first"), &x, |x| x.dot(x) + weighted(factors(x)[0], 1));
            right!((name, m, n, "linear"), &x, |x| weighted(factors(x)[1], 2) + x.dot(&c));
            // Where the factorised value is not the input, its cotangent is differentiated too.
            right!((name, m, n, "inside"), &x, |x| {
                let z = x + x.hadamard(x) * 0.1;
                weighted(factors(z)[0], 5) + z.dot(z)
            });
            right!((name, m, n, "twice"), &x, |x| {
                let (a, b) = (factors(x), factors(x * 2.0));
                weighted(a[0].hadamard(b[0]), 3) + weighted(a[1], 4)
            });
        }
    }
}

#[test]
fn rotations_with_and_without_tangents() {
    // The kernel takes eight members abreast: fewer, as many, and more, some beyond its series.
    for count in [1, 3, 8, 19] {
        let member = |k: u64| batch(&(Rng::new(70 + k).normal(3, 1) * [1.0, 0.0, 1e-9, 2.5][k as usize % 4]));
        let x = stack(&(0..count).map(member).collect::<Vec<_>>());
        let (c, e) = (Rng::new(8).normal(3, 1), Rng::new(9).normal(3, 1));
        right!((count, "squares"), &x, |x| (weighted(x.so3_exp(), 1) + x.dot(x)).sum_batch());
        right!((count, "squares first"), &x, |x| (x.dot(x) + weighted(x.so3_left_jacobian(), 1)).sum_batch());
        right!((count, "linear"), &x, |x| (weighted(x.so3_exp(), 2) + x.dot(&c)).sum_batch());
        right!((count, "inside"), &x, |x| weighted((x + x.hadamard(x) * 0.1).so3_exp(), 5).sum_batch());
        right!((count, "beside"), &x, |x| (x.tape().constant(&e).so3_exp() * x).dot(x).sum_batch());
        right!((count, "twice"), &x, |x| weighted(x.so3_exp() * (x * -2.0).so3_left_jacobian(), 3).sum_batch());
        right!((count, "of itself"), &x, |x| weighted((x.so3_exp() * &c).so3_exp(), 4).sum_batch());
    }
}

#[test]
fn exponentials_with_and_without_tangents() {
    for n in [1, 2, 4, 6] {
        let x = Kind::Exponent(n).generic(7);
        let (c, e) = (Rng::new(8).normal(n, n), Kind::Exponent(n).generic(9));
        right!((n, "squares first"), &x, |x| x.dot(x) + weighted(x.expm(), 1));
        right!((n, "linear"), &x, |x| weighted(x.expm(), 2) + x.dot(&c));
        // The matrix moves and its cotangent does not, and the other way round.
        right!((n, "inside"), &x, |x| weighted((x + x.hadamard(x) * 0.1).expm(), 5));
        right!((n, "beside"), &x, |x| (x.tape().constant(&e).expm() * x).dot(x));
        right!((n, "twice"), &x, |x| weighted(x.expm() * (x * -2.0).expm(), 3));
        right!((n, "of itself"), &x, |x| weighted((x.expm() * 0.2).expm(), 4));
        let all = stack(
            &(0..3).map(|k| batch(&(Kind::Exponent(n).generic(20 + k) * 4f64.powi(k as i32)))).collect::<Vec<_>>(),
        );
        right!((n, "batch"), &all, |x| weighted(x.expm().sum_batch(), 6));
    }
}

#[test]
fn outputs_alone_and_batches_of_factorisations() {
    for (name, shapes, factors) in FACTORS {
        for &(m, n) in shapes {
            let x: Vec<Batch<f64>> = (0..3).map(|k| batch(&Kind::Tall(m, n).generic(20 + k))).collect();
            let x = stack(&x);
            right!((name, m, n, "first"), &x, |x| weighted(factors(x)[0].sum_batch(), 1));
            right!((name, m, n, "second"), &x, |x| weighted(factors(x)[1].sum_batch(), 2));
            right!((name, m, n, "both"), &x, |x| factors(x)
                .into_iter()
                .map(|y| y.dot(y).sum())
                .reduce(|a, b| a + b)
                .unwrap());
        }
    }
}

#[test]
fn an_output_may_be_asked_for_beside_the_input() {
    for (name, shapes, factors) in FACTORS {
        for &(m, n) in shapes {
            let tape = Tape::new();
            let x = tape.input(&Kind::Tall(m, n).generic(7));
            let y = factors(x);
            let w: Vec<Batch<f64>> = (0..2).map(|k| batch(&Rng::new(k).normal(y[k as usize].rows(), n))).collect();
            let f = y[0].dot(&w[0]) + y[1].dot(&w[1]);
            let mut g: Vec<Batch<f64>> = [x, y[0], y[1]].iter().map(|v| Batch::zeros(v.shape())).collect();
            tape.gradient_into(f, &[x, y[0], y[1]], &mut g.iter_mut().collect::<Vec<_>>()).unwrap();
            assert_eq!((&g[1], &g[2]), (&w[0], &w[1]), "{name} {m}x{n}");
            let alone = tape.gradient(f, x).unwrap();
            let apart = g[0].data().iter().zip(alone.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart <= 1e-13 * alone.max_abs().max(1.0), "{name} {m}x{n}: {apart:e}");
        }
    }
}

#[test]
fn cotangents_meet_in_products_and_sums() {
    let (x, c) = (Rng::new(1).normal(3, 3), Rng::new(2).normal(3, 3));
    right!("square", &x, |x| weighted(x * x, 1) + weighted(x.t_mul(x), 2));
    right!("both factors", &x, |x| weighted(x.t_mul_t(x), 3) + x.dot(&c));
    right!("constant factors", &x, |x| weighted(&c * x, 4) + weighted(x.t_mul(&c), 5) + weighted(x.mul_t(&c), 6));
    right!("sums", &x, |x| weighted(x.lincomb(2.0, x, -3.0) + x.tanh(), 7) + weighted(x.hadamard(x) - x, 8));
    right!("scaled", &x, |x| weighted((x * 0.5).exp().hadamard(x * 3.0), 9) + x.dot(x.sin()));
}

/// Families whose rules have shortcuts, of one matrix that is not the input itself.
type Function = for<'t> fn(Var<'t>) -> Var<'t>;
const FAMILIES: [(&str, &[(usize, usize)], Function); 7] = [
    ("expm", &[(1, 1), (3, 3), (6, 6)], |x| x.expm()),
    ("expm along", &[(2, 2), (4, 4)], |x| x.expm_frechet(x.t()).1),
    ("expm of expm", &[(3, 3)], |x| (x.expm() * 0.1).expm()),
    ("logm", &[(1, 1), (3, 3), (6, 6)], |x| (x * 0.1 + x.tape().eye(x.rows()) * 2.0).logm()),
    ("logm near the identity", &[(3, 3)], |x| (x * 1e-3 + x.tape().eye(x.rows())).logm()),
    ("logm of logm", &[(3, 3)], |x| ((x * 0.1 + x.tape().eye(x.rows()) * 9.0).logm()).logm()),
    ("rotation", &[(3, 1), (3, 7)], |x| (x.column(0).so3_exp() * x.column(x.cols() - 1).so3_left_jacobian()).sin()),
];

/// Small and larger factors, and families, with the engine's shortcuts and without: the same derivatives of first and
/// second order, to rounding. It is the switch that a user has to find out whether a shortcut is wrong.
#[test]
fn with_and_without_shortcuts() {
    for (what, shapes, f) in FACTORS {
        same_without_shortcuts(what, shapes, f);
    }
    for (what, shapes, f) in FAMILIES {
        same_without_shortcuts(what, shapes, |x| vec![f(x)]);
        // Linear in the function: its cotangent has no tangent of its own.
        same_derivatives(what, shapes, |x| weighted(f(x), 7));
        // Part of a batch, of which one member is used twice.
        same_derivatives(what, shapes, |x| {
            let all = x * x.tape().constant(&Batch::from_slice(Shape::batch(3, 1, 1), &[1.0, 0.5, 1.0]));
            weighted(f(all).sum_batch(), 8)
        });
    }
}

fn same_without_shortcuts(what: &str, shapes: &[(usize, usize)], f: impl for<'t> Fn(Var<'t>) -> Vec<Var<'t>>) {
    same_derivatives(what, shapes, |a| {
        // Products, sums, scaling and functions of entries around the factors.
        let y = f((a * 0.5 + a.tanh()).hadamard(a) + a);
        let y = y.into_iter().enumerate().map(|(k, y)| weighted(y.t() * y, k as u64)).reduce(|a, b| a + b);
        y.unwrap()
    });
}

fn same_derivatives(what: &str, shapes: &[(usize, usize)], f: impl for<'t> Fn(Var<'t>) -> Var<'t>) {
    for &(m, n) in shapes {
        let (x, v) = (Rng::new(5).normal(m, n), Rng::new(6).normal(m, n));
        let derivatives = |on: bool| {
            let tape = Tape::new();
            tape.use_shortcuts(on);
            let a = tape.input(&x);
            let y = f(a);
            tape.replay().unwrap();
            [tape.gradient(y, a).unwrap(), tape.hvp(y, a, &v).unwrap()]
        };
        for (with, without) in derivatives(true).iter().zip(&derivatives(false)) {
            let size = without.data().iter().fold(0.0, |s: f64, x| s.max(x.abs()));
            let off = with.data().iter().zip(without.data()).fold(0.0, |s: f64, (a, b)| s.max((a - b).abs()));
            assert!(off <= 1e-11 * size, "{what} of {m}x{n}: {off} of {size}");
        }
    }
}

/// A shortcut that fails names what the program called and its line, as the rule does: not what the sweep did before
/// it.
#[test]
fn a_failure_in_a_shortcut_names_the_program() {
    // `exp(A)` fits into a number, and its derivative along a weight of 1e100 does not.
    let (x, weight) = (Mat::<f64>::identity(2, 2) * 600.0, mat![[0.0, 1e100], [0.0, 0.0]]);
    for on in [true, false] {
        let tape = Tape::new();
        tape.use_shortcuts(on);
        let a = tape.input(&x);
        let (line, y) = (line!(), a.expm());
        // The sweep meets a rule in words first.
        let y = y.dot(&weight) + a.tanh().cholesky().sum();
        for found in [tape.gradient(y, a), tape.hvp(y, a, &x)] {
            let Err(Error::Data { primitive, derivative, line: at, .. }) = found else { panic!("{found:?}") };
            assert_eq!((primitive, derivative, at.line()), ("expm", true, line), "shortcuts: {on}");
            assert!(at.file().ends_with("direct.rs"), "{at}");
        }
    }
}
