//! The equivariant optimiser: of zeros it is L-BFGS, and isometries, other bases, other units and other members of the
//! batch do not change what it does.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_learned::*;
use pullback_manifolds::{Egrad, Grassmann, Manifold, Rgrad, Spd, Stiefel, gaussian, rng};
use pullback_optim::Method;

/// Runs on `tr X^T A X` (with a quartic term) and keeps every point.
fn run(method: &dyn Method, m: &dyn Manifold, a: &Mat<f64>, x0: &Batch, steps: usize, unit: f64) -> Vec<Batch> {
    let mut x = x0.clone();
    let mut s = method.begin(&[x.shape()]);
    let mut out = vec![];
    for _ in 0..steps {
        let tape = Tape::plain();
        let at = tape.constant(&x);
        let e = at.grad(|x| {
            let c = x.t_mul(a * x);
            ((c.trace() + c.dot(c) * 0.05) * unit).sum()
        });
        let r = m.egrad_to_rgrad(&[at], Egrad(&[e])).0;
        let state: Vec<Var<'_>> = s.iter().map(|s| tape.constant(s)).collect();
        let (y, next) = method.step_with(m, &[at], Egrad(&[e]), Rgrad(&r), &state);
        tape.check().unwrap();
        x = y[0].value();
        s = next.iter().map(Var::value).collect();
        out.push(x.clone());
    }
    out
}

fn orthogonal(n: usize, seed: u64) -> Mat<f64> {
    let z: Batch = gaussian(Shape::mat(n, n), &mut rng(seed));
    Tape::plain().constant(&z).qr().0.value().into_mat()
}

fn spread(n: usize) -> Mat<f64> {
    Mat::from_fn(n, n, |i, j| if i == j { (1.0 + i as f64).powf(1.5) } else { 0.0 })
}

/// With weights that are not zero.
fn wild(options: EquivariantOptions) -> Trained<Equivariant> {
    let net = Equivariant::new(options);
    let mut params = net.init(&mut rng(1));
    let z: Batch = gaussian(params.output.weight.shape(), &mut rng(2));
    params.output.weight.data_mut().iter_mut().zip(z.data()).for_each(|(w, z)| *w = 0.1 * z);
    Trained::new(net, params)
}

#[track_caller]
fn close(a: &Mat<f64>, b: &Mat<f64>, tolerance: f64) {
    let error = (a - b).norm_max();
    assert!(error <= tolerance, "they differ by {error:.1e}");
}

#[test]
fn the_parameters_are_counted() {
    let net = Equivariant::new(EquivariantOptions::default());
    let count: usize = net.init(&mut rng(1)).shapes().iter().map(Shape::len).sum();
    assert_eq!((count, net.options().parameter_count()), (1497, 1497));
}

#[test]
fn options_of_older_files_make_no_pairs_conjugate() {
    let mut saved = serde_json::to_value(EquivariantOptions::default()).unwrap();
    assert_eq!(saved.as_object_mut().unwrap().remove("conjugate"), Some(true.into()));
    let old: EquivariantOptions = serde_json::from_value(saved).unwrap();
    assert!(!old.conjugate);
    assert_eq!(old.parameter_count(), 1472);
}

#[test]
fn isometries_take_runs_to_runs() {
    let (n, p) = (9, 3);
    let (q, o) = (orthogonal(n, 5), orthogonal(p, 6));
    let a = spread(n);
    let turned = &q * &a * q.transpose();
    let ours = wild(EquivariantOptions::default());
    let spaces: [Box<dyn Manifold>; 2] = [Box::new(Grassmann::new(n, p)), Box::new(Stiefel::new(n, p))];
    for m in spaces {
        let x0 = m.random_point(1, &mut rng(3)).swap_remove(0);
        let image = Batch::of(&(&q * x0.member(0)));
        let other_basis = Batch::of(&(x0.member(0) * &o));
        let plain = run(&ours, &*m, &a, &x0, 40, 1.0);
        let moved = run(&ours, &*m, &turned, &image, 40, 1.0);
        let based = run(&ours, &*m, &a, &other_basis, 40, 1.0);
        for ((x, y), z) in plain.iter().zip(&moved).zip(&based) {
            close(&(&q * x.member(0)), &y.member(0), 1e-10);
            close(&(x.member(0) * &o), &z.member(0), 1e-10);
        }
        // It moves, and not as the zeroed one does.
        let zero = Trained::new(ours.optimizer.clone(), ours.optimizer.init(&mut rng(1)));
        let classical = run(&zero, &*m, &a, &x0, 5, 1.0);
        assert!((classical[4].member(0) - plain[4].member(0)).norm_max() > 1e-4);
    }
}

#[test]
fn congruences_of_positive_definite_matrices_take_runs_to_runs() {
    let spd = Spd::new(4);
    let ours = wild(EquivariantOptions { pairs: 3, ..EquivariantOptions::default() });
    let b = Mat::from_fn(4, 4, |i, j| if i == j { 1.0 + 0.3 * i as f64 } else { 0.2 * (i as f64 - j as f64) });
    let c = spread(4);
    // tr(C X) - ln det X has its minimum at the inverse of C.
    let follow = |ours: &Trained<Equivariant>, c: &Mat<f64>, x0: Batch, steps: usize| {
        let mut x = x0;
        let mut s = Method::begin(ours, &[x.shape()]);
        let mut out = vec![];
        for _ in 0..steps {
            let tape = Tape::plain();
            let at = tape.constant(&x);
            let e = at.grad(|x| ((c * x).trace() - x.spd().logdet()).sum());
            let r = Manifold::egrad_to_rgrad(&spd, &[at], Egrad(&[e])).0;
            let state: Vec<Var<'_>> = s.iter().map(|s| tape.constant(s)).collect();
            let (y, next) = ours.step_with(&spd, &[at], Egrad(&[e]), Rgrad(&r), &state);
            tape.check().unwrap();
            (x, s) = (y[0].value(), next.iter().map(Var::value).collect());
            out.push(x.member(0));
        }
        out
    };
    let x0 = Manifold::<f64>::random_point(&spd, 1, &mut rng(2)).swap_remove(0);
    let image = Batch::of(&(&b * x0.member(0) * b.transpose()));
    let inverse = pullback::Tape::plain().constant(&b).inverse().value().into_mat();
    let plain = follow(&ours, &c, x0.clone(), 20);
    let moved = follow(&ours, &(inverse.transpose() * &c * &inverse), image, 20);
    for (x, y) in plain.iter().zip(&moved) {
        close(&(&b * x * b.transpose()), y, 1e-10 * (1.0 + y.norm_max()));
    }
    let best = Mat::from_fn(4, 4, |i, j| if i == j { 1.0 / c[(i, i)] } else { 0.0 });
    // And the zeroed one, L-BFGS without a line search, finds the minimum.
    // (Steps shorter than 1: the retraction turns back there.)
    let net =
        Equivariant::new(EquivariantOptions { first: 0.5, scale: 1.0, longest: 0.9, ..EquivariantOptions::default() });
    let zero = Trained::new(net.clone(), net.init(&mut rng(1)));
    let found = follow(&zero, &c, x0, 30).pop().unwrap();
    close(&found, &best, 1e-8);
}

#[test]
fn units_and_company_do_not_matter() {
    let gr = Grassmann::new(8, 2);
    let ours = wild(EquivariantOptions::default());
    let a = spread(8);
    let three = Manifold::<f64>::random_point(&gr, 3, &mut rng(3)).swap_remove(0);
    let together = run(&ours, &gr, &a, &three, 30, 1.0);
    for b in 0..3 {
        let alone = run(&ours, &gr, &a, &Batch::of(&three.member(b)), 30, 1.0);
        for (x, y) in together.iter().zip(&alone) {
            close(&x.member(b), &y.member(0), 1e-12);
        }
    }
    // Powers of two are exact, but for `ln(gamma |g|)`, which has no unit anyway.
    let scaled = run(&ours, &gr, &a, &three, 30, 64.0);
    for (x, y) in together.iter().zip(&scaled) {
        for b in 0..3 {
            close(&x.member(b), &y.member(b), 1e-10);
        }
    }
}

/// `<u, v>` on a Grassmann manifold.
fn dot(u: &Mat<f64>, v: &Mat<f64>) -> f64 {
    (u.transpose() * v).diagonal().column_vector().iter().sum()
}

/// L-BFGS without line search on numbers, by the book, with branches; and how many pairs it did not keep.
fn lbfgs(
    gr: &Grassmann,
    a: &Mat<f64>,
    x0: &Mat<f64>,
    steps: usize,
    pairs: usize,
    caution: f64,
) -> (Vec<Mat<f64>>, usize) {
    let (first, scale, longest) = (1.5, 2.0, 2.0);
    let mut refused = 0;
    let mut x = x0.clone();
    let mut memory: Vec<(Mat<f64>, Mat<f64>)> = vec![];
    let mut last: Option<(Mat<f64>, Mat<f64>, Mat<f64>)> = None;
    let mut out = vec![];
    for _ in 0..steps {
        let ax = a * &x;
        let c = x.transpose() * &ax;
        let e = &ax * 2.0 + &ax * &c * 0.2;
        let g = gr.project(&x, &e).unwrap();
        if let Some((from, old, step)) = &last {
            let carry = |u: &Mat<f64>| gr.transport(from, &x, u).unwrap();
            memory.iter_mut().for_each(|(s, y)| (*s, *y) = (carry(s), carry(y)));
            let (s, y) = (carry(step), &g - carry(old));
            if dot(&s, &y) > caution * dot(&s, &s).sqrt() * dot(&y, &y).sqrt() {
                if memory.len() == pairs {
                    memory.remove(0);
                }
                memory.push((s, y));
            } else {
                refused += 1;
            }
        }
        let mut q = g.clone();
        let mut alphas = vec![];
        for (s, y) in memory.iter().rev() {
            let alpha = dot(s, &q) / dot(s, y);
            q -= y * alpha;
            alphas.push(alpha);
        }
        q *= match memory.last() {
            Some((s, y)) => scale * dot(s, y) / dot(y, y),
            None => first / dot(&g, &g).sqrt(),
        };
        for ((s, y), alpha) in memory.iter().zip(alphas.iter().rev()) {
            let beta = dot(y, &q) / dot(s, y);
            q += s * (alpha - beta);
        }
        let length = dot(&q, &q).sqrt();
        let v = q * -(longest / length).min(1.0);
        let next = gr.retract(&x, &v).unwrap();
        last = Some((x, g, v));
        x = next;
        out.push(x.clone());
    }
    (out, refused)
}

#[test]
fn of_zeros_it_is_lbfgs_without_a_line_search() {
    let gr = Grassmann::new(8, 2);
    let a = spread(8);
    // With much caution it refuses pairs, and which ones matters from then on.
    for caution in [1e-8, 0.5, 0.6, 0.7, 0.8] {
        let net = Equivariant::new(EquivariantOptions { pairs: 3, caution, ..EquivariantOptions::default() });
        let params = net.init(&mut rng(1));
        let ours = Trained::new(net, params);
        let mut refused = 0;
        for seed in 0..4 {
            let x0 = Manifold::<f64>::random_point(&gr, 1, &mut rng(seed)).swap_remove(0);
            let plain = run(&ours, &gr, &a, &x0, 25, 1.0);
            let (book, without) = lbfgs(&gr, &a, &x0.member(0), 25, 3, caution);
            for (x, y) in plain.iter().zip(&book) {
                close(&x.member(0), y, 1e-9);
            }
            refused += without;
        }
        assert!(caution < 0.55 || (5..90).contains(&refused), "caution {caution}: {refused} pairs were refused");
    }
}

/// Whatever the network says, a step descends and is not too long: at weights that lead uphill, too.
#[test]
fn every_step_descends_and_is_no_longer_than_it_may_be() {
    let gr = Grassmann::new(8, 2);
    let a = spread(8);
    let (slope, longest) = (0.2, 0.7);
    let net = Equivariant::new(EquivariantOptions { slope, longest, additive: 1.0, ..EquivariantOptions::default() });
    let (mut turned, mut kept, mut shortened) = (0, 0, 0);
    for seed in 0..12 {
        let mut params = net.init(&mut rng(seed));
        let (weight, bias) = (&mut params.output.weight, &mut params.output.bias);
        let z: Batch = gaussian(Shape::mat(weight.shape().len() + 8, 1), &mut rng(100 + seed));
        weight.data_mut().iter_mut().zip(z.data()).for_each(|(w, z)| *w = 0.3 * z);
        bias.data_mut().iter_mut().zip(&z.data()[z.data().len() - 8..]).for_each(|(b, z)| *b = *z);
        // Times the gradient itself, both ways.
        bias.data_mut()[7] = if seed % 2 == 0 { -3.0 } else { 1.0 };
        let ours = Trained::new(net.clone(), params);
        let mut x = Manifold::<f64>::random_point(&gr, 1, &mut rng(seed)).swap_remove(0);
        let mut s = Method::begin(&ours, &[x.shape()]);
        for _ in 0..15 {
            let tape = Tape::plain();
            let at = tape.constant(&x);
            let e = at.grad(|x| x.t_mul(&a * x).trace().sum());
            let r = Manifold::egrad_to_rgrad(&gr, &[at], Egrad(&[e])).0;
            let state: Vec<Var<'_>> = s.iter().map(|s| tape.constant(s)).collect();
            let (y, next) = ours.step_with(&gr, &[at], Egrad(&[e]), Rgrad(&r), &state);
            tape.check().unwrap();
            s = next.iter().map(Var::value).collect();
            // The step is kept in the state, after the count, the point and the gradient.
            let (step, g) = (s[3].member(0), r[0].value().member(0));
            let (length, size) = (dot(&step, &step).sqrt(), dot(&g, &g).sqrt());
            let cosine = -dot(&step, &g) / (length * size);
            assert!(cosine > slope * (1.0 - 1e-12), "the cosine is {cosine}");
            assert!(length < longest * (1.0 + 1e-12), "the length is {length}");
            turned += usize::from(cosine > 1.0 - 1e-12);
            kept += usize::from(cosine < 0.999);
            shortened += usize::from(length > longest * (1.0 - 1e-12));
            x = y[0].value();
        }
    }
    assert!(turned > 20 && kept > 20 && shortened > 20, "{turned} {kept} {shortened}");
}

#[test]
fn a_stationary_point_is_kept() {
    let gr = Grassmann::new(6, 2);
    let ours = wild(EquivariantOptions::default());
    let x0 = Batch::from_fn(Shape::mat(6, 2), |_, i, j| if i == j { 1.0 } else { 0.0 });
    let all = run(&ours, &gr, &spread(6), &x0, 5, 1.0);
    close(&all[4].member(0), &x0.member(0), 1e-12);
}
