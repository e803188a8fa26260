//! A primitive of your own with both of its rules: `ln cosh x`, entry by entry, without overflow.

use pullback::prelude::*;
use pullback::{Custom, faer::mat};
use std::sync::Arc;

struct LnCosh;

impl Custom for LnCosh {
    fn name(&self) -> &'static str {
        "ln_cosh"
    }
    /// `|x| + ln(1 + e^{-2|x|}) - ln 2`
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        let a = x[0].abs();
        vec![a + (a * -2.0).exp().ln_1p() - std::f64::consts::LN_2]
    }
    /// `dy = tanh x o dx`
    fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![dx[0].map(|dx| x[0].tanh().hadamard(dx))]
    }
    /// `gx = tanh x o gy`
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], gy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        vec![gy[0].map(|gy| x[0].tanh().hadamard(gy))]
    }
}

/// Runs the example and returns what it prints.
pub fn run() -> pullback::Result<String> {
    let cost = func(|x: Var| x.tape().custom(Arc::new(LnCosh), &[x])[0].sum());
    // cosh 1000 is infinite; its logarithm is 1000 - ln 2.
    let x = mat![[0.0, 1.0, -1000.0]];
    let (f, g) = value_and_grad(cost, &x)?;
    assert_eq!(f, 1.0_f64.cosh().ln() + 1000.0 - std::f64::consts::LN_2);
    assert_eq!(g, mat![[0.0, 1.0_f64.tanh(), -1.0]]);
    // The rules are programs, so they have derivatives: 1 - tanh² x, and -2 tanh x (1 - tanh² x).
    let sech2 = 1.0 - 1.0_f64.tanh().powi(2);
    assert!((hessian(cost, &x)? - mat![[1.0, 0.0, 0.0], [0.0, sech2, 0.0], [0.0, 0.0, 0.0]]).norm_max() < 1e-15);
    let third = hvp(|x: Var| x.grad(cost).sum(), &x, &mat![[0.0, 1.0, 0.0]])?;
    assert!((third[(0, 1)] + 2.0 * 1.0_f64.tanh() * sech2).abs() < 1e-15);
    Ok(format!("ln cosh: value {f:.6}, second derivative at 1 {sech2:.6}, third {:.6}", third[(0, 1)]))
}

#[allow(dead_code)]
fn main() -> pullback::Result<()> {
    println!("{}", run()?);
    Ok(())
}
