//! The gradient-free optimiser with the data features of faces and of positive definite matrices: the features against
//! the same by hand, its round under the checker, with a network that proposes nothing, in trainings and on disk. The
//! features of principal components are in `convolved.rs`.

use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_check::check;
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{
    Egrad, Grassmann, Manifold, Rgrad, Spd, SpdRetraction, Stiefel, StiefelRetraction, gaussian, rng,
};
use pullback_optim::{Method, Rsgd};
use rand::RngExt;
use std::ops::ControlFlow;

const FACES: Labelled = Labelled { pixels: 14, classes: 4, images: 3, columns: 4 };
const WEIGHTS: [Weight; 2] = [Weight::Times(0.1), Weight::OfTangent(0.7)];
const CENTRES: Matrices = Matrices { order: 3, count: 4 };

/// Positive definite matrices in columns, their entries in column-major order.
fn covariances(members: usize, count: usize, seed: u64) -> Batch {
    let tape = Tape::plain();
    let z = tape.constant(&gaussian(Shape::batch(members * count, 3, 3), &mut rng(seed)));
    let c = (z.mul_t(z) + tape.constant(&eye(3)) * 0.5).value();
    Batch::from_slice(Shape::batch(members, 9, count), c.data())
}

fn eye(n: usize) -> Batch {
    Batch::from_fn(Shape::mat(n, n), |_, i, j| f64::from(u8::from(i == j)))
}

fn labelled(members: usize, seed: u64) -> Batch {
    gaussian(Shape::batch(members, 18, FACES.images), &mut rng(seed))
}

/// What is seen, and what becomes of a sum with it, as numbers.
fn seen<D, F: Features<D>>(features: &F, phi: &F::Params, x: &Batch, p: &Batch, data: &D) -> (Batch, Batch) {
    let tape = Tape::plain();
    let list: Vec<Var<'_>> = phi.batches().iter().map(|b| tape.constant(b)).collect();
    let phi = phi.bind_all(&list);
    let found = features.see(&phi, &[tape.constant(x)], data).unwrap();
    let mixed = features.mix(&phi, std::iter::once(tape.constant(p)).collect());
    (found[0].value(), mixed[0].value())
}

#[test]
fn features_of_faces_are_two_convolutions_two_mixes_and_two_maps() {
    let phi: LabelledParams = FACES.init(&mut rng(1));
    assert_eq!(phi.shapes().iter().map(Shape::len).sum::<usize>(), FACES.parameter_count());
    assert_eq!((FACES.found(), FACES.parameter_count()), (1, 11 + 14 * 3 + 4 + 2 * 14 * 14));
    // As in the paper: 117 numbers of 1024 pixels and 38 classes.
    assert_eq!(Labelled { pixels: 1024, classes: 38, images: 64, columns: 38 }.found(), 117);
    let (data, p) = (labelled(2, 2), gaussian::<f64>(Shape::batch(2, 14, 4), &mut rng(3)));
    let (found, mixed) = seen(&FACES, &phi, &p, &p, &data);
    let (k1, k2, mut alive) = (phi.kernel1.data(), phi.kernel2.data(), 0);
    for b in 0..2 {
        let of_image = |i: usize| {
            let a = &data.data()[(b * 3 + i) * 18..(b * 3 + i + 1) * 18];
            let first = |j: usize| {
                let sum: f64 = (0..3).map(|t| k1[t] * a[3 * j + t]).sum();
                (sum + phi.bias1.data()[0]).max(0.0)
            };
            ((0..6).map(|t| k2[t] * first(t)).sum::<f64>() + phi.bias2.data()[0]).max(0.0)
        };
        for (r, c) in (0..14).flat_map(|r| (0..4).map(move |c| (r, c))) {
            let sum: f64 = (0..3).map(|i| phi.rows.data()[i * 14 + r] * of_image(i)).sum();
            let expected = sum * phi.columns.data()[c];
            let got = found.data()[(b * 4 + c) * 14 + r];
            assert!((got - expected).abs() < 1e-13, "{b} {r} {c}: {got}, expected {expected}");
            alive += usize::from(got != 0.0);
        }
        let maps = (phi.map1.clone().into_mat() * phi.map2.clone().into_mat()).transpose().to_owned();
        assert!((mixed.member(b) - maps * p.member(b)).norm_max() < 1e-13);
    }
    assert!(alive > 20, "{alive} of 112 features are not zero");
}

/// Rectifiers that are closed for all images would leave features of zero, of which nothing is learned.
#[test]
fn whatever_the_seed_something_is_seen_of_images_that_are_not_negative() {
    let images =
        |rows: usize, cols: usize| Batch::from_fn(Shape::mat(rows, cols), |_, i, j| ((3 * i + j) % 5) as f64 / 4.0);
    let x = Batch::zeros(Shape::mat(14, 4));
    let pictures = Convolved { height: 7, width: 2, images: 3, columns: 4 };
    for seed in 0..200 {
        let (found, _) = seen(&FACES, &FACES.init(&mut rng(seed)), &x, &x, &images(18, 3));
        assert!(found.max_abs() > 0.0, "seed {seed}");
        let (found, _) = seen(&pictures, &pictures.init(&mut rng(seed)), &x, &x, &images(14, 3));
        assert!(found.max_abs() > 0.0, "seed {seed}");
    }
}

#[test]
fn features_of_matrices_are_two_convolutions_a_mix_and_two_congruences() {
    let phi: MatricesParams = CENTRES.init(&mut rng(1));
    assert_eq!(phi.shapes().iter().map(Shape::len).sum::<usize>(), CENTRES.parameter_count());
    assert_eq!(CENTRES.parameter_count(), 12 + 4 + 18);
    let (data, p) = (covariances(2, 4, 2), gaussian::<f64>(Shape::batch(2, 3, 3), &mut rng(3)));
    let (found, mixed) = seen(&CENTRES, &phi, &p, &p, &data);
    for b in 0..2 {
        let of_matrix = |i: usize, r: usize, c: usize| {
            let at = |r: isize, c: isize| match (0..3).contains(&r) && (0..3).contains(&c) {
                // What is outside is zero after the first convolution too.
                true => {
                    phi.kernel1.data()[0] * data.data()[(b * 4 + i) * 9 + (r * 3 + c) as usize] + phi.bias1.data()[0]
                }
                false => 0.0,
            };
            let tap = |t: usize| phi.kernel2.data()[t] * at((r + t / 3) as isize - 1, (c + t % 3) as isize - 1);
            (0..9).map(tap).sum::<f64>() + phi.bias2.data()[0]
        };
        let sum = |r: usize, c: usize| (0..4).map(|i| phi.mix.data()[i] * of_matrix(i, r, c)).sum::<f64>();
        for (r, c) in (0..3).flat_map(|r| (0..3).map(move |c| (r, c))) {
            let expected = 0.5 * (sum(r, c) + sum(c, r));
            let got = found.data()[b * 9 + r * 3 + c];
            assert!((got - expected).abs() < 1e-13, "{b} {r} {c}: {got}, expected {expected}");
        }
        let map = phi.map1.clone().into_mat() * phi.map2.clone().into_mat();
        assert!((mixed.member(b) - map.transpose() * p.member(b) * &map).norm_max() < 1e-13);
    }
}

/// Cross-entropy of `X^T a` for the marks below the pixels.
struct Classifier;
impl Task for Classifier {
    type Data = Batch;
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let one = |m: &Member| {
            let mut a: Vec<f64> = gaussian::<f64>(Shape::mat(18, 3), &mut m.key.rng()).data().to_vec();
            (0..3).for_each(|i| (0..4).for_each(|c| a[i * 18 + 14 + c] = f64::from(u8::from(c == i))));
            a
        };
        let data: Vec<f64> = members.iter().flat_map(one).collect();
        Batch::from_slice(Shape::batch(members.len(), 18, 3), &data)
    }
    fn cost<'t>(&self, x: &[Var<'t>], data: &Batch) -> Var<'t> {
        let a = x[0].tape().constant(data);
        let scores = x[0].t_mul(a.row_range(0, 14));
        -scores.column_log_softmax().dot(a.row_range(14, 4))
    }
}

/// The centre of some matrices: the sum of squared distances in the affine-invariant metric.
struct Centre;
impl Task for Centre {
    type Data = Batch;
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let one = |m: &Member| covariances(1, 4, m.key.rng().random::<u64>()).data().to_vec();
        let data: Vec<f64> = members.iter().flat_map(one).collect();
        Batch::from_slice(Shape::batch(members.len(), 9, 4), &data)
    }
    fn cost<'t>(&self, x: &[Var<'t>], data: &Batch) -> Var<'t> {
        let (tape, members) = (x[0].tape(), data.shape().batch);
        let l = x[0].cholesky().inverse();
        let of = |i: usize| {
            let c = tape.constant(data).column_range(i, 1).reshape_batch(Shape::batch(members, 3, 3));
            let log = (l * c).mul_t(l).sym().logm_spd();
            log.dot(log)
        };
        (1..4).fold(of(0), |sum, i| sum + of(i)) * 0.25
    }
}

fn on_frames(start_as_descent: bool, weight: Weight) -> Rounds<GmLstm, Labelled> {
    let options = GmLstmOptions { hidden: 3, start_as_descent, ..GmLstmOptions::new(14, 4) };
    let update = Update { step: StepForm::Signed, ..Update::new(0.3) };
    Rounds::new(OnTangent::new(GmLstm::new(options), update, 0.2).weighing(weight).seeing(FACES), 2)
}

fn on_matrices(start_as_descent: bool, weight: Weight) -> Rounds<Rmm, Matrices> {
    let options = RmmOptions { hidden: 3, start_as_descent, ..RmmOptions::gradient_free(3) };
    let update = Update { step: StepForm::Signed, ..Update::new(0.05) };
    Rounds::new(OnTangent::new(Rmm::new(options), update, 0.1).weighing(weight).seeing(CENTRES), 2)
}

fn frames() -> Stiefel {
    Stiefel::new(14, 4).with(StiefelRetraction::Polar)
}

/// A round by the parameters of network and features, the point, the gradient and the state: the next point and some
/// leaves of the next state.
fn round_is_differentiated<R: MatrixRule + Clone, F>(rounds: &Rounds<R, F>, m: &dyn Manifold, data: &Batch)
where
    F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
{
    let free: GradientFree<R, F> = GradientFree::new(rounds.clone(), rounds.init(&mut rng(2)));
    let x = m.random_point(2, &mut rng(1));
    let method = free.looking_at(data);
    let random = |b: &Batch, size: f64, seed| {
        let z: Batch = gaussian(b.shape(), &mut rng(seed));
        Batch::from_slice(b.shape(), &z.data().iter().map(|v| v * size).collect::<Vec<_>>())
    };
    let state = Method::begin(&method, &[x[0].shape()]);
    let state: Vec<Batch> = (20..).zip(&state).map(|(k, s)| random(s, 0.5, k)).collect();
    let at = (free.parameters.batches(), x.clone(), vec![random(&x[0], 1.0, 5)], state);
    for output in [0, 1, 4] {
        let found = check(
            |(phi, x, e, s): (Vec<Var<'_>>, Vec<Var<'_>>, Vec<Var<'_>>, Vec<Var<'_>>)| {
                let r = m.egrad_to_rgrad(&x, Egrad(&e)).0;
                let (next, kept) = method.step_holding(m, &x, Egrad(&e), Rgrad(&r), &s, &phi);
                next.into_iter().chain(kept).nth(output).unwrap()
            },
            &at,
        );
        found.seed(3).orders(1..=1).run().assert_ok();
    }
}

#[test]
fn a_round_is_differentiated_by_parameters_point_gradient_and_state() {
    for weight in WEIGHTS {
        round_is_differentiated(&on_frames(false, weight), &frames(), &labelled(2, 6));
        round_is_differentiated(&on_matrices(false, weight), &Spd::new(3), &covariances(2, 4, 6));
    }
}

/// All that a round sees of its data besides the gradient.
#[test]
fn features_are_differentiated_by_parameters_and_data() {
    let at = (FACES.init(&mut rng(1)), labelled(2, 2));
    let found = check(|(phi, a): (LabelledVars<'_>, Var<'_>)| FACES.of(&phi, a), &at);
    found.seed(3).orders(1..=2).run().assert_ok();
    let at = (CENTRES.init(&mut rng(1)), covariances(2, 4, 2));
    let found = check(|(phi, a): (MatricesVars<'_>, Var<'_>)| CENTRES.of(&phi, a), &at);
    found.seed(3).orders(1..=2).run().assert_ok();
    let pictures = Convolved { height: 4, width: 3, images: 5, columns: 2 };
    let at = (pictures.init(&mut rng(1)), gaussian::<f64>(Shape::batch(2, 12, 5), &mut rng(4)));
    let found = check(|(phi, a): (ConvolvedVars<'_>, Var<'_>)| pictures.of(&phi, a), &at);
    found.seed(3).orders(1..=2).run().assert_ok();
}

/// One step on numbers.
fn step(method: &dyn Method, m: &dyn Manifold, x: &[Batch], e: &Batch, s: &[Batch]) -> (Vec<Batch>, Vec<Batch>) {
    let tape = Tape::plain();
    let on = |l: &[Batch]| -> Vec<Var<'_>> { l.iter().map(|b| tape.constant(b)).collect() };
    let (x, e, s) = (on(x), [tape.constant(e)], on(s));
    let r = m.egrad_to_rgrad(&x, Egrad(&e));
    let (y, s) = method.step_with(m, &x, Egrad(&e), Rgrad(&r), &s);
    tape.check().unwrap();
    (y.iter().map(Var::value).collect(), s.iter().map(Var::value).collect())
}

/// With outputs of zero it is gradient descent with step `s`, step for step, whatever it sees; with others it is not.
fn zeroed_is_descent<R: MatrixRule + Clone, F>(make: fn(bool, Weight) -> Rounds<R, F>, m: &dyn Manifold, data: &[Batch])
where
    F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
{
    for (start_as_descent, weight) in [(true, WEIGHTS[0]), (false, WEIGHTS[0]), (true, WEIGHTS[1]), (false, WEIGHTS[1])]
    {
        let rounds = make(start_as_descent, weight);
        let rsgd = Rsgd { step: rounds.inner.start };
        let free: GradientFree<R, F> = GradientFree::new(rounds.clone(), rounds.init(&mut rng(2)));
        let mut x = m.random_point(2, &mut rng(1));
        let mut s = Method::begin(&free.looking_at(&data[0]), &[x[0].shape()]);
        for (k, data) in data.iter().enumerate() {
            let e = gaussian(x[0].shape(), &mut rng(k as u64));
            let (y, _) = step(&rsgd, m, &x, &e, &[]);
            let (z, next) = step(&free.looking_at(data), m, &x, &e, &s);
            let apart = z[0].data().iter().zip(y[0].data()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert_eq!(apart <= 1e-14 * (1.0 + y[0].max_abs()), start_as_descent, "{k}: {apart}");
            assert!(next.iter().any(|s| s.max_abs() > 0.0), "the state moves");
            (x, s) = (y, next);
        }
    }
}

#[test]
fn a_network_of_zeros_is_gradient_descent_whatever_it_sees() {
    zeroed_is_descent(on_frames, &frames(), &[labelled(2, 1), labelled(2, 2), labelled(2, 3)]);
    zeroed_is_descent(on_frames, &Grassmann::new(14, 4), &[labelled(2, 1), labelled(2, 2)]);
    let data = [covariances(2, 4, 1), covariances(2, 4, 2)];
    zeroed_is_descent(on_matrices, &Spd::new(3), &data);
    zeroed_is_descent(on_matrices, &Spd::new(3).with_retraction(SpdRetraction::Exponential), &data);
}

fn options() -> TrainingOptions {
    TrainingOptions {
        horizon: Horizon::LogUniform(1, 3),
        members: 4,
        group: 1,
        estimator: Estimator::Unroll,
        outer: OuterRule::Adam { rate: 3e-3 },
        refresh: Some(3),
        keep_state: true,
        warm_up: WarmUp { members: 4, steps: 2, push_after: 0, push_every: 2 },
        ..TrainingOptions::default()
    }
}

fn bits(p: &impl Leaves<Scalar = f64>) -> Vec<u64> {
    p.batches().iter().flat_map(|b| b.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

/// One worker or four, interrupted or not: the same bits; and every part of what is seen is learned.
fn trains<R, F, K>(rounds: &Rounds<R, F>, m: &dyn Manifold, task: &K)
where
    R: MatrixRule + Clone,
    F: SavedFeatures + Features<Batch, Params = <F as SavedFeatures>::Params>,
    K: Task<Data = Batch>,
    Rounds<R, F>: InnerLoop<Batch, Params = (R::Params, <F as SavedFeatures>::Params)>,
{
    let rsgd = Rsgd { step: 0.01 };
    let methods: [&dyn Method; 1] = [&rsgd];
    let fresh = || Training::new(rounds.clone(), rounds.init(&mut rng(2)), m, task, &methods, options());
    let go_on = |p: &Progress, _: &_| {
        assert!(p.dropped.is_empty() && p.loss.is_some(), "{:?}", p.dropped);
        ControlFlow::Continue(())
    };
    let mut whole = fresh();
    whole.run(6, go_on).unwrap();
    let first = rounds.init::<f64>(&mut rng(2));
    let moved = first.batches().iter().zip(whole.params().batches()).all(|(a, b)| *a != b);
    assert!(moved, "every leaf of network and features is learned");
    let mut four = fresh().threads(4);
    four.run(6, go_on).unwrap();
    assert_eq!(bits(whole.params()), bits(four.params()));
    let mut half = fresh();
    half.run(4, go_on).unwrap();
    let text = half.checkpoint().to_text().unwrap();
    let mut second = fresh().threads(2);
    second.resume(&TrainingCheckpoint::from_text(&text).unwrap()).unwrap();
    second.run(2, go_on).unwrap();
    assert_eq!(bits(whole.params()), bits(second.params()));
    assert_eq!(second.state().pool, whole.state().pool);
}

#[test]
fn trainings_give_the_same_bits_on_any_number_of_threads_and_after_an_interruption() {
    trains(&on_frames(false, WEIGHTS[0]), &frames(), &Classifier);
    trains(&on_matrices(false, WEIGHTS[1]), &Spd::new(3), &Centre);
}

/// With features as large as the tangent, a round in other units of the cost, of the step and of the data is the same.
#[test]
fn features_of_the_size_of_the_tangent_follow_units() {
    let rounds = |start: f64| {
        let rounds = on_frames(false, WEIGHTS[1]);
        Rounds { inner: OnTangent { start, ..rounds.inner }, ..rounds }
    };
    let (m, data) = (frames(), labelled(2, 3));
    let x = Manifold::<f64>::random_point(&m, 2, &mut rng(1));
    let e: Batch = gaussian(x[0].shape(), &mut rng(2));
    let times = |b: &Batch, by: f64| Batch::from_slice(b.shape(), &b.data().iter().map(|v| v * by).collect::<Vec<_>>());
    let mut params = rounds(0.2).init::<f64>(&mut rng(2));
    // Without what is added, features are as large as the data.
    params.1 = LabelledParams { bias1: times(&params.1.bias1, 0.0), bias2: times(&params.1.bias2, 0.0), ..params.1 };
    let round = |start: f64, e: &Batch, data: &Batch| {
        let free: GradientFree<GmLstm, Labelled> = GradientFree::new(rounds(start), params.clone());
        let method = free.looking_at(data);
        step(&method, &m, &x, e, &Method::begin(&method, &[x[0].shape()])).0
    };
    let (here, there) = (round(0.2, &e, &data), round(0.2 / 64.0, &times(&e, 64.0), &times(&data, 8.0)));
    let apart = here[0].data().iter().zip(there[0].data()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-12, "{apart}");
    let other = round(0.2, &e, &labelled(2, 4));
    assert!(here[0].data().iter().zip(other[0].data()).any(|(a, b)| (a - b).abs() > 1e-6), "it looks at the data");
}

/// A run whose every step has other data is the steps of the method that looks at them.
#[test]
fn a_run_takes_the_steps_of_the_method_that_looks_at_the_data_of_each() {
    let (rounds, m) = (on_frames(false, WEIGHTS[0]), frames());
    let free: GradientFree<GmLstm, Labelled> = GradientFree::new(rounds.clone(), rounds.init(&mut rng(2)));
    let mut x = Manifold::<f64>::random_point(&m, 2, &mut rng(1));
    let mut run = FreeRun::new(&free, &m, &x);
    let mut s = Method::begin(&free.looking_at(&labelled(2, 1)), &[x[0].shape()]);
    for k in 0..3 {
        let data = Classifier.sample(Split::Train, &Member::list(&[0, 0], k));
        let tape = Tape::plain();
        let e = tape.constant(&x[0]).grad(|x| Classifier.cost(&[x], &data).sum()).value();
        (x, s) = step(&free.looking_at(&data), &m, &x, &e, &s);
        let got = run.step_on(&|x| Classifier.cost(x, &data), &data).unwrap();
        assert_eq!(got, x);
    }
}

#[test]
fn files_say_network_features_and_manifold_and_others_are_refused() {
    let (rounds, m) = (on_frames(false, WEIGHTS[0]), frames());
    let free: GradientFree<GmLstm, Labelled> = GradientFree::new(rounds.clone(), rounds.init(&mut rng(2)));
    let bytes = free.to_bytes(&Provenance::new(&m, "faces")).unwrap();
    let read = StoredFree::<GmLstm, Labelled>::from_bytes(&bytes).unwrap();
    assert_eq!((&read.trained, read.provenance.data.as_str()), (&free, "faces"));
    assert_eq!(read.clone().on(&m).unwrap(), free);
    let elsewhere = read.on(&Stiefel::new(14, 4).with(StiefelRetraction::Qr)).unwrap_err().to_string();
    assert!(elsewhere.contains("Polar") && elsewhere.contains("Qr"), "{elsewhere}");
    let says = |e: FileError, words: &[&str]| {
        let text = e.to_string();
        assert!(words.iter().all(|w| text.contains(w)), "{text}");
    };
    says(StoredFree::<GmLstm, Convolved>::from_bytes(&bytes).unwrap_err(), &["features", "labelled", "convolved"]);
    says(StoredFree::<Rmm, Labelled>::from_bytes(&bytes).unwrap_err(), &["rule", "gm-lstm", "matrix-lstm"]);
    says(Stored::<Each<GmLstm>>::from_bytes(&bytes).unwrap_err(), &["kind", "gradient-free"]);
    let net = Each::new(GmLstm::new(GmLstmOptions::new(14, 4)), Update::new(0.1));
    let other = Trained::new(net.clone(), net.init(&mut rng(1))).to_bytes(&Provenance::new(&m, "")).unwrap();
    says(StoredFree::<GmLstm, Labelled>::from_bytes(&other).unwrap_err(), &["kind", "gm-lstm", "gradient-free"]);
    for cut in (0..bytes.len()).step_by(997) {
        assert!(StoredFree::<GmLstm, Labelled>::from_bytes(&bytes[..cut]).is_err());
    }
    // Sizes that the file does not hold cost nothing.
    let (old, new) = (br#"pixels\":14"#, br#"pixels\":99"#);
    let at = bytes.windows(old.len()).position(|w| w == old).expect("the options name the pixels");
    let mut changed = bytes.clone();
    changed[at..at + new.len()].copy_from_slice(new);
    let found = StoredFree::<GmLstm, Labelled>::from_bytes(&changed);
    assert!(matches!(&found, Err(FileError::Count { .. })), "{found:?}");
}
