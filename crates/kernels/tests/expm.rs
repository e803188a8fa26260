//! The exponential of a matrix and its jets, against a table from 120 digits and against what they must satisfy.

use pullback_kernels::{Failure, Scalar, Workspace};

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
fn jets<T: Scalar>(a: &[T], es: &[Mat<T>], n: usize, w: &mut Workspace<T>) -> Result<Vec<Mat<T>>, Failure> {
    let mut y = vec![vec![T::zero(); n * n]];
    let mut handles = vec![vec![T::zero(); n * (8 * n + 4)]];
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
        let mut known: Vec<&[T]> = (0..all).map(|s| if s + 1 == all { &[][..] } else { &handles[spread(s)][..] }).collect();
        known[all - 1] = &[];
        let (mut out, mut handle) = (vec![T::zero(); n * n], vec![T::zero(); n * (8 * n + 4)]);
        T::expm_jet(&directions, &known, n, &mut out, &mut handle, w)?;
        y.push(out);
        handles.push(handle);
    }
    Ok(y)
}

/// Sum of moduli of the worst column.
fn norm<T: Scalar>(a: &[T], n: usize) -> f64 {
    a.chunks(n.max(1)).map(|c| c.iter().map(|x| x.f64().abs()).sum()).fold(0.0, f64::max)
}

fn distance<T: Scalar>(a: &[T], b: &[f64], n: usize) -> f64 {
    let d: Vec<f64> = a.iter().zip(b).map(|(a, b)| a.f64() - b).collect();
    norm(&d, n)
}

#[test]
fn probe() {
    let w = &mut Workspace::default();
    for c in table() {
        let y = jets(&c.x[0], &c.x[1..], c.n, w).unwrap();
        let e: Vec<String> = [0, 1, 3, 7].iter().zip(&c.d).map(|(s, d)| format!("{:.1e}", distance(&y[*s], d, c.n) / norm(d, c.n) / f64::EPSILON)).collect();
        println!("{:20} norm {:.1e} {:?}", c.name, norm(&c.x[0], c.n), e);
    }
}
