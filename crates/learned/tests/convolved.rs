//! The data features of the gradient-free loop: against a convolution by hand, under the checker, and with a network
//! that proposes nothing.

use pullback::prelude::*;
use pullback::{Leaves, Shape};
use pullback_check::check;
use pullback_implicit::Estimator;
use pullback_learned::*;
use pullback_manifolds::{Grassmann, Manifold, gaussian, rng};
use pullback_optim::Rsgd;

const PICTURES: Convolved = Convolved { height: 4, width: 3, images: 5, columns: 2 };
const PIXELS: usize = 12;

/// `relu(K * image + b)`, pixel by pixel.
fn by_hand(image: &[f64], kernel: &[f64], bias: f64, side: usize) -> Vec<f64> {
    let (h, w, reach) = (PICTURES.height as isize, PICTURES.width as isize, side as isize / 2);
    let at = |i: isize, j: isize| {
        if (0..h).contains(&i) && (0..w).contains(&j) { image[(i * w + j) as usize] } else { 0.0 }
    };
    let pixel = |p: isize| {
        let mut sum = bias;
        for (k, weight) in kernel.iter().enumerate() {
            let (down, right) = (k as isize / side as isize - reach, k as isize % side as isize - reach);
            sum += weight * at(p / w + down, p % w + right);
        }
        sum.max(0.0)
    };
    (0..h * w).map(pixel).collect()
}

fn pictures(members: usize, seed: u64) -> Batch {
    gaussian(Shape::batch(members, PIXELS, PICTURES.images), &mut rng(seed))
}

#[test]
fn they_are_two_convolutions_and_a_mix_of_images() {
    let phi: ConvolvedParams = PICTURES.init(&mut rng(1));
    assert_eq!(phi.shapes().iter().map(Shape::len).sum::<usize>(), 36 + 5 * 2);
    let (a, tape) = (pictures(2, 2), Tape::plain());
    let x = tape.constant(&Batch::zeros(Shape::batch(2, PIXELS, 2)));
    let list: Vec<Var<'_>> = phi.batches().iter().map(|b| tape.constant(b)).collect();
    let found = PICTURES.see(&phi.bind_all(&list), &[x], &a).unwrap()[0].value();
    let (mut different, mix) = (0, phi.mix.data());
    for member in 0..2 {
        for pixel in 0..PIXELS {
            for column in 0..2 {
                let mut sum = 0.0;
                for image in 0..PICTURES.images {
                    let start = (member * PICTURES.images + image) * PIXELS;
                    let first = by_hand(&a.data()[start..start + PIXELS], phi.kernel1.data(), phi.bias1.data()[0], 3);
                    let second = by_hand(&first, phi.kernel2.data(), phi.bias2.data()[0], 5);
                    sum += second[pixel] * mix[column * PICTURES.images + image];
                }
                let got = found.data()[(member * 2 + column) * PIXELS + pixel];
                assert!((got - sum).abs() < 1e-13, "{member} {pixel} {column}: {got} {sum}");
                different += usize::from(got != 0.0);
            }
        }
    }
    assert!(different > 20, "{different} of 48 features are not zero");
}

fn network(start_as_descent: bool) -> GmLstm {
    GmLstm::new(GmLstmOptions {
        hidden: 3,
        input: Input::Scaled(1.0),
        start_as_descent,
        ..GmLstmOptions::new(PIXELS, 2)
    })
}

/// By the network's parameters, those of the features, the point, and what moves beside it: the tangent and the state.
#[test]
fn the_step_that_sees_them_is_differentiated_by_everything() {
    let update = Update { step: StepForm::Signed, ..Update::new(0.1) };
    let inner = OnTangent::new(network(false), update, 0.3).seeing(PICTURES);
    let gr = Grassmann::new(PIXELS, 2);
    let x = Manifold::<f64>::random_point(&gr, 2, &mut rng(1));
    let beside = InnerLoop::<Batch>::begin(&inner, &[x[0].shape()]);
    let beside: Vec<Batch> = beside.iter().map(|b| gaussian(b.shape(), &mut rng(4))).collect();
    let features: ConvolvedParams = PICTURES.init(&mut rng(5));
    let params = (inner.rule.init(&inner.update, &mut rng(2)), features);
    let data = pictures(2, 6);
    let at = (params, x, beside);
    for (t, output) in [(0, 0), (1, 0), (1, 1), (2, 4)] {
        let found = check(
            |(phi, x, beside): ((GmLstmVars<'_>, ConvolvedVars<'_>), Vec<Var<'_>>, Vec<Var<'_>>)| {
                let (x, next) =
                    InnerLoop::<Batch>::step(&inner, &gr, &phi, &x, &beside, t, &|x| explained(&data, x), &data);
                if output == 0 { InnerLoop::<Batch>::end(&inner, &gr, &x, &next)[0] } else { next[output] }
            },
            &at,
        );
        found.seed(3).orders(1..=1).run().assert_ok();
    }
}

/// `-|X^T A|²`.
fn explained<'t>(a: &Batch, x: &[Var<'t>]) -> Var<'t> {
    let y = x[0].t_mul(x[0].tape().constant(a));
    -y.dot(y)
}

struct Pca;
impl Task for Pca {
    type Data = Batch;
    fn sample(&self, _: Split, members: &[Member]) -> Batch {
        let one = |m: &Member| gaussian::<f64>(Shape::mat(PIXELS, PICTURES.images), &mut m.key.rng()).data().to_vec();
        let data: Vec<f64> = members.iter().flat_map(one).collect();
        Batch::from_slice(Shape::batch(members.len(), PIXELS, PICTURES.images), &data)
    }
    fn cost<'t>(&self, x: &[Var<'t>], a: &Batch) -> Var<'t> {
        explained(a, x)
    }
}

/// What the loop arrives at from the first points of a training, and what it says of the parameters.
fn trained(start_as_descent: bool, features: ConvolvedParams) -> (Vec<Batch>, Vec<Batch>, Vec<Batch>) {
    let inner = OnTangent::new(network(start_as_descent), Update::new(0.1), 0.05).seeing(PICTURES);
    let params = (inner.rule.init(&inner.update, &mut rng(2)), features);
    let gr = Grassmann::new(PIXELS, 2);
    let options = TrainingOptions {
        horizon: Horizon::Steps(3),
        members: 2,
        group: 2,
        estimator: Estimator::Unroll,
        fresh_batches: false,
        refresh: None,
        ..TrainingOptions::default()
    };
    let rsgd = Rsgd { step: 0.01 };
    let mut t = Training::new(inner, params, &gr, &Pca, &[&rsgd], options);
    let job = t.draw().unwrap();
    let mut found = t.estimate(&job);
    let found = found.swap_remove(0);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    let from = job.groups[0].iter().map(|(_, e)| e.point[0].clone()).collect();
    let to = found.arrived.iter().map(|e| e.point[0].clone()).collect();
    (from, to, found.gradient.0)
}

/// With outputs of zero it is one step of gradient descent with step `s`, whatever is seen; with others it is not, and
/// the features are then part of what is learned.
#[test]
fn a_network_of_zeros_is_one_step_of_descent_whatever_it_sees() {
    let fresh: ConvolvedParams = PICTURES.init(&mut rng(5));
    let none = fresh.rebuild_all(fresh.shapes().into_iter().map(Batch::zeros));
    let (from, seeing, _) = trained(true, fresh.clone());
    let (_, blind, _) = trained(true, none.clone());
    assert_eq!(seeing, blind);
    let moved = from.iter().zip(&seeing).all(|(a, b)| (a.member(0) - b.member(0)).norm_max() > 1e-3);
    assert!(moved, "a step of 0.05 goes somewhere");
    let (_, seeing, gradient) = trained(false, fresh);
    let (_, blind, _) = trained(false, none);
    assert_ne!(seeing, blind);
    let last = &gradient[gradient.len() - 5..];
    assert!(last.iter().all(|g| g.data().iter().any(|v| *v != 0.0)), "every part of the features is learned");
}
