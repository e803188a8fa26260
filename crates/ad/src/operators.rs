//! `+ - * /`, `+= -= *= /=`, negation and `iter.sum()`, between values and with numbers and matrices, which become
//! constants.
//!
//! What each computes is a primitive of the registry; here is only which one.

use crate::batch::Batch;
use crate::ops::{self, Op};
use crate::value::Product;
use crate::var::{Operand, Sealed};
use crate::{Scalar, Shape, Tape, Var};
use faer::{Col, ColRef, Mat, MatRef, Row, RowRef};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

impl<'t, T: Scalar> Mul for Var<'t, T> {
    type Output = Self;
    /// The matrix product; a `1x1` factor scales.
    #[track_caller]
    fn mul(self, b: Self) -> Self {
        match self.shape().is_scalar() || b.shape().is_scalar() {
            true => self.hadamard(b),
            false => self.op2(Op::Mul(ops::products::product::Mul(Product::NN)), b),
        }
    }
}

impl<T: Scalar> Add for Var<'_, T> {
    type Output = Self;
    #[track_caller]
    fn add(self, b: Self) -> Self {
        self.op2(Op::LinComb(ops::entries::arithmetic::LinComb { alpha: 1.0, beta: 1.0 }), b)
    }
}

impl<T: Scalar> Sub for Var<'_, T> {
    type Output = Self;
    #[track_caller]
    fn sub(self, b: Self) -> Self {
        self.op2(Op::LinComb(ops::entries::arithmetic::LinComb { alpha: 1.0, beta: -1.0 }), b)
    }
}

impl<T: Scalar> Neg for Var<'_, T> {
    type Output = Self;
    #[track_caller]
    fn neg(self) -> Self {
        self.scaled(-1.0)
    }
}

impl<T: Scalar> Div for Var<'_, T> {
    type Output = Self;
    /// Divides every entry by a `1x1` divisor, or a `1x1` value by every entry of a row or column. Follows IEEE where
    /// the divisor is 0.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let p = pullback::value(|x| x.exp() / x.exp().sum(), &faer::mat![[0.0, 0.0]])?;
    /// assert_eq!(p.data(), [0.5, 0.5]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// Otherwise: `A / B` could mean [`Var::elem_div`], `A B^{-1}` or `B^{-1} A` ([`Var::solve`]).
    #[track_caller]
    fn div(self, b: Self) -> Self {
        let (x, y) = (self.shape(), b.shape());
        let vector = y.rows == 1 || y.cols == 1;
        assert!(
            y.is_scalar() || x.is_scalar() && vector,
            "`/`: expected a divisor that is 1x1, or a 1x1 numerator and a row or column, got {x} / {y}; `a.elem_div(b)` divides entry \
             by entry, `b.recip()` is 1/b entry by entry, `b.solve(a)` and `b.inverse()` are those of matrices"
        );
        self.elem_div(b)
    }
}

macro_rules! constants {
    ($([$($g:tt)*] $M:ty, $T:ty;)*) => {$(
        impl<$($g)*> Sealed for $M {}
        impl<'t, $($g)*> Operand<'t, $T> for $M {
            #[track_caller]
            fn on(self, tape: &'t Tape<$T>) -> Var<'t, $T> {
                tape.constant(&self)
            }

            #[track_caller]
            fn sym_on(self, tape: &'t Tape<$T>) -> Var<'t, $T> {
                let aside = Tape::plain();
                let _said = aside.saying(&"quadratic_form");
                tape.constant(&aside.constant(&self).sym().value())
            }
        }
    )*};
}
constants! {
    [T: Scalar] &Mat<T>, T;
    [T: Scalar] Mat<T>, T;
    [T: Scalar] MatRef<'_, T>, T;
    [T: Scalar] &Col<T>, T;
    [T: Scalar] Col<T>, T;
    [T: Scalar] ColRef<'_, T>, T;
    [T: Scalar] &Row<T>, T;
    [T: Scalar] Row<T>, T;
    [T: Scalar] RowRef<'_, T>, T;
    [T: Scalar] &Batch<T>, T;
    [T: Scalar] Batch<T>, T;
    [] f64, f64;
    [] f32, f32;
}

macro_rules! with_constants {
    ($Op:ident $op:ident: $($M:ty),*) => {$(
        impl<'t, T: Scalar> $Op<$M> for Var<'t, T> {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $op(self, b: $M) -> Var<'t, T> {
                self.$op(b.on(self.tape))
            }
        }
        impl<'t, T: Scalar> $Op<Var<'t, T>> for $M {
            type Output = Var<'t, T>;
            #[track_caller]
            fn $op(self, b: Var<'t, T>) -> Var<'t, T> {
                self.on(b.tape).$op(b)
            }
        }
    )*};
}
macro_rules! every_operator {
    ($($M:ty),*) => {
        with_constants!(Add add: $($M),*);
        with_constants!(Sub sub: $($M),*);
        with_constants!(Mul mul: $($M),*);
        with_constants!(Div div: $($M),*);
    };
}
every_operator!(
    &Mat<T>,
    Mat<T>,
    MatRef<'_, T>,
    &Col<T>,
    Col<T>,
    ColRef<'_, T>,
    &Row<T>,
    Row<T>,
    RowRef<'_, T>,
    &Batch<T>,
    Batch<T>
);

macro_rules! numbers {
    ($($T:ident),*) => {$(
        impl<'t> Mul<$T> for Var<'t, $T> {
            type Output = Self;
            #[track_caller]
            fn mul(self, c: $T) -> Self {
                self.scaled(c.into())
            }
        }
        impl<'t> Mul<Var<'t, $T>> for $T {
            type Output = Var<'t, $T>;
            #[track_caller]
            fn mul(self, x: Var<'t, $T>) -> Var<'t, $T> {
                x.scaled(self.into())
            }
        }
        impl<'t> Div<$T> for Var<'t, $T> {
            type Output = Self;
            #[track_caller]
            fn div(self, c: $T) -> Self {
                self.scaled(1.0 / f64::from(c))
            }
        }
        impl<'t> Div<Var<'t, $T>> for $T {
            type Output = Var<'t, $T>;
            /// `c / x` of a number, or of every entry of a row or column: see the division of two values.
            #[track_caller]
            fn div(self, x: Var<'t, $T>) -> Var<'t, $T> {
                x.tape.filled(Shape::SCALAR, self) / x
            }
        }
        impl<'t> Add<$T> for Var<'t, $T> {
            type Output = Self;
            #[track_caller]
            fn add(self, c: $T) -> Self {
                self.shifted(c.into())
            }
        }
        impl<'t> Add<Var<'t, $T>> for $T {
            type Output = Var<'t, $T>;
            #[track_caller]
            fn add(self, x: Var<'t, $T>) -> Var<'t, $T> {
                x.shifted(self.into())
            }
        }
        impl<'t> Sub<$T> for Var<'t, $T> {
            type Output = Self;
            #[track_caller]
            fn sub(self, c: $T) -> Self {
                self.shifted(-f64::from(c))
            }
        }
        impl<'t> Sub<Var<'t, $T>> for $T {
            type Output = Var<'t, $T>;
            #[track_caller]
            fn sub(self, x: Var<'t, $T>) -> Var<'t, $T> {
                (-x).shifted(self.into())
            }
        }
    )*};
}
numbers!(f64, f32);

macro_rules! assigning {
    ($($Assign:ident $assign:ident, $Op:ident $op:ident;)*) => {$(
        /// The handle then names the result; the value it named before stays on the tape.
        impl<'t, T: Scalar, R> $Assign<R> for Var<'t, T>
        where
            Self: $Op<R, Output = Self>,
        {
            #[track_caller]
            fn $assign(&mut self, b: R) {
                *self = (*self).$op(b);
            }
        }
    )*};
}
assigning! {
    AddAssign add_assign, Add add;
    SubAssign sub_assign, Sub sub;
    MulAssign mul_assign, Mul mul;
    DivAssign div_assign, Div div;
}

/// The sum of a list of values, which broadcast as `+` does.
///
/// # Panics
/// If the list is empty: no value says which tape the sum is on.
impl<'t, T: Scalar> Sum for Var<'t, T> {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        match values.reduce(|a, b| a + b) {
            Some(sum) => sum,
            None => panic!(
                "sum: expected at least one value, got an empty iterator, which is on no tape; begin a `fold` with `tape.filled(shape, 0.0)`"
            ),
        }
    }
}

impl<'v, 't: 'v, T: Scalar> Sum<&'v Var<'t, T>> for Var<'t, T> {
    fn sum<I: Iterator<Item = &'v Self>>(values: I) -> Self {
        values.copied().sum()
    }
}
