//! The types of arguments of the operations (*words*) of a manifold: values on a tape or plain numbers, one matrix or
//! several; and the types of a random point.

use crate::{Error, Manifold, Parts, Result, numbers};
use pullback::faer::Mat;
use pullback::{Batch, Leaves, Scalar, Var, VarTree};
use rand::Rng;
use smallvec::SmallVec;

/// The role of an argument of a word. Numbers are checked accordingly; values are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A point.
    Point,
    /// A tangent at the first argument.
    Tangent,
    /// A vector of the ambient space.
    Ambient,
}

/// A program on lists of values that may not exist.
pub type Word<'f, T> = dyn for<'t> FnMut(&[Vec<Var<'t, T>>]) -> Option<Parts<'t, T>> + 'f;

/// A point, a tangent or an ambient vector, as an argument of a word: a [`Var`], a tuple or list of them; or a
/// reference to a matrix, a batch, or a tuple or list of those.
///
/// A word on values returns values. A word on numbers checks them first and returns a [`Result`].
pub trait Place: Sized {
    /// The scalar.
    type Scalar: Scalar;
    /// The type of a result that is a point or a vector.
    type Owned;
    /// The type of a result that is one number for each member: a [`Var`], one number for matrices, a [`Batch`] for
    /// batches.
    type Number;
    /// The return type of a word: `R` itself for values, `Result<R>` for numbers.
    type Out<R>;

    /// Runs a word whose result is a point or a vector.
    #[track_caller]
    fn place(
        m: &dyn Manifold<Self::Scalar>,
        word: &'static str,
        args: &[(Role, &Self)],
        f: &mut Word<'_, Self::Scalar>,
    ) -> Self::Out<Self::Owned>;

    /// Runs a word whose result is one number for each member.
    #[track_caller]
    fn number(
        m: &dyn Manifold<Self::Scalar>,
        word: &'static str,
        args: &[(Role, &Self)],
        f: &mut Word<'_, Self::Scalar>,
    ) -> Self::Out<Self::Number>;

    /// Wraps a result.
    fn wrap<A, B>(found: Self::Out<A>, f: impl FnOnce(A) -> B) -> Self::Out<B>;
}

/// The handles of a tree, in order.
fn handles<'t, T: Scalar>(tree: &impl VarTree<'t, T>) -> Vec<Var<'t, T>> {
    let mut out = Vec::new();
    tree.each(&mut |v| out.push(v));
    out
}

/// The answer of a word on values.
#[track_caller]
fn on_values<'t, T: Scalar, P: VarTree<'t, T>>(
    m: &dyn Manifold<T>,
    word: &str,
    args: &[(Role, &P)],
    f: &mut Word<'_, T>,
) -> Parts<'t, T> {
    let lists: SmallVec<[Vec<Var<'t, T>>; 4]> = args.iter().map(|(_, p)| handles(*p)).collect();
    let expected = m.shapes().len();
    for l in &lists {
        assert!(l.len() == expected, "{word}: expected a point of {}: {expected} matrices; got {}", m.name(), l.len());
    }
    match f(&lists) {
        Some(found) => found,
        None => panic!(
            "{} has no {word}: none is known in closed form, or the chosen metric has none; use another operation or metric",
            m.name()
        ),
    }
}

/// The answer of a word on numbers, after checks of the arguments.
fn on_numbers<T: Scalar>(
    m: &dyn Manifold<T>,
    word: &'static str,
    args: &[(Role, Vec<Batch<T>>)],
    f: &mut Word<'_, T>,
) -> Result<Vec<Batch<T>>> {
    for (role, p) in args {
        match role {
            Role::Point => m.check_point(p)?,
            Role::Tangent => m.check_tangent(&args[0].1, p)?,
            Role::Ambient => crate::residuals::shapes(&|| m.name(), &m.shapes(), p)?,
        }
    }
    let lists: SmallVec<[&[Batch<T>]; 4]> = args.iter().map(|(_, p)| p.as_slice()).collect();
    numbers::try_apply(&lists, f)?.ok_or_else(|| Error::Missing { manifold: m.name(), word })
}

macro_rules! values {
    ($([$($g:tt)*] $P:ty;)*) => {$(
        impl<'t, T: Scalar $($g)*> Place for $P {
            type Scalar = T;
            type Owned = $P;
            type Number = Var<'t, T>;
            type Out<R> = R;
            #[track_caller]
            fn place(m: &dyn Manifold<T>, word: &'static str, args: &[(Role, &Self)], f: &mut Word<'_, T>) -> Self {
                let mut found = on_values(m, word, args, f).into_iter();
                args[0].1.map(&mut |v| found.next().unwrap_or(v))
            }
            #[track_caller]
            fn number(m: &dyn Manifold<T>, word: &'static str, args: &[(Role, &Self)], f: &mut Word<'_, T>) -> Var<'t, T> {
                on_values(m, word, args, f)[0]
            }
            fn wrap<A, B>(found: A, f: impl FnOnce(A) -> B) -> B {
                f(found)
            }
        }
    )*};
}
values! {
    [] Var<'t, T>;
    [] (Var<'t, T>, Var<'t, T>);
    [] (Var<'t, T>, Var<'t, T>, Var<'t, T>);
    [] Vec<Var<'t, T>>;
    [, const N: usize] [Var<'t, T>; N];
}

/// A list as programs for any manifold have it.
impl<'t, T: Scalar> Place for &[Var<'t, T>] {
    type Scalar = T;
    type Owned = Parts<'t, T>;
    type Number = Var<'t, T>;
    type Out<R> = R;
    #[track_caller]
    fn place(m: &dyn Manifold<T>, word: &'static str, args: &[(Role, &Self)], f: &mut Word<'_, T>) -> Parts<'t, T> {
        let lists: SmallVec<[(Role, Vec<Var<'t, T>>); 4]> = args.iter().map(|(r, l)| (*r, l.to_vec())).collect();
        let args: SmallVec<[(Role, &Vec<Var<'t, T>>); 4]> = lists.iter().map(|(r, l)| (*r, l)).collect();
        on_values(m, word, &args, f)
    }
    #[track_caller]
    fn number(m: &dyn Manifold<T>, word: &'static str, args: &[(Role, &Self)], f: &mut Word<'_, T>) -> Var<'t, T> {
        Self::place(m, word, args, f)[0]
    }
    fn wrap<A, B>(found: A, f: impl FnOnce(A) -> B) -> B {
        f(found)
    }
}

macro_rules! plain {
    ($([$($g:tt)*] $P:ty, $number:ty, $from:expr;)*) => {$(
        impl<T: Scalar $($g)*> Place for &$P {
            type Scalar = T;
            type Owned = $P;
            type Number = $number;
            type Out<R> = Result<R>;
            fn place(m: &dyn Manifold<T>, word: &'static str, args: &[(Role, &Self)], f: &mut Word<'_, T>) -> Result<$P> {
                let lists: Vec<_> = args.iter().map(|(role, p)| (*role, p.batches())).collect();
                Ok(args[0].1.rebuild_all(on_numbers(m, word, &lists, f)?))
            }
            fn number(m: &dyn Manifold<T>, word: &'static str, args: &[(Role, &Self)], f: &mut Word<'_, T>) -> Result<$number> {
                let lists: Vec<_> = args.iter().map(|(role, p)| (*role, p.batches())).collect();
                let from: fn(Batch<T>) -> $number = $from;
                Ok(from(on_numbers(m, word, &lists, f)?.swap_remove(0)))
            }
            fn wrap<A, B>(found: Result<A>, f: impl FnOnce(A) -> B) -> Result<B> {
                found.map(f)
            }
        }
    )*};
}
plain! {
    [] Mat<T>, T, |b| b.data()[0];
    [] (Mat<T>, Mat<T>), T, |b| b.data()[0];
    [] (Mat<T>, Mat<T>, Mat<T>), T, |b| b.data()[0];
    [] Vec<Mat<T>>, T, |b| b.data()[0];
    [] Batch<T>, Batch<T>, |b| b;
    [] (Batch<T>, Batch<T>), Batch<T>, |b| b;
    [] (Batch<T>, Batch<T>, Batch<T>), Batch<T>, |b| b;
    [] Vec<Batch<T>>, Batch<T>, |b| b;
}

/// A type for a point on plain numbers: a matrix, a batch, or a tuple or list of those.
pub trait Plain: Sized {
    /// The scalar.
    type Scalar: Scalar;
    /// What it is, for messages.
    const WHAT: &'static str;

    /// From one batch of one member for each matrix of a point; `None` if there is another number of them.
    fn from_parts(parts: Vec<Batch<Self::Scalar>>) -> Option<Self>;
}

macro_rules! from_parts {
    ($($P:ty, $what:literal, [$($part:ident),*] => $point:expr;)*) => {$(
        impl<T: Scalar> Plain for $P {
            type Scalar = T;
            const WHAT: &'static str = $what;
            fn from_parts(parts: Vec<Batch<T>>) -> Option<Self> {
                let mut parts = parts.into_iter();
                $(let $part = parts.next()?;)*
                parts.next().is_none().then(|| $point)
            }
        }
    )*};
}
from_parts! {
    Mat<T>, "one matrix", [a] => a.into_mat();
    (Mat<T>, Mat<T>), "two matrices", [a, b] => (a.into_mat(), b.into_mat());
    (Mat<T>, Mat<T>, Mat<T>), "three matrices", [a, b, c] => (a.into_mat(), b.into_mat(), c.into_mat());
    Batch<T>, "one batch", [a] => a;
    (Batch<T>, Batch<T>), "two batches", [a, b] => (a, b);
    (Batch<T>, Batch<T>, Batch<T>), "three batches", [a, b, c] => (a, b, c);
}

impl<T: Scalar> Plain for Vec<Mat<T>> {
    type Scalar = T;
    const WHAT: &'static str = "a list of matrices";
    fn from_parts(parts: Vec<Batch<T>>) -> Option<Self> {
        Some(parts.into_iter().map(Batch::into_mat).collect())
    }
}

impl<T: Scalar> Plain for Vec<Batch<T>> {
    type Scalar = T;
    const WHAT: &'static str = "a list of batches";
    fn from_parts(parts: Vec<Batch<T>>) -> Option<Self> {
        Some(parts)
    }
}

/// The word `random`.
///
/// # Panics
/// If points of the manifold are not what `P` is.
#[doc(hidden)]
#[track_caller]
pub fn random<P: Plain>(m: &dyn Manifold<P::Scalar>, rng: &mut dyn Rng) -> P {
    let parts = m.random_point(1, rng);
    let n = parts.len();
    match P::from_parts(parts) {
        Some(point) => point,
        None => panic!("random: a point of {} is {n} matrices, which is not {}", m.name(), P::WHAT),
    }
}
