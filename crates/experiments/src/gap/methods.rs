//! Opponents that ask for one gradient a step and nothing else, as programs on batches: Barzilai & Borwein's steps and
//! conjugate gradients, both without a line search. Their numbers are chosen in `opponents.rs`.

use pullback::{Shape, Var};
use pullback_manifolds::{Manifold, Parts, Rgrad};
use pullback_optim::Method;
use smallvec::{SmallVec, smallvec};

/// Below this a squared length is none.
const TINY: f64 = 1e-300;

/// One number for each member.
fn number(points: &[Shape]) -> Shape {
    Shape { rows: 1, cols: 1, ..points.first().copied().unwrap_or(Shape::SCALAR) }
}

/// `a / b` where `b > 0`, and `without` elsewhere.
fn over<'t>(a: Var<'t>, b: Var<'t>, without: Var<'t>) -> Var<'t> {
    let good = b.gt(TINY);
    good.select(a.elem_div(good.select(b, 1.0)), without)
}

/// Lengths of a list of tangents, each member its own.
fn length<'t>(m: &dyn Manifold, x: &[Var<'t>], u: &[Var<'t>]) -> Var<'t> {
    (m.inner(x, u, u) + TINY).sqrt()
}

/// `v`, shortened to `longest` where it is longer.
fn shortened<'t>(m: &dyn Manifold, x: &[Var<'t>], v: Parts<'t>, longest: f64) -> Parts<'t> {
    let by = (length(m, x, &v) * longest.recip()).max(1.0);
    v.iter().map(|v| v.elem_div(by)).collect()
}

/// Which of the two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// `<s, s> / <s, y>`.
    Long,
    /// `<s, y> / <y, y>`.
    Short,
    /// In turn.
    InTurn,
}

/// Barzilai & Borwein's steps without a line search: `X+ = R_X(-factor alpha G)`, with the long or the short `alpha` of
/// the last step; `|s| / |y|` where the cost is not convex along it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BbFree {
    pub(crate) which: Which,
    pub(crate) factor: f64,
    /// The length of the first step, and of the longest.
    pub(crate) first: f64,
    pub(crate) longest: f64,
}

impl Method for BbFree {
    fn name(&self) -> String {
        format!("{self:?}")
    }
    /// The count of steps; the last gradient and step, brought to this point.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        let mut out: SmallVec<[Shape; 2]> = smallvec![number(points)];
        out.extend_from_slice(points);
        out.extend_from_slice(points);
        out
    }
    fn step<'t>(&self, m: &dyn Manifold, x: &[Var<'t>], g: Rgrad<&[Var<'t>]>, s: &[Var<'t>]) -> (Parts<'t>, Parts<'t>) {
        let (count, going, n) = (s[0], s[0].gt(0.5), x.len());
        let (last, step) = (&s[1..1 + n], &s[1 + n..]);
        let y: Parts<'t> = g.iter().zip(last).map(|(g, l)| *g - *l).collect();
        let (ss, sy, yy) = (m.inner(x, step, step), m.inner(x, step, &y), m.inner(x, &y, &y));
        let middle = over(ss, yy, ss * 0.0 + 1.0).sqrt();
        let convex = sy.gt(0.0);
        let (long, short) = (over(ss, sy, middle), convex.select(over(sy, yy, middle), middle));
        let alpha = match self.which {
            Which::Long => long,
            Which::Short => short,
            // Even steps are long.
            Which::InTurn => (count * std::f64::consts::PI).cos().gt(0.0).select(long, short),
        };
        let first = over(count * 0.0 + self.first, length(m, x, *g), count * 0.0);
        let alpha = going.select(alpha * self.factor, first);
        let v = shortened(m, x, g.iter().map(|g| -g.hadamard(alpha)).collect(), self.longest);
        let next = m.retract(x, &v);
        let mut kept: Parts<'t> = smallvec![count + 1.0];
        kept.extend(m.transport(x, &next, *g));
        kept.extend(m.transport(x, &next, &v));
        (next, kept)
    }
}

/// How the last direction is mixed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beta {
    /// Polak & Ribière, cut at 0.
    PolakRibiere,
    /// Hestenes & Stiefel, cut at 0.
    HestenesStiefel,
    /// Dai & Yuan.
    DaiYuan,
}

/// Conjugate gradients without a line search: `D = -G + beta T(D)`, and a step as long as a quadratic with the
/// curvature of the last step would have it, `alpha = factor <-G, D> / (h <D, D>)` with `h = <s, y> / <s, s>`, or
/// `|y| / |s|` where that is not positive. Starts anew where `D` hardly descends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CgFree {
    pub(crate) beta: Beta,
    pub(crate) factor: f64,
    /// The length of the first step, and of the longest.
    pub(crate) first: f64,
    pub(crate) longest: f64,
}

/// The least cosine between a direction and the negative gradient.
const SLOPE: f64 = 0.01;

impl Method for CgFree {
    fn name(&self) -> String {
        format!("{self:?}")
    }
    /// The count of steps; the last gradient, direction and step, brought to this point.
    fn state(&self, points: &[Shape]) -> SmallVec<[Shape; 2]> {
        let mut out: SmallVec<[Shape; 2]> = smallvec![number(points)];
        (0..3).for_each(|_| out.extend_from_slice(points));
        out
    }
    fn step<'t>(&self, m: &dyn Manifold, x: &[Var<'t>], g: Rgrad<&[Var<'t>]>, s: &[Var<'t>]) -> (Parts<'t>, Parts<'t>) {
        let (count, going, n) = (s[0], s[0].gt(0.5), x.len());
        let none = count * 0.0;
        let (last, direction, step) = (&s[1..1 + n], &s[1 + n..1 + 2 * n], &s[1 + 2 * n..]);
        let y: Parts<'t> = g.iter().zip(last).map(|(g, l)| *g - *l).collect();
        let inner = |u: &[Var<'t>], v: &[Var<'t>]| m.inner(x, u, v);
        let beta = match self.beta {
            Beta::PolakRibiere => over(inner(*g, &y), inner(last, last), none).max(0.0),
            Beta::HestenesStiefel => over(inner(*g, &y), inner(direction, &y), none).max(0.0),
            Beta::DaiYuan => over(inner(*g, *g), inner(direction, &y), none).max(0.0),
        };
        let beta = going.select(beta, none);
        let d: Parts<'t> = g.iter().zip(direction).map(|(g, d)| d.hadamard(beta) - *g).collect();
        let descends = (-inner(*g, &d)).gt(length(m, x, &d).hadamard(length(m, x, *g)) * SLOPE);
        let d: Parts<'t> = d.iter().zip(*g).map(|(d, g)| descends.select(*d, -*g)).collect();
        let (ss, sy, yy) = (inner(step, step), inner(step, &y), inner(&y, &y));
        let middle = over(yy, ss, none + 1.0).sqrt();
        let h = sy.gt(0.0).select(over(sy, ss, middle), middle);
        let dd = inner(&d, &d);
        let alpha = over(-inner(*g, &d), h.hadamard(dd), none) * self.factor;
        let alpha = going.select(alpha, over(none + self.first, length(m, x, &d), none));
        let v = shortened(m, x, d.iter().map(|d| d.hadamard(alpha)).collect(), self.longest);
        let next = m.retract(x, &v);
        let mut kept: Parts<'t> = smallvec![count + 1.0];
        for u in [*g, &d[..], &v[..]] {
            kept.extend(m.transport(x, &next, u));
        }
        (next, kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback::{Batch, faer::Mat};
    use pullback_manifolds::{Euclidean, Grassmann, rng};
    use pullback_optim::{Problem, Steps, Stop};

    /// On a line the secant is exact: with a factor of 1 the second step ends at the minimum of a parabola.
    #[test]
    fn the_second_step_on_a_parabola_is_exact() {
        let line = Euclidean::new(1, 1);
        let start = Batch::of(&Mat::from_fn(1, 1, |_, _| 3.0));
        fn cost(x: Var<'_>) -> Var<'_> {
            ((x - 1.0).hadamard(x - 1.0)).sum() * 2.5
        }
        let (first, longest) = (0.5, 1e9);
        let bb = BbFree { which: Which::Long, factor: 1.0, first, longest };
        let cg = CgFree { beta: Beta::PolakRibiere, factor: 1.0, first, longest };
        let problem = || Problem::new(&line, &start, |x: Var| cost(x));
        let found = [
            problem().solve(Steps(bb), Stop::Iterations(2)).unwrap().point.data()[0],
            problem().solve(Steps(BbFree { which: Which::Short, ..bb }), Stop::Iterations(2)).unwrap().point.data()[0],
        ];
        assert!(found.iter().all(|x| (x - 1.0).abs() < 1e-12), "{found:?}");
        let x = problem().solve(Steps(cg), Stop::Iterations(2)).unwrap().point.data()[0];
        assert!((x - 1.0).abs() < 0.2, "{x}");
    }

    #[test]
    fn both_come_to_the_principal_components() {
        let gr = Grassmann::new(12, 2);
        let start: Batch = gr.random_point(1, &mut rng(4)).swap_remove(0);
        let a = Mat::from_fn(12, 12, |i, j| if i == j { 1.0 / (i + 1) as f64 } else { 0.0 });
        let problem = || Problem::new(&gr, &start, |x: Var| -x.t_mul(&a * x).trace());
        let (first, longest) = (0.5, 2.0);
        for which in [Which::Long, Which::Short, Which::InTurn] {
            let bb = BbFree { which, factor: 1.0, first, longest };
            let found = problem().solve(Steps(bb), Stop::Iterations(150)).unwrap();
            assert!((found.cost + 1.5).abs() < 1e-8, "{which:?} {}", found.cost);
        }
        for beta in [Beta::PolakRibiere, Beta::HestenesStiefel, Beta::DaiYuan] {
            let cg = CgFree { beta, factor: 0.7, first, longest };
            let found = problem().solve(Steps(cg), Stop::Iterations(150)).unwrap();
            assert!((found.cost + 1.5).abs() < 1e-6, "{beta:?} {}", found.cost);
        }
    }
}
