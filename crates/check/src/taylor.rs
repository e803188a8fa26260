//! Taylor remainders along a direction: do they fall as fast as the derivatives promise, down to the rounding floor?

use crate::agreement::Along;
use crate::program::{List, Program, Random, inner, moduli, same_shapes, zip};
use crate::report::{Remainders, Step, Verdict};
use crate::{Error, tolerances};
use pullback::Scalar;

/// `<w, f(x + h v)>` for a falling sequence of `h`; steps that leave the domain are left out.
struct Curve {
    at: f64,
    size: f64,
    jitter: f64,
    points: Vec<(f64, f64)>,
}

fn curve<T: Scalar>(p: &Program<'_, T>, x: &List<T>, v: &List<T>, random: &mut Random) -> Result<Curve, Error> {
    let y = p.outputs(x).map_err(Error::Value)?;
    let (at, size) = (inner(&p.w, &y), moduli(&p.w, &y));
    let mut jitter = 0.0f64;
    for _ in 0..tolerances::JITTER_SAMPLES {
        let near = zip(x, x, |x, _| x + x * T::EPS * random.normal::<T>().signum());
        if let Ok(y) = p.outputs(&near) {
            jitter = jitter.max((inner(&p.w, &y) - at).abs());
        }
    }
    let (mut points, mut failure) = (Vec::new(), None);
    for k in 0..=tolerances::STEPS {
        let h = tolerances::FIRST_STEP * 0.5f64.powi(k as i32);
        let step = T::of(h);
        match p.outputs(&zip(x, v, |x, v| x + step * v)) {
            Ok(there) => {
                same_shapes(&y, &there)?;
                points.push((h, inner(&p.w, &there)));
            }
            Err(e) => failure = Some(e),
        }
    }
    match failure {
        Some(e) if points.len() <= tolerances::STEPS / 2 => Err(Error::Steps(e)),
        _ => Ok(Curve { at, size, jitter, points }),
    }
}

/// One row for each order in `along`.
pub(crate) fn slopes<T: Scalar>(
    p: &Program<'_, T>,
    x: &List<T>,
    v: &List<T>,
    along: &Along,
    condition: f64,
    random: &mut Random,
) -> Result<Vec<Remainders>, Error> {
    let curve = curve(p, x, v, random)?;
    Ok((1..=along.len()).map(|order| judge::<T>(&curve, &along[..order], condition)).collect())
}

fn judge<T: Scalar>(curve: &Curve, along: &[f64], condition: f64) -> Remainders {
    let order = along.len();
    let mut steps: Vec<Step> = Vec::new();
    for &(h, y) in &curve.points {
        // The terms of the polynomial, h^k y^(k) / k!, largest powers of h first so that little is lost in the sum.
        let mut factor = 1.0;
        let terms: Vec<f64> = along
            .iter()
            .enumerate()
            .map(|(k, d)| {
                factor *= h / (k + 1) as f64;
                factor * d
            })
            .collect();
        let remainder = ((y - curve.at) - terms.iter().rev().sum::<f64>()).abs();
        let size = curve.size + terms.iter().map(|t| t.abs()).sum::<f64>();
        let floor = tolerances::JITTER_FACTOR * curve.jitter + tolerances::floor::<T>() * condition * size;
        let slope = steps.last().map(|s: &Step| (s.remainder / remainder).log2() / (s.h / h).log2());
        steps.push(Step { h, remainder, slope, floor });
    }
    let over = |s: &Step| s.remainder > tolerances::ABOVE_FLOOR * s.floor;
    let above = steps.iter().take_while(|s| over(s)).count();
    let expected = (order + 1) as f64;
    // To the floor at a blow, and never above it again: what made the remainder lies beyond this step (a kink, a far pole).
    let dropped = steps.get(above).and_then(|s| s.slope).is_some_and(|s| s >= expected + tolerances::DROP)
        && !steps[above..].iter().any(over);
    // The smallest steps above the floor: there a wrong derivative shows, however small its error.
    let steps = steps[above.saturating_sub(tolerances::HALVINGS + 1)..(above + 1).min(steps.len())].to_vec();
    let verdict = if above <= tolerances::HALVINGS || dropped {
        Verdict::Floor
    } else if falls(&steps[1..=tolerances::HALVINGS], expected) {
        Verdict::Slope
    } else {
        Verdict::Wrong
    };
    Remainders { order, steps, verdict }
}

/// Have the slopes of these steps their order, or do they converge to it, or does the leading term vanish?
fn falls(steps: &[Step], expected: f64) -> bool {
    let off: Vec<f64> = steps.iter().map(|s| s.slope.unwrap_or(0.0) - expected).collect();
    let [.., before, last] = off[..] else { return false };
    let near = |d: f64| d.abs() <= tolerances::SLOPE;
    let converging = last.abs() <= tolerances::CONVERGING && last.abs() <= before.abs() && near(2.0 * last - before);
    off.iter().all(|d| near(*d)) || converging || off.iter().all(|d| *d >= 1.0 - tolerances::SLOPE)
}
