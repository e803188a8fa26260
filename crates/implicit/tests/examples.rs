//! The examples run, and what they assert holds.
// Every example is a program of its own and has its own data.
#![allow(unreachable_pub, clippy::duplicate_mod)]

#[path = "../examples/eigenvectors.rs"]
mod eigenvectors;
#[path = "../examples/few_shot.rs"]
mod few_shot;
#[path = "../examples/karcher_layer.rs"]
mod karcher_layer;
#[path = "../examples/reweighting.rs"]
mod reweighting;
#[path = "../examples/ridge.rs"]
mod ridge;
#[path = "../examples/ridge_per_feature.rs"]
mod ridge_per_feature;
#[path = "../examples/smooth_subspace.rs"]
mod smooth_subspace;

#[test]
fn ridge() {
    println!("{}", ridge::run().unwrap());
}

#[test]
fn ridge_per_feature() {
    println!("{}", ridge_per_feature::run().unwrap());
}

#[test]
fn karcher_layer() {
    println!("{}", karcher_layer::run().unwrap());
}

#[test]
fn eigenvectors() {
    println!("{}", eigenvectors::run().unwrap());
}

#[test]
fn few_shot() {
    println!("{}", few_shot::run().unwrap());
}

#[test]
fn reweighting() {
    println!("{}", reweighting::run().unwrap());
}

#[test]
fn smooth_subspace() {
    println!("{}", smooth_subspace::run().unwrap());
}
