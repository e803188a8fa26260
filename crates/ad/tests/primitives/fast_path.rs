//! Sweeps from buffer to buffer (`src/ops/direct.rs`) where one operand is a constant that is a batch, or broadcasts,
//! and where targets are intermediate values of longer programs. Everything is compared with sums over members, in
//! plain numbers or one by one.

use super::points::{Rng, batch, stack};
use faer::{Mat, mat};
use pullback::{Batch, Shape, Tape, Uplo, Var, func, grad, jvp};

fn random(count: usize, m: usize, n: usize, seed: u64) -> (Vec<Mat<f64>>, Batch) {
    let mut rng = Rng::new(seed);
    let list: Vec<Mat<f64>> = (0..count).map(|_| rng.normal(m, n)).collect();
    let all = stack(&list.iter().map(batch).collect::<Vec<_>>());
    (list, all)
}

#[track_caller]
fn near(a: &Mat<f64>, b: &Mat<f64>, what: &str) {
    let (d, size) = ((a - b).norm_max(), b.norm_max().max(1.0));
    assert!(d <= 1e-12 * size, "{what}: {d:e} of {size:e}\n{a:?}\n{b:?}");
}

/// `f(x, C)` with a batch of constants `C` is the members' `f(x, C_b)`: the value, after a replay on other numbers too,
/// the tangent, and the gradient, which is the sum of theirs.
fn as_members(what: &str, x: [&Mat<f64>; 2], c: &[Mat<f64>], f: for<'t> fn(Var<'t>, Var<'t>) -> Var<'t>) {
    let all = stack(&c.iter().map(batch).collect::<Vec<_>>());
    let tape = Tape::new();
    let (input, constant) = (tape.input(x[0]), tape.constant(&all));
    let y = f(input, constant);
    let w: Vec<Mat<f64>> = (0..c.len()).map(|b| Rng::new(50 + b as u64).normal(y.rows(), y.cols())).collect();
    let loss = y.dot(stack(&w.iter().map(batch).collect::<Vec<_>>())).sum();
    let v = Rng::new(9).normal(x[0].nrows(), x[0].ncols());
    for (round, at) in [x[0], x[1], x[0]].into_iter().enumerate() {
        tape.set(input, at);
        tape.replay().unwrap();
        let what = |part: &str, b: usize| format!("{what}, {part} of member {b}, round {round}");
        let g = tape.gradient(loss, input).unwrap().into_mat();
        let mut dy = Batch::zeros(y.shape());
        tape.jvp_into(&[(input, &v)], &[y], &mut [&mut dy]).unwrap();
        let mut sum = Mat::zeros(at.nrows(), at.ncols());
        for b in 0..c.len() {
            let one = func(|x: Var| f(x, x.tape().constant(&c[b])));
            let (value, tangent) = jvp(one, at, &v).unwrap();
            near(&y.value().member(b), &value.into_mat(), &what("value", b));
            near(&dy.member(b), &tangent.into_mat(), &what("tangent", b));
            sum += grad(func(|x: Var| f(x, x.tape().constant(&c[b])).dot(&w[b])), at).unwrap();
        }
        near(&g, &sum, &what("gradient", 0));
    }
}

#[test]
fn constants_that_are_batches() {
    let x = [&Rng::new(1).normal(3, 3), &Rng::new(2).normal(3, 3)];
    let (c, _) = random(4, 3, 3, 3);
    as_members("product", x, &c, |x, c| x * c);
    as_members("product from the left", x, &c, |x, c| c * x);
    as_members("transposed product", x, &c, |x, c| c.t_mul(x));
    as_members("entries", x, &c, |x, c| x.hadamard(c));
    as_members("entries, other order", x, &c, |x, c| c.hadamard(x));
    as_members("sum", x, &c, |x, c| x * 1.5 - c);
    as_members("difference", x, &c, |x, c| c - x * 0.5);
    as_members("dot", x, &c, |x, c| x.dot(c));
    as_members("dot, other order", x, &c, |x, c| c.dot(x));
    as_members("product added", x, &c, |x, c| (x * x).add_mul(-0.5, c, x));
    as_members("product of constants added", x, &c, |x, c| x.hadamard(x).add_mul(2.0, c, c));
    as_members("twice", x, &c, |x, c| (x * c).hadamard(c * x) + x);
    // Triangles: constants whose members differ, and one constant for a batch of right-hand sides.
    let triangles: Vec<Mat<f64>> = c.iter().map(|c| c + 3.0 * Mat::<f64>::identity(3, 3)).collect();
    as_members("solve", x, &triangles, |x, c| c.solve_triangular(Uplo::Lower, x));
    as_members("solve, upper", x, &triangles, |x, c| c.solve_triangular(Uplo::Upper, x + x * x));
    as_members("triangle moves", [&triangles[0], &triangles[1]], &c, |x, c| x.solve_triangular(Uplo::Lower, c));
}

#[test]
fn a_batch_of_inputs_solved_with_a_batch_of_constant_triangles() {
    // Equal batches: the right-hand side has the shape of the result, and the triangles still differ.
    let (t, _) = random(3, 2, 2, 5);
    let t: Vec<Mat<f64>> = t.iter().map(|t| t + 3.0 * Mat::<f64>::identity(2, 2)).collect();
    let all = stack(&t.iter().map(batch).collect::<Vec<_>>());
    let ((_, x0), (v, v_all)) = (random(3, 2, 4, 6), random(3, 2, 4, 7));
    let tape = Tape::new();
    let x = tape.input(&x0);
    let y = tape.constant(&all).solve_triangular(Uplo::Lower, x);
    let mut held = Batch::zeros(y.shape());
    tape.jvp_into(&[(x, &v_all)], &[y], &mut [&mut held]).unwrap();
    let (_, dy) = jvp(|x: Var| x.tape().constant(&all).solve_triangular(Uplo::Lower, x), &x0, &v_all).unwrap();
    for b in 0..3 {
        let lower = Mat::from_fn(2, 2, |i, j| if i >= j { t[b][(i, j)] } else { 0.0 });
        near(&(&lower * dy.member(b)), &v[b], "solved");
        near(&(&lower * held.member(b)), &v[b], "solved on a held tape");
    }
}

#[test]
fn dot_products_of_batches_are_replayed_for_every_member() {
    let ((_, a), (b_list, b), (c_list, c)) = (random(3, 2, 2, 15), random(3, 2, 2, 16), random(3, 2, 2, 17));
    let tape = Tape::new();
    let x = tape.input(&a);
    let (y, z) = (x.dot(&b), x.dot(x));
    tape.set(x, &c);
    tape.replay().unwrap();
    for k in 0..3 {
        let sum = |a: &Mat<f64>, b: &Mat<f64>| (a.transpose() * b).diagonal().column_vector().sum();
        assert!((y.value().data()[k] - sum(&c_list[k], &b_list[k])).abs() < 1e-13, "member {k}");
        assert!((z.value().data()[k] - sum(&c_list[k], &c_list[k])).abs() < 1e-13, "member {k}");
    }
}

#[test]
fn a_sum_with_a_product_of_which_one_factor_is_constant() {
    // C + A B in equal batches, with every choice of what moves.
    let moving = [[true, true, true], [true, true, false], [true, false, true], [true, false, false]];
    let moving = moving.into_iter().chain([[false, true, true], [false, true, false], [false, false, true]]);
    let parts: Vec<(Vec<Mat<f64>>, Batch)> = (0..3).map(|k| random(3, 2, 2, 20 + k)).collect();
    let along: Vec<(Vec<Mat<f64>>, Batch)> = (0..3).map(|k| random(3, 2, 2, 30 + k)).collect();
    for moves in moving {
        let tape = Tape::new();
        let handles: Vec<Var<'_>> =
            (0..3).map(|k| if moves[k] { tape.input(&parts[k].1) } else { tape.constant(&parts[k].1) }).collect();
        let y = handles[0].add_mul(-0.5, handles[1], handles[2]);
        let seeds: Vec<(Var<'_>, &dyn pullback::MatLike<f64>)> =
            (0..3).filter(|k| moves[*k]).map(|k| (handles[k], &along[k].1 as &dyn pullback::MatLike<f64>)).collect();
        let mut dy = Batch::zeros(y.shape());
        tape.jvp_into(&seeds, &[y], &mut [&mut dy]).unwrap();
        for b in 0..3 {
            let d = |k: usize| if moves[k] { along[k].0[b].clone() } else { Mat::zeros(2, 2) };
            let (a, c) = (&parts[1].0[b], &parts[2].0[b]);
            near(&dy.member(b), &(d(0) - (d(1) * c + a * d(2)) * 0.5), &format!("{moves:?}, member {b}"));
        }
    }
}

fn entries<'t>(swapped: bool, a: Var<'t>, b: Var<'t>) -> Var<'t> {
    if swapped { b.hadamard(a) } else { a.hadamard(b) }
}

fn sums<'t>(swapped: bool, a: Var<'t>, b: Var<'t>) -> Var<'t> {
    if swapped { b.lincomb(-2.0, a, 3.0) } else { a.lincomb(3.0, b, -2.0) }
}

#[test]
fn numbers_and_rows_that_broadcast() {
    // A batch of one beside a batch of four, both inputs, in every position.
    let ((_, a), (_, b)) = (random(4, 2, 2, 8), random(1, 2, 2, 9));
    let w = random(4, 2, 2, 10).1;
    let entry = |m: &Batch, k: usize, i: usize, j: usize| m.data()[k * 4 + j * 2 + i];
    for swapped in [false, true] {
        let (ga, gb) =
            grad(|(a, b): (Var, Var)| entries(swapped, a, b).dot(&w).sum(), &(a.clone(), b.clone())).unwrap();
        let sum =
            |f: &dyn Fn(usize, usize, usize) -> f64| Mat::from_fn(2, 2, |i, j| (0..4).map(|k| f(k, i, j)).sum::<f64>());
        near(&gb.member(0), &sum(&|k, i, j| entry(&w, k, i, j) * entry(&a, k, i, j)), "entries");
        for k in 0..4 {
            let expected = Mat::from_fn(2, 2, |i, j| entry(&w, k, i, j) * entry(&b, 0, i, j));
            near(&ga.member(k), &expected, "entries of the batch");
        }
        let (ga, gb) = grad(|(a, b): (Var, Var)| sums(swapped, a, b).dot(&w).sum(), &(a.clone(), b.clone())).unwrap();
        near(&gb.member(0), &sum(&|k, i, j| -2.0 * entry(&w, k, i, j)), "sums");
        (0..4).for_each(|k| near(&ga.member(k), &(w.member(k) * 3.0), "sums of the batch"));
    }
}

#[test]
fn intermediate_values_are_targets_too() {
    // u = A x, s = u o u, p = 2s + u, y = <p, c> + <u, d> + <u, s>, with targets at every stage; cotangents meet in u
    // from four sides.
    let a = mat![[1.0, 2.0], [-0.5, 0.3], [0.7, -1.1]];
    let (c, d) = (mat![[1.0], [-2.0], [0.5]], mat![[0.3], [0.1], [-0.4]]);
    let x0 = mat![[0.8], [-0.6]];
    let tape = Tape::new();
    let x = tape.input(&x0);
    let u: Var<'_> = &a * x;
    let s = u.hadamard(u);
    let p: Var<'_> = s * 2.0 + u;
    let y = p.dot(&c) + u.dot(&d) + u.dot(s);
    let mut out: Vec<Batch> = [x, u, s, p].iter().map(|v| Batch::zeros(v.shape())).collect();
    for (round, at) in [x0.clone(), mat![[-1.5], [0.2]]].iter().enumerate() {
        tape.set(x, at);
        tape.replay().unwrap();
        // All targets at once: a target keeps what arrives and passes it on.
        tape.gradient_into(y, &[x, u, s, p], &mut out.iter_mut().collect::<Vec<_>>()).unwrap();
        let u0 = &a * at;
        let gp = c.clone();
        let gs = Mat::from_fn(3, 1, |i, _| 2.0 * gp[(i, 0)] + u0[(i, 0)]);
        let gu = Mat::from_fn(3, 1, |i, _| {
            let u = u0[(i, 0)];
            gp[(i, 0)] + d[(i, 0)] + u * u + 2.0 * u * gs[(i, 0)]
        });
        let gx = a.transpose() * &gu;
        for (seen, expected, name) in [(3, &gp, "p"), (2, &gs, "s"), (1, &gu, "u"), (0, &gx, "x")] {
            near(&out[seen].member(0), expected, &format!("{name}, round {round}"));
        }
        // And each alone.
        for (v, expected) in [(p, &gp), (s, &gs), (u, &gu), (x, &gx)] {
            near(&tape.gradient(y, v).unwrap().into_mat(), expected, "alone");
        }
    }
}

#[test]
fn a_long_program_with_targets_in_its_middle() {
    // z_{k+1} = B z_k + z_k o z_k / 4, twenty times; dy/dz_k = J_k' .. J_19' c for every k.
    let b = mat![[0.5, -0.3], [0.2, 0.4]];
    let c = mat![[1.0], [-2.0]];
    let tape = Tape::new();
    let mut z = vec![tape.input(&mat![[0.9], [-0.7]])];
    for _ in 0..20 {
        let last = z[z.len() - 1];
        z.push(&b * last + last.hadamard(last) * 0.25);
    }
    let y = z[20].dot(&c);
    let targets: Vec<Var<'_>> = [0, 3, 7, 8, 19, 20].map(|k| z[k]).to_vec();
    let mut out: Vec<Batch> = targets.iter().map(|v| Batch::zeros(v.shape())).collect();
    tape.gradient_into(y, &targets, &mut out.iter_mut().collect::<Vec<_>>()).unwrap();
    let mut g = c.clone();
    for k in (0..=20).rev() {
        if k < 20 {
            let at = z[k].value().into_mat();
            let j = Mat::from_fn(2, 2, |i, l| b[(i, l)] + if i == l { 0.5 * at[(i, 0)] } else { 0.0 });
            g = j.transpose() * g;
        }
        if let Some(seen) = [0, 3, 7, 8, 19, 20].iter().position(|t| *t == k) {
            near(&out[seen].member(0), &g, &format!("z_{k}"));
        }
    }
    assert_eq!(out[0].shape(), Shape::mat(2, 1));
}
