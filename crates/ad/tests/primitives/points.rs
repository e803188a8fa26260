//! Points to check at: generic ones, and the degenerate corpus of each kind of input. Nothing here knows operations.

use faer::Mat;
use pullback::{Batch, Shape};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use rand_pcg::Pcg64Mcg;

/// What an operation asks of an input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Any `m x n` matrix.
    Any(usize, usize),
    /// Any `m x n` matrix of moderate entries, for what oscillates.
    Unit(usize, usize),
    /// Entries of modulus at least 1/2: away from kinks and poles at 0.
    Away(usize, usize),
    /// Positive entries.
    Positive(usize, usize),
    /// Full column rank, `m >= n`.
    Tall(usize, usize),
    /// Regular.
    Regular(usize),
    /// Any square matrix whose diagonal has modulus at least 1: either triangle can be solved with.
    Triangular(usize),
    /// Symmetric positive definite.
    Spd(usize),
    /// Any symmetric matrix.
    Symmetric(usize),
    /// Small, so that `I - W` is regular.
    Small(usize),
    /// Symmetric, eigenvalues at least 1/2 apart.
    Simple(usize),
    /// Symmetric, the larger half of the eigenvalues (rounded down) above 1/2, the others below -1/2.
    Gapped(usize),
    /// Singular values at least 1/2 apart and from 0; any shape.
    Distinct(usize, usize),
}
use Kind::*;

/// A point of a corpus: a matrix, the size of the directions there, and the digits that are lost.
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) x: Mat<f64>,
    pub(crate) scale: Option<Mat<f64>>,
    pub(crate) condition: f64,
}

pub(crate) struct Rng(Pcg64Mcg);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(Pcg64Mcg::seed_from_u64(seed))
    }
    pub(crate) fn normal(&mut self, m: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(m, n, |_, _| StandardNormal.sample(&mut self.0))
    }
    /// In `[1/2, 3/2)`.
    pub(crate) fn around_one(&mut self, m: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(m, n, |_, _| 0.5 + <StandardUniform as Distribution<f64>>::sample(&StandardUniform, &mut self.0))
    }
    /// Orthonormal columns.
    pub(crate) fn orthonormal(&mut self, m: usize, n: usize) -> Mat<f64> {
        self.normal(m, n).qr().compute_thin_Q()
    }
    /// `Q diag(spectrum) Q'`, exactly symmetric.
    pub(crate) fn with_spectrum(&mut self, spectrum: &[f64]) -> Mat<f64> {
        let q = self.orthonormal(spectrum.len(), spectrum.len());
        let a = &q * diagonal(spectrum) * q.transpose();
        0.5 * (&a + a.transpose())
    }
}

pub(crate) fn diagonal(d: &[f64]) -> Mat<f64> {
    Mat::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
}

impl Kind {
    pub(crate) fn shape(self) -> (usize, usize) {
        match self {
            Any(m, n) | Unit(m, n) | Away(m, n) | Positive(m, n) | Tall(m, n) | Distinct(m, n) => (m, n),
            Regular(n) | Triangular(n) | Spd(n) | Symmetric(n) | Small(n) | Simple(n) | Gapped(n) => (n, n),
        }
    }

    /// A generic point, well inside the domain.
    pub(crate) fn generic(self, seed: u64) -> Mat<f64> {
        let mut rng = Rng::new(seed);
        let (m, n) = self.shape();
        match self {
            Any(..) | Unit(..) => rng.normal(m, n),
            Positive(..) => rng.around_one(m, n),
            Away(..) => {
                let (size, sign) = (rng.around_one(m, n), rng.normal(m, n));
                Mat::from_fn(m, n, |i, j| size[(i, j)].copysign(sign[(i, j)]))
            }
            Tall(..) => {
                let (q, s, v) = (rng.orthonormal(m, n), rng.around_one(n, 1), rng.orthonormal(n, n));
                let s: Vec<f64> = (0..n).map(|i| s[(i, 0)]).collect();
                q * diagonal(&s) * v
            }
            Regular(n) => {
                let noise = rng.normal(n, n) * (0.5 / (n.max(1) as f64).sqrt());
                // Not near a symmetric or a triangular matrix, and a pivoting factorisation has something to do.
                Mat::from_fn(n, n, |i, j| noise[(i, j)] + if (i + 1) % n == j { 1.5 } else { 0.0 })
            }
            Triangular(n) => {
                let noise = rng.normal(n, n);
                Mat::from_fn(n, n, |i, j| {
                    if i == j { noise[(i, j)] + 1.5f64.copysign(noise[(i, j)]) } else { 0.5 * noise[(i, j)] }
                })
            }
            Spd(n) => {
                let s = rng.around_one(n, 1);
                let s: Vec<f64> = (0..n).map(|i| s[(i, 0)]).collect();
                rng.with_spectrum(&s)
            }
            Symmetric(n) => {
                let a = rng.normal(n, n);
                0.5 * (&a + a.transpose())
            }
            Small(n) => rng.normal(n, n) * (0.3 / (n.max(1) as f64).sqrt()),
            Simple(n) => {
                let s = rng.around_one(n, 1);
                let s: Vec<f64> = (0..n).map(|i| 1.5 * (i as f64 - 0.5 * n as f64) + s[(i, 0)]).collect();
                rng.with_spectrum(&s)
            }
            Gapped(n) => {
                let s = rng.around_one(n, 1);
                let s: Vec<f64> =
                    (0..n).map(|i| if i >= n - n / 2 { 0.5 + s[(i, 0)] } else { -0.5 - s[(i, 0)] }).collect();
                rng.with_spectrum(&s)
            }
            Distinct(..) => {
                let k = m.min(n);
                let s = rng.around_one(k, 1);
                let s: Vec<f64> = (0..k).map(|i| 1.5 * i as f64 + s[(i, 0)]).collect();
                rng.orthonormal(m, k) * diagonal(&s) * rng.orthonormal(n, k).transpose()
            }
        }
    }

    /// Everything that is degenerate about this kind of input, at its shape.
    pub(crate) fn corpus(self) -> Vec<Point> {
        let (m, n) = self.shape();
        let k = m.min(n);
        if k == 0 {
            return vec![];
        }
        let mut rng = Rng::new(99);
        let mut out = vec![];
        let mut add = |label: &str, x: Mat<f64>, scale: Option<Mat<f64>>, condition: f64| {
            out.push(Point { label: label.into(), x, scale, condition });
        };
        let eye = Mat::from_fn(m, n, |i, j| if i == j { 1.0 } else { 0.0 });
        match self {
            Any(..) | Away(..) | Positive(..) => {
                for s in [1e100, 1e-100] {
                    add(&format!("times {s:e}"), self.generic(5) * s, None, 1.0);
                }
                if let Any(..) = self {
                    add("zero", Mat::zeros(m, n), None, 1.0);
                    add("identity", eye, None, 1.0);
                }
            }
            Unit(..) => {
                add("zero", Mat::zeros(m, n), None, 1.0);
                add("identity", eye, None, 1.0);
            }
            Tall(..) => {
                add("identity", eye.clone(), None, 1.0);
                add("orthonormal", rng.orthonormal(m, n), None, 1.0);
                add("2Q", 2.0 * rng.orthonormal(m, n), None, 1.0);
                for gap in GAPS {
                    let s: Vec<f64> = (0..n).map(|i| 1.0 + i as f64 * gap).collect();
                    let x = rng.orthonormal(m, n) * diagonal(&s) * rng.orthonormal(n, n);
                    add(&format!("singular values with gap {gap:e}"), x, None, 1.0);
                    let near = rng.orthonormal(m, n) + gap * rng.normal(m, n);
                    add(&format!("at {gap:e} from orthonormal"), near, None, 1.0);
                }
                for s in [1e150, 1e-150] {
                    add(&format!("times {s:e}"), self.generic(5) * s, None, 1.0);
                }
            }
            Regular(_) | Triangular(_) => {
                add("identity", eye.clone(), None, 1.0);
                if let Regular(_) = self {
                    add("permutation", Mat::from_fn(n, n, |i, j| if (i + 1) % n == j { 1.0 } else { 0.0 }), None, 1.0);
                    add("orthogonal", rng.orthonormal(n, n), None, 1.0);
                }
                add("times 1e100", self.generic(5) * 1e100, None, 1.0);
                add("times 1e-100", self.generic(5) * 1e-100, None, 1.0);
            }
            Spd(_) => {
                add("identity", eye.clone(), None, 1.0);
                add("3 identity", 3.0 * eye.clone(), None, 1.0);
                for gap in GAPS {
                    let s: Vec<f64> = (0..n).map(|i| 1.0 + (i / 2) as f64 + (i % 2) as f64 * gap).collect();
                    add(&format!("spectrum in pairs with gap {gap:e}"), rng.with_spectrum(&s), None, 1.0);
                    let near = rng.normal(n, n);
                    add(
                        &format!("at {gap:e} from identity"),
                        eye.clone() + gap * (&near + near.transpose()),
                        None,
                        1.0,
                    );
                }
                add("times 1e100", self.generic(5) * 1e100, None, 1.0);
                add("times 1e-100", self.generic(5) * 1e-100, None, 1.0);
            }
            Symmetric(_) => {
                add("zero", Mat::zeros(n, n), None, 1.0);
                add("identity", eye.clone(), None, 1.0);
                for gap in GAPS {
                    let s: Vec<f64> = (0..n).map(|i| 1.0 + (i / 2) as f64 + (i % 2) as f64 * gap).collect();
                    add(&format!("spectrum in pairs with gap {gap:e}"), rng.with_spectrum(&s), None, 1.0);
                }
            }
            Simple(_) => {
                // Vectors lose the inverse of the gap, and their series reach as far as the gap.
                for gap in [1e-2, 1e-4] {
                    let s: Vec<f64> = (0..n).map(|i| 1.0 + (i / 2) as f64 + (i % 2) as f64 * gap).collect();
                    let steps = Some(Mat::from_fn(n, n, |_, _| 0.1 * gap));
                    add(&format!("pairs with gap {gap:e}"), rng.with_spectrum(&s), steps, 1.0 / gap);
                }
                add("diagonal", diagonal(&(0..n).map(|i| i as f64).collect::<Vec<_>>()), None, 1.0);
                add("times 1e100", self.generic(5) * 1e100, None, 1.0);
                add("times 1e-100", self.generic(5) * 1e-100, None, 1.0);
            }
            Gapped(_) => {
                let level = |i: usize| if i >= n - n / 2 { 1.0 } else { -2.0 };
                for gap in GAPS {
                    let s: Vec<f64> = (0..n).map(|i| level(i) + (i % 2) as f64 * gap).collect();
                    add(&format!("two levels, gaps {gap:e} inside"), rng.with_spectrum(&s), None, 1.0);
                }
                add("two levels, diagonal", diagonal(&(0..n).map(level).collect::<Vec<_>>()), None, 1.0);
                add("times 1e100", self.generic(5) * 1e100, None, 1.0);
                add("times 1e-100", self.generic(5) * 1e-100, None, 1.0);
            }
            Distinct(..) => {
                for gap in [1e-2, 1e-4] {
                    let s: Vec<f64> = (0..k).map(|i| 1.0 + (i / 2) as f64 + (i % 2) as f64 * gap).collect();
                    let x = rng.orthonormal(m, k) * diagonal(&s) * rng.orthonormal(n, k).transpose();
                    let steps = Some(Mat::from_fn(m, n, |_, _| 0.1 * gap));
                    add(&format!("pairs with gap {gap:e}"), x, steps, 1.0 / gap);
                }
                add("diagonal", Mat::from_fn(m, n, |i, j| if i == j { 1.0 + i as f64 } else { 0.0 }), None, 1.0);
                for s in [1e150, 1e-150] {
                    add(&format!("times {s:e}"), self.generic(5) * s, None, 1.0);
                }
            }
            Small(_) => {
                add("zero", Mat::zeros(n, n), Some(Mat::from_fn(n, n, |_, _| 0.1)), 1.0);
                let w = rng.normal(n, n);
                add("skew", &w - w.transpose(), None, 1.0);
            }
        }
        out
    }

    /// Columns (rows and columns, if symmetric) graded over 1e±150, with directions of the same grading; `None` where grading means
    /// nothing to the kind.
    pub(crate) fn graded(self) -> Option<Point> {
        let grade = |i: usize| [1e150, 1.0, 1e-150, 1e75][i % 4];
        let x = self.generic(5);
        let (m, n) = self.shape();
        let d: Box<dyn Fn(usize, usize) -> f64> = match self {
            Tall(..) | Any(..) => Box::new(move |_, j| grade(j)),
            // Half of it on either side, so that the diagonal is graded over 1e±150.
            Spd(_) => Box::new(move |i, j| grade(i).sqrt() * grade(j).sqrt()),
            Regular(_) | Triangular(_) => Box::new(move |i, _| grade(i)),
            _ => return None,
        };
        let x = Mat::from_fn(m, n, |i, j| x[(i, j)] * d(i, j));
        // A tenth: a positive definite matrix stays so.
        let scale = Mat::from_fn(m, n, |i, j| 0.1 * d(i, j));
        Some(Point { label: "graded 1e±150".into(), x, scale: Some(scale), condition: 1.0 })
    }
}

/// The distances from a tie.
pub(crate) const GAPS: [f64; 4] = [0.0, 1e-14, 1e-8, 1e-4];

pub(crate) fn batch(x: &Mat<f64>) -> Batch<f64> {
    Batch::of(x)
}

/// The same numbers, rounded.
pub(crate) fn single(x: &Batch<f64>) -> Batch<f32> {
    let data: Vec<f32> = x.data().iter().map(|x| *x as f32).collect();
    Batch::from_slice(x.shape(), &data)
}

/// The same numbers, widened.
pub(crate) fn double(x: &Batch<f32>) -> Batch<f64> {
    let data: Vec<f64> = x.data().iter().map(|x| f64::from(*x)).collect();
    Batch::from_slice(x.shape(), &data)
}

pub(crate) fn stack(x: &[Batch<f64>]) -> Batch<f64> {
    let data: Vec<f64> = x.iter().flat_map(|b| b.data().to_vec()).collect();
    Batch::from_slice(Shape { batch: x.len(), ..x[0].shape() }, &data)
}
