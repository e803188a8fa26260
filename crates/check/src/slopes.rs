//! What a falling sequence of steps says: slopes, where the rounding floor begins, and the verdict. Where the numbers
//! come from is `taylor.rs`, and what a threshold is for `tolerances.rs`.

use crate::report::{Remainders, Step, Verdict};
use crate::tolerances;

/// Slopes from each step to the next.
pub(crate) fn steps(points: impl IntoIterator<Item = (f64, f64, f64)>) -> Vec<Step> {
    let mut curve: Vec<Step> = Vec::new();
    for (h, remainder, floor) in points {
        let slope = curve.last().map(|s: &Step| (s.remainder / remainder).log2() / (s.h / h).log2());
        curve.push(Step { h, remainder, slope, floor });
    }
    curve
}

/// To the floor at a blow after `above` steps, and never above it again: what was seen lies beyond this step (a kink, a
/// far pole). What a wrong derivative leaves may cancel with what the value adds at one step, but not from so high up
/// that the next ones do not show it.
pub(crate) fn drops(curve: &[Step], above: usize, expected: f64) -> bool {
    let blow = curve.get(above).and_then(|s| s.slope).is_some_and(|s| s >= expected + tolerances::DROP);
    let high = above > 0 && curve[above - 1].remainder > tolerances::HIGH * curve[above - 1].floor;
    blow && curve[above..].iter().all(|s| if high { !over(s) } else { s.remainder <= s.floor })
}

/// Is a remainder more than rounding?
pub(crate) fn over(s: &Step) -> bool {
    s.remainder > tolerances::ABOVE_FLOOR * s.floor
}

/// How many steps there are up to the smallest that is above the floor, at the end of more than `halvings` such steps
/// in a row. (A step that lands beside a pole has a high floor of its own, and ends nothing.)
pub(crate) fn seen(curve: &[Step], halvings: usize) -> usize {
    let (mut run, mut end) = (0, 0);
    for (k, step) in curve.iter().enumerate() {
        run = if over(step) { run + 1 } else { 0 };
        end = if run > halvings { k + 1 } else { end };
    }
    end
}

/// The verdict on a sequence of steps `(h, remainder, floor)`, `h` halved from each to the next.
pub(crate) fn judged(
    what: String,
    order: usize,
    expected: f64,
    points: impl IntoIterator<Item = (f64, f64, f64)>,
) -> Remainders {
    let curve = self::steps(points);
    let above = seen(&curve, tolerances::HALVINGS);
    let dropped = drops(&curve, above, expected);
    // The smallest steps above the floor: there a wrong derivative shows, however small its error.
    let steps = curve[above.saturating_sub(tolerances::HALVINGS + 1)..(above + 1).min(curve.len())].to_vec();
    let verdict = if above == 0 || dropped {
        Verdict::Floor
    } else if falls(&steps[1..=tolerances::HALVINGS], expected) {
        Verdict::Slope
    } else {
        Verdict::Wrong
    };
    Remainders { what, order, expected, steps, curve, verdict }
}

/// Do the remainders say by how much the derivative is wrong? Over `h^order` they tend to that error, and what a smooth
/// value adds falls like `h`; extrapolated from two steps to where that would be gone, they stay where they are if
/// there is an error (or grow like a whole power, if it is one of lower order), and change otherwise if leading terms
/// cancel, or if the value is rougher than smooth.
pub(crate) fn settles(row: &Remainders, signed: &[f64]) -> bool {
    let above = seen(&row.curve, tolerances::HALVINGS);
    if row.curve[above - 1].slope.is_some_and(|s| s > row.expected - tolerances::SLOPE) {
        return false;
    }
    let error = |k: usize| signed[k] / row.curve[k].h.powi(row.order as i32);
    let extrapolated = |k: usize| {
        let (far, near) = (row.curve[k - 1].h, row.curve[k].h);
        (far * error(k) - near * error(k - 1)) / (far - near)
    };
    // (Not a number where it changes its sign.)
    let powers = |k: usize| (extrapolated(k) / extrapolated(k - 1)).log2();
    let whole = |p: f64| (p - p.round()).abs() <= tolerances::SETTLED;
    let (before, last) = (powers(above - 2), powers(above - 1));
    whole(last) && whole(before) && before.round() == last.round() && last.round() >= 0.0
}

/// Have the slopes of these steps their order, or do they converge to it, or does the leading term vanish?
fn falls(steps: &[Step], expected: f64) -> bool {
    let off: Vec<f64> = steps.iter().map(|s| s.slope.unwrap_or(0.0) - expected).collect();
    let [.., before, last] = off[..] else { return false };
    let near = |d: f64| d.abs() <= tolerances::SLOPE;
    let converging = last.abs() <= tolerances::CONVERGING && last.abs() <= before.abs() && near(2.0 * last - before);
    off.iter().all(|d| near(*d)) || converging || off.iter().all(|d| *d >= 1.0 - tolerances::SLOPE)
}
