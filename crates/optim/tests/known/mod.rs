//! Matrices, problems and questions that several tests of solvers have in common.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of it")]

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Scalar, Shape};
use pullback_manifolds::{Grassmann, Manifold, Parts, Result, Shapes, gaussian, numbers, residuals, words};
use pullback_optim::{Checkpoint, Found, Problem, Solver, Stop};

/// The generator of the known answers: splitmix64, as numbers in (-1, 1).
fn splitmix(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    2.0 * (z >> 11) as f64 * 2f64.powi(-53) - 1.0
}

/// `r x c` numbers in (-1, 1), row by row.
pub fn known_matrix(seed: u64, r: usize, c: usize) -> Mat<f64> {
    let mut state = seed;
    let rows: Vec<Vec<f64>> = (0..r).map(|_| (0..c).map(|_| splitmix(&mut state)).collect()).collect();
    Mat::from_fn(r, c, |i, j| rows[i][j])
}

pub fn symmetric(a: Mat<f64>) -> Mat<f64> {
    (&a + a.transpose()) * 0.5
}

pub fn orthonormal(a: &Mat<f64>) -> Mat<f64> {
    Tape::plain().constant(a).qr().0.value().into_mat()
}

/// Minus the sum of the three largest eigenvalues, on Gr(128, 3): problem 2 of the reference.
pub fn dominant(solver: impl Solver, stop: Stop) -> Found<Mat<f64>> {
    let a = symmetric(known_matrix(3, 128, 128));
    let x0 = orthonormal(&known_matrix(4, 128, 3));
    let gr = Grassmann::new(128, 3);
    Problem::new(&gr, &x0, |x| -x.t_mul(&a * x).trace()).solve(solver, stop).unwrap()
}

/// Its answer, from the factorisation.
pub fn largest() -> f64 {
    let a = symmetric(known_matrix(3, 128, 128));
    let values = Tape::plain().constant(&a).eigvalsh().value();
    let n = values.data().len();
    -values.data()[n - 3..].iter().sum::<f64>()
}

/// The highest order of convergence that the last gradients show: `ln(g[k+1]/g[k]) / ln(g[k]/g[k-1])` where both fall.
pub fn order(g: &[f64]) -> f64 {
    let falls = |k: usize| (g[k] / g[k - 1]).ln();
    let last = g.len() - 1;
    let seen = (last - 2..=last).filter(|k| falls(*k) < 0.0 && falls(*k - 1) < 0.0);
    seen.map(|k| falls(k) / falls(k - 1)).fold(0.0, f64::max)
}

/// A run that is written down, read and resumed must be the uninterrupted one.
pub fn resumes<S: Solver + Clone, F: for<'t> pullback::CostFn<'t, Mat<f64>>>(
    problem: &Problem<'_, Mat<f64>, F>,
    solver: S,
) {
    let stop = || Stop::Iterations(9);
    let whole = problem.solve(solver.clone(), stop()).unwrap();
    for pause in [0, 1, 4] {
        let mut run = problem.run(solver.clone(), stop());
        for _ in 0..=pause {
            run.step().unwrap();
        }
        let text = run.checkpoint().unwrap().to_json();
        drop(run);
        let read = Checkpoint::from_json(&text).unwrap();
        let rest = problem.resume(solver.clone(), stop(), &read).unwrap().to_end().unwrap();
        assert_eq!(rest.iterations, whole.iterations);
        assert_eq!(rest.counts, whole.counts, "{} paused after {pause}", solver.name());
        let bits = |m: &Mat<f64>| {
            m.col_iter().flat_map(|c| c.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&rest.point), bits(&whole.point), "{} paused after {pause}", solver.name());
    }
}

/// The allocations of six steps after twelve.
pub fn allocations<S: Solver, L: Leaves<Scalar = f64>, F: for<'t> pullback::CostFn<'t, L>>(
    problem: &Problem<'_, L, F>,
    solver: S,
) -> u64 {
    let name = solver.name();
    let mut run = problem.run(solver, Stop::Iterations(60));
    for _ in 0..12 {
        run.step().unwrap();
    }
    let mut steps = 0;
    let seen = allocation_counter::measure(|| {
        for _ in 0..6 {
            steps += u64::from(run.step().unwrap().is_some());
        }
    });
    assert_eq!(steps, 6, "{name}: {}", run.why());
    seen.count_total
}

/// Unit vectors with the retraction that normalises, whose inverse it may keep to itself.
#[derive(Debug, Clone, Copy)]
pub struct UnitVectors {
    pub n: usize,
    pub inverse: bool,
}

impl<T: Scalar> Manifold<T> for UnitVectors {
    fn name(&self) -> String {
        format!("unit vectors of R^{}", self.n)
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(self.n, 1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        self.n - 1
    }
    fn project<'t>(&self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Parts<'t, T> {
        [u[0] - x[0] * x[0].dot(u[0])].into_iter().collect()
    }
    fn retract<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
        let y = x[0] + v[0];
        [y.elem_div(y.norm())].into_iter().collect()
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        self.inverse.then(|| [y[0].elem_div(x[0].dot(y[0])) - x[0]].into_iter().collect())
    }
    fn random_point(&self, batch: usize, rng: &mut dyn rand::Rng) -> Vec<Batch<T>> {
        let x = gaussian(Shape::batch(batch, self.n, 1), rng);
        numbers::apply(&[&[x]], &mut |l| Manifold::reproject(self, &l[0])).unwrap()
    }
    fn check_point(&self, x: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        residuals::shapes(&name, &Manifold::<T>::shapes(self), x)?;
        let residual = residuals::gram_residual(&x[0], &x[0], 1.0);
        residuals::point_equation(&name, "x^T x = 1", &residual, |_| residuals::tolerance::<T>(self.n))
    }
    fn check_tangent(&self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<()> {
        let name = || Manifold::<T>::name(self);
        residuals::shapes(&name, &Manifold::<T>::shapes(self), u)?;
        let residual = residuals::gram_residual(&x[0], &u[0], 0.0);
        residuals::tangent_equation(&name, "x^T u = 0", &residual, |b| {
            residuals::tolerance::<T>(self.n) * (1.0 + residuals::largest(&u[0], b))
        })
    }
}
words!(UnitVectors);
