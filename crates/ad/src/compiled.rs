//! The hot loops, compiled in this crate once for `f64` and once for `f32`.
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
use crate::{Shape, Var};
use std::ops::Range;

/// A real scalar that the engine exists for: `f64` and `f32`. Its methods are those of [`pullback_kernels::Scalar`].
pub trait Scalar: pullback_kernels::Scalar + Compiled {}

/// The engine's loops for one scalar.
#[doc(hidden)]
#[allow(private_interfaces, missing_docs)]
pub trait Compiled: pullback_kernels::Kernels {
    fn infer(op: &Op<Self>, x: &[Shape]) -> Result<Shapes, String>
    where
        Self: Scalar;
    fn evaluate(vals: &mut [Val<Self>], rec: &OpRec<Self>, store: &Store<Self>) -> Result<(), Trouble>
    where
        Self: Scalar;
    fn replay(vals: &mut [Val<Self>], ops: &[OpRec<Self>], store: &Store<Self>)
    where
        Self: Scalar;
    fn push_tangents(vals: &mut [Val<Self>], rec: &OpRec<Self>, store: &Store<Self>)
    where
        Self: Scalar;
    fn reverse_numbers(
        rec: &Numbers<'_, Self>,
        ops: Range<usize>,
        base: usize,
        depends: &[u8],
        slots: &mut [Option<Buf<Self>>],
    ) where
        Self: Scalar;
    fn reverse_pairs(
        rec: &Pairs<'_, Self>,
        ops: Range<usize>,
        base: usize,
        depends: &[u8],
        slots: &mut [Option<Pair<Self>>],
    ) where
        Self: Scalar;
    fn reverse_handles(
        rec: &Handles<'_, Self>,
        ops: Range<usize>,
        base: usize,
        depends: &[u8],
        slots: &mut [Option<(u32, u32)>],
    ) where
        Self: Scalar;
    fn forward_numbers(rec: &Numbers<'_, Self>, ops: Range<usize>, base: usize, slots: &mut [Option<Buf<Self>>])
    where
        Self: Scalar;
    fn forward_pairs(rec: &Pairs<'_, Self>, ops: Range<usize>, base: usize, slots: &mut [Option<Pair<Self>>])
    where
        Self: Scalar;
    fn forward_handles(rec: &Handles<'_, Self>, ops: Range<usize>, base: usize, slots: &mut [Option<(u32, u32)>])
    where
        Self: Scalar;
}

macro_rules! compiled {
    ($($T:ident),*) => {$(
        impl Scalar for $T {}

        #[allow(private_interfaces)]
        impl Compiled for $T {
            fn infer(op: &Op<$T>, x: &[Shape]) -> Result<Shapes, String> {
                op.infer(x)
            }
            fn evaluate(vals: &mut [Val<$T>], rec: &OpRec<$T>, store: &Store<$T>) -> Result<(), Trouble> {
                record::evaluate(vals, rec, store)
            }
            fn replay(vals: &mut [Val<$T>], ops: &[OpRec<$T>], store: &Store<$T>) {
                record::replay(vals, ops, store)
            }
            fn push_tangents(vals: &mut [Val<$T>], rec: &OpRec<$T>, store: &Store<$T>) {
                record::push_tangents(vals, rec, store)
            }
            fn reverse_numbers(rec: &Numbers<'_, $T>, ops: Range<usize>, base: usize, depends: &[u8], slots: &mut [Option<Buf<$T>>]) {
                sweep::reverse::<Eager<'_, $T>, _>(rec, ops, base, depends, slots)
            }
            fn reverse_pairs(rec: &Pairs<'_, $T>, ops: Range<usize>, base: usize, depends: &[u8], slots: &mut [Option<Pair<$T>>]) {
                sweep::reverse::<Dual<Eager<'_, $T>>, _>(rec, ops, base, depends, slots)
            }
            fn reverse_handles(rec: &Handles<'_, $T>, ops: Range<usize>, base: usize, depends: &[u8], slots: &mut [Option<(u32, u32)>]) {
                sweep::reverse::<Var<'_, $T>, _>(rec, ops, base, depends, slots)
            }
            fn forward_numbers(rec: &Numbers<'_, $T>, ops: Range<usize>, base: usize, slots: &mut [Option<Buf<$T>>]) {
                sweep::forward::<Eager<'_, $T>, _>(rec, ops, base, slots)
            }
            fn forward_pairs(rec: &Pairs<'_, $T>, ops: Range<usize>, base: usize, slots: &mut [Option<Pair<$T>>]) {
                sweep::forward::<Dual<Eager<'_, $T>>, _>(rec, ops, base, slots)
            }
            fn forward_handles(rec: &Handles<'_, $T>, ops: Range<usize>, base: usize, slots: &mut [Option<(u32, u32)>]) {
                sweep::forward::<Var<'_, $T>, _>(rec, ops, base, slots)
            }
        }
    )*};
}
compiled!(f64, f32);
