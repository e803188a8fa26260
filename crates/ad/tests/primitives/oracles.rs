//! Derivatives known independently where others return NaN or lose half their digits: at ties, and at small distances
//! from them.
//!
//! The oracle is arithmetic in double-double (about 31 digits) with Newton-Schulz iterations, which use products only:
//! no eigenvectors, no solves, nothing of the engine. Gradients come from central differences with step 1e-9: their
//! truncation error is of relative size 1e-18 (third derivatives of these functions here are below 100), and rounding
//! gives 1e-31 / 1e-9 times the hundred operations of an iteration, 1e-20. So the oracle is right to 1e-16 by a wide
//! margin and the test measures `f64`.

use super::points::{Kind, Rng};
use faer::Mat;
use pullback::{SymFn, Var};
use std::ops::{Add, Mul, Sub};

/// `hi + lo`, unevaluated (Dekker; Knuth).
#[derive(Clone, Copy, Debug)]
struct Dd(f64, f64);

fn two_sum(a: f64, b: f64) -> Dd {
    let s = a + b;
    let t = s - a;
    Dd(s, (a - (s - t)) + (b - t))
}

impl Add for Dd {
    type Output = Dd;
    fn add(self, o: Dd) -> Dd {
        let (s, t) = (two_sum(self.0, o.0), two_sum(self.1, o.1));
        let s = two_sum(s.0, s.1 + t.0);
        two_sum(s.0, s.1 + t.1)
    }
}
impl Sub for Dd {
    type Output = Dd;
    fn sub(self, o: Dd) -> Dd {
        self + Dd(-o.0, -o.1)
    }
}
impl Mul for Dd {
    type Output = Dd;
    fn mul(self, o: Dd) -> Dd {
        let p = self.0 * o.0;
        let e = self.0.mul_add(o.0, -p);
        two_sum(p, e + (self.0 * o.1 + self.1 * o.0))
    }
}

/// A small dense matrix in double-double.
#[derive(Clone, Debug)]
struct M {
    m: usize,
    n: usize,
    a: Vec<Dd>,
}

impl M {
    fn of(x: &Mat<f64>) -> M {
        let (m, n) = (x.nrows(), x.ncols());
        M { m, n, a: (0..m * n).map(|k| Dd(x[(k % m, k / m)], 0.0)).collect() }
    }
    fn eye(n: usize) -> M {
        M::of(&Mat::identity(n, n))
    }
    fn t(&self) -> M {
        let a = (0..self.m * self.n).map(|k| self.a[(k / self.n) + (k % self.n) * self.m]).collect();
        M { m: self.n, n: self.m, a }
    }
    fn mul(&self, o: &M) -> M {
        assert_eq!(self.n, o.m);
        let entry =
            |i: usize, j: usize| (0..self.n).fold(Dd(0.0, 0.0), |s, k| s + self.a[k * self.m + i] * o.a[j * o.m + k]);
        M { m: self.m, n: o.n, a: (0..self.m * o.n).map(|k| entry(k % self.m, k / self.m)).collect() }
    }
    fn scale(&self, c: f64) -> M {
        M { a: self.a.iter().map(|x| *x * Dd(c, 0.0)).collect(), ..*self }
    }
    fn minus(&self, o: &M) -> M {
        M { a: self.a.iter().zip(&o.a).map(|(a, b)| *a - *b).collect(), ..*self }
    }
    fn plus(&self, o: &M) -> M {
        M { a: self.a.iter().zip(&o.a).map(|(a, b)| *a + *b).collect(), ..*self }
    }
    fn dot(&self, w: &Mat<f64>) -> Dd {
        let w = M::of(w);
        self.a.iter().zip(&w.a).fold(Dd(0.0, 0.0), |s, (a, b)| s + *a * *b)
    }
}

/// `(S^{1/2}, S^{-1/2})` of a positive definite `S` by the coupled Newton-Schulz iteration on `S / 4^k`, which
/// converges quadratically once the spectrum lies in (0, 1]; the limit is stable (Higham, *Functions of Matrices*,
/// 6.7).
fn roots(s: &M) -> (M, M) {
    let trace = (0..s.n).map(|i| s.a[i * s.n + i].0).sum::<f64>();
    let k = (trace.log2() / 2.0).ceil() as i32;
    let root = 2.0f64.powi(k);
    let (mut y, mut z) = (s.scale(1.0 / (root * root)), M::eye(s.n));
    for _ in 0..60 {
        let t = M::eye(s.n).scale(3.0).minus(&z.mul(&y)).scale(0.5);
        (y, z) = (y.mul(&t), t.mul(&z));
    }
    (y.scale(root), z.scale(1.0 / root))
}

fn inverse_root(a: &M) -> M {
    roots(a).1
}

/// `log S` by taking ten square roots, then the Mercator series about the identity, where 14 terms reach 1e-34.
fn log(a: &M) -> M {
    let mut r = a.clone();
    for _ in 0..10 {
        r = roots(&r).0;
    }
    let x = r.minus(&M::eye(a.n));
    let (mut power, mut sum) = (x.clone(), x.clone());
    for k in 2..16 {
        power = power.mul(&x);
        // 1/k in double-double by one Newton step.
        let c = 1.0 / f64::from(k);
        let e = (-c).mul_add(f64::from(k), 1.0) * c;
        let term = M { a: power.a.iter().map(|p| *p * Dd(c, e)).collect(), ..power };
        sum = if k % 2 == 0 { sum.minus(&term) } else { sum.plus(&term) };
    }
    sum.scale(1024.0)
}

/// The orthonormal polar factor `A (A'A)^{-1/2}`.
fn polar(a: &M) -> M {
    a.mul(&inverse_root(&a.t().mul(a)))
}

/// A function of `(A + A')/2`.
fn symmetric(f: fn(&M) -> M) -> impl Fn(&M) -> M {
    move |a| f(&a.plus(&a.t()).scale(0.5))
}

/// The gradient of `<w, f(x)>`.
fn gradient(f: impl Fn(&M) -> M, x: &Mat<f64>, w: &Mat<f64>) -> Mat<f64> {
    let h = 2.0f64.powi(-30);
    Mat::from_fn(x.nrows(), x.ncols(), |i, j| {
        let at = |h: f64| {
            let mut x = M::of(x);
            let k = j * x.m + i;
            x.a[k] = x.a[k] + Dd(h, 0.0);
            f(&x).dot(w)
        };
        ((at(h) - at(-h)) * Dd(0.5 / h, 0.0)).0
    })
}

const DISTANCES: [f64; 5] = [0.0, 1e-14, 1e-8, 1e-4, 1.0];

fn close(name: &str, distance: f64, found: &Mat<f64>, true_one: &Mat<f64>) {
    let error = (found - true_one).norm_max() / true_one.norm_max();
    assert!(error <= 1e-13, "{name} at {distance:e}: error {error:e}\n{found:?}\n{true_one:?}");
}

#[test]
fn the_oracle_knows_closed_forms() {
    // log diag(1/2, 2), and the gradient at a multiple of the identity.
    let a = super::points::diagonal(&[0.5, 2.0]);
    let l = log(&M::of(&a));
    assert!((l.a[0].0 + std::f64::consts::LN_2).abs() < 1e-16 && (l.a[3].0 - std::f64::consts::LN_2).abs() < 1e-16);
    let w = Kind::Symmetric(3).generic(1);
    let g = gradient(symmetric(inverse_root), &(4.0 * Mat::<f64>::identity(3, 3)), &w);
    assert!((g - &w * (-0.5 / 8.0)).norm_max() < 1e-16);
}

#[test]
fn gradients_at_every_distance_from_the_base_point() {
    let w = Rng::new(1).normal(4, 3);
    let (q, noise) = (Rng::new(2).orthonormal(4, 3), Rng::new(3).normal(4, 3));
    for d in DISTANCES {
        let x = &q + d * 0.5 * &noise;
        let g = pullback::grad(|x: Var| x.polar().0.dot(&w), &x).unwrap();
        close("polar", d, &g, &gradient(polar, &x, &w));
    }
    let square = Rng::new(4).orthonormal(3, 3);
    let (w, noise) = (Rng::new(5).normal(3, 3), Rng::new(6).normal(3, 3));
    for d in DISTANCES {
        let x = &square + d * 0.3 * &noise;
        let g = pullback::grad(|x: Var| x.polar().0.dot(&w), &x).unwrap();
        close("polar, square", d, &g, &gradient(polar, &x, &w));
    }
    // At distance 1 the spectrum lies in about [1, 2]; the noise is not symmetric, as an argument need not be.
    let w = Rng::new(7).normal(4, 4);
    let noise = Kind::Spd(4).generic(8) + 0.1 * Rng::new(9).normal(4, 4);
    for d in DISTANCES {
        let x = Mat::<f64>::identity(4, 4) + d * &noise;
        let g = pullback::grad(|x: Var| x.invsqrtm_spd().dot(&w), &x).unwrap();
        close("invsqrtm_spd", d, &g, &gradient(symmetric(inverse_root), &x, &w));
        let g = pullback::grad(|x: Var| x.logm_spd().dot(&w), &x).unwrap();
        close("logm_spd", d, &g, &gradient(symmetric(log), &x, &w));
    }
}

#[test]
fn the_hessian_of_the_trace_of_the_cube() {
    // D² tr A³ [V] = 3 (A V + V A) for the symmetric part V of a direction: 6 V at the identity, where every eigenvalue
    // is tied.
    for n in [1, 2, 3, 5, 8, 12] {
        let eye = Mat::<f64>::identity(n, n);
        let v = Rng::new(n as u64).normal(n, n);
        let sym = 0.5 * (&v + v.transpose());
        let three = [
            pullback::hvp(|x: Var| x.trace_fun(SymFn::Pow(3.0)), &eye, &v).unwrap(),
            pullback::hessian_map(|x: Var| x.trace_fun(SymFn::Pow(3.0)), &eye).unwrap()(&v).unwrap(),
            pullback::grad(|x: Var| x.grad(|x| x.trace_fun(SymFn::Pow(3.0))).dot(&v), &eye).unwrap(),
        ];
        for h in three {
            let error = (&h - 6.0 * &sym).norm_max() / (6.0 * sym.norm_max());
            assert!(error <= 1e-14, "n = {n}: {error:e}");
        }
    }
}
