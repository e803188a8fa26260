//! Entries: arithmetic, functions of an entry, the angle of a point. Comparisons and what they select are in
//! `masks.rs`.
//!
//! Each function has derivatives of every order up to 12, accurate over the whole range: in tails, near poles and ends
//! of the domain, at tiny and at huge arguments (`crates/kernels/tests/accuracy.rs` states the numbers). Outside its
//! domain a function is NaN.

mod masks;

use crate::ops::{
    self, Op, entries::atan2::Atan2, entries::hadamard_add::HadamardAdd, entries::hypot::Hypot, entries::unary::UnaryFn,
};
use crate::{Operand, Scalar, Unary, Var};

macro_rules! entrywise {
    ($($(#[$doc:meta])* $name:ident => $f:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $name(self) -> Self {
            let _said = self.tape.saying(&stringify!($name));
            self.tape.push_one(Op::Unary(UnaryFn($f)), &[&self])
        }
    )*};
}

/// # Entries
/// Arithmetic and functions, entry by entry.
impl<'t, T: Scalar> Var<'t, T> {
    /// `c A`. What `A * c` is for one scalar, for programs that are generic in it: a constant is a double there.
    ///
    /// ```
    /// use pullback::{Scalar, Var, prelude::*};
    /// fn line<'t, T: Scalar>(x: Var<'t, T>) -> Var<'t, T> { x.scaled(3.0).shifted(-1.0) }
    /// assert_eq!(pullback::value(func(line), &2.0f32)?.data(), [5.0]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn scaled(self, alpha: f64) -> Self {
        self.op1(Op::Scale(ops::entries::arithmetic::Scale { alpha }))
    }

    /// `c` added to every entry: `A + c` for programs that are generic in the scalar, as [`Var::scaled`].
    #[track_caller]
    #[must_use]
    pub fn shifted(self, c: f64) -> Self {
        self.op1(Op::Shift(ops::entries::arithmetic::Shift { c }))
    }

    /// `A o B`, entry by entry, with broadcasting.
    ///
    /// ```
    /// use pullback::{prelude::*, value};
    /// let y = value(|x| x.hadamard(x), &faer::mat![[1.0, 2.0], [3.0, 4.0]])?;   // `x * x` in NumPy
    /// assert_eq!(y.into_mat(), faer::mat![[1.0, 4.0], [9.0, 16.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("multiply", "mul", "component_mul"))]
    #[track_caller]
    #[must_use]
    pub fn hadamard(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Hadamard(ops::entries::arithmetic::Hadamard), b.on(self.tape))
    }

    /// `A o B + C`, entry by entry, with broadcasting: the numbers of `a.hadamard(b) + c`, to the bit, by one operation
    /// in place of two. Worth it in recurrences of many small steps, such as the gates of a network or Horner's scheme.
    ///
    /// # Panics
    /// If sizes differ where none of them is 1.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// // The polynomial 1 + 2 t + 3 t² and its derivative.
    /// let (p, dp) = value_and_grad(|t: Var| (t * 0.0 + 3.0).hadamard_add(t, 2.0).hadamard_add(t, 1.0), &2.0)?;
    /// assert_eq!((p, dp), (17.0, 14.0));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("mul_add", "fma", "addcmul"))]
    #[track_caller]
    #[must_use]
    pub fn hadamard_add(self, b: impl Operand<'t, T>, c: impl Operand<'t, T>) -> Self {
        let (b, c) = (b.on(self.tape), c.on(self.tape));
        self.tape.push_one(Op::HadamardAdd(HadamardAdd), &[&self, &b, &c])
    }

    /// `A / B`, entry by entry, with broadcasting. Follows IEEE where `B` is zero.
    #[doc(alias("divide", "div", "component_div"))]
    #[track_caller]
    #[must_use]
    pub fn elem_div(self, b: impl Operand<'t, T>) -> Self {
        self.op2(Op::Divide(ops::entries::arithmetic::Divide), b.on(self.tape))
    }

    /// `alpha A + beta B`.
    #[doc(alias = "axpy")]
    #[track_caller]
    #[must_use]
    pub fn lincomb(self, alpha: f64, b: impl Operand<'t, T>, beta: f64) -> Self {
        let _said = self.tape.saying(&"lincomb");
        self.op2(Op::LinComb(ops::entries::arithmetic::LinComb { alpha, beta }), b.on(self.tape))
    }

    entrywise! {
        /// `exp`, entry by entry.
        exp => Unary::Exp;
        /// Natural logarithm, entry by entry.
        #[doc(alias = "log")]
        ln => Unary::Ln;
        /// Square root, entry by entry.
        sqrt => Unary::Sqrt;
        /// `1/x`, entry by entry.
        #[doc(alias = "reciprocal")]
        recip => Unary::Recip;
        /// Hyperbolic tangent, entry by entry.
        tanh => Unary::Tanh;
        /// `1/(1 + exp(-x))`, entry by entry, without overflow.
        #[doc(alias = "expit")]
        sigmoid => Unary::Sigmoid;
        /// `max(x, 0)`, entry by entry; its derivative at 0 is 0.
        relu => Unary::Relu;
        /// `ln(1 + exp(x))`, entry by entry, without overflow.
        softplus => Unary::Softplus;
        /// Sine, entry by entry.
        sin => Unary::Sin;
        /// Cosine, entry by entry.
        cos => Unary::Cos;
        /// Modulus, entry by entry; its derivative at 0 is 0.
        abs => Unary::Abs;
    }

    /// `x^p`, entry by entry.
    #[doc(alias("pow", "power"))]
    #[track_caller]
    #[must_use]
    pub fn powf(self, p: f64) -> Self {
        let _said = self.tape.saying(&"powf");
        self.op1(Op::Unary(ops::entries::unary::UnaryFn(Unary::Pow(p))))
    }

    #[track_caller]
    fn extremum(self, b: Self, max: bool) -> Self {
        let (name, x, y) = (if max { "max" } else { "min" }, self.shape(), b.shape());
        let Some(shape) = x.broadcast(y) else {
            panic!("{name}: expected sizes that agree, or are 1, in batch, rows and columns, got {x} and {y}")
        };
        self.broadcast_to(shape).op2(Op::Extremum(ops::entries::extremum::Extremum { max }), b.broadcast_to(shape))
    }

    /// The larger, entry by entry, with broadcasting. A tie halves the derivative.
    #[doc(alias = "maximum")]
    #[track_caller]
    #[must_use]
    pub fn max(self, b: impl Operand<'t, T>) -> Self {
        self.extremum(b.on(self.tape), true)
    }

    /// The smaller, entry by entry, with broadcasting. A tie halves the derivative.
    #[doc(alias = "minimum")]
    #[track_caller]
    #[must_use]
    pub fn min(self, b: impl Operand<'t, T>) -> Self {
        self.extremum(b.on(self.tape), false)
    }

    entrywise! {
        /// `ln(1 + x)`, entry by entry, accurate near 0.
        #[doc(alias = "log1p")]
        ln_1p => Unary::Ln1p;
        /// `exp(x) - 1`, entry by entry, accurate near 0.
        #[doc(alias = "expm1")]
        exp_m1 => Unary::ExpM1;
        /// `x / |x|`, entry by entry, and 0 at 0; its derivative is 0.
        sign => Unary::Sign;
    }

    /// Between `low` and `high`, entry by entry. At a bound the derivative is 1/2, as that of [`Var::max`] at a tie.
    ///
    /// # Panics
    /// If `low > high`.
    #[doc(alias = "clip")]
    #[track_caller]
    #[must_use]
    pub fn clamp(self, low: f64, high: f64) -> Self {
        let _said = self.tape.saying(&"clamp");
        assert!(low <= high, "clamp: expected a lower bound that is not above the upper bound, got {low} and {high}");
        self.tape.push_one(Op::Unary(UnaryFn(Unary::Clamp(low, high))), &[&self])
    }

    entrywise! {
        /// `x^2`, entry by entry.
        square => Unary::Pow(2.0);
        /// The logarithm to base 2, entry by entry.
        log2 => Unary::Log2;
        /// The logarithm to base 10, entry by entry.
        log10 => Unary::Log10;
        /// `tan x`, entry by entry.
        tan => Unary::Tan;
        /// The hyperbolic sine, entry by entry.
        sinh => Unary::Sinh;
        /// The hyperbolic cosine, entry by entry.
        cosh => Unary::Cosh;
        /// The inverse sine, entry by entry; NaN outside of `[-1, 1]`, and an infinite derivative at the ends.
        #[doc(alias = "arcsin")]
        asin => Unary::Asin;
        /// The inverse cosine, entry by entry; NaN outside of `[-1, 1]`, and an infinite derivative at the ends.
        #[doc(alias = "arccos")]
        acos => Unary::Acos;
        /// The inverse tangent, entry by entry. For the angle of a point see [`Var::atan2`].
        #[doc(alias = "arctan")]
        atan => Unary::Atan;
        /// The inverse hyperbolic sine, entry by entry.
        #[doc(alias = "arcsinh")]
        asinh => Unary::Asinh;
        /// The inverse hyperbolic cosine, entry by entry; NaN below 1, and an infinite derivative there.
        #[doc(alias = "arccosh")]
        acosh => Unary::Acosh;
        /// The inverse hyperbolic tangent, entry by entry; infinite at -1 and 1, NaN beyond.
        #[doc(alias = "arctanh")]
        atanh => Unary::Atanh;
        /// The error function, entry by entry. Its derivative is a Gaussian.
        ///
        /// ```
        /// let g = pullback::grad(|x| x.erf().sum(), &3.0f64)?;
        /// assert!((g - 2.0 / std::f64::consts::PI.sqrt() * (-9.0f64).exp()).abs() < 1e-19);
        /// # Ok::<(), pullback::Error>(())
        /// ```
        erf => Unary::Erf;
        /// `1 - erf(x)`, entry by entry, without the difference: 1e-45 at `x = 10`.
        erfc => Unary::Erfc;
        /// `ln |Gamma(x)|`, entry by entry; infinite at 0, -1, -2, ..., where there is no derivative.
        ///
        /// The relative error is a few units of rounding for `x > -8`, also near the zeros; near a zero below it is
        /// less than what one unit of rounding in `x` does.
        #[doc(alias = "gammaln")]
        #[doc(alias = "lgamma")]
        ln_gamma => Unary::LnGamma;
        /// The digamma function, the derivative of [`Var::ln_gamma`], entry by entry; NaN at -1, -2, ... Its
        /// derivatives are the polygamma functions.
        ///
        /// ```
        /// let trigamma = pullback::grad(|x| x.digamma().sum(), &1.0f64)?;
        /// assert!((trigamma - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-15);
        /// # Ok::<(), pullback::Error>(())
        /// ```
        #[doc(alias = "psi")]
        #[doc(alias = "polygamma")]
        digamma => Unary::Digamma;
        /// `atan(sqrt x) / sqrt x`, entry by entry: analytic at 0, where it is 1; below 0 it is
        /// `atanh(sqrt -x) / sqrt -x`, and NaN below -1. The angle whose squared tangent is `x` has the square
        /// `x h(x)^2`, smooth where it is 0.
        ///
        /// ```
        /// let (h, g) = pullback::value_and_grad(|x| x.atan_root().sum(), &0.0f64)?;
        /// assert!(h == 1.0 && (g + 1.0 / 3.0).abs() < 1e-16);
        /// # Ok::<(), pullback::Error>(())
        /// ```
        atan_root => Unary::AtanRoot;
    }

    /// The Stumpff function `c_m(x) = sum_j (-x)^j / (2j + m)!`, entry by entry: entire, with `c_0 = cos`, and
    /// `c_1 = sin y / y`, `c_2 = (1 - cos y) / y^2`, `c_3 = (y - sin y) / y^3` of `y = sqrt x`; hyperbolic below 0.
    ///
    /// ```
    /// let (c, g) = pullback::value_and_grad(|x| x.stumpff(1).sum(), &0.0f64)?;
    /// assert!(c == 1.0 && (g + 1.0 / 6.0).abs() < 1e-16);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn stumpff(self, m: u32) -> Self {
        self.tape.push_one(Op::Unary(UnaryFn(Unary::Stumpff(m))), &[&self])
    }

    /// The angle of the point `(x, y)`, entry by entry with broadcasting, from `-pi` to `pi`: `y.atan2(x)`.
    ///
    /// Neither the value nor a derivative overflows where the truth does not. On the branch cut (`y = 0`, `x < 0`) the
    /// sign of the zero says which side the value belongs to; derivatives are the same on both. At `(0, 0)` the value
    /// follows IEEE, and a derivative is an error: not differentiable.
    ///
    /// # Panics
    /// If the sizes neither agree nor are 1.
    ///
    /// ```
    /// let (theta, (gy, gx)) = pullback::value_and_grad(|(y, x): (pullback::Var, pullback::Var)| y.atan2(x).sum(), &(3.0f64, 4.0f64))?;
    /// assert_eq!(theta, 3.0f64.atan2(4.0));
    /// assert!((gy - 4.0 / 25.0).abs() < 1e-15 && (gx + 3.0 / 25.0).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias = "arctan2")]
    #[track_caller]
    #[must_use]
    pub fn atan2(self, x: impl Operand<'t, T>) -> Self {
        let x = x.on(self.tape);
        let (a, b) = (self.shape(), x.shape());
        let Some(shape) = a.broadcast(b) else {
            panic!("atan2: expected sizes that agree, or are 1, in batch, rows and columns; got {a} and {b}")
        };
        self.tape.push_one(Op::Atan2(Atan2), &[&self.broadcast_to(shape), &x.broadcast_to(shape)])
    }

    /// `sqrt(x^2 + y^2)`, entry by entry, with broadcasting: the length of a point, the modulus of a complex number. No
    /// square overflows or underflows. At `(0, 0)` there is no derivative (`NotDifferentiable`).
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let (gx, gy) = grad(|(x, y): (Var, Var)| x.hypot(y), &(3e200_f64, 4e200_f64))?;
    /// assert!((gx - 0.6).abs() < 1e-15 && (gy - 0.8).abs() < 1e-15);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn hypot(self, y: impl Operand<'t, T>) -> Self {
        self.op2(Op::Hypot(Hypot), y.on(self.tape))
    }
}
