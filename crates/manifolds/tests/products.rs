//! Products and powers: every operation against the others, agreement with the factors, interaction of factors in a
//! cost, lists chosen at run time, what is said of bad input.

use pullback::faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Shape, value};
use pullback_check::{check, check_space};
use pullback_manifolds::{
    Egrad, Error, Euclidean, Grassmann, Manifold, Orthogonal, OrthogonalRetraction, Power, Product, Retraction,
    gaussian, rng,
};

type Boxed = Vec<Box<dyn Manifold>>;

fn mixed() -> Product<Boxed> {
    let nested = Product::new((Orthogonal::special(2), Grassmann::new(3, 1)));
    Product::new(vec![
        Box::new(Grassmann::new(4, 2)) as Box<dyn Manifold>,
        Box::new(Euclidean::new(2, 1)),
        Box::new(nested),
    ])
}

#[test]
fn every_operation_of_products_and_powers() {
    let pair = Product::new((Grassmann::new(4, 2), Euclidean::new(2, 3)));
    let triple =
        Product::new((Orthogonal::special(3), Euclidean::new(3, 1), Grassmann::new(3, 1).with(Retraction::Qr)));
    let first = Product::new((Orthogonal::new(3).with(OrthogonalRetraction::Qr), Euclidean::new(2, 2)));
    let list = mixed();
    let alone = Product::new(vec![Box::new(Grassmann::new(4, 2)) as Box<dyn Manifold>]);
    let (one, many) = (Power::new(Grassmann::new(4, 2), 1), Power::new(Grassmann::new(4, 2), 3));
    let turns = Power::new(Orthogonal::special(3), 2);
    let of_products = Power::new(Product::new((Orthogonal::special(2), Euclidean::new(2, 1))), 3);
    let of_powers = Product::new((Power::new(Grassmann::new(3, 1), 2), Euclidean::new(1, 1)));
    let all: [&dyn Manifold; 10] =
        [&pair, &triple, &first, &list, &alone, &one, &many, &turns, &of_products, &of_powers];
    for m in all {
        for seed in 0..5 {
            check_space(m).seed(seed).length(0.5).run().assert_ok();
        }
        check_space(m).batch(3).length(0.5).run().assert_ok();
    }
    let single: [&dyn Manifold<f32>; 3] = [&pair, &triple, &many];
    for m in single {
        check_space(m).length(0.3).run().assert_ok();
    }
    assert_eq!(Manifold::<f64>::retraction_order(&first), 1);
    assert_eq!(Manifold::<f64>::retraction_order(&triple), 2);
    assert!(Manifold::<f64>::transport_is_isometric(&Product::new((Orthogonal::new(2), Euclidean::new(1, 1)))));
    assert_eq!(list.name(), "Gr(4, 2) x R(2x1) x (SO(2) x Gr(3, 1))");
    assert_eq!((list.dim(), list.shapes().len(), Manifold::<f64>::dim(&many)), (4 + 2 + 1 + 2, 4, 12));
    let typical = Manifold::<f64>::typical_distance(&many);
    assert!((typical - 6f64.sqrt()).abs() < 1e-15);
}

#[test]
fn words_take_tuples_and_distances_add() {
    let (so, flat) = (Orthogonal::special(3), Euclidean::new(3, 1));
    let m = Product::new((so, flat));
    let point = |seed| {
        let mut p = m.random::<f64>(&mut rng(seed));
        let q = p.pop().unwrap().into_mat();
        (p.pop().unwrap().into_mat(), q)
    };
    let (x, y) = (point(1), point(2));
    let d = m.dist(&x, &y).unwrap();
    let apart = so.dist(&x.0, &y.0).unwrap().hypot(flat.dist(&x.1, &y.1).unwrap());
    assert!((d - apart).abs() < 1e-14);
    let v = m.log(&x, &y).unwrap();
    let end = m.exp(&x, &v).unwrap();
    assert!((end.0 - &y.0).norm_l2() + (end.1 - &y.1).norm_l2() < 1e-13);
    let half = m.geodesic(&x, &y, 0.5).unwrap();
    assert!((m.dist(&x, &half).unwrap() - 0.5 * d).abs() < 1e-14);
    // On values, as a tuple; as a program with its derivatives.
    let at = (x.0, x.1, y.0, y.1);
    let found = value(|(r, p, s, q): (Var, Var, Var, Var)| m.dist2((r, p), (s, q)), &at).unwrap();
    assert!((found.data()[0].sqrt() - d).abs() < 1e-14);
    check(|(r, p, s, q): (Var, Var, Var, Var)| m.dist2((r, p), (s, q)), &at).seed(1).run().assert_ok();
}

#[test]
fn a_power_is_a_product_of_copies_and_one_point_where_a_batch_is_many() {
    let gr = Grassmann::new(5, 2);
    let m = Power::new(gr, 3);
    let x: Batch = m.random_point(1, &mut rng(1)).swap_remove(0);
    let y: Batch = m.random_point(1, &mut rng(2)).swap_remove(0);
    let copy = |x: &Batch, j: usize| value(|x: Var| m.copy(x, j), x).unwrap();
    let sum: f64 = (0..3).map(|j| gr.dist2(&copy(&x, j), &copy(&y, j)).unwrap().data()[0]).sum();
    let found = m.dist2(&x, &y).unwrap();
    assert_eq!(found.shape(), Shape::SCALAR);
    assert!((found.data()[0] - sum).abs() < 1e-13);
    // A batch of the same numbers has a distance for each member.
    let batch = Batch::from_slice(Shape::batch(3, 5, 2), x.data());
    let other = Batch::from_slice(Shape::batch(3, 5, 2), y.data());
    assert_eq!(gr.dist2(&batch, &other).unwrap().shape().batch, 3);
    let (v, w) = (m.log(&x, &y).unwrap(), gr.log(&batch, &other).unwrap());
    assert_eq!(v.data(), w.data());
    // A batch of tangents at one point: the point stands for all.
    let many =
        value(|v: Var| v * v.tape().constant(&Batch::from_slice(Shape::batch(4, 1, 1), &[0.1, 0.2, 0.3, 0.4])), &v);
    let ends = m.retract(&x, &many.unwrap()).unwrap();
    assert_eq!(ends.shape(), Shape::batch(4, 5, 6));
    let third = Batch::from_slice(x.shape(), &v.data().iter().map(|v| 0.3 * v).collect::<Vec<_>>());
    let alone = m.retract(&x, &third).unwrap();
    let off: f64 = alone.data().iter().zip(&ends.data()[60..90]).map(|(a, b)| (a - b).abs()).sum();
    assert!(off < 1e-14, "{off}");
}

#[test]
fn the_best_low_rank_product_is_found_at_the_singular_vectors() {
    // max tr U' A V over pairs of lines: a cost in which the factors interact, critical at singular vectors.
    let a: Mat<f64> = gaussian::<f64>(Shape::mat(5, 4), &mut rng(3)).into_mat();
    let svd = a.svd().unwrap();
    let (u, v) = (svd.U().subcols(0, 1).to_owned(), svd.V().subcols(0, 1).to_owned());
    let m = Product::new((Grassmann::new(5, 1), Grassmann::new(4, 1)));
    let g = value(
        |(u, v): (Var, Var)| {
            let (gu, gv) = (
                u.grad(|u| (u.t_mul(&a * v)).dot(u.t_mul(&a * v))),
                v.grad(|v| (u.t_mul(&a * v)).dot(u.t_mul(&a * v))),
            );
            let r = m.egrad_to_rgrad((u, v), Egrad((gu, gv)));
            r.0.0.dot(r.0.0) + r.0.1.dot(r.0.1)
        },
        &(u, v),
    )
    .unwrap();
    assert!(g.data()[0].sqrt() < 1e-13);
}

#[test]
fn bad_input_names_the_factor_and_the_copy() {
    let m = mixed();
    let x = m.random_point(2, &mut rng(1));
    let mut bad = x.clone();
    bad[3].data_mut()[1] = f64::NAN;
    assert!(matches!(m.check_point(&bad), Err(Error::NonFinite { part: 3, index: 1, .. })));
    let mut bad = x.clone();
    bad[2].data_mut()[5] += 1e-3;
    match m.check_point(&bad) {
        Err(Error::NotAPoint { manifold, member: 1, .. }) => assert_eq!(manifold, "SO(2)"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(m.check_point(&x[..3]), Err(Error::Parts { expected: 4, got: 3, .. })));
    let mut bad = x.clone();
    bad[1] = Batch::zeros(Shape::batch(2, 3, 1));
    assert!(matches!(m.check_point(&bad), Err(Error::Shape { part: 1, .. })));

    let power = Power::new(Orthogonal::special(2), 3);
    let x: Vec<Batch> = power.random_point(2, &mut rng(1));
    let mut bad = x.clone();
    bad[0].data_mut()[12 + 4] += 1e-3;
    match power.check_point(&bad) {
        Err(Error::NotAPoint { manifold, member: 1, .. }) => assert_eq!(manifold, "SO(2) (copy 1 of 3)"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(power.check_tangent(&x, &x), Err(Error::NotTangent { member: 0, .. })));
    assert!(matches!(power.exp(&mat![[1.0, 0.0], [0.0, 1.0]], &mat![[0.0]]), Err(Error::Shape { .. })));
    assert!(std::panic::catch_unwind(|| Power::new(Euclidean::new(1, 1), 0)).is_err());
    let none: Boxed = vec![];
    assert!(Product::new(none).random_point(1, &mut rng(1)).is_empty());
}
