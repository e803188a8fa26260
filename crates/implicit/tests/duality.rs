//! JVP and VJP of a solution are dual, `<zbar, dz> = <phibar, dphi>`, to 1e-12 of `|zbar| |dz|` by every solver that is
//! asked for its tightest tolerance: in flat space, on manifolds whose metric is not that of the entries, and on a
//! product; of costs, roots and fixed points.

#[path = "solutions/matrices.rs"]
mod matrices;
#[allow(dead_code)]
#[path = "solutions/spaces.rs"]
mod spaces;

use matrices::{mat, qf, solve, sym, with_spectrum};
use pullback::Leaves;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_implicit::linear::{Method, Positive, SelfAdjoint};
use pullback_implicit::{Condition, fixed_point, root, stationary};
use spaces::{Pair, Spd, Stiefel};

/// The tightest tolerance that is reached for these condition numbers: a few rounding units of the right-hand side.
const TIGHT: f64 = 2e-15;

fn general() -> Vec<Method> {
    vec![
        Method::Gmres { restart: 80 },
        Method::Gmres { restart: 20 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Anderson { memory: 10 },
    ]
}

fn positive(low: f64, high: f64) -> Vec<Method> {
    let mut all = general();
    all.extend([
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Chebyshev { low, high },
        Method::Richardson { step: 2.0 / (low + high) },
    ]);
    all
}

fn product<L: Leaves<Scalar = f64>>(a: &L, b: &L) -> f64 {
    let (a, b) = (a.batches(), b.batches());
    a.iter().zip(&b).flat_map(|(a, b)| a.data().iter().zip(b.data())).map(|(a, b)| a * b).sum()
}

fn dual<C>(c: &C, z: &C::State, phi: &C::Params, dphi: &C::Params, zbar: &C::State, methods: &[Method], what: &str)
where
    C: Condition,
    C::State: Leaves<Scalar = f64>,
    C::Params: Leaves<Scalar = f64>,
{
    for method in methods {
        let s = c.at(z, phi).without_polish().without_check().method(*method).tolerance(TIGHT);
        let (pushed, pulled) = (s.jvp(dphi).unwrap(), s.vjp(zbar).unwrap());
        let (a, b) = (product(zbar, &pushed.value), product(&pulled.value, dphi));
        let size = (product(zbar, zbar) * product(&pushed.value, &pushed.value)).sqrt();
        let off = (a - b).abs() / size;
        println!("{what}, {method}: {off:.1e}, residual {:.1e}", pushed.certificate.members[0].residual);
        assert!(off <= 1e-12, "{what}, {method:?}: {off:e}\n{}\n{}", pushed.certificate, pulled.certificate);
    }
}

fn spectrum(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.2 + 1.8 * i as f64 / (n - 1) as f64).collect()
}

#[test]
fn in_flat_space() {
    let n = 60;
    let a = with_spectrum(&spectrum(n), 10);
    let (phi, dphi, zbar) = (mat(11, n, 1), mat(12, n, 1), mat(13, n, 1));
    let z = solve(&a, &phi);
    let c = stationary(&z, &phi, |z: Var, phi: Var| z.dot(&a * z) * 0.5 - z.dot(phi)).flat();
    dual(&c, &z, &phi, &dphi, &zbar, &positive(0.2, 2.0), "a cost");
    let g = mat(14, n, n) * (0.5 / (n as f64).sqrt());
    let m = Mat::<f64>::identity(n, n) - &g;
    let z = solve(&m, &phi);
    let step = fixed_point(&z, &phi, |z: Var, phi: Var| &g * z + phi).flat();
    let mut all = general();
    all.extend([Method::NeumannAdaptive, Method::Neumann { terms: 80 }, Method::Richardson { step: 1.0 }]);
    dual(&step, &z, &phi, &dphi, &zbar, &all, "a fixed point");
    let r = root(&z, &phi, |z: Var, phi: Var| &m * z - phi).flat();
    dual(&r, &z, &phi, &dphi, &zbar, &general(), "a root");
}

#[test]
fn in_a_metric_that_is_not_that_of_the_entries() {
    // Positive matrices of order 10, 55 dimensions: M A M = B, with B as the parameter.
    let n = 10;
    let spd = Spd(n);
    let values: Vec<f64> = (0..n).map(|i| 0.5 + 0.3 * i as f64).collect();
    let (a, m) = (with_spectrum(&values, 20), with_spectrum(&values, 21));
    let b = sym(&(&m * &a * &m));
    let c = stationary(&m, &b, |m: Var, b: Var| m.dot(&a) + m.spd().solve(b.sym()).trace()).on(&spd);
    let (dphi, zbar) = (sym(&mat(22, n, n)), sym(&mat(23, n, n)));
    dual(&c, &m, &b, &dphi, &zbar, &positive(0.3, 80.0), "positive matrices");
    // A root whose map is not self-adjoint: L Z + Z L' = phi.
    let l = Mat::from_fn(n, n, |i, j| f64::from(i == j) + 0.3 * mat(24, n, n)[(i, j)]);
    let lz = &l * &m;
    let phi = &lz + lz.transpose();
    let c = root(&m, &phi, |z: Var, phi: Var| {
        let lz = &l * z;
        lz + lz.t() - phi
    })
    .on(&spd);
    dual(&c, &m, &phi, &dphi, &zbar, &general()[..4], "Lyapunov's equation");
}

#[test]
fn on_an_orthogonal_frame_and_on_a_product() {
    // The polar factor, 60 dimensions.
    let st = Stiefel(18, 4);
    let x = qf(&mat(30, 18, 4));
    let p = with_spectrum(&[1.0, 1.5, 2.0, 3.0], 31);
    let phi = &x * &p;
    let c = stationary(&x, &phi, |x: Var, phi: Var| x.dot(phi) * -1.0).on(&st);
    dual(&c, &x, &phi, &mat(32, 18, 4), &mat(33, 18, 4), &positive(0.9, 3.1), "an orthogonal frame");
    // The sphere times positive matrices, coupled.
    let space = Pair(Stiefel(6, 1), Spd(10));
    let (x, s) = (mat(40, 6, 1), with_spectrum(&(0..10).map(|i| 0.6 + 0.2 * i as f64).collect::<Vec<_>>(), 41));
    let phi = (x.clone(), s.clone());
    let z0 = (&x * (1.0 / x.norm_l2()), sym(&solve(&s, &Mat::identity(10, 10))));
    let c = stationary(&z0, &phi, |(y, m), (x, s): (Var, Var)| {
        m.dot(s.sym()) - m.spd().logdet() - y.dot(x) + y.dot(m.block(0..6, 0..6) * y) * 0.1
    })
    .on(&space);
    let mut z = z0;
    for _ in 0..6 {
        z = c.at(&z, &phi).linearise(&mut pullback_implicit::Tapes::new()).unwrap().solution();
    }
    let dphi = (mat(42, 6, 1), sym(&mat(43, 10, 10)));
    let zbar = (mat(44, 6, 1), sym(&mat(45, 10, 10)));
    dual(&c, &z, &phi, &dphi, &zbar, &positive(0.5, 3.0), "a product");
}
