//! The example runs, and what it asserts holds.
#![allow(unreachable_pub)]

#[path = "../examples/ridge.rs"]
mod ridge;

#[test]
fn ridge() {
    println!("{}", ridge::run().unwrap());
}
