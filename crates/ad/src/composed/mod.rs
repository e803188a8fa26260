//! Operations made of primitives, where the composition is exact, stable and as fast as a rule of its own would be.
//!
//! Nothing here has a derivative rule: what a composition needs is derived in its file, and the engine does the rest.

mod entries;
pub(crate) mod equations;
mod functions;
pub(crate) mod general;
mod layout;
mod least;
mod lu;
mod masks;
mod moments;
mod motions;
pub(crate) mod norms;
mod qr;
mod quaternions;
mod reductions;
mod rotations;
pub(crate) mod spd;
