//! Conjugate gradients with an exact line search: an opponent that sees more than a gradient a step, so it
//! stands apart. The step along a direction is found by golden sections on the cost itself, for every member of a
//! batch at once.

use super::problems::{Problems, column};
use pullback::{Batch, Tape, Var};
use pullback_manifolds::Egrad;

/// Costs of a line search: doublings of the bracket, and golden sections in it.
const DOUBLINGS: usize = 12;
const SECTIONS: usize = 40;
const GOLDEN: f64 = 0.618_033_988_749_894_8;

/// What is left after 0, 1, 2, ... steps of conjugate gradients (Polak & Ribière, cut at 0) whose steps are exact.
pub(crate) fn run(problems: &Problems, steps: usize) -> Vec<Vec<f64>> {
    let m = problems.manifold.as_ref();
    let mut tape = Tape::plain();
    let mut x = problems.starts.clone();
    let mut last: Option<(Batch, Batch)> = None;
    let mut left = vec![problems.left(&x)];
    for _ in 0..steps {
        tape.clear();
        let (g, d) = direction(&tape, problems, &x, last.as_ref());
        let t = line_search(problems, &x, &d);
        tape.clear();
        let (at, along) = (tape.constant(&x), tape.constant(&d));
        let next = m.retract(&[at], &[along.hadamard(tape.constant(&column(&t)))]);
        let carried = |u: &Batch| m.transport(&[at], &next, &[tape.constant(u)])[0].value();
        let kept = (carried(&g), carried(&d));
        let moved = next[0].value();
        if tape.check().is_err() || moved.first_non_finite().is_some() {
            left.resize(steps + 1, vec![f64::INFINITY; problems.count()]);
            return left;
        }
        (last, x) = (Some(kept), moved);
        left.push(problems.left(&x));
    }
    left
}

/// The gradient at `x`, and `-g + beta d` with the last two; `-g` where that does not descend.
fn direction<'t>(tape: &'t Tape, problems: &Problems, x: &Batch, last: Option<&(Batch, Batch)>) -> (Batch, Batch) {
    let m = problems.manifold.as_ref();
    let at = tape.constant(x);
    let e = at.grad(|x| problems.cost_of(x).sum());
    let g = m.egrad_to_rgrad(&[at], Egrad(&[e])).0[0];
    let Some((old, d)) = last else { return (g.value(), (-g).value()) };
    let (old, d) = (tape.constant(old), tape.constant(d));
    let inner = |u: Var<'t>, v: Var<'t>| m.inner(&[at], &[u], &[v]);
    let beta = inner(g, g - old).elem_div(inner(old, old) + f64::MIN_POSITIVE).max(0.0);
    let d = d.hadamard(beta) - g;
    let d = inner(d, g).lt(0.0).select(d, -g);
    (g.value(), d.value())
}

/// The costs after steps `t` along `d`.
fn costs(tape: &mut Tape, problems: &Problems, x: &Batch, d: &Batch, t: &[f64]) -> Vec<f64> {
    tape.clear();
    let (x, d) = (tape.constant(x), tape.constant(d));
    let m = problems.manifold.as_ref();
    let next = m.retract(&[x], &[d.hadamard(tape.constant(&column(t)))]);
    let found = problems.cost_of(next[0]).value();
    found.data().iter().map(|f| if f.is_finite() { *f } else { f64::INFINITY }).collect()
}

/// The step of each member.
fn line_search(problems: &Problems, x: &Batch, d: &Batch) -> Vec<f64> {
    let n = problems.count();
    let lengths = problems.lengths(x, d);
    let mut tape = Tape::plain();
    let mut cost = |t: &[f64]| costs(&mut tape, problems, x, d, t);
    // The bracket [0, high]: doubled for as long as the cost at its end is lower than in its middle.
    let mut high: Vec<f64> = (0..n).map(|b| 1e-3 / lengths[b].max(f64::MIN_POSITIVE)).collect();
    let (mut here, mut open) = (cost(&high), vec![true; n]);
    for _ in 0..DOUBLINGS {
        let twice: Vec<f64> = high.iter().map(|h| 2.0 * h).collect();
        let there = cost(&twice);
        for b in 0..n {
            open[b] &= there[b] < here[b];
            if open[b] {
                (high[b], here[b]) = (twice[b], there[b]);
            }
        }
    }
    let mut low = vec![0.0; n];
    high.iter_mut().for_each(|h| *h *= 2.0);
    let inside = |low: &[f64], high: &[f64], part: f64| -> Vec<f64> {
        low.iter().zip(high).map(|(l, h)| l + part * (h - l)).collect()
    };
    let (mut a, mut b) = (inside(&low, &high, 1.0 - GOLDEN), inside(&low, &high, GOLDEN));
    let (mut at_a, mut at_b) = (cost(&a), cost(&b));
    for _ in 0..SECTIONS {
        let mut asked = vec![0.0; n];
        for k in 0..n {
            if at_a[k] < at_b[k] {
                (high[k], b[k], at_b[k]) = (b[k], a[k], at_a[k]);
                a[k] = low[k] + (1.0 - GOLDEN) * (high[k] - low[k]);
                asked[k] = a[k];
            } else {
                (low[k], a[k], at_a[k]) = (a[k], b[k], at_b[k]);
                b[k] = low[k] + GOLDEN * (high[k] - low[k]);
                asked[k] = b[k];
            }
        }
        let found = cost(&asked);
        for k in 0..n {
            if asked[k] == a[k] { at_a[k] = found[k] } else { at_b[k] = found[k] }
        }
    }
    inside(&low, &high, 0.5)
}
