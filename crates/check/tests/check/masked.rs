//! The derivative of the logarithm with divided differences as people write them. Included by the tests of the engine,
//! too.

use faer::{Mat, Side};
use pullback::Var;

/// `V (F o V'EV) V'` at the symmetric part of `a`: `F` is right, or zero where eigenvalues tie.
pub(crate) fn daleckii_krein<'t>(masked: bool, a: Var<'t>, e: Var<'t>) -> Var<'t> {
    let eigen = a.sym().value().into_mat().self_adjoint_eigen(Side::Lower).unwrap();
    let (v, l) = (eigen.U().to_owned(), eigen.S().column_vector().to_owned());
    let quotient = |i: usize, j: usize| match l[i] - l[j] {
        d if d.abs() > 1e-6 => (l[i].ln() - l[j].ln()) / d,
        _ if masked && i != j => 0.0,
        _ => 1.0 / l[i],
    };
    let f = Mat::from_fn(l.nrows(), l.nrows(), quotient);
    let v = a.tape().constant(&v);
    (v * v.t_mul(e.sym() * v).hadamard(&f)).mul_t(v)
}
