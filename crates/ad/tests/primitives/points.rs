//! Points to check at: generic ones, and the degenerate corpus of each kind of input, as recipes of `pullback-check`.
//! Nothing here knows operations.

use faer::Mat;
use pullback::{Batch, Shape};
use pullback_check::strategies::{Kind as Of, Recipe, Spectrum};

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
    /// Any square matrix, of a norm that its exponential can bear.
    Exponent(usize),
    /// General, with eigenvalues at least 1/2 apart, real ones and pairs, and vectors whose largest entry stands out.
    Spread(usize),
    /// Symmetric, eigenvalues at least 1/2 apart.
    Simple(usize),
    /// Symmetric, the larger half of the eigenvalues (rounded down) above 1/2, the others below -1/2.
    Gapped(usize),
    /// Singular values at least 1/2 apart and from 0; any shape.
    Distinct(usize, usize),
    /// General, with eigenvalues in the right half plane, some of them complex.
    Accretive(usize),
}
use Kind::*;

/// A point of a corpus: a matrix, the size of the directions there, and the digits that are lost.
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) x: Mat<f64>,
    pub(crate) scale: Option<Mat<f64>>,
    pub(crate) condition: f64,
}

/// The matrix of a recipe.
fn drawn(of: Of, (m, n): (usize, usize), spectrum: Spectrum, seed: u64) -> Mat<f64> {
    Recipe::new(of, Shape::mat(m, n), seed).spectrum(spectrum).batch().into_mat()
}

/// One matrix after another.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }
    fn next(&mut self, of: Of, size: (usize, usize), spectrum: Spectrum) -> Mat<f64> {
        // Not the seeds that points are drawn with.
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        drawn(of, size, spectrum, self.0)
    }
    pub(crate) fn normal(&mut self, m: usize, n: usize) -> Mat<f64> {
        self.next(Of::Any, (m, n), Spectrum::Generic)
    }
    /// Orthonormal columns, `m >= n`.
    pub(crate) fn orthonormal(&mut self, m: usize, n: usize) -> Mat<f64> {
        self.next(Of::Orthonormal, (m, n), Spectrum::Generic)
    }
    /// `Q diag(spectrum) Q'`, exactly symmetric.
    pub(crate) fn with_spectrum(&mut self, spectrum: &[f64]) -> Mat<f64> {
        let n = spectrum.len();
        self.next(Of::Symmetric, (n, n), Spectrum::Given(spectrum.to_vec()))
    }
}

pub(crate) fn diagonal(d: &[f64]) -> Mat<f64> {
    Mat::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
}

impl Kind {
    pub(crate) fn shape(self) -> (usize, usize) {
        match self {
            Any(m, n) | Unit(m, n) | Away(m, n) | Positive(m, n) | Tall(m, n) | Distinct(m, n) => (m, n),
            Regular(n) | Triangular(n) | Spd(n) | Symmetric(n) | Small(n) | Exponent(n) | Simple(n) | Gapped(n) => {
                (n, n)
            }
            Accretive(n) | Spread(n) => (n, n),
        }
    }

    /// A generic point, well inside the domain.
    pub(crate) fn generic(self, seed: u64) -> Mat<f64> {
        let (m, n) = self.shape();
        let of = |of: Of| drawn(of, (m, n), Spectrum::Generic, seed);
        let given = |of: Of, spectrum: Vec<f64>| drawn(of, (m, n), Spectrum::Given(spectrum), seed);
        // From 1/2 to 3/2.
        let around_one = |k| Spectrum::Generic.values(k, seed);
        match self {
            Any(..) | Unit(..) => of(Of::Any),
            Positive(..) => of(Of::Positive),
            Away(..) => of(Of::Away),
            Tall(..) => of(Of::General),
            Regular(n) => {
                let noise = of(Of::Any) * (0.5 / (n.max(1) as f64).sqrt());
                // Not near a symmetric or a triangular matrix, and a pivoting factorisation has something to do.
                Mat::from_fn(n, n, |i, j| noise[(i, j)] + if (i + 1) % n == j { 1.5 } else { 0.0 })
            }
            Triangular(_) => of(Of::Triangular),
            Spd(_) => of(Of::Spd),
            // Its eigenvalues are anywhere, and may be near one another or zero.
            Symmetric(_) => {
                let a = of(Of::Any);
                0.5 * (&a + a.transpose())
            }
            Accretive(n) => {
                let noise = of(Of::Any) * (0.4 / (n.max(1) as f64).sqrt());
                // Turning one coordinate into the next makes pairs.
                let turn = |i: usize, j: usize| f64::from(i == j + 1) - f64::from(j == i + 1);
                Mat::from_fn(n, n, |i, j| {
                    noise[(i, j)] + 0.5 * turn(i, j) + if i == j { 1.5 + 0.2 * i as f64 } else { 0.0 }
                })
            }
            Small(n) => of(Of::Any) * (0.3 / (n.max(1) as f64).sqrt()),
            Exponent(n) => of(Of::Any) * (1.0 / (n.max(1) as f64).sqrt()),
            Spread(n) => {
                let noise = of(Of::Any) * (0.2 / (n.max(1) as f64).sqrt());
                // A pair at every third place, from the first or from the second on, and real ones between.
                let start = seed as usize % 2;
                let pair = |i: usize| i >= start && (i - start).is_multiple_of(3) && i + 1 < n;
                Mat::from_fn(n, n, |i, j| {
                    noise[(i, j)]
                        + match (i, j) {
                            _ if i == j => 1.0 + 1.5 * i as f64 - if i > 0 && pair(i - 1) { 1.5 } else { 0.0 },
                            _ if j == i + 1 && pair(i) => 4.0,
                            _ if i == j + 1 && pair(j) => -1.0,
                            _ => 0.0,
                        }
                })
            }
            Simple(n) => {
                let apart = |(i, s)| 1.5 * (i as f64 - 0.5 * n as f64) + s;
                given(Of::Symmetric, around_one(n).into_iter().enumerate().map(apart).collect())
            }
            Gapped(n) => {
                let sides = |(i, s)| if i >= n - n / 2 { 0.5 + s } else { -0.5 - s };
                given(Of::Symmetric, around_one(n).into_iter().enumerate().map(sides).collect())
            }
            Distinct(..) => {
                let apart = |(i, s)| 1.5 * i as f64 + s;
                given(Of::General, around_one(m.min(n)).into_iter().enumerate().map(apart).collect())
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
                    let tied = rng.next(Of::General, (m, n), Spectrum::Tied { gap });
                    add(&format!("singular values with gap {gap:e}"), tied, None, 1.0);
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
                    let pairs = rng.next(Of::Spd, (n, n), Spectrum::Pairs { gap });
                    add(&format!("spectrum in pairs with gap {gap:e}"), pairs, None, 1.0);
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
                    let pairs = rng.next(Of::Symmetric, (n, n), Spectrum::Pairs { gap });
                    add(&format!("spectrum in pairs with gap {gap:e}"), pairs, None, 1.0);
                }
            }
            Spread(_) => {
                add("diagonal", diagonal(&(0..n).map(|i| 1.0 + i as f64).collect::<Vec<_>>()), None, 1.0);
                let upper = |d: &dyn Fn(usize) -> f64, off: f64| {
                    Mat::from_fn(n, n, |i, j| {
                        if i == j {
                            d(i)
                        } else if i < j {
                            off
                        } else {
                            0.0
                        }
                    })
                };
                add("triangular", upper(&|i| 1.0 + i as f64, 0.3), None, 4.0);
                // Vectors and condition numbers are as large as the inverse of the gap, and so are their derivatives.
                for gap in [1e-1, 1e-2] {
                    let near = upper(&|i| 1.0 + i as f64 - (i % 2) as f64 * (1.0 - gap), 0.3);
                    add(&format!("not normal, with gap {gap:e}"), near, None, 1.0 / (gap * gap * gap));
                }
                let turn = |i: usize, j: usize| match (i, j) {
                    _ if i == j => 2.0 * (i / 2) as f64,
                    _ if i / 2 == j / 2 && j == i + 1 => 2e-2,
                    _ if i / 2 == j / 2 => -1e-2,
                    _ => 0.0,
                };
                if n % 2 == 0 {
                    add("pairs near the real axis", Mat::from_fn(n, n, turn), None, 1e2);
                }
                add("times 1e100", self.generic(5) * 1e100, None, 1.0);
                add("times 1e-100", self.generic(5) * 1e-100, None, 1.0);
            }
            Simple(_) => {
                // Vectors lose the inverse of the gap.
                for gap in [1e-2, 1e-4] {
                    let pairs = rng.next(Of::Symmetric, (n, n), Spectrum::Pairs { gap });
                    add(&format!("pairs with gap {gap:e}"), pairs, None, 1.0 / gap);
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
                    let pairs = rng.next(Of::General, (m, n), Spectrum::Pairs { gap });
                    add(&format!("pairs with gap {gap:e}"), pairs, None, 1.0 / gap);
                }
                add("diagonal", Mat::from_fn(m, n, |i, j| if i == j { 1.0 + i as f64 } else { 0.0 }), None, 1.0);
                for s in [1e150, 1e-150] {
                    add(&format!("times {s:e}"), self.generic(5) * s, None, 1.0);
                }
            }
            Exponent(_) => {
                let ones = || Some(Mat::from_fn(n, n, |_, _| 1.0));
                add("zero", Mat::zeros(n, n), ones(), 1.0);
                add("identity", eye.clone(), None, 1.0);
                let shift = Mat::from_fn(n, n, |i, j| if i + 1 == j { 1.0 } else { 0.0 });
                add("nilpotent", 2.0 * &shift, None, 1.0);
                add("defective", &shift - 1.5 * &eye, None, 1.0);
                add("far from normal", 300.0 * &shift + 1e-3 * rng.normal(n, n), ones(), 1.0);
                let w = rng.normal(n, n);
                add("skew", &w - w.transpose(), None, 1.0);
                add("skew, long", 8.0 * (&w - w.transpose()), ones(), 1.0);
                add("symmetric", &w + w.transpose(), None, 1.0);
                add("times 1e-8", 1e-8 * &w, ones(), 1.0);
                add("decaying", &w - 30.0 * &eye, ones(), 1.0);
                add("growing", &w + 20.0 * &eye, ones(), 1.0);
            }
            Accretive(_) => {
                add("identity", eye.clone(), None, 1.0);
                add("3 identity", 3.0 * eye.clone(), None, 1.0);
                let shift = Mat::from_fn(n, n, |i, j| f64::from(i + 1 == j));
                add("defective", 1.5 * &eye + &shift, None, 1.0);
                // Complex pairs, tied as well.
                let quarter = Mat::from_fn(n, n, |i, j| {
                    f64::from(i == j + 1 && j % 2 == 0) - f64::from(j == i + 1 && i % 2 == 0)
                });
                add("pairs", &eye + 2.0 * quarter, None, 1.0);
                for gap in GAPS {
                    let pairs = rng.next(Of::Spd, (n, n), Spectrum::Pairs { gap });
                    add(&format!("symmetric, in pairs with gap {gap:e}"), pairs, None, 1.0);
                    add(&format!("at {gap:e} from defective"), 1.5 * &eye + &shift + gap * rng.normal(n, n), None, 1.0);
                    add(&format!("at {gap:e} from identity"), &eye + gap * rng.normal(n, n), None, 1.0);
                }
                add("times 1e100", self.generic(5) * 1e100, None, 1.0);
                add("times 1e-100", self.generic(5) * 1e-100, None, 1.0);
            }
            Small(_) => {
                add("zero", Mat::zeros(n, n), Some(Mat::from_fn(n, n, |_, _| 0.1)), 1.0);
                let w = rng.normal(n, n);
                add("skew", &w - w.transpose(), None, 1.0);
            }
        }
        out
    }

    /// Columns (rows and columns, if symmetric) graded over 1e±150, with directions of the same grading; `None` where
    /// grading means nothing to the kind.
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
