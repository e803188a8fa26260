//! The exponential of a matrix and its jets, against a table from 120 digits and against what they must satisfy.

mod common;
use common::{Rng, random, rng, times, transposed, wide};
use pullback_kernels::list::*;
use pullback_kernels::{Failure, Scalar, Workspace, tolerances};
use rand::RngExt;

/// A matrix by columns.
type Mat<T> = Vec<T>;

/// A case of the table: `A`, three directions, and the derivatives of order 0 to 3 along the first of them.
struct Case {
    name: String,
    n: usize,
    x: Vec<Mat<f64>>,
    d: Vec<Mat<f64>>,
}

fn table() -> Vec<Case> {
    let mut lines = include_str!("expm.txt").lines().filter(|l| !l.starts_with('#'));
    let mut out = vec![];
    while let Some(head) = lines.next() {
        let (name, n) = head.split_once(' ').unwrap();
        let mut next = || -> Mat<f64> { lines.next().unwrap().split(' ').map(|x| x.parse().unwrap()).collect() };
        let x = (0..4).map(|_| next()).collect();
        let d = (0..4).map(|_| next()).collect();
        out.push(Case { name: name.into(), n: n.parse().unwrap(), x, d });
    }
    out
}

/// The jets of all subsets of the directions, in the order of their numbers: the results.
fn jets<T: Kernels>(a: &[T], es: &[Mat<T>], n: usize, w: &mut Workspace<T>) -> Result<Vec<Mat<T>>, Failure> {
    let mut y = vec![vec![T::zero(); n * n]];
    let mut handles = vec![vec![T::zero(); n * (7 * n + 4)]];
    T::expm(a, n, &mut y[0], &mut handles[0], w)?;
    for set in 1usize..1 << es.len() {
        let bits: Vec<usize> = (0..es.len()).filter(|i| set >> i & 1 == 1).collect();
        let spread = |s: usize| bits.iter().enumerate().map(|(i, b)| (s >> i & 1) << b).sum::<usize>();
        let all = 1 << bits.len();
        let directions: Vec<&[T]> = (0..all)
            .map(|s: usize| match s.count_ones() {
                0 => a,
                1 => &es[bits[s.trailing_zeros() as usize]][..],
                _ => &[],
            })
            .collect();
        let mut known: Vec<&[T]> =
            (0..all).map(|s| if s + 1 == all { &[][..] } else { &handles[spread(s)][..] }).collect();
        known[all - 1] = &[];
        let (mut out, mut handle) = (vec![T::zero(); n * n], vec![T::zero(); n * (7 * n + 4)]);
        T::expm_jet(&directions, &known, n, &mut out, &mut handle, w)?;
        y.push(out);
        handles.push(handle);
    }
    Ok(y)
}

/// Sum of moduli of the worst column.
fn norm<T: Kernels>(a: &[T], n: usize) -> f64 {
    a.chunks(n.max(1)).map(|c| c.iter().map(|x| x.f64().abs()).sum()).fold(0.0, f64::max)
}

fn distance<T: Scalar, U: Scalar>(a: &[T], b: &[U], n: usize) -> f64 {
    let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| a.f64() - b.f64()).collect();
    assert!(d.iter().all(|d| !d.is_nan()));
    norm(&d, n)
}

fn jets_of<T: Kernels>(x: &[Mat<T>], n: usize) -> Vec<Mat<T>> {
    jets(&x[0], &x[1..], n, &mut Workspace::default()).unwrap()
}

/// How far the jets move when entries of everything are changed by a unit in the last place.
fn sensitivity<T: Kernels>(x: &[Mat<T>], n: usize, y: &[Mat<T>], rng: &mut Rng) -> Vec<f64> {
    let mut worst = vec![0.0; y.len()];
    for _ in 0..8 {
        let mut step = |v: &T| *v * (T::one() + T::EPS * T::of((rng.random_range(0..3) as f64) - 1.0));
        let moved: Vec<Mat<T>> = x.iter().map(|m| m.iter().map(&mut step).collect()).collect();
        for (w, (a, b)) in worst.iter_mut().zip(jets_of(&moved, n).iter().zip(y)) {
            *w = f64::max(*w, distance(a, b, n));
        }
    }
    worst
}

/// The jets of the first directions alone, of order 0 to 3.
const ORDERS: [usize; 4] = [0, 1, 3, 7];

#[test]
fn values_and_derivatives_to_third_order_are_those_of_the_table() {
    let mut rng = rng(3);
    for c in table() {
        let y = jets_of(&c.x, c.n);
        let moved = sensitivity(&c.x, c.n, &y, &mut rng);
        for (k, (set, d)) in ORDERS.iter().zip(&c.d).enumerate() {
            let (error, size) = (distance(&y[*set], d, c.n), norm(d, c.n));
            let allowed = 12.0 * f64::EPSILON * size + 8.0 * moved[*set];
            assert!(error <= allowed, "{}, order {k}: {error:e} of {size:e}, allowed {allowed:e}", c.name);
        }
    }
}

#[test]
fn single_precision_has_its_own_degrees() {
    let mut rng = rng(4);
    for c in table() {
        // The same program in doubles, at the rounded point: it is judged by the test above.
        let x: Vec<Mat<f32>> = c.x.iter().map(|m| m.iter().map(|v| *v as f32).collect()).collect();
        let Ok(y) = jets(&x[0], &x[1..], c.n, &mut Workspace::default()) else {
            // The one whose result is no number in single precision.
            assert_eq!(c.name, "spread");
            continue;
        };
        let exact = jets_of(&x.iter().map(|m| wide(m)).collect::<Vec<_>>(), c.n);
        let moved = sensitivity(&x, c.n, &y, &mut rng);
        for (k, set) in ORDERS.into_iter().enumerate() {
            let (error, size) = (distance(&y[set], &exact[set], c.n), norm(&exact[set], c.n));
            // What is smaller than every normal number has fewer digits.
            let allowed = 16.0 * f64::from(f32::EPSILON) * size + 8.0 * moved[set] + f64::from(f32::MIN_POSITIVE);
            assert!(error <= allowed, "{}, order {k}: {error:e} of {size:e}, allowed {allowed:e}", c.name);
        }
    }
}

/// `A (x) I + sum_i E_i (x) N_i` over the symbols as nilpotent matrices: its exponential has all jets in its first
/// block row.
fn blocks(x: &[Mat<f64>], n: usize) -> Mat<f64> {
    let sets = 1 << (x.len() - 1);
    let big = n * sets;
    let mut out = vec![0.0; big * big];
    for s in 0..sets {
        for t in (0..sets).filter(|t| t & s == s && (t ^ s).count_ones() < 2) {
            let block = if s == t { &x[0] } else { &x[1 + (t ^ s).trailing_zeros() as usize] };
            for j in 0..n {
                for i in 0..n {
                    out[s * n + i + (t * n + j) * big] = block[i + j * n];
                }
            }
        }
    }
    out
}

#[test]
fn jets_are_blocks_of_the_exponential_of_a_larger_matrix() {
    let mut rng = rng(5);
    // Kept squared matrices end after three squarings; the last sizes need more, and some of every kernel of the
    // products.
    for (n, size, directions) in
        [(2, 1.0, 3), (4, 30.0, 3), (5, 0.02, 3), (6, 3.0, 3), (8, 200.0, 2), (20, 9.0, 2), (40, 1.0, 1)]
    {
        let mut x: Vec<Mat<f64>> = (0..=directions).map(|_| random(&mut rng, n * n)).collect();
        let scale = size / norm(&x[0], n);
        x[0].iter_mut().for_each(|v| *v *= scale);
        let y = jets_of(&x, n);
        let big = n << directions;
        let (mut whole, mut handle) = (vec![0.0; big * big], vec![0.0; big * (7 * big + 4)]);
        f64::expm(&blocks(&x, n), big, &mut whole, &mut handle, &mut Workspace::default()).unwrap();
        for (set, y) in y.iter().enumerate() {
            let block: Mat<f64> = (0..n * n).map(|k| whole[k % n + (set * n + k / n) * big]).collect();
            let (error, size_of) = (distance(y, &block, n), norm(y, n));
            assert!(error <= 4e-15 * (10.0 + size) * size_of, "n = {n}, set {set:b}: {error:e} of {size_of:e}");
        }
    }
}

#[test]
fn directions_of_several_symbols_and_absent_ones() {
    let mut rng = rng(6);
    for (n, size) in [(3, 2.0), (4, 60.0), (7, 0.5)] {
        let mut x: Vec<Mat<f64>> = (0..4).map(|_| random(&mut rng, n * n)).collect();
        let scale = size / norm(&x[0], n);
        x[0].iter_mut().for_each(|v| *v *= scale);
        let w = &mut Workspace::default();
        let (mut y, mut h) = ([(); 4].map(|_| vec![0.0; n * n]), [(); 4].map(|_| vec![f64::NAN; n * (7 * n + 4)]));
        let [a, e, f, g] = [0, 1, 2, 3].map(|i| &x[i][..]);
        f64::expm(a, n, &mut y[0], &mut h[0], w).unwrap();
        let mut along = |es: &[&[f64]], known: &[usize], to: usize| {
            let handles = h.clone();
            let known: Vec<&[f64]> = known.iter().map(|k| handles.get(*k).map_or(&[][..], |h| h)).collect();
            f64::expm_jet(es, &known, n, &mut y[to], &mut h[to], w).unwrap();
            y[to].clone()
        };
        const NONE: usize = 9;
        let de = along(&[a, e], &[0, NONE], 1);
        let _ = along(&[a, f], &[0, NONE], 2);
        let second = along(&[a, e, f, &[]], &[0, 1, 2, NONE], 3);
        // With a direction of both symbols: D^2 exp(A)[E, F] + D exp(A)[G].
        let both = along(&[a, e, f, g], &[0, 1, 2, NONE], 3);
        let alone = along(&[a, g], &[0, NONE], 3);
        let sum: Vec<f64> = second.iter().zip(&alone).map(|(a, b)| a + b).collect();
        assert!(distance(&both, &sum, n) < 1e-14 * (1.0 + size) * norm(&sum, n));
        // Without the first symbol the second derivative is gone: D exp(A)[G], to the bit.
        assert_eq!(along(&[a, &[], f, g], &[0, NONE, 2, NONE], 3), alone);
        // Mixed derivatives do not depend on the order.
        let _ = along(&[a, f], &[0, NONE], 1);
        let _ = along(&[a, e], &[0, NONE], 2);
        let swapped = along(&[a, f, e, &[]], &[0, 1, 2, NONE], 3);
        assert!(distance(&swapped, &second, n) < 1e-14 * (1.0 + size) * norm(&second, n));
        // <G, D exp(A)[E]> = <D exp(A)[G']', E>.
        let gt = transposed(g, n, n);
        let adjoint = transposed(&along(&[a, &gt], &[0, NONE], 3), n, n);
        let (left, right) = (f64::dot(g, &de), f64::dot(&adjoint, e));
        assert!((left - right).abs() < 1e-14 * (1.0 + size) * norm(&de, n) * norm(g, n), "{left} {right}");
    }
}

fn value<T: Kernels>(a: &[T], n: usize) -> Result<Mat<T>, Failure> {
    let (mut y, mut handle) = (vec![T::zero(); n * n], vec![T::zero(); n * (7 * n + 4)]);
    T::expm(a, n, &mut y, &mut handle, &mut Workspace::default()).map(|()| y)
}

fn rotations<T: Kernels>() {
    let mut rng = rng(7);
    for n in [1, 2, 3, 4, 7, 16, 33] {
        for size in [1e-3, 1.0, 10.0, 100.0, 1e3] {
            let b: Vec<T> = random(&mut rng, n * n);
            let a: Vec<T> = b.iter().zip(&transposed(&b, n, n)).map(|(x, y)| T::of(size) * (*x - *y)).collect();
            let y = value(&a, n).unwrap();
            let mut defect = times(&transposed(&y, n, n), &y, n, n, n);
            (0..n).for_each(|i| defect[i * (n + 1)] -= 1.0);
            let worst = defect.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            // Some units whatever the number of squarings; without the last step the largest of these lose a thousand.
            assert!(worst <= 8.0 * T::EPS.f64(), "{} n = {n}, {size}: {worst:e}", T::NAME);
        }
    }
}

#[test]
fn exponentials_of_skew_matrices_are_orthogonal_to_rounding() {
    rotations::<f64>();
    rotations::<f32>();
}

#[test]
fn matrices_far_from_normal_are_not_scaled_by_their_norm() {
    // The diagonal of a triangular matrix: relative to themselves, although the rest is 1e12 times as large.
    let y = value(&[1.0, 0.0, 1e12, -1.0], 2).unwrap();
    for (i, exact) in [(0, 1f64.exp()), (3, (-1f64).exp()), (2, 1e12 * 1f64.sinh())] {
        assert!((y[i] - exact).abs() <= 4.0 * f64::EPSILON * exact, "{i}: {} {exact}", y[i]);
    }
    // A nilpotent matrix has a short series, whatever its size.
    assert_eq!(value(&[0.0, 0.0, 1e20, 0.0], 2).unwrap(), [1.0, 0.0, 1e20, 1.0]);
    assert_eq!(value(&[0.0f32, 0.0, 1e9, 0.0], 2).unwrap(), [1.0, 0.0, 1e9, 1.0]);
}

/// Degree and squarings jump where the norm passes a limit; value and derivatives do not.
#[test]
fn nothing_jumps_where_the_degree_does() {
    let mut rng = rng(8);
    let n = 4;
    for (_, theta) in tolerances::expm_degrees::<f64>() {
        for turns in [1.0, 2.0, 16.0] {
            let mut x: Vec<Mat<f64>> = (0..4).map(|_| random(&mut rng, n * n)).collect();
            // No shift, so that the norm is what is scaled.
            let trace: f64 = (0..n).map(|i| x[0][i * (n + 1)]).sum();
            x[0][0] -= trace;
            let scale = turns * theta / norm(&x[0], n);
            let at = |factor: f64| {
                let mut x = x.clone();
                x[0].iter_mut().for_each(|v| *v *= scale * factor);
                jets_of(&x, n)
            };
            let step = 1e-13;
            for (below, above) in at(1.0 - step).iter().zip(&at(1.0 + step)) {
                let moved = 4.0 * step * turns * theta + 64.0 * f64::EPSILON * (1.0 + turns * theta);
                assert!(distance(below, above, n) <= moved * norm(above, n), "{theta} {turns}");
            }
        }
    }
}

#[test]
fn what_is_too_large_says_so() {
    // Larger than every number, on the diagonal and off it; in a derivative alone.
    for a in [[800.0, 0.0, 0.0, 1.0], [600.0, 500.0, 500.0, 600.0], [0.0, 1e4, 1e4, 0.0]] {
        assert!(matches!(value(&a, 2), Err(Failure::Overflow { .. })), "{a:?}: {:?}", value(&a, 2));
    }
    assert!(matches!(value(&[90.0f32], 1), Err(Failure::Overflow { .. })));
    let steep = jets(&[709.0], &[vec![1e3]], 1, &mut Workspace::default());
    assert!(matches!(steep, Err(Failure::Overflow { .. })), "{steep:?}");
    // No digit is determined.
    for size in [1e18, 1e100, 1e300] {
        let found = value(&[0.0, size, -size, 0.0], 2);
        assert!(matches!(found, Err(Failure::Unsupported { .. })), "{found:?}");
    }
    // What is too small is zero, and what is beside it is right.
    let y: Mat<f64> = value(&[-800.0, 0.0, 0.0, 0.0], 2).unwrap();
    assert!(y[0] == 0.0 && (y[3] - 1.0).abs() < 800.0 * f64::EPSILON, "{y:?}");
    assert_eq!(value(&[-1e4f32], 1).unwrap(), [0.0]);
    // A direction too many.
    let e = [1.0];
    let es: Vec<&[f64]> = (0..128).map(|s: usize| if s.count_ones() < 2 { &e[..] } else { &[] }).collect();
    let mut out = [0.0; 11];
    let found = f64::expm_jet(&es, &vec![&[][..]; 128], 1, &mut [0.0], &mut out, &mut Workspace::default());
    assert!(matches!(found, Err(Failure::Unsupported { .. })));
}

#[test]
fn there_is_nothing_in_an_empty_matrix() {
    let empty: [f64; 0] = [];
    assert_eq!(value(&empty, 0).unwrap(), empty);
    assert!(jets(&empty, &[vec![], vec![]], 0, &mut Workspace::default()).unwrap().concat().is_empty());
}
