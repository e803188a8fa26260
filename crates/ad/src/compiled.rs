//! The hot loops, and what starts them on a tape that a user holds, compiled in this crate once for `f64` and once for
//! `f32`.
//!
//! Generic code is compiled by whoever calls it, so without this list every user's crate would compile every rule of
//! the registry again, at its own optimisation level. No algorithm lives here.

use crate::dual::Dual;
use crate::eager::Eager;
use crate::ops::direct::Pair;
use crate::ops::{Op, Shapes};
use crate::record::{self, OpRec};
use crate::store::{Buf, Store, Trouble};
use crate::sweep;
use crate::val::Val;
use crate::views::{Handles, Numbers, Pairs};
use crate::{Batch, Error, MatLike, Shape, Tape, Var};
use std::ops::Range;

/// A real scalar that the engine exists for: `f64` and `f32`. Its methods are those of [`pullback_kernels::Scalar`].
pub trait Scalar: pullback_kernels::Scalar + Compiled {}

/// Values with a direction or a cotangent for each.
type Seeds<'s, 't, T> = &'s [(Var<'t, T>, &'s dyn MatLike<T>)];

/// The engine's loops for one scalar: `fn name(x: X) -> Y = function;` declares `T::name`, which calls `function(x)`.
macro_rules! compiled {
    ($($(#[$a:meta])* fn $name:ident($($x:ident: $X:ty),* $(,)?) $(-> $Y:ty)? = $function:expr;)*) => {
        /// The engine's loops for one scalar.
        #[doc(hidden)]
        #[allow(private_interfaces, missing_docs)]
        pub trait Compiled: pullback_kernels::Kernels {
            $($(#[$a])* fn $name($($x: $X),*) $(-> $Y)? where Self: Scalar;)*
        }
        compiled!(@ f64 $($(#[$a])* fn $name($($x: $X),*) $(-> $Y)? = $function;)*);
        compiled!(@ f32 $($(#[$a])* fn $name($($x: $X),*) $(-> $Y)? = $function;)*);
    };
    (@ $T:ident $($(#[$a:meta])* fn $name:ident($($x:ident: $X:ty),*) $(-> $Y:ty)? = $function:expr;)*) => {
        impl Scalar for $T {}

        #[allow(private_interfaces)]
        impl Compiled for $T {
            $($(#[$a])* fn $name($($x: $X),*) $(-> $Y)? { $function($($x),*) })*
        }
    };
}

#[rustfmt::skip]
compiled! {
    fn infer(op: &Op<Self>, x: &[Shape]) -> Result<Shapes, String> = Op::infer;
    fn evaluate(vals: &mut [Val<Self>], rec: &OpRec<Self>, store: &Store<Self>) -> Result<(), Trouble> = record::evaluate;
    fn replay(vals: &mut [Val<Self>], ops: &[OpRec<Self>], store: &Store<Self>) = record::replay;
    fn push_tangents(vals: &mut [Val<Self>], rec: &OpRec<Self>, store: &Store<Self>) = record::push_tangents;
    #[track_caller]
    fn gradient(
        tape: &Tape<Self>, y: Var<'_, Self>, x: &[Var<'_, Self>], out: &mut [&mut Batch<Self>],
    ) -> Result<(), Error> = Tape::gradient_here;
    #[track_caller]
    fn vjp(
        tape: &Tape<Self>, seeds: Seeds<'_, '_, Self>, x: &[Var<'_, Self>], out: &mut [&mut Batch<Self>],
    ) -> Result<(), Error> = Tape::vjp_here;
    #[track_caller]
    fn jvp(
        tape: &Tape<Self>, seeds: Seeds<'_, '_, Self>, y: &[Var<'_, Self>], out: &mut [&mut Batch<Self>],
    ) -> Result<(), Error> = Tape::jvp_here;
    #[track_caller]
    fn second_order(
        tape: &Tape<Self>, y: Var<'_, Self>, seeds: Seeds<'_, '_, Self>, gradients: &mut [&mut Batch<Self>],
        out: &mut [&mut Batch<Self>],
    ) -> Result<(), Error> = Tape::second_order_here;
    fn reverse_numbers(
        rec: &Numbers<'_, Self>, ops: Range<usize>, base: usize, depends: &[u8], slots: &mut [Option<Buf<Self>>],
    ) = sweep::reverse::<Eager<'_, Self>, _>;
    fn reverse_pairs(
        rec: &Pairs<'_, Self>, ops: Range<usize>, base: usize, depends: &[u8], slots: &mut [Option<Pair<Self>>],
    ) = sweep::reverse::<Dual<Eager<'_, Self>>, _>;
    fn reverse_handles(
        rec: &Handles<'_, Self>, ops: Range<usize>, base: usize, depends: &[u8], slots: &mut [Option<(u32, u32)>],
    ) = sweep::reverse::<Var<'_, Self>, _>;
    fn forward_numbers(
        rec: &Numbers<'_, Self>, ops: Range<usize>, base: usize, slots: &mut [Option<Buf<Self>>],
    ) = sweep::forward::<Eager<'_, Self>, _>;
    fn forward_pairs(
        rec: &Pairs<'_, Self>, ops: Range<usize>, base: usize, slots: &mut [Option<Pair<Self>>],
    ) = sweep::forward::<Dual<Eager<'_, Self>>, _>;
    fn forward_handles(
        rec: &Handles<'_, Self>, ops: Range<usize>, base: usize, slots: &mut [Option<(u32, u32)>],
    ) = sweep::forward::<Var<'_, Self>, _>;
}
