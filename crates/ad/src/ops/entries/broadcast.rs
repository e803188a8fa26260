//! Loops over the entries of two operands that broadcast: along batch, rows and columns an operand of size 1 serves
//! every entry. What is computed for an entry is not known here.

use crate::ops::{Arg, Out, Shapes, one};
use crate::{Scalar, Shape};

pub(crate) fn broadcast_shapes(x: &[Shape]) -> Result<Shapes, String> {
    match x[0].broadcast(x[1]) {
        Some(s) => one(s),
        None => Err("expected sizes that agree, or are 1, in batch, rows and columns".into()),
    }
}

/// `y = f(a, b)` with broadcasting; `flat` serves equal shapes.
pub(crate) fn broadcast<T: Scalar>(
    a: Arg<'_, T>,
    b: Arg<'_, T>,
    y: &mut Out<'_, T>,
    flat: impl Fn(&[T], &[T], &mut [T]),
    f: impl Fn(T, T) -> T,
) {
    if a.shape == b.shape {
        return flat(a.data, b.data, y.data);
    }
    each_entry(a, b, y, |y, a, b| *y = f(a, b));
}

/// What a member of an operand is, beside a member of the result.
#[derive(Clone, Copy, PartialEq)]
enum Spread {
    One,
    Whole,
    Column,
    Row,
}

impl Spread {
    fn of(x: Shape, y: Shape) -> Self {
        match (x.rows == y.rows, x.cols == y.cols) {
            (true, true) => Spread::Whole,
            _ if x.each() == 1 => Spread::One,
            (true, _) => Spread::Column,
            _ => Spread::Row,
        }
    }

    /// The part of an operand that meets column `j`, of `m` entries.
    fn part(self, j: usize, m: usize) -> std::ops::Range<usize> {
        match self {
            Spread::One => 0..1,
            Spread::Whole => j * m..(j + 1) * m,
            Spread::Column => 0..m,
            Spread::Row => j..j + 1,
        }
    }
}

/// The largest number of rows for which loops over several columns at once are worth it.
const SHORT: usize = 16;

/// `f(y, a, b)` for every entry, with broadcasting.
pub(crate) fn each_entry<T: Scalar>(a: Arg<'_, T>, b: Arg<'_, T>, y: &mut Out<'_, T>, f: impl Fn(&mut T, T, T)) {
    use Spread::{Column, One, Row, Whole};
    let Shape { batch, rows: m, .. } = y.shape;
    let (a_is, b_is) = (Spread::of(a.shape, y.shape), Spread::of(b.shape, y.shape));
    for k in 0..batch {
        let (a, b, y) = (a.member(k), b.member(k), y.member(k));
        match (a_is, b_is) {
            (One | Whole, One | Whole) => column(a, b, y, &f),
            (Column, Whole) if m <= SHORT => short_column(a, b, y, &f),
            (Whole, Column) if m <= SHORT => short_column(b, a, y, |y, b, a| f(y, a, b)),
            (Row, Whole) if m <= SHORT => short_columns(a, b, y, m, &f),
            (Whole, Row) if m <= SHORT => short_columns(b, a, y, m, |y, b, a| f(y, a, b)),
            _ => {
                for (j, y) in y.chunks_exact_mut(m.max(1)).enumerate() {
                    column(&a[a_is.part(j, m)], &b[b_is.part(j, m)], y, &f);
                }
            }
        }
    }
}

/// `f(y, a, b)` for every entry of a column, where an operand of one number serves them all.
#[inline(always)]
fn column<T: Scalar>(a: &[T], b: &[T], y: &mut [T], f: impl Fn(&mut T, T, T)) {
    match (a, b) {
        (&[a], &[b]) => y.iter_mut().for_each(|y| f(y, a, b)),
        (&[a], b) => y.iter_mut().zip(b).for_each(|(y, b)| f(y, a, *b)),
        (a, &[b]) => y.iter_mut().zip(a).for_each(|(y, a)| f(y, *a, b)),
        (a, b) => y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| f(y, *a, *b)),
    }
}

/// `f(y, a, b)` with the short column `a` for each column of `b`, which is written side by side several times first.
fn short_column<T: Scalar>(a: &[T], b: &[T], y: &mut [T], f: impl Fn(&mut T, T, T)) {
    if a.is_empty() {
        return;
    }
    let mut tile = [T::zero(); 4 * SHORT];
    let len = tile.len() / a.len() * a.len();
    tile[..len].chunks_exact_mut(a.len()).for_each(|to| to.copy_from_slice(a));
    for (b, y) in b.chunks(len).zip(y.chunks_mut(len)) {
        y.iter_mut().zip(&tile).zip(b).for_each(|((y, a), b)| f(y, *a, *b));
    }
}

/// `f(y, a, b)` with the number `a` for each short column of `b`.
fn short_columns<T: Scalar>(a: &[T], b: &[T], y: &mut [T], m: usize, f: impl Fn(&mut T, T, T)) {
    let m = m.max(1);
    for ((y, b), &a) in y.chunks_exact_mut(m).zip(b.chunks_exact(m)).zip(a) {
        y.iter_mut().zip(b).for_each(|(y, b)| f(y, a, *b));
    }
}
