//! What the engine's tests share: reproducible matrices, comparisons, and panics caught with their place.
#![allow(dead_code)]

use faer::Mat;
use pullback::{Batch, Error, Failure, Shape};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Entries uniform in (-1/2, 1/2).
pub(crate) fn rnd(m: usize, n: usize, seed: u64) -> Mat<f64> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    Mat::from_fn(m, n, |_, _| {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    })
}

/// A well-conditioned symmetric positive definite matrix.
pub(crate) fn spd(n: usize, seed: u64) -> Mat<f64> {
    let a = rnd(n, n, seed);
    &a * a.transpose() + Mat::<f64>::identity(n, n)
}

/// A well-conditioned square matrix.
pub(crate) fn regular(n: usize, seed: u64) -> Mat<f64> {
    rnd(n, n, seed) + 2.0 * Mat::<f64>::identity(n, n)
}

pub(crate) fn sym(a: &Mat<f64>) -> Mat<f64> {
    0.5 * (a + a.transpose())
}

pub(crate) fn skew(n: usize, seed: u64) -> Mat<f64> {
    let a = rnd(n, n, seed);
    &a - a.transpose()
}

/// The largest difference over the larger of 1 and the largest entry; infinite where something is NaN.
pub(crate) fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = b.iter().fold(1.0_f64, |s, x| s.max(x.abs()));
    a.iter().zip(b).fold(0.0_f64, |s, (a, b)| if (a - b).is_nan() { f64::INFINITY } else { s.max((a - b).abs()) })
        / size
}

#[track_caller]
pub(crate) fn close(a: &Batch, b: &Batch, tol: f64) {
    assert_eq!(a.shape(), b.shape());
    let d = distance(a.data(), b.data());
    assert!(d <= tol, "off by {d:.2e}, allowed {tol:.0e}\n{a:?}\n{b:?}");
}

#[track_caller]
pub(crate) fn close_mat(a: &Mat<f64>, b: &Mat<f64>, tol: f64) {
    close(&Batch::of(a), &Batch::of(b), tol);
}

/// The failure behind an error.
#[track_caller]
pub(crate) fn failure(e: &Error) -> Failure {
    match e {
        Error::Data { failure, .. } => *failure,
        e => panic!("not about data: {e}"),
    }
}

/// The parts of an error about data: primitive, batch member, whether it is about a derivative, line.
#[track_caller]
pub(crate) fn data(e: &Error) -> (&'static str, Option<usize>, bool, u32) {
    match e {
        Error::Data { primitive, member, derivative, line, .. } => {
            assert!(
                line.file().starts_with("crates/ad/tests/"),
                "the error names {line}, which is no line of the program"
            );
            (primitive, *member, *derivative, line.line())
        }
        e => panic!("not about data: {e}"),
    }
}

pub(crate) fn batch_of(n: usize, rows: usize, cols: usize, f: impl Fn(u64) -> Mat<f64>) -> Batch {
    let members: Vec<Mat<f64>> = (0..n).map(|k| f(k as u64 + 1)).collect();
    let b = Batch::stack(&members);
    assert_eq!(b.shape(), Shape::batch(n, rows, cols));
    b
}

/// A panic: its message and the file and line it names.
#[derive(Debug)]
pub(crate) struct Panic {
    pub(crate) text: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

thread_local! {
    static LAST: RefCell<Option<Option<Panic>>> = const { RefCell::new(None) };
}

/// Runs `f`, which must panic.
#[track_caller]
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> Panic {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let old = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let wanted = LAST.with_borrow_mut(|l| {
                let Some(slot) = l else { return false };
                let place = info.location().expect("a place");
                let text = info.payload_as_str().unwrap_or_default().to_string();
                *slot = Some(Panic { text, file: place.file().into(), line: place.line() });
                true
            });
            if !wanted {
                old(info);
            }
        }));
    });
    LAST.set(Some(None));
    let ended = catch_unwind(AssertUnwindSafe(|| drop(f())));
    let caught = LAST.take().flatten();
    assert!(ended.is_err(), "it did not panic");
    caught.expect("the hook ran")
}
