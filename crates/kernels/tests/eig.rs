//! Eigenvalues and eigenvectors of general matrices: residual, biorthogonality, normal form and order over kinds, sizes
//! and scales of matrices; condition numbers against formulas; which eigenvalues count as tied and which as defective.

mod common;
use common::*;
use pullback_kernels::list::*;
use pullback_kernels::{ColumnOp, Failure, Verdict, Workspace};

const NOTES: usize = 6;
const PLACE: usize = 2;
const STATE: usize = 4;
const CONDITION: usize = 5;
const SIMPLE: f64 = 0.0;
const TIED: f64 = 1.0;
const TIED_REAL: f64 = 2.0;
const DEFECTIVE: f64 = 3.0;

/// Everything that the kernel returns.
struct Found<T> {
    n: usize,
    values: Vec<T>,
    x: Vec<T>,
    w: Vec<T>,
    notes: Vec<T>,
}

fn eig<T: Kernels>(a: &[T], n: usize) -> Found<T> {
    let made = |k: usize| vec![T::nan(); k];
    let mut f = Found { n, values: made(n), x: made(n * n), w: made(n * n), notes: made(NOTES * n) };
    let w = &mut Workspace::default();
    T::eig(a, n, &mut f.values, &mut f.x, &mut f.w, &mut f.notes, w).unwrap_or_else(|e| panic!("{n}: {e}"));
    f
}

impl<T: Kernels> Found<T> {
    fn note(&self, row: usize, j: usize) -> f64 {
        self.notes[row + NOTES * j].f64()
    }
    fn states(&self) -> Vec<f64> {
        (0..self.n).map(|j| self.note(STATE, j)).collect()
    }
    /// Real and imaginary parts of packed columns of `m` rows, in order.
    fn parts(&self, x: &[T], m: usize) -> [Vec<T>; 2] {
        [false, true].map(|im| {
            let mut out = vec![T::nan(); m * self.n];
            T::columns(ColumnOp::Unpack { im }, &self.notes, m, &[x], &mut out);
            out
        })
    }
}

/// Matrices with entries about one.
fn zoo(rng: &mut Rng, n: usize) -> Vec<(&'static str, Vec<f64>)> {
    let fill =
        |f: &dyn Fn(usize, usize) -> f64| (0..n * n).map(|p| f(p % n.max(1), p / n.max(1))).collect::<Vec<f64>>();
    let one = |b: bool| f64::from(u8::from(b));
    let r = random::<f64>(rng, n * n);
    let at = |i: usize, j: usize| r[i + j * n];
    let jordan = fill(&|i, j| if i == j { 0.5 } else { one(j == i + 1) });
    vec![
        ("random", r.clone()),
        ("companion", fill(&|i, j| if i == 0 { at(0, j) } else { one(i == j + 1) })),
        ("symmetric", fill(&|i, j| at(i, j) + at(j, i))),
        ("skew", fill(&|i, j| at(i, j) - at(j, i))),
        ("normal", fill(&|i, j| at(i, j) - at(j, i) + one(i == j))),
        ("cyclic", fill(&|i, j| one(i == (j + 1) % n))),
        ("graded", fill(&|i, j| at(i, j) * 10f64.powf(-0.3 * (i + j) as f64))),
        ("upper triangular", fill(&|i, j| if i <= j { at(i, j) } else { 0.0 })),
        ("lower triangular", fill(&|i, j| if i >= j { at(i, j) } else { 0.0 })),
        ("far from normal", fill(&|i, j| if i == j { i as f64 / n as f64 } else { 30.0 * one(i < j) * at(i, j) })),
        ("identity", eye(n)),
        ("zero", vec![0.0; n * n]),
        ("rank one", fill(&|i, j| at(i, 0) * at(j, n - 1))),
        ("ties", similar(&fill(&|i, j| if i == j { (i / 3) as f64 } else { 0.0 }), n, rng)),
        ("jordan", jordan.clone()),
        ("jordan, turned", similar(&jordan, n, rng)),
        ("integers", r.iter().map(|x| (3.0 * x).round()).collect()),
    ]
}

/// `Q M Q^T` with `Q` orthogonal.
fn similar(m: &[f64], n: usize, rng: &mut Rng) -> Vec<f64> {
    let (mut q, mut r) = (vec![0.0; n * n], vec![0.0; n * n]);
    f64::qr_thin(&random::<f64>(rng, n * n), n, n, &mut q, &mut r, &mut Workspace::default()).unwrap();
    times(&times(&q, m, n, n, n), &transposed(&q, n, n), n, n, n)
}

/// Residual, normal form, order, and `W^T X = I` where nothing is defective.
fn is_right<T: Kernels>(a: &[T], n: usize, name: &str) {
    let f = eig(a, n);
    let unit = T::EPS.f64();
    let size = a.iter().fold(0.0f64, |m, x| m.max(x.f64().abs())) * n as f64;
    let [re, im] = f.parts(&f.values, 1);
    let [vr, vi] = f.parts(&f.x, n);
    let (ar, ai) = (times(a, &vr, n, n, n), times(a, &vi, n, n, n));
    for j in 0..n {
        let (lr, li) = (re[j].f64(), im[j].f64());
        let v = |i: usize| (vr[i + j * n].f64(), vi[i + j * n].f64());
        let (mut length, mut most, mut off) = (0.0, (0, 0.0f64), 0.0f64);
        for i in 0..n {
            let (x, y) = v(i);
            let (dr, di) = (ar[i + j * n] - (lr * x - li * y), ai[i + j * n] - (lr * y + li * x));
            off = off.max(dr.abs()).max(di.abs());
            length += x * x + y * y;
            if x.hypot(y) > most.1 * (1.0 + unit.sqrt()) {
                most = (i, x.hypot(y));
            }
        }
        assert!(off <= 4.0 * unit * size, "{name} {n}: residual {off:e} of column {j}, {size:e}");
        assert!((length - 1.0).abs() <= 8.0 * unit * n as f64, "{name} {n}: length {length} of column {j}");
        assert!(v(most.0).0 > 0.0 && v(most.0).1 == 0.0, "{name} {n}: entry {:?} of column {j}", v(most.0));
        assert!(j == 0 || (re[j - 1], im[j - 1]) <= (re[j], im[j]), "{name} {n}: order at {j}");
        assert!(f.note(CONDITION, j) >= 1.0);
    }
    let mut places: Vec<usize> = (0..n).map(|j| f.note(PLACE, j) as usize).collect();
    places.sort_unstable();
    assert!(places.into_iter().eq(0..n), "{name} {n}: places");
    if f.states().contains(&DEFECTIVE) {
        // Whose vectors are parallel up to rounding.
        return;
    }
    let worst = (0..n).fold(1.0f64, |m, j| m.max(f.note(CONDITION, j)));
    let wx = times(&transposed(&f.w, n, n), &f.x, n, n, n);
    for (p, x) in wx.iter().enumerate() {
        let expected = if p % (n + 1) == 0 { 1.0 } else { 0.0 };
        let allowed = 20.0 * n as f64 * unit * worst * worst;
        assert!((x - expected).abs() <= allowed, "{name} {n}: W'X at {p} is {x}, allowed {allowed:e}");
    }
}

#[test]
fn every_kind_of_matrix_has_eigenvectors() {
    for n in (0..=12).chain([20, 33, 100]) {
        for (name, a) in zoo(&mut rng(7 + n as u64), n) {
            is_right(&a, n, name);
            for s in [1e150, 1e-150] {
                is_right(&a.iter().map(|x| x * s).collect::<Vec<_>>(), n, name);
            }
            let single: Vec<f32> = a.iter().map(|x| *x as f32).collect();
            is_right(&single, n, name);
        }
    }
}

#[test]
fn long_chains_do_not_overflow() {
    // Entries of its vectors grow by a factor of a thousand, or of more than any number is, at each step.
    for (n, off) in [(40, 1.0), (60, 1e3), (60, 1e9)] {
        let a: Vec<f64> = (0..n * n)
            .map(|p| {
                if p % (n + 1) == 0 {
                    1e-3 * (p % n) as f64
                } else if p / n == p % n + 1 {
                    off
                } else {
                    0.0
                }
            })
            .collect();
        is_right(&a, n, "a chain");
        is_right(&transposed(&a, n, n), n, "a chain, lower");
    }
}

#[test]
fn condition_numbers_are_those_of_the_formula() {
    // [0 c; 0 1] has unit right vectors e_1 and (c, 1) / s, left ones (1, -c) / s and e_2: both conditions are s =
    // sqrt(1 + c^2).
    for c in [0.0, 1.0, -30.0, 1e3, 1e6] {
        let f = eig(&[0.0, 0.0, c, 1.0], 2);
        let expected = 1.0f64.hypot(c);
        for j in 0..2 {
            assert!((f.note(CONDITION, j) - expected).abs() <= 1e-14 * expected, "{c}: {}", f.note(CONDITION, j));
            let own = f.w[2 * j].hypot(f.w[2 * j + 1]);
            assert!((own - expected).abs() <= 1e-14 * expected, "{c}: the length of the left vector is {own}");
        }
        assert_eq!(f.states(), [SIMPLE; 2]);
    }
    // [0 c; -1/c 0] has the vectors (c, i) and (1, i c), so that 1 / k = 2 / (c + 1/c).
    for c in [1.0, 2.0, 1e-2, 1e5] {
        let f = eig(&[0.0, -1.0 / c, c, 0.0], 2);
        let expected = 0.5 * (c + 1.0 / c);
        assert!((f.note(CONDITION, 0) - expected).abs() <= 1e-14 * expected, "{c}: {}", f.note(CONDITION, 0));
        let own = 0.5 * f.w.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((own - expected).abs() <= 1e-14 * expected, "{c}: the length of the left vector is {own}");
    }
}

#[test]
fn ties_are_told_from_defects_and_from_gaps() {
    let mut r = rng(3);
    for n in [2, 3, 5, 9, 20] {
        let diagonal = |d: &dyn Fn(usize) -> f64| {
            (0..n * n).map(|p| if p % (n + 1) == 0 { d(p / n) } else { 0.0 }).collect::<Vec<f64>>()
        };
        assert_eq!(eig(&eye(n), n).states(), vec![TIED_REAL; n]);
        assert_eq!(eig(&diagonal(&|i| i as f64), n).states(), vec![SIMPLE; n]);
        let pairs = similar(&diagonal(&|i| if i < 2 { 1.0 } else { i as f64 }), n, &mut r);
        let states = eig(&pairs, n).states();
        assert_eq!(states.iter().filter(|s| **s == TIED_REAL).count(), 2, "{states:?}");
        assert_eq!(states.iter().filter(|s| **s == SIMPLE).count(), n - 2, "{states:?}");
        // A Jordan block of order two, and others beside it.
        for gap in [0.0, 1e-9, 1e-4] {
            let mut block = diagonal(&|i| if i < 2 { 1.0 + gap * i as f64 } else { i as f64 });
            block[n] = 1.0;
            for (a, turned) in [(block.clone(), false), (similar(&block, n, &mut r), true)] {
                let f = eig(&a, n);
                let bad = f.states().iter().filter(|s| **s == DEFECTIVE).count();
                assert_eq!(bad, if gap < 1e-8 { 2 } else { 0 }, "gap {gap}, turned {turned}: {:?}", f.states());
                let unit = vec![1.0; n];
                let verdict = f64::columns_verdict(Verdict::Weights, &f.notes, 1, &unit);
                assert_eq!(matches!(verdict, Err(Failure::Defective { condition, .. }) if condition > 1e6), bad > 0);
            }
        }
        // The whole matrix.
        let whole: Vec<f64> =
            (0..n * n).map(|p| if p % (n + 1) == 0 || p / n == p % n + 1 { 1.0 } else { 0.0 }).collect();
        assert_eq!(eig(&whole, n).states(), vec![DEFECTIVE; n]);
        let states = eig(&similar(&whole, n, &mut r), n).states();
        assert!(states.iter().all(|s| *s == DEFECTIVE), "{n}: {states:?}");
    }
    // The same rotation twice, which has two vectors for each of its two eigenvalues, and with a coupling, one.
    for coupling in [0.0, 1.0] {
        let mut a = vec![0.0; 16];
        for k in [0, 2] {
            (a[5 * k + 1], a[5 * k + 4]) = (1.0, -1.0);
        }
        (a[8], a[13]) = (coupling, coupling);
        let f = eig(&similar(&a, 4, &mut r), 4);
        assert_eq!(f.states(), vec![if coupling == 0.0 { TIED } else { DEFECTIVE }; 4]);
    }
}

#[test]
fn what_is_not_a_number_is_named() {
    for n in [1, 2, 5, 40] {
        for index in [0, n * n - 1] {
            let mut a = eye(n);
            a[index] = f64::NAN;
            let mut out = [vec![0.0; n], vec![0.0; n * n], vec![0.0; n * n], vec![0.0; NOTES * n]];
            let [l, x, w, notes] = &mut out;
            let done = f64::eig(&a, n, l, x, w, notes, &mut Workspace::default());
            assert!(matches!(done, Err(Failure::NonFinite { index: seen, .. }) if seen == index), "{done:?}");
        }
    }
}

/// The words of packed columns against complex arithmetic, and each against its adjoint.
#[test]
fn words_of_columns_and_their_adjoints() {
    let mut r = rng(5);
    for n in [1, 2, 3, 5, 8] {
        let f = eig(&random::<f64>(&mut r, n * n), n);
        let words: [(ColumnOp, ColumnOp, usize, usize); 9] = [
            (ColumnOp::Half, ColumnOp::Half, n, n),
            (ColumnOp::Real, ColumnOp::Real, n, n),
            (ColumnOp::Imaginary, ColumnOp::Imaginary, n, n),
            (ColumnOp::Pick { real: false }, ColumnOp::Place { real: false }, n, 1),
            (ColumnOp::Pick { real: true }, ColumnOp::Place { real: true }, n, 1),
            (ColumnOp::Unpack { im: false }, ColumnOp::Pack { im: false }, n, n),
            (ColumnOp::Unpack { im: true }, ColumnOp::Pack { im: true }, n, n),
            (ColumnOp::Unpack { im: false }, ColumnOp::Pack { im: false }, 1, 1),
            (ColumnOp::Place { real: false }, ColumnOp::Pick { real: false }, 1, n),
        ];
        let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (op, adjoint, from, to) in words {
            let (x, g) = (random::<f64>(&mut r, from * n), random::<f64>(&mut r, to * n));
            let (mut y, mut back) = (vec![0.0; to * n], vec![0.0; from * n]);
            // `Place` is told the rows of what it makes.
            let rows = |op, own| if matches!(op, ColumnOp::Place { .. }) { n } else { own };
            f64::columns(op, &f.notes, rows(op, from), &[&x], &mut y);
            f64::columns(adjoint, &f.notes, rows(adjoint, to), &[&g], &mut back);
            let (a, b) = (inner(&y, &g), inner(&x, &back));
            assert!((a - b).abs() < 1e-13 * n as f64, "{op:?}, {n}: {a} and {b}");
        }
        // Z D - D Z = P but for what commutes, with D as a matrix; and the transposed equation.
        let mut d = vec![0.0; n * n];
        let commuting = |p: &[f64]| {
            let mut rest = vec![0.0; n * n];
            let mut c = vec![0.0; n];
            let mut half = vec![0.0; n];
            f64::columns(ColumnOp::Dots { conj: false }, &f.notes, n, &[&eye(n), p], &mut c);
            f64::columns(ColumnOp::Half, &f.notes, 1, &[&c], &mut half);
            f64::columns(ColumnOp::Turn { conj: false }, &f.notes, n, &[&eye(n), &half], &mut rest);
            rest
        };
        f64::columns(ColumnOp::Turn { conj: false }, &f.notes, n, &[&eye(n), &f.values], &mut d);
        for conj in [false, true] {
            let p = random::<f64>(&mut r, n * n);
            let mut z = vec![f64::NAN; n * n];
            f64::columns(ColumnOp::Quotient { conj }, &f.notes, 1, &[&f.values, &p], &mut z);
            let e = if conj { transposed(&d, n, n) } else { d.clone() };
            let (zd, dz, rest) = (times(&z, &e, n, n, n), times(&e, &z, n, n, n), commuting(&p));
            let worst = (0..n * n).map(|k| (zd[k] - dz[k] - p[k] + rest[k]).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{n}, transposed {conj}: {worst:e}");
            assert!(commuting(&z).iter().all(|x| x.abs() < 1e-12), "Z has no commuting part");
        }
    }
}
