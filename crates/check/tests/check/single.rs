//! The checker in single precision: right programs raise no alarm, and what is missing by a half is nearly always
//! found. Everything else about the checker is tested in double precision.

use pullback::{Batch, Many, Shape, Var};
use pullback_check::check_many;
use pullback_check::strategies::{Kind, Recipe, Spectrum};

type Program = for<'t> fn(&[Var<'t, f32>]) -> Vec<Var<'t, f32>>;

fn programs() -> Vec<(&'static str, Program, Kind, (usize, usize))> {
    use Kind::{General, Spd};
    vec![
        ("inverse", |x| vec![x[0].inverse()], General, (3, 3)),
        ("solve", |x| vec![x[0].solve(x[0].t())], General, (4, 4)),
        ("logdet", |x| vec![x[0].logdet()], General, (4, 4)),
        ("pinv", |x| vec![x[0].pinv()], General, (4, 3)),
        (
            "qr",
            |x| {
                let (q, r) = x[0].qr();
                vec![q, r]
            },
            General,
            (4, 3),
        ),
        (
            "polar",
            |x| {
                let (w, h) = x[0].polar();
                vec![w, h]
            },
            General,
            (4, 3),
        ),
        ("cholesky", |x| vec![x[0].cholesky()], Spd, (4, 4)),
        ("logarithm", |x| vec![x[0].logm_spd()], Spd, (3, 3)),
        ("square root", |x| vec![x[0].sqrtm_spd()], Spd, (4, 4)),
        ("eigenvalues", |x| vec![x[0].eigvalsh()], Spd, (4, 4)),
        (
            "eigenvectors",
            |x| {
                let (l, v) = x[0].eigh();
                vec![l, v]
            },
            Spd,
            (4, 4),
        ),
        ("singular values", |x| vec![x[0].svdvals()], General, (4, 3)),
        ("tanh of a product", |x| vec![x[0].mul_t(x[0]).tanh()], General, (4, 3)),
        ("exponentials", |x| vec![x[0].exp() * x[0].t(), x[0].norm()], General, (4, 3)),
    ]
}

fn points(
    kind: Kind,
    (m, n): (usize, usize),
    spectrum: &Spectrum,
    seeds: u64,
) -> impl Iterator<Item = (u64, Vec<Batch<f32>>)> {
    (0..seeds).map(move |seed| {
        let x = Recipe::new(kind, Shape::mat(m, n), seed).spectrum(spectrum.clone()).batch();
        let data: Vec<f32> = x.data().iter().map(|x| *x as f32).collect();
        (seed, vec![Batch::from_slice(x.shape(), &data)])
    })
}

#[test]
fn right_programs_are_right_or_not_judged() {
    for (name, f, kind, shape) in programs() {
        for spectrum in [Spectrum::Generic, Spectrum::Condition(10.0), Spectrum::Condition(1e2)] {
            let mut open = 0;
            for (seed, x0) in points(kind, shape, &spectrum, 100) {
                let report = check_many(|x: Vec<Var<f32>>| Many(f(&x)), &x0).seed(seed).orders(1..=2).run();
                assert!(!report.is_wrong(), "{name}, {spectrum:?}, seed {seed}:\n{report}");
                open += usize::from(!report.is_ok());
            }
            // With seven digits, steps that are small enough are often rounding.
            let generic = matches!(spectrum, Spectrum::Generic);
            assert!(!generic || open <= 30, "{name}: {open} of 100 not judged");
        }
    }
}

#[test]
fn a_factor_taken_for_constant_is_found() {
    for (name, f, kind, shape) in programs() {
        let (mut passed, mut wrong) = (0, 0);
        for (seed, x0) in points(kind, shape, &Spectrum::Generic, 100) {
            let check = check_many(|x: Vec<Var<f32>>| Many(f(&[x[0] * 0.5 + x[0].stop_gradient() * 0.5])), &x0);
            let report = check.seed(seed).orders(1..=1).run();
            passed += usize::from(report.is_ok());
            wrong += usize::from(report.is_wrong());
        }
        // Half of the derivative is missing; along some directions that is too little for seven digits.
        assert!(passed <= 5 && wrong >= 90, "{name}: of 100, {passed} pass and {wrong} are found wrong");
    }
}
