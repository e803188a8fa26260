//! The properties of the fuzz targets, a fixed number of times: the same cases at every run.

use super::families::{Case, FAMILIES, Family};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};

/// How often each family is tried.
const CASES: u32 = 150;

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
    })
}

#[track_caller]
fn run((name, property, _): &Family) {
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

macro_rules! families {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            run(FAMILIES.iter().find(|f| f.0 == stringify!($name)).expect("a family"));
        }
    )*};
}
families!(elementwise, layout, product, trsm, lu, cholesky, qr, spectral, polar, cayley, program);
