//! Cotangents that are added where there is a sum already: of operands that broadcast, of blocks, of rows that indices
//! name, of winners, of shifts. Every operand is used three times, and the gradient is compared with the one that is
//! recorded, which never adds in place; with and without shortcuts, and over pairs.

use super::points::Rng;
use faer::Mat;
use pullback::{Axis, Batch, MatLike, Shape, Tape, Var};

/// A matrix, a column, a row and a number.
type Operands<'t> = [Var<'t>; 4];

const PROGRAMS: [(&str, for<'t> fn(Operands<'t>) -> Var<'t>); 27] = [
    ("matrix o column", |[x, c, _, _]| x.hadamard(c)),
    ("row o matrix", |[x, _, r, _]| r.hadamard(x)),
    ("matrix times number", |[x, _, _, s]| x * s),
    ("column o row", |[_, c, r, _]| c.hadamard(r)),
    ("matrix plus column", |[x, c, _, _]| x.lincomb(0.5, c, -2.0)),
    ("row minus matrix", |[x, _, r, _]| r.lincomb(3.0, x, -1.0)),
    ("column plus row", |[_, c, r, _]| c - r),
    ("number plus matrix", |[x, _, _, s]| s.lincomb(2.0, x, 0.25)),
    ("matrix over column", |[x, c, _, _]| x.elem_div(c.square() + 1.0)),
    ("row over matrix", |[x, _, r, _]| r.elem_div(x.square() + 1.0)),
    ("hadamard_add of a matrix", |[x, c, r, _]| x.hadamard_add(x, c - r)),
    ("hadamard_add of a column", |[x, c, r, _]| c.hadamard_add(r, x)),
    ("hadamard_add of a number", |[x, _, r, s]| x.hadamard_add(s, r)),
    ("hadamard_add with a number", |[x, _, _, s]| x.hadamard_add(x, s)),
    ("columns with themselves", |[x, ..]| x.column_dots(x)),
    ("columns with others", |[x, c, r, _]| x.column_dots(x.hadamard(c) + r)),
    ("rows with themselves", |[x, ..]| x.row_dots(x)),
    ("rows with others", |[x, _, r, _]| x.row_dots(x + r)),
    ("shifts", |[x, ..]| x.shift(Axis::Rows, 1) + x.shift(Axis::Cols, -2)),
    ("blocks", |[x, ..]| {
        let (m, n) = (x.rows(), x.cols());
        x.slice(m / 2, n / 3, m - m / 2, n - n / 3).square()
    }),
    ("columns by number", |[x, ..]| {
        let n = x.cols();
        x.gather(Axis::Cols, &[n - 1, 0, n / 2, 0])
    }),
    ("rows by number", |[x, ..]| {
        let m = x.rows();
        x.gather(Axis::Rows, &[0, m - 1, 0])
    }),
    // Entries are rounded to eighths, so that there are ties.
    ("largest", |[x, ..]| x.column_max().sum_each() + x.max_all()),
    ("smallest of rows", |[x, ..]| x.row_min()),
    ("logarithm of all exponentials", |[x, ..]| x.log_sum_exp()),
    ("logarithms of exponentials of columns", |[x, ..]| x.column_log_sum_exp()),
    ("logarithms of exponentials of rows", |[x, ..]| (4.0 * x).row_log_sum_exp()),
];

const SIZES: [(usize, usize); 7] = [(1, 1), (1, 6), (2, 7), (5, 4), (3, 70), (17, 3), (1100, 2)];

fn operands(m: usize, n: usize, seed: u64) -> [Mat<f64>; 4] {
    let mut rng = Rng::new(seed);
    [(m, n), (m, 1), (1, n), (1, 1)].map(|(m, n)| {
        let x = rng.normal(m, n);
        Mat::from_fn(m, n, |i, j| (8.0 * x[(i, j)]).round() / 8.0)
    })
}

/// `<w1, x> + <w2, f(x)> + <w3, x>`, so that one sum is there before `f` is pulled back, and one comes after.
fn loss<'t>(x: Operands<'t>, f: for<'u> fn(Operands<'u>) -> Var<'u>) -> Var<'t> {
    let linear = |seed: u64| {
        let terms = x.iter().map(|x| x.dot(Rng::new(seed).normal(x.rows(), x.cols())));
        terms.reduce(|a, b| a + b).expect("four operands")
    };
    let before = linear(7);
    let y = f(x);
    let w = Rng::new(8).normal(y.rows(), y.cols());
    before + y.square().dot(&w) + linear(9)
}

fn near(a: &Batch<f64>, b: &Batch<f64>, what: &str) {
    let size = b.data().iter().fold(1.0f64, |s, x| s.max(x.abs()));
    for (k, (a, b)) in a.data().iter().zip(b.data()).enumerate() {
        assert!((a - b).abs() <= 2e-13 * size, "{what}, entry {k}: {a:e} and {b:e}");
    }
}

#[test]
fn sums_in_place_are_those_of_the_recorded_rules() {
    for (m, n) in SIZES {
        for (name, f) in PROGRAMS {
            let tape = Tape::new();
            let x = operands(m, n, 1).map(|x| tape.input(&x));
            let y = loss(x, f);
            let recorded: Vec<Batch<f64>> =
                tape.grads_on_tape(y, &x).unwrap().into_iter().map(|g| g.value().clone()).collect();
            let v = operands(m, n, 2);
            let along: Vec<(Var<'_>, &dyn MatLike<f64>)> = x.iter().zip(&v).map(|(x, v)| (*x, v as _)).collect();
            let moved: Vec<Var<'_>> = tape.grads_on_tape(y, &x).unwrap();
            let tangents: Vec<Batch<f64>> = moved
                .iter()
                .map(|g| {
                    let mut dg = Batch::zeros(g.shape());
                    tape.jvp_into(&along, &[*g], &mut [&mut dg]).unwrap();
                    dg
                })
                .collect();
            for on in [true, false] {
                tape.use_shortcuts(on);
                let what = |part: &str, i: usize| format!("{name}, {m}x{n}, {part} {i}, shortcuts {on}");
                let mut g: Vec<Batch<f64>> = x.iter().map(|x| Batch::zeros(x.shape())).collect();
                let mut h = g.clone();
                tape.gradient_into(y, &x, &mut g.iter_mut().collect::<Vec<_>>()).unwrap();
                g.iter().zip(&recorded).enumerate().for_each(|(i, (g, r))| near(g, r, &what("gradient", i)));
                tape.hvps_into(y, &along, &mut h.iter_mut().collect::<Vec<_>>()).unwrap();
                h.iter().zip(&tangents).enumerate().for_each(|(i, (h, t))| near(h, t, &what("product", i)));
            }
        }
    }
}

#[test]
fn members_of_a_batch_have_sums_of_their_own() {
    for (name, f) in PROGRAMS {
        let tape = Tape::new();
        let members: Vec<[Mat<f64>; 4]> = (0..3).map(|b| operands(3, 6, 10 + b)).collect();
        let x: Operands<'_> =
            [0, 1, 2, 3].map(|i| tape.input(&Batch::stack(&members.iter().map(|m| m[i].clone()).collect::<Vec<_>>())));
        let y = f(x);
        let w = Rng::new(8).normal(y.rows(), y.cols());
        let loss = (y.square().dot(&w) + x[0].sum_each()).sum();
        let g = x.map(|x| tape.gradient(loss, x).unwrap());
        for (b, member) in members.iter().enumerate() {
            let alone = Tape::new();
            let x = [0, 1, 2, 3].map(|i| alone.input(&member[i]));
            let loss = f(x).square().dot(&w) + x[0].sum();
            for i in 0..4 {
                let one = alone.gradient(loss, x[i]).unwrap();
                near(&Batch::of(&g[i].member(b)), &one, &format!("{name}, member {b}, operand {i}"));
            }
        }
    }
}

#[test]
fn a_group_without_numbers_says_so_where_there_is_a_sum_too() {
    let tape = Tape::new();
    let x = tape.input(&Batch::from_slice(Shape::mat(2, 1), &[1.0, f64::NAN]));
    let y = x.max_all() + x.sum();
    assert!(tape.gradient(y, x).is_err());
}

#[test]
fn a_shift_further_than_there_are_entries_is_zero_however_far() {
    for by in [isize::MIN, -4, 4, isize::MAX] {
        let tape = Tape::new();
        let x = tape.input(&Rng::new(3).normal(4, 2));
        let y = x.shift(Axis::Rows, by);
        assert!(y.value().data().iter().all(|y| *y == 0.0), "{by}");
        let g = tape.gradient(y.sum() + x.sum(), x).unwrap();
        assert!(g.data().iter().all(|g| *g == 1.0), "{by}");
    }
}
