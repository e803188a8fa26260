//! The largest and the smallest of many entries, and how many equal a number, at every length around the lanes.

use pullback_kernels::list::*;

fn entries<T: Kernels>(n: usize) -> Vec<T> {
    // A permutation with repetitions, by a step without a common factor.
    (0..n).map(|i| T::of(((i * 37) % (n / 2 + 1)) as f64 - n as f64 / 4.0)).collect()
}

fn at_every_length<T: Kernels>() {
    for n in (0..140).chain([511, 512, 1000, 1025]) {
        let x = entries::<T>(n);
        for max in [true, false] {
            let end = if max { T::neg_infinity() } else { T::infinity() };
            let better = |a: T, b: T| if max { a > b } else { a < b };
            let want = x.iter().fold(end, |b, &a| if better(a, b) { a } else { b });
            assert_eq!(T::extreme(max, end, &x), want, "{} {n} {max}", T::NAME);
            assert_eq!(T::count(want, &x), x.iter().filter(|a| **a == want).count(), "{} {n}", T::NAME);
            // What was found before takes part.
            let far = if max { T::of(1e6) } else { T::of(-1e6) };
            assert_eq!(T::extreme(max, far, &x), far);
            for at in [0, n / 2, n.saturating_sub(1)] {
                let mut y = x.clone();
                if let Some(entry) = y.get_mut(at) {
                    *entry = T::nan();
                    assert!(T::extreme(max, end, &y).is_nan(), "{} {n} NaN at {at}", T::NAME);
                    assert_eq!(T::count(T::nan(), &y), 0);
                }
            }
            assert!(T::extreme(max, T::nan(), &x).is_nan(), "{} {n} NaN before", T::NAME);
        }
    }
}

#[test]
fn extrema_and_counts_are_those_of_a_plain_loop() {
    at_every_length::<f64>();
    at_every_length::<f32>();
}
