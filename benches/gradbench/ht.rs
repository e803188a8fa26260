//! `ht`: tracking of a hand. Where the vertices of a skinned hand lie, as a function of 26 pose parameters, minus where
//! points were measured; and the Jacobian. The hand is made here: five fingers of four bones on a wrist, with a
//! forearm. In the second variant a measured point belongs to a triangle of vertices, in which it lies anywhere: two
//! parameters more for each point, on which its own residual alone depends.

use crate::measured::Program;
use crate::{Case, uniform};
use pullback::faer::{Mat, linalg::solvers::DenseSolveCore};
use pullback::{Axis, Batch, Shape, Var, value};
use pullback_benches::worker::Problem;

const VERTICES: usize = 544;

pub(crate) fn cases() -> Vec<Case> {
    let vertices = |n| Case::new(format!("ht/{n}"), Program::Columns(residuals), move || hand(n));
    let free = |n| Case::new(format!("ht-free/{n}"), Program::Columns(free_residuals), move || free(n));
    let sizes = [100, 12_800];
    sizes.map(vertices).into_iter().chain(sizes.map(free)).collect()
}

/// A rigid motion by a random small turn and step.
fn motion(seed: u64) -> Mat<f64> {
    let turn = uniform(Shape::mat(3, 1), seed).into_mat();
    let r = value(|w| w.so3_exp(), &turn).expect("finite").into_mat();
    let step = uniform(Shape::mat(3, 1), seed + 500).into_mat();
    Mat::from_fn(4, 4, |i, j| match (i, j) {
        (3, _) => f64::from(j == 3),
        (_, 3) => 0.3 * step[(i, 0)],
        _ => r[(i, j)],
    })
}

/// Bones in the order wrist, forearm, first bones of all fingers (these 7 do not move), then second, third and last
/// bones. Data: where each moving bone starts from its parent (15; for the second bones from the hand's frame), the
/// bones that do not move (7), the inverse of all bones at rest (22), the vertices at rest weighted for each bone
/// (88 x V), the measured points, and the vertex that each belongs to.
fn hand(n: usize) -> Problem {
    let wrist = motion(1);
    let first: Vec<Mat<f64>> = (0..5).map(|f| &wrist * motion(10 + f)).collect();
    let own: Vec<Mat<f64>> = (0..15).map(|b| motion(20 + b)).collect();
    let mut rest = vec![wrist.clone(), &wrist * motion(2)];
    rest.extend(first.clone());
    let fixed = rest.clone();
    for b in 0..15 {
        let parent = rest[2 + b].clone();
        rest.push(parent * &own[b]);
    }
    let starts = (0..15).map(|b| if b < 5 { &first[b] * &own[b] } else { own[b].clone() }).collect::<Vec<_>>();
    let inverses: Vec<Mat<f64>> = rest.iter().map(|m| m.partial_piv_lu().inverse()).collect();
    let (places, parts) = (uniform(Shape::mat(3, VERTICES), 3), uniform(Shape::mat(22, VERTICES), 4));
    let total: Vec<f64> = parts.data().chunks(22).map(|c| c.iter().sum()).collect();
    let weighted = Batch::from_fn(Shape::mat(88, VERTICES), |_, i, v| {
        let place = if i % 4 == 3 { 1.0 } else { places.data()[3 * v + i % 4] };
        place * parts.data()[22 * v + i / 4] / total[v]
    });
    let pick = uniform(Shape::mat(1, n), 6);
    let vertex = Batch::from_fn(Shape::mat(1, n), |_, _, j| (pick.data()[j] * VERTICES as f64).floor());
    Problem {
        x: vec![uniform(Shape::mat(26, 1), 7)],
        w: vec![
            Batch::stack(&starts),
            Batch::stack(&fixed),
            Batch::stack(&inverses),
            weighted,
            uniform(Shape::mat(3, n), 5),
            vertex,
        ],
        ..Problem::default()
    }
}

/// The same hand, and points on triangles: where in its triangle each lies, and the vertices of each triangle.
fn free(n: usize) -> Problem {
    let Problem { mut x, mut w, .. } = hand(n);
    let pick = uniform(Shape::mat(3, n), 8);
    let corners = Batch::from_fn(Shape::mat(3, n), |_, i, j| (pick.data()[3 * j + i] * VERTICES as f64).floor());
    x.push(uniform(Shape::mat(2, n), 9));
    w[5] = corners;
    Problem { x, w, ..Problem::default() }
}

/// Pose parameters: rotation vector and translation of the hand, and for each finger two angles of its second bone and
/// one each of the third and the last.
fn placed<'t>(pose: Var<'t>, w: &[Batch<f64>]) -> Var<'t> {
    let [starts, fixed, inverses, weighted, ..] = w else { unreachable!("six lists of data") };
    let bend: Vec<usize> = [6, 8, 9].iter().flat_map(|i| (0..5).map(move |f| i + 4 * f)).collect();
    let sideways: Vec<usize> = (0..5).map(|f| 7 + 4 * f).collect();
    let a = pose.gather(Axis::Rows, &bend);
    let b = pose.gather(Axis::Rows, &sideways).scatter(Axis::Rows, &[0, 1, 2, 3, 4], 15);
    let moved = pose.tape().constant(starts) * turns(a, b);
    let level = |k: usize| moved.gather(Axis::Batch, &(5 * k..5 * k + 5).collect::<Vec<_>>());
    let second = level(0);
    let third = second * level(1);
    let bones = Var::concat(&[pose.tape().constant(fixed), second, third, third * level(2)], Axis::Batch);
    let transforms = (bones * inverses).row_range(0, 3).reshape_batch(Shape::mat(3, 88));
    pose.row_range(0, 3).so3_exp() * (transforms * weighted) + pose.row_range(3, 3)
}

/// The vertices that row `i` of a list of data names.
fn named<'t>(placed: Var<'t>, vertices: &Batch<f64>, i: usize) -> Var<'t> {
    let row: Vec<usize> = vertices.data().chunks(vertices.shape().rows).map(|v| v[i] as usize).collect();
    placed.gather(Axis::Cols, &row)
}

fn residuals<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Vec<Var<'t>> {
    vec![-named(placed(x[0], w), &w[5], 0) + &w[4]]
}

/// A point of a triangle is `a + u (b - a) + v (c - a)`.
fn free_residuals<'t>(x: &[Var<'t>], w: &[Batch<f64>]) -> Vec<Var<'t>> {
    let (placed, u) = (placed(x[0], w), x[1]);
    let [a, b, c] = [0, 1, 2].map(|i| named(placed, &w[5], i));
    let point = (b - a).hadamard_add(u.row(0), (c - a).hadamard_add(u.row(1), a));
    vec![-point + &w[4]]
}

/// Turns by `b` about the third axis after turns by `a` about the first, as 4x4 matrices.
fn turns<'t>(a: Var<'t>, b: Var<'t>) -> Var<'t> {
    let (ca, sa, cb, sb) = (a.cos(), a.sin(), b.cos(), b.sin());
    let (o, one) = (a.tape().filled(a.shape(), 0.0), a.tape().filled(a.shape(), 1.0));
    let columns = [
        [cb, sb, o, o],
        [-sb.hadamard(ca), cb.hadamard(ca), sa, o],
        [sb.hadamard(sa), -cb.hadamard(sa), ca, o],
        [o, o, o, one],
    ];
    Var::concat(&columns.concat(), Axis::Cols).t().reshape_batch(Shape::batch(a.rows(), 4, 4))
}
