//! The networks against independent evaluations, and the counts of the papers.

use pullback::faer::Mat;
use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_learned::*;
use pullback_manifolds::{Egrad, Grassmann, Manifold, Rgrad, Stiefel, gaussian, rng};

fn count<L: Leaves<Scalar = f64>>(params: &L) -> usize {
    params.shapes().iter().map(Shape::len).sum()
}

#[test]
fn the_parameters_are_counted_as_in_the_papers() {
    for (p, d) in [(784, 128), (1024, 38)] {
        assert_eq!(GmLstmOptions::paper(p, d).parameter_count(), 34 * p * p + 1024 * p * d + 2049);
    }
    assert_eq!(GmLstmOptions::paper(784, 128).parameter_count(), 123_660_801);
    assert_eq!(GmLstmOptions::paper(1024, 38).parameter_count(), 75_499_521);
    assert_eq!(RmmOptions::paper(5).parameter_count(), 1551);
    assert_eq!(SubspaceOptions::paper(Sides::Both).parameter_count(), 5242);
    let update = Update::new(1.0);
    let net = GmLstm::new(GmLstmOptions { hidden: 7, ..GmLstmOptions::paper(6, 2) });
    let params = net.init(&update, &mut rng(1));
    assert_eq!(count(&params), net.options().parameter_count());
    let names: Vec<String> = params.named().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names[..3], ["direction.cell1.x", "direction.cell1.h", "direction.cell2.x"]);
    assert_eq!(names.last().map(String::as_str), Some("step.bias2"));
    for options in [RmmOptions::paper(5), RmmOptions::gradient_free(4)] {
        assert_eq!(count(&Rmm::new(options.clone()).init(&update, &mut rng(1))), options.parameter_count());
    }
    for sides in [Sides::Both, Sides::Rows, Sides::Columns, Sides::Scalar] {
        let options = SubspaceOptions::paper(sides);
        assert_eq!(count(&Subspace::new(options.clone()).init(&update, &mut rng(1))), options.parameter_count());
    }
}

#[test]
fn fresh_weights_are_orthogonal_gate_by_gate() {
    let params = GmLstm::new(GmLstmOptions::new(6, 2)).init(&Update::new(1.0), &mut rng(1));
    for w in [&params.direction.cell1.x, &params.step.cell2.h] {
        let w = w.member(0);
        for k in 0..4 {
            let q = w.subcols(6 * k, 6);
            assert!((q.transpose() * q - Mat::<f64>::identity(6, 6)).norm_l2() < 1e-14);
        }
    }
}

type M = Mat<f64>;

fn entrywise(a: &M, f: impl Fn(f64) -> f64) -> M {
    M::from_fn(a.nrows(), a.ncols(), |i, j| f(a[(i, j)]))
}

fn times(a: &M, b: &M) -> M {
    M::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] * b[(i, j)])
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A proposal: direction, number, and the leaves of the next state.
fn propose<R: MatrixRule>(
    rule: &R,
    params: &R::Params,
    update: &Update,
    g: &Batch,
    s: &R::State,
) -> (Batch, Option<Batch>, Vec<Batch>) {
    let tape = Tape::plain();
    let on = |b: &Batch| tape.constant(b);
    let phi = params.bind_all(&params.batches().iter().map(on).collect::<Vec<_>>());
    let state = s.bind_all(&s.batches().iter().map(on).collect::<Vec<_>>());
    let (p, next) = rule.propose(&phi, on(g), update, &state);
    let mut kept = vec![];
    pullback::VarTree::each(&next, &mut |v| kept.push(v.value()));
    tape.check().unwrap();
    (p.direction.value(), p.number.map(|x| x.value()), kept)
}

fn cell_states(shape: Shape) -> CellStates {
    let z = |k: u64| gaussian(shape, &mut rng(20 + k));
    CellStates { h1: z(0), c1: z(1), h2: z(2), c2: z(3) }
}

/// A gate's sums, `map(W, Z) + map(W', H)`, for gate `k`.
fn sums(w: &Cell, k: usize, z: &M, h: &M, map: fn(&M, &M) -> M) -> M {
    let p = z.nrows();
    let part = |w: &Batch| w.member(0).subcols(k * p, p).to_owned();
    map(&part(&w.x), z) + map(&part(&w.h), h)
}

fn closing(w: &Cell, z: &M, h: &M, c: &M, map: fn(&M, &M) -> M) -> (M, M) {
    let gate = |k: usize, f: fn(f64) -> f64| entrywise(&sums(w, k, z, h, map), f);
    let c = times(&gate(0, sigmoid), c) + times(&gate(1, sigmoid), &gate(3, f64::tanh));
    (times(&gate(2, sigmoid), &entrywise(&c, f64::tanh)), c)
}

fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// `l2^T relu(L1 vec(h) + b1) + b2`
fn dense(h: &M, w1: &Batch, b1: &Batch, w2: &Batch, b2: &Batch) -> f64 {
    let p = h.nrows();
    let vec = M::from_fn(p * h.ncols(), 1, |k, _| h[(k % p, k / p)]);
    let h = entrywise(&(w1.member(0) * vec + b1.member(0)), relu);
    (w2.member(0) * h)[(0, 0)] + b2.data()[0]
}

#[track_caller]
fn same(a: &M, b: &M) {
    assert!((a - b).norm_l2() < 1e-13 * (1.0 + b.norm_l2()), "{a:?} {b:?}");
}

fn normalised(a: &M, b: &M, on: bool) -> M {
    let s = times(a, b);
    let size = if on { s.norm_l2() } else { 1.0 };
    s * (1.0 / size)
}

#[test]
fn the_generalised_matrix_lstm_is_its_formulas_for_every_member() {
    let left: fn(&M, &M) -> M = |w, z| w.transpose() * z;
    let shape = Shape::batch(3, 6, 2);
    let raw = GmLstmOptions { hidden: 5, start_as_descent: false, ..GmLstmOptions::new(6, 2) };
    for o in
        [raw.clone(), GmLstmOptions { input: Input::Scaled(0.7), output_scale: 0.3, normalise_state: false, ..raw }]
    {
        let (net, update) = (GmLstm::new(o.clone()), Update::new(1.0));
        let w = net.init(&update, &mut rng(8));
        let (g, s) = (gaussian(shape, &mut rng(10)), cell_states(shape));
        let (direction, number, next) = propose(&net, &w, &update, &g, &s);
        for b in 0..3 {
            let (g, s) = (g.member(b), s.batches().iter().map(|s| s.member(b)).collect::<Vec<M>>());
            let rms = g.norm_l2() / 12f64.sqrt();
            let (z, back) = match o.input {
                Input::Scaled(c) => (&g * c, o.output_scale),
                Input::Rms => (&g * (1.0 / rms), o.output_scale * rms),
            };
            let two = |a: &Cell, b: &Cell| {
                let (h1, c1) = closing(a, &z, &s[0], &s[1], left);
                let (h2, c2) = closing(b, &h1, &s[2], &s[3], left);
                [h1, c1, h2, c2]
            };
            let a = two(&w.direction.cell1, &w.direction.cell2);
            let n = two(&w.step.cell1, &w.step.cell2);
            same(&direction.member(b), &(w.direction.head.member(0).transpose() * &a[2] * back));
            let h = entrywise(&(w.step.head.member(0).transpose() * &n[2]), relu);
            let x = dense(&h, &w.step.weight1, &w.step.bias1, &w.step.weight2, &w.step.bias2);
            assert!((number.as_ref().unwrap().member(b)[(0, 0)] - x).abs() < 1e-13);
            for k in 0..4 {
                same(&next[k].member(b), &normalised(&a[k], &n[k], o.normalise_state));
            }
        }
    }
}

#[test]
fn the_matrix_lstm_is_its_formulas_for_every_member() {
    let bi: fn(&M, &M) -> M = |w, z| w.transpose() * z * w;
    let shape = Shape::batch(2, 4, 4);
    for o in [RmmOptions::paper(4), RmmOptions::gradient_free(4)] {
        let (net, update) = (Rmm::new(o.clone()), Update::as_printed());
        let w = net.init(&update, &mut rng(8));
        let (g, s) = (gaussian(shape, &mut rng(10)), cell_states(shape));
        let (direction, number, next) = propose(&net, &w, &update, &g, &s);
        for b in 0..2 {
            let (g, s) = (g.member(b), s.batches().iter().map(|s| s.member(b)).collect::<Vec<M>>());
            let z = (&g + g.transpose()) * 0.5;
            let (h1, c1) = closing(&w.direction.cell1, &z, &s[0], &s[1], bi);
            let (h2, c2) = closing(&w.direction.cell2, &h1, &s[2], &s[3], bi);
            same(&direction.member(b), &bi(&w.direction.head.member(0), &h2));
            let a = [h1, c1, h2, c2];
            let adding = |w: &Cell, out: &Batch, z: &M, h: &M, c: &M| {
                let gate = |k: usize| entrywise(&sums(w, k, z, h, bi), relu);
                let c = gate(0) + c + gate(1) + gate(3);
                (gate(2) + entrywise(&bi(&out.member(0), &c), relu), c)
            };
            let (h1, c1) = adding(&w.step.cell1, &w.step.out1, &z, &s[0], &s[1]);
            let (h2, c2) = adding(&w.step.cell2, &w.step.out2, &h1, &s[2], &s[3]);
            let seen = w.step.head.first().map_or(h2.clone(), |w| entrywise(&bi(&w.member(0), &h2), relu));
            let x = dense(&seen, &w.step.weight1, &w.step.bias1, &w.step.weight2, &w.step.bias2);
            assert!((number.as_ref().unwrap().member(b)[(0, 0)] - x).abs() < 1e-12 * (1.0 + x.abs()));
            let n = [h1, c1, h2, c2];
            for k in 0..4 {
                same(&next[k].member(b), &normalised(&a[k], &n[k], o.normalise_state));
            }
        }
    }
}

/// The factors of rows with these squared norms, by the formulas, from a fresh state.
fn factors(w: &SubspaceParams, head: &Head, squares: &[f64]) -> Vec<f64> {
    let h = 20;
    let layer = |w: &LstmLayer, z: &M| {
        let sums = w.input.member(0) * z + w.bias1.member(0).transpose() + w.bias2.member(0).transpose();
        let gate = |k: usize, f: fn(f64) -> f64| entrywise(&sums.subrows(k * h, h).to_owned(), f);
        let c = times(&gate(1, sigmoid), &gate(3, f64::tanh));
        times(&gate(2, sigmoid), &entrywise(&c, f64::tanh))
    };
    let l: Vec<f64> = squares
        .iter()
        .map(|a| {
            let x = M::from_fn(1, 1, |_, _| (a.ln() / 10.0).clamp(-1.0, 1.0));
            (head.weight.member(0) * layer(&w.layer2, &layer(&w.layer1, &x)))[(0, 0)] + head.bias.data()[0]
        })
        .collect();
    let mean = l.iter().sum::<f64>() / l.len() as f64;
    l.iter().map(|x| (x - mean + 1.0).max(0.0)).collect()
}

#[test]
fn subspace_adaptation_is_its_formulas_and_shares_its_parameters_across_sizes() {
    let (net, update) = (Subspace::new(SubspaceOptions::paper(Sides::Both)), Update::new(0.3));
    let w = net.init(&update, &mut rng(8));
    for (p, d) in [(7, 3), (4, 4), (1, 1), (30, 2)] {
        let g: Batch = gaussian(Shape::batch(2, p, d), &mut rng(10));
        let (direction, number, _) = propose(&net, &w, &update, &g, &net.begin(g.shape()));
        assert!(number.is_none());
        for b in 0..2 {
            let g = g.member(b);
            let square = |v: f64| v * v * 0.09;
            let rows: Vec<f64> = (0..p).map(|i| (0..d).map(|j| square(g[(i, j)])).sum()).collect();
            let cols: Vec<f64> = (0..d).map(|j| (0..p).map(|i| square(g[(i, j)])).sum()).collect();
            let (l, r) = (factors(&w, &w.rows[0], &rows), factors(&w, &w.columns[0], &cols));
            same(&direction.member(b), &M::from_fn(p, d, |i, j| l[i] * g[(i, j)] * r[j]));
        }
    }
}

#[test]
fn factors_do_not_fall_and_follow_permutations() {
    let (net, update) = (Subspace::new(SubspaceOptions::paper(Sides::Both)), Update::new(0.3));
    let w = net.init(&update, &mut rng(8));
    let order = [3, 0, 4, 1, 2];
    let (mut s, mut t) = (net.begin(Shape::mat(5, 2)), net.begin(Shape::mat(5, 2)));
    for k in 0..6 {
        let g: Batch = gaussian(Shape::mat(5, 2), &mut rng(k));
        let turned = Batch::from_fn(g.shape(), |_, i, j| g.member(0)[(order[i], j)]);
        let (a, _, next) = propose(&net, &w, &update, &g, &s);
        let (b, _, moved) = propose(&net, &w, &update, &turned, &t);
        for (i, from) in order.iter().enumerate() {
            assert!((a.member(0)[(*from, 0)] - b.member(0)[(i, 0)]).abs() < 1e-13);
        }
        let before = s.rows[0].largest.clone();
        (s, t) = (s.rebuild_all(next), t.rebuild_all(moved));
        assert!(s.rows[0].largest.data().iter().zip(before.data()).all(|(now, then)| now >= then));
    }
}

#[test]
fn a_gradient_of_zeros_is_no_accident() {
    let gr = Grassmann::new(5, 2);
    let st = Stiefel::new(5, 2);
    let zero = Batch::<f64>::zeros(Shape::mat(5, 2));
    let subspace = Each::new(Subspace::new(SubspaceOptions::paper(Sides::Both)), Update::new(0.1));
    let lstm = Each::new(GmLstm::new(GmLstmOptions { hidden: 3, ..GmLstmOptions::new(5, 2) }), Update::new(0.1));
    let equivariant = Equivariant::new(EquivariantOptions::default());
    let methods: [Box<dyn pullback_optim::Method>; 3] = [
        Box::new(Trained::new(subspace.clone(), subspace.init(&mut rng(1)))),
        Box::new(Trained::new(lstm.clone(), lstm.init(&mut rng(1)))),
        Box::new(Trained::new(equivariant.clone(), equivariant.init(&mut rng(1)))),
    ];
    for m in [&gr as &dyn Manifold, &st] {
        for method in &methods {
            let tape = Tape::plain();
            let x0 = m.random_point(1, &mut rng(1)).swap_remove(0);
            let (x, e) = (tape.constant(&x0), tape.constant(&zero));
            let s: Vec<Var<'_>> = method.begin(&[x0.shape()]).iter().map(|s| tape.constant(s)).collect();
            let (y, next) = method.step_with(m, &[x], Egrad(&[e]), Rgrad(&[e]), &s);
            tape.check().unwrap();
            assert!((y[0].value().member(0) - x0.member(0)).norm_max() < 1e-14, "{}", method.name());
            assert!(next.iter().all(|s| s.value().first_non_finite().is_none()), "{}", method.name());
        }
    }
}

#[path = "../examples/architectures.rs"]
#[allow(unreachable_pub)]
mod architectures;

#[test]
fn every_architecture_runs_untrained() {
    let table = architectures::run().unwrap();
    println!("{table}");
    for name in ["5242 parameters", "1497 parameters"] {
        assert!(table.contains(name), "{table}");
    }
}
