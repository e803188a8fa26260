//! What is simpler than a recipe: the order in which counterexamples shrink. No numbers here.
//!
//! Nothing shrinks towards degeneracy: ties become looser, condition numbers smaller, ranks higher, and in the end the
//! spectrum is 1, 2, 3 ... (Only the rounding of a given spectrum may double its condition number.) Every step lowers
//! the number of entries or one of the measures below and raises none, so that shrinking ends.

use super::recipe::{Kind, Recipe, Spectrum, one_digit};
use pullback::Shape;

impl Recipe {
    /// Simpler recipes of the same nature (square stays square, positive definite stays so), boldest first.
    ///
    /// ```
    /// # use pullback_check::strategies::{Kind, Recipe, Spectrum};
    /// # use pullback::Shape;
    /// let a = Recipe::new(Kind::Spd, Shape::batch(3, 4, 4), 1).spectrum(Spectrum::Condition(1e6));
    /// let simpler = a.simpler();
    /// assert!(simpler.iter().all(|b| b.kind == Kind::Spd && b.condition() <= a.condition()));
    /// ```
    #[must_use]
    pub fn simpler(&self) -> Vec<Recipe> {
        let with = |change: &dyn Fn(&mut Recipe)| {
            let mut r = self.clone();
            change(&mut r);
            r
        };
        let mut list: Vec<Recipe> = shapes(self.kind, self.shape).into_iter().map(|s| with(&|r| r.shape = s)).collect();
        if let Kind::Integer | Kind::Sparse | Kind::Zero = self.kind {
            list.push(with(&|r| r.kind = Kind::Any));
        }
        list.extend(nearer(self.scale).into_iter().map(|s| with(&|r| r.scale = s)));
        list.extend(nearer(self.grading).into_iter().map(|g| with(&|r| r.grading = g)));
        if self.kind.has_spectrum() {
            list.extend(milder(&self.spectrum).into_iter().map(|s| with(&|r| r.spectrum = s.clone())));
        }
        if self.rotated && (self.kind.has_spectrum() || self.kind == Kind::Orthonormal) {
            list.push(with(&|r| r.rotated = false));
        }
        if !self.round {
            list.push(with(&|r| r.round = true));
        }
        list.extend([0, 1].into_iter().filter(|s| *s < self.seed).map(|s| with(&|r| r.seed = s)));
        list
    }
}

/// Smaller than `n`: none, half, one less.
fn smaller(n: usize) -> Vec<usize> {
    let mut list = vec![0, n / 2, n.saturating_sub(1)];
    list.dedup();
    list.retain(|k| *k < n);
    list
}

fn shapes(kind: Kind, s: Shape) -> Vec<Shape> {
    let mut list: Vec<Shape> =
        smaller(s.batch).into_iter().filter(|b| *b > 0).map(|batch| Shape { batch, ..s }).collect();
    if kind.is_square() || s.rows == s.cols {
        list.extend(smaller(s.rows).into_iter().map(|n| Shape { rows: n, cols: n, ..s }));
    }
    if !kind.is_square() {
        list.extend(smaller(s.rows).into_iter().map(|rows| Shape { rows, ..s }));
        list.extend(smaller(s.cols).into_iter().map(|cols| Shape { cols, ..s }));
    }
    list
}

/// Closer to zero: zero, half.
fn nearer(x: i32) -> Vec<i32> {
    let mut list = vec![0, x / 2];
    list.dedup();
    list.retain(|y| y.abs() < x.abs());
    list
}

/// The distance half as many digits away, up to 1/10.
fn looser(d: f64) -> Option<f64> {
    let next = if d > 0.0 { one_digit(d.sqrt()).min(0.1) } else { 1e-15 };
    (next > 1.5 * d).then_some(next)
}

fn milder(s: &Spectrum) -> Vec<Spectrum> {
    let milder = match s {
        Spectrum::Steps => return vec![],
        Spectrum::Generic => return vec![Spectrum::Steps],
        Spectrum::Tied { gap } => looser(*gap).map(|gap| Spectrum::Tied { gap }),
        Spectrum::Pairs { gap } => looser(*gap).map(|gap| Spectrum::Pairs { gap }),
        Spectrum::Singular { distance } => looser(*distance).map(|distance| Spectrum::Singular { distance }),
        Spectrum::Condition(c) => Some(Spectrum::Condition(one_digit(c.sqrt()))).filter(|_| *c > 20.0),
        // Full rank is generic.
        Spectrum::Rank(r) => Some(Spectrum::Rank(r + 1)).filter(|_| *r < 16),
        Spectrum::Given(v) => {
            let rounder: Vec<f64> = v.iter().map(|x| one_digit(*x)).collect();
            Some(Spectrum::Given(rounder.clone())).filter(|_| rounder != *v)
        }
    };
    let mut list = vec![Spectrum::Steps, Spectrum::Generic];
    list.extend(milder);
    list
}
