//! Our side of the solver rows: a problem solved by trust regions, beside pymanopt's in `rows_pymanopt.py`.
//!
//! A row is one function on each side, under one name. It makes the data, and gives a closure that solves the problem
//! from the start that both sides know, with gradient and Hessian by the engine, and returns the cost it ended with and
//! the number of outer iterations. What is timed is the closure: recording the cost is part of it.

use pullback::faer::Mat;
use pullback::{Tape, Var, func};
use pullback_benches::worker::Subject;
use pullback_manifolds::{Grassmann, Orthogonal, Sphere, Stiefel};
use pullback_optim::{Found, Problem, Result, Stop, TrustRegions};

/// A problem that is ready to be solved.
type Ready = Box<dyn Fn() -> Result<Found<Mat<f64>>>>;

/// The rows that have a function on our side.
pub(crate) const SOLVERS: &[(&str, fn() -> Ready)] =
    &[("rayleigh", rayleigh), ("subspace", subspace), ("brockett", brockett), ("procrustes", procrustes)];

/// Entries in (-1, 1) row by row, by the generator SplitMix64.
fn mat(mut seed: u64, rows: usize, cols: usize) -> Mat<f64> {
    let mut next = || {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        2.0 * (z >> 11) as f64 * 2f64.powi(-53) - 1.0
    };
    let entries: Vec<f64> = (0..rows * cols).map(|_| next()).collect();
    Mat::from_fn(rows, cols, |i, j| entries[i * cols + j])
}

fn sym(a: Mat<f64>) -> Mat<f64> {
    (&a + a.transpose()) * 0.5
}

/// The orthonormal factor with a positive diagonal.
fn orthonormal(a: &Mat<f64>) -> Mat<f64> {
    Tape::plain().constant(a).qr().0.value().into_mat()
}

fn stop() -> Stop {
    Stop::GradientNorm(1e-8) | Stop::Iterations(500)
}

/// `x^T A x` on the sphere.
fn rayleigh() -> Ready {
    let (a, x) = (sym(mat(1, 100, 100)), mat(2, 100, 1));
    let x0 = &x * (1.0 / x.norm_l2());
    let m = Sphere::new(100, 1);
    Box::new(move || Problem::new(&m, &x0, |x: Var| x.quadratic_form(&a)).solve(TrustRegions::default(), stop()))
}

/// `-tr(X^T A X)` on the subspaces.
fn subspace() -> Ready {
    let (a, x0) = (sym(mat(3, 128, 128)), orthonormal(&mat(4, 128, 3)));
    let m = Grassmann::new(128, 3);
    Box::new(move || Problem::new(&m, &x0, |x: Var| -x.quadratic_form(&a)).solve(TrustRegions::default(), stop()))
}

/// `tr(X^T A X N)` on the orthonormal frames.
fn brockett() -> Ready {
    let (a, x0) = (sym(mat(5, 50, 50)), orthonormal(&mat(6, 50, 5)));
    let n = Mat::from_fn(1, 5, |_, j| (5 - j) as f64);
    let m = Stiefel::new(50, 5);
    Box::new(move || {
        let cost = func(|x: Var| (&a * x).hadamard(&n).dot(x));
        Problem::new(&m, &x0, cost).solve(TrustRegions::default(), stop())
    })
}

/// `|R A - B|^2` on the rotations.
fn procrustes() -> Ready {
    let (a, b) = (mat(7, 10, 30), mat(8, 10, 30));
    let x0 = Mat::<f64>::identity(10, 10);
    let m = Orthogonal::special(10);
    Box::new(move || {
        let cost = func(|r: Var| {
            let off = r * &a - &b;
            off.dot(off)
        });
        Problem::new(&m, &x0, cost).solve(TrustRegions::default(), stop())
    })
}

/// A solver row taken up.
pub(crate) struct Solving {
    solve: Ready,
    /// What the last call found.
    found: (f64, usize, f64),
}

impl Solving {
    pub(crate) fn new(make: fn() -> Ready) -> Self {
        Solving { solve: make(), found: (f64::NAN, 0, f64::NAN) }
    }
}

impl Subject for Solving {
    fn kinds(&self) -> &str {
        "solve"
    }

    fn run(&mut self, _kind: &str) -> std::result::Result<(), String> {
        let found = (self.solve)().map_err(|e| e.to_string())?;
        self.found = (found.cost, found.iterations, found.gradient);
        Ok(())
    }

    fn numbers(&self, _kind: &str) -> Vec<f64> {
        vec![self.found.0]
    }

    fn remark(&self) -> String {
        format!("{} outer, |g| {:.1e}", self.found.1, self.found.2)
    }
}
