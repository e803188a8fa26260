//! Functions of a class of points (a subspace, a factorisation up to signs): the value does not change along the gauge,
//! and the gradient knows it. And random members of the usual groups.

use crate::agreement::Sizes;
use crate::lists::{List, Random, inner, minus, moduli, plus, zip};
use crate::report::Report;
use crate::subject::Subject;
use crate::{Error, tolerances};
use pullback::Scalar;
use pullback::faer::Mat;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

const VALUE: &str = "the value changes along the gauge: the program is not a function of the class";
const EQUIVARIANCE: &str = "the gradient at the other representative is not the transformed gradient";
const ORBIT: &str = "the derivative along the orbit is not zero, though the value does not change along it";

/// What the user's transformation does, on lists.
pub(crate) type Transform<'g, T> = dyn Fn(&List<T>, &mut dyn Rng) -> List<T> + 'g;

/// `f(g x) = f(x)`, and for `g` that is affine in `x`: `<grad f(x), v> = <grad f(g x), Dg v>`.
pub(crate) fn invariance<T: Scalar>(
    subject: &dyn Subject<T>,
    (x, y, w, v, scale): (&List<T>, &List<T>, &List<T>, &List<T>, &List<T>),
    gauge: &Transform<'_, T>,
    sizes: &Sizes,
    seed: u64,
    report: &mut Report,
) -> Result<(), Error> {
    // The same seed is the same group element.
    let act = |x: &List<T>| gauge(x, Random::new(seed).rng());
    let there = act(x);
    let (expected, got) = (crate::lists::shapes(x), crate::lists::shapes(&there));
    if expected != got {
        return Err(Error::Rule { what: "the gauge transformation", expected, got });
    }
    let moved = subject.outputs(&there).map_err(Error::Value)?;
    crate::lists::same_shapes(y, &moved)?;
    let (apart, size) = (moduli(&minus(y, &moved), w), moduli(y, w).max(moduli(&moved, w)));
    let tolerance = tolerances::agreement::<T>();
    report.defects.push(sizes.defect::<T>("gauge: f(gx) = f(x)", VALUE, tolerance, apart, size)?);

    let (whole, half) = (minus(&act(&plus(x, 1.0, v)), &there), minus(&act(&plus(x, 0.5, v)), &there));
    let bend = moduli(&zip(&whole, &half, |a, b| a - b - b), scale);
    if bend > tolerances::agreement::<T>() * (moduli(&there, scale) + moduli(&whole, scale)) {
        report.skip("gauge: equivariance of the gradient", "the transformation is not affine in the point");
        return Ok(());
    }
    let (here, far) = (subject.pull(x, w)?, subject.pull(&there, w)?);
    let (a, b) = (inner(&here, v), inner(&far, &whole));
    let size = moduli(&here, v).max(moduli(&far, &whole));
    let what = "gauge: <grad f(x),v> = <grad f(gx),Dg v>";
    report.defects.push(sizes.defect::<T>(what, EQUIVARIANCE, tolerance, (a - b).abs(), size)?);
    Ok(())
}

/// The derivatives along a direction in which the value does not change.
pub(crate) fn orbit<T: Scalar>(
    subject: &dyn Subject<T>,
    (x, w): (&List<T>, &List<T>),
    tangent: &Transform<'_, T>,
    sizes: &Sizes,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Error> {
    let d = tangent(x, random.rng());
    let (expected, got) = (crate::lists::shapes(x), crate::lists::shapes(&d));
    if expected != got {
        return Err(Error::Rule { what: "the direction of the orbit", expected, got });
    }
    let tolerance = tolerances::agreement::<T>();
    let g = subject.pull(x, w)?;
    // Relative to a gradient and a direction that are not orthogonal.
    let size = moduli(&g, &d);
    report.defects.push(sizes.defect::<T>(
        "gauge: <grad f, orbit> = 0",
        ORBIT,
        tolerance,
        inner(&g, &d).abs(),
        size,
    )?);
    let jd = subject.push(x, &d)?;
    let found = moduli(w, &jd);
    report.defects.push(sizes.defect::<T>("gauge: J orbit = 0", ORBIT, tolerance, found, size)?);
    Ok(())
}

/// A random orthogonal `n x n` matrix.
pub fn orthogonal(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    normal(n, rng).qr().compute_thin_Q()
}

/// A random diagonal matrix of signs.
pub fn signs(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    let d = normal(n, rng);
    Mat::from_fn(n, n, |i, j| if i == j { d[(i, i)].signum() } else { 0.0 })
}

/// A random regular matrix of moderate condition.
pub fn regular(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    let (u, v) = (orthogonal(n, rng), orthogonal(n, rng));
    let d = normal(n, rng);
    let s = Mat::from_fn(n, n, |i, j| if i == j { 1.0 + d[(i, i)].tanh() * 0.5 } else { 0.0 });
    u * s * v
}

/// A random skew matrix: `x * skew` is a direction along the orbit of `x` under [`orthogonal`] matrices from the right.
pub fn skew(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    let a = normal(n, rng);
    (&a - a.transpose()) * 0.5
}

fn normal(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    Mat::from_fn(n, n, |_, _| StandardNormal.sample(&mut *rng))
}
