//! Estimators before convergence, where nothing hides a wrong projection or a wrong step number: on a manifold against
//! the series formed from single pulls and hand-written projections, in flat space with steps that depend on their
//! number against plain numbers.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Batch, vjp};
use pullback_implicit::{Certificate, Estimator, inner_loop};
use pullback_manifolds::{Grassmann, Manifold, rng};

const N: usize = 5;

struct Pca {
    gr: Grassmann,
    x0: Mat<f64>,
    phi: Mat<f64>,
    m: Mat<f64>,
}

impl Pca {
    fn new() -> Self {
        let gr = Grassmann::new(N, 2);
        Pca {
            gr,
            x0: gr.random_point(1, &mut rng(8)).swap_remove(0).member(0),
            phi: Mat::from_fn(N, N, |i, j| if i == j { i as f64 } else { 0.3 / (1.0 + (2 * i + j) as f64) }),
            m: Mat::from_fn(N, N, |i, j| ((2 * i + 3 * j) as f64).sin()),
        }
    }

    /// A step of gradient descent for `tr X' sym(C) X`, longer with its number.
    fn step<'t>(&self, x: Var<'t>, c: Var<'t>, t: usize) -> Var<'t> {
        let g = c.sym() * x * 2.0;
        self.gr.retract(x, self.gr.project(x, g) * (-0.01 * (1 + t) as f64))
    }

    fn loss<'t>(&self, x: Var<'t>, c: Var<'t>) -> Var<'t> {
        x.t_mul(&self.m * x).trace() + c.dot(c) * 0.01
    }

    fn state(&self, steps: usize) -> Mat<f64> {
        let tape = Tape::plain();
        let c = tape.constant(&self.phi);
        (0..steps).fold(tape.constant(&self.x0), |x, t| self.step(x, c, t)).value().into_mat()
    }

    fn derivative(&self, steps: usize, how: Estimator) -> Mat<f64> {
        inner_loop(&self.x0, &self.phi, |x, c, t| self.step(x, c, t), |x, c| self.loss(x, c))
            .on(&self.gr)
            .derivative(steps, how)
            .unwrap()
            .gradient
    }

    fn certificate(&self, steps: usize, how: Estimator) -> Certificate {
        inner_loop(&self.x0, &self.phi, |x, c, t| self.step(x, c, t), |x, c| self.loss(x, c))
            .on(&self.gr)
            .derivative(steps, how)
            .unwrap()
            .certificate
    }

    /// `direct + sum over k <= terms of B'v_k`, with `v_0 = P_T dL/dx`, `v_{k+1} = P_T P_{T-1} A'v_k` at the points
    /// `x_T` and `x_{T-1}`, and the lengths of the terms.
    fn by_hand(&self, steps: usize, terms: usize) -> (Mat<f64>, Vec<f64>) {
        let (before, end) = (self.state(steps - 1), self.state(steps));
        let tangent = |x: &Mat<f64>, u: &Mat<f64>| u - x * (x.transpose() * u);
        let pair = |(a, b): (Mat<f64>, Mat<f64>)| (a, b);
        let (lx, lc) = pair(grad(|(x, c): (Var, Var)| self.loss(x, c), &(end.clone(), self.phi.clone())).unwrap());
        let at = (before.clone(), self.phi.clone());
        let (_, pull) = vjp(|(x, c): (Var, Var)| self.step(x, c, steps - 1), &at).unwrap();
        let mut v = tangent(&end, &lx);
        let (mut sum, mut lengths) = (lc, vec![]);
        for _ in 0..=terms {
            lengths.push(v.norm_l2());
            let (ax, bc) = pair(pull(&Batch::of(&v)).unwrap());
            sum += bc;
            v = tangent(&end, &tangent(&before, &ax));
        }
        (sum, lengths)
    }
}

fn close(a: &Mat<f64>, b: &Mat<f64>, tolerance: f64) {
    let error = (a - b).norm_max() / b.norm_max();
    assert!(error <= tolerance, "{error:e}\n{a:?}\n{b:?}");
}

#[test]
fn on_a_manifold_the_series_before_convergence_is_its_formula() {
    let pca = Pca::new();
    for steps in [1, 2, 4] {
        for terms in [0, 1, 2, 5] {
            let (sum, lengths) = pca.by_hand(steps, terms);
            let how = Estimator::FixedPoint { terms };
            close(&pca.derivative(steps, how), &sum, 1e-12);
            let norms = pca.certificate(steps, how).norms;
            assert!(
                lengths.iter().zip(&norms).all(|(l, n)| (l / lengths[0] - n).abs() < 1e-12),
                "{lengths:?} {norms:?}"
            );
        }
        close(&pca.derivative(steps, Estimator::OneStep), &pca.by_hand(steps, 0).0, 1e-12);
        // What is recorded needs no tangent space: the last step alone, and all of them, are derivatives of programs.
        let unroll = grad(
            |c: Var| {
                let x0 = c.tape().constant(&pca.x0);
                pca.loss((0..steps).fold(x0, |x, t| pca.step(x, c, t)), c)
            },
            &pca.phi,
        );
        close(&pca.derivative(steps, Estimator::Unroll), &unroll.unwrap(), 1e-12);
    }
    // The loop is far from its end, so that all of this differs.
    assert!((pca.by_hand(4, 2).0 - pca.by_hand(4, 5).0).norm_max() > 1e-2);
    assert!((pca.state(4) - pca.state(3)).norm_max() > 1e-2);
}

#[test]
fn steps_know_their_number_in_every_estimator() {
    // z <- a_t z + b_t phi with a_t = 1/(2 + t), b_t = 1 + t; L = z.
    let (a, b) = (|t: usize| 1.0 / (2 + t) as f64, |t: usize| (1 + t) as f64);
    let p = inner_loop(&3.0f64, &0.5f64, |z, phi, t| z * a(t) + phi * b(t), |z, _| z);
    for steps in [1, 2, 3, 6, 9] {
        let (mut z, mut dz) = (3.0, 0.0);
        for t in 0..steps {
            (z, dz) = (a(t) * z + 0.5 * b(t), a(t) * dz + b(t));
        }
        let last = steps - 1;
        // The last steps alone, started with a derivative of zero.
        let window = |w: usize| (steps - w..steps).fold(0.0, |dz, t| a(t) * dz + b(t));
        let geometric = |terms: usize| (0..=terms).map(|k| a(last).powi(k as i32)).sum::<f64>() * b(last);
        for (how, expected) in [
            (Estimator::Unroll, dz),
            (Estimator::Truncated { steps: 2 }, window(2.min(steps))),
            (Estimator::OneStep, b(last)),
            (Estimator::FixedPoint { terms: 3 }, geometric(3)),
        ] {
            let d = p.derivative(steps, how).unwrap();
            assert!((d.value - z).abs() < 1e-14 * z.abs(), "{how:?} after {steps} steps: {} {z}", d.value);
            assert!((d.gradient - expected).abs() < 1e-13 * expected, "{how:?} after {steps} steps");
        }
    }
}

#[test]
fn a_series_is_cut_off_where_its_terms_are_twice_as_long_as_the_first() {
    // Terms 1, 1.3, 1.69, 2.197: the third after the first is the one too many.
    let run = |a: f64, terms| {
        let p = inner_loop(&1.0f64, &0.1f64, |z, phi, _| z * a + phi, |z, _| z);
        let d = p.derivative(3, Estimator::FixedPoint { terms }).unwrap();
        (d.certificate.truncated, d.certificate.terms)
    };
    assert_eq!(run(1.3, 9), (true, 2));
    assert_eq!(run(1.3, 2), (false, 2));
    // Slow growth, to 1.97 times the first, is let through; 2.01 times is not.
    assert_eq!(run(1.07, 10), (false, 10));
    assert_eq!(run(1.07, 11), (true, 10));
    assert_eq!(run(-1.3, 9), (true, 2));
}

#[test]
fn what_a_step_hands_on_is_no_part_of_the_contraction() {
    // p <- tanh(phi p + x) beside a constant x, handed on as it is or as a copy: one derivative to the bit, but only
    // the first knows that the loop contracts by phi (1 - p^2), and not by 1.
    let (x, phi) = (Mat::from_fn(3, 1, |i, _| 0.3 + 0.2 * i as f64), 0.6);
    let start = (Mat::<f64>::zeros(3, 1), x);
    let handed = inner_loop(
        &start,
        &phi,
        |(p, x): (Var, Var), phi: Var, _| ((p * phi + x).tanh(), x),
        |(p, x), _: Var| p.dot(p) + p.dot(x) + x.sum(),
    );
    let copied = inner_loop(
        &start,
        &phi,
        |(p, x): (Var, Var), phi: Var, _| ((p * phi + x).tanh(), x * 1.0),
        |(p, x), _: Var| p.dot(p) + p.dot(x) + x.sum(),
    );
    for (steps, terms) in [(1, 0), (4, 2), (30, 5), (60, 40)] {
        for how in
            [Estimator::FixedPoint { terms }, Estimator::IrmmPaper { terms }, Estimator::IrmmCode { terms, alpha: 0.1 }]
        {
            let (a, b) = (handed.derivative(steps, how).unwrap(), copied.derivative(steps, how).unwrap());
            assert_eq!((a.gradient, a.value), (b.gradient, b.value), "{how:?} after {steps} steps");
        }
    }
    let how = Estimator::FixedPoint { terms: 40 };
    let (a, b) = (handed.derivative(60, how).unwrap(), copied.derivative(60, how).unwrap());
    let slowest = (0..3).map(|i| phi * (1.0 - a.state.0[(i, 0)].powi(2))).fold(0.0f64, f64::max);
    let (ours, theirs) = (a.certificate.rho.unwrap(), b.certificate.rho.unwrap());
    assert!((ours - slowest).abs() < 0.01 && theirs > 0.9, "{ours} {theirs}, and not {slowest}");
    assert!(a.certificate.verdict.is_sound() && a.certificate.error.unwrap() < 1e-8, "{}", a.certificate);
}
