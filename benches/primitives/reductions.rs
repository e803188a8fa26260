//! Reductions beside plain loops over the same numbers, which stand where faer has nothing to call.

use crate::{Row, batch};
use pullback::{Axis, Batch};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            name: "row_max",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].row_max()],
            faer: |n, x| by_rows(n, x, |row, a| row.iter_mut().zip(a).for_each(|(r, a)| *r = r.max(*a))),
            limit: f64::INFINITY,
        },
        Row {
            name: "softmax",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].column_softmax()],
            faer: |n, x| {
                by_columns(n, x, |c| {
                    let top = c.iter().fold(f64::MIN, |t, x| t.max(*x));
                    c.iter_mut().for_each(|x| *x = (*x - top).exp());
                    let sum: f64 = c.iter().sum();
                    c.iter_mut().for_each(|x| *x /= sum);
                })
            },
            limit: f64::INFINITY,
        },
        Row {
            name: "column_min",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].column_min()],
            faer: |n, x| by_columns(n, x, |c| c[0] = c.iter().fold(f64::MAX, |t, x| t.min(*x))),
            limit: f64::INFINITY,
        },
        Row {
            name: "column_dots",
            inputs: |n| vec![batch(n, n, 1), batch(n, n, 2)],
            program: |x| vec![x[0].column_dots(x[1])],
            faer: |n, x| {
                let (a, b, mut y) = (x[0].data().to_vec(), x[1].data().to_vec(), vec![0.0; n]);
                Box::new(move || {
                    let columns = a.chunks_exact(n).zip(b.chunks_exact(n));
                    y.iter_mut().zip(columns).for_each(|(y, (a, b))| *y = a.iter().zip(b).map(|(a, b)| a * b).sum());
                    std::hint::black_box(&y);
                })
            },
            limit: f64::INFINITY,
        },
        Row {
            name: "hadamard_add",
            inputs: |n| vec![batch(n, n, 1), batch(n, n, 2), batch(n, n, 3)],
            program: |x| vec![x[0].hadamard_add(x[1], x[2])],
            faer: |n, x| {
                let [a, b, c] = [0, 1, 2].map(|i| x[i].data().to_vec());
                let mut y = vec![0.0; n * n];
                Box::new(move || {
                    let all = a.iter().zip(&b).zip(&c);
                    y.iter_mut().zip(all).for_each(|(y, ((a, b), c))| *y = a * b + c);
                    std::hint::black_box(&y);
                })
            },
            limit: f64::INFINITY,
        },
        Row {
            name: "shift",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].shift(Axis::Rows, 1)],
            faer: |n, x| by_columns(n, x, |c| c.copy_within(..c.len() - 1, 1)),
            limit: f64::INFINITY,
        },
        Row {
            name: "cumsum",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].cumsum(Axis::Rows)],
            faer: |n, x| by_columns(n, x, |c| (1..c.len()).for_each(|i| c[i] += c[i - 1])),
            limit: f64::INFINITY,
        },
        Row {
            name: "prod",
            inputs: |n| vec![batch(n, n, 1)],
            program: |x| vec![x[0].column_prods()],
            faer: |n, x| by_columns(n, x, |c| c[0] = c.iter().product()),
            limit: f64::INFINITY,
        },
        Row {
            name: "select",
            inputs: |n| vec![batch(n, n, 1), batch(n, n, 2)],
            program: |x| vec![x[0].gt(x[1]).select(x[0], 0.0)],
            faer: |n, x| {
                let b = x[1].data().to_vec();
                let mut y = vec![0.0; n * n];
                let a = x[0].data().to_vec();
                Box::new(move || {
                    y.iter_mut().zip(a.iter().zip(&b)).for_each(|(y, (a, b))| *y = if a > b { *a } else { 0.0 });
                    std::hint::black_box(&y);
                })
            },
            limit: f64::INFINITY,
        },
        Row {
            name: "distances",
            // Eight coordinates, as points have.
            inputs: |n| vec![batch(n, 8, 1), batch(n, 8, 2)],
            program: |x| vec![x[0].pairwise_dist2(x[1], Axis::Rows)],
            faer: |n, x| {
                let (a, b, mut y) = (x[0].data().to_vec(), x[1].data().to_vec(), vec![0.0; n * n]);
                Box::new(move || {
                    y.fill(0.0);
                    for (j, y) in y.chunks_exact_mut(n).enumerate() {
                        for (a, b) in a.chunks_exact(n).zip(b.chunks_exact(n)) {
                            y.iter_mut().zip(a).for_each(|(y, a)| *y += (a - b[j]) * (a - b[j]));
                        }
                    }
                    std::hint::black_box(&y);
                })
            },
            limit: f64::INFINITY,
        },
    ]
}

/// Runs `f` on a copy of each column.
fn by_columns(n: usize, x: &[Batch<f64>], f: fn(&mut [f64])) -> Box<dyn FnMut()> {
    let (a, mut y) = (x[0].data().to_vec(), x[0].data().to_vec());
    Box::new(move || {
        y.copy_from_slice(&a);
        y.chunks_exact_mut(n).for_each(f);
        std::hint::black_box(&y);
    })
}

/// Runs `f` on what is kept for each row and a column, column after column.
fn by_rows(n: usize, x: &[Batch<f64>], f: fn(&mut [f64], &[f64])) -> Box<dyn FnMut()> {
    let (a, mut y) = (x[0].data().to_vec(), vec![0.0; n]);
    Box::new(move || {
        y.copy_from_slice(&a[..n]);
        a.chunks_exact(n).for_each(|c| f(&mut y, c));
        std::hint::black_box(&y);
    })
}
