//! The list of kernels, one file for a family. Each is written once, with its meaning, its signature and the function
//! that it is; the traits, and what they are for `f64` and `f32`, are made of that. No algorithm lives here.

/// A family of kernels: a trait over [`Scalar`](crate::Scalar), and its methods for `f64` and `f32`.
///
/// `fn name(x: X) -> Y = kernel;` declares `T::name`, which calls `kernel(x)`. Generic functions are compiled by
/// whoever calls them with a type; here that is this crate, and so faer is compiled once.
macro_rules! kernels {
    ($(#[$about:meta])* pub trait $Family:ident {
        $($(#[$doc:meta])* fn $name:ident($($x:ident: $X:ty),* $(,)?) $(-> $Y:ty)? = $kernel:expr;)*
    }) => {
        $(#[$about])*
        #[allow(clippy::too_many_arguments)]
        pub trait $Family: Scalar {
            $($(#[$doc])* fn $name($($x: $X),*) $(-> $Y)?;)*
        }
        impl $Family for f64 {
            $(fn $name($($x: $X),*) $(-> $Y)? { ($kernel)($($x),*) })*
        }
        impl $Family for f32 {
            $(fn $name($($x: $X),*) $(-> $Y)? { ($kernel)($($x),*) })*
        }
    };
}
mod entries;
mod factorisations;
mod layout;
mod matrix_functions;
mod products;
mod reductions;
mod solves;
mod spectra;

pub use entries::Entries;
pub use factorisations::Factorisations;
pub use layout::Layout;
pub use matrix_functions::MatrixFunctions;
pub use products::Products;
pub use reductions::Reductions;
pub use solves::Solves;
pub use spectra::Spectra;

/// Every kernel: what generic code over them asks for.
///
/// Slices are packed, column-major; `m x n` means `m` rows. Lengths are the caller's duty and checked by debug
/// assertions.
pub trait Kernels:
    Entries + Reductions + Layout + Products + Solves + Factorisations + MatrixFunctions + Spectra
{
}
impl Kernels for f64 {}
impl Kernels for f32 {}
