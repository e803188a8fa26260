//! Nothing to do: a build script is what gives a crate build dependencies.

fn main() {}
