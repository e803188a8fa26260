//! Sets of recipes: which kinds, sizes, spectra, scales. How one becomes numbers is not known here.

use super::recipe::{Kind, Recipe, Spectrum, mixed};
use pullback::Shape;
use std::ops::RangeInclusive;

/// How rows and columns are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Not at all.
    Free,
    /// Rows are as many as columns.
    Square,
    /// Rows are at least as many as columns.
    Tall,
}

/// A set of matrices to draw from. A strategy, with the feature `proptest`.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrices {
    kinds: Vec<Kind>,
    form: Form,
    rows: RangeInclusive<usize>,
    cols: RangeInclusive<usize>,
    batches: RangeInclusive<usize>,
    spectra: Vec<Spectrum>,
    scales: Vec<i32>,
    gradings: Vec<i32>,
}

/// The distances from degeneracy that are drawn unless told otherwise.
pub(super) const DISTANCES: [f64; 4] = [0.0, 1e-14, 1e-8, 1e-4];

/// Matrices of these kinds and sizes. Half of those with a spectrum have a generic one; the others are tied, or nearly,
/// or have a condition number up to 1e4. All are regular.
///
/// # Panics
/// If there is no kind, or a range is empty.
#[track_caller]
#[must_use]
pub fn matrices(kinds: &[Kind], form: Form, rows: RangeInclusive<usize>, cols: RangeInclusive<usize>) -> Matrices {
    assert!(!kinds.is_empty(), "matrices: give at least one kind");
    assert!(!rows.is_empty() && !cols.is_empty(), "matrices: {rows:?} rows and {cols:?} columns leave no size");
    let mut spectra = vec![Spectrum::Condition(10.0), Spectrum::Condition(1e4)];
    for gap in DISTANCES {
        spectra.extend([Spectrum::Tied { gap }, Spectrum::Pairs { gap }]);
    }
    spectra.extend(vec![Spectrum::Generic; spectra.len()]);
    Matrices { kinds: kinds.into(), form, rows, cols, batches: 1..=1, spectra, scales: vec![0], gradings: vec![0] }
}

/// Symmetric positive definite matrices, `n x n`.
#[track_caller]
#[must_use]
pub fn spd(n: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::Spd], Form::Square, n.clone(), n)
}

/// Symmetric matrices.
#[track_caller]
#[must_use]
pub fn symmetric(n: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::Symmetric], Form::Square, n.clone(), n)
}

/// Skew matrices.
#[track_caller]
#[must_use]
pub fn skew(n: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::Skew], Form::Square, n.clone(), n)
}

/// Regular square matrices by their singular values.
#[track_caller]
#[must_use]
pub fn regular(n: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::General], Form::Square, n.clone(), n)
}

/// Matrices of any shape by their singular values.
#[track_caller]
#[must_use]
pub fn general(rows: RangeInclusive<usize>, cols: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::General], Form::Free, rows, cols)
}

/// Matrices with at least as many rows as columns, by their singular values.
#[track_caller]
#[must_use]
pub fn tall(rows: RangeInclusive<usize>, cols: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::General], Form::Tall, rows, cols)
}

/// Orthonormal columns; orthogonal matrices, if square.
#[track_caller]
#[must_use]
pub fn orthonormal(rows: RangeInclusive<usize>, cols: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::Orthonormal], Form::Tall, rows, cols)
}

/// Entries drawn apart from one another: normal, whole, zero, sparse.
#[track_caller]
#[must_use]
pub fn entries(rows: RangeInclusive<usize>, cols: RangeInclusive<usize>) -> Matrices {
    matrices(&[Kind::Any, Kind::Any, Kind::Integer, Kind::Sparse, Kind::Zero], Form::Free, rows, cols)
}

impl Matrices {
    /// In batches of these sizes.
    ///
    /// # Panics
    /// If the range is empty or holds 0.
    #[track_caller]
    #[must_use]
    pub fn batches(self, batches: RangeInclusive<usize>) -> Self {
        assert!(!batches.is_empty() && !batches.contains(&0), "batches: {batches:?} is not a range of sizes from 1 up");
        Matrices { batches, ..self }
    }

    /// With one of these spectra each. Shrinking leaves them, towards milder ones.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn spectra(self, spectra: &[Spectrum]) -> Self {
        assert!(!spectra.is_empty(), "spectra: give at least one");
        Matrices { spectra: spectra.into(), ..self }
    }

    /// Times one of these powers of ten each.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn scaled(self, scales: &[i32]) -> Self {
        assert!(!scales.is_empty(), "scaled: give at least one power");
        Matrices { scales: scales.into(), ..self }
    }

    /// With one of these numbers of powers of ten between the columns.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    #[must_use]
    pub fn graded(self, gradings: &[i32]) -> Self {
        assert!(!gradings.is_empty(), "graded: give at least one number");
        Matrices { gradings: gradings.into(), ..self }
    }

    /// One of them, by its number. The same at every call.
    ///
    /// ```
    /// # use pullback_check::strategies::spd;
    /// assert_eq!(spd(2..=5).draw(3), spd(2..=5).draw(3));
    /// ```
    #[must_use]
    pub fn draw(&self, seed: u64) -> Recipe {
        let word = |salt: u64| mixed(seed, salt) as usize;
        let within = |r: &RangeInclusive<usize>, salt| r.start() + word(salt) % (r.end() - r.start() + 1);
        let (rows, cols) = (within(&self.rows, 1), within(&self.cols, 2));
        let (rows, cols) = match self.form {
            Form::Free => (rows, cols),
            Form::Square => (rows, rows),
            // The ranges may differ: only what lies in both is turned.
            Form::Tall => (rows, cols.min(rows)),
        };
        let shape = Shape { batch: within(&self.batches, 3), rows, cols };
        let kind = self.kinds[word(7) % self.kinds.len()];
        let spectrum =
            if kind.has_spectrum() { &self.spectra[word(4) % self.spectra.len()] } else { &Spectrum::Generic };
        Recipe {
            spectrum: spectrum.clone(),
            scale: self.scales[word(5) % self.scales.len()],
            grading: self.gradings[word(6) % self.gradings.len()],
            ..Recipe::new(kind, shape, seed)
        }
    }

    /// Simpler recipes whose shapes are in the set, boldest first.
    #[must_use]
    pub fn simpler(&self, recipe: &Recipe) -> Vec<Recipe> {
        let mut list = recipe.simpler();
        list.retain(|r| self.has(r.shape));
        list
    }

    fn has(&self, s: Shape) -> bool {
        let form = match self.form {
            Form::Free => self.cols.contains(&s.cols),
            Form::Square => s.rows == s.cols,
            Form::Tall => s.rows >= s.cols && s.cols <= *self.cols.end(),
        };
        // A tall matrix may have fewer columns than asked for, where it has too few rows.
        let thin = self.form != Form::Tall || s.cols >= (*self.cols.start()).min(s.rows);
        form && thin && self.rows.contains(&s.rows) && self.batches.contains(&s.batch)
    }
}
