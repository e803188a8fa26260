//! Members of a batch of loops that fail: a step without a value, a state that leaves the finite numbers, a derivative
//! that is not finite. They are masked and named, and the others have to the bit the numbers that they have alone.

use pullback::Shape;
use pullback::prelude::*;
use pullback_implicit::{
    Derivative, Error, Estimate, Estimator, Implicit, Iteration, Sensitivity, Verdict, Why, inner_loop,
};

const N: usize = 3;
const STEPS: usize = 40;

/// A matrix diagonal, a factor of the square, a number under a root; and what members share.
type Params = ((Batch, Batch, Batch), f64);
type Found = Derivative<Batch, Params>;

fn cut(v: &Batch, m: usize) -> Batch {
    let s = v.shape();
    Batch::from_slice(Shape::batch(1, s.rows, s.cols), &v.data()[m * s.each()..(m + 1) * s.each()])
}

fn alone(p: &Params, m: usize) -> Params {
    ((cut(&p.0.0, m), cut(&p.0.1, m), cut(&p.0.2, m)), p.1)
}

/// Fine; without a Cholesky factor; grows beyond all numbers; fine; a root of zero, which has no derivative; fine.
fn kinds() -> (Batch, Params) {
    let (vector, number) = (Shape::batch(6, N, 1), Shape::batch(6, 1, 1));
    let d = Batch::from_fn(vector, |m, i, _| if (m, i) == (1, 2) { -1.0 } else { 0.2 + 0.1 * (m + i) as f64 });
    let c = Batch::from_fn(number, |m, _, _| if m == 2 { 9.0 } else { 0.02 * (m + 1) as f64 });
    let r = Batch::from_fn(number, |m, _, _| if m == 4 { 0.0 } else { 0.3 });
    (Batch::from_fn(vector, |m, i, _| 0.1 * m as f64 - 0.2 * i as f64), ((d, c, r), 0.7))
}

fn step<'t>(z: Var<'t>, ((d, c, r), s): ((Var<'t>, Var<'t>, Var<'t>), Var<'t>), _: usize) -> Var<'t> {
    z * 0.4 + z.hadamard(z) * c + d.to_diag().cholesky().diag() * s + r.sqrt() * 0.1
}

fn loss<'t>(z: Var<'t>, ((d, _, _), _): ((Var<'t>, Var<'t>, Var<'t>), Var<'t>)) -> Var<'t> {
    (z.dot(z) + z.dot(d)).sum()
}

/// Every estimator that is asked member by member.
fn estimators<I: Iteration<State = Batch, Params = Params>>() -> Vec<Box<dyn Estimate<I>>> {
    let own = [
        Estimator::FixedPoint { terms: 8 },
        Estimator::FixedPoint { terms: 60 },
        Estimator::OneStep,
        Estimator::Truncated { steps: 3 },
        Estimator::Unroll,
        Estimator::Checkpointed { snapshots: None },
        Estimator::Checkpointed { snapshots: Some(2) },
        Estimator::Forward,
    ];
    let own = own.into_iter().map(|e| Box::new(e) as Box<dyn Estimate<I>>);
    own.chain([Box::new(Implicit::new::<f64>()) as Box<dyn Estimate<I>>]).collect()
}

/// By every estimator, with its name.
fn all(z0: &Batch, phi: &Params) -> Vec<(String, pullback_implicit::Result<Found>)> {
    let it = inner_loop(z0, phi, step, loss);
    let mut on = Sensitivity::new();
    estimators().iter().map(|e| (e.name(), e.estimate(&mut on, &it, z0, phi, STEPS))).collect()
}

#[test]
fn members_that_fail_are_masked_and_named_and_the_others_are_as_alone() {
    let (z0, phi) = kinds();
    let found = all(&z0, &phi);
    let single: Vec<_> = [0, 3, 5].map(|m| (m, all(&cut(&z0, m), &alone(&phi, m)))).into_iter().collect();
    for (k, (name, d)) in found.into_iter().enumerate() {
        let d = d.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(d.failures.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2, 4], "{name}: {:?}", d.failures);
        assert!(matches!(d.failures[0].1, Error::Engine(_)), "{name}: {:?}", d.failures);
        assert!(matches!(d.failures[1].1, Error::Diverged { member: 2, .. }), "{name}: {:?}", d.failures);
        assert!(matches!(d.certificate.verdict, Verdict::Invalid(Why::Failed { .. })), "{name}");
        let ((by_d, by_c, by_r), shared) = &d.gradient;
        for m in [1, 2, 4] {
            assert!([by_d, by_c, by_r].iter().all(|g| cut(g, m).data().iter().all(|x| *x == 0.0)), "{name}, {m}");
            assert_eq!(cut(&d.state, m).data(), cut(&z0, m).data(), "{name}, {m}");
            if let Some(of) = d.certificate.members.get(m) {
                assert_eq!(of.verdict, Verdict::Invalid(Why::Failed { member: m }), "{name}");
            }
        }
        let mut sum = 0.0;
        for (m, one) in &single {
            let one = one[k].1.as_ref().unwrap();
            let ((d1, c1, r1), s1) = &one.gradient;
            for (whole, own) in [(by_d, d1), (by_c, c1), (by_r, r1), (&d.state, &one.state)] {
                assert_eq!(cut(whole, *m).data(), own.data(), "{name}, member {m}");
            }
            sum += s1;
        }
        assert!((shared - sum).abs() <= 1e-14 * sum.abs(), "{name}: {shared} {sum}");
    }
}

#[test]
fn a_verdict_for_each_member_where_parameters_have_members() {
    let ((d, c, r), s) = kinds().1;
    let (z0, phi) = (kinds().0, (d, c, r));
    let it = inner_loop(
        &z0,
        &phi,
        |z: Var, (d, c, r): (Var, Var, Var), _| {
            z * 0.4 + z.hadamard(z) * c + d.to_diag().cholesky().diag() * s + r.sqrt() * 0.1
        },
        |z: Var, _| z.dot(z).sum(),
    );
    let found = it.derivative(400, Estimator::FixedPoint { terms: 300 }).unwrap();
    let verdicts: Vec<Verdict> = found.certificate.members.iter().map(|m| m.verdict).collect();
    for m in [1, 2, 4] {
        assert_eq!(verdicts[m], Verdict::Invalid(Why::Failed { member: m }));
    }
    for m in [0, 3, 5] {
        assert_eq!(verdicts[m], Verdict::Verified, "{m}: {}", found.certificate);
    }
}

fn grown<'t>(z: Var<'t>, ((c, g, r), p): ((Var<'t>, Var<'t>, Var<'t>), Var<'t>), _: usize) -> Var<'t> {
    z.tanh().hadamard(c) + z.hadamard(z).hadamard(g) + z.sqrt().hadamard(r) + p
}

#[test]
fn a_member_that_comes_no_nearer_to_its_fixed_point_holds_nobody_back() {
    // Two that have a long way to go, one that grows, and one whose Newton step leads to the root of a negative number.
    let shape = Shape::batch(4, 1, 1);
    let of = |x: [f64; 4]| Batch::from_slice(shape, &x);
    let (z0, c, g) = (of([0.5, 0.5, 0.0324, 0.4]), of([0.9, 0.6, 0.0, 0.9]), of([0.0, 40.0, 0.0, 0.0]));
    let phi = ((c, g, of([0.0, 0.0, 0.5, 0.0])), of([0.1, 0.2, -0.04, 0.4]));
    let run = |z0: &Batch, phi: &((Batch, Batch, Batch), Batch)| {
        let it = inner_loop(z0, phi, grown, |z: Var, _| z.dot(z).sum());
        Implicit::new::<f64>().estimate(&mut Sensitivity::new(), &it, z0, phi, 1).unwrap().gradient.1
    };
    let all = run(&z0, &phi);
    for m in [0, 3] {
        let ((c, g, r), p) = &phi;
        let own = run(&cut(&z0, m), &((cut(c, m), cut(g, m), cut(r, m)), cut(p, m)));
        let (own, found) = (own.data()[0], all.data()[m]);
        assert!((own - found).abs() <= 1e-12 * own.abs(), "member {m}: {found} in the batch, {own} alone");
    }
}

#[test]
fn what_cannot_be_masked_is_an_error_that_names_the_member() {
    let ((d, c, r), s) = kinds().1;
    // All members fail.
    let (z0, bad) = (kinds().0, ((Batch::from_fn(d.shape(), |_, _, _| -1.0), c.clone(), r.clone()), s));
    for (name, found) in all(&z0, &bad) {
        let e = found.unwrap_err();
        assert!(e.to_string().contains("member 0"), "{name}: {e}");
    }
    // A member fails by data of the step, which it has wherever its numbers stand.
    let data = Batch::from_fn(Shape::batch(6, N, N), |m, i, j| if i == j { 1.0 - 0.4 * m as f64 } else { 0.0 });
    let it = inner_loop(
        &z0,
        &d,
        |z: Var, d: Var, _| z * 0.3 + z.tape().constant(&data).cholesky() * d,
        |z: Var, _| z.dot(z).sum(),
    );
    for how in [Estimator::Unroll, Estimator::OneStep, Estimator::Forward] {
        let e = it.derivative(9, how).unwrap_err();
        assert!(e.to_string().contains("member 3"), "{how:?}: {e}");
    }
    // One loop alone.
    let it = inner_loop(&2.0, &2.0, |z: Var, phi: Var, _| z * z * phi, |z: Var, _| z);
    let e = it.derivative(60, Estimator::Unroll).unwrap_err();
    assert!(matches!(e, Error::Diverged { member: 0, .. }), "{e}");
}
