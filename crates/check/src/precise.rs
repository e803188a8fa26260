//! Differences in double-double: derivatives along a direction to all digits of `f64`, from a value given in about 31
//! digits.
//!
//! Where it applies: [`fx128`] has arithmetic, roots and comparisons, so functions that are written over a number run
//! in it. It has no `exp`, `ln` or `sin`, and faer 0.24 panics in products of such matrices and in what uses them (its
//! factorisations): products are
//! [`mul`] here.

use crate::agreement::{Found, Sizes};
use crate::lists::{List, inner, minus, moduli};
use crate::report::Defect;
use crate::{Error, tolerances};
use pullback::Scalar;
use pullback::faer::traits::{ComplexField, math_utils};
use pullback::faer::{Mat, fx128};

pub(crate) const MEANING: &str = "the derivative is not that of the value, by differences in double-double";

/// `A B` over any number: faer's own product of [`fx128`] matrices panics.
///
/// # Panics
/// If the sizes do not fit.
#[track_caller]
#[must_use]
pub fn mul<T: ComplexField>(a: &Mat<T>, b: &Mat<T>) -> Mat<T> {
    assert_eq!(a.ncols(), b.nrows(), "mul: columns of the first and rows of the second must be equal");
    let product = |i: usize, j: usize, k: usize| math_utils::mul(&a[(i, k)], &b[(k, j)]);
    Mat::from_fn(a.nrows(), b.ncols(), |i, j| {
        (0..a.ncols()).map(|k| product(i, j, k)).fold(math_utils::zero(), |s: T, x| math_utils::add(&s, &x))
    })
}

/// The value in double-double: one matrix for each member of each leaf in, and out likewise.
pub(crate) type Precise<'p> = dyn Fn(&[Mat<fx128>]) -> Vec<Mat<fx128>> + 'p;

/// Central formulas with an error of `h^4`: weights of the values at `-3h, ..., 3h`, and the denominator.
const STENCILS: [([f64; 7], f64); 3] = [
    ([0.0, 1.0, -8.0, 0.0, 8.0, -1.0, 0.0], 12.0),
    ([0.0, -1.0, 16.0, -30.0, 16.0, -1.0, 0.0], 12.0),
    ([1.0, -8.0, 13.0, 0.0, -13.0, 8.0, -1.0], 8.0),
];

fn wide(x: f64) -> fx128 {
    fx128::from(x)
}

fn flat(y: &[Mat<fx128>]) -> Vec<fx128> {
    y.iter().flat_map(|m| (0..m.ncols()).flat_map(move |j| (0..m.nrows()).map(move |i| m[(i, j)]))).collect()
}

/// The derivatives `along` against differences.
pub(crate) fn differences<T: Scalar>(
    f: &Precise<'_>,
    (x, y, w, v): (&List<T>, &List<T>, &List<T>, &List<T>),
    found: &Found<T>,
    sizes: &Sizes,
    defects: &mut Vec<Defect>,
) -> Result<(), Error> {
    let at = |h: f64| -> Vec<fx128> {
        let mut point = Vec::new();
        for (x, v) in x.iter().zip(v) {
            let s = x.shape();
            for b in 0..s.batch {
                point.push(Mat::from_fn(s.rows, s.cols, |i, j| {
                    let k = b * s.each() + j * s.rows + i;
                    wide(x.data()[k].f64()) + wide(h) * wide(v.data()[k].f64())
                }));
            }
        }
        flat(&f(&point))
    };
    let here = at(0.0);
    let len: usize = y.iter().map(|y| y.data().len()).sum();
    if here.len() != len {
        let expected = crate::lists::shapes(y);
        let got = vec![pullback::Shape::mat(here.len(), 1)];
        return Err(Error::Rule { what: "the value in double-double", expected, got });
    }
    // Is it the same function?
    let mut k = 0;
    let rounded: List<T> = y
        .iter()
        .map(|y| {
            k += y.data().len();
            let data: Vec<T> = here[k - y.data().len()..k].iter().map(|q| T::of(q.0)).collect();
            pullback::Batch::from_slice(y.shape(), &data)
        })
        .collect();
    let (apart, size) = (moduli(&minus(&rounded, y), w), moduli(y, w).max(sizes.below));
    let allowed = sizes.condition * tolerances::agreement::<T>();
    if apart > allowed * size {
        return Err(Error::Precise { apart: apart / size, allowed });
    }
    let weights: Vec<f64> = w.iter().flat_map(|w| w.data().iter().map(|w| w.f64())).collect();
    for (k, d) in found.along.iter().enumerate() {
        let (h, (stencil, denominator)) = (tolerances::PRECISE_STEP[k], STENCILS[k]);
        let mut sum = wide(0.0);
        for (step, c) in (-3i32..=3).zip(stencil) {
            if c == 0.0 {
                continue;
            }
            let values = at(f64::from(step) * h);
            for (y, w) in values.iter().zip(&weights) {
                sum += wide(c) * wide(*w) * *y;
            }
        }
        let reference = (sum / wide(denominator * h.powi(k as i32 + 1))).0;
        let size = match (k, &found.jv, found.hv.first()) {
            (0, Some(jv), _) => moduli(w, jv),
            (1, _, Some((_, hv))) => moduli(hv, &[crate::lists::pack(v)]),
            _ => d.abs(),
        };
        let tolerance = tolerances::precise::<T>(k + 1);
        let what = format!("derivative {} along v = difference in double-double", k + 1);
        defects.push(sizes.defect::<T>(what, MEANING, tolerance, (d - reference).abs(), size)?);
        if let (0, Some(g)) = (k, &found.g) {
            let (d, size) = (inner(g, v), moduli(g, v));
            let what = "<J'w,v> = difference in double-double";
            defects.push(sizes.defect::<T>(what, MEANING, tolerance, (d - reference).abs(), size)?);
        }
    }
    Ok(())
}
