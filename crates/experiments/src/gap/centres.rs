//! Problems on positive definite matrices: the centre of some matrices in the affine-invariant metric, and the point
//! nearest to them in the mean of distances, not squared. The matrices are covariances of textures, the same moved by
//! congruences, or random ones. Subspaces, frames and optimisers are elsewhere.

use super::losses::{DELTA, Loss, members};
use super::problems::{Place, Problems};
use crate::covariances::Regions;
use crate::error::{Result, during};
use pullback::faer::Mat;
use pullback::{Batch, Shape, Tape, Var};
use pullback_manifolds::{Manifold, gaussian, rng};
use pullback_optim::{Lbfgs, Problem, Stop};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

/// Matrices of a problem.
pub(crate) const EACH: usize = 24;
/// The logarithm of the unit of random matrices, uniform between this and its negative.
const UNIT: f64 = 6.0;
/// How far random matrices are from their centre, and its condition number, uniform in the logarithm.
const SPREAD: (f64, f64) = (0.3, 3.0);
const CONDITION: (f64, f64) = (1.0, 100.0);
/// The lowest value is looked for until the gradient is as short as this, or for so many steps.
const GRADIENT: f64 = 1e-11;
const STEPS: usize = 500;

/// What becomes of the matrices of a texture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Moved {
    /// Nothing.
    AsTheyAre,
    /// `Q C Q^T` with a random rotation for each problem.
    Rotated,
    /// `A C A^T` with `A` of determinant one and this condition number, so that the condition number of the matrices is
    /// about its square times as large.
    Stretched(f64),
}

/// A generator for each problem.
fn of_problem(seed: u64, k: usize) -> impl Rng {
    rng(seed.wrapping_mul(0x1_0000).wrapping_add(k as u64))
}

/// A uniformly random rotation.
fn rotation(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    let z: Batch = gaussian(Shape::mat(n, n), rng);
    Tape::plain().constant(&z).qr().0.value().into_mat()
}

/// `Q D` with a random rotation `Q` and `D` diagonal, of this condition number and determinant one.
fn stretching(n: usize, condition: f64, rng: &mut dyn Rng) -> Mat<f64> {
    let q = rotation(n, rng);
    let scale = |j: usize| condition.powf(j as f64 / (n - 1).max(1) as f64 - 0.5);
    Mat::from_fn(n, n, |i, j| q[(i, j)] * scale(j))
}

fn inverse(a: &Mat<f64>) -> Mat<f64> {
    Tape::plain().constant(a).inverse().value().into_mat()
}

/// `W_i A` for all of the matrices.
fn times(whiteners: &Batch, a: &Mat<f64>) -> Batch {
    let tape = Tape::plain();
    (tape.constant(whiteners) * tape.constant(a)).value()
}

/// Problems `k = 0, 1, ...` on matrices of class `k mod classes`, so many drawn from it.
///
/// Costs are those of the command `clustering` on that class alone: divided by the number of classes.
pub(crate) fn textures(
    place: &Place,
    regions: &Regions,
    classes: usize,
    moved: Moved,
    count: usize,
    seed: u64,
) -> Result<Problems> {
    let one = |k: usize| {
        let rng = &mut of_problem(seed, k);
        let own: Vec<usize> = (0..regions.count()).filter(|i| regions.labels[*i] == k % classes).collect();
        // With repetition where there are fewer.
        let chosen: Vec<usize> = match own.len() >= EACH {
            true => own.sample(rng, EACH).copied().collect(),
            false => (0..EACH).map(|_| own[rng.random_range(0..own.len())]).collect(),
        };
        let w = members(&regions.whiteners, &chosen);
        match moved {
            Moved::AsTheyAre => w,
            Moved::Rotated => times(&w, &rotation(place.n, rng)),
            Moved::Stretched(condition) => times(&w, &inverse(&stretching(place.n, condition, rng))),
        }
    };
    problems(place, (0..count).map(one).collect(), None, seed).map(|p| p.scaled((classes as f64).recip()))
}

/// The same with distances in place of their squares.
pub(crate) fn robust(place: &Place, regions: &Regions, classes: usize, count: usize, seed: u64) -> Result<Problems> {
    let squares = textures(place, regions, classes, Moved::AsTheyAre, count, seed)?;
    let typical = (squares.optimum().iter().sum::<f64>() / count as f64).sqrt();
    let Loss::Centres { whiteners, each, .. } = squares.loss() else { return Ok(squares) };
    let lists = (0..count).map(|k| members(whiteners, &(k * each..(k + 1) * each).collect::<Vec<_>>()));
    problems(place, lists.collect(), Some(DELTA * typical), seed).map(|p| p.scaled((classes as f64).recip()))
}

/// Matrices `A exp(s S_i) A^T` around random `A A^T`, of no texture: with random symmetric `S_i`, another spread `s`,
/// unit and condition number for each problem.
pub(crate) fn random(place: &Place, unit: f64, count: usize, seed: u64) -> Result<Problems> {
    let n = place.n;
    let one = |k: usize| {
        let rng = &mut of_problem(seed, k);
        let mut between = |(low, high): (f64, f64)| low * (high / low).powf(rng.random::<f64>());
        let (spread, condition) = (between(SPREAD), between(CONDITION));
        let by: f64 = (rng.random_range(-UNIT..UNIT) / 2.0f64).exp();
        let a = stretching(n, condition.sqrt(), rng) * by;
        let tape = Tape::plain();
        let s = tape.constant(&gaussian(Shape::batch(EACH, n, n), rng)).sym() * (-0.5 * spread / n as f64);
        times(&s.expm_sym().value(), &inverse(&a))
    };
    problems(place, (0..count).map(one).collect(), None, seed).map(|p| p.scaled(unit))
}

/// The same problems and starts under a congruence each, `M -> A M A^T`, which is an isometry: whoever sees nothing but
/// the geometry takes the same way.
pub(crate) fn congruent(problems: &Problems, condition: f64, seed: u64) -> Problems {
    let Loss::Centres { whiteners, each, delta } = problems.loss() else { return problems.clone() };
    let (n, tape) = (whiteners.shape().rows, Tape::plain());
    let (mut all, mut starts) = (vec![], vec![]);
    for k in 0..problems.count() {
        let a = stretching(n, condition, &mut of_problem(seed, k));
        let own = members(whiteners, &(k * each..(k + 1) * each).collect::<Vec<_>>());
        all.extend_from_slice(times(&own, &inverse(&a)).data());
        let start = tape.constant(&members(&problems.starts, &[k]));
        let moved = (tape.constant(&a) * start).mul_t(tape.constant(&a)).sym().value();
        starts.extend_from_slice(moved.data());
    }
    let whiteners = Batch::from_slice(whiteners.shape(), &all);
    let loss = Loss::Centres { whiteners, each: *each, delta: *delta };
    problems.isometric(loss, Batch::from_slice(problems.starts.shape(), &starts))
}

fn problems(place: &Place, lists: Vec<Batch>, delta: Option<f64>, seed: u64) -> Result<Problems> {
    let data: Vec<f64> = lists.iter().flat_map(|b| b.data().iter().copied()).collect();
    let shape = Shape { batch: EACH * lists.len(), ..lists[0].shape() };
    let loss = Loss::Centres { whiteners: Batch::from_slice(shape, &data), each: EACH, delta };
    let optimum = (0..lists.len()).map(|k| lowest(place.manifold.as_ref(), &loss.some(&[k])));
    Problems::new(place.manifold.clone(), loss.clone(), optimum.collect::<Result<_>>()?, seed)
}

/// The lowest value. Both losses are convex along geodesics, so that one start is enough.
fn lowest(manifold: &dyn Manifold, loss: &Loss) -> Result<f64> {
    let Loss::Centres { whiteners, each, .. } = loss else { return Ok(f64::NAN) };
    // From the inverse of the mean of the inverses `W^T W`.
    let tape = Tape::plain();
    let w = tape.constant(whiteners);
    let mean = w.t_mul(w).sum_batch() * (*each as f64).recip();
    let start = mean.inverse().sym().value();
    let problem = Problem::new(manifold, &start, |x: Var| loss.of(x));
    let found = problem.solve(Lbfgs::default(), Stop::GradientNorm(GRADIENT) | Stop::Iterations(STEPS));
    Ok(found.map_err(during("the lowest value of distances to matrices"))?.cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covariances::textures as data;
    use pullback_learned::{Member, Split, Task};
    use pullback_manifolds::{Egrad, SpdRetraction};

    fn place() -> Place {
        Place::spd(5, SpdRetraction::Exponential)
    }

    fn home(count: usize) -> Problems {
        let data = data().unwrap();
        textures(&place(), &data.train, data.classes, Moved::AsTheyAre, count, 3).unwrap()
    }

    /// Matrices `exp(S)` and `exp(-S)` in pairs: inversion is an isometry that takes them to themselves, so that the
    /// centre is the identity and the lowest value the mean of `|S|²`.
    #[test]
    fn the_centre_of_pairs_of_inverses_is_the_identity() {
        let tape = Tape::plain();
        let s = tape.constant(&gaussian(Shape::batch(EACH / 2, 3, 3), &mut rng(1))).sym();
        let half: Var<'_> = s * 0.5;
        let w = Var::concat(&[half.expm_sym(), (-half).expm_sym()], pullback::Axis::Batch).value();
        let found = problems(&Place::spd(3, SpdRetraction::Exponential), vec![w], None, 0).unwrap();
        let best: f64 = s.dot(s).sum_batch().scalar() / (EACH / 2) as f64;
        assert!((found.optimum()[0] - best).abs() < 1e-12 * best, "{} {best}", found.optimum()[0]);
        let eye = Batch::from_fn(Shape::mat(3, 3), |_, i, j| f64::from(u8::from(i == j)));
        assert!(found.left(&eye)[0] <= 1e-12);
    }

    /// Congruences leave costs and what is left as they are, and move the starts.
    #[test]
    fn congruences_are_isometries() {
        let home = home(3);
        let moved = congruent(&home, 10.0, 5);
        assert!(moved.starts != home.starts);
        let at = |p: &Problems| p.above(&p.starts);
        for (a, b) in at(&home).iter().zip(at(&moved)) {
            assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
        }
    }

    /// One problem alone is that of the list, and the cost is that of `clustering` in its units.
    #[test]
    fn one_of_the_problems_is_one_of_the_list() {
        let (all, tape) = (home(4), Tape::plain());
        let cost = |p: &Problems, x: &Batch| p.cost_of(tape.constant(x)).value().data().to_vec();
        let together = cost(&all, &all.starts);
        for k in 0..4 {
            let one = all.one(k);
            assert!((cost(&one, &one.starts)[0] - together[k]).abs() < 1e-12 * together[k]);
        }
        assert!((all.unit() - 1.0 / 3.0).abs() < 1e-15 && all.scene(true).longer == super::super::opponents::FAR);
    }

    /// A disturbance of a tenth is a tenth of the gradient in the metric.
    #[test]
    fn gradients_are_disturbed_in_the_metric() {
        let (clean, m) = (home(2), place().manifold);
        let noisy = clean.noisy(0.1);
        let members = Member::list(&[0, 0], 4);
        let tape = Tape::new();
        let x = tape.constant(&clean.starts);
        let gradient = |p: &Problems| {
            let data = p.sample(Split::Train, &members);
            let e = x.grad(|x| p.cost(&[x], &data).sum_batch());
            m.egrad_to_rgrad(&[x], Egrad(&[e])).0[0]
        };
        let (g, n) = (gradient(&clean), gradient(&noisy));
        let length = |v: Var<'_>| m.inner(&[x], &[v], &[v]).sqrt().value().data().to_vec();
        for (d, g) in length(n - g).iter().zip(length(g)) {
            assert!((d / g - 0.1).abs() < 1e-8, "{d} {g}");
        }
    }
}
