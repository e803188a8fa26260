//! Anderson's acceleration of a fixed-point iteration, on numbers: zeros of a residual `f` for which `z + f(z)` is a
//! fair guess of the next point.
//!
//! Of the last steps `dz_i` and changes `df_i` of the residual, the combination `g` that makes `f - sum g_i df_i`
//! smallest is found by Gram-Schmidt from the newest on, leaving out what depends on the others; the next point is
//! `z + f - sum g_i (dz_i + df_i)` (Walker & Ni 2011).

/// How many steps are remembered. With 8, a frame of 5 vectors in the Euclidean metric at distance 2.5 does not
/// converge.
const MEMORY: usize = 40;
/// How many evaluations are made.
const EVALUATIONS: usize = 200;
/// After so many evaluations that did not halve a residual that is small enough, the iteration starts again from the
/// best point; after so many again, that point is all there is.
const PATIENCE: usize = 6;
/// A change that is this much of its length away from the others is left out.
const DEPENDENT: f64 = 1e-9;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn axpy(alpha: f64, x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += alpha * x);
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// A point where `|f| <= wanted`; or, where rounding does not allow that, the best point if `|f| <= enough` there.
/// `None` if there is none within a fixed number of evaluations, or if `f` has no value on the way.
pub(crate) fn anderson(
    mut z: Vec<f64>,
    f: &mut dyn FnMut(&[f64]) -> Option<Vec<f64>>,
    wanted: f64,
    enough: f64,
) -> Option<Vec<f64>> {
    // Newest last: steps plus changes, and changes.
    let mut past: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let mut last: Option<(Vec<f64>, Vec<f64>)> = None;
    let (mut best, mut since, mut restarted) = ((f64::INFINITY, z.clone()), 0, false);
    for _ in 0..EVALUATIONS {
        let r = f(&z)?;
        let size = dot(&r, &r).sqrt();
        if size.is_nan() || size >= 1e3 {
            return None;
        }
        since = if size < 0.5 * best.0 { 0 } else { since + 1 };
        if size < best.0 {
            best = (size, z.clone());
        }
        if best.0 <= wanted {
            return Some(best.1);
        }
        if since > PATIENCE && best.0 <= enough {
            if restarted {
                return Some(best.1);
            }
            // Old steps mislead where the residual is small: forget them, once.
            past.clear();
            last = None;
            (z, since, restarted) = (best.1.clone(), 0, true);
            continue;
        }
        if let Some((z0, r0)) = last.take() {
            let (dz, dr) = (minus(&z, &z0), minus(&r, &r0));
            let both: Vec<f64> = dz.iter().zip(&dr).map(|(a, b)| a + b).collect();
            past.push((both, dr));
            if past.len() > MEMORY {
                past.remove(0);
            }
        }
        let mut next: Vec<f64> = z.iter().zip(&r).map(|(z, r)| z + r).collect();
        combined(&past, &r, &mut next);
        last = Some((std::mem::replace(&mut z, next), r));
    }
    None
}

/// `next -= sum g_i (dz_i + df_i)` for the best `g`. Orthogonalising the changes carries the sums along.
fn combined(past: &[(Vec<f64>, Vec<f64>)], r: &[f64], next: &mut [f64]) {
    let mut basis: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let mut left = r.to_vec();
    for (both, change) in past.iter().rev() {
        let (mut both, mut change) = (both.clone(), change.clone());
        let length = dot(&change, &change).sqrt();
        for (b, c) in &basis {
            let along = dot(c, &change);
            axpy(-along, c, &mut change);
            axpy(-along, b, &mut both);
        }
        let rest = dot(&change, &change).sqrt();
        if rest.is_nan() || rest <= DEPENDENT * length {
            continue;
        }
        let scale = |v: &mut Vec<f64>| v.iter_mut().for_each(|v| *v /= rest);
        scale(&mut change);
        scale(&mut both);
        let g = dot(&change, &left);
        axpy(-g, &change, &mut left);
        axpy(-g, &both, next);
        basis.push((both, change));
    }
}
