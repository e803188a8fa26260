//! The tour of the README: `cargo run --example tour -p pullback`.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;

/// Runs the tour and returns what it prints.
pub fn tour() -> pullback::Result<String> {
    // A cost on matrices, as a closure: the Brockett function of the span of X.
    let a = mat![[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]];
    let cost = func(|x: Var| {
        let (q, _r) = x.qr();
        q.t_mul(&a * q).trace()
    });
    let x0 = mat![[1.0, 0.2], [0.1, 1.0], [0.3, 0.4]];
    let (f, g) = value_and_grad(cost, &x0)?; // reverse mode
    let hg = hvp(cost, &x0, &g)?; // forward over reverse

    // Where others return NaN: every eigenvalue is tied, and the Hessian of tr A³ at I is 6 V, exactly.
    let eye = Mat::<f64>::identity(3, 3);
    let h = hvp(|a| a.trace_fun(SymFn::Pow(3.0)), &eye, &a)?;

    // A gradient inside a program, differentiated through: d/ds of one step of gradient descent.
    let ds = grad(
        |s: Var| {
            let x = s.tape().constant(&x0);
            cost(x - s * x.grad(cost))
        },
        &0.1,
    )?;

    // Facts about data come back as one error that names the primitive and your line.
    let bad = grad(|x: Var| x.cholesky().sum(), &mat![[1.0, 2.0], [2.0, 1.0]]).unwrap_err();

    Ok(format!(
        "f = {f:.6}, |g| = {:.6}, |Hg| = {:.6}\n|D²tr(A³)[V] - 6V| = {:.1e}\ndf(step)/ds = {ds:.6}\n{bad}",
        g.norm_l2(),
        hg.norm_l2(),
        (h - &a * 6.0).norm_l2(),
    ))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", tour()?);
    Ok(())
}
