//! Every space with a choice it offers, and what it has: `cargo run -p pullback-manifolds --example spaces`.

use pullback::faer::Mat;
use pullback_manifolds::*;

/// Every space of the crate, small.
fn spaces() -> Result<Vec<Box<dyn Manifold>>> {
    let b = Mat::from_fn(4, 4, |i, j| if i == j { 2.0 } else { 0.1 });
    Ok(vec![
        Box::new(Euclidean::new(3, 2)),
        Box::new(SymmetricMatrices::new(3)),
        Box::new(SkewMatrices::new(3)),
        Box::new(Sphere::new(4, 1).with(SphereRetraction::Exponential)),
        Box::new(Oblique::new(3, 2).with(SphereRetraction::Normalise)),
        Box::new(Stiefel::new(4, 2).with_metric(StiefelMetric::Canonical).with(StiefelRetraction::Cayley)),
        Box::new(GeneralizedStiefel::new(&b, 2)?),
        Box::new(Grassmann::new(4, 2).with(Retraction::Polar)),
        Box::new(Orthogonal::new(3).with(OrthogonalRetraction::Cayley)),
        Box::new(SpecialEuclidean::new(3)),
        Box::new(Spd::new(3).with(SpdMetric::LogCholesky).with_retraction(SpdRetraction::Exponential)),
        Box::new(PsdFixedRank::new(4, 2)),
        Box::new(Elliptope::new(4, 2)),
        Box::new(FixedRank::new(4, 3, 2).with(FixedRankRetraction::Orthographic)),
        Box::new(PositiveMatrices::new(3, 2)),
        Box::new(Simplex::new(4).with(SimplexRetraction::Multiplicative)),
        Box::new(DoublyStochastic::new(3).with(StochasticRetraction::Logistic)),
        Box::new(SymplecticStiefel::new(2, 1).with(SymplecticRetraction::Cayley)),
        Box::new(Lorentz::new(3)),
        Box::new(PoincareBall::new(3)),
        Box::new(Power::new(Sphere::new(3, 1), 2)),
        Box::new(Product::new((Sphere::new(3, 1), Spd::new(2)))),
    ])
}

/// A table: name, dimension, matrices of a point, order of the retraction.
pub fn run() -> Result<String> {
    let mut table = String::from("dim  matrices  order  space\n");
    for m in spaces()? {
        m.check_point(&m.random_point(1, &mut rng(1)))?;
        let (dim, matrices, order) = (m.dim(), m.shapes().len(), m.retraction_order());
        table += &format!("{dim:>3} {matrices:>9} {order:>6}  {}\n", m.name());
    }
    Ok(table)
}

#[allow(dead_code)]
fn main() -> Result<()> {
    print!("{}", run()?);
    Ok(())
}
