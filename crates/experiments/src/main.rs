//! The papers' tasks on real data.
fn main() {}
