//! Every architecture with fresh parameters on one problem: `cargo run -p pullback-learned --example architectures`.

use pullback::{Leaves, faer};
use pullback_learned::*;
use pullback_manifolds::{Spd, SpdMetric, rng};
use pullback_optim::{Method, Problem, Solver, Steps, Stop};

/// The number of parameters, the cost after thirty steps, and the name of an optimiser that was not trained.
fn row<O: LearnedOptimizer>(optimizer: O, params: O::Params) -> Result<String, Box<dyn std::error::Error>>
where
    Steps<Trained<O>>: Solver,
{
    let count: usize = params.batches().iter().map(|b| b.data().len()).sum();
    let spd = Spd::new(3).with(SpdMetric::AffineInvariant);
    let x0: faer::Mat<f64> = spd.random(&mut rng(1));
    let trained = Trained::new(optimizer, params);
    let name = Method::<f64>::name(&trained);
    // Least at X = I, where it is 3.
    let problem = Problem::new(&spd, &x0, |x| x.trace() - x.logdet());
    let found = problem.solve(Steps(trained), Stop::Iterations(30))?;
    Ok(format!("{count:>6} parameters   cost {:.4}   {name}\n", found.cost))
}

/// A row for each. What a network says becomes a step by an `Update`: the scale of steps, and what the network sees.
pub fn run() -> Result<String, Box<dyn std::error::Error>> {
    let update = Update { sees: Sees::Riemannian, step: StepForm::Exp, ..Update::new(0.1) };
    let r = &mut rng(2);
    let gm = Each::new(GmLstm::new(GmLstmOptions { input: Input::Rms, ..GmLstmOptions::new(3, 3) }), update);
    let rmm = Each::new(Rmm::new(RmmOptions::new(3)), update);
    let subspace = Each::new(Subspace::new(SubspaceOptions::new(Sides::Both)), update);
    let options = EquivariantOptions { first: 0.5, scale: 1.0, longest: 0.9, ..EquivariantOptions::default() };
    let equivariant = Equivariant::new(options);
    let phi = (gm.init(r), rmm.init(r), subspace.init(r), equivariant.init(r));
    Ok(row(gm, phi.0)? + &row(rmm, phi.1)? + &row(subspace, phi.2)? + &row(equivariant, phi.3)?)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", run()?);
    Ok(())
}
