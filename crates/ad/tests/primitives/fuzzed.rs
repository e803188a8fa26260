//! The properties of the fuzz targets, a fixed number of times: the same cases at every run.

use super::controls::Sine;
use super::families::{Case, FAMILIES, Family, holds};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use pullback::{Batch, Custom, Shape, Var};
use std::sync::Arc;

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
families!(elementwise, layout, product, trsm, lu, least, cholesky, qr, spectral, spectra, polar, cayley, program);

/// [`Sine`] with half of its cotangents.
struct Half;

impl Custom for Half {
    fn name(&self) -> &'static str {
        "half"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        Sine.value(x)
    }
    fn jvp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        Sine.jvp(x, y, dx)
    }
    fn vjp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        Sine.vjp(x, y, dy).into_iter().map(|g| g.map(|g| g * 0.5)).collect()
    }
}

#[test]
#[should_panic(expected = "not the transpose")]
fn the_property_can_fail() {
    let case = Case { seed: 1, rows: 2, cols: 2, batch: 0, kind: 0, distance: 0, op: 0 };
    let x = Batch::from_fn(Shape::mat(2, 2), |_, i, j| 0.3 + i as f64 - 0.2 * j as f64);
    // Even where almost all digits are granted to be lost.
    holds(&case, "half", |x| x[0].tape().custom(Arc::new(Half), x), &vec![x.clone(), x], 1e5);
}
