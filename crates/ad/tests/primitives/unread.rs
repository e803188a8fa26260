//! A Hessian-vector product leaves out tangents that no reverse rule reads, and `jvp_into` those that lead to no
//! result. Here every line of the table is compared with the sweep that leaves nothing out, and it is counted that work
//! is left out.

use super::points::Rng;
use super::table::{Line, table};
use super::{List, generic};
use faer::{Mat, MatMut, MatRef};
use pullback::{Batch, LinearMap, MatLike, Tape, Var, func};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The outputs, weighted.
fn linear<'t>(y: &[Var<'t>]) -> Var<'t> {
    let weighted =
        |(k, y): (usize, &Var<'t>)| y.dot(Batch::from_fn(y.shape(), |b, i, j| ((k + b + 2 * i + 3 * j) as f64).cos()));
    y.iter().enumerate().map(weighted).map(|y| y.sum_batch()).reduce(|a, b| a + b).unwrap()
}

/// The same, and its square: the cotangents of the outputs move.
fn curved<'t>(y: &[Var<'t>]) -> Var<'t> {
    let y = linear(y);
    y.square() + y * 0.5
}

/// Hessian-vector products by all inputs, which are made from inputs of the tape: a tangent of those is always there.
fn products(line: &Line, x0: &List, loss: for<'t> fn(&[Var<'t>]) -> Var<'t>, all: bool) -> pullback::Result<List> {
    let tape = Tape::new();
    tape.use_shortcuts(!all);
    let inputs: Vec<Var> = x0.iter().map(|x| tape.input(x)).collect();
    let x: Vec<Var> = inputs.iter().map(|x| *x * 1.0).collect();
    let y = loss(&(line.f)(&x));
    let directions: List = x0.iter().enumerate().map(|(k, x)| direction(x, k as u64)).collect();
    let seeds: Vec<(Var, &dyn MatLike<f64>)> =
        inputs.iter().zip(&directions).map(|(x, v)| (*x, v as &dyn MatLike<f64>)).collect();
    let mut out: List = x0.iter().map(|x| Batch::zeros(x.shape())).collect();
    tape.hvps_into(y, &seeds, &mut out.iter_mut().collect::<Vec<_>>())?;
    Ok(out)
}

fn direction(x: &Batch<f64>, seed: u64) -> Batch<f64> {
    let v = Rng::new(40 + seed).normal(x.shape().rows, x.shape().cols);
    Batch::from_fn(x.shape(), |b, i, j| v[(i, j)] * (1.0 + b as f64))
}

#[test]
fn what_is_left_out_is_not_missed() {
    let mut compared = 0;
    for line in table() {
        for (&size, loss) in
            line.sizes.iter().flat_map(|s| [(s, linear as for<'t> fn(&[Var<'t>]) -> Var<'t>), (s, curved)])
        {
            let x0 = generic(&line, size, 1);
            let [some, all] = [false, true].map(|all| products(&line, &x0, loss, all));
            let (Ok(some), Ok(all)) = (&some, &all) else {
                assert_eq!(some.is_err(), all.is_err(), "{} at {size:?}: {some:?} and {all:?}", line.name);
                continue;
            };
            let largest = all.iter().map(Batch::max_abs).fold(0.0, f64::max);
            for (a, b) in some.iter().zip(all) {
                let off = a.data().iter().zip(b.data()).fold(0.0, |s: f64, (a, b)| s.max((a - b).abs()));
                assert!(off <= 1e-10 * largest, "{} at {size:?}: {off:e} of {largest:e}", line.name);
            }
            compared += 1;
        }
    }
    assert!(compared > 300, "only {compared} were compared");
}

/// `2 X`, which counts how often it is asked.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Counting {
    fn since(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl LinearMap for Counting {
    fn size(&self) -> (usize, usize) {
        (3, 3)
    }
    fn apply(&self, x: MatRef<'_, f64>, mut y: MatMut<'_, f64>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        y.copy_from(x * 2.0);
    }
    fn apply_transpose(&self, x: MatRef<'_, f64>, y: MatMut<'_, f64>) {
        self.apply(x, y);
    }
}

#[test]
fn tangents_that_nobody_reads_are_not_computed() {
    let (first, second, third) =
        (Arc::new(Counting::default()), Arc::new(Counting::default()), Arc::new(Counting::default()));
    let x0 = Rng::new(3).normal(3, 3);
    let v = Mat::from_fn(3, 3, |i, j| (i + 2 * j) as f64);
    let tape = Tape::new();
    let x = tape.input(&x0);
    // The tangent of the first is read by the sine, that of the second by nobody; the third leads to no result.
    let y = x.mapped(first.clone()).sin().sum() + x.mapped(second.clone()).dot(&v);
    let other = x.mapped(third.clone()).exp().sum();
    for map in [&first, &second, &third] {
        assert_eq!(map.since(), 1, "the value");
    }
    let mut h = Batch::zeros(x.shape());
    tape.hvp_into(y, x, &v, &mut h).unwrap();
    // Back once for the cotangent or its tangent, each; of the first there are both, of the second the cotangent.
    assert_eq!((first.since(), second.since(), third.since()), (1 + 2, 1, 0));
    let expected = Mat::from_fn(3, 3, |i, j| -4.0 * (2.0 * x0[(i, j)]).sin() * v[(i, j)]);
    assert!((h.member(0) - expected).norm_max() < 1e-13);
    let mut d = Batch::zeros(other.shape());
    tape.jvp_into(&[(x, &v)], &[other], &mut [&mut d]).unwrap();
    assert_eq!((first.since(), second.since(), third.since()), (0, 0, 1));
    // Another result on the same tape is not answered with the marks of the one before.
    let mut d = Batch::zeros(y.shape());
    tape.jvp_into(&[(x, &v)], &[y], &mut [&mut d]).unwrap();
    assert_eq!((first.since(), second.since(), third.since()), (1, 1, 0));
    tape.hvp_into(other, x, &v, &mut h).unwrap();
    assert_eq!((first.since(), second.since(), third.since()), (0, 0, 1 + 2));
}

/// Of several outputs of an operation one may lead to the result alone.
#[test]
fn a_second_output_alone_has_its_tangent() {
    let (x0, v) = (Rng::new(5).normal(4, 3), Rng::new(6).normal(4, 3));
    let tape = Tape::new();
    let x = tape.input(&x0);
    let (q, r) = (x * 1.0).qr();
    let both = q.dot(&v) + r.sum();
    let (mut alone, mut q_dot, mut r_dot) = (Batch::zeros(r.shape()), Batch::zeros(q.shape()), Batch::zeros(r.shape()));
    tape.jvp_into(&[(x, &v)], &[r], &mut [&mut alone]).unwrap();
    tape.jvp_into(&[(x, &v)], &[q, r, both], &mut [&mut q_dot, &mut r_dot, &mut Batch::zeros(both.shape())]).unwrap();
    assert!(alone.max_abs() > 0.1 && q_dot.max_abs() > 0.1);
    assert_eq!(alone.data(), r_dot.data());
}

/// Tangents of sums that a rule forms over pairs: a forward rule in a program whose values carry tangents.
#[test]
fn sums_in_place_keep_the_tangents_of_both_terms() {
    let (x0, u, v) = (Rng::new(7).normal(3, 3), Rng::new(8).normal(3, 3), Rng::new(9).normal(3, 3));
    let (_, found) = pullback::jvp(func(|x: Var| x.jvp(|x| x.hadamard(x.sin()), &v).1), &x0, &u).unwrap();
    // d²/dx² of x sin x is 2 cos x - x sin x.
    let expected = Mat::from_fn(3, 3, |i, j| {
        let x: f64 = x0[(i, j)];
        (2.0 * x.cos() - x * x.sin()) * u[(i, j)] * v[(i, j)]
    });
    assert!((found.member(0) - expected).norm_max() < 1e-13);
}
