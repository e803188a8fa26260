//! Exponentials of general, skew, nilpotent and badly scaled matrices, and their derivatives along directions.

use super::property::{holds, near, values};
use super::{Case, Target};
use pullback::Var;
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = ("expm", expm, &["expm", "expm_along"]);

/// Exponentials of general, skew, nilpotent and badly scaled matrices, and their derivatives along directions.
pub fn expm(case: &Case) {
    let n = case.size().0;
    let kind = case.kind % 6;
    let a = case.stack(n, n, |b| {
        let w = case.entries(1 + b).mat(n, n);
        match kind {
            0 => w,
            // Rotations of up to several turns.
            1 => (&w - w.transpose()) * 4.0,
            // Nilpotent, and far from normal.
            2 => Mat::from_fn(n, n, |i, j| if i < j { 30.0 * w[(i, j)] } else { 0.0 }),
            // Each member with a norm, hence a degree, of its own.
            3 => w * 4f64.powi(b as i32) * case.gap(),
            // Near a multiple of the identity.
            4 => w * case.gap() - 2.0 * Mat::<f64>::identity(n, n),
            _ => w * 8.0,
        }
    });
    let e = case.stack(n, n, |b| case.entries(40 + b).mat(n, n));
    // Relative to its norm the exponential is about as well conditioned as the norm of the matrix is large.
    let condition = [4.0, 40.0, 400.0, 20.0, 4.0, 100.0][usize::from(kind)];
    let (x, along) = (vec![a.clone()], vec![a.clone(), e]);
    match case.op % 3 {
        0 => holds(case, "expm", |x| vec![x[0].expm()], &x, condition),
        1 => holds(case, "expm_along", |x| vec![x[0].expm_along(&[x[1], x[1]])], &along, condition),
        _ => holds(case, "expm_frechet", frechet, &along, condition),
    }
    if let Ok(y) = values(|x| vec![x[0].expm(), (-x[0]).expm()], std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (y, inverse) = (y[0].member(i), y[1].member(i));
            if kind == 1 {
                near(case, "Y'Y", &(y.transpose() * &y), &Mat::identity(n, n));
            }
            if kind == 0 {
                near(case, "exp(A) exp(-A)", &(&y * &inverse), &Mat::identity(n, n));
            }
        }
    }
}

fn frechet<'t>(x: &[Var<'t>]) -> Vec<Var<'t>> {
    let (y, l) = x[0].expm_frechet(x[1]);
    vec![y, l]
}
