//! Numbers that the small rules are written over: reals, and reals with a derivative along one direction. Written once,
//! a rule in plain arithmetic is then its own derivative too. Also the columns that such numbers stand in.

use core::ops::{Add, AddAssign, Div, DivAssign, Mul, Sub, SubAssign};

/// Plain arithmetic.
pub(crate) trait Field:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + DivAssign
{
    const ZERO: Self;
}

impl Field for f64 {
    const ZERO: f64 = 0.0;
}

impl Field for f32 {
    const ZERO: f32 = 0.0;
}

/// `re + du e` with `e e = 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DualNumber<T> {
    pub(crate) re: T,
    pub(crate) du: T,
}

impl<T: Field> Add for DualNumber<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        DualNumber { re: self.re + b.re, du: self.du + b.du }
    }
}

impl<T: Field> Sub for DualNumber<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        DualNumber { re: self.re - b.re, du: self.du - b.du }
    }
}

impl<T: Field> Mul for DualNumber<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        DualNumber { re: self.re * b.re, du: self.du * b.re + self.re * b.du }
    }
}

impl<T: Field> Div for DualNumber<T> {
    type Output = Self;
    #[inline(always)]
    fn div(self, b: Self) -> Self {
        let re = self.re / b.re;
        DualNumber { re, du: (self.du - re * b.du) / b.re }
    }
}

impl<T: Field> AddAssign for DualNumber<T> {
    #[inline(always)]
    fn add_assign(&mut self, b: Self) {
        *self = *self + b;
    }
}

impl<T: Field> SubAssign for DualNumber<T> {
    #[inline(always)]
    fn sub_assign(&mut self, b: Self) {
        *self = *self - b;
    }
}

impl<T: Field> DivAssign for DualNumber<T> {
    #[inline(always)]
    fn div_assign(&mut self, b: Self) {
        *self = *self / b;
    }
}

impl<T: Field> Field for DualNumber<T> {
    const ZERO: Self = DualNumber { re: T::ZERO, du: T::ZERO };
}

/// A few columns: entry `k` of column `j`.
pub(crate) trait Columns<F> {
    fn at(&self, j: usize, k: usize) -> F;

    /// The leading square block.
    #[inline(always)]
    fn block<const N: usize>(&self) -> [[F; N]; N] {
        core::array::from_fn(|j| core::array::from_fn(|k| self.at(j, k)))
    }
}

/// Columns that can be written.
pub(crate) trait ColumnsMut<F>: Columns<F> {
    fn put(&mut self, j: usize, k: usize, x: F);
}

impl<T: Copy, const N: usize> Columns<T> for [&[T]; N] {
    #[inline(always)]
    fn at(&self, j: usize, k: usize) -> T {
        self[j][k]
    }
}

impl<T: Copy, const N: usize> Columns<T> for [&mut [T]; N] {
    #[inline(always)]
    fn at(&self, j: usize, k: usize) -> T {
        self[j][k]
    }
}

impl<T: Copy, const N: usize> ColumnsMut<T> for [&mut [T]; N] {
    #[inline(always)]
    fn put(&mut self, j: usize, k: usize, x: T) {
        self[j][k] = x;
    }
}

/// Absent columns are zero.
impl<T: Field, C: Columns<T>> Columns<T> for Option<C> {
    #[inline(always)]
    fn at(&self, j: usize, k: usize) -> T {
        self.as_ref().map_or(T::ZERO, |c| c.at(j, k))
    }
}

/// A pair of columns is a column of pairs.
impl<T, A: Columns<T>, B: Columns<T>> Columns<DualNumber<T>> for (A, B) {
    #[inline(always)]
    fn at(&self, j: usize, k: usize) -> DualNumber<T> {
        DualNumber { re: self.0.at(j, k), du: self.1.at(j, k) }
    }
}

impl<T: Copy, A: ColumnsMut<T>, B: ColumnsMut<T>> ColumnsMut<DualNumber<T>> for (A, B) {
    #[inline(always)]
    fn put(&mut self, j: usize, k: usize, x: DualNumber<T>) {
        self.0.put(j, k, x.re);
        self.1.put(j, k, x.du);
    }
}

/// The columns of a matrix of `m` rows.
#[inline(always)]
pub(crate) fn columns<T, const N: usize>(a: &[T], m: usize) -> [&[T]; N] {
    core::array::from_fn(|j| &a[j * m..][..m])
}

/// The same to be written.
#[inline(always)]
pub(crate) fn columns_mut<T, const N: usize>(a: &mut [T], m: usize) -> [&mut [T]; N] {
    let mut rest = a;
    core::array::from_fn(|_| rest.split_off_mut(..m).expect("N columns of m entries"))
}

/// A matrix and its tangent, which may be absent.
pub type WithTangent<'a, T> = (&'a [T], Option<&'a [T]>);

/// The columns of both.
pub(crate) type Pairs<'a, const N: usize, T> = ([&'a [T]; N], Option<[&'a [T]; N]>);

/// The columns of a matrix of `m` rows and of its tangent.
#[inline(always)]
pub(crate) fn pairs<'a, const N: usize, T>((x, dx): WithTangent<'a, T>, m: usize) -> Pairs<'a, N, T> {
    (columns(x, m), dx.map(|dx| columns(dx, m)))
}

/// Calls a function made for the number of columns; `false`, that there are more than four and nothing was done.
macro_rules! up_to_four {
    ($n:expr, $f:ident($($x:expr),*)) => {{
        match $n {
            1 => $f::<1, _>($($x),*),
            2 => $f::<2, _>($($x),*),
            3 => $f::<3, _>($($x),*),
            4 => $f::<4, _>($($x),*),
            _ => return false,
        }
        true
    }};
}
pub(crate) use up_to_four;
