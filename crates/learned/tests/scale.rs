//! The search for the first scale of steps: what it chooses, whom it counts, what it refuses, and that it repeats.

use pullback::Shape;
use pullback::prelude::*;
use pullback_learned::*;
use pullback_manifolds::{Euclidean, Spd, SpdRetraction, rng};
use pullback_optim::Rsgd;
use rand::{Rng, RngExt};

/// `-log(1 - a x²)` with `a` of 0.01 or 0.1: not a number beyond `|x| = 1 / sqrt(a)`.
struct Walls;

impl Task for Walls {
    type Data = Batch;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..2)
    }
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let a: Vec<f64> = members.iter().map(|m| [0.01, 0.1][m.instance as usize]).collect();
        Batch::from_slice(Shape::batch(a.len(), 1, 1), &a)
    }
    fn cost<'t>(&self, x: &[Var<'t>], a: &Batch) -> Var<'t> {
        let a = x[0].tape().constant(a);
        -(1.0 - a.hadamard(x[0]).hadamard(x[0])).ln()
    }
}

/// A floor at 0 that one step of 100 or more reaches from every start.
struct Floor;

impl Task for Floor {
    type Data = ();
    fn sample(&self, _: Split, _: &[Member]) {}
    fn cost<'t>(&self, x: &[Var<'t>], (): &()) -> Var<'t> {
        (x[0] + 10.0).relu()
    }
}

fn search(scales: &[f64], steps: usize) -> ScaleSearch {
    ScaleSearch { scales: scales.to_vec(), members: 12, steps, seed: 3 }
}

fn descent(step: f64) -> Rsgd {
    Rsgd { step }
}

/// The second derivative at 0 is 0.02 and 0.2: steps of 5 are good for both, and steps of 1000 throw members out.
#[test]
fn the_scale_that_brings_most_where_all_survive() {
    let line = Euclidean::new(1, 1);
    let found = search(&[1000.0, 0.05, 5.0, 0.5], 20).run(&line, &Walls, descent).unwrap();
    assert_eq!(found.scale, 5.0);
    let [wild, shorter, good, short] = &found.tried[..] else { panic!("{found:?}") };
    assert!(wild.survived < 12 && wild.after.is_none() && wild.first_failure.is_some(), "{wild:?}");
    assert_eq!((good.survived, short.survived, shorter.survived), (12, 12, 12));
    let after = |t: &ScaleTried| t.after.unwrap();
    assert!(after(good) < after(short) && after(short) < after(shorter) && after(shorter) < found.before);
    // Three whole runs, and of the first what was done before members failed.
    assert!(found.gradients > 3 * 12 * 20 && found.gradients < 4 * 12 * 20, "{}", found.gradients);
}

#[test]
fn of_equals_the_largest() {
    let line = Euclidean::new(1, 1);
    let found = search(&[100.0, 200.0, 400.0, 300.0], 1).run(&line, &Floor, descent).unwrap();
    assert_eq!(found.scale, 400.0);
    assert!(found.tried.iter().all(|t| t.after == Some(0.0)), "{found:?}");
}

/// None survives, or nothing falls: an error that says what became of every candidate.
#[test]
fn where_no_scale_will_do_that_is_an_error() {
    let line = Euclidean::new(1, 1);
    let wild = search(&[1e6, 1e5], 20).run(&line, &Walls, descent).unwrap_err();
    let words = wild.to_string();
    assert!(matches!(wild, Error::NoScale { members: 12, .. }), "{words}");
    assert!(words.contains("try smaller scales") && words.contains("at 1e6 only") && words.contains("at 1e5 only"));
    // No step is taken, so that no cost falls.
    let still = search(&[1.0], 0).run(&line, &Floor, descent).unwrap_err();
    assert!(still.to_string().contains("at 1e0 their mean cost is"), "{still}");
    let empty = search(&[], 5).run(&line, &Floor, descent).unwrap_err();
    assert!(matches!(empty, Error::NoScale { .. }), "{empty}");
}

/// Squared distances to matrices whose eigenvalues span four decades, in the affine-invariant metric.
struct Centres;

impl Task for Centres {
    type Data = Batch;
    fn instance(&self, rng: &mut dyn Rng) -> u64 {
        rng.random_range(0..4)
    }
    fn sample(&self, split: Split, members: &[Member]) -> Batch {
        let noise = |m: &Member| if split == Split::Train { m.key.rng().random_range(-0.1..0.1) } else { 0.0 };
        let whitener = |m: &Member, i: usize| {
            let n: f64 = noise(m);
            (n - 1.5 * i as f64 + m.instance as f64).exp()
        };
        let of = |b: usize, i, j| if i == j { whitener(&members[b], i) } else { 0.0 };
        Batch::from_fn(Shape::batch(members.len(), 3, 3), of)
    }
    fn cost<'t>(&self, x: &[Var<'t>], w: &Batch) -> Var<'t> {
        let w = x[0].tape().constant(w);
        let l = (w * x[0] * w).logm_spd();
        l.dot(l)
    }
}

/// A network of zeros is the classical method, so that both choose the same, with the same costs to rounding; and the
/// search repeats bit for bit.
#[test]
fn a_zeroed_network_chooses_as_gradient_descent_and_twice_the_same() {
    let spd = Spd::new(3).with_retraction(SpdRetraction::Exponential);
    let search = ScaleSearch { members: 6, steps: 8, ..ScaleSearch::line(100.0, 10.0, 5) };
    assert_eq!(search.scales, [100.0, 10.0, 1.0, 0.1, 0.01]);
    let rule = GmLstm::new(GmLstmOptions { hidden: 4, ..GmLstmOptions::new(3, 3) });
    for sees in [Sees::Riemannian, Sees::Euclidean] {
        let make = |c| Each::new(rule.clone(), Update { sees, ..Update::new(c) });
        let fresh = make(1.0).init(&mut rng(5));
        let learned = |c| Trained::new(make(c), fresh.clone());
        let found = search.run(&spd, &Centres, learned).unwrap();
        let classical = search.run(&spd, &Centres, descent).unwrap();
        assert_eq!((found.scale, found.before), (classical.scale, classical.before));
        assert_eq!(found.scale, 0.1, "{found:?}");
        for (a, b) in found.tried.iter().zip(&classical.tried) {
            assert_eq!(a.survived, b.survived);
            let (Some(a), Some(b)) = (a.after, b.after) else { continue };
            assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-9), "{a} {b}");
        }
        assert_eq!(search.run(&spd, &Centres, learned).unwrap(), found);
    }
}
