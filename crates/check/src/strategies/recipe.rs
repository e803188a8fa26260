//! A matrix by its description, and the numbers that it stands for. What is simpler than what is not known here.

use pullback::faer::Mat;
use pullback::{Batch, Shape};
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

/// What every matrix of a recipe is, whatever its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Normal entries.
    Any,
    /// Entries of modulus 1/2 to 3/2, of both signs: away from kinks and poles at zero.
    Away,
    /// Entries from 1/2 to 3/2.
    Positive,
    /// Small whole numbers, many of them equal.
    Integer,
    /// Normal entries, half of them zero.
    Sparse,
    /// Zeros.
    Zero,
    /// `U diag(spectrum) V^T` of any shape: the spectrum is that of the singular values.
    General,
    /// `V diag(spectrum) V^T`, exactly symmetric. Of random spectra and of condition numbers, signs are at random.
    Symmetric,
    /// `V diag(spectrum) V^T`, exactly symmetric, positive (semi)definite.
    Spd,
    /// `V [0, s; -s, 0] V^T`, exactly skew: the spectrum is that of the pairs ±i s. Of odd size it has a zero beside.
    Skew,
    /// Orthonormal columns; if wide, orthonormal rows. It has no spectrum to choose.
    Orthonormal,
    /// Full, with a diagonal of modulus at least 1: either triangle can be solved with. No spectrum to choose.
    Triangular,
}

/// Singular values, or moduli of eigenvalues: `k` of them, in the order stated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Spectrum {
    /// 1, 2, 3 ...
    Steps,
    /// Uniform in 1/2 to 3/2.
    Generic,
    /// 1, 1 + gap, 1 + 2 gap ...: near a multiple of the identity, or of an orthonormal matrix, and at it for a gap of
    /// 0.
    Tied {
        /// The distance from the tie.
        gap: f64,
    },
    /// 1, 1 + gap, 2, 2 + gap ...: ties of two.
    Pairs {
        /// The distance from the ties.
        gap: f64,
    },
    /// From 1 down to the reciprocal of a condition number, evenly on a logarithmic scale.
    Condition(f64),
    /// Ones, and the last at this distance from 0.
    Singular {
        /// The smallest singular value.
        distance: f64,
    },
    /// This many from 1/2 to 3/2 at random, then zeros.
    Rank(usize),
    /// These, over and over if there are too few.
    Given(Vec<f64>),
}

/// A batch of matrices by its description: every member has the kind, the spectrum and the scale, with numbers of its
/// own.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Of the numbers.
    pub seed: u64,
    /// Members, rows and columns.
    pub shape: Shape,
    /// What each member is.
    pub kind: Kind,
    /// Its singular values or eigenvalues, where the kind has a choice.
    pub spectrum: Spectrum,
    /// Are its singular vectors, or eigenvectors, at random? Else they are columns of the identity.
    pub rotated: bool,
    /// Are entries that are drawn rounded to one digit?
    pub round: bool,
    /// The power of ten that everything is multiplied by.
    pub scale: i32,
    /// How many powers of ten lie between the first column and the last (for symmetric kinds: between corners of the
    /// diagonal).
    pub grading: i32,
}

/// The numbers of one member.
struct Numbers(Pcg64Mcg, bool);

impl Numbers {
    fn round(&self, x: f64) -> f64 {
        if self.1 { one_digit(x) } else { x }
    }
    fn normal(&mut self) -> f64 {
        let x = StandardNormal.sample(&mut self.0);
        self.round(x)
    }
    /// From 1/2 to 3/2.
    fn around_one(&mut self) -> f64 {
        let x = 0.5 + self.0.random::<f64>();
        self.round(x)
    }
    fn sign(&mut self) -> f64 {
        if self.0.random::<bool>() { 1.0 } else { -1.0 }
    }
    fn mat(&mut self, m: usize, n: usize, mut f: impl FnMut(&mut Self) -> f64) -> Mat<f64> {
        Mat::from_fn(m, n, |_, _| f(self))
    }
}

/// `x` to one significant digit; 0 only if it is 0.
pub(super) fn one_digit(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let unit = 10f64.powi(x.abs().log10().floor() as i32);
    (x / unit).round() * unit
}

fn power(decades: f64) -> f64 {
    10f64.powf(decades)
}

impl Kind {
    /// Are its matrices square by nature?
    #[must_use]
    pub fn is_square(self) -> bool {
        matches!(self, Kind::Symmetric | Kind::Spd | Kind::Skew | Kind::Triangular)
    }

    /// Does [`Recipe::spectrum`] mean something to it?
    #[must_use]
    pub fn has_spectrum(self) -> bool {
        matches!(self, Kind::General | Kind::Symmetric | Kind::Spd | Kind::Skew)
    }
}

impl Spectrum {
    /// The first `k` values. Random ones come from `seed`.
    ///
    /// ```
    /// # use pullback_check::strategies::Spectrum;
    /// assert_eq!(Spectrum::Pairs { gap: 0.5 }.values(3, 0), [1.0, 1.5, 2.0]);
    /// assert_eq!(Spectrum::Condition(100.0).values(3, 0), [1.0, 0.1, 0.01]);
    /// ```
    #[must_use]
    pub fn values(&self, k: usize, seed: u64) -> Vec<f64> {
        let random = &mut Numbers(Pcg64Mcg::seed_from_u64(seed), false);
        let value = |i: usize| match self {
            Spectrum::Steps => 1.0 + i as f64,
            Spectrum::Generic => random.around_one(),
            Spectrum::Tied { gap } => 1.0 + i as f64 * gap,
            Spectrum::Pairs { gap } => (1 + i / 2) as f64 + (i % 2) as f64 * gap,
            Spectrum::Condition(c) => power(-c.log10() * i as f64 / (k.max(2) - 1) as f64),
            Spectrum::Singular { distance } if i + 1 == k => *distance,
            Spectrum::Singular { .. } => 1.0,
            Spectrum::Rank(r) if i >= *r => 0.0,
            Spectrum::Rank(_) => random.around_one(),
            Spectrum::Given(v) => v.get(i % v.len().max(1)).copied().unwrap_or(1.0),
        };
        (0..k).map(value).collect()
    }
}

impl Recipe {
    /// A generic batch: of the kind, with random numbers of moderate size.
    #[must_use]
    pub fn new(kind: Kind, shape: Shape, seed: u64) -> Self {
        let shape = if kind.is_square() { Shape { cols: shape.rows, ..shape } } else { shape };
        Recipe { seed, shape, kind, spectrum: Spectrum::Generic, rotated: true, round: false, scale: 0, grading: 0 }
    }

    /// With another spectrum. It means something to the kinds that [have](Kind::has_spectrum) one.
    #[must_use]
    pub fn spectrum(self, spectrum: Spectrum) -> Self {
        Recipe { spectrum, ..self }
    }

    /// Times a power of ten.
    #[must_use]
    pub fn scaled(self, scale: i32) -> Self {
        Recipe { scale, ..self }
    }

    /// With this many powers of ten between its columns.
    #[must_use]
    pub fn graded(self, grading: i32) -> Self {
        Recipe { grading, ..self }
    }

    /// Another matrix for the same program, which shrinks along: a right-hand side, say.
    ///
    /// ```
    /// # use pullback_check::strategies::{Kind, Recipe};
    /// # use pullback::Shape;
    /// let a = Recipe::new(Kind::Spd, Shape::mat(3, 3), 1);
    /// let b = a.beside(Kind::Any, a.shape.rows, 2);
    /// assert_eq!(b.batch().shape(), Shape::mat(3, 2));
    /// ```
    #[must_use]
    pub fn beside(&self, kind: Kind, rows: usize, cols: usize) -> Self {
        let shape = Shape { rows, cols, ..self.shape };
        Recipe { round: self.round, ..Recipe::new(kind, shape, mixed(self.seed, 0xBE51DE)) }
    }

    /// The batch that it stands for: the same numbers at every call.
    #[must_use]
    pub fn batch(&self) -> Batch<f64> {
        let Shape { rows: m, cols: n, .. } = self.shape;
        let (factor, grade) = (power(f64::from(self.scale)), self.grades());
        self.members(|b| {
            let x = self.member(b);
            Mat::from_fn(m, n, |i, j| x[(i, j)] * factor * grade(i, j))
        })
    }

    /// The size of directions there, entry by entry, for [`Check::scale`](crate::Check::scale): the largest entry of a
    /// member, and along the grading a tenth of it (a positive definite matrix stays so).
    #[must_use]
    pub fn scales(&self) -> Batch<f64> {
        let grade = self.grades();
        let part = if self.grading == 0 { 1.0 } else { 0.1 };
        let factor = power(f64::from(self.scale)) * part;
        self.members(|b| {
            let size = self.member(b).norm_max();
            let size = if size > 0.0 { size } else { 1.0 };
            Mat::from_fn(self.shape.rows, self.shape.cols, |i, j| size * factor * grade(i, j))
        })
    }

    /// A tangent of the size of [`Recipe::scales`]: symmetric, skew, or of the Stiefel manifold where the matrices are,
    /// else any.
    #[must_use]
    pub fn tangent(&self, seed: u64) -> Batch<f64> {
        let (m, n) = (self.shape.rows, self.shape.cols);
        let scales = self.scales();
        self.members(|b| {
            let s = scales.member(b);
            let numbers = &mut Numbers(Pcg64Mcg::seed_from_u64(mixed(mixed(self.seed, seed), b as u64)), self.round);
            let g = numbers.mat(m, n, Numbers::normal);
            let g = match self.kind {
                Kind::Symmetric | Kind::Spd => 0.5 * (&g + g.transpose()),
                Kind::Skew => 0.5 * (&g - g.transpose()),
                Kind::Orthonormal if m >= n => stiefel(&self.member(b), &g),
                Kind::Orthonormal => {
                    stiefel(&self.member(b).transpose().to_owned(), &g.transpose().to_owned()).transpose().to_owned()
                }
                _ => g,
            };
            Mat::from_fn(m, n, |i, j| g[(i, j)] * s[(i, j)])
        })
    }

    /// The digits that a solve with it loses, as a factor: the largest value of its spectrum over the smallest;
    /// infinite if it is singular, and 1 where there is no spectrum to choose. The grading does not count.
    #[must_use]
    pub fn condition(&self) -> f64 {
        let k = self.shape.rows.min(self.shape.cols);
        if !self.kind.has_spectrum() || k == 0 {
            return 1.0;
        }
        let of_one = |b| {
            let values = self.spectrum.values(k, mixed(self.seed, 2 * b as u64));
            let (low, high) = values.iter().fold((f64::MAX, 0.0f64), |(l, h), v| (l.min(v.abs()), h.max(v.abs())));
            if high > 0.0 { high / low } else { f64::INFINITY }
        };
        (0..self.shape.batch).map(of_one).fold(1.0, f64::max)
    }

    fn members(&self, f: impl Fn(usize) -> Mat<f64>) -> Batch<f64> {
        let mut data = Vec::with_capacity(self.shape.len());
        for b in 0..self.shape.batch {
            let x = f(b);
            data.extend((0..self.shape.cols).flat_map(|j| (0..self.shape.rows).map(move |i| (i, j))).map(|k| x[k]));
        }
        Batch::from_slice(self.shape, &data)
    }

    /// One member, before scale and grading.
    fn member(&self, b: usize) -> Mat<f64> {
        let (m, n) = (self.shape.rows, self.shape.cols);
        let k = m.min(n);
        let r = &mut Numbers(Pcg64Mcg::seed_from_u64(mixed(self.seed, 2 * b as u64 + 1)), self.round);
        let values = || self.spectrum.values(k, mixed(self.seed, 2 * b as u64));
        match self.kind {
            Kind::Any => r.mat(m, n, Numbers::normal),
            Kind::Away => r.mat(m, n, |r| r.around_one() * r.sign()),
            Kind::Positive => r.mat(m, n, Numbers::around_one),
            Kind::Integer => r.mat(m, n, |r| (1.5 * r.normal()).round()),
            Kind::Sparse => r.mat(m, n, |r| if r.sign() > 0.0 { r.normal() } else { 0.0 }),
            Kind::Zero => Mat::zeros(m, n),
            Kind::General => {
                let (u, v) = (self.basis(r, m, k), self.basis(r, n, k));
                let us = columns_times(&u, &values());
                us * v.transpose()
            }
            Kind::Symmetric => {
                let signed = !matches!(
                    self.spectrum,
                    Spectrum::Steps | Spectrum::Tied { .. } | Spectrum::Pairs { .. } | Spectrum::Given(_)
                );
                let values: Vec<f64> = values().iter().map(|s| if signed { s * r.sign() } else { *s }).collect();
                self.symmetric(r, &values)
            }
            Kind::Spd => self.symmetric(r, &values()),
            Kind::Skew => {
                let (v, s) = (self.basis(r, n, n), values());
                let core = Mat::from_fn(n, n, |i, j| match (i / 2 == j / 2, i.cmp(&j)) {
                    (true, std::cmp::Ordering::Less) => s[i / 2],
                    (true, std::cmp::Ordering::Greater) => -s[i / 2],
                    _ => 0.0,
                });
                let a = &v * core * v.transpose();
                0.5 * (&a - a.transpose())
            }
            Kind::Orthonormal if m >= n => self.basis(r, m, n),
            Kind::Orthonormal => self.basis(r, n, m).transpose().to_owned(),
            Kind::Triangular => {
                let noise = r.mat(n, n, Numbers::normal);
                Mat::from_fn(n, n, |i, j| {
                    let x = noise[(i, j)];
                    if i == j { x + 1f64.copysign(x) } else { 0.5 * x }
                })
            }
        }
    }

    fn symmetric(&self, r: &mut Numbers, values: &[f64]) -> Mat<f64> {
        let v = self.basis(r, values.len(), values.len());
        let a = columns_times(&v, values) * v.transpose();
        0.5 * (&a + a.transpose())
    }

    /// Orthonormal columns.
    fn basis(&self, r: &mut Numbers, m: usize, k: usize) -> Mat<f64> {
        if self.rotated && k > 0 {
            r.mat(m, k, |r| StandardNormal.sample(&mut r.0)).qr().compute_thin_Q()
        } else {
            Mat::identity(m, k)
        }
    }

    /// What the grading multiplies an entry by.
    fn grades(&self) -> impl Fn(usize, usize) -> f64 + use<> {
        let (grading, cols, kind) = (f64::from(self.grading), self.shape.cols, self.kind);
        let at = move |j: usize| grading * (j as f64 / (cols.max(2) - 1) as f64 - 0.5);
        move |i, j| match kind {
            _ if grading == 0.0 => 1.0,
            Kind::Symmetric | Kind::Spd | Kind::Skew => power(0.5 * at(i)) * power(0.5 * at(j)),
            _ => power(at(j)),
        }
    }
}

fn columns_times(u: &Mat<f64>, d: &[f64]) -> Mat<f64> {
    Mat::from_fn(u.nrows(), d.len(), |i, j| u[(i, j)] * d[j])
}

/// `G - Q sym(Q^T G)`: the tangent part of `G` at orthonormal columns `Q`.
fn stiefel(q: &Mat<f64>, g: &Mat<f64>) -> Mat<f64> {
    let c = q.transpose() * g;
    g - 0.5 * (q * (&c + c.transpose()))
}

/// One seed of two (splitmix64).
pub(super) fn mixed(seed: u64, salt: u64) -> u64 {
    let z = seed.wrapping_add(salt.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
