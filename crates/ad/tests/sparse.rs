//! Products with constant sparse matrices of faer: `cargo test -p pullback --features sparse --test sparse`.
#![cfg(feature = "sparse")]

mod common;
use common::*;
use pullback::faer::sparse::{SparseColMat, Triplet};
use pullback::prelude::*;
use pullback_check::check;
use std::sync::Arc;

#[test]
fn a_sparse_matrix_is_the_dense_one() {
    let list = [(0, 0, 2.0), (3, 0, -1.0), (1, 2, 0.5), (1, 1, 4.0), (3, 2, 3.0)];
    let triplets: Vec<Triplet<usize, usize, f64>> = list.iter().map(|&(i, j, v)| Triplet::new(i, j, v)).collect();
    let sparse = Arc::new(SparseColMat::try_new_from_triplets(4, 3, &triplets).unwrap());
    let dense = sparse.to_dense();
    let (x, y) = (rnd(3, 2, 1), rnd(4, 2, 2));
    let f = func(|x: Var| x.mapped(sparse.clone()).sin().sum());
    close_mat(&grad(f, &x).unwrap(), &grad(|x: Var| (&dense * x).sin().sum(), &x).unwrap(), 1e-15);
    let t = func(|x: Var| x.mapped_transposed(sparse.clone()).sum());
    close_mat(&grad(t, &y).unwrap(), &grad(|x: Var| (dense.transpose() * x).sum(), &y).unwrap(), 1e-15);
    check(|x: Var| x.mapped(sparse.clone()).sin(), &x).run().assert_ok();
}
