//! A manifold of one's own, in eight short methods: an ellipsoid `x'Wx = 1`, and its point nearest to a given one.

use pullback::{Shape, faer::Mat, faer::mat, prelude::*};
use pullback_manifolds::{self as manifolds, Manifold, Parts, Shapes, gaussian, numbers, rand, residuals};
use pullback_optim::{History, Problem, Stop, TrustRegions};

/// The diagonal of W, as a column.
#[derive(Debug)]
struct Ellipsoid(Mat<f64>);

impl Manifold for Ellipsoid {
    fn name(&self) -> String {
        format!("ellipsoid in R^{}", self.0.nrows())
    }
    fn shapes(&self) -> Shapes {
        [Shape::mat(self.0.nrows(), 1)].into_iter().collect()
    }
    fn dim(&self) -> usize {
        self.0.nrows() - 1
    }
    fn project<'t>(&self, x: &[Var<'t>], u: &[Var<'t>]) -> Parts<'t> {
        let normal = x[0].hadamard(&self.0);
        [u[0] - normal * normal.dot(u[0]).elem_div(normal.dot(normal))].into_iter().collect()
    }
    fn retract<'t>(&self, x: &[Var<'t>], v: &[Var<'t>]) -> Parts<'t> {
        let y = x[0] + v[0];
        [y.elem_div(y.hadamard(&self.0).dot(y).sqrt())].into_iter().collect()
    }
    fn random_point(&self, batch: usize, rng: &mut dyn rand::Rng) -> Vec<Batch> {
        let x = gaussian(Shape::batch(batch, self.0.nrows(), 1), rng);
        numbers::apply(&[&[x]], &mut |l| self.reproject(&l[0])).expect("a Gaussian vector is not 0")
    }
    fn check_point(&self, x: &[Batch]) -> manifolds::Result<()> {
        residuals::shapes(&|| self.name(), &self.shapes(), x)?;
        let off = numbers::each(&[x], &mut |l| l[0][0].hadamard(&self.0).dot(l[0][0]) - 1.0)?;
        residuals::point_equation(&|| self.name(), "x'Wx = 1", &off, |_| 1e-12)
    }
    fn check_tangent(&self, x: &[Batch], u: &[Batch]) -> manifolds::Result<()> {
        residuals::shapes(&|| self.name(), &self.shapes(), u)?;
        let off = numbers::each(&[x, u], &mut |l| l[0][0].hadamard(&self.0).dot(l[1][0]))?;
        residuals::tangent_equation(&|| self.name(), "x'Wu = 0", &off, |b| 1e-12 * (1.0 + residuals::largest(&u[0], b)))
    }
}

/// What the example prints, and the history of its run.
pub fn run() -> Result<(String, History), Box<dyn std::error::Error>> {
    let ellipsoid = Ellipsoid(mat![[1.0], [0.25], [4.0]]);
    pullback_check::check_space::<f64>(&ellipsoid).run().assert_ok(); // each method against the others
    let (target, start) = (mat![[2.0], [1.5], [-1.0]], mat![[1.0], [0.0], [0.0]]);
    let problem = Problem::new(&ellipsoid, &start, |x| (x - &target).square().sum());
    let found = problem.solve(TrustRegions::default(), Stop::GradientNorm(1e-12))?;
    let multiple = |i: usize| (target[(i, 0)] - found.point[(i, 0)]) / (ellipsoid.0[(i, 0)] * found.point[(i, 0)]);
    assert!(multiple(0) > 0.0 && (1..3).all(|i| (multiple(i) - multiple(0)).abs() < 1e-12), "along W x");
    Ok((format!("{found}\n"), found.history))
}

#[allow(dead_code)]
fn main() {
    print!("{}", run().expect("there is a nearest point").0);
}
