//! Inner loops whose derivatives and rates have closed forms, so that what a worker makes of estimators, of states that
//! are constants and of tangents that move can be told from what is nearly right.

use pullback::prelude::*;
use pullback::{Batch, Shape};
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Euclidean, Manifold, Parts, Stiefel};
use pullback_optim::Rsgd;
use rand::Rng;

/// The cost `|x - 1|² / 2` of each member.
#[derive(Debug)]
struct Bowl;
impl Task for Bowl {
    type Data = ();
    fn sample(&self, _: Split, _: &[Member]) {}
    fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        let y = x[0] - 1.0;
        y.dot(y) * 0.5
    }
}

/// A rule without a state: the direction is what it sees, times its one parameter.
#[derive(Debug, Clone, PartialEq)]
struct Times;
impl MatrixRule for Times {
    type Params = f64;
    type State = Vec<Batch>;
    fn name(&self) -> String {
        "times".into()
    }
    fn init(&self, _: &Update, _: &mut dyn Rng) -> f64 {
        0.0
    }
    fn begin(&self, _: Shape) -> Vec<Batch> {
        vec![]
    }
    fn propose<'t>(&self, phi: &Var<'t>, g: Var<'t>, _: &Update, _: &Vec<Var<'t>>) -> (Proposal<'t>, Vec<Var<'t>>) {
        (Proposal { direction: g.hadamard(*phi), number: None }, vec![])
    }
}

const STILL: Rsgd = Rsgd { step: 0.0 };

fn options(steps: usize, estimator: Estimator) -> TrainingOptions {
    TrainingOptions {
        horizon: Horizon::Steps(steps),
        members: 1,
        group: 1,
        estimator,
        clip: None,
        outer: OuterRule::Sgd { rate: 0.0 },
        warm_up: WarmUp { members: 1, steps: 0, push_after: 0, push_every: 1 },
        refresh: None,
        ..TrainingOptions::default()
    }
}

/// The contribution of the first step of a training with these settings, and where its member started.
fn first<L: InnerLoop<()>>(m: &dyn Manifold, inner: L, phi: L::Params, o: TrainingOptions) -> (Contribution, Batch) {
    let mut t = Training::new(inner, phi, m, &Bowl, &[&STILL], o);
    let job = t.draw().unwrap();
    let found = t.estimate(&job).swap_remove(0);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    (found, job.groups[0][0].1.point[0].clone())
}

#[test]
fn a_loop_is_suspect_from_where_it_does_not_contract() {
    // V = -c (grad + phi grad), so x - 1 is multiplied by 1 - c (1 + phi) in every step.
    let flat = Euclidean::new(2, 1);
    let c = 0.5;
    for (factor, suspect) in
        [(0.3, 0), (0.999, 0), (1.001, 1), (1.2, 1), (-0.5, 0), (-0.999, 0), (-1.001, 1), (-1.2, 1)]
    {
        let phi = (1.0 - factor) / c - 1.0;
        let inner = Descent(Each::new(Times, Update::new(c)));
        let (found, _) = first(&flat, inner, phi, options(3, Estimator::FixedPoint { terms: 4 }));
        assert_eq!(found.suspect, suspect, "a loop with factor {factor} contracts or not: {:?}", found.rho);
        assert!((found.rho[0] - f64::abs(factor)).abs() < 1e-9, "{:?}, expected {factor}", found.rho);
    }
}

#[test]
fn the_tangent_loop_in_flat_space_is_its_closed_form_with_and_without_a_constant_state() {
    // P_0 = s grad, P <- (1 - c phi) P, and x+ = x - P, with grad = x - 1: so x+ - 1 = (1 - s q^T) (x - 1) for
    // q = 1 - c phi. The tangent is no state of the network: it is part of the derivative, whatever is frozen.
    let flat = Euclidean::new(3, 2);
    let (s, c, phi, steps) = (0.4, 0.3, 0.6, 4);
    let q = 1.0 - c * phi;
    for freeze_state in [false, true] {
        let o = TrainingOptions { freeze_state, ..options(steps, Estimator::Unroll) };
        let inner = OnTangent::new(Times, Update::new(c), s);
        let (found, from) = first(&flat, inner, (phi, vec![]), o);
        let square: f64 = from.data().iter().map(|x| (x - 1.0).powi(2)).sum();
        let left = 1.0 - s * q.powi(steps as i32);
        for (x, y) in from.data().iter().zip(found.arrived[0].point[0].data()) {
            assert!((y - 1.0 - left * (x - 1.0)).abs() < 1e-14);
        }
        let slope = left * s * steps as f64 * q.powi(steps as i32 - 1) * c * square;
        let got = found.gradient.0[0].data()[0];
        assert!((got - slope).abs() < 1e-13 * slope, "frozen: {freeze_state}; {got}, expected {slope}");
    }
}

#[test]
fn the_contraction_of_the_tangent_loop_is_that_of_its_tangent() {
    // P <- q P; the point is part of the state, and has nothing to do with how the loop contracts.
    let (c, phi) = (0.3, 0.6);
    for terms in [1, 3, 9, 40] {
        let inner = OnTangent::new(Times, Update::new(c), 0.4);
        let o = options(12, Estimator::FixedPoint { terms });
        let (found, _) = first(&Euclidean::new(3, 2), inner, (phi, vec![]), o);
        let rho = found.rho[0];
        assert!((rho - (1.0 - c * phi)).abs() < 1e-9, "{terms} terms: {rho}");
    }
}

/// A tangent loop at a point that is a constant: `P <- phi P + 3 x sym(x^T P)`. The second term is 0 for every tangent;
/// it is what a program may do with matrices that are none.
#[derive(Debug, Clone, PartialEq)]
struct BeyondTangents;
impl InnerLoop<()> for BeyondTangents {
    type Params = f64;
    fn name(&self) -> String {
        "beyond tangents".into()
    }
    fn begin(&self, points: &[Shape]) -> Vec<Batch> {
        points.iter().map(|s| Batch::zeros(*s)).collect()
    }
    fn step<'t>(
        &self,
        m: &dyn Manifold,
        phi: &Var<'t>,
        x: &[Var<'t>],
        beside: &[Var<'t>],
        t: usize,
        cost: Cost<'_, 't>,
        (): &(),
    ) -> (Parts<'t>, Vec<Var<'t>>) {
        let x0 = x[0].stop_gradient();
        let e = x0.grad(|x| cost(&[x]).sum());
        let p = if t == 0 { m.project(&[x0], &[e])[0] } else { beside[0] };
        let next = p.hadamard(*phi) + x0 * x0.t_mul(p).sym() * 3.0;
        ([x0].into_iter().collect(), vec![next])
    }
    fn end<'t>(&self, m: &dyn Manifold, x: &[Var<'t>], beside: &[Var<'t>]) -> Parts<'t> {
        m.retract(x, &[-beside[0]])
    }
    fn tangents(&self, points: usize) -> usize {
        points
    }
}

#[test]
fn series_see_the_tangent_part_of_what_moves_as_a_tangent() {
    // On tangents the loop is P <- phi P. With p_t = phi^t P_0 and v the outer gradient, the unroll is the sum of
    // phi^(T-1-t) <v, p_t>, T equal terms, and the series is that of phi^k <v, p_(T-1)>. That of ambient matrices
    // grows.
    let st = Stiefel::new(5, 2);
    let (phi, steps) = (0.6, 12);
    let by = |estimator| first(&st, BeyondTangents, phi, options(steps, estimator)).0;
    let (unrolled, series) = (by(Estimator::Unroll), by(Estimator::FixedPoint { terms: steps }));
    assert_eq!((series.truncated, series.suspect), (0, 0), "{:?}", series.rho);
    assert!((series.rho[0] - phi).abs() < 1e-9, "{:?}", series.rho);
    let (a, b) = (unrolled.gradient.0[0].data()[0], series.gradient.0[0].data()[0]);
    let ratio = (1.0 - phi.powi(steps as i32 + 1)) / (1.0 - phi) / steps as f64;
    assert!((b - ratio * a).abs() < 1e-9 * a.abs(), "{a} {b}");
}
