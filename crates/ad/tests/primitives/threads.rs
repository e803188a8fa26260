//! Members of a batch on several threads: the same bits as on one, for every primitive, in every mode, and the same
//! verdict where a member fails.

use super::{Found, List, generic, program, stack};
use crate::points::Rng;
use crate::table::{Line, table};
use faer::{Mat, mat};
use pullback::{
    Batch, Error, Failure, Gauge, Many, Shape, Tape, Threads, ThreadsError, Var, func, grad, jvp, pin, value,
};

/// Threads that share work of any size.
fn eager(count: usize) -> Threads {
    Threads::new(count).unwrap().always()
}

/// Three members at a size of the line; where `mixed`, some inputs serve all of them.
fn members(line: &Line, size: (usize, usize), mixed: bool) -> List {
    let members: Vec<List> = (0..3).map(|k| generic(line, size, 100 + k)).collect();
    let of = |i: usize| match mixed && i % 2 == 1 {
        true => members[0][i].clone(),
        false => stack(&members.iter().map(|m| m[i].clone()).collect::<Vec<_>>()),
    };
    (0..members[0].len()).map(of).collect()
}

/// Numbers to weigh or to move by, in the shape of `x`.
fn like(x: &List, phase: f64) -> List {
    let entry = |b: usize, i: usize, j: usize| (phase + 0.7 * b as f64 + 1.3 * i as f64 + 2.1 * j as f64).sin();
    x.iter().map(|x| Batch::from_fn(x.shape(), entry)).collect()
}

/// The bits of values, cotangents, tangents and second derivatives, with and without shortcuts, or the first error.
fn everything(line: &Line, x: &List) -> Result<Vec<u64>, Error> {
    let mut bits = vec![];
    let mut note = |all: &[Batch]| bits.extend(all.iter().flat_map(|b| b.data()).map(|x| x.to_bits()));
    for shortcuts in [true, false] {
        let tape = Tape::new();
        tape.use_shortcuts(shortcuts);
        let inputs: Vec<Var> = x.iter().map(|x| tape.input(x)).collect();
        let y = (line.f)(&inputs);
        let values: List = y.iter().map(Var::value).collect();
        note(&values);
        let zero = tape.filled(Shape::SCALAR, 0.0);
        let cost = y.iter().zip(&like(&values, 0.3)).fold(zero, |c, (y, w)| c + y.dot(w).sum());
        for x in &inputs {
            note(&[tape.gradient(cost, *x)?]);
        }
    }
    let (v, v2) = (like(x, 0.9), like(x, 1.7));
    let pairs = pullback::jvp_many(program(|x: Vec<Var>| Many((line.f)(&x))), x, &v)?;
    pairs.iter().for_each(|(y, dy)| note(&[y.clone(), dy.clone()]));
    let squares = pin(x, |x: Vec<Var>| {
        let zero = x[0].tape().filled(Shape::SCALAR, 0.0);
        (line.f)(&x).into_iter().fold(zero, |c, y| c + y.hadamard(y).sum())
    });
    note(&pullback::hvp(squares, x, &v2)?);
    Ok(bits)
}

#[test]
fn every_primitive_has_the_same_bits_on_any_number_of_threads() {
    let mut found = Found::default();
    for line in table() {
        for &size in line.sizes.iter().take(2) {
            let mixes = !line.name.contains("concat") && !line.name.contains("hvp");
            for mixed in [false, true].into_iter().take(if mixes { 2 } else { 1 }) {
                let x = members(&line, size, mixed);
                let alone = everything(&line, &x).map_err(|e| e.to_string());
                for count in [2, 5] {
                    let shared = eager(count).run(|| everything(&line, &x)).map_err(|e| e.to_string());
                    found.unless(alone == shared, || format!("{} at {size:?} on {count} threads", line.name));
                }
            }
        }
    }
    found.nothing();
}

/// Five matrices, of which those named are singular.
fn some_singular(which: &[usize]) -> Batch {
    let member = |k: usize| {
        let singular = which.contains(&k);
        Mat::from_fn(3, 3, |i, j| if singular { 1.0 } else { ((i * 3 + j + k) as f64).cos() + 3.0 * f64::from(i == j) })
    };
    Batch::stack(&(0..5).map(member).collect::<Vec<_>>())
}

#[test]
fn the_first_member_that_fails_is_named_whoever_finds_it() {
    for which in [&[0][..], &[4], &[2, 3], &[1, 4], &[3, 4, 0]] {
        let x = some_singular(which);
        for count in [1, 2, 3, 5, 9] {
            let error = eager(count).run(|| value(func(|x| x.inverse()), &x)).unwrap_err();
            let Error::Data { member, failure: Failure::Singular { .. }, .. } = error else {
                panic!("expected a singular matrix, got {error}")
            };
            assert_eq!(member, which.iter().min().copied(), "{which:?} on {count} threads");
        }
    }
    assert!(eager(3).run(|| value(func(|x| x.inverse()), &some_singular(&[]))).is_ok());
}

/// What a part notes of its members, beside a verdict: why a tangent is missing, and the part of a cotangent that was
/// dropped.
#[test]
fn what_members_note_is_heard_whoever_finds_it() {
    let fine = mat![[1.0, 0.5], [0.2, 3.0]];
    let defective = mat![[1.0, 1.0], [0.0, 1.0]];
    let tied = Mat::<f64>::identity(2, 2);
    for which in 0..4 {
        let of = |odd: &Mat<f64>| {
            Batch::stack(&std::array::from_fn::<_, 4, _>(|k| if k == which { odd } else { &fine }.clone()))
        };
        let (x, v) = (of(&defective), Batch::from_fn(Shape::batch(4, 2, 2), |b, i, j| (b + 2 * i + 3 * j) as f64));
        let missing = |count| eager(count).run(|| jvp(func(|x: Var| x.eigvals().0), &x, &v)).unwrap_err();
        assert!(
            matches!(missing(1), Error::Data { member: Some(m), failure: Failure::Defective { .. }, .. } if m == which)
        );
        let x = of(&tied);
        let dropped = |count| {
            eager(count).run(|| {
                let tape = Tape::new();
                let x = tape.input(&x);
                let vectors = x.symmetric().gauge(Gauge::Warn).eigen().1;
                tape.gradient(vectors.sum(), x).map(|g| (g, tape.gauge_defect())).unwrap()
            })
        };
        assert!(dropped(1).1 > 0.1);
        for count in [2, 3, 5] {
            assert_eq!(missing(count), missing(1), "member {which} on {count} threads");
            assert_eq!(dropped(count), dropped(1), "member {which} on {count} threads");
        }
    }
}

#[test]
fn large_work_is_shared_and_right() {
    // Large enough for sharing without being told to: products cut by columns and by rows, a solve, entries, a
    // decomposition.
    let n = 200;
    let x = Rng::new(3).normal(n, n) + Mat::<f64>::identity(n, n) * 40.0;
    let f = func(|x: Var| {
        let symmetric = x.lincomb(0.5, x.t(), 0.5);
        let (values, vectors) = symmetric.eigh();
        let tall = x * x.slice(0, 0, n, 50);
        tall.dot(tall).sum() + (x * x.t()).solve(x.tanh()).dot((vectors * values.to_diag()).mul_t(vectors)).sum()
    });
    let alone = grad(f, &x).unwrap();
    for count in [2, 3] {
        let shared = Threads::new(count).unwrap().run(|| grad(f, &x)).unwrap();
        let d = (&shared - &alone).norm_max() / alone.norm_max();
        assert!(d <= 1e-11, "{count} threads: {d:e}");
    }
}

#[test]
fn programs_with_tapes_of_their_own_share_threads() {
    let starts: Vec<Mat<f64>> = (0..20).map(|k| Mat::from_fn(4, 2, |i, j| ((i + 2 * j + k) as f64).sin())).collect();
    let one = |x: Mat<f64>| grad(func(|x| x.qr().1.trace().exp()), &x).unwrap();
    let alone: Vec<_> = starts.iter().cloned().map(one).collect();
    for count in [1, 2, 5] {
        assert_eq!(Threads::new(count).unwrap().map(starts.clone(), one), alone);
    }
    assert!(matches!(Threads::new(0), Err(ThreadsError::Count { got: 0 })));
}
