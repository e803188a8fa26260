//! Registers full of numbers: the operations of `pulp` that loops over columns need, for both precisions. Whoever uses
//! them (`thin.rs`, and outside this folder `householder.rs` and others) is generic over the number and the registers.

use pulp::Simd;

/// A number with registers full of it: the operations of `pulp` under names that do not say which number it is.
pub(crate) trait Registers: Sized {
    type Of<S: Simd>: Copy;

    fn splat<S: Simd>(simd: S, x: Self) -> Self::Of<S>;
    /// `a b + c`, fused where the processor can.
    fn madd<S: Simd>(simd: S, a: Self::Of<S>, b: Self::Of<S>, c: Self::Of<S>) -> Self::Of<S>;
    /// The whole registers at the front.
    fn whole<S: Simd>(x: &[Self]) -> &[Self::Of<S>];
    /// The same to write to.
    fn whole_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Of<S>];
    /// Fewer entries than fill a register, and zeros.
    fn part<S: Simd>(simd: S, x: &[Self]) -> Self::Of<S>;
    /// As many entries as there is room for.
    fn write<S: Simd>(simd: S, x: &mut [Self], v: Self::Of<S>);
    fn total<S: Simd>(simd: S, v: Self::Of<S>) -> Self;
    /// The larger of the magnitude of each `v` and `top`.
    fn larger<S: Simd>(simd: S, v: Self::Of<S>, top: Self::Of<S>) -> Self::Of<S>;
    fn largest<S: Simd>(simd: S, v: Self::Of<S>) -> Self;
}

macro_rules! registers {
    ($($T:ty, $s:ident: $splat:ident $madd:ident $whole:ident $whole_mut:ident $part:ident $write:ident $total:ident $max:ident $abs:ident $top:ident;)*) => {$(
        impl Registers for $T {
            type Of<S: Simd> = S::$s;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: $T) -> S::$s {
                simd.$splat(x)
            }
            #[inline(always)]
            fn madd<S: Simd>(simd: S, a: S::$s, b: S::$s, c: S::$s) -> S::$s {
                simd.$madd(a, b, c)
            }
            #[inline(always)]
            fn whole<S: Simd>(x: &[$T]) -> &[S::$s] {
                S::$whole(x).0
            }
            #[inline(always)]
            fn whole_mut<S: Simd>(x: &mut [$T]) -> &mut [S::$s] {
                S::$whole_mut(x).0
            }
            #[inline(always)]
            fn part<S: Simd>(simd: S, x: &[$T]) -> S::$s {
                simd.$part(x)
            }
            #[inline(always)]
            fn write<S: Simd>(simd: S, x: &mut [$T], v: S::$s) {
                simd.$write(x, v);
            }
            #[inline(always)]
            fn total<S: Simd>(simd: S, v: S::$s) -> $T {
                simd.$total(v)
            }
            #[inline(always)]
            fn larger<S: Simd>(simd: S, v: S::$s, top: S::$s) -> S::$s {
                simd.$max(simd.$abs(v), top)
            }
            #[inline(always)]
            fn largest<S: Simd>(simd: S, v: S::$s) -> $T {
                simd.$top(v)
            }
        }
    )*};
}
registers! {
    f64, f64s: splat_f64s mul_add_e_f64s as_simd_f64s as_mut_simd_f64s partial_load_f64s partial_store_f64s reduce_sum_f64s
        max_f64s abs_f64s reduce_max_f64s;
    f32, f32s: splat_f32s mul_add_e_f32s as_simd_f32s as_mut_simd_f32s partial_load_f32s partial_store_f32s reduce_sum_f32s
        max_f32s abs_f32s reduce_max_f32s;
}
