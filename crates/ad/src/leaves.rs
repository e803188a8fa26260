//! Several inputs as one: trees of numbers ([`Leaves`]) and the same trees of handles ([`VarTree`]).

use crate::batch::{Batch, MatLike};
use crate::in_program::on_trees;
use crate::{Scalar, Shape, Var};
use faer::{Col, Mat, Row};

/// A tree of handles: what a program takes, and what a loop carries. Implemented for [`Var`], tuples, arrays and
/// vectors of trees and the structs of [`leaves!`](crate::leaves).
///
/// Its methods are derivatives inside programs by several values at once; each has a form on [`Var`] alone. Gradients
/// are trees of the same type, and values of the same program: they are differentiated in turn.
///
/// ```
/// use pullback::prelude::*;
/// // One step of gradient descent on two parameters, differentiated by the step size.
/// let d = grad(|s: Var| {
///     let (a, b) = (s.tape().constant(&1.0), s.tape().constant(&2.0));
///     let (ga, gb) = (a, b).grad(cost);                          // (2ab, a²) = (4, 1)
///     cost((a - s * ga, b - s * gb))
/// }, &0.0)?;
/// fn cost<'t>((a, b): (Var<'t>, Var<'t>)) -> Var<'t> { a * a * b }
/// assert_eq!(d, -17.0);                                          // minus the squared length of the gradient
/// # Ok::<(), pullback::Error>(())
/// ```
pub trait VarTree<'t, T: Scalar>: Sized {
    /// Visits every handle, in order.
    fn each(&self, f: &mut dyn FnMut(Var<'t, T>));
    /// The same tree with every handle replaced.
    fn map(&self, f: &mut dyn FnMut(Var<'t, T>) -> Var<'t, T>) -> Self;

    /// The gradient of `f` by every value of the tree.
    ///
    /// # Panics
    /// If `f` returns anything but one number, or the tree has no value.
    #[track_caller]
    #[must_use]
    fn grad(self, f: impl Fn(Self) -> Var<'t, T>) -> Self {
        on_trees::grad(self, f)
    }

    /// The value of `f` and its gradient by every value of the tree.
    ///
    /// # Panics
    /// As [`VarTree::grad`].
    #[track_caller]
    #[must_use]
    fn value_and_grad(self, f: impl Fn(Self) -> Var<'t, T>) -> (Var<'t, T>, Self) {
        on_trees::value_and_grad("value_and_grad", self, f)
    }

    /// The value of `f` and its derivative when the tree moves along `v`.
    ///
    /// # Panics
    /// If `v` has other shapes than the tree, or the tree has no value.
    #[track_caller]
    #[must_use]
    fn jvp(self, f: impl Fn(Self) -> Var<'t, T>, v: Self) -> (Var<'t, T>, Var<'t, T>) {
        on_trees::jvp(self, f, v)
    }

    /// The Hessian of `f` by the whole tree, applied to `v`: the derivative of the gradient along `v`.
    ///
    /// # Panics
    /// As [`VarTree::grad`] and [`VarTree::jvp`].
    #[track_caller]
    #[must_use]
    fn hvp(self, f: impl Fn(Self) -> Var<'t, T>, v: Self) -> Self {
        on_trees::hvp(self, f, v)
    }

    /// `f` of the tree, of which a recording tape keeps the operations and not the values: see [`Var::checkpoint`].
    ///
    /// # Panics
    /// If the tree has no value.
    #[doc(alias = "remat")]
    #[track_caller]
    #[must_use]
    fn checkpoint<R: VarTree<'t, T>>(self, f: impl Fn(Self) -> R) -> R {
        crate::checkpoint::checkpoint(self, f)
    }
}

/// A tree of matrices: the point at which a driver differentiates. Gradients have the same type.
///
/// Implemented for [`faer::Mat`], [`Col`], [`Row`], [`Batch`], numbers, tuples, arrays and vectors of trees;
/// [`leaves!`](crate::leaves) derives it for a struct.
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

    /// The tree of these handles, one for each leaf in order.
    ///
    /// # Panics
    /// If there are fewer handles than leaves.
    #[track_caller]
    fn bind_all<'t>(&self, list: &[Var<'t, Self::Scalar>]) -> Self::Vars<'t> {
        let mut next = list.iter().copied();
        self.bind(&mut || next.next().unwrap_or_else(|| panic!("bind_all: expected one handle for each leaf")))
    }

    /// The same tree with these numbers, one batch for each leaf in order.
    ///
    /// # Panics
    /// If there are fewer batches than leaves.
    #[track_caller]
    fn rebuild_all(&self, list: impl IntoIterator<Item = Batch<Self::Scalar>>) -> Self {
        let mut next = list.into_iter();
        self.rebuild(&mut || next.next().unwrap_or_else(|| panic!("rebuild_all: expected one batch for each leaf")))
    }

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
    [T: Scalar] Col<T>, T, |b| Col::from_fn(b.shape().rows, |i| b.data()[i]);
    [T: Scalar] Row<T>, T, |b| Row::from_fn(b.shape().cols, |j| b.data()[j]);
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
/// The scalar is that of the fields; a struct may be generic in it, with a default. Fields may be any
/// [`Leaves`](crate::Leaves), structs of this kind among them.
///
/// ```
/// use pullback::{Scalar, faer::Mat, prelude::*};
/// pullback::leaves! {
///     /// The weights of a layer.
///     #[derive(Clone)]
///     pub struct Layer<T: Scalar = f64> as LayerVars { weight: Mat<T>, bias: Mat<T> }
/// }
/// pullback::leaves! {
///     struct Net as NetVars { first: Layer<f64>, scales: Vec<f64> }
/// }
/// let layer = Layer { weight: faer::mat![[1.0, 2.0]], bias: faer::mat![[3.0]] };
/// let g = grad(|l: LayerVars<'_>| { let y = l.weight.sum() * l.bias; y * y }, &layer)?;
/// assert_eq!(g.bias, faer::mat![[54.0]]);
/// let net = Net { first: layer, scales: vec![2.0, 5.0] };
/// let g = grad(|n| n.first.weight.sum() * n.scales[1], &net)?;
/// assert_eq!(g.scales, [0.0, 3.0]);
/// # Ok::<(), pullback::Error>(())
/// ```
#[macro_export]
macro_rules! leaves {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident $(<$T:ident: $Bound:path $(= $Default:ty)?>)? as $Vars:ident {
        $(#[$m0:meta])* $v0:vis $first:ident: $First:ty $(, $(#[$fm:meta])* $fv:vis $field:ident: $Ty:ty)* $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $Name $(<$T: $Bound $(= $Default)?>)? { $(#[$m0])* pub $first: $First $(, $(#[$fm])* pub $field: $Ty)* }

        /// The handles of the leaves.
        #[derive(Clone, Debug)]
        $vis struct $Vars<'t $(, $T: $Bound $(= $Default)?)?> {
            $(#[$m0])* pub $first: <$First as $crate::Leaves>::Vars<'t>
            $(, $(#[$fm])* pub $field: <$Ty as $crate::Leaves>::Vars<'t>)*
        }

        impl<'t $(, $T: $Bound)?> $crate::VarTree<'t, <$First as $crate::Leaves>::Scalar> for $Vars<'t $(, $T)?> {
            fn each(&self, f: &mut dyn FnMut($crate::Var<'t, <$First as $crate::Leaves>::Scalar>)) {
                $crate::VarTree::each(&self.$first, f);
                $($crate::VarTree::each(&self.$field, f);)*
            }
            fn map(
                &self,
                f: &mut dyn FnMut(
                    $crate::Var<'t, <$First as $crate::Leaves>::Scalar>,
                ) -> $crate::Var<'t, <$First as $crate::Leaves>::Scalar>,
            ) -> Self {
                $Vars {
                    $first: $crate::VarTree::map(&self.$first, f)
                    $(, $field: $crate::VarTree::map(&self.$field, f))*
                }
            }
        }
        impl $(<$T: $Bound>)? $crate::Leaves for $Name $(<$T>)? {
            type Scalar = <$First as $crate::Leaves>::Scalar;
            type Vars<'t> = $Vars<'t $(, $T)?>;
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &dyn $crate::MatLike<Self::Scalar>)) {
                $crate::Leaves::visit(&self.$first, &$crate::join(path, stringify!($first)), f);
                $($crate::Leaves::visit(&self.$field, &$crate::join(path, stringify!($field)), f);)*
            }
            fn bind<'t>(&self, next: &mut dyn FnMut() -> $crate::Var<'t, Self::Scalar>) -> Self::Vars<'t> {
                $Vars {
                    $first: $crate::Leaves::bind(&self.$first, next)
                    $(, $field: $crate::Leaves::bind(&self.$field, next))*
                }
            }
            fn rebuild(&self, next: &mut dyn FnMut() -> $crate::Batch<Self::Scalar>) -> Self {
                $Name {
                    $first: $crate::Leaves::rebuild(&self.$first, next)
                    $(, $field: $crate::Leaves::rebuild(&self.$field, next))*
                }
            }
        }
    };
}
