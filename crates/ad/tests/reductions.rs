//! Sums of many terms in single precision, against the same sums in double: the rounding error grows with the logarithm
//! of their number. A plain loop is off by percents at these lengths.

use pullback::{Axis, Batch, Leaves, Scalar, Shape, Tape, Var};

/// Positive entries that are not exact in single precision, with a tail that changes from entry to entry.
fn entries(n: usize) -> Vec<f64> {
    (0..n).map(|k| f64::from(0.1 + 0.8 * ((k as f64 * 0.618_033_988_749).fract()) as f32)).collect()
}

fn in_single(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

type Program<T> = for<'t> fn(Var<'t, T>) -> Var<'t, T>;

/// The value, and the gradient of the sum of the value.
fn both<T: Scalar>(f: Program<T>, shape: Shape, x: &[T]) -> [Batch<T>; 2]
where
    Batch<T>: Leaves<Scalar = T>,
{
    let tape = Tape::<T>::new();
    let x = tape.input(&Batch::from_slice(shape, x));
    let y = f(x);
    let g = tape.gradient(y.sum(), x).unwrap();
    [y.value(), g]
}

/// The largest error, over the largest entry.
fn error(single: &Batch<f32>, double: &Batch<f64>) -> f64 {
    let pairs = single.data().iter().zip(double.data());
    pairs.map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max) / double.max_abs()
}

macro_rules! programs {
    ($($name:literal $shape:expr, $f:expr;)*) => {
        [$(($name, $shape, $f as Program<f32>, $f as Program<f64>)),*]
    };
}

#[test]
fn every_reduction_of_ten_million_entries_keeps_its_digits() {
    const N: usize = 10_000_000;
    let x = entries(N);
    let single = in_single(&x);
    let programs = programs! {
        "sum" Shape::mat(N, 1), |x| x.sum();
        "mean" Shape::mat(1, N), |x| x.mean();
        "dot" Shape::mat(N, 1), |x| x.dot(x);
        "norm" Shape::mat(N, 1), |x| x.norm();
        "t_mul of a column" Shape::mat(N, 1), |x| x.t_mul(x);
        "t_mul of columns" Shape::mat(N / 4, 4), |x| x.t_mul(x);
        "mul_t of rows" Shape::mat(3, 3_000_000), |x| x.mul_t(x);
        "column_sums" Shape::mat(N / 2, 2), |x| x.column_sums();
        "row_sums" Shape::mat(2, N / 2), |x| x.row_sums();
        "row_sums of a row" Shape::mat(1, N), |x| x.row_sums();
        "row_sums of many rows" Shape::mat(100, N / 100), |x| x.row_sums();
        "sum_each" Shape::batch(2, N / 4, 2), |x| x.sum_each();
        "sum_batch" Shape::batch(N / 2, 2, 1), |x| x.sum_batch();
        "sum over rows and members" Shape::batch(N / 4, 2, 2), |x| x.sum_to(Shape::mat(1, 2));
        "row_norms" Shape::mat(2, N / 2), |x| x.row_norms();
        "column_norms" Shape::mat(N / 2, 2), |x| x.column_norms();
        "log_sum_exp" Shape::mat(N, 1), |x| x.log_sum_exp();
        "row_log_sum_exp" Shape::mat(2, N / 2), |x| x.row_log_sum_exp();
        "log_softmax" Shape::mat(N / 10, 10), |x| x.column_log_softmax().slice(0, 0, 3, 10);
        "softmax" Shape::mat(N / 10, 10), |x| x.column_softmax().slice(0, 0, 3, 10).log2();
        "var" Shape::mat(N / 10, 1), |x| x.var(1);
        "row_std" Shape::mat(2, N / 20), |x| x.row_std(0);
        "column_dots" Shape::mat(N / 2, 2), |x| x.column_dots(x);
        "row_dots" Shape::mat(2, N / 2), |x| x.row_dots(x);
        "cumsum over rows" Shape::mat(N / 2, 2), |x| x.cumsum(Axis::Rows);
        "cumsum over columns" Shape::mat(2, N / 2), |x| x.cumsum(Axis::Cols);
        "distances of far-reaching points" Shape::mat(2, N / 2), |x| x.pairwise_dist2(x * 0.5, Axis::Rows);
        "distances to many points" Shape::mat(1, N), |x| x.column(0).pairwise_dist2(x.t(), Axis::Rows).sum();
    };
    for (name, shape, f32s, f64s) in programs {
        let n = shape.len();
        let (s, d) = (both::<f32>(f32s, shape, &single[..n]), both::<f64>(f64s, shape, &x[..n]));
        for (what, s, d) in [("value", &s[0], &d[0]), ("gradient", &s[1], &d[1])] {
            let e = error(s, d);
            assert!(e < 4e-6, "{name}: the {what} is off by {e:.1e}, expected less than 4e-6");
        }
    }
}

#[test]
fn cotangents_of_what_a_batch_shares_are_summed_as_carefully() {
    // y_i = W x_i and y_i = x_i W over a million members: the cotangent of W is a sum over all of them.
    const N: usize = 1_000_000;
    fn shared<T: Scalar>(x: &[T], shape: Shape, w: Shape, right: bool) -> Batch<T> {
        let tape = Tape::<T>::new();
        let x = tape.input(&Batch::from_slice(shape, x));
        let w = tape.input(&Batch::from_slice(w, &vec![T::of(0.3); w.len()]));
        let y = if right { x * w } else { w * x };
        tape.gradient(y.sum(), w).unwrap()
    }
    let x = entries(4 * N);
    let single = in_single(&x);
    for (shape, w, right) in [
        (Shape::batch(N, 2, 1), Shape::mat(3, 2), false),
        (Shape::batch(N, 1, 2), Shape::mat(2, 3), true),
        (Shape::batch(N, 2, 2), Shape::mat(2, 2), true),
    ] {
        let n = shape.len();
        let e = error(&shared(&single[..n], shape, w, right), &shared(&x[..n], shape, w, right));
        assert!(e < 4e-6, "{shape}: off by {e:.1e}");
    }
}

#[test]
fn the_order_of_a_sum_is_fixed() {
    let x = in_single(&entries(100_001));
    let run = || both::<f32>(|x| x.sum(), Shape::mat(100_001, 1), &x)[0].data()[0].to_bits();
    let first = run();
    assert!((0..5).all(|_| run() == first));
}

#[test]
fn sums_up_to_each_entry_keep_their_digits() {
    const N: usize = 1_000_000;
    let x = entries(N);
    fn sums<T: Scalar>(x: &[T]) -> Batch<T> {
        let tape = Tape::<T>::plain();
        tape.input(&Batch::from_slice(Shape::mat(x.len(), 1), x)).cumsum(pullback::Axis::Rows).value()
    }
    let e = error(&sums(&in_single(&x)), &sums(&x));
    assert!(e < 4e-7, "off by {e:.1e}");
}

#[test]
fn norms_of_long_vectors_keep_their_digits_out_of_the_range_of_squares() {
    const N: usize = 1_000_000;
    for scale in [1e-25, 1e25] {
        let x: Vec<f64> = entries(N).iter().map(|x| f64::from((x * scale) as f32)).collect();
        let programs = programs! {
            "norm" Shape::mat(N, 1), |x| x.norm();
            "column_norms" Shape::mat(N / 2, 2), |x| x.column_norms();
        };
        for (name, shape, f32s, f64s) in programs {
            let (s, d) = (both::<f32>(f32s, shape, &in_single(&x)), both::<f64>(f64s, shape, &x));
            for (what, s, d) in [("value", &s[0], &d[0]), ("gradient", &s[1], &d[1])] {
                let e = error(s, d);
                assert!(e < 4e-6, "{name} at {scale:e}: the {what} is off by {e:.1e}");
            }
        }
    }
}

#[test]
fn cotangents_that_a_batch_shares_keep_their_sign_and_what_was_there() {
    // W occurs twice, once with a minus: the second sum over the members is added to the first.
    const N: usize = 1000;
    fn shared<T: Scalar>(x: &[T]) -> Batch<T> {
        let tape = Tape::<T>::new();
        let x = tape.input(&Batch::from_slice(Shape::batch(N, 2, 2), x));
        let w = tape.input(&Batch::from_slice(Shape::mat(2, 2), &[T::of(0.3), T::of(-0.2), T::of(0.1), T::of(0.4)]));
        let y = (x * w).tanh() - w * x - w * x;
        let z = x.t_mul(w) - w.t_mul(x);
        tape.gradient(y.sum() + z.exp().sum() + w.sum(), w).unwrap()
    }
    let x = entries(4 * N);
    let e = error(&shared(&in_single(&x)), &shared(&x));
    assert!(e < 2e-5, "off by {e:.1e}");
}

#[test]
#[should_panic(expected = "16777217 places are more than f32 can count")]
fn more_places_than_single_precision_counts_are_refused() {
    let tape = Tape::<f32>::plain();
    let _ = tape.filled(Shape::mat(16_777_217, 1), 1.0).argmax_all();
}

#[test]
fn equal_entries_lose_nothing() {
    // The same rounding error at every addition: a plain loop over a million of them is off by percents.
    const N: usize = 10_000_000;
    for entry in [0.1f32, 0.7] {
        let (single, x) = (vec![entry; N], vec![f64::from(entry); N]);
        let programs = programs! {
            "sum" Shape::mat(N, 1), |x| x.sum();
            "dot" Shape::mat(N, 1), |x| x.dot(x);
            "t_mul of columns" Shape::mat(N / 4, 4), |x| x.t_mul(x);
            "mul_t of rows" Shape::mat(3, 3_000_000), |x| x.mul_t(x);
            "column_sums" Shape::mat(N / 2, 2), |x| x.column_sums();
            "row_sums" Shape::mat(2, N / 2), |x| x.row_sums();
            "sum_batch" Shape::batch(N / 2, 2, 1), |x| x.sum_batch();
            "cumsum" Shape::mat(N / 2, 1), |x| x.cumsum(pullback::Axis::Rows).row(N / 2 - 1);
        };
        for (name, shape, f32s, f64s) in programs {
            let n = shape.len();
            let (s, d) = (both::<f32>(f32s, shape, &single[..n]), both::<f64>(f64s, shape, &x[..n]));
            // Within a piece of a product (4096 terms) and a block of a sum (512) the loop is plain.
            let e = error(&s[0], &d[0]);
            assert!(e < 2e-5, "{name} of {entry}: the value is off by {e:.1e}");
        }
        // One large weight, and many that are equal.
        let rest = entry.ln();
        let weights = |k: usize| if k == 0 { 0.0 } else { rest };
        let (single, x) = ((0..N).map(weights).collect::<Vec<_>>(), (0..N).map(|k| f64::from(weights(k))));
        let x: Vec<f64> = x.collect();
        let s = both::<f32>(|x| x.log_sum_exp().exp(), Shape::mat(N, 1), &single);
        let d = both::<f64>(|x| x.log_sum_exp().exp(), Shape::mat(N, 1), &x);
        let e = error(&s[0], &d[0]);
        assert!(e < 2e-5, "log_sum_exp of {rest}: the value is off by {e:.1e}");
    }
}

#[test]
fn exponentials_that_are_kept_give_the_numbers_of_those_that_are_not() {
    // A tape that only evaluates keeps none, and neither do few entries; -inf alone and among others, in every shape.
    // The gradient of a sum of -inf is refused, so weights of 0 are those of -1e4 there.
    type Of = for<'t> fn(Var<'t>) -> [Var<'t>; 2];
    let programs: [Of; 3] = [
        |x| [x.log_sum_exp(), x.softmax()],
        |x| [x.column_log_sum_exp(), x.column_softmax()],
        |x| [x.row_log_sum_exp(), x.row_softmax()],
    ];
    let shapes = [(1, 63), (1, 64), (65, 1), (2, 40), (7, 300), (300, 7), (1500, 2), (2, 1500), (40, 40)];
    for ((rows, cols), low) in shapes.into_iter().flat_map(|s| [(s, f64::NEG_INFINITY), (s, -1e4)]) {
        let shape = Shape { batch: 2, ..Shape::mat(rows, cols) };
        let hole = |i: usize, j: usize| (i + 3 * j) % 11 == 4 || i == 1;
        let entry = |b: usize, i: usize, j: usize| 7.0 * ((b + 31 * i + 17 * j) as f64).sin();
        let x = Batch::from_fn(shape, |b, i, j| if hole(i, j) { low } else { entry(b, i, j) });
        for of in programs {
            let tape = Tape::new();
            let input = tape.input(&x);
            let [sum, weights] = of(input);
            let plain = Tape::plain();
            assert_eq!(sum.value(), of(plain.input(&x))[0].value(), "{rows}x{cols}");
            if low.is_finite() {
                let g = tape.gradient(sum.sum(), input).unwrap();
                assert_eq!(g, weights.value(), "{rows}x{cols}");
            }
        }
    }
}
