//! Control: what stops or guards derivatives. Programs on the tape (`grad`, `scope`, `iterate`) are in `in_program.rs`.

use crate::ops::{self, Op};
use crate::{Scalar, Shape, Var};

/// # Control
/// What stops or guards derivatives.
impl<'t, T: Scalar> Var<'t, T> {
    /// The same numbers, through which no derivative passes.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// assert_eq!(grad(|x: Var| x * x.stop_gradient(), &3.0)?, 3.0);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[doc(alias("detach", "no_grad"))]
    #[track_caller]
    #[must_use]
    pub fn stop_gradient(self) -> Self {
        self.op1(Op::StopGradient(ops::control::guard::StopGradient))
    }

    /// The same numbers in the members where all entries of `condition` are positive; elsewhere the failure
    /// [`OutsideDomain`](crate::Failure::OutsideDomain), which says `what` must hold.
    ///
    /// A program may not branch on numbers, so this is how a function states where it has no value: the verdict is part
    /// of the program and is given anew at replay. Derivatives pass through to `self`; `condition` is only read.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let height = func(|x: Var| (1.0 - x * x).where_positive(1.0 - x * x, "|x| < 1").sqrt());
    /// assert_eq!(grad(height, &0.6)?, -0.75);
    /// assert!(grad(height, &2.0).unwrap_err().to_string().contains("outside the domain: |x| < 1"));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// # Panics
    /// If the batches differ and neither is one.
    #[track_caller]
    #[must_use]
    pub fn where_positive(self, condition: Self, what: &'static str) -> Self {
        let (x, c) = (self.shape(), condition.shape());
        if x.batch == 1 && c.batch > 1 {
            // One value for members that are judged apart.
            let members = self.tape.filled(Shape::batch(c.batch, 1, 1), T::zero());
            return (self + members).where_positive(condition, what);
        }
        self.tape.push_one(Op::Positive(ops::control::guard::Positive { what }), &[&self, &condition])
    }

    #[track_caller]
    pub(crate) fn alias(self) -> Self {
        self.op1(Op::Alias(ops::control::guard::Alias))
    }
}
