//! A Hessian-vector product that nobody asks a gradient of leaves out the gradient's last products. What it returns is
//! the same in every bit as where the gradient is asked for, wherever else the inputs are used.

mod common;
use common::*;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Batch, MatLike, Shape};

type Program = for<'t> fn(Var<'t>, Var<'t>) -> Var<'t>;

/// Inputs used by products alone, by products and something else in either order, twice by one product, through a
/// shortcut on pairs (QR, LU, vectors), by a factorisation, by a selection, and where one of them is the result.
const PROGRAMS: [(&str, Program); 16] = [
    ("product", |a, b| (a * b).sin().sum()),
    ("square", |a, _| (a * a).sin().sum()),
    ("gram", |a, b| (a.t_mul(a) * b).cos().sum()),
    ("product, then entries", |a, b| (a * b).sin().sum() + a.exp().dot(b)),
    ("entries, then product", |a, b| a.exp().dot(b) + (a * b).sin().sum()),
    ("QR, then product", |a, b| a.qr().1.dot(b) + (a * b).sin().sum()),
    ("product, then QR", |a, b| (a * b).sin().sum() + a.qr().1.dot(b)),
    ("eigenvectors, then product", |a, b| a.eigh().1.square().dot(b) + (a * b).sin().sum()),
    ("product, then eigenvectors", |a, b| (a * b).sin().sum() + a.eigh().1.square().dot(b)),
    ("singular vectors, then product", |a, b| a.svd().2.square().dot(b) + (a * b).sin().sum()),
    ("product, then singular vectors", |a, b| (a * b).sin().sum() + a.svd().0.square().dot(b)),
    ("solve", |a, b| (a.solve(b) * a).sin().sum()),
    ("determinant and product", |a, b| a.det() * (b * a).sin().sum()),
    ("equation", |a, b| a.sylvester(b, a * b).sin().sum()),
    ("selection", |a, b| (a * b).max(a).sum() + (b * a).sin().sum()),
    ("quadratic form", |a, b| b.quadratic_form(a).sin().sum() + (a * b).sin().sum()),
];

fn hvps(program: Program, inputs: &[Batch; 2], directions: &[Batch; 2], shortcuts: bool) -> [Vec<Batch>; 2] {
    let tape = Tape::new();
    tape.use_shortcuts(shortcuts);
    let (a, b) = (tape.input(&inputs[0]), tape.input(&inputs[1]));
    let y = program(a, b);
    let y = if y.shape() == Shape::SCALAR { y } else { y.sum() };
    let seeds: [(Var, &dyn MatLike<f64>); 2] = [(a, &directions[0]), (b, &directions[1])];
    let fresh = || inputs.iter().map(|x| Batch::zeros(x.shape())).collect::<Vec<Batch>>();
    let (mut alone, mut gradients, mut beside) = (fresh(), fresh(), fresh());
    tape.hvps_into(y, &seeds, &mut alone.iter_mut().collect::<Vec<_>>()).unwrap();
    let (g, h): (Vec<_>, Vec<_>) = (gradients.iter_mut().collect(), beside.iter_mut().collect());
    let (mut g, mut h) = (g, h);
    tape.grads_hvps_into(y, &seeds, &mut g, &mut h).unwrap();
    let (again, by_a) = (tape.gradient(y, a).unwrap(), tape.hvp(y, a, &directions[0]).unwrap());
    assert_eq!(again.data(), gradients[0].data(), "the gradient is whole");
    // One target: the other input has no slot at all.
    let mut one = Batch::zeros(inputs[0].shape());
    let mut unread = Batch::zeros(inputs[0].shape());
    tape.grads_hvps_into(y, &[(a, &directions[0])], &mut [&mut unread], &mut [&mut one]).unwrap();
    assert_eq!(by_a.data(), one.data());
    [alone, beside]
}

#[test]
fn the_result_does_not_depend_on_whether_the_gradient_is_asked_for() {
    let three = |k: u64| Batch::stack(&(0..3).map(|i| &spd(3, k + i) + &rnd(3, 3, k + i)).collect::<Vec<Mat<f64>>>());
    let one = |k: u64| Batch::of(&(&spd(3, k) + &rnd(3, 3, k)));
    for (name, program) in PROGRAMS {
        // Members alone, batches, and a batch with one matrix for all, whose cotangent is a sum.
        for (a, b) in [(one(1), one(2)), (three(1), three(5)), (one(1), three(5)), (three(1), one(2))] {
            let directions = [&a, &b].map(|x| Batch::from_fn(x.shape(), |k, i, j| ((k + 2 * i + 3 * j) as f64).sin()));
            for shortcuts in [true, false] {
                let [alone, beside] = hvps(program, &[a.clone(), b.clone()], &directions, shortcuts);
                for (x, y) in alone.iter().zip(&beside) {
                    assert_eq!(x.data(), y.data(), "{name}, shortcuts {shortcuts}");
                }
                assert!(alone[0].data().iter().any(|x| *x != 0.0), "{name}: expected a second derivative");
            }
        }
    }
}

/// A target that an operation made keeps its cotangent: what is before it is not reached, what is after it is.
#[test]
fn a_target_in_the_middle_is_whole() {
    let tape = Tape::new();
    let x = tape.input(&rnd(3, 3, 1));
    let m = x * x;
    let y = (m * x).sin().sum();
    let (dx, dm) = (rnd(3, 3, 2), rnd(3, 3, 3));
    let seeds: [(Var, &dyn MatLike<f64>); 2] = [(x, &dx), (m, &dm)];
    let fresh = || Batch::zeros(x.shape());
    let (mut a, mut b, mut c, mut d, mut e, mut f) = (fresh(), fresh(), fresh(), fresh(), fresh(), fresh());
    tape.hvps_into(y, &seeds, &mut [&mut a, &mut b]).unwrap();
    tape.grads_hvps_into(y, &seeds, &mut [&mut c, &mut d], &mut [&mut e, &mut f]).unwrap();
    assert_eq!((a.data(), b.data()), (e.data(), f.data()));
}
