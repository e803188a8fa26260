//! What a driver takes: closures from a tree of values to one value or to several, and words that pin their signatures.

use crate::leaves::{Leaves, VarTree};
use crate::{Scalar, Var};

/// A program from a tree of values to one value.
///
/// Implemented for closures. `for<'t> CostFn<'t, L>` is what a driver asks: the closure must work on any tape, so it
/// cannot smuggle a handle in or out:
///
/// ```compile_fail
/// use pullback::prelude::*;
/// let tape = Tape::new();
/// let outside = tape.input(&2.0);
/// let g = grad(|x| x * outside, &3.0); // `outside` lives on another tape, for one lifetime only
/// ```
///
/// What a program needs of the outside are numbers: `let c = outside.value();` and `|x| x * &c`.
pub trait CostFn<'t, L: Leaves>: Fn(L::Vars<'t>) -> Var<'t, L::Scalar> {}
impl<'t, L: Leaves, F: Fn(L::Vars<'t>) -> Var<'t, L::Scalar>> CostFn<'t, L> for F {}

/// A program from a tree of values to several: what [`vjp_many`](crate::vjp_many) and [`jvp_many`](crate::jvp_many)
/// differentiate.
pub trait ManyFn<'t, L: Leaves>: Fn(L::Vars<'t>) -> Many<'t, L::Scalar> {}
impl<'t, L: Leaves, F: Fn(L::Vars<'t>) -> Many<'t, L::Scalar>> ManyFn<'t, L> for F {}

/// Several outputs. Tuples, arrays and vectors of values convert with `.into()`.
#[derive(Debug, Clone)]
pub struct Many<'t, T: Scalar = f64>(pub Vec<Var<'t, T>>);

impl<'t, T: Scalar> Many<'t, T> {
    /// The handles of any tree.
    pub fn of(tree: &impl VarTree<'t, T>) -> Self {
        let mut out = Vec::new();
        tree.each(&mut |v| out.push(v));
        Many(out)
    }
}

macro_rules! many {
    ($([$($g:tt)*] $S:ty;)*) => {$(
        impl<'t, T: Scalar, $($g)*> From<$S> for Many<'t, T> {
            fn from(s: $S) -> Self {
                Many::of(&s)
            }
        }
    )*};
}
many! {
    [] Var<'t, T>;
    [] Vec<Var<'t, T>>;
    [const N: usize] [Var<'t, T>; N];
    [] (Var<'t, T>, Var<'t, T>);
    [] (Var<'t, T>, Var<'t, T>, Var<'t, T>);
    [] (Var<'t, T>, Var<'t, T>, Var<'t, T>, Var<'t, T>);
}

/// Pins the signature of a closure kept in a variable, which inference alone does not.
///
/// ```
/// use pullback::prelude::*;
/// let f = func(|x: Var| x * x);
/// assert_eq!(grad(&f, &3.0)?, 6.0);
/// # Ok::<(), pullback::Error>(())
/// ```
pub fn func<T: Scalar, F: for<'t> Fn(Var<'t, T>) -> Var<'t, T>>(f: F) -> F {
    f
}

/// Pins the signature of a closure over any tree to the point that it will be differentiated at. The point is not
/// looked at.
///
/// [`func`] does this for a closure of one value; a closure that is written where it is used needs neither.
///
/// ```
/// use pullback::prelude::*;
/// let x0 = (2.0_f64, faer::mat![[1.0, 3.0]]);
/// let f = pin(&x0, |(a, b)| a * b.sum());
/// assert_eq!(grad(&f, &x0)?.0, 4.0);
/// assert_eq!(hvp(&f, &x0, &x0)?.0, 4.0);
/// # Ok::<(), pullback::Error>(())
/// ```
pub fn pin<L: Leaves, F: for<'t> CostFn<'t, L>>(_: &L, f: F) -> F {
    f
}

/// [`pin`] for a closure with several outputs.
///
/// ```
/// use pullback::{pin_many, prelude::*, vjp_many};
/// let x0 = (2.0_f64, 3.0_f64);
/// let f = pin_many(&x0, |(a, b)| [a * b, a + b].into());
/// let (y, pull) = vjp_many(&f, &x0)?;
/// assert_eq!(pull(&y)?, (6.0 * 3.0 + 5.0, 6.0 * 2.0 + 5.0));
/// # Ok::<(), pullback::Error>(())
/// ```
pub fn pin_many<L: Leaves, F: for<'t> ManyFn<'t, L>>(_: &L, f: F) -> F {
    f
}
