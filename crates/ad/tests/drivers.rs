//! The drivers on small programs with known derivatives.

use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::*;

fn rnd(m: usize, n: usize, seed: u64) -> Mat<f64> {
    let mut s = seed.wrapping_mul(0x9E3779B97F4A7C15) | 1;
    Mat::from_fn(m, n, |_, _| {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    })
}

fn close(a: &Mat<f64>, b: &Mat<f64>, tol: f64) {
    let d = (a - b).norm_l2() / (1.0 + b.norm_l2());
    assert!(d < tol, "{d:e}\n{a:?}\n{b:?}");
}

#[test]
fn three_ways_to_second_order_agree_through_qr() {
    let (a, n, x, v) = (rnd(6, 6, 1), rnd(3, 3, 2), rnd(6, 3, 3), rnd(6, 3, 4));
    let f = func(|x: Var| {
        let (q, r) = x.qr();
        q.t_mul(&a * q).dot(&n) + r.dot(&n)
    });
    let h1 = hvp(f, &x, &v).unwrap();
    let h2 = hessian_map(f, &x).unwrap()(&v).unwrap();
    let h3 = grad(|x| x.grad(f).dot(&v), &x).unwrap();
    close(&h1, &h2, 1e-12);
    close(&h1, &h3, 1e-12);
    let e = 1e-5;
    let (gp, gm) = (grad(f, &(&x + e * &v)).unwrap(), grad(f, &(&x - e * &v)).unwrap());
    close(&h1, &((gp - gm) * (0.5 / e)), 1e-7);
}

#[test]
fn a_cost_of_several_leaves() {
    let (a, b) = (rnd(3, 2, 1), rnd(2, 4, 2));
    let (v, (ga, gb)) = value_and_grad(|(a, b): (Var, Var)| (a * b).dot(a * b), &(a.clone(), b.clone())).unwrap();
    let c = &a * &b;
    assert!((v - c.squared_norm_l2()).abs() < 1e-14);
    close(&ga, &(2.0 * &c * b.transpose()), 1e-14);
    close(&gb, &(2.0 * a.transpose() * &c), 1e-14);
}

#[test]
fn inline_closures_infer() {
    let g = grad(|x| x.tanh().sum(), &mat![[0.5]]).unwrap();
    assert!((g[(0, 0)] - (1.0 - 0.5f64.tanh().powi(2))).abs() < 1e-15);
    let (y, dy) = jvp(|x| x.exp(), &0.0f64, &2.0).unwrap();
    assert_eq!((y.data()[0], dy.data()[0]), (1.0, 2.0));
    let h = hessian(|x| x.powf(3.0).sum(), &mat![[1.0, 2.0]]).unwrap();
    close(&h, &mat![[6.0, 0.0], [0.0, 12.0]], 1e-14);
    let j = jacobian(|x| x.t() * x, &mat![[1.0], [2.0]]).unwrap();
    close(&j, &mat![[2.0, 4.0]], 1e-14);
}

/// Every member in the order of NumPy, and every entry at its place.
#[test]
fn batches_are_read_in_row_major_order() {
    let shape = pullback::Shape::batch(3, 2, 4);
    let data: Vec<f64> = (0..24).map(f64::from).collect();
    let b = Batch::from_row_major(shape, &data);
    for k in 0..3 {
        for (i, j) in (0..2).flat_map(|i| (0..4).map(move |j| (i, j))) {
            assert_eq!(b.member(k)[(i, j)], data[8 * k + 4 * i + j], "member {k}, row {i}, column {j}");
        }
    }
}
