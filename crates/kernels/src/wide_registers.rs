//! Leaving the processor as it was found: every call of faer is followed by one of `clear_wide_registers`. No
//! arithmetic lives here.
//!
//! faer's routines run on the widest registers and may return with their upper halves in use. Until something clears
//! them, x86 code compiled for the baseline pays for a merge at every instruction; the factorisation after a product
//! pays most. A function that itself uses wide registers clears them on return, and `pulp` can call one without unsafe
//! code.

use core::hint::black_box;

/// Clears the upper halves of the wide registers, where there are any.
#[inline]
pub(crate) fn clear_wide_registers() {
    pulp::Arch::new().dispatch(Touch);
}

struct Touch;

impl pulp::NullaryFnOnce for Touch {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        black_box(black_box([1.0f64; 4]).map(|x| x + 1.0));
    }
}
