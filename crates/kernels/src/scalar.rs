//! The numbers that everything here is generic over. What can be computed with them is the list of kernels (`list/`).

/// A real scalar: `f64` or `f32`.
pub trait Scalar:
    num_traits::Float
    + num_traits::NumAssign
    + Copy
    + Send
    + Sync
    + core::fmt::Debug
    + core::fmt::Display
    + Default
    + 'static
{
    /// Machine epsilon (the distance from 1 to the next number).
    const EPS: Self;
    /// `"f64"` or `"f32"`.
    const NAME: &'static str;
    /// Rounds a double.
    fn of(x: f64) -> Self;
    /// Widens to a double.
    fn f64(self) -> f64;
}

macro_rules! scalar {
    ($T:ident, $name:literal) => {
        impl Scalar for $T {
            const EPS: Self = $T::EPSILON;
            const NAME: &'static str = $name;
            fn of(x: f64) -> Self {
                x as $T
            }
            fn f64(self) -> f64 {
                f64::from(self)
            }
        }
    };
}
scalar!(f64, "f64");
scalar!(f32, "f32");
