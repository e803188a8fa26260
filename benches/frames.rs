//! Retractions of large frames: what each costs beside QR at 10000 x 10, and a gradient through it.
//!
//! `cargo bench -p pullback-benches --bench frames`. The target is that of the Cayley transform: at most 3 times QR.

use pullback::prelude::*;
use pullback::{value, value_and_grad};
use pullback_benches::{Race, against, pretty};
use pullback_manifolds::{Manifold, Stiefel, StiefelRetraction, rng};
use std::time::Duration;

fn main() {
    let (n, p) = (10_000, 10);
    let st = Stiefel::new(n, p);
    let r = &mut rng(1);
    let x: Vec<Batch> = st.random_point(1, r);
    let v: Vec<Batch> = st.random_tangent(&x, r).expect("a point has tangents");
    let scale = 1.0 / (n as f64).sqrt();
    let v = Batch::from_slice(v[0].shape(), &v[0].data().iter().map(|v| v * scale).collect::<Vec<_>>());
    let at = (x[0].clone(), v);
    let all = [
        ("qr", StiefelRetraction::Qr),
        ("polar", StiefelRetraction::Polar),
        ("cayley", StiefelRetraction::Cayley),
        ("exponential", StiefelRetraction::Exponential),
    ];
    let mut values = Race::new();
    let mut gradients = Race::new();
    for (name, retraction) in all {
        let (st, at) = (st.with(retraction), &at);
        values = values.with(name, move || value(|(x, v): (Var, Var)| st.retract(x, v), at).expect("a retraction"));
        gradients = gradients
            .with(name, move || value_and_grad(|(x, v): (Var, Var)| st.retract(x, v).dot(x), at).expect("a gradient"));
    }
    let (values, gradients) = (values.run(Duration::from_secs(6)), gradients.run(Duration::from_secs(6)));
    println!("St({n}, {p}): value, over QR; value and gradient, over QR");
    for (name, _) in all {
        let over = match name {
            "cayley" => against(values.ratio(name, "qr"), 3.0),
            _ => format!("{:>6.2}", values.ratio(name, "qr")),
        };
        let (time, both) = (pretty(values.time(name)), pretty(gradients.time(name)));
        println!("{name:<12} {time:>10} {over:<16} {both:>10} {:>6.2}", gradients.ratio(name, "qr"));
    }
}
