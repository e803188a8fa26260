//! Taylor remainders along a curve: do they fall as fast as the derivatives promise, down to the rounding floor? And kinks.

use crate::lists::{List, Random, inner, moduli, nudged, same_shapes};
use crate::report::{Remainders, Step, Verdict};
use crate::subject::Subject;
use crate::{Error, tolerances};
use pullback::Scalar;

/// The point at step `h`: `x + h v`, or what a retraction makes of it.
pub(crate) type Path<'p, T> = dyn Fn(f64) -> pullback::Result<List<T>> + 'p;

/// What the remainders are of, contracted with the cotangent `w`.
pub(crate) struct Curved<'c, T: Scalar> {
    pub(crate) subject: &'c dyn Subject<T>,
    pub(crate) x: &'c List<T>,
    pub(crate) y: &'c List<T>,
    pub(crate) w: &'c List<T>,
    pub(crate) scale: &'c List<T>,
    pub(crate) path: &'c Path<'c, T>,
    pub(crate) condition: f64,
}

/// `<w, f(x(h))>` for a falling sequence of `h`; steps that leave the domain are left out.
struct Curve {
    at: f64,
    size: f64,
    points: Vec<Point>,
}

struct Point {
    h: f64,
    value: f64,
    size: f64,
    jitter: f64,
}

impl<T: Scalar> Curved<'_, T> {
    fn jitter(&self, x: &List<T>, at: f64, random: &mut Random) -> f64 {
        match self.subject.outputs(&nudged(x, self.scale, random)) {
            Ok(y) if same_shapes(self.y, &y).is_ok() => (inner(self.w, &y) - at).abs(),
            _ => 0.0,
        }
    }

    fn curve(&self, random: &mut Random) -> Result<Curve, Error> {
        let (at, size) = (inner(self.w, self.y), moduli(self.w, self.y));
        let here = (0..tolerances::JITTER_SAMPLES).map(|_| self.jitter(self.x, at, random)).fold(0.0, f64::max);
        let (mut points, mut failure) = (Vec::new(), None);
        for k in 0..=tolerances::STEPS {
            let h = tolerances::FIRST_STEP * 0.5f64.powi(k as i32);
            match (self.path)(h).and_then(|x| Ok((self.subject.outputs(&x)?, x))) {
                Ok((there, x)) => {
                    same_shapes(self.y, &there)?;
                    let value = inner(self.w, &there);
                    let jitter = here.max(self.jitter(&x, value, random));
                    points.push(Point { h, value, size: size.max(moduli(self.w, &there)), jitter });
                }
                Err(e) => failure = Some(e),
            }
        }
        match failure {
            Some(e) if points.len() <= tolerances::STEPS / 2 => Err(Error::Steps(e)),
            _ => Ok(Curve { at, size, points }),
        }
    }

    /// One row for each order in `along`, the derivatives of `<w, f>` along the curve.
    pub(crate) fn slopes(&self, along: &[f64], random: &mut Random) -> Result<Vec<Remainders>, Error> {
        let curve = self.curve(random)?;
        Ok((1..=along.len()).map(|order| self.row(&curve, &along[..order])).collect())
    }

    fn row(&self, curve: &Curve, along: &[f64]) -> Remainders {
        let order = along.len();
        let points = &curve.points;
        let steps = points.iter().enumerate().map(|(k, p)| {
            // The terms of the polynomial, h^k y^(k) / k!, largest powers of h first so that little is lost in the sum.
            let mut factor = 1.0;
            let terms: Vec<f64> = along
                .iter()
                .enumerate()
                .map(|(k, d)| {
                    factor *= p.h / (k + 1) as f64;
                    factor * d
                })
                .collect();
            let remainder = ((p.value - curve.at) - terms.iter().rev().sum::<f64>()).abs();
            let size = p.size.max(curve.size) + terms.iter().map(|t| t.abs()).sum::<f64>();
            let (from, to) = (k.saturating_sub(tolerances::JITTER_WINDOW), k + tolerances::JITTER_WINDOW + 1);
            let jitter = points[from..to.min(points.len())].iter().map(|p| p.jitter).fold(0.0, f64::max);
            (p.h, remainder, tolerances::JITTER_FACTOR * jitter + tolerances::floor::<T>() * self.condition * size)
        });
        let what = format!("value - its Taylor polynomial of degree {order}");
        judged(what, order, (order + 1) as f64, steps)
    }

    /// A kink at the point: the slopes of the value to either side along the curve, if they do not meet as the step shrinks.
    pub(crate) fn kink(&self, random: &mut Random) -> Option<(f64, f64)> {
        self.sides(1, tolerances::KINK_STEPS, random, |at, near, _, h| (near - at) / h)
    }

    /// A kink of the derivative: the curvatures of the value to either side, if they do not meet.
    pub(crate) fn bend(&self, random: &mut Random) -> Option<(f64, f64)> {
        self.sides(2, tolerances::BEND_STEPS, random, |at, near, far, h| (far - 2.0 * near + at) / (h * h))
    }

    /// What differences of the value at `0, h, 2h` say for negative and for positive `h`, if that stays apart.
    fn sides(
        &self,
        order: i32,
        steps: [f64; 3],
        random: &mut Random,
        difference: impl Fn(f64, f64, f64, f64) -> f64,
    ) -> Option<(f64, f64)> {
        let at = inner(self.w, self.y);
        let value = |h: f64| self.subject.outputs(&(self.path)(h).ok()?).ok().map(|y| inner(self.w, &y));
        let jitter = (0..tolerances::JITTER_SAMPLES).map(|_| self.jitter(self.x, at, random)).fold(0.0, f64::max);
        let floor = tolerances::JITTER_FACTOR * jitter + tolerances::floor::<T>() * moduli(self.w, self.y);
        let mut gaps = Vec::new();
        let mut found = (0.0, 0.0);
        for h in steps {
            let side = |h: f64| Some(difference(at, value(h)?, value(2.0 * h)?, h));
            found = (side(-h)?, side(h)?);
            gaps.push(((found.1 - found.0).abs(), floor / h.powi(order)));
        }
        let apart = gaps.iter().all(|(gap, noise)| *gap > tolerances::ABOVE_FLOOR * noise);
        let stays = gaps.windows(2).all(|g| g[1].0 > 0.5 * g[0].0);
        (apart && stays).then_some(found)
    }
}

/// The verdict on a sequence of steps `(h, remainder, floor)`, `h` halved from each to the next.
pub(crate) fn judged(
    what: String,
    order: usize,
    expected: f64,
    points: impl IntoIterator<Item = (f64, f64, f64)>,
) -> Remainders {
    let mut curve: Vec<Step> = Vec::new();
    for (h, remainder, floor) in points {
        let slope = curve.last().map(|s: &Step| (s.remainder / remainder).log2() / (s.h / h).log2());
        curve.push(Step { h, remainder, slope, floor });
    }
    let over = |s: &Step| s.remainder > tolerances::ABOVE_FLOOR * s.floor;
    let above = curve.iter().take_while(|s| over(s)).count();
    // To the floor at a blow, and never above it again: what made the remainder lies beyond this step (a kink, a far pole).
    let dropped = curve.get(above).and_then(|s| s.slope).is_some_and(|s| s >= expected + tolerances::DROP)
        && !curve[above..].iter().any(over);
    // The smallest steps above the floor: there a wrong derivative shows, however small its error.
    let steps = curve[above.saturating_sub(tolerances::HALVINGS + 1)..(above + 1).min(curve.len())].to_vec();
    let verdict = if above <= tolerances::HALVINGS || dropped {
        Verdict::Floor
    } else if falls(&steps[1..=tolerances::HALVINGS], expected) {
        Verdict::Slope
    } else {
        Verdict::Wrong
    };
    Remainders { what, order, expected, steps, curve, verdict }
}

/// Have the slopes of these steps their order, or do they converge to it, or does the leading term vanish?
fn falls(steps: &[Step], expected: f64) -> bool {
    let off: Vec<f64> = steps.iter().map(|s| s.slope.unwrap_or(0.0) - expected).collect();
    let [.., before, last] = off[..] else { return false };
    let near = |d: f64| d.abs() <= tolerances::SLOPE;
    let converging = last.abs() <= tolerances::CONVERGING && last.abs() <= before.abs() && near(2.0 * last - before);
    off.iter().all(|d| near(*d)) || converging || off.iter().all(|d| *d >= 1.0 - tolerances::SLOPE)
}
