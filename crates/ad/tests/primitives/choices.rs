//! Programs that depend on a basis that is not determined say so at every start, the axis-aligned ones among them,
//! where the dependence has no slope; and programs that do not depend on it are never accused.

use super::points::{Rng, diagonal};
use super::verdicts::failure;
use faer::Mat;
use pullback::{Failure, Gauge, Tape, Var};

type Program = for<'t> fn(Var<'t>) -> Var<'t>;

/// Starts with all values tied, or some: identity, diagonal, permuted, block-diagonal, generic.
fn tied() -> Vec<(&'static str, Mat<f64>)> {
    let permuted = Mat::from_fn(4, 4, |i, j| if (i + 1) % 4 == j { 1.0 } else { 0.0 });
    let block = {
        let (c, s) = (0.6, 0.8);
        let q = faer::mat![[c, s, 0.0, 0.0], [-s, c, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        &q * diagonal(&[1.0, 3.0, 2.0, 2.0]) * q.transpose()
    };
    vec![
        ("identity", Mat::identity(4, 4)),
        ("twice the identity", diagonal(&[2.0; 4])),
        ("diagonal", diagonal(&[1.0, 1.0, 2.0, 3.0])),
        ("diagonal, out of order", diagonal(&[2.0, 1.0, 3.0, 1.0])),
        ("diagonal, two pairs", diagonal(&[1.0, 2.0, 1.0, 2.0])),
        ("permuted", &permuted * diagonal(&[1.0, 1.0, 2.0, 2.0]) * permuted.transpose()),
        ("block-diagonal", block),
        ("generic, all", Rng::new(3).with_spectrum(&[2.0; 4])),
        ("generic, a pair", Rng::new(3).with_spectrum(&[1.0, 1.0, 2.0, 3.0])),
        ("tied up to rounding", diagonal(&[1.0, 1.0 + f64::EPSILON, 2.0, 3.0])),
    ]
}

/// Programs of eigenvectors `U` that see which basis was chosen.
const SEEING: &[(&str, Program)] = &[
    ("sum", |a| a.eigh().1.sum()),
    ("trace", |a| a.eigh().1.trace()),
    ("fourth powers", |a| a.eigh().1.powf(4.0).sum()),
    ("distance from I", |a| {
        let d = a.eigh().1 - &Mat::<f64>::identity(a.rows(), a.rows());
        d.dot(d)
    }),
    ("a fourth power", |a| a.eigh().1.powf(4.0).tril().sum()),
    ("in a gradient inside", |a| a.grad(|a| a.eigh().1.trace()).dot(a)),
    ("in a checkpoint", |a| a.checkpoint(|a| a.eigh().1.trace()) + a.sum()),
    ("of a handle", |a| {
        let s = a.symmetric();
        s.vectors(0..2).powf(4.0).sum() + s.vectors(2..4).slice(2, 0, 2, 2).trace()
    }),
];

/// Programs of the same that do not.
const BLIND: &[(&str, Program)] = &[
    ("the norm of the matrix again", |a| {
        let (l, v) = a.eigh();
        (v * l.to_diag()).mul_t(v).norm()
    }),
    ("an ill-conditioned use", |a| {
        let (l, v) = a.eigh();
        let b = (v * l.to_diag()).mul_t(v);
        (b.t_mul(b) * 1e8 + 1.0 * a.tape().eye(a.rows())).logdet()
    }),
    ("orthogonality", |a| {
        let v = a.eigh().1;
        v.mul_t(v).sum() + v.t_mul(v).cos().trace()
    }),
    ("in parts of one handle", |a| {
        let s = a.symmetric();
        let (low, high) = (s.vectors(0..2), s.vectors(2..4));
        (low.mul_t(low) + high.mul_t(high)).powf(2.0).sum() + s.values(0..4).exp().sum()
    }),
    ("in a checkpoint", |a| {
        a.checkpoint(|a| {
            let (l, v) = a.eigh();
            let b = (v * l.sqrt().to_diag()).mul_t(v);
            b.dot(b).sin()
        })
    }),
];

/// Programs that do not see it either, but whose cotangents of tied values differ from choice to choice: functions of
/// the matrix.
const REASSEMBLED: &[(&str, Program)] = &[
    ("sines", |a| {
        let (l, v) = a.eigh();
        (v * l.to_diag()).mul_t(v).sin().sum()
    }),
    ("an exponential", |a| {
        let (l, v) = a.eigh();
        (v * l.exp().to_diag()).mul_t(v).sum()
    }),
    ("an entry of a square root", |a| {
        let (l, v) = a.eigh();
        (v * l.sqrt().to_diag()).mul_t(v).slice(0, 1, 1, 1)
    }),
    ("an inverse, in a checkpoint", |a| {
        a.checkpoint(|a| {
            let (l, v) = a.eigh();
            (v * l.exp().to_diag()).mul_t(v).inverse().sum()
        })
    }),
];

/// Is the gradient that of differences, along a symmetric direction?
fn agrees(f: Program, a: &Mat<f64>, g: &Mat<f64>) -> Result<(), String> {
    let v = Rng::new(5).normal(4, 4);
    let v = 0.5 * (&v + v.transpose());
    let at = |t: f64| pullback::value(f, &(a + t * &v)).unwrap().data()[0];
    let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
    let found: f64 = (0..4).flat_map(|i| (0..4).map(move |j| (i, j))).map(|p| g[p] * v[p]).sum();
    let size = at(0.0).abs().max(g.norm_max()).max(1.0);
    if (slope - found).abs() < 1e-6 * size { Ok(()) } else { Err(format!("{found} and {slope} by differences")) }
}

#[test]
fn a_program_that_sees_the_basis_says_so_at_every_start() {
    for (start, a) in tied() {
        for (name, f) in SEEING {
            let said = pullback::grad(f, &a);
            let Err(e) = said else { panic!("{name} at {start}: {:?}", said.unwrap()) };
            let what = e.to_string();
            let told = matches!(e, pullback::Error::Data { failure: Failure::GaugeDependent { .. }, .. });
            assert!(told, "{name} at {start}: {what}");
            assert!(what.contains("choices.rs"), "{what}");
        }
    }
}

#[test]
fn a_program_that_does_not_see_it_has_its_gradient_at_every_start() {
    for (start, a) in tied() {
        for (name, f) in BLIND {
            let g = pullback::grad(f, &a).unwrap_or_else(|e| panic!("{name} at {start}: {e}"));
            agrees(*f, &a, &g).unwrap_or_else(|e| panic!("{name} at {start}: {e}"));
        }
    }
}

#[test]
fn a_matrix_put_together_again_is_never_differentiated_wrongly() {
    let mut refused = 0;
    for (start, a) in tied() {
        for (name, f) in REASSEMBLED {
            match pullback::grad(f, &a) {
                Ok(g) => agrees(*f, &a, &g).unwrap_or_else(|e| panic!("{name} at {start}: {e}")),
                Err(e) => {
                    let said = failure::<()>(Err(e));
                    let helps =
                        matches!(said, Failure::NotDifferentiable { what } if what.contains("`symmetric().map(f)`"));
                    assert!(helps, "{name} at {start}: {said}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused >= 8 * REASSEMBLED.len(), "at nearly every start: {refused}");
}

#[test]
fn where_nothing_is_tied_every_program_has_its_gradient() {
    let nearly = diagonal(&[1.0, 1.0 + 1e-9, 2.0, 3.0]);
    for a in [diagonal(&[1.0, 2.0, 3.0, 4.0]), Rng::new(3).with_spectrum(&[1.0, 1.5, 2.0, 3.0]), nearly] {
        for (name, f) in SEEING.iter().chain(BLIND).chain(REASSEMBLED) {
            pullback::grad(f, &a).unwrap_or_else(|e| panic!("{name} at\n{a:?}: {e}"));
        }
    }
}

#[test]
fn singular_vectors_and_complements_too() {
    let gauge = |r: pullback::Result<Mat<f64>>, at: &str| {
        let said = failure(r);
        assert!(matches!(said, Failure::GaugeDependent { .. }), "{at}: {said}");
    };
    for (start, a) in tied() {
        gauge(pullback::grad(|x: Var| x.svd().0.powf(4.0).sum(), &a), start);
        gauge(pullback::grad(|x: Var| x.svd().2.powf(4.0).sum(), &a), start);
        // The polar factor is found right or refused; its norm, and that of the matrix, are right.
        let polar = pullback::func(|x: Var| {
            let (u, _, v) = x.svd();
            u.mul_t(v).norm()
        });
        pullback::grad(polar, &a).unwrap_or_else(|e| panic!("{start}: {e}"));
        let again = pullback::func(|x: Var| {
            let (u, s, v) = x.svd();
            (u * s.to_diag()).mul_t(v).norm()
        });
        let g = pullback::grad(again, &a).unwrap_or_else(|e| panic!("{start}: {e}"));
        assert!((g * a.norm_l2() - &a).norm_max() < 1e-13, "{start}");
    }
    // Of a singular value 0 the two vectors are not even paired.
    let singular = diagonal(&[2.0, 1.0, 0.0]);
    gauge(
        pullback::grad(
            |x: Var| {
                let (u, _, v) = x.svd();
                u.mul_t(v).trace()
            },
            &singular,
        ),
        "one singular value 0",
    );
    for q in [faer::mat![[1.0], [0.0], [0.0]], faer::mat![[0.0], [-1.0], [0.0]], Rng::new(8).normal(3, 1)] {
        // A row of a complement that is zero is zero at every choice.
        for (i, j) in [(0, 0), (1, 0), (1, 1), (2, 1)].into_iter().filter(|(i, _)| q[(*i, 0)].abs() < 1.0) {
            let entry = pullback::func(|x: Var| x.null_basis(Gauge::Error).slice(i, j, 1, 1).powf(2.0));
            gauge(pullback::grad(entry, &q), "a complement");
        }
        let full = pullback::func(|x: Var| x.qr_full(Gauge::Error).0.powf(4.0).sum());
        gauge(pullback::grad(full, &q), "a full QR");
        let projector = pullback::func(|x: Var| {
            let z = x.null_basis(Gauge::Error);
            z.mul_t(z).sin().sum()
        });
        pullback::grad(projector, &q).unwrap();
        pullback::hvp(projector, &q, &q).unwrap();
    }
}

#[test]
fn the_other_policies_and_constants_stay_as_they_were() {
    let eye = Mat::<f64>::identity(3, 3);
    let tape = Tape::new();
    let x = tape.input(&eye);
    let trace = |gauge: Gauge| x.symmetric().gauge(gauge).vectors(0..3).trace();
    assert_eq!(tape.gradient(trace(Gauge::Project), x).unwrap().into_mat(), Mat::<f64>::zeros(3, 3));
    assert_eq!(tape.gauge_defect(), 0.0);
    assert_eq!(tape.gradient(trace(Gauge::Warn), x).unwrap().into_mat(), Mat::<f64>::zeros(3, 3));
    assert!(tape.gauge_defect() > 0.1);
    // The basis of a constant is a constant: there is nothing to choose along the way.
    let constant = pullback::func(|y: Var| (y.tape().constant(&eye).eigh().1 * y).sum());
    assert!(pullback::grad(constant, &eye).is_ok());
    // What nothing depends on is not judged.
    let unused = pullback::func(|y: Var| {
        let (l, v) = y.eigh();
        let _ = v.sum();
        l.sum()
    });
    assert!(pullback::grad(unused, &eye).is_ok());
}

#[test]
fn the_choice_is_judged_anew_at_replay() {
    let (apart, tied) = (diagonal(&[1.0, 1.5, 2.0]), diagonal(&[1.0, 1.0, 2.0]));
    let tape = Tape::new();
    let a = tape.input(&apart);
    let y = a.eigh().1.trace();
    let g = tape.grad_on_tape(y, a).unwrap();
    let _ = g.sum();
    assert!(tape.gradient(y, a).is_ok());
    tape.set(a, &tied);
    assert!(matches!(failure(tape.replay()), Failure::GaugeDependent { .. }));
    tape.set(a, &apart);
    tape.replay().unwrap();
    assert!(tape.gradient(y, a).is_ok());
}

#[test]
fn forward_mode_says_that_it_cannot_judge_and_what_can() {
    let a = diagonal(&[1.0, 1.0, 2.0, 3.0]);
    let v = Rng::new(5).normal(4, 4);
    let again = pullback::func(|x: Var| {
        let (u, s, w) = x.svd();
        (u * s.to_diag()).mul_t(w).norm()
    });
    for said in [
        failure(pullback::jvp(again, &a, &v)),
        failure(pullback::linearize(again, &a).unwrap().1(&v)),
        failure(pullback::value(|x: Var| x.jvp(again, &v).1, &a)),
    ] {
        let text = said.to_string();
        assert!(matches!(said, Failure::TiedVectors { .. }), "{text}");
        assert!(!text.contains("cotangent") && text.contains("`grad`") && text.contains("forward mode"), "{text}");
    }
    // What it names works.
    assert!((pullback::grad(again, &a).unwrap() * a.norm_l2() - &a).norm_max() < 1e-13);
    assert!(pullback::jvp(|x: Var| x.polar().0.sum(), &a, &v).is_ok());
    // Vectors that nothing depends on are in nobody's way.
    let d = pullback::jvp(|x: Var| x.eigh().0.sum(), &a, &v).unwrap().1.data()[0];
    assert!((d - (0..4).map(|i| v[(i, i)]).sum::<f64>()).abs() < 1e-13);
}

/// Programs whose value is the same at every choice of a basis here, and whose derivative is not.
#[test]
fn a_derivative_that_depends_on_the_choice_is_told_where_the_value_does_not() {
    let told = |r: pullback::Result<Mat<f64>>, at: &str| {
        let said = failure(r);
        assert!(matches!(said, Failure::GaugeDependent { .. }), "{at}: {said}");
    };
    // The tied vectors are orthogonal to (1, 1, 1), so their sum of entries is 0 at every choice; it moves with the
    // vectors.
    let ones = Mat::from_fn(3, 3, |_, _| 1.0);
    told(pullback::grad(|a: Var| a.eigh().1.sum(), &ones), "the sum at ones");
    told(pullback::grad(|a: Var| a.eigh().1.var(0), &ones), "the variance at ones");
    told(pullback::grad(|a: Var| a.checkpoint(|a| a.eigh().1.sum()), &ones), "in a checkpoint");
    told(pullback::value(|a: Var| a.grad(|a| a.eigh().1.sum()), &ones).map(|g| g.into_mat()), "inside");
    let entry = pullback::func(|a: Var| a.eigh().1.slice(1, 0, 1, 1));
    told(pullback::grad(entry, &diagonal(&[1.0, 2.0, 1.0])), "an entry");
    told(pullback::jacobian(|a: Var| a.eigh().1.column_sums(), &ones), "the sums of columns at ones");
    told(
        pullback::jacobian(|x: Var| x.null_basis(Gauge::Error).row(1), &faer::mat![[0.0], [1.0], [0.0]]),
        "a row of a complement",
    );
    told(pullback::jacobian(|t: Var| (t.tape().eye(3) * t).eigh().1, &1.0), "in forward mode");
    // Values that depend on no choice: their one-sided derivatives, and a projector.
    let j = pullback::jacobian(|t: Var| (t.tape().eye(3) * t).eigvalsh(), &1.0).unwrap();
    assert_eq!(j, faer::mat![[1.0], [1.0], [1.0]]);
    let projector = pullback::jacobian(
        |x: Var| {
            let z = x.null_basis(Gauge::Error);
            z.mul_t(z)
        },
        &faer::mat![[1.0], [0.0]],
    );
    assert_eq!(projector.unwrap().row(1), faer::row![0.0, -1.0]);
    // Of a value that is not tied, the same entry has its derivative: v' = (e_1 e_0^T A' e_0) / (1 - 2) at the first
    // vector e_0.
    let g = pullback::grad(entry, &diagonal(&[1.0, 2.0, 2.0])).unwrap();
    let half = faer::mat![[0.0, -0.5, 0.0], [-0.5, 0.0, 0.0], [0.0, 0.0, 0.0]];
    assert!((g - half).norm_max() < 1e-15);
}

/// A basis of a complement is chosen at every input; reflections make it symmetric, where the trace has no slope along
/// the choice.
#[test]
fn a_complement_is_judged_at_every_start_and_to_every_order() {
    let told = |r: pullback::Result<Mat<f64>>, at: &str| {
        let said = failure(r);
        assert!(matches!(said, Failure::GaugeDependent { .. }), "{at}: {said}");
    };
    let unit = |i| Mat::from_fn(3, 1, |k, _| f64::from(k == i));
    let starts = [unit(0), unit(1), unit(2), faer::mat![[1.0], [1.0], [1.0]], faer::mat![[0.3], [0.5], [0.7]]];
    let blind = pullback::func(|x: Var| {
        let z = x.null_basis(Gauge::Error);
        (z.row(0).dot(z.row(0)) + x.sum()).exp()
    });
    for x in &starts {
        let at = format!("{x:?}");
        told(pullback::grad(|x: Var| x.qr_full(Gauge::Error).0.trace(), x), &at);
        told(pullback::grad(|x: Var| x.null_basis(Gauge::Error).sum(), x), &at);
        told(pullback::grad(|x: Var| x.null_basis(Gauge::Error).slice(1, 0, 1, 1), x), &at);
        // At e_1 this is 0 with a gradient of 0 at every choice, and only its Hessian depends on it.
        let square = pullback::func(|x: Var| x.null_basis(Gauge::Error).slice(1, 0, 1, 1).square());
        told(pullback::hvp(square, x, &unit(0)), &at);
        told(pullback::hvp(|x: Var| x.checkpoint(square), x, &unit(0)), &at);
        // (Z Z^T)_00 = 1 - x_0^2 / |x|^2.
        let oracle = pullback::func(|x: Var| {
            let top = x.slice(0, 0, 1, 1);
            (1.0 - top * top / x.dot(x) + x.sum()).exp()
        });
        assert!((pullback::grad(blind, x).unwrap() - pullback::grad(oracle, x).unwrap()).norm_max() < 1e-12, "{at}");
        let v = faer::mat![[0.2], [-0.4], [0.9]];
        assert!(
            (pullback::hvp(blind, x, &v).unwrap() - pullback::hvp(oracle, x, &v).unwrap()).norm_max() < 1e-11,
            "{at}"
        );
    }
}

#[test]
fn projection_and_warning_do_not_make_a_wrong_derivative_of_what_does_not_see_the_basis() {
    // Under these policies the part of a cotangent along the choice is dropped; a function of the matrix has another
    // problem.
    fn reassembled<'t>(x: Var<'t>, gauge: Gauge) -> Var<'t> {
        let (l, v) = x.symmetric().gauge(gauge).eigen();
        (v * l.exp().to_diag()).mul_t(v).sum()
    }
    fn in_two<'t>(x: Var<'t>, gauge: Gauge) -> Var<'t> {
        let s = x.symmetric().gauge(gauge);
        let (l, v) = (s.values(0..4), s.vectors(0..4));
        (v * l.exp().to_diag()).mul_t(v).sum()
    }
    let v = Rng::new(5).normal(4, 4);
    let v = 0.5 * (&v + v.transpose());
    for (start, a) in tied() {
        for gauge in [Gauge::Project, Gauge::Warn] {
            for f in [reassembled, in_two] {
                let f = pullback::func(move |x: Var| f(x, gauge));
                let at = |t: f64| pullback::value(f, &(&a + t * &v)).unwrap().data()[0];
                let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                let right =
                    |d: f64| assert!((d - slope).abs() < 1e-6 * slope.abs().max(1.0), "{start}: {d} and {slope}");
                match pullback::grad(f, &a) {
                    Ok(g) => right((0..16).map(|k| g[(k % 4, k / 4)] * v[(k % 4, k / 4)]).sum()),
                    Err(e) => assert!(matches!(failure::<()>(Err(e)), Failure::NotDifferentiable { .. }), "{start}"),
                }
                match pullback::jvp(f, &a, &v) {
                    Ok((_, d)) => right(d.data()[0]),
                    Err(e) => assert!(matches!(failure::<()>(Err(e)), Failure::NotDifferentiable { .. }), "{start}"),
                }
            }
        }
    }
}

#[track_caller]
fn seen<R: std::fmt::Debug>(r: pullback::Result<R>) -> f64 {
    match failure(r) {
        Failure::GaugeDependent { defect } => defect,
        other => panic!("a dependence on the basis is expected, and this came: {other}"),
    }
}

#[test]
fn a_profile_judges_as_a_replay_does() {
    let (apart, tied) = (diagonal(&[1.0, 1.5, 2.0]), diagonal(&[1.0, 1.0, 2.0]));
    let tape = Tape::new();
    let a = tape.input(&apart);
    let g = tape.grad_on_tape(a.eigh().1.trace(), a).unwrap();
    let y = g.dot(a);
    tape.set(a, &tied);
    seen(tape.profile());
    // What was found stays known until the next replay.
    seen(tape.check());
    seen(tape.gradient(y, a));
    tape.set(a, &apart);
    assert!(tape.profile().is_ok() && tape.check().is_ok());
}

#[test]
fn what_a_replay_found_stays_known() {
    let tape = Tape::new();
    let a = tape.input(&diagonal(&[1.0, 1.5, 2.0]));
    let g = tape.grad_on_tape(a.eigh().1.trace(), a).unwrap();
    let mut out = pullback::Batch::zeros(pullback::Shape::mat(3, 3));
    let v = Mat::<f64>::identity(3, 3);
    tape.set(a, &diagonal(&[1.0, 1.0, 2.0]));
    seen(tape.replay());
    seen(tape.check());
    seen(tape.jvp_into(&[(a, &v)], &[g], &mut [&mut out]));
}

#[test]
fn a_gradient_inside_of_a_checkpoint_is_judged_anew_too() {
    let inside = pullback::func(|a: Var| a.checkpoint(|a| a.grad(|a| a.eigh().1.trace()).dot(a)));
    let (apart, tied) = (diagonal(&[1.0, 1.5, 2.0]), diagonal(&[1.0, 1.0, 2.0]));
    seen(pullback::value(inside, &tied));
    let tape = Tape::new();
    let a = tape.input(&apart);
    let y = inside(a);
    assert!(tape.gradient(y, a).is_ok());
    tape.set(a, &tied);
    seen(tape.replay());
    assert!(y.scalar().is_finite(), "the value of the gradient that was chosen");
    seen(tape.check());
    tape.set(a, &apart);
    tape.replay().unwrap();
}

#[test]
fn a_cleared_tape_judges_nothing_of_what_it_was() {
    let mut tape = Tape::new();
    {
        let a = tape.input(&diagonal(&[1.0, 1.5, 2.0]));
        let y = (0..10).fold(a.eigh().1.trace(), |y, _| y.sin());
        tape.grad_on_tape(y, a).unwrap();
    }
    tape.clear();
    let a = tape.input(&diagonal(&[1.0, 1.5, 2.0]));
    let v = a.eigh().1;
    let y = v.dot(v);
    tape.set(a, &diagonal(&[1.0, 1.0, 2.0]));
    tape.replay().unwrap();
    assert!((y.scalar() - 3.0).abs() < 1e-14);
}

#[test]
fn every_member_is_asked_whether_it_is_tied() {
    let (apart, tied) = (diagonal(&[1.0, 2.0, 3.0]), Mat::identity(3, 3));
    let powers = pullback::func(|a: Var| a.eigh().1.powf(4.0).sum());
    seen(pullback::grad(powers, &pullback::Batch::stack(&[apart.clone(), tied.clone()])));
    seen(pullback::grad(powers, &pullback::Batch::stack(&[tied, apart.clone()])));
    assert!(pullback::grad(powers, &pullback::Batch::stack(&[apart.clone(), apart])).is_ok());
}

#[test]
fn of_several_bases_the_strictest_policy_counts() {
    let eye = Mat::<f64>::identity(3, 3);
    for order in [[Gauge::Warn, Gauge::Error], [Gauge::Error, Gauge::Warn]] {
        let tape = Tape::new();
        let a = tape.input(&eye);
        let [first, second] = order.map(|gauge| a.symmetric().gauge(gauge).vectors(0..3).trace());
        seen(tape.gradient(first + second, a));
    }
}

#[test]
fn what_has_no_value_at_another_choice_depends_on_it() {
    // Positive definite at the identity, where its slope along a rotation is 0, and not far from there.
    let close = pullback::func(|a: Var| (a.eigh().1 - &(0.9 * Mat::<f64>::identity(2, 2))).cholesky().sum());
    assert_eq!(seen(pullback::grad(close, &Mat::identity(2, 2))), 1.0);
}

#[test]
fn a_small_dependence_is_told_from_rounding() {
    // The first term is rounding alone, a few last digits of 1; the fourth powers count by a billionth.
    let small = pullback::func(|a: Var| {
        let v = a.eigh().1;
        (v.mul_t(v) - &Mat::<f64>::identity(4, 4)).sum() + v.powf(4.0).sum() * 1e-9
    });
    let defect = seen(pullback::grad(small, &Mat::identity(4, 4)));
    assert!((0.1..1.0).contains(&defect), "{defect:e}");
}

#[test]
fn second_derivatives_are_judged_at_other_choices_too() {
    for q in [faer::mat![[1.0], [0.0], [0.0]], faer::mat![[0.0], [-1.0], [0.0]]] {
        let powers = pullback::func(|x: Var| x.null_basis(Gauge::Error).powf(4.0).sum());
        seen(pullback::grad(powers, &q));
        seen(pullback::hvp(powers, &q, &Mat::from_fn(3, 1, |i, _| i as f64)));
    }
}

#[test]
fn a_gradient_inside_is_judged_on_tapes_that_do_not_record() {
    let eye = Mat::<f64>::identity(3, 3);
    let inside = pullback::func(|a: Var| a.grad(|a| a.eigh().1.trace()).dot(a));
    seen(pullback::value(inside, &eye));
    // With tangents it is refused before that: vectors have no second derivative at a tie.
    assert!(pullback::jvp(inside, &eye, &eye).is_err());
}

#[test]
fn a_tangent_that_was_missing_explains_nothing_else() {
    let (a, v) = (diagonal(&[1.0, 1.0, 2.0, 3.0]), Rng::new(5).normal(4, 4));
    let again = pullback::func(|x: Var| {
        let (u, s, w) = x.svd();
        (u * s.to_diag()).mul_t(w).norm()
    });
    let tape = Tape::new();
    let x = tape.input(&a);
    let (y, bad) = (again(x), (x.sum() - 1e3).ln());
    let mut out = pullback::Batch::zeros(pullback::Shape::SCALAR);
    let missing = failure(tape.jvp_into(&[(x, &v)], &[y], &mut [&mut out]));
    assert!(matches!(missing, Failure::TiedVectors { .. }), "{missing}");
    // A logarithm of a negative number has nothing to do with it,
    let e = tape.gradient(bad, x).unwrap_err();
    assert!(matches!(e, pullback::Error::NonFinite { what: "value", .. }), "{e}");
    // neither on this tape after a replay nor after it was cleared.
    let _ = x.jvp(again, &v);
    tape.set(x, &diagonal(&[1.0, 1.5, 2.0, 3.0]));
    tape.replay().unwrap();
    let e = tape.gradient(bad, x).unwrap_err();
    assert!(matches!(e, pullback::Error::NonFinite { what: "value", .. }), "{e}");
    let mut tape = Tape::new();
    {
        let x = tape.input(&a);
        let _ = x.jvp(again, &v);
    }
    let e = tape.value_and_grad(|x: Var| (x.sum() - 1e3).ln(), &a).unwrap_err();
    assert!(matches!(e, pullback::Error::NonFinite { what: "value", .. }), "{e}");
}

#[test]
fn what_was_found_of_a_complement_is_asked_again_when_something_else_changes() {
    // <Z Z^T, W> + c Z_11 at an axis, where the entry has no slope along the choice: for c = 0 it does not depend on
    // it.
    let tape = Tape::new();
    let (x, c) = (tape.input(&faer::mat![[1.0], [0.0], [0.0]]), tape.input(&0.0));
    let z = x.null_basis(Gauge::Error);
    let w = Rng::new(4).normal(3, 3);
    let y = z.mul_t(z).dot(&w) + c * z.slice(1, 0, 1, 1);
    assert!(tape.gradient(y, x).is_ok() && tape.gradient(y, x).is_ok());
    tape.set(x, &faer::mat![[0.0], [1.0], [0.0]]);
    assert!(tape.gradient(y, x).is_ok());
    tape.set(c, &1.0);
    for at in [faer::mat![[1.0], [0.0], [0.0]], faer::mat![[0.0], [0.0], [1.0]]] {
        tape.set(x, &at);
        assert!(matches!(failure(tape.gradient(y, x)), Failure::GaugeDependent { .. }));
    }
    tape.set(c, &0.0);
    assert!(tape.gradient(y, x).is_ok());
}

#[test]
fn a_missing_tangent_is_told_where_a_later_operation_stumbles_over_it() {
    let (a, v) = (diagonal(&[1.0, 1.0, 2.0]), Rng::new(5).normal(3, 3));
    let solved = pullback::func(|x: Var| x.spd().solve(x.eigh().1).sum());
    for said in [
        failure(pullback::jvp(solved, &a, &v)),
        failure(pullback::linearize(solved, &a).unwrap().1(&v)),
        failure(pullback::value(|x: Var| x.jvp(solved, &v).1, &a)),
    ] {
        assert!(matches!(said, Failure::TiedVectors { .. }), "{said}");
    }
}

/// `1 + u'Au` at `A = 0`: the value is 1 for every `u`, and the derivative by `A` is `uu'`. Beside it a program whose
/// derivative there is the same at every choice.
#[test]
fn at_the_zero_matrix_the_derivative_is_compared_too() {
    let seen: Program = |a| {
        let u = a.eigh().1.slice(0, 0, 3, 1);
        u.dot(a * u) + 1.0
    };
    let found = failure(pullback::grad(seen, &Mat::<f64>::zeros(3, 3)));
    assert!(matches!(found, Failure::GaugeDependent { .. }), "{found:?}");
    let blind: Program = |a| {
        let u = a.eigh().1;
        u.dot(a * u) + 1.0
    };
    let g = pullback::grad(blind, &Mat::<f64>::zeros(3, 3)).unwrap();
    assert!((g - Mat::<f64>::identity(3, 3)).norm_max() < 1e-15);
}
