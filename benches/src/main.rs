//! Interleaved benchmarks that print ratios from one run.
fn main() {}
