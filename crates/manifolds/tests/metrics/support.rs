//! What the tests of several spaces share: the checker with seeds, batches and precisions; all operations as programs;
//! the generator of the known answers.

use pullback::Axis;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback_check::{check, check_space};
use pullback_manifolds::{Manifold, numbers, rng};

pub(crate) type List = Vec<Batch>;

/// Everything that the space claims: ten seeds, a batch, and single precision.
pub(crate) fn claims(m: &(impl Manifold<f64> + Manifold<f32>)) {
    claims_with(m, 1.0);
}

/// The same, where the space itself loses digits.
pub(crate) fn claims_with(m: &(impl Manifold<f64> + Manifold<f32>), condition: f64) {
    for seed in 0..10 {
        check_space::<f64>(m).seed(seed).condition(condition).run().assert_ok();
    }
    check_space::<f64>(m).batch(3).condition(condition).run().assert_ok();
    check_space::<f32>(m).length(0.5).condition(2.0 * condition).run().assert_ok();
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
