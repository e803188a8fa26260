//! The matrices of the strategies are what they say, and stay so while they shrink.

use faer::{Mat, Side};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use pullback::Shape;
use pullback_check::strategies::{
    Form, Kind, Matrices, Recipe, Spectrum, entries, general, matrices, orthonormal, regular, skew, spd, symmetric,
    tall,
};

/// Rounding of a product of three small matrices.
const ROUNDING: f64 = 1e-14;

fn members(r: &Recipe) -> Vec<Mat<f64>> {
    let b = r.batch();
    assert_eq!(b.shape(), r.shape);
    (0..r.shape.batch).map(|k| b.member(k)).collect()
}

/// What every matrix of the kind must be.
fn assert_kind(r: &Recipe) {
    for x in members(r) {
        let t = x.transpose().to_owned();
        let entries = || (0..x.ncols()).flat_map(|j| (0..x.nrows()).map(move |i| (i, j))).map(|k| x[k]);
        assert!(entries().all(f64::is_finite), "{r:?}");
        let right = match r.kind {
            Kind::Symmetric => x == t,
            Kind::Spd => x == t && smallest(&x) > -ROUNDING * x.norm_l2(),
            Kind::Skew => x == -&t,
            Kind::Orthonormal => {
                let gram = if x.nrows() >= x.ncols() { &t * &x } else { &x * &t };
                (&gram - Mat::<f64>::identity(gram.nrows(), gram.ncols())).norm_max() < ROUNDING
            }
            Kind::Triangular => (0..x.nrows()).all(|i| x[(i, i)].abs() >= 1.0),
            Kind::Positive => entries().all(|x| x > 0.0),
            Kind::Away => entries().all(|x| (0.5..=1.5).contains(&x.abs())),
            Kind::Integer => entries().all(|x| x == x.round()),
            Kind::Zero => entries().all(|x| x == 0.0),
            _ => true,
        };
        assert!(right, "{r:?}\n{x:?}");
    }
}

fn smallest(x: &Mat<f64>) -> f64 {
    x.self_adjoint_eigenvalues(Side::Lower).unwrap().into_iter().fold(f64::MAX, f64::min)
}

fn every_set() -> Vec<Matrices> {
    let spectra = [
        Spectrum::Steps,
        Spectrum::Generic,
        Spectrum::Tied { gap: 1e-8 },
        Spectrum::Pairs { gap: 0.0 },
        Spectrum::Condition(1e6),
        Spectrum::Singular { distance: 1e-10 },
        Spectrum::Rank(1),
        Spectrum::Given(vec![2.5, 0.37, 1e-3]),
    ];
    let n = 0..=5;
    vec![
        spd(n.clone()).spectra(&spectra).batches(1..=3),
        symmetric(n.clone()).spectra(&spectra),
        skew(n.clone()).spectra(&spectra),
        regular(n.clone()).spectra(&spectra).scaled(&[-100, 0, 100]),
        general(n.clone(), n.clone()).spectra(&spectra).graded(&[0, 20]),
        tall(1..=6, 1..=3).spectra(&spectra),
        orthonormal(2..=6, 1..=4).batches(2..=3),
        entries(n.clone(), n.clone()),
        matrices(&[Kind::Triangular], Form::Square, n.clone(), n.clone()),
        matrices(&[Kind::Away, Kind::Positive], Form::Free, n.clone(), n),
    ]
}

#[test]
fn draws_are_of_their_kind_and_the_same_again() {
    for set in every_set() {
        for seed in 0..60 {
            let r = set.draw(seed);
            assert_kind(&r);
            assert_eq!(r.batch(), set.draw(seed).batch());
            // Another seed, other numbers.
            if r.shape.len() > 4 && r.kind == Kind::Spd && r.spectrum == Spectrum::Generic {
                assert_ne!(r.batch(), Recipe { seed: seed + 1, ..r.clone() }.batch());
            }
        }
    }
}

#[test]
fn spectra_are_those_asked_for() {
    let spectra = [
        Spectrum::Tied { gap: 1e-4 },
        Spectrum::Pairs { gap: 1e-8 },
        Spectrum::Condition(1e6),
        Spectrum::Singular { distance: 1e-10 },
        Spectrum::Rank(2),
        Spectrum::Given(vec![3.0, 1.0]),
        Spectrum::Generic,
    ];
    let sorted = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v
    };
    for spectrum in spectra {
        for (kind, m, n) in [(Kind::Spd, 4, 4), (Kind::General, 6, 4), (Kind::General, 3, 5), (Kind::Skew, 4, 4)] {
            let r = Recipe::new(kind, Shape::mat(m, n), 5).spectrum(spectrum.clone());
            let x = r.batch().into_mat();
            let found = sorted(x.singular_values().unwrap());
            let values = spectrum.values(m.min(n), 0);
            let wanted = match kind {
                Kind::Skew => sorted(values[..2].iter().flat_map(|s| [*s, *s]).collect()),
                _ => sorted(values),
            };
            // Random values have a seed of their own: then only the zeros and the range are known.
            let random = matches!(spectrum, Spectrum::Generic | Spectrum::Rank(_));
            for (found, wanted) in found.iter().zip(&wanted) {
                let right = if random && *wanted > 0.0 {
                    (0.5..1.5).contains(found)
                } else {
                    (found - wanted).abs() < 10.0 * ROUNDING
                };
                assert!(right, "{r:?}: {found} for {wanted}");
            }
            if !random && kind != Kind::Skew {
                assert!((r.condition() / (wanted[wanted.len() - 1] / wanted[0]) - 1.0).abs() < 1e-12);
            }
        }
    }
    assert_eq!(Recipe::new(Kind::Spd, Shape::mat(3, 3), 1).spectrum(Spectrum::Rank(2)).condition(), f64::INFINITY);
}

#[test]
fn grading_and_scale_are_in_the_numbers_and_the_directions() {
    let r = Recipe::new(Kind::General, Shape::mat(5, 3), 2).graded(200).scaled(-3);
    let (x, s) = (r.batch().into_mat(), r.scales().into_mat());
    for (j, size) in [(0, 1e-103), (1, 1e-3), (2, 1e97)] {
        let column = x.col(j).norm_max();
        assert!(column > 0.01 * size && column < 10.0 * size, "column {j}: {column:e}");
        assert!(s[(0, j)] <= column && s[(0, j)] > 1e-3 * column, "direction {j}: {:e}", s[(0, j)]);
    }
    let a = Recipe::new(Kind::Spd, Shape::mat(4, 4), 2).graded(300).batch().into_mat();
    assert_eq!(a, a.transpose().to_owned());
    assert!(a[(0, 0)] < 1e-70 && a[(3, 3)] > 1e70, "{a:?}");
}

#[test]
fn tangents_are_tangent() {
    for set in every_set() {
        for seed in 0..20 {
            let r = set.draw(seed);
            let (x, v) = (r.batch(), r.tangent(seed));
            if r.shape.len() > 3 && r.kind != Kind::Skew {
                assert_ne!(v, r.tangent(seed + 1), "{r:?}");
            }
            for b in 0..r.shape.batch {
                let (x, v) = (x.member(b), v.member(b));
                let right = match r.kind {
                    Kind::Symmetric | Kind::Spd => v == v.transpose(),
                    Kind::Skew => v == -v.transpose(),
                    Kind::Orthonormal => {
                        let c = x.transpose() * &v;
                        (&c + c.transpose()).norm_max() < ROUNDING
                    }
                    _ => true,
                };
                assert!(right, "{r:?}\n{v:?}");
            }
        }
    }
}

/// Shrinks from `r` as long as `fails` does, and checks every matrix on the way.
fn shrunk(set: &Matrices, seed: u64, fails: impl Fn(&Recipe) -> bool) -> Option<Recipe> {
    let mut r = set.draw(seed);
    if !fails(&r) {
        return None;
    }
    for _ in 0..200 {
        let list = set.simpler(&r);
        list.iter().for_each(assert_kind);
        for s in &list {
            // 1, 2, 3 ... up to the size is no worse than a generic one; and what was given is rounded.
            let rounded = if let Spectrum::Given(_) = s.spectrum { 2.0 } else { 1.0 };
            assert!(s.condition() <= rounded * r.condition().max(6.0), "{s:?} from {r:?}");
        }
        match list.into_iter().find(&fails) {
            Some(s) => r = s,
            None => return Some(r),
        }
    }
    panic!("shrinking does not end: {r:?}");
}

#[test]
fn shrinking_ends_at_the_smallest_and_keeps_the_kind() {
    for set in every_set() {
        for seed in 0..10 {
            let found = shrunk(&set, seed, |_| true).expect("it fails");
            assert_eq!(
                found.kind,
                match set.draw(seed).kind {
                    Kind::Integer | Kind::Sparse | Kind::Zero => Kind::Any,
                    kind => kind,
                }
            );
            assert!(found.seed == 0 && found.scale == 0 && found.grading == 0, "{found:?}");
            assert!(!found.kind.has_spectrum() || found.spectrum == Spectrum::Steps, "{found:?}");
        }
    }
    assert_eq!(
        shrunk(&spd(2..=6), 3, |_| true).expect("it fails").batch().into_mat(),
        faer::mat![[1.0, 0.0], [0.0, 2.0]]
    );
    // What fails only near a tie stays near one, of rounder numbers; what fails only if ill-conditioned, only just.
    let tied = |r: &Recipe| matches!(r.spectrum, Spectrum::Tied { gap } if gap < 1e-6) && r.shape.rows >= 3;
    let from = (0..).find(|s| tied(&spd(1..=6).draw(*s))).expect("one of the usual spectra");
    let found = shrunk(&spd(1..=6), from, tied).expect("it fails");
    assert!(found.shape.rows == 3 && !found.rotated && matches!(found.spectrum, Spectrum::Tied { .. }), "{found:?}");
    let bad = spd(1..=6).spectra(&[Spectrum::Condition(1e12)]);
    let found = shrunk(&bad, (0..).find(|s| bad.draw(*s).shape.rows > 2).unwrap(), |r| r.condition() > 500.0);
    assert!(found.clone().unwrap().condition() < 1e6 && found.unwrap().shape.rows == 2);
}

#[test]
fn proptest_shrinks_by_the_same_steps() {
    let mut runner = TestRunner::deterministic();
    let set = spd(1..=8).batches(1..=3);
    for _ in 0..20 {
        let mut tree = set.new_tree(&mut runner).unwrap();
        if tree.current().shape.rows < 3 {
            continue;
        }
        // The usual walk of a runner.
        let fails = |r: &Recipe| r.shape.rows >= 3;
        assert!(tree.simplify());
        loop {
            let more = if fails(&tree.current()) { tree.simplify() } else { tree.complicate() };
            if !more {
                break;
            }
        }
        let found = tree.current();
        assert_eq!(found.shape, Shape::mat(3, 3));
        assert_eq!(found.batch().into_mat(), faer::mat![[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]);
    }
}
