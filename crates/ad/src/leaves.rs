//! Several inputs as one: trees of numbers ([`Leaves`]) and the same trees of handles ([`VarTree`]).

use crate::batch::{Batch, MatLike};
use crate::{Scalar, Shape, Var};
use faer::Mat;

/// A tree of handles: what a program takes, and what a loop carries. Implemented for [`Var`], tuples, arrays and vectors of trees.
pub trait VarTree<'t, T: Scalar>: Sized {
    /// Visits every handle, in order.
    fn each(&self, f: &mut dyn FnMut(Var<'t, T>));
    /// The same tree with every handle replaced.
    fn map(&self, f: &mut dyn FnMut(Var<'t, T>) -> Var<'t, T>) -> Self;
}

/// A tree of matrices: the point at which a driver differentiates. Gradients have the same type.
///
/// Implemented for [`faer::Mat`], [`Batch`], numbers, tuples, arrays and vectors of trees; [`leaves!`](crate::leaves) derives it for a struct.
pub trait Leaves: Sized {
    /// The scalar of its matrices.
    type Scalar: Scalar;
    /// The same tree of handles.
    type Vars<'t>: VarTree<'t, Self::Scalar>;
    /// Visits every leaf, in order, with its name below `path`.
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn MatLike<Self::Scalar>));
    /// The tree of handles, from one handle for each leaf.
    fn bind<'t>(&self, next: &mut dyn FnMut() -> Var<'t, Self::Scalar>) -> Self::Vars<'t>;
    /// The same tree with other numbers, from one batch for each leaf.
    fn rebuild(&self, next: &mut dyn FnMut() -> Batch<Self::Scalar>) -> Self;

    /// The leaves as batches, with their names.
    fn named(&self) -> Vec<(String, Batch<Self::Scalar>)> {
        let mut out = Vec::new();
        self.visit("", &mut |name, m| {
            let mut b = Batch::zeros(m.shape());
            m.write(b.data_mut());
            out.push((name.to_string(), b));
        });
        out
    }

    /// The leaves as batches.
    fn batches(&self) -> Vec<Batch<Self::Scalar>> {
        self.named().into_iter().map(|(_, b)| b).collect()
    }

    /// The shapes of the leaves.
    fn shapes(&self) -> Vec<Shape> {
        let mut out = Vec::new();
        self.visit("", &mut |_, m| out.push(m.shape()));
        out
    }
}

impl<'t, T: Scalar> VarTree<'t, T> for Var<'t, T> {
    fn each(&self, f: &mut dyn FnMut(Var<'t, T>)) {
        f(*self);
    }
    fn map(&self, f: &mut dyn FnMut(Var<'t, T>) -> Var<'t, T>) -> Self {
        f(*self)
    }
}

impl<'t, T: Scalar, S: VarTree<'t, T>> VarTree<'t, T> for Vec<S> {
    fn each(&self, f: &mut dyn FnMut(Var<'t, T>)) {
        self.iter().for_each(|s| s.each(f));
    }
    fn map(&self, f: &mut dyn FnMut(Var<'t, T>) -> Var<'t, T>) -> Self {
        self.iter().map(|s| s.map(f)).collect()
    }
}

impl<'t, T: Scalar, S: VarTree<'t, T>, const N: usize> VarTree<'t, T> for [S; N] {
    fn each(&self, f: &mut dyn FnMut(Var<'t, T>)) {
        self.iter().for_each(|s| s.each(f));
    }
    fn map(&self, f: &mut dyn FnMut(Var<'t, T>) -> Var<'t, T>) -> Self {
        std::array::from_fn(|i| self[i].map(f))
    }
}

/// `path.name`, or the one that is not empty.
#[doc(hidden)]
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

fn leaf_name(path: &str) -> &str {
    if path.is_empty() { "x" } else { path }
}

macro_rules! leaf {
    ($([$($g:tt)*] $M:ty, $T:ty, $from:expr;)*) => {$(
        impl<$($g)*> Leaves for $M {
            type Scalar = $T;
            type Vars<'t> = Var<'t, $T>;
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn MatLike<$T>)) {
                f(leaf_name(path), self);
            }
            fn bind<'t>(&self, next: &mut dyn FnMut() -> Var<'t, $T>) -> Var<'t, $T> {
                next()
            }
            fn rebuild(&self, next: &mut dyn FnMut() -> Batch<$T>) -> Self {
                let from: fn(Batch<$T>) -> Self = $from;
                from(next())
            }
        }
    )*};
}
leaf! {
    [T: Scalar] Mat<T>, T, Batch::into_mat;
    [T: Scalar] Batch<T>, T, |b| b;
    [] f64, f64, |b| b.data()[0];
    [] f32, f32, |b| b.data()[0];
}

impl<L: Leaves> Leaves for Vec<L> {
    type Scalar = L::Scalar;
    type Vars<'t> = Vec<L::Vars<'t>>;
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn MatLike<L::Scalar>)) {
        self.iter().enumerate().for_each(|(i, l)| l.visit(&join(path, &i.to_string()), f));
    }
    fn bind<'t>(&self, next: &mut dyn FnMut() -> Var<'t, L::Scalar>) -> Self::Vars<'t> {
        self.iter().map(|l| l.bind(next)).collect()
    }
    fn rebuild(&self, next: &mut dyn FnMut() -> Batch<L::Scalar>) -> Self {
        self.iter().map(|l| l.rebuild(next)).collect()
    }
}

impl<L: Leaves, const N: usize> Leaves for [L; N] {
    type Scalar = L::Scalar;
    type Vars<'t> = [L::Vars<'t>; N];
    fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn MatLike<L::Scalar>)) {
        self.iter().enumerate().for_each(|(i, l)| l.visit(&join(path, &i.to_string()), f));
    }
    fn bind<'t>(&self, next: &mut dyn FnMut() -> Var<'t, L::Scalar>) -> Self::Vars<'t> {
        std::array::from_fn(|i| self[i].bind(next))
    }
    fn rebuild(&self, next: &mut dyn FnMut() -> Batch<L::Scalar>) -> Self {
        std::array::from_fn(|i| self[i].rebuild(next))
    }
}

macro_rules! tuples {
    ($(($($L:ident $i:tt),*))*) => {$(
        impl<'t, T: Scalar, $($L: VarTree<'t, T>),*> VarTree<'t, T> for ($($L,)*) {
            fn each(&self, f: &mut dyn FnMut(Var<'t, T>)) {
                $(self.$i.each(f);)*
            }
            fn map(&self, f: &mut dyn FnMut(Var<'t, T>) -> Var<'t, T>) -> Self {
                ($(self.$i.map(f),)*)
            }
        }
        impl<T: Scalar, $($L: Leaves<Scalar = T>),*> Leaves for ($($L,)*) {
            type Scalar = T;
            type Vars<'t> = ($($L::Vars<'t>,)*);
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn MatLike<T>)) {
                $(self.$i.visit(&join(path, stringify!($i)), f);)*
            }
            fn bind<'t>(&self, next: &mut dyn FnMut() -> Var<'t, T>) -> Self::Vars<'t> {
                ($(self.$i.bind(next),)*)
            }
            fn rebuild(&self, next: &mut dyn FnMut() -> Batch<T>) -> Self {
                ($(self.$i.rebuild(next),)*)
            }
        }
    )*};
}
tuples! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4) (A 0, B 1, C 2, D 3, E 4, F 5) }

/// Declares a struct of named leaves and the struct of handles that programs see in its place.
///
/// ```
/// use pullback::prelude::*;
/// pullback::leaves! {
///     /// The weights of a layer.
///     #[derive(Clone)]
///     pub struct Layer as LayerVars { weight: faer::Mat<f64>, bias: faer::Mat<f64> }
/// }
/// let layer = Layer { weight: faer::mat![[1.0, 2.0]], bias: faer::mat![[3.0]] };
/// let g = grad(|l: LayerVars<'_>| { let y = l.weight.sum() * l.bias; y * y }, &layer)?;
/// assert_eq!(g.bias, faer::mat![[54.0]]);
/// # Ok::<(), pullback::Error>(())
/// ```
#[macro_export]
macro_rules! leaves {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident as $Vars:ident { $($(#[$fm:meta])* $field:ident: $Ty:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $Name { $($(#[$fm])* pub $field: $Ty),* }

        /// The handles of the leaves.
        #[derive(Clone)]
        $vis struct $Vars<'t> { $($(#[$fm])* pub $field: <$Ty as $crate::Leaves>::Vars<'t>),* }

        impl<'t> $crate::VarTree<'t, f64> for $Vars<'t> {
            fn each(&self, f: &mut dyn FnMut($crate::Var<'t, f64>)) {
                $($crate::VarTree::each(&self.$field, f);)*
            }
            fn map(&self, f: &mut dyn FnMut($crate::Var<'t, f64>) -> $crate::Var<'t, f64>) -> Self {
                $Vars { $($field: $crate::VarTree::map(&self.$field, f)),* }
            }
        }
        impl $crate::Leaves for $Name {
            type Scalar = f64;
            type Vars<'t> = $Vars<'t>;
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn $crate::MatLike<f64>)) {
                $($crate::Leaves::visit(&self.$field, &$crate::join(path, stringify!($field)), f);)*
            }
            fn bind<'t>(&self, next: &mut dyn FnMut() -> $crate::Var<'t, f64>) -> $Vars<'t> {
                $Vars { $($field: $crate::Leaves::bind(&self.$field, next)),* }
            }
            fn rebuild(&self, next: &mut dyn FnMut() -> $crate::Batch<f64>) -> Self {
                $Name { $($field: $crate::Leaves::rebuild(&self.$field, next)),* }
            }
        }
    };
}
