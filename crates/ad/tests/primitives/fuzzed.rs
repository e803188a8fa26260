//! The properties of the fuzz targets, a fixed number of times: the same cases at every run.

use super::families::{Case, Target, targets};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};

/// How often each target is tried: one case of three has second orders, one of four is tried with numbers that are not
/// finite.
const CASES: u32 = 600;

/// A case: any choice at all. Shrinks towards small sizes and generic matrices.
fn case() -> impl Strategy<Value = Case> {
    (any::<u64>(), any::<[u8; 6]>()).prop_map(|(seed, [rows, cols, batch, kind, distance, op])| Case {
        seed,
        rows,
        cols,
        batch,
        kind,
        distance,
        op,
        broken: false,
    })
}

#[track_caller]
fn run((name, property, _): &Target) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let found = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        property(&case);
        Ok(())
    });
    if let Err(e) = found {
        panic!("{name}: {e}");
    }
}

fn target(name: &str) -> &'static Target {
    targets().find(|t| t.0 == name).unwrap_or_else(|| panic!("there is no target {name}"))
}

macro_rules! each {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            run(target(stringify!($name)));
        }
    )*};
}
each!(
    entries,
    layout,
    reductions,
    products,
    trsm,
    lu,
    least_squares,
    cholesky,
    qr,
    spectral,
    eigh,
    polar,
    cayley,
    expm,
    equations,
    eig,
    general,
    rotations,
    control
);

/// What fuzzing found, by target.
const REGRESSIONS: &[(&str, Case)] = &[
    // Vectors at a gap of 1e-2, whose second derivatives cancel: the property asked for more digits than there are.
    ("eigh", Case { seed: 2, rows: 3, cols: 5, batch: 0, kind: 2, distance: 2, op: 2, broken: false }),
    // A singular matrix of order one.
    ("cholesky", Case { seed: 1, rows: 1, cols: 0, batch: 0, kind: 6, distance: 0, op: 0, broken: false }),
    // Powers of 1.5 at zero entries: one derivative and no second, so that remainders fall too slowly and no rule is
    // wrong.
    ("entries", Case { seed: 21558734341, rows: 9, cols: 38, batch: 0, kind: 1, distance: 9, op: 9, broken: false }),
];

#[test]
fn what_fuzzing_found_stays_fixed() {
    for (name, case) in REGRESSIONS {
        target(name).1(case);
    }
}

/// Every property fails when the reverse rule is broken: in most cases, since some have no entries, end in a typed
/// error, or have the derivative zero.
#[test]
fn every_property_fails_when_a_rule_is_broken() {
    for (name, property, _) in targets() {
        let (cases, mut found) = (48, 0);
        for k in 0..cases {
            let [rows, cols] = [2 + k % 4, 2 + k / 4 % 4];
            let case = Case { seed: u64::from(k), rows, cols, batch: k, kind: 0, distance: 2, op: k, broken: true };
            let outcome = std::panic::catch_unwind(|| property(&case));
            let message = outcome.err().and_then(|e| e.downcast::<String>().ok());
            found += usize::from(message.is_some_and(|m| m.contains("not the transpose")));
        }
        assert!(found >= usize::from(cases) / 2, "{name}: {found} of {cases} cases find the broken rule");
    }
}
