//! All values and vectors of a decomposition at once (`src/ops/spectra/whole.rs`): with and without that shortcut the
//! same derivatives, and where values are tied, or numbers are out of the ordinary, the same bits and words.

use super::points::{Kind, Rng, batch, diagonal, single, stack};
use faer::Mat;
use pullback::{Batch, Error, Failure, Gauge, Scalar, SymFn, Tape, Var, func};
use pullback_check::check;

type Program = for<'t> fn(Var<'t>) -> Var<'t>;
const EIGEN: &[(usize, usize)] = &[(1, 1), (2, 2), (4, 4), (18, 18)];
const SINGULAR: &[(usize, usize)] = &[(1, 1), (3, 1), (1, 3), (2, 2), (4, 4), (5, 3), (3, 5), (18, 18), (24, 17)];

fn weighted<'t>(y: Var<'t>, seed: u64) -> Var<'t> {
    y.dot(Rng::new(seed).normal(y.rows(), y.cols()))
}

/// Of eigenvectors: all outputs with constant and with moving weights, outputs alone, what has cotangents from
/// elsewhere, before and after, what is no input, and a decomposition of a decomposition.
const OF_EIGENVECTORS: [(&str, Program); 8] = [
    ("eigh", |x| {
        let (l, v) = x.eigh();
        weighted(l, 1) + weighted(v, 2)
    }),
    ("eigh, weights that move", |x| {
        let (l, v) = x.eigh();
        weighted(l.tanh(), 1) + weighted(v.square(), 2) + (v * l.to_diag()).sin().sum_each()
    }),
    ("vectors alone", |x| weighted(x.eigh().1, 3)),
    ("values alone", |x| weighted(x.eigh().0.sin(), 3)),
    ("eigh and its input", |x| x.dot(x) + weighted(x.eigh().1.square(), 4) + x.sin().sum_each()),
    ("eigh inside", |x| {
        let z = x + x.hadamard(x) * 0.01;
        let (l, v) = z.eigh();
        weighted(v * l.to_diag(), 5) + z.dot(z)
    }),
    ("eigh twice", |x| weighted(x.eigh().1.hadamard((x * 2.0).eigh().1), 6)),
    ("projected where tied", |x| {
        let (l, v) = x.symmetric().gauge(Gauge::Project).eigen();
        weighted(v.square(), 7) + l.tanh().sum_each()
    }),
];

/// The same of singular vectors.
const OF_SINGULAR_VECTORS: [(&str, Program); 8] = [
    ("svd", |x| {
        let (u, s, v) = x.svd();
        weighted(u, 1) + weighted(s, 2) + weighted(v, 3)
    }),
    ("svd, weights that move", |x| {
        let (u, s, v) = x.svd();
        weighted(u.square(), 1) + weighted(s.tanh(), 2) + (v * s.to_diag()).sin().sum_each()
    }),
    ("left vectors alone", |x| weighted(x.svd().0, 4)),
    ("right vectors alone", |x| weighted(x.svd().2, 5)),
    ("values alone", |x| weighted(x.svd().1.sin(), 6)),
    ("svd and its input", |x| x.dot(x) + weighted(x.svd().0.square(), 7) + x.sin().sum_each()),
    ("svd inside", |x| {
        let (u, s, v) = (x + x.hadamard(x) * 0.01).svd();
        weighted((u * s.tanh().to_diag()).mul_t(v), 8)
    }),
    ("svd twice", |x| weighted(x.svd().2.hadamard((x * 2.0).svd().2), 9)),
];

/// The gradient, the Hessian-vector product and the tangent of a program on a held tape.
fn derivatives<T: Scalar>(
    f: impl for<'t> Fn(Var<'t, T>) -> Var<'t, T>,
    [x, v]: [&Batch<T>; 2],
    shortcuts: bool,
) -> [Result<Batch<T>, Error>; 3] {
    let tape = Tape::<T>::new();
    tape.use_shortcuts(shortcuts);
    let a = tape.input(x);
    let y = f(a).sum_batch();
    let mut dy = Batch::zeros(y.shape());
    let pushed = tape.jvp_into(&[(a, v)], &[y], &mut [&mut dy]);
    [tape.gradient(y, a), tape.hvp(y, a, v), pushed.map(|()| dy)]
}

const MODES: [&str; 3] = ["gradient", "Hessian-vector product", "tangent"];

fn apart<T: Scalar>(a: &Batch<T>, b: &Batch<T>) -> f64 {
    let size = b.data().iter().fold(1.0, |s: f64, x| s.max(x.f64().abs()));
    a.data().iter().zip(b.data()).fold(0.0, |s: f64, (a, b)| s.max((a.f64() - b.f64()).abs())) / size
}

fn like(x: &Batch) -> Batch {
    Batch::from_fn(x.shape(), |b, i, j| ((3 * b + 5 * i + 7 * j + 1) as f64).sin())
}

#[test]
fn with_and_without_the_shortcut() {
    let eigen = OF_EIGENVECTORS.iter().flat_map(|p| EIGEN.iter().map(move |s| (p, *s, Kind::Simple(s.1))));
    let singular =
        OF_SINGULAR_VECTORS.iter().flat_map(|p| SINGULAR.iter().map(move |s| (p, *s, Kind::Distinct(s.0, s.1))));
    for ((name, f), (m, n), kind) in eigen.chain(singular) {
        let three = stack(&(0..3).map(|k| batch(&kind.generic(20 + k))).collect::<Vec<_>>());
        for x in [batch(&kind.generic(7)), three] {
            let [with, without] = [true, false].map(|on| derivatives(f, [&x, &like(&x)], on));
            for (mode, (a, b)) in MODES.iter().zip(with.iter().zip(&without)) {
                let off = apart(a.as_ref().unwrap(), b.as_ref().unwrap());
                assert!(off <= 1e-12 * n as f64, "{name}, {m}x{n}, {} members: {mode}, {off:e}", x.shape().batch);
            }
        }
    }
}

#[test]
fn the_shortcut_passes_every_check() {
    for (name, f) in OF_EIGENVECTORS {
        let report = check(func(f), &Kind::Simple(5).generic(3)).orders(1..=2).run();
        assert!(report.is_ok(), "{name}\n{report}");
    }
    for (name, f) in OF_SINGULAR_VECTORS {
        for (m, n) in [(4, 4), (5, 3), (3, 4)] {
            let report = check(func(f), &Kind::Distinct(m, n).generic(3)).orders(1..=2).run();
            assert!(report.is_ok(), "{name}, {m}x{n}\n{report}");
        }
    }
}

fn of_single_vectors<'t>(x: Var<'t, f32>, scale: f64) -> Var<'t, f32> {
    let (u, s, v) = x.svd();
    u.square().square().sum() + s.scaled(1.0 / scale).tanh().sum() + v.square().square().sum()
}

fn of_single_eigenvectors<'t>(x: Var<'t, f32>, scale: f64) -> Var<'t, f32> {
    let (l, v) = x.eigh();
    l.scaled(1.0 / scale).tanh().sum() + v.square().square().sum()
}

#[test]
fn in_single_precision() {
    for (m, n) in [(4, 4), (5, 3), (24, 17)] {
        let (x, y) = (batch(&Kind::Distinct(m, n).generic(7)), batch(&Kind::Simple(n).generic(8)));
        // Far from 1, too: values are scaled, and vectors are not. Second derivatives of vectors are as 1 / scale².
        for scale in [1.0, 1e-12, 1e12] {
            let scaled = |x: &Batch| Batch::from_fn(x.shape(), |_, i, j| scale * x.data()[j * x.shape().rows + i]);
            let (x, y) = (single(&scaled(&x)), single(&scaled(&y)));
            let v =
                |x: &Batch<f32>| Batch::from_fn(x.shape(), |_, i, j| scale as f32 * ((5 * i + 7 * j + 1) as f32).sin());
            let svd = |x, on| derivatives(|x| of_single_vectors(x, scale), [x, &v(x)], on);
            let eigh = |x, on| derivatives(|x| of_single_eigenvectors(x, scale), [x, &v(x)], on);
            let pairs = [[true, false].map(|on| svd(&x, on)), [true, false].map(|on| eigh(&y, on))];
            for [with, without] in pairs {
                for (mode, (a, b)) in MODES.iter().zip(with.iter().zip(&without)) {
                    let (a, b) = (a.as_ref().unwrap(), b.as_ref().unwrap());
                    let size = b.data().iter().fold(0.0, |s: f32, x| s.max(x.abs()));
                    let off = a.data().iter().zip(b.data()).fold(0.0, |s: f32, (a, b)| s.max((a - b).abs()));
                    assert!(size > 0.0 && off <= 1e-4 * size, "{m}x{n} at {scale:e}: {mode}, {off:e} of {size:e}");
                }
            }
        }
    }
}

/// What has its first derivative at ties, and what has none.
const AT_TIES: [Program; 4] = [
    |x| {
        let (l, v) = x.eigh();
        weighted((v * l.exp().to_diag()).mul_t(v), 1)
    },
    |x| weighted(x.eigh().1.square(), 2) + x.eigh().0.ln().sum_each(),
    |x| {
        let (u, s, v) = x.svd();
        weighted((u * s.exp().to_diag()).mul_t(v), 3)
    },
    |x| {
        let (u, s, v) = x.svd();
        weighted(u.square(), 4) + s.ln().sum_each() + weighted(v, 5)
    },
];

/// Every answer and every verdict at a tie is that of the rules: in every bit and word.
#[test]
fn at_ties_the_rules_answer() {
    let said = |found: [Result<Batch, Error>; 3]| {
        found.map(|r| r.map(|b| b.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>()).map_err(|e| e.to_string()))
    };
    let spectra: [[f64; 4]; 5] =
        [[1.0; 4], [1.0, 1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0], [0.0, 1.0, 2.0, 3.0]];
    let mut verdicts = 0;
    for (spectrum, f) in spectra.iter().flat_map(|s| AT_TIES.map(|f| (s, f))) {
        // An eigenvalue 0 is not tied; a singular value 0 is a kink.
        let x = [batch(&Rng::new(2).with_spectrum(spectrum)), batch(&diagonal(spectrum))];
        let beside = batch(&Rng::new(5).with_spectrum(&[1.0, 2.0, 3.0, 4.0]));
        for x in x.iter().cloned().chain([stack(&[beside, x[0].clone()])]) {
            let [with, without] = [true, false].map(|on| said(derivatives(f, [&x, &like(&x)], on)));
            verdicts += with.iter().filter(|r| r.is_err()).count();
            if spectrum[0] > 0.0 {
                assert_eq!(with, without, "{spectrum:?}");
            } else {
                let kinds = |r: &[Result<Vec<u64>, String>; 3]| r.clone().map(|r| r.map(|_| ()));
                assert_eq!(kinds(&with), kinds(&without), "{spectrum:?}");
            }
        }
    }
    assert!(verdicts > 20, "expected ties to have verdicts, got {verdicts}");
}

/// Near a tie the shortcut loses no more digits than the rules, for what is smooth there. Where the weights of values
/// move, the rules know more digits than a quotient has (`kernels/src/ties.rs`), and are asked.
#[test]
fn near_ties_no_digit_is_lost_to_the_shortcut() {
    let programs: [[Program; 2]; 2] = [
        [
            |x| {
                let (l, v) = x.eigh();
                weighted((v * l.exp().to_diag()).mul_t(v), 1)
            },
            |x| weighted(x.symmetric().map(SymFn::Exp), 1),
        ],
        [
            |x| {
                let (l, v) = x.eigh();
                l.ln().sum_each() + v.sum_each() * 0.0
            },
            |x| x.trace_fun(SymFn::Ln),
        ],
    ];
    for gap in [1e-2, 1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12] {
        let x = batch(&Rng::new(2).with_spectrum(&[1.0, 2.0, 2.0 + gap, 3.5]));
        let v = like(&x);
        for (which, [through, smooth]) in programs.iter().enumerate() {
            let [exact, with, without] =
                [(smooth, true), (through, true), (through, false)].map(|(f, on)| derivatives(f, [&x, &v], on));
            for (k, mode) in MODES.iter().enumerate() {
                let of = |r: &[Result<Batch, Error>; 3]| apart(r[k].as_ref().unwrap(), exact[k].as_ref().unwrap());
                let (with, without) = (of(&with), of(&without));
                let at = format!("program {which}, {mode} at {gap:e}: {with:e}, and by the rules {without:e}");
                assert!(with <= 8.0 * without + 1e-13, "{at}");
            }
        }
    }
}

/// A cotangent that is not finite is named by the rule, and an overflow is an error on either way.
#[test]
fn numbers_that_are_not_finite_have_the_words_of_the_rules() {
    let x = batch(&Kind::Simple(3).generic(1));
    for bad in [f64::NAN, f64::INFINITY, 1e308] {
        let weights = Mat::from_fn(3, 3, |i, j| if i == j { 1.0 } else { bad });
        let programs: [&dyn for<'t> Fn(Var<'t>) -> Var<'t>; 4] = [
            &|x: Var<'_>| x.eigh().1.dot(&weights),
            &|x: Var<'_>| x.svd().0.dot(&weights),
            &|x: Var<'_>| x.svd().2.square().dot(&weights) + x.dot(x),
            &|x: Var<'_>| x.eigh().0.dot(weights.col(1).as_mat()) + weighted(x.eigh().1.square(), 1),
        ];
        for (k, f) in programs.iter().enumerate() {
            let [with, without] = [true, false].map(|on| derivatives(f, [&x, &like(&x)], on));
            for (mode, (a, b)) in MODES.iter().zip(with.iter().zip(&without)) {
                match (a, b) {
                    (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string(), "{k}, {bad}: {mode}"),
                    (Ok(a), Ok(b)) => assert!(apart(a, b) < 1e-12 && bad == 1e308, "{k}, {bad}: {mode}"),
                    other => panic!("{k}, {bad}: {mode}: {other:?}"),
                }
            }
        }
    }
}

/// Of a batch in which one member is tied, the first derivative of each is its own, and a failure names that member.
#[test]
fn members_of_which_some_are_tied() {
    let exact = [[1.0, 2.0, 3.0], [1.0, 2.0, 2.0], [5.0, 5.0, 5.0]].map(|s| Rng::new(2).with_spectrum(&s));
    // Ties that rounding takes apart: what is divided by such a gap is a number, and wrong.
    let rounded = [(2, 1.4), (3, 0.7), (4, 0.7)].map(|(seed, s)| Rng::new(seed).with_spectrum(&[0.3, 0.7, s]));
    for members in [exact, rounded] {
        check_members(&members);
    }
}

/// The first member has no tie, the second is the first that has one.
fn check_members(members: &[Mat<f64>]) {
    let x = Batch::stack(members);
    // The identity and the polar factor, by vectors, and |A|² by values.
    let programs: [Program; 2] = [
        |x| {
            let (l, v) = x.eigh();
            weighted(v.mul_t(v), 1) + l.square().sum_each()
        },
        |x| {
            let (u, s, v) = x.svd();
            weighted(u.mul_t(v), 2) + s.square().sum_each()
        },
    ];
    for f in programs {
        let all = pullback::grad(func(|x: Var| f(x).sum_batch()), &x).unwrap();
        for (k, member) in members.iter().enumerate() {
            let alone = pullback::grad(func(|x: Var| f(x)), member).unwrap();
            assert!((all.member(k) - &alone).norm_max() < 1e-12 * alone.norm_max(), "member {k}");
        }
        let second = pullback::hvp(func(|x: Var| f(x).sum_batch()), &x, &like(&x)).unwrap_err();
        let Error::Data { member, failure, .. } = second else { panic!("{second}") };
        assert!(
            member == Some(1) && matches!(failure, Failure::NotDifferentiable { .. } | Failure::TiedVectors { .. }),
            "{failure}"
        );
    }
}
