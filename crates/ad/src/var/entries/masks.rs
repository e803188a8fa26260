//! Comparisons, which make masks, and what a mask selects. The rules are in `ops/entries/select.rs`.

use crate::ops::Op;
use crate::ops::entries::select::{Compare, Relation, Select};
use crate::{Operand, Scalar, Shape, Var};

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $relation:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// The other side is a value, a matrix or a number; shapes broadcast. The result holds 1 where it is so and 0
        /// elsewhere, has no derivative, and is found anew at every replay. NaN is unequal to everything and in no
        /// other relation to anything.
        ///
        /// # Panics
        /// If the shapes do not fit.
        #[track_caller]
        #[must_use]
        pub fn $name(self, b: impl Operand<'t, T>) -> Self {
            let b = b.on(self.tape);
            fits(stringify!($name), &[self, b]);
            self.tape.push_one(Op::Compare(Compare(Relation::$relation)), &[&self, &b])
        }
    )*};
}

/// The shape that all broadcast to, or a panic that names the method.
#[track_caller]
fn fits<T: Scalar>(method: &str, all: &[Var<'_, T>]) -> Shape {
    let shapes: Vec<Shape> = all.iter().map(Var::shape).collect();
    match shapes.iter().try_fold(Shape::SCALAR, |s, &x| s.broadcast(x)) {
        Some(shape) => shape,
        None => panic!("{method}: expected sizes that agree or are 1 in batch, rows and columns, got {shapes:?}"),
    }
}

/// # Entries: masks
/// Comparisons, and what they select.
impl<'t, T: Scalar> Var<'t, T> {
    comparisons! {
        /// Where is `self > b`?
        #[doc(alias = "greater")]
        gt => Greater;
        /// Where is `self >= b`?
        #[doc(alias = "greater_equal")]
        ge => GreaterOrEqual;
        /// Where is `self < b`?
        #[doc(alias = "less")]
        lt => Less;
        /// Where is `self <= b`?
        #[doc(alias = "less_equal")]
        le => LessOrEqual;
        /// Where are the entries equal?
        #[doc(alias = "equal")]
        eq => Equal;
        /// Where are the entries different?
        #[doc(alias = "not_equal")]
        ne => NotEqual;
    }

    /// `a` where this mask is true, `b` elsewhere, entry by entry, with broadcasting of all three.
    ///
    /// A mask holds numbers, of which 0 is false and all others are true; NaN gives NaN. No derivative passes through
    /// it, and it is looked at anew at every replay. The entry that is not taken is not read: an infinity or NaN
    /// there does not come through, neither into the value nor into tangents, and its cotangent is exactly 0.
    ///
    /// # Branches that are singular where they are not taken
    ///
    /// In forward mode nothing of the other branch is read, so nothing can go wrong. In reverse mode the branch's own
    /// operations receive the cotangent 0 and multiply it by their derivative, and `0 * inf` is NaN. The sweep
    /// therefore keeps the mask in mind: through operations between entries of equal shape (`sqrt`, `ln`, `powf`,
    /// `recip`, `hadamard`, `elem_div`, `+`, `max`, ...) what leads to an entry that is not taken stays exactly 0, to
    /// every order. This ends
    ///
    /// - at an operation that mixes entries or broadcasts (a sum, a norm, a product), and
    /// - at a value that is used outside of the branch too.
    ///
    /// Beyond that point a singular derivative is an error of the driver, never a silent number; [`Var::select_with`]
    /// covers these cases.
    ///
    /// # Panics
    /// If the shapes do not fit.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use faer::mat;
    /// let root = func(|x| x.gt(0.0).select(x.sqrt(), 0.0).sum());
    /// assert_eq!(grad(root, &mat![[4.0], [0.0], [-1.0]]).unwrap(), mat![[0.25], [0.0], [0.0]]);
    /// ```
    #[doc(alias = "where")]
    #[track_caller]
    #[must_use]
    pub fn select(self, a: impl Operand<'t, T>, b: impl Operand<'t, T>) -> Self {
        let (a, b) = (a.on(self.tape), b.on(self.tape));
        let shape = fits("select", &[self, a, b]);
        let all = [self, a, b].map(|x| x.broadcast_to(shape));
        self.tape.push_one(Op::Select(Select), &[&all[0], &all[1], &all[2]])
    }

    /// `taken(self)` where the mask is true, `other(self)` elsewhere, where neither branch sees an argument at which
    /// it is not taken: there it gets the number `safe` instead.
    ///
    /// So nothing singular happens in the branch that is not taken, whatever the branch is made of, to every order,
    /// in every mode. `safe` is a number at which both branches are smooth. The mask broadcasts to the shape of
    /// `self`, so that a mask of one number decides for the whole argument.
    ///
    /// # Panics
    /// If the shapes do not fit.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// use faer::mat;
    /// // The angle over its sine, for a rotation vector that may be zero.
    /// let f = func(|x| {
    ///     let turned = x.dot(x).gt(0.0);
    ///     x.select_with(turned, 1.0, |x| x.norm().elem_div(x.norm().sin()), |x| 1.0 + x.dot(x) / 6.0)
    /// });
    /// let g = grad(f, &mat![[0.0], [0.0], [0.0]]).unwrap();
    /// assert_eq!(g.norm_l2(), 0.0);
    /// ```
    #[doc(alias = "cond")]
    #[track_caller]
    #[must_use]
    pub fn select_with(
        self,
        mask: impl Operand<'t, T>,
        safe: f64,
        taken: impl FnOnce(Self) -> Self,
        other: impl FnOnce(Self) -> Self,
    ) -> Self {
        let mask = mask.on(self.tape);
        fits("select_with", &[mask, self]);
        let safe = self.tape.filled(Shape::SCALAR, T::of(safe));
        let (a, b) = (taken(mask.select(self, safe)), other(mask.select(safe, self)));
        mask.select(a, b)
    }
}
