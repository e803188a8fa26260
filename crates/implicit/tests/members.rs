//! Members of a batch are independent: one that fails, diverges or is singular is masked and named, and the others have
//! to the bit the numbers that they have alone. First order, many right-hand sides, second derivatives.

#[path = "solutions/matrices.rs"]
mod matrices;

use matrices::with_spectrum;
use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Shape, hvp};
use pullback_implicit::linear::{Method, Status};
use pullback_implicit::{Condition, Error, Layer, Member, Tapes, Verdict, Why, fixed_point, root, stationary};

const N: usize = 3;

/// Member `m` of a batch, as a batch of one.
fn cut(v: &Batch, m: usize) -> Batch {
    let s = v.shape();
    Batch::from_slice(Shape::batch(1, s.rows, s.cols), &v.data()[m * s.each()..(m + 1) * s.each()])
}

fn pair(p: &(Batch, Batch), m: usize) -> (Batch, Batch) {
    (cut(&p.0, m), cut(&p.1, m))
}

/// `s ln z = sqrt(phi)`, the square root by a Cholesky factor, which negative parameters do not have.
fn roots<'t>(z: Var<'t>, (phi, s): (Var<'t>, Var<'t>)) -> Var<'t> {
    z.ln() * s - phi.to_diag().cholesky().diag()
}

/// Fine; without a Cholesky factor; with a residual that is not finite; singular; near its solution only; fine.
fn kinds() -> (Batch, (Batch, Batch)) {
    let (vector, number) = (Shape::batch(6, N, 1), Shape::batch(6, 1, 1));
    let phi = Batch::from_fn(vector, |m, i, _| if m == 1 && i == 2 { -1.0 } else { 1.0 + 0.3 * (m + 2 * i) as f64 });
    let s = Batch::from_fn(number, |m, _, _| if m == 3 { 0.0 } else { 1.0 + 0.2 * m as f64 });
    let z = Batch::from_fn(vector, |m, i, _| match m {
        1 | 3 => 1.0,
        2 => -1.0,
        _ => (phi.data()[m * N + i].sqrt() / s.data()[m]).exp() * if m == 4 { 1.001 } else { 1.0 },
    });
    (z, (phi, s))
}

/// The verdicts, and that the members that are named failed.
fn judged(members: &[Member]) {
    for m in [1, 2] {
        assert_eq!(members[m].verdict, Verdict::Invalid(Why::Failed { member: m }));
    }
    assert!(matches!(members[3].verdict, Verdict::Invalid(Why::Singular { .. })), "{:?}", members[3]);
    for m in [0, 4, 5] {
        assert!(members[m].verdict.is_sound(), "{m}: {:?}", members[m]);
    }
}

#[test]
fn first_derivatives_of_members_of_all_kinds() {
    let (z, phi) = kinds();
    let c = root(&z, &phi, roots).flat();
    let mut tapes = Tapes::new();
    let lin = c.at(&z, &phi).linearise(&mut tapes).unwrap();
    let failures = lin.failures();
    assert_eq!(failures.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2]);
    assert!(matches!(failures[0].1, Error::Engine(_)) && matches!(failures[1].1, Error::NotFinite { member: 2, .. }));
    let along = |k: usize| {
        let one = |s: Shape| Batch::from_fn(s, |m, i, _| ((3 * m + i + 5 * k) as f64).sin());
        (one(phi.0.shape()), one(phi.1.shape()))
    };
    let back = |k: usize| Batch::from_fn(z.shape(), |m, i, _| ((m + 4 * i + 3 * k) as f64).cos());
    let pushed = lin.jvps(&[along(0), along(1)]).unwrap();
    let pulled = lin.vjps(&[back(0), back(1)]).unwrap();
    let loss = lin.hypergradient(|z: Var, (phi, _)| (z.dot(z) + z.dot(phi)).sum()).unwrap();
    // What failed holds what was given.
    assert_eq!(loss.solution.data()[2 * N..3 * N], z.data()[2 * N..3 * N]);
    judged(&loss.certificate.members);
    assert!(loss.certificate.to_string().starts_with("invalid: the solver or the program of member 1 failed"));
    for k in [0, 1] {
        judged(&pushed[k].certificate.members);
        judged(&pulled[k].certificate.members);
        for m in [1, 2] {
            assert!(cut(&pushed[k].value, m).data().iter().all(|x| *x == 0.0));
            assert!(pair(&pulled[k].value, m).0.data().iter().all(|x| *x == 0.0));
        }
    }
    for m in [0, 3, 4, 5] {
        let (z, phi) = (cut(&z, m), pair(&phi, m));
        let c = root(&z, &phi, roots).flat();
        let mut tapes = Tapes::new();
        let lin = c.at(&z, &phi).linearise(&mut tapes).unwrap();
        for k in [0, 1] {
            let one = lin.jvp(&pair(&along(k), m)).unwrap();
            assert_eq!(one.value.data(), cut(&pushed[k].value, m).data(), "jvp {k} of member {m}");
            let one = lin.vjp(&cut(&back(k), m)).unwrap();
            let whole = pair(&pulled[k].value, m);
            assert_eq!((one.value.0.data(), one.value.1.data()), (whole.0.data(), whole.1.data()), "vjp {k} of {m}");
        }
        let one = lin.hypergradient(|z: Var, (phi, _)| (z.dot(z) + z.dot(phi)).sum()).unwrap();
        assert_eq!(one.gradient.0.data(), cut(&loss.gradient.0, m).data(), "hypergradient of member {m}");
        assert_eq!(one.solution.data(), cut(&loss.solution, m).data());
    }
    // The closed form: dz = z / s (dphi / (2 sqrt(phi)) - ds ln z).
    for m in [0, 5] {
        for i in 0..N {
            let (z, s, x) = (z.data()[m * N + i], phi.1.data()[m], phi.0.data()[m * N + i]);
            let truth = z / s * (along(0).0.data()[m * N + i] / (2.0 * x.sqrt()) - along(0).1.data()[m] * z.ln());
            assert!((pushed[0].value.data()[m * N + i] - truth).abs() < 1e-12, "{m} {i}");
        }
    }
}

#[test]
fn parameters_that_members_share_get_the_sum_of_those_that_did_not_fail() {
    let (z, (phi, _)) = kinds();
    let c = root(&z, &(phi.clone(), 1.0), roots).flat();
    let shared = (phi.clone(), 1.0);
    let d = c.at(&z, &shared).without_polish().vjp(&Batch::from_fn(z.shape(), |_, _, _| 1.0)).unwrap();
    let mut sum = 0.0f64;
    for m in [0, 3, 4, 5] {
        let (z, p) = (cut(&z, m), (cut(&phi, m), 1.0));
        let c = root(&z, &p, roots).flat();
        sum += c.at(&z, &p).without_polish().vjp(&Batch::from_fn(z.shape(), |_, _, _| 1.0)).unwrap().value.1;
    }
    assert!((d.value.1 - sum).abs() < 1e-13 * sum.abs(), "{} {sum}", d.value.1);
    assert!(!d.certificate.verdict.is_sound());
}

#[test]
fn a_newton_step_that_leaves_the_domain_keeps_its_member_only() {
    // ln z = phi at z = 3 and phi = -1: the step of member 1 ends at a negative number; member 2 oversteps its root.
    let z = Batch::from_slice(Shape::batch(4, 1, 1), &[1.3, 3.0, 2.6, 1.0]);
    let phi = Batch::from_slice(z.shape(), &[0.25, -1.0, 0.1, 0.0]);
    let c = root(&z, &phi, |z: Var, phi: Var| z.ln() - phi).flat();
    let ones = Batch::from_fn(z.shape(), |_, _, _| 1.0);
    let d = c.at(&z, &phi).jvp(&ones).unwrap();
    for m in 0..4 {
        let (z, phi) = (cut(&z, m), cut(&phi, m));
        let c = root(&z, &phi, |z: Var, phi: Var| z.ln() - phi).flat();
        let one = c.at(&z, &phi).jvp(&cut(&ones, m)).unwrap();
        assert_eq!(one.value.data(), cut(&d.value, m).data(), "{m}");
        assert_eq!(one.certificate.verdict.is_sound(), d.certificate.members[m].verdict.is_sound(), "{m}");
        let told = (one.certificate.error.unwrap().relative(), d.certificate.members[m].error.unwrap());
        assert!((told.0 - told.1).abs() < 1e-9 + 0.5 * told.0, "{m}: {told:?}");
    }
}

#[test]
fn a_member_whose_series_diverges_and_one_that_is_not_finite() {
    let shape = Shape::batch(4, 1, 1);
    let a = Batch::from_slice(shape, &[0.5, 3.0, f64::NAN, -0.9]);
    let z = Batch::from_fn(shape, |m, _, _| 1.0 / (1.0 - a.data()[m]));
    let c = fixed_point(&z, &a, |z: Var, a: Var| z * a + 1.0).flat();
    let ones = Batch::from_fn(shape, |_, _, _| 1.0);
    let d = c.at(&z, &a).method(Method::NeumannAdaptive).jvp(&ones).unwrap();
    let of = |m: usize| d.certificate.members[m].verdict;
    assert!(matches!(of(1), Verdict::Invalid(Why::Solver { member: 1, status: Status::Diverged })), "{}", of(1));
    assert_eq!(of(2), Verdict::Invalid(Why::Failed { member: 2 }));
    for m in [0, 3] {
        assert!(of(m).is_sound(), "{m}: {}", d.certificate);
        let truth = 1.0 / (1.0 - a.data()[m]).powi(2);
        assert!((d.value.data()[m] - truth).abs() < 1e-8 * truth, "{m}");
    }
}

#[test]
fn the_solver_of_a_member_does_not_depend_on_its_neighbours() {
    // Large, so that nothing is dense: positive, indefinite, nearly singular, not finite, positive.
    let n = 60;
    let shape = Shape::batch(5, n, n);
    let spectra: [&dyn Fn(usize) -> f64; 5] = [
        &|i| 1.0 + i as f64,
        &|i| if i % 2 == 0 { 1.0 + i as f64 } else { -2.0 - i as f64 },
        &|i| 10f64.powf(-6.0 * i as f64 / 59.0),
        &|_| f64::NAN,
        &|i| 0.5 + 0.01 * i as f64,
    ];
    let each: Vec<Mat<f64>> =
        (0..5).map(|m| with_spectrum(&(0..n).map(spectra[m]).collect::<Vec<_>>(), 40 + m as u64)).collect();
    let a = Batch::from_fn(shape, |m, i, j| each[m][(i, j)]);
    let z = Batch::zeros(Shape::batch(5, n, 1));
    let zbar = Batch::from_fn(z.shape(), |m, i, _| ((m + i) as f64).sin());
    let phi = (a.clone(), zbar.clone());
    let c = stationary(&z, &phi, |z: Var, (a, b): (Var, Var)| z.dot(a * z) * 0.5 - z.dot(b)).flat();
    let found = c.at(&z, &phi).without_polish().vjp(&zbar).unwrap();
    assert_eq!(found.certificate.members[3].verdict, Verdict::Invalid(Why::Failed { member: 3 }));
    for m in [0, 1, 2, 4] {
        let (z, phi, zbar) = (cut(&z, m), pair(&phi, m), cut(&zbar, m));
        let c = stationary(&z, &phi, |z: Var, (a, b): (Var, Var)| z.dot(a * z) * 0.5 - z.dot(b)).flat();
        let one = c.at(&z, &phi).without_polish().vjp(&zbar).unwrap();
        assert_eq!(one.value.1.data(), cut(&found.value.1, m).data(), "member {m}: {}", one.certificate);
    }
}

#[test]
fn a_batch_that_fails_everywhere_is_an_error_and_one_of_sixty_four_is_not() {
    let shape = Shape::batch(64, 2, 1);
    let z = Batch::from_fn(shape, |_, _, _| 1.0);
    let bad = Batch::from_fn(shape, |_, _, _| -1.0);
    let c = root(&z, &z, |z: Var, phi: Var| z.hadamard(z) - phi.to_diag().cholesky().diag()).flat();
    assert!(matches!(c.at(&z, &bad).jvp(&z), Err(Error::Engine(_))));
    let one = Batch::from_fn(shape, |m, _, _| if m == 37 { -1.0 } else { 1.0 + m as f64 });
    let at = Batch::from_fn(shape, |m, _, _| (1.0 + m as f64).powf(0.25));
    let d = c.at(&at, &one).jvp(&z).unwrap();
    for m in 0..64 {
        let verdict = d.certificate.members[m].verdict;
        let truth = if m == 37 { 0.0 } else { 0.25 * (1.0 + m as f64).powf(-0.75) };
        assert!((d.value.data()[2 * m] - truth).abs() < 1e-14, "{m}");
        assert_eq!(verdict == Verdict::Verified, m != 37, "{m}: {verdict}");
    }
}

#[test]
fn data_that_a_condition_keeps_for_a_member_is_that_members_own() {
    // The matrices are no parameters: the third is what fails, wherever its member stands.
    let shape = Shape::batch(3, 2, 1);
    let a = Batch::from_fn(Shape::batch(3, 2, 2), |m, i, j| if i == j { [1.0, 2.0, -1.0][m] } else { 0.0 });
    let z = Batch::from_fn(shape, |_, _, _| 1.0);
    let c = root(&z, &z, |z: Var, phi: Var| z.tape().constant(&a).cholesky() * z - phi).flat();
    let e = c.at(&z, &z).jvp(&z).unwrap_err();
    assert!(e.to_string().contains("member 2"), "{e}");
    // Here a member fails by its own numbers, and the data of the others is kept.
    let a = Batch::from_fn(a.shape(), |m, i, j| if i == j { [1.0, 2.0, 4.0][m] } else { 0.0 });
    let phi = Batch::from_fn(shape, |m, _, _| [1.0, -1.0, 1.0][m]);
    let c = root(&z, &phi, |z: Var, phi: Var| z.tape().constant(&a) * z - phi.to_diag().cholesky().diag()).flat();
    let d = c.at(&z, &phi).jvp(&z).unwrap();
    assert_eq!(d.certificate.verdict, Verdict::Invalid(Why::Failed { member: 1 }));
    for (m, truth) in [(0, 0.5), (1, 0.0), (2, 0.125)] {
        assert!((d.value.data()[2 * m] - truth).abs() < 1e-15, "{m}");
    }
}

/// `z + z³ = phi` for each number, by Newton's method.
fn cubic(phi: f64) -> f64 {
    (0..80).fold(0.0, |z: f64, _| z - (z + z * z * z - phi) / (1.0 + 3.0 * z * z))
}

/// `(z + z³ - phi) s = 0` in every member, with `s` below the entries of `phi`; no solution above 5, not finite above
/// 4.
fn cubics(members: usize) -> Layer<impl Condition<State = Batch, Params = Batch> + Send + Sync + 'static> {
    let blank = |rows| Batch::zeros(Shape::batch(members, rows, 1));
    let (z, phi) = (blank(N), blank(N + 1));
    let c = root(&z, &phi, |z: Var, p: Var| (z + z.hadamard(z).hadamard(z) - p.row_range(0, N)) * p.row_range(N, 1));
    Layer::new(c.flat(), z, phi, move |p: &Batch| {
        let of = |m: usize, i: usize| p.data()[m * (N + 1) + i];
        let top = p.data().iter().fold(0.0f64, |a, x| a.max(*x));
        let one = |m, i| if of(m, i) > 4.0 { f64::NAN } else { cubic(of(m, i)) };
        if top > 5.0 {
            Err(Error::NoSteps)
        } else {
            Ok(Batch::from_fn(Shape::batch(members, N, 1), |m, i, _| one(m, i)))
        }
    })
}

#[test]
fn second_derivatives_of_members_of_all_kinds() {
    // Fine; without a solution; not finite; singular; fine.
    let phi = Batch::from_fn(Shape::batch(5, N + 1, 1), |m, i, _| match (m, i) {
        (1, 0) => 6.0,
        (2, 1) => 4.5,
        (3, N) => 0.0,
        (_, N) => 1.0,
        _ => 0.3 + 0.2 * m as f64 - 0.1 * i as f64,
    });
    let v = Batch::from_fn(phi.shape(), |m, i, _| if i == N { 0.0 } else { ((m + 2 * i) as f64).sin() });
    let second = |members: usize, phi: &Batch, v: &Batch| {
        let layer = cubics(members);
        let f = func(|p: Var| {
            let (z, mask) = layer.apply_masked(&p);
            (mask * z.dot(z.hadamard(z))).sum()
        });
        let h = hvp(&f, phi, v).unwrap();
        (h, layer.failures().iter().map(|f| f.0).collect::<Vec<_>>())
    };
    let (h, failed) = second(5, &phi, &v);
    assert_eq!(failed, [1, 2, 3]);
    for m in [0, 4] {
        let (one, _) = second(1, &cut(&phi, m), &cut(&v, m));
        assert_eq!(one.data()[..N], cut(&h, m).data()[..N], "{m}");
        for i in 0..N {
            // d²(z³)/dphi² = 6 z z'² + 3 z² z'', z' = 1 / (1 + 3 z²), z'' = -6 z z'³.
            let k = m * (N + 1) + i;
            let z = cubic(phi.data()[k]);
            let d = 1.0 / (1.0 + 3.0 * z * z);
            let truth = (6.0 * z * d * d - 18.0 * z.powi(3) * d.powi(3)) * v.data()[k];
            assert!((h.data()[k] - truth).abs() < 1e-11, "{m} {i}: {} {truth}", h.data()[k]);
        }
    }
    assert!((1..4).all(|m| cut(&h, m).data().iter().all(|x| *x == 0.0)));
}

/// Something of the eigenvectors, one number for each matrix.
fn vectors(phi: Var<'_>) -> Var<'_> {
    phi.sym().eigh().1.hadamard(Mat::from_fn(2, 2, |i, j| 1.0 + (i + 2 * j) as f64)).sum_each()
}

#[test]
fn a_parameter_derivative_that_fails_in_one_member() {
    // z = sqrt(phi) + phi has a solution at phi = 0 and no derivative there.
    let number = Shape::batch(4, 1, 1);
    let phi = Batch::from_slice(number, &[1.0f64, 0.25, 0.0, 4.0]);
    let z = Batch::from_fn(number, |m, _, _| phi.data()[m].sqrt() + phi.data()[m]);
    let c = root(&z, &phi, |z: Var, phi: Var| z * 2.0 - (phi.sqrt() + phi) * 2.0).flat();
    masked(&c, &z, &phi, 2, &|z, phi| {
        let c = root(z, phi, |z: Var, phi: Var| z * 2.0 - (phi.sqrt() + phi) * 2.0).flat();
        let d = c.at(z, phi).jvp(&Batch::from_fn(phi.shape(), |_, _, _| 1.0)).unwrap();
        let p = c.at(z, phi).vjp(&Batch::from_fn(z.shape(), |_, _, _| 1.0)).unwrap();
        (d.value, p.value)
    });
    // Eigenvectors of a matrix whose eigenvalues are tied: a rule that refuses.
    let shape = Shape::batch(3, 2, 2);
    let phi =
        Batch::from_fn(shape, |m, i, j| if i == j { 1.0 + if m == 1 { 0.0 } else { (m + 2 * i) as f64 } } else { 0.0 });
    let z = Batch::from_fn(Shape::batch(3, 1, 1), |_, _, _| 0.0);
    let at = pullback::value(func(vectors), &phi).unwrap();
    let z = Batch::from_fn(z.shape(), |m, _, _| at.data()[m]);
    let c = root(&z, &phi, |z: Var, phi: Var| z - vectors(phi)).flat();
    let mut tapes = Tapes::new();
    let lin = c.at(&z, &phi).linearise(&mut tapes).unwrap();
    assert_eq!(lin.failures().iter().map(|f| f.0).collect::<Vec<_>>(), [1], "{:?}", lin.failures());
}

/// That member `bad` is named and masked, and that the others have to the bit what `alone` finds.
fn masked<C: Condition<State = Batch, Params = Batch>>(
    c: &C,
    z: &Batch,
    phi: &Batch,
    bad: usize,
    alone: &dyn Fn(&Batch, &Batch) -> (Batch, Batch),
) {
    let mut tapes = Tapes::new();
    let lin = c.at(z, phi).linearise(&mut tapes).unwrap();
    let failures = lin.failures();
    assert!(failures.len() == 1 && failures[0].0 == bad, "{failures:?}");
    let (dphi, zbar) = (Batch::from_fn(phi.shape(), |_, _, _| 1.0), Batch::from_fn(z.shape(), |_, _, _| 1.0));
    let (pushed, pulled) = (lin.jvp(&dphi).unwrap(), lin.vjp(&zbar).unwrap());
    let loss = lin.hypergradient(|z: Var, _: Var| z.sum()).unwrap();
    for members in [&pushed.certificate.members, &pulled.certificate.members, &loss.certificate.members] {
        for (m, found) in members.iter().enumerate() {
            match m == bad {
                true => assert_eq!(found.verdict, Verdict::Invalid(Why::Failed { member: m })),
                false => assert_eq!(found.verdict, Verdict::Verified, "{m}"),
            }
        }
    }
    for m in 0..z.shape().batch {
        let (d, p) = (cut(&pushed.value, m), cut(&pulled.value, m));
        if m == bad {
            assert!(d.data().iter().chain(p.data()).chain(cut(&loss.gradient, m).data()).all(|x| *x == 0.0));
            continue;
        }
        let (one, back) = alone(&cut(z, m), &cut(phi, m));
        assert_eq!((d.data(), p.data()), (one.data(), back.data()), "{m}");
        assert_eq!(cut(&loss.gradient, m).data(), back.data(), "{m}");
    }
}

#[test]
fn where_no_member_has_a_derivative_by_its_parameters() {
    let z = Batch::zeros(Shape::batch(3, 1, 1));
    let c = root(&z, &z, |z: Var, phi: Var| z - phi.sqrt()).flat();
    // Linearised all the same, for its map; but no derivative by the parameters is sound.
    let mut tapes = Tapes::new();
    let lin = c.at(&z, &z).linearise(&mut tapes).unwrap();
    assert!(lin.failures().is_empty());
    let ones = Batch::from_fn(z.shape(), |_, _, _| 1.0);
    assert!(lin.jvp(&ones).map_or(true, |d| !d.certificate.verdict.is_sound()));
    assert!(lin.vjp(&ones).map_or(true, |d| !d.certificate.verdict.is_sound()));
}

#[test]
fn a_parameter_that_members_share_and_one_member_cannot_take() {
    // sqrt(s - shift) with s shared: member 1 stands where it has no derivative, the others have theirs.
    let shift = Batch::from_slice(Shape::batch(3, 1, 1), &[0.0f64, 1.0, -3.0]);
    let z = Batch::from_slice(shift.shape(), &[1.0, 0.0, 2.0]);
    let phi = (shift.clone(), 1.0f64);
    let c = root(&z, &phi, |z: Var, (shift, s): (Var, Var)| z - (s - shift).sqrt()).flat();
    let mut tapes = Tapes::new();
    let lin = c.at(&z, &phi).linearise(&mut tapes).unwrap();
    assert_eq!(lin.failures().iter().map(|f| f.0).collect::<Vec<_>>(), [1], "{:?}", lin.failures());
    let d = lin.hypergradient(|z: Var, _| z.sum()).unwrap();
    assert!((d.gradient.1 - (0.5 + 0.25f64)).abs() < 1e-14, "{}", d.gradient.1);
}

/// `(z - sqrt(phi) - phi) s`, with `s` below `phi`, and a solver that answers whatever it is asked.
fn square_roots(members: usize) -> Layer<impl Condition<State = Batch, Params = Batch> + Send + Sync + 'static> {
    let (z, phi) = (Batch::zeros(Shape::batch(members, 1, 1)), Batch::zeros(Shape::batch(members, 2, 1)));
    let c = root(&z, &phi, |z: Var, p: Var| {
        let (phi, s) = (p.row_range(0, 1), p.row_range(1, 1));
        (z - phi.sqrt() - phi) * s
    });
    Layer::new(c.flat(), z.clone(), phi, move |p: &Batch| {
        let of = |m: usize| p.data()[2 * m];
        Ok(Batch::from_fn(z.shape(), |m, _, _| if of(m) < 0.0 { 1.0 } else { of(m).sqrt() + of(m) }))
    })
}

#[test]
fn a_layer_masks_a_member_without_a_derivative_by_its_parameters() {
    // Fine; no derivative by phi; a residual that is not finite; singular; fine.
    let phi = Batch::from_fn(Shape::batch(5, 2, 1), |m, i, _| match (m, i) {
        (1, 0) => 0.0,
        (2, 0) => -1.0,
        (3, 1) => 0.0,
        _ => 1.0 + 0.5 * (m + 2 * i) as f64,
    });
    let derivatives = |members: usize, phi: &Batch| {
        let layer = square_roots(members);
        let loss = func(|p: Var| {
            let (z, mask) = layer.apply_masked(&p);
            (mask * z.hadamard(z)).sum()
        });
        let along = Batch::from_fn(phi.shape(), |_, _, _| 1.0);
        (pullback::grad(&loss, phi).unwrap(), hvp(&loss, phi, &along).unwrap(), layer.failures())
    };
    let (g, h, failures) = derivatives(5, &phi);
    let named: Vec<usize> = failures.iter().map(|f| f.0).collect();
    assert_eq!(named, [1, 2, 3], "{failures:?}");
    assert!(matches!(failures[0].1, Error::NoDerivative { member: 1, .. }), "{failures:?}");
    assert!(matches!(failures[1].1, Error::NotFinite { member: 2, .. }), "{failures:?}");
    for m in 0..5 {
        let own = [cut(&g, m), cut(&h, m)];
        if named.contains(&m) {
            assert!(own.iter().all(|v| v.data().iter().all(|x| *x == 0.0)), "{m}");
            continue;
        }
        let (one, second, _) = derivatives(1, &cut(&phi, m));
        assert_eq!((one.data(), second.data()), (own[0].data(), own[1].data()), "{m}");
        let (x, s) = (phi.data()[2 * m], phi.data()[2 * m].sqrt());
        let truth = 2.0 * (s + x) * (0.5 / s + 1.0);
        assert!((one.data()[0] / truth - 1.0).abs() < 1e-13 && one.data()[1].abs() < 1e-14 * truth, "{:?}", one.data());
    }
    // Nobody asks for a derivative, and the member has its value.
    let phi = Batch::from_fn(phi.shape(), |m, i, _| if i == 1 { 1.0 } else { m as f64 });
    let (layer, tape) = (square_roots(5), pullback::Tape::plain());
    assert_eq!(layer.apply(&tape.constant(&phi)).value().data()[..2], [0.0, 2.0]);
    assert!(layer.failures().is_empty());
}

#[test]
fn a_layer_masks_a_member_at_which_a_rule_refuses() {
    let shape = Shape::batch(3, 2, 2);
    let tied = |m: usize| m == 1;
    let phi = Batch::from_fn(
        shape,
        |m, i, j| if i == j { 1.0 + if tied(m) { 0.0 } else { (m + 2 * i) as f64 } } else { 0.0 },
    );
    let z = Batch::zeros(Shape::batch(3, 1, 1));
    let c = root(&z, &phi, |z: Var, phi: Var| z - vectors(phi)).flat();
    let layer = Layer::new(c, z, phi.clone(), |phi: &Batch| Ok(pullback::value(func(vectors), phi)?));
    let g = pullback::grad(
        func(|p: Var| {
            let (z, mask) = layer.apply_masked(&p);
            (mask * z).sum()
        }),
        &phi,
    )
    .unwrap();
    assert_eq!(layer.failures().iter().map(|f| f.0).collect::<Vec<_>>(), [1], "{:?}", layer.failures());
    for m in 0..3 {
        let alone = pullback::grad(func(|p: Var| vectors(p).sum()), &cut(&phi, m));
        match tied(m) {
            true => assert!(alone.is_err() && cut(&g, m).data().iter().all(|x| *x == 0.0)),
            false => assert!(alone.unwrap().data().iter().zip(cut(&g, m).data()).all(|(a, b)| (a - b).abs() < 1e-14)),
        }
    }
}
