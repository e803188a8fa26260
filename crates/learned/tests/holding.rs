//! What a method holds is put on a rollout's tape once, and a step that fails leaves nothing behind.

use pullback::prelude::*;
use pullback::{Scalar, Shape};
use pullback_learned::*;
use pullback_manifolds::{Egrad, Grassmann, Manifold, Parts, Rgrad, gaussian, rng};
use pullback_optim::Method;
use std::sync::atomic::{AtomicUsize, Ordering};

type Net = Each<GmLstm>;

/// A trained optimiser that counts how often it is asked for what it holds.
#[derive(Debug)]
struct Counting(Trained<Net>, AtomicUsize);

impl Method for Counting {
    fn name(&self) -> String {
        self.0.name()
    }
    fn state(&self, points: &[Shape]) -> smallvec::SmallVec<[Shape; 2]> {
        self.0.state(points)
    }
    fn begin(&self, points: &[Shape]) -> Vec<Batch> {
        self.0.begin(points)
    }
    fn step<'t>(&self, m: &dyn Manifold, x: &[Var<'t>], r: Rgrad<&[Var<'t>]>, s: &[Var<'t>]) -> (Parts<'t>, Parts<'t>) {
        self.0.step(m, x, r, s)
    }
    fn hold<'t>(&self, tape: &'t Tape) -> Parts<'t> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.hold(tape)
    }
    fn step_holding<'t>(
        &self,
        m: &dyn Manifold,
        x: &[Var<'t>],
        e: Egrad<&[Var<'t>]>,
        r: Rgrad<&[Var<'t>]>,
        s: &[Var<'t>],
        held: &[Var<'t>],
    ) -> (Parts<'t>, Parts<'t>) {
        self.0.step_holding(m, x, e, r, s, held)
    }
}

/// `<X, A X>` for the matrix of a step.
struct Trace;

impl<T: Scalar> Task<T> for Trace {
    type Data = Batch<T>;
    fn sample(&self, _: Split, _: &[Member]) -> Batch<T> {
        Batch::zeros(Shape::mat(5, 5))
    }
    fn cost<'t>(&self, x: &[Var<'t, T>], a: &Batch<T>) -> Var<'t, T> {
        x[0].t_mul(x[0].tape().constant(a) * x[0]).trace()
    }
}

fn counting() -> Counting {
    let options = GmLstmOptions { hidden: 4, start_as_descent: false, ..GmLstmOptions::new(5, 2) };
    let net = Each::new(GmLstm::new(options), Update::new(0.05));
    let params = net.init(&mut rng(1));
    Counting(Trained::new(net, params), AtomicUsize::new(0))
}

#[test]
fn a_rollout_asks_once_and_its_steps_are_those_of_the_method() {
    let (gr, method) = (Grassmann::new(5, 2), counting());
    let start: Vec<Batch> = gr.random_point(3, &mut rng(2));
    let a: Batch = gaussian(Shape::mat(5, 5), &mut rng(3));
    let mut run = Rollout::new(&method, &gr, &Trace, &start, &[0; 3], 0);
    let (mut x, mut s) = (start.clone(), method.begin(&[start[0].shape()]));
    for _ in 0..6 {
        run.step_on(&a).unwrap();
        let tape = Tape::plain();
        let (at, state): (Vec<_>, Vec<_>) =
            (x.iter().map(|b| tape.constant(b)).collect(), s.iter().map(|b| tape.constant(b)).collect());
        let e = at[0].grad(|x| Trace.cost(&[x], &a).sum());
        let r = Manifold::egrad_to_rgrad(&gr, &at, Egrad(&[e]));
        let (next, kept) = method.0.step_with(&gr, &at, Egrad(&[e]), Rgrad(&r), &state);
        (x, s) = (next.iter().map(Var::value).collect(), kept.iter().map(Var::value).collect());
        assert!(run.point() == x && run.state() == s, "to the bit");
    }
    assert_eq!(method.1.load(Ordering::Relaxed), 1);
}

#[test]
fn a_step_that_fails_leaves_point_and_state_and_the_next_one_goes_on() {
    let (gr, method) = (Grassmann::new(5, 2), counting());
    let start: Vec<Batch> = gr.random_point(2, &mut rng(2));
    let (good, bad): (Batch, Batch) =
        (gaussian(Shape::mat(5, 5), &mut rng(3)), Batch::from_fn(Shape::mat(5, 5), |_, _, _| f64::INFINITY));
    let mut run = Rollout::new(&method, &gr, &Trace, &start, &[0; 2], 0);
    let mut undisturbed = Rollout::new(&method.0, &gr, &Trace, &start, &[0; 2], 0);
    for _ in 0..3 {
        run.step_on(&good).unwrap();
        undisturbed.step_on(&good).unwrap();
        assert!(run.step_on(&bad).is_err());
        assert_eq!(run.point(), undisturbed.point());
        assert_eq!(run.state(), undisturbed.state());
    }
    assert_eq!((run.steps(), method.1.load(Ordering::Relaxed)), (3, 3));
}
