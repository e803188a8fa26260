//! Masks and what they select: what is not taken is never read, not even by the rules of the branch that made it.

use faer::{Mat, mat};
use pullback::prelude::*;
use pullback::{Axis, Error, Shape, jvp, value};

#[test]
fn comparisons_give_ones_and_zeros() {
    let tape = Tape::plain();
    let (x, y) = (tape.input(&mat![[1.0, 2.0, 3.0, f64::NAN]]), mat![[2.0, 2.0, 2.0, 2.0]]);
    let rows = [
        (x.gt(&y), [0.0, 0.0, 1.0, 0.0]),
        (x.ge(&y), [0.0, 1.0, 1.0, 0.0]),
        (x.lt(&y), [1.0, 0.0, 0.0, 0.0]),
        (x.le(&y), [1.0, 1.0, 0.0, 0.0]),
        (x.eq(&y), [0.0, 1.0, 0.0, 0.0]),
        (x.ne(&y), [1.0, 0.0, 1.0, 1.0]),
        // A number, and a value.
        (x.gt(2.0), [0.0, 0.0, 1.0, 0.0]),
        (x.ge(x), [1.0, 1.0, 1.0, 0.0]),
    ];
    for (found, right) in rows {
        assert_eq!(found.value().data(), right);
    }
    // With broadcasting, and in single precision.
    let table = tape.input(&mat![[1.0], [3.0]]).gt(mat![[0.0, 2.0]]).value();
    assert_eq!(table.into_mat(), mat![[1.0, 0.0], [1.0, 1.0]]);
    let single = Tape::<f32>::plain();
    assert_eq!(single.filled(Shape::SCALAR, 1.0).le(1.0).scalar(), 1.0);
    // No derivative passes.
    let x = mat![[1.0, 3.0]];
    assert_eq!(grad(func(|x| (x.gt(2.0).hadamard(x)).sum()), &x).unwrap(), mat![[0.0, 1.0]]);
}

#[test]
fn a_mask_that_is_not_a_number_shows() {
    let tape = Tape::plain();
    let mask = tape.input(&mat![[f64::NAN, 0.0, -3.0]]);
    let y = mask.select(1.0, 2.0).value();
    assert!(y.data()[0].is_nan());
    assert_eq!(&y.data()[1..], [2.0, 1.0]);
}

/// The gradient, the product with the Hessian in every mode of the second order, and the tangent.
fn derivatives(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy, x: &Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    let v = Mat::from_fn(x.nrows(), x.ncols(), |_, _| 1.0);
    let (g, h) = (grad(f, x).unwrap(), hvp(f, x, &v).unwrap());
    let slope = jvp(f, x, &v).unwrap().1.into_mat();
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-13 * (1.0 + a.abs());
    let sum = |a: &Mat<f64>| (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)])).sum::<f64>();
    assert!(close(slope[(0, 0)], sum(&g)));
    let recorded = grad(|x: Var| x.grad(f).sum(), x).unwrap();
    let forward = jvp(|x: Var| x.grad(f), x, &v).unwrap().1.into_mat();
    let over = grad(|x: Var| x.jvp(f, x.tape().constant(&v)).1, x).unwrap();
    let twice = jvp(|x: Var| x.jvp(f, x.tape().constant(&v)).1, x, &v).unwrap().1.into_mat();
    for other in [recorded, forward, over] {
        assert!((&h - &other).norm_max() <= 1e-13 * (1.0 + h.norm_max()), "{h:?} {other:?}");
    }
    assert!(close(twice[(0, 0)], sum(&h)));
    (g, h)
}

/// A branch with its value, slope and curvature at 4.
type Branch = (&'static str, for<'t> fn(Var<'t>) -> Var<'t>, [f64; 2]);
const BRANCHES: [Branch; 8] = [
    ("sqrt", |x| x.sqrt(), [0.25, -1.0 / 32.0]),
    ("ln", |x| x.ln(), [0.25, -1.0 / 16.0]),
    ("recip", |x| x.recip(), [-1.0 / 16.0, 1.0 / 32.0]),
    ("powf", |x| x.powf(0.5), [0.25, -1.0 / 32.0]),
    ("powf, negative", |x| x.powf(-2.0), [-1.0 / 32.0, 6.0 / 256.0]),
    ("elem_div", |x| (x + 1.0).elem_div(x), [-1.0 / 16.0, 1.0 / 32.0]),
    ("x sqrt(x) + 1/x", |x| x.hadamard(x.sqrt()) + x.recip(), [3.0 - 1.0 / 16.0, 0.375 + 1.0 / 32.0]),
    ("ln of a root", |x| (x.sqrt() * 3.0).ln(), [1.0 / 8.0, -1.0 / 32.0]),
];

#[test]
fn the_branch_not_taken_is_not_read_by_anything() {
    let x = mat![[4.0, 0.0]];
    for (name, f, [slope, curvature]) in BRANCHES {
        for (way, (g, h)) in [
            ("select", derivatives(|x: Var| x.gt(0.0).select(f(x), 5.0).sum(), &x)),
            ("the other side", derivatives(|x: Var| x.le(0.0).select(5.0, f(x)).sum(), &x)),
            ("select_with", derivatives(|x: Var| x.select_with(x.gt(0.0), 1.0, f, |x| x * 0.0).sum(), &x)),
        ] {
            let close = |a: &Mat<f64>, b: f64| (a - mat![[b, 0.0]]).norm_max() < 1e-15;
            assert!(close(&g, slope) && close(&h, curvature), "{name}, {way}: {g:?} {h:?}");
        }
    }
}

#[test]
fn the_branch_that_is_taken_hides_nothing() {
    // sqrt(x)² has the derivative 1 at 0, and nothing here can know that: an error, not 0.
    let root = func(|x| x.ge(0.0).select(x.sqrt().hadamard(x.sqrt()), 0.0).sum());
    assert!(matches!(grad(root, &mat![[0.0, 1.0]]), Err(Error::NonFinite { .. })));
    // Used outside of the branch too, with the cotangent 0: not known to be dead.
    let both = func(|x: Var| {
        let y = x.sqrt();
        (x.gt(0.0).select(y, 0.0) + y.hadamard(y)).sum()
    });
    assert!(matches!(grad(both, &mat![[0.0, 1.0]]), Err(Error::NonFinite { .. })));
    // A derivative that is infinite where it is taken stays so.
    assert!(grad(func(|x| x.ge(0.0).select(x.sqrt(), 0.0).sum()), &mat![[0.0]]).is_err());
}

#[test]
fn reductions_in_the_branch_not_taken() {
    let zero = Mat::<f64>::zeros(3, 1);
    let f = func(|x: Var| x.select_with(x.dot(x).gt(0.0), 1.0, |x| x.norm(), |x| x.dot(x)));
    let (g, h) = derivatives(f, &zero);
    assert_eq!((g, h), (zero.clone(), Mat::from_fn(3, 1, |_, _| 2.0)));
    let (g, _) = derivatives(f, &mat![[0.0], [3.0], [4.0]]);
    assert!((g - mat![[0.0], [0.6], [0.8]]).norm_max() < 1e-16);
    // The plain form cannot help where a verdict falls inside of the branch, and says so.
    assert!(matches!(grad(func(|x: Var| x.dot(x).gt(0.0).select(x.norm(), 0.0)), &zero), Err(Error::Data { .. })));
}

#[test]
fn two_masks_on_one_value() {
    // The same root in two selections: dead where neither takes it.
    let x = mat![[0.0, 1.0, 4.0]];
    let f = func(|x: Var| {
        let y = x.sqrt();
        (x.gt(2.0).select(y, 0.0) + x.lt(2.0).hadamard(x.gt(0.5)).select(y * 2.0, 0.0)).sum()
    });
    let (g, h) = derivatives(f, &x);
    assert!((g - mat![[0.0, 1.0, 0.25]]).norm_max() < 1e-15);
    assert!((h - mat![[0.0, -0.5, -1.0 / 32.0]]).norm_max() < 1e-15);
    // One selection inside of another.
    let nested = func(|x: Var| x.gt(2.0).select(x.gt(0.0).select(x.ln(), 1.0).sqrt(), 0.0).sum());
    let (g, _) = derivatives(nested, &x);
    assert!((g - mat![[0.0, 0.0, 0.125 / 4f64.ln().sqrt()]]).norm_max() < 1e-15);
}

#[test]
fn members_choose_for_themselves_and_replay_chooses_anew() {
    let shape = Shape::batch(3, 1, 1);
    let tape = Tape::new();
    let x = tape.input(&Batch::from_slice(shape, &[4.0, 0.0, -1.0]));
    let f = x.gt(0.0).select(x.sqrt(), x.hadamard(x)).sum();
    let gradient = || {
        let mut g = Batch::zeros(shape);
        tape.gradient_into(f, &[x], &mut [&mut g]).unwrap();
        g.data().to_vec()
    };
    assert_eq!(gradient(), [0.25, 0.0, -2.0]);
    tape.set(x, &Batch::from_slice(shape, &[-3.0, 16.0, 0.0]));
    tape.replay().unwrap();
    assert_eq!(gradient(), [-6.0, 0.125, 0.0]);
    let mut h = Batch::zeros(shape);
    tape.hvps_into(f, &[(x, &Batch::from_slice(shape, &[1.0, 1.0, 1.0]))], &mut [&mut h]).unwrap();
    assert_eq!(h.data(), [2.0, -1.0 / 256.0, 2.0]);
}

#[test]
fn selections_inside_of_checkpoints_and_gradients() {
    let x = mat![[0.0, 4.0]];
    let (g, h) = derivatives(func(|x: Var| x.checkpoint(|x| x.gt(0.0).select(x.sqrt(), x.hadamard(x))).sum()), &x);
    assert!((g - mat![[0.0, 0.25]]).norm_max() < 1e-15);
    assert!((h - mat![[2.0, -1.0 / 32.0]]).norm_max() < 1e-15);
    // f = |gradient|² of it: f' = 2 H g, so that at 0 it is 2 * 2 * 0, and at 4 it is -1/64.
    let f = func(|x: Var| {
        let g = x.grad(|x| x.gt(0.0).select(x.sqrt(), x.hadamard(x)).sum());
        g.dot(g)
    });
    assert!((grad(f, &x).unwrap() - mat![[0.0, -1.0 / 64.0]]).norm_max() < 1e-15);
}

#[test]
fn infinities_and_nan_that_are_not_taken_do_not_come_through() {
    let x = mat![[f64::INFINITY, 2.0], [f64::NAN, -1.0]];
    // Entries 0, 1 of the first column are replaced, and what replaces them is right.
    let finite = func(|x: Var| x.lt(1e300).select(x, 7.0));
    assert_eq!(value(finite, &x).unwrap().into_mat(), mat![[7.0, 2.0], [7.0, -1.0]]);
    assert_eq!(grad(func(|x: Var| finite(x).cumsum(Axis::Rows).sum()), &x).unwrap(), mat![[0.0, 2.0], [0.0, 1.0]]);
    let single = Batch::from_slice(Shape::mat(1, 2), &[0.0f32, 4.0]);
    let g = grad(|x: Var<f32>| x.gt(0.0).select(x.ln(), x).sum(), &single).unwrap();
    assert_eq!(g.data(), [1.0, 0.25]);
}

#[test]
fn a_mask_ends_where_entries_change_places() {
    // Of equal shape before and after, and yet not the same places: the mask says nothing there.
    let x = mat![[1.0, 4.0], [9.0, 16.0]];
    let mask = mat![[0.0, 1.0], [0.0, 0.0]];
    let at = |i: usize, j: usize, g: f64| Mat::from_fn(2, 2, |k, l| if (i, j) == (k, l) { g } else { 0.0 });
    let (g, _) = derivatives(func(|x: Var| x.tape().constant(&mask).select(x.sqrt().t(), 0.0).sum()), &x);
    assert!((g - at(1, 0, 1.0 / 6.0)).norm_max() < 1e-16);
    // Entry (0, 1) of a product is a row times a column.
    let square = func(|x: Var| x.tape().constant(&mask).select(x.sqrt() * x.sqrt(), 0.0).sum());
    let (g, _) = derivatives(square, &x);
    // y_01 (y_00 + y_11) for the roots y, whose slopes are 1/2, 1/4 and 1/8.
    let expected = mat![[2.0 * 0.5, (1.0 + 4.0) * 0.25], [0.0, 2.0 * 0.125]];
    assert!((g - expected).norm_max() < 1e-15);
}

#[test]
fn a_value_in_both_branches_is_taken_everywhere() {
    let x = mat![[1.0, 4.0, 9.0]];
    let f = func(|x: Var| {
        let y = x.sqrt();
        x.gt(2.0).select(y, y).sum()
    });
    let (g, h) = derivatives(f, &x);
    assert!((g - mat![[0.5, 0.25, 1.0 / 6.0]]).norm_max() < 1e-16);
    assert!((h - mat![[-0.25, -1.0 / 32.0, -1.0 / 108.0]]).norm_max() < 1e-16);
}

#[test]
fn the_mask_passes_through_a_product_and_a_sum_in_one() {
    // Where the root is not taken its slope is infinite, and so is that of the angle's and the length's argument.
    let programs: [for<'t> fn(Var<'t>) -> Var<'t>; 3] = [
        |x| x.gt(0.0).select(x.sqrt().hadamard_add(x.sqrt(), x.sqrt()), 0.0).sum(),
        |x| x.gt(0.0).select(x.sqrt().atan2(x + 1.0), 0.0).sum(),
        |x| x.gt(0.0).select(x.sqrt().hypot(x + 1.0), 0.0).sum(),
    ];
    for (k, f) in programs.into_iter().enumerate() {
        let (g, h) = derivatives(f, &mat![[4.0, 0.0]]);
        let (alone, second) = derivatives(f, &mat![[4.0]]);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-14;
        assert!(near(g[(0, 0)], alone[(0, 0)]) && g[(0, 1)] == 0.0, "{k}: {g:?}");
        assert!(near(h[(0, 0)], second[(0, 0)]) && h[(0, 1)] == 0.0, "{k}: {h:?}");
    }
}

#[test]
fn a_mask_ends_at_operations_whose_outputs_differ_in_shape() {
    // Each output of a factorisation has a mask of its own, and the masks are of other shapes than the input.
    let programs: [for<'t> fn(Var<'t>) -> [Var<'t>; 2]; 5] = [
        |x| x.qr().into(),
        |x| x.lq().into(),
        |x| x.polar().into(),
        |x| (x.svd().1, x.svd().0.hadamard(x.svd().0)).into(),
        |x| (x.t_mul(x).eigh().0, x.t_mul(x).slogdet().1).into(),
    ];
    let x = mat![[2.0, -0.5], [0.25, 1.5], [-1.0, 0.75]];
    for (k, of) in programs.into_iter().enumerate() {
        // All of it through selections, and the same entries by a product with 0 and 1.
        let masked = func(move |x: Var| {
            let [a, b] = of(x);
            a.gt(0.0).select(a * 3.0, 0.0).sum() + b.gt(0.0).select(b, 0.0).dot(b)
        });
        let (g, h) = derivatives(masked, &x);
        let weighted = func(move |x: Var| {
            let [a, b] = of(x);
            let positive = |v: Var| v.value().into_mat();
            let ones = |m: Mat<f64>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(u8::from(m[(i, j)] > 0.0)));
            let (p, q) = (x.tape().constant(&ones(positive(a))), x.tape().constant(&ones(positive(b))));
            (a * 3.0).hadamard(p).sum() + b.hadamard(q).dot(b)
        });
        let (plain, second) = derivatives(weighted, &x);
        assert!((&g - &plain).norm_max() < 1e-12, "{k}: {g:?}, expected {plain:?}");
        assert!((&h - &second).norm_max() < 1e-11, "{k}: {h:?}, expected {second:?}");
    }
}
