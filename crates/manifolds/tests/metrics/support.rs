//! What the tests of several spaces share: the checker with seeds, batches and precisions; all operations as programs;
//! the generator of the known answers.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Axis, Shape};
use pullback_check::{check, check_space};
use pullback_manifolds::{Egrad, Manifold, Parts, numbers, rng};

pub(crate) type List = Vec<Batch>;

/// Everything that the space claims: ten seeds, a batch, and single precision.
pub(crate) fn claims(m: &(impl Manifold<f64> + Manifold<f32>)) {
    claims_with(m, 1.0, 1.0);
}

/// The same, where the space itself loses digits, or a retraction has a small domain.
pub(crate) fn claims_with(m: &(impl Manifold<f64> + Manifold<f32>), condition: f64, length: f64) {
    for seed in 0..10 {
        check_space::<f64>(m).seed(seed).length(length).condition(condition).run().assert_ok();
    }
    check_space::<f64>(m).batch(3).length(length).condition(condition).run().assert_ok();
    check_space::<f32>(m).length(0.5 * length).condition(2.0 * condition).run().assert_ok();
}

/// A point and two tangents there.
pub(crate) fn place(m: &dyn Manifold, batch: usize, seed: u64) -> (List, List, List) {
    let r = &mut rng(seed);
    let x = m.random_point(batch, r);
    let u = m.random_tangent(&x, r).unwrap();
    let v = m.random_tangent(&x, r).unwrap();
    (x, u, v)
}

pub(crate) fn scaled(l: &List, c: f64) -> List {
    l.iter().map(|b| Batch::from_slice(b.shape(), &b.data().iter().map(|v| v * c).collect::<Vec<_>>())).collect()
}

/// The Frobenius norm of a difference, of all matrices and members.
pub(crate) fn apart(a: &[Batch], b: &[Batch]) -> f64 {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| {
        assert_eq!(a.shape(), b.shape());
        a.data().iter().zip(b.data())
    });
    pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

pub(crate) fn retracted(m: &dyn Manifold, x: &List, v: &List) -> List {
    numbers::apply(&[x, v], &mut |l| m.retract(&l[0], &l[1])).unwrap()
}

/// First, second and third derivatives of every operation in every argument, at a random place, at the zero tangent and
/// at equal points.
pub(crate) fn programs(m: &dyn Manifold, seed: u64) {
    let (x, u, v) = place(m, 2, seed);
    let v = scaled(&v, 0.4);
    let y = retracted(m, &x, &v);
    for v in [v.clone(), scaled(&v, 0.0)] {
        along(m, &x, &v);
    }
    for y in [y, x.clone()] {
        between(m, &x, &y, &u);
    }
    mixed(m, seed);
}

/// The shape of three members like this one.
fn three(b: &Batch) -> Shape {
    Shape::batch(3, b.shape().rows, b.shape().cols)
}

/// A batch of points and a single one, on either side: as each of them alone.
fn mixed(m: &dyn Manifold, seed: u64) {
    let (x, u, v) = place(m, 1, seed);
    let many: List = x.iter().map(|b| Batch::from_fn(three(b), |_, i, j| b.member(0)[(i, j)])).collect();
    let step = |l: &List| -> List {
        l.iter().map(|b| Batch::from_fn(three(b), |k, i, j| b.member(0)[(i, j)] * 0.1 * k as f64)).collect()
    };
    let y = retracted(m, &many, &step(&v));
    // What does not depend on the point may be one for all.
    let member = |l: &List, k: usize| -> List {
        l.iter().map(|b| b.member(if b.shape().batch == 1 { 0 } else { k }).to_owned().into()).collect()
    };
    type Op<'f> = &'f dyn for<'t> Fn(&[Vec<Var<'t>>]) -> Option<Parts<'t>>;
    let same = |what: &str, op: Op<'_>, args: &[&List]| {
        let run = |args: &[&[Batch]]| numbers::try_apply(args, &mut |l| op(l)).unwrap();
        let Some(all) = run(&args.iter().map(|l| l.as_slice()).collect::<Vec<_>>()) else { return };
        for k in 0..3 {
            let alone: Vec<List> = args.iter().map(|l| member(l, k)).collect();
            let alone = run(&alone.iter().map(|l| l.as_slice()).collect::<Vec<_>>()).unwrap();
            let d = apart(&member(&all, k), &alone);
            assert!(d < 1e-12, "{}: {what} of member {k} is off by {d}", m.name());
        }
    };
    same("retraction", &|l| Some(m.retract(&l[0], &l[1])), &[&x, &step(&u)]);
    same("transport to many", &|l| Some(m.transport(&l[0], &l[1], &l[2])), &[&x, &y, &u]);
    same("transport to one", &|l| Some(m.transport(&l[1], &l[0], &l[2])), &[&x, &y, &u]);
    same("exponential", &|l| m.exp(&l[0], &l[1]), &[&x, &step(&u)]);
    same("logarithm to many", &|l| m.log(&l[0], &l[1]), &[&x, &y]);
    same("logarithm to one", &|l| m.log(&l[1], &l[0]), &[&x, &y]);
    same("distance", &|l| m.dist2(&l[0], &l[1]).map(|d| [d].into_iter().collect()), &[&x, &y]);
    same("inverse retraction", &|l| m.inverse_retract(&l[0], &l[1]), &[&x, &y]);
    same("curvature", &|l| m.curvature(&l[0], &l[1], &l[2], &l[1]), &[&x, &step(&u), &v]);
    same("gradient", &|l| Some(m.egrad_to_rgrad(&l[0], Egrad(&l[1])).0), &[&x, &step(&u)]);
    same("Hessian", &|l| Some(m.ehess_to_rhess(&l[0], Egrad(&l[1]), &l[2], &l[3])), &[&x, &u, &step(&v), &step(&u)]);
}

/// All entries below each other.
fn flat<'t>(l: &[Var<'t>]) -> Var<'t> {
    Var::concat(&l.iter().map(|x| x.vec()).collect::<Vec<_>>(), Axis::Rows)
}

/// Retraction and exponential.
pub(crate) fn along(m: &dyn Manifold, x: &List, v: &List) {
    let (k, both) = (x.len(), [x.clone(), v.clone()].concat());
    check(|l: Vec<Var>| flat(&m.retract(&l[..k], &l[k..])), &both).seed(1).run().assert_ok();
    let tape = Tape::plain();
    let list: Vec<Var> = both.iter().map(|b| tape.constant(b)).collect();
    if m.exp(&list[..k], &list[k..]).is_some() {
        check(|l: Vec<Var>| flat(&m.exp(&l[..k], &l[k..]).unwrap()), &both).seed(1).run().assert_ok();
    }
}

/// Logarithm, squared distance, inverse retraction, both transports.
pub(crate) fn between(m: &dyn Manifold, x: &List, y: &List, u: &List) {
    let (k, both) = (x.len(), [x.clone(), y.clone()].concat());
    let three = [both.clone(), u.clone()].concat();
    let tape = Tape::plain();
    let list: Vec<Var> = three.iter().map(|b| tape.constant(b)).collect();
    let (a, b, c) = (&list[..k], &list[k..2 * k], &list[2 * k..]);
    if m.log(a, b).is_some() {
        check(|l: Vec<Var>| flat(&m.log(&l[..k], &l[k..]).unwrap()), &both).seed(1).run().assert_ok();
    }
    if m.dist2(a, b).is_some() {
        check(|l: Vec<Var>| m.dist2(&l[..k], &l[k..]).unwrap(), &both).seed(1).run().assert_ok();
    }
    if m.inverse_retract(a, b).is_some() {
        check(|l: Vec<Var>| flat(&m.inverse_retract(&l[..k], &l[k..]).unwrap()), &both).seed(1).run().assert_ok();
    }
    check(|l: Vec<Var>| flat(&m.transport(&l[..k], &l[k..2 * k], &l[2 * k..])), &three).seed(1).run().assert_ok();
    if m.parallel_transport(a, b, c).is_some() {
        check(|l: Vec<Var>| flat(&m.parallel_transport(&l[..k], &l[k..2 * k], &l[2 * k..]).unwrap()), &three)
            .seed(1)
            .run()
            .assert_ok();
    }
}

/// The distance from a point to where the exponential takes it is the length of the tangent, to `digits`, at every
/// separation from 1e-9 to 1.
pub(crate) fn distances(m: &dyn Manifold, seed: u64, digits: f64) {
    let (x, _, v) = place(m, 1, seed);
    let norm = |v: &List| numbers::apply(&[&x, v], &mut |l| [m.norm(&l[0], &l[1])].into_iter().collect()).unwrap();
    let unit = scaled(&v, 1.0 / norm(&v)[0].data()[0]);
    let mut t = 1e-9;
    while t <= 1.0 {
        let v = scaled(&unit, t);
        let y = numbers::apply(&[&x, &v], &mut |l| m.exp(&l[0], &l[1]).unwrap()).unwrap();
        // What rounding of `y` itself does to the distance is no fault of it: so the difference is read back.
        let w = numbers::apply(&[&x, &y], &mut |l| m.log(&l[0], &l[1]).unwrap()).unwrap();
        let d = numbers::apply(&[&x, &y], &mut |l| [m.dist(&l[0], &l[1]).unwrap()].into_iter().collect()).unwrap();
        let (d, length) = (d[0].data()[0], norm(&w)[0].data()[0]);
        assert!((d - length).abs() <= 1e-12 * d, "{}: {d} and {length} at {t}", m.name());
        assert!((d - t).abs() <= digits * t + 1e-13, "{}: {d} at {t}", m.name());
        t *= 10.0;
    }
}

/// A deterministic matrix with entries in (-1, 1), row by row: the one of the known answers.
pub(crate) fn mat(seed: u64, r: usize, c: usize) -> Mat<f64> {
    let mut seed = seed;
    let mut next = || {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        2.0 * (z >> 11) as f64 * 2f64.powi(-53) - 1.0
    };
    let mut m = Mat::zeros(r, c);
    for i in 0..r {
        for j in 0..c {
            m[(i, j)] = next();
        }
    }
    m
}

#[test]
fn the_generator_is_the_one_of_the_known_answers() {
    let m = mat(1, 1, 3);
    for (j, v) in [0.13312315, 0.49156351, 0.94200551].into_iter().enumerate() {
        assert!((m[(0, j)] - v).abs() < 5e-9);
    }
}
