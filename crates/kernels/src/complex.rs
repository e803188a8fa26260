//! Complex numbers as pairs of reals: the four operations, and a quotient that neither overflows nor underflows early.
//! No matrix lives here.

use num_traits::Float;

use crate::quasi::length;
use crate::real::Real;

/// `re + i im`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Complex<T> {
    pub(crate) re: T,
    pub(crate) im: T,
}

impl<T: Real> Complex<T> {
    #[inline(always)]
    pub(crate) fn new(re: T, im: T) -> Self {
        Complex { re, im }
    }

    #[inline(always)]
    pub(crate) fn conj(self) -> Self {
        Complex { re: self.re, im: -self.im }
    }

    #[inline(always)]
    pub(crate) fn plus(self, b: Self) -> Self {
        Complex { re: self.re + b.re, im: self.im + b.im }
    }

    #[inline(always)]
    pub(crate) fn minus(self, b: Self) -> Self {
        Complex { re: self.re - b.re, im: self.im - b.im }
    }

    #[inline(always)]
    pub(crate) fn times(self, b: Self) -> Self {
        Complex { re: self.re * b.re - self.im * b.im, im: self.re * b.im + self.im * b.re }
    }

    #[inline(always)]
    pub(crate) fn scaled(self, s: T) -> Self {
        Complex { re: self.re * s, im: self.im * s }
    }

    /// `self / b`, with the larger part of `b` divided out first (Smith 1962). Division by zero gives what reals give.
    #[inline(always)]
    pub(crate) fn over(self, b: Self) -> Self {
        if b.im == T::zero() {
            return Complex { re: self.re / b.re, im: self.im / b.re };
        }
        if Float::abs(b.re) >= Float::abs(b.im) {
            let r = b.im / b.re;
            let d = b.re + b.im * r;
            Complex { re: (self.re + self.im * r) / d, im: (self.im - self.re * r) / d }
        } else {
            let r = b.re / b.im;
            let d = b.re * r + b.im;
            Complex { re: (self.re * r + self.im) / d, im: (self.im * r - self.re) / d }
        }
    }

    #[inline(always)]
    pub(crate) fn abs(self) -> T {
        length(self.re, self.im)
    }
}
