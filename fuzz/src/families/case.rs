//! The choices of a case, and the matrices that they stand for. What is asked of them is not known here.

use pullback::faer::Mat;
use pullback::{Batch, Shape};

/// The choices of a case. Every value of every field means something.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Of the entries.
    pub seed: u64,
    /// Rows, taken modulo a few.
    pub rows: u8,
    /// Columns, likewise.
    pub cols: u8,
    /// Members of the batch.
    pub batch: u8,
    /// Generic, tied, nearly tied, nearly singular, singular, graded, integer, zero, far from 1.
    pub kind: u8,
    /// The decimal digits of the distance from the degenerate case.
    pub distance: u8,
    /// Which operation of the family.
    pub op: u8,
    /// Is the reverse rule of every program broken on purpose? Then the property must fail.
    pub broken: bool,
}

/// Splitmix: the entries of a case.
pub(super) struct Entries(u64);

impl Entries {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// In `[-1, 1)`.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
    pub(super) fn mat(&mut self, m: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(m, n, |_, _| self.unit())
    }
    pub(super) fn orthonormal(&mut self, m: usize, n: usize) -> Mat<f64> {
        (self.mat(m, n) + Mat::from_fn(m, n, |i, j| if i == j { 2.0 } else { 0.0 })).qr().compute_thin_Q()
    }
}

pub(super) fn diagonal(d: &[f64]) -> Mat<f64> {
    Mat::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
}

/// How far a matrix is from regular, tied or generic.
pub(super) struct Spectrum {
    pub(super) values: Vec<f64>,
    /// The largest over the smallest: the digits a solve with it loses.
    pub(super) condition: f64,
}

impl Case {
    pub(super) fn entries(&self, salt: u64) -> Entries {
        Entries(self.seed ^ salt.wrapping_mul(0xA24B_AED4_963E_E407))
    }
    pub(super) fn size(&self) -> (usize, usize) {
        (usize::from(self.rows % 6), usize::from(self.cols % 6))
    }
    pub(super) fn tall(&self) -> (usize, usize) {
        let (m, n) = self.size();
        (m.max(n), m.min(n))
    }
    pub(super) fn members(&self) -> usize {
        usize::from(self.batch % 3) + 1
    }
    pub(super) fn gap(&self) -> f64 {
        10f64.powi(-i32::from(self.distance % 18))
    }

    /// Positive numbers with ties, near ties, or small ones among them.
    pub(super) fn spectrum(&self, n: usize, salt: u64) -> Spectrum {
        let mut e = self.entries(salt);
        let values: Vec<f64> = match self.kind % 8 {
            0 => (0..n).map(|_| 1.5 + e.unit()).collect(),
            1 => vec![1.0; n],
            2 => (0..n).map(|i| 1.0 + i as f64 * self.gap()).collect(),
            3 => (0..n).map(|i| if i == 0 { self.gap() } else { 1.0 }).collect(),
            4 => (0..n).map(|i| (1.0 + (i / 2) as f64) * (1.0 + (i % 2) as f64 * self.gap())).collect(),
            5 => (0..n).map(|i| 1e30 * (1.0 + i as f64)).collect(),
            6 => (0..n).map(|i| if i + 1 == n { 0.0 } else { 1.0 }).collect(),
            // A condition number of up to 1e8, evenly graded.
            _ => (0..n).map(|i| 10f64.powf(-f64::from(self.distance % 9) * i as f64 / n.max(2) as f64)).collect(),
        };
        let (low, high) = values.iter().fold((f64::MAX, 0.0f64), |(l, h), v| (l.min(*v), h.max(*v)));
        let condition = match n {
            0 => 1.0,
            _ if low > 0.0 => high / low,
            _ => f64::INFINITY,
        };
        Spectrum { values, condition }
    }

    /// The least relative distance of two values of a spectrum that are not equal; 1 where none are close.
    pub(super) fn gap_between(&self, n: usize, salt: u64) -> f64 {
        let mut values = self.spectrum(n, salt).values;
        values.sort_by(f64::total_cmp);
        let gaps = values.windows(2).map(|p| (p[1] - p[0]) / p[1]).filter(|g| *g > 0.0);
        gaps.fold(1.0, f64::min)
    }

    /// `U diag(spectrum) V'` for each member, and its condition.
    pub(super) fn with_spectrum(&self, m: usize, n: usize, salt: u64) -> (Batch<f64>, f64) {
        let s = self.spectrum(n, salt);
        let member = |b: u64| {
            let mut e = self.entries(salt + 100 * b + 1);
            e.orthonormal(m, n) * diagonal(&s.values) * e.orthonormal(n, n)
        };
        (self.stack(m, n, member), s.condition)
    }

    /// `V diag(spectrum) V'` for each member, and its condition.
    pub(super) fn symmetric(&self, n: usize, salt: u64) -> (Batch<f64>, f64) {
        let s = self.spectrum(n, salt);
        let member = |b: u64| {
            let v = self.entries(salt + 100 * b + 1).orthonormal(n, n);
            &v * diagonal(&s.values) * v.transpose()
        };
        (self.stack(n, n, member), s.condition)
    }

    /// Entries of the kind: generic, integers, zeros, large, small, sparse.
    pub(super) fn any(&self, m: usize, n: usize, salt: u64) -> Batch<f64> {
        let kind = self.kind % 6;
        self.stack(m, n, |b| {
            let mut e = self.entries(salt + 100 * b);
            Mat::from_fn(m, n, |_, _| {
                let x = e.unit();
                match kind {
                    0 => x,
                    1 => (3.0 * x).round(),
                    2 => 0.0,
                    3 => x * 1e30,
                    4 => x * 1e-30,
                    _ => {
                        if x > 0.5 {
                            2.0 * x
                        } else {
                            0.0
                        }
                    }
                }
            })
        })
    }

    pub(super) fn stack(&self, m: usize, n: usize, mut member: impl FnMut(u64) -> Mat<f64>) -> Batch<f64> {
        let k = self.members();
        let data: Vec<f64> = (0..k as u64)
            .flat_map(|b| {
                let a = member(b);
                (0..m * n).map(|i| a[(i % m, i / m)]).collect::<Vec<_>>()
            })
            .collect();
        Batch::from_slice(Shape::batch(k, m, n), &data)
    }
}
