//! Taylor remainders along a curve: do they fall as fast as the derivatives promise, down to the rounding floor? And
//! kinks.

use crate::lists::{List, Random, inner, moduli, nudged, same_shapes};
use crate::report::{Remainders, Verdict};
use crate::slopes::{drops, judged, over, seen, settles, steps};
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

/// `<w, f(x(h))>` for a falling sequence of `h`, each half of the one before; steps that leave the domain are left out.
pub(crate) struct Curve {
    at: f64,
    size: f64,
    points: Vec<Point>,
    eps: f64,
    condition: f64,
}

struct Point {
    h: f64,
    value: f64,
    /// On the other side, at `-h`, if there is a value.
    behind: Option<f64>,
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

    /// The values along the curve. Smaller steps follow where the first ones leave the domain, or where the last still
    /// see a curvature.
    pub(crate) fn curve(&self, random: &mut Random) -> Result<Curve, Error> {
        let (at, size) = (inner(self.w, self.y), moduli(self.w, self.y));
        let here = (0..tolerances::JITTER_SAMPLES).map(|_| self.jitter(self.x, at, random)).fold(0.0, f64::max);
        let value = |h: f64| (self.path)(h).and_then(|x| Ok((self.subject.outputs(&x)?, x)));
        let (eps, condition) = (tolerances::floor::<T>(), self.condition);
        let (mut curve, mut failure) = (Curve { at, size, points: Vec::new(), eps, condition }, None);
        let enough = tolerances::STEPS / 2;
        for k in 0..=tolerances::STEPS + enough {
            if k > tolerances::STEPS && curve.points.len() > enough && !curve.ends_bent() {
                break;
            }
            let h = tolerances::FIRST_STEP * 0.5f64.powi(k as i32);
            match value(h) {
                Ok((there, x)) => {
                    same_shapes(self.y, &there)?;
                    let behind = value(-h).ok().map(|(y, _)| inner(self.w, &y));
                    let value = inner(self.w, &there);
                    let jitter = here.max(self.jitter(&x, value, random));
                    curve.points.push(Point { h, value, behind, size: size.max(moduli(self.w, &there)), jitter });
                }
                Err(e) => failure = Some(e),
            }
        }
        match failure {
            Some(e) if curve.points.len() <= enough => Err(Error::Steps(e)),
            _ => Ok(curve),
        }
    }
}

impl Curve {
    /// One row for each order in `along`, the derivatives of `<w, f>` along the curve.
    pub(crate) fn slopes(&self, along: &[f64]) -> Vec<Remainders> {
        (1..=along.len()).map(|order| self.row(&along[..order], self.condition)).collect()
    }

    /// Does the value still bend between the last two steps?
    fn ends_bent(&self) -> bool {
        let [.., far, near] = &self.points[..] else { return false };
        let bend = (far.value - 2.0 * near.value + self.at).abs();
        far.h == 2.0 * near.h && bend > 4.0 * tolerances::ABOVE_FLOOR * self.floor(self.points.len() - 1, 0.0, 1.0)
    }

    /// What rounding does to the value at a step, as measured, and to the terms of the polynomial.
    fn floor(&self, k: usize, terms: f64, condition: f64) -> f64 {
        let (from, to) = (k.saturating_sub(tolerances::JITTER_WINDOW), k + tolerances::JITTER_WINDOW + 1);
        let jitter = self.points[from..to.min(self.points.len())].iter().map(|p| p.jitter).fold(0.0, f64::max);
        let size = self.points[k].size.max(self.size) + terms;
        tolerances::JITTER_FACTOR * jitter + self.eps * condition * size
    }

    /// The remainders of one order. Right if they are right down to the floor that was measured, or down to the one
    /// that the condition factor grants: the first sees the slopes that begin only near the point, the second forgives
    /// digits that the value loses without showing it. Wrong if they say by how much; otherwise they say nothing.
    fn row(&self, along: &[f64], condition: f64) -> Remainders {
        let (measured, error) = self.remainders(along, &[], 1.0);
        if measured.verdict != Verdict::Wrong {
            return measured;
        }
        if condition > 1.0 {
            let (granted, _) = self.remainders(along, &[], condition);
            if granted.verdict != Verdict::Wrong {
                return granted;
            }
        }
        let wrong = settles(&measured, &error);
        Remainders { verdict: if wrong { Verdict::Wrong } else { Verdict::OutOfRange }, ..measured }
    }

    /// Do the remainders of `along` accuse no more than what rounding leaves of these derivatives, which it moves by
    /// `moved`?
    pub(crate) fn is_rounding(&self, along: &[f64], moved: &[f64]) -> bool {
        self.remainders(along, moved, self.condition).0.verdict != Verdict::Wrong
    }

    /// Does the value show no derivative of this order at all? Its differences in which lower powers of the step cancel
    /// are rounding.
    pub(crate) fn is_flat(&self, order: usize) -> bool {
        let point = |(k, p): (usize, &Point)| (p.h, p.value - self.at, self.floor(k, 0.0, 1.0));
        let mut differences: Vec<(f64, f64, f64)> = self.points.iter().enumerate().map(point).collect();
        for power in 1..order {
            let c = 2f64.powi(power as i32);
            let pairs = differences.windows(2).filter(|p| p[0].0 == 2.0 * p[1].0);
            differences = pairs.map(|p| (p[1].0, p[0].1 - c * p[1].1, p[0].2 + c * p[1].2)).collect();
        }
        differences.iter().all(|(_, d, floor)| d.abs() <= tolerances::ABOVE_FLOOR * floor)
    }

    /// The verdict on them, and the remainders with their signs.
    fn remainders(&self, along: &[f64], moved: &[f64], condition: f64) -> (Remainders, Vec<f64>) {
        let order = along.len();
        let mut signed = Vec::new();
        let steps = self.points.iter().enumerate().map(|(k, p)| {
            // The terms of the polynomial, h^k y^(k) / k!, largest powers of h first so that little is lost in the sum.
            let polynomial = |d: &[f64]| -> Vec<f64> {
                let mut factor = 1.0;
                let powers = (1..=d.len()).map(|k| {
                    factor *= p.h / k as f64;
                    factor
                });
                powers.zip(d).map(|(f, d)| f * d).collect()
            };
            let terms = polynomial(along);
            let remainder = (p.value - self.at) - terms.iter().rev().sum::<f64>();
            signed.push(remainder);
            let floor = self.floor(k, terms.iter().map(|t| t.abs()).sum(), condition);
            (p.h, remainder.abs(), floor + tolerances::JITTER_FACTOR * polynomial(moved).iter().sum::<f64>())
        });
        let what = format!("value - its Taylor polynomial of degree {order}");
        let row = judged(what, order, (order + 1) as f64, steps);
        (row, signed)
    }

    /// A kink at the point: the slopes (of order 2: the curvatures) of the value to either side, if what they differ by
    /// does not vanish as the step shrinks. It is followed down to the floor, since beside a kink or a pole it vanishes
    /// only at steps that do not reach it.
    pub(crate) fn kink(&self, order: usize) -> Option<(f64, f64)> {
        let sides: Vec<(f64, f64, f64, f64)> = match order {
            1 => (0..self.points.len()).filter_map(|k| self.slopes_at(k)).collect(),
            _ => (1..self.points.len()).filter_map(|k| self.curvatures_at(k)).collect(),
        };
        let gap = |s: &(f64, f64, f64, f64)| (s.0, (s.2 - s.1).abs() * s.0.powi(order as i32), s.3);
        let curve = steps(sides.iter().map(gap));
        let above = seen(&curve, tolerances::KINK_HALVINGS);
        let most = order as f64 + tolerances::KINK_SLOPE;
        let stays = above > 0
            && curve[above - tolerances::KINK_HALVINGS..above].iter().all(|s| s.slope.is_some_and(|s| s <= most));
        // Steps that jump forth and back may leave single ones beyond the others.
        let last = curve.iter().rposition(over).map_or(0, |k| k + 1);
        (stays && !drops(&curve, last, order as f64)).then(|| (sides[above - 1].1, sides[above - 1].2))
    }

    /// The step, the slope before the point and after it, and the floor of their difference times the step.
    fn slopes_at(&self, k: usize) -> Option<(f64, f64, f64, f64)> {
        let (p, at) = (&self.points[k], self.at);
        Some((p.h, (at - p.behind?) / p.h, (p.value - at) / p.h, 4.0 * self.floor(k, 0.0, 1.0)))
    }

    /// The same of curvatures, from values at `h` and `2h`; the floor is that of their difference times the square of
    /// the step.
    fn curvatures_at(&self, k: usize) -> Option<(f64, f64, f64, f64)> {
        let (far, near, at) = (&self.points[k - 1], &self.points[k], self.at);
        let square = near.h * near.h;
        let bent = |far: f64, near: f64| (far - 2.0 * near + at) / square;
        let floor = 6.0 * self.floor(k, 0.0, 1.0);
        (far.h == 2.0 * near.h).then_some(())?;
        Some((near.h, bent(far.behind?, near.behind?), bent(far.value, near.value), floor))
    }
}
