//! Problems with a known optimum, side by side: principal components of digits and of random spectra, a robust loss.
//! Member `b` of a point belongs to problem `b`. No optimiser lives here.

use super::losses::{DELTA, Loss, members};
use super::opponents::{FAR, Scene, TURN};
use super::reference;
use super::shown::{EXAMPLES, images_of};
use crate::data::{Digits, PIXELS};
use crate::error::{Result, during};
use pullback::faer::{Mat, Side};
use pullback::{Batch, Shape, Tape, Var};
use pullback_learned::{Member, Split, Task};
use pullback_manifolds::{Egrad, Grassmann, Manifold, Spd, SpdRetraction, Stiefel, StiefelRetraction, gaussian, rng};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::sync::Arc;

/// What points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Subspaces,
    Frames,
    /// Positive definite matrices.
    Definite,
}

/// Where problems live.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) manifold: Arc<dyn Manifold>,
    /// Rows and columns of a point.
    pub(crate) n: usize,
    pub(crate) p: usize,
    /// Have columns weights? On a Grassmann manifold they cannot.
    pub(crate) weighted: bool,
    /// Do costs of digits keep their units, which are those of pixels in 0..1?
    pub(crate) as_given: bool,
    /// Of positive definite matrices.
    pub(super) retraction: SpdRetraction,
}

impl Place {
    /// Subspaces.
    pub(crate) fn grassmann(n: usize, p: usize) -> Self {
        Place {
            manifold: Arc::new(Grassmann::new(n, p)),
            n,
            p,
            weighted: false,
            as_given: false,
            retraction: SpdRetraction::default(),
        }
    }

    /// Frames.
    pub(crate) fn stiefel(n: usize, p: usize, retraction: StiefelRetraction) -> Self {
        let manifold = Arc::new(Stiefel::new(n, p).with(retraction));
        Place { manifold, n, p, weighted: true, as_given: false, retraction: SpdRetraction::default() }
    }

    /// Positive definite matrices.
    pub(crate) fn spd(n: usize, retraction: SpdRetraction) -> Self {
        let manifold = Arc::new(Spd::new(n).with_retraction(retraction));
        Place { manifold, n, p: n, weighted: false, as_given: true, retraction }
    }

    /// `N` of Brockett's cost in a row, from 1 down to 1/2, where columns have weights.
    pub(crate) fn weights(&self) -> Option<Batch> {
        let p = self.p;
        self.weighted.then(|| Batch::from_fn(Shape::mat(1, p), |_, _, j| 1.0 - 0.5 * j as f64 / p as f64))
    }

    /// Positive definite matrices of another order.
    pub(crate) fn of_order(&self, n: usize) -> Self {
        Place::spd(n, self.retraction)
    }

    /// Of which kind?
    pub(crate) fn kind(&self) -> Kind {
        let name = self.manifold.name();
        match (name.starts_with("Gr"), name.starts_with("St")) {
            (true, _) => Kind::Subspaces,
            (_, true) => Kind::Frames,
            _ => Kind::Definite,
        }
    }
}

/// A list of problems, a start for each, and what the best points lose.
#[derive(Debug, Clone)]
pub(crate) struct Problems {
    pub(crate) manifold: Arc<dyn Manifold>,
    pub(super) loss: Loss,
    /// What the moments of principal components are those of, in columns: for those who look at examples.
    pub(super) examples: Option<Batch>,
    /// Costs are multiplied by this, each problem its own: their units.
    pub(super) scale: Vec<f64>,
    /// Gradients are disturbed by a random matrix of this part of their norm.
    noise: f64,
    pub(crate) starts: Batch,
    /// The lowest loss of each problem.
    optimum: Vec<f64>,
    /// The loss of each start above it.
    before: Vec<f64>,
}

/// Which digits problems are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Classes {
    /// 0 to 4.
    Seen,
    /// 5 to 9.
    Unseen,
}

/// All subsets of at least two of five classes.
fn subset(classes: Classes, rng: &mut dyn Rng) -> Vec<u8> {
    let first = if classes == Classes::Seen { 0 } else { 5 };
    loop {
        let some: Vec<u8> = (first..first + 5).filter(|_| rng.random::<bool>()).collect();
        if some.len() > 1 {
            return some;
        }
    }
}

/// The second moments of the images of some classes, divided by their largest eigenvalue, and that.
pub(crate) fn moments_of(digits: &Digits, classes: &[u8]) -> Result<(Mat<f64>, f64)> {
    let rows: Vec<usize> = (0..digits.labels.len()).filter(|i| classes.contains(&digits.labels[*i])).collect();
    let a = Mat::from_fn(rows.len(), PIXELS, |i, j| digits.images[(rows[i], j)]);
    let c = a.transpose() * &a * (1.0 / rows.len() as f64);
    let top = eigenvalues(&c)?[0];
    Ok((c * (1.0 / top), top))
}

/// Eigenvalues from the largest to the smallest.
pub(crate) fn eigenvalues(c: &Mat<f64>) -> Result<Vec<f64>> {
    let found = c.self_adjoint_eigenvalues(Side::Lower);
    let mut l = found.map_err(|e| during("eigenvalues of second moments")(format!("{e:?}")))?;
    l.reverse();
    Ok(l)
}

/// A uniformly random orthogonal matrix.
fn rotation(n: usize, rng: &mut dyn Rng) -> Mat<f64> {
    let z: Batch = gaussian(Shape::mat(n, n), rng);
    Tape::plain().constant(&z).qr().0.value().into_mat()
}

/// `n` eigenvalues from 1 to 0, with a gap of `1 / condition` after the first `p`.
pub(crate) fn spectrum(n: usize, p: usize, condition: f64, rng: &mut dyn Rng) -> Vec<f64> {
    let gap = condition.recip();
    let low = rng.random_range(0.02..0.6);
    let power: f64 = rng.random_range(1.0..6.0);
    let mut top: Vec<f64> = (0..p).map(|_| low + gap + (1.0 - low - gap) * rng.random::<f64>().powi(2)).collect();
    let mut rest: Vec<f64> = (p..n).map(|_| low * rng.random::<f64>().powf(power)).collect();
    top.sort_by(|a, b| b.total_cmp(a));
    rest.sort_by(|a, b| b.total_cmp(a));
    (top[0], rest[n - p - 1]) = (1.0, 0.0);
    if p > 1 {
        top[p - 1] = low + gap;
    }
    if n - p > 1 {
        rest[0] = low;
    }
    top.extend(rest);
    top
}

impl Problems {
    /// Digits of some classes, each problem under a rotation of its own if `rotated`.
    pub(crate) fn digits(
        place: &Place,
        digits: &Digits,
        classes: Classes,
        rotated: bool,
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        let (mut list, mut tops, mut examples) = (Vec::with_capacity(count), Vec::with_capacity(count), vec![]);
        for k in 0..count as u64 {
            let rng = &mut rng(seed.wrapping_mul(0x1_0000).wrapping_add(k));
            let classes = subset(classes, rng);
            let (c, top) = moments_of(digits, &classes)?;
            let q = rotation(PIXELS, rng);
            list.push(if rotated { &q * c * q.transpose() } else { c });
            let some = images_of(digits, &classes, rng) * (1.0 / top.sqrt());
            examples.push(if rotated { q * some } else { some });
            tops.push(top);
        }
        let found = Problems { examples: Some(Batch::stack(&examples)), ..Self::components(place, &list, seed)? };
        Ok(if place.as_given { Problems { scale: tops, ..found } } else { found })
    }

    /// Random spectra with condition numbers `(l_1 - l_n) / (l_p - l_(p+1))` uniform in their logarithm, each under a
    /// rotation of its own.
    pub(crate) fn spectra(place: &Place, conditions: (f64, f64), count: usize, seed: u64) -> Result<Self> {
        let (n, p) = (place.n, place.p);
        let one = |k: u64| {
            let rng = &mut rng(seed.wrapping_mul(0x1_0000).wrapping_add(k));
            let condition = conditions.0 * (conditions.1 / conditions.0).powf(rng.random::<f64>());
            let l = spectrum(n, p, condition, rng);
            let q = rotation(n, rng);
            let scaled = Mat::from_fn(n, n, |i, j| q[(i, j)] * l[j]);
            let z: Batch = gaussian(Shape::mat(n, EXAMPLES), rng);
            // Samples with these moments.
            let some = Mat::from_fn(n, EXAMPLES, |i, j| l[i].sqrt() * z.data()[j * n + i]);
            (scaled * q.transpose(), q * some)
        };
        let (list, examples): (Vec<Mat<f64>>, Vec<Mat<f64>>) = (0..count as u64).map(one).unzip();
        Ok(Problems { examples: Some(Batch::stack(&examples)), ..Self::components(place, &list, seed)? })
    }

    /// What the equivariant optimiser is trained on: random spectra, and digits 0 to 4, in turn, rotated.
    pub(crate) fn mixed(
        place: &Place,
        digits: &Digits,
        conditions: (f64, f64),
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        let mut list = Vec::with_capacity(count);
        for k in 0..count as u64 {
            let rng = &mut rng(seed.wrapping_mul(0x1_0000).wrapping_add(k));
            let q = rotation(place.n, rng);
            let c = match k % 2 {
                0 => moments_of(digits, &subset(Classes::Seen, rng))?.0,
                _ => {
                    let condition = conditions.0 * (conditions.1 / conditions.0).powf(rng.random::<f64>());
                    let l = spectrum(place.n, place.p, condition, rng);
                    Mat::from_fn(place.n, place.n, |i, j| if i == j { l[i] } else { 0.0 })
                }
            };
            list.push(&q * c * q.transpose());
        }
        Self::components(place, &list, seed)
    }

    fn components(place: &Place, list: &[Mat<f64>], seed: u64) -> Result<Self> {
        let p = place.p;
        let weights = place.weights();
        let weight = |j: usize| weights.as_ref().map_or(1.0, |w| w.data()[j]);
        let best = |c: &Mat<f64>| Ok(-eigenvalues(c)?[..p].iter().enumerate().map(|(j, l)| weight(j) * l).sum::<f64>());
        let optimum = list.iter().map(best).collect::<Result<Vec<f64>>>()?;
        Self::new(place.manifold.clone(), Loss::Components { moments: Batch::stack(list), weights }, optimum, seed)
    }

    /// A robust loss on images of unseen classes, each problem under a rotation of its own. The optimum is the lowest
    /// value that long runs from several starts find.
    pub(crate) fn robust(place: &Place, digits: &Digits, images: usize, count: usize, seed: u64) -> Result<Self> {
        let one = |k: u64| {
            let rng = &mut rng(seed.wrapping_mul(0x1_0000).wrapping_add(k));
            let classes = subset(Classes::Unseen, rng);
            let rows: Vec<usize> = (0..digits.labels.len()).filter(|i| classes.contains(&digits.labels[*i])).collect();
            let chosen: Vec<usize> = rows.sample(rng, images).copied().collect();
            let a = Mat::from_fn(PIXELS, chosen.len(), |i, j| digits.images[(chosen[j], i)]);
            let mean = a.squared_norm_l2() / chosen.len() as f64;
            rotation(PIXELS, rng) * a * (1.0 / mean.sqrt())
        };
        let list: Vec<Mat<f64>> = (0..count as u64).map(one).collect();
        let square = |a: &Mat<f64>| Mat::from_fn(1, a.ncols(), |_, j| a.col(j).squared_norm_l2() + DELTA * DELTA);
        let squares = Batch::stack(&list.iter().map(square).collect::<Vec<_>>());
        let loss = Loss::Robust { images: Batch::stack(&list), squares };
        let manifold = place.manifold.clone();
        let optimum = reference::lowest(manifold.as_ref(), &|which| loss.some(&[which]), count, &list, seed)?;
        Self::new(manifold, loss, optimum, seed)
    }

    pub(super) fn new(manifold: Arc<dyn Manifold>, loss: Loss, optimum: Vec<f64>, seed: u64) -> Result<Self> {
        let starts: Batch = manifold.random_point(optimum.len(), &mut rng(!seed)).swap_remove(0);
        let scale = vec![1.0; optimum.len()];
        let mut out = Problems { manifold, loss, examples: None, scale, noise: 0.0, starts, before: vec![], optimum };
        out.before = out.above(&out.starts.clone());
        Ok(out)
    }

    /// The same problems in other units: all costs times `by`.
    pub(crate) fn scaled(&self, by: f64) -> Self {
        Problems { scale: self.scale.iter().map(|s| s * by).collect(), ..self.clone() }
    }

    /// What an isometry makes of these problems: the optimum stays.
    pub(super) fn isometric(&self, loss: Loss, starts: Batch) -> Self {
        Problems { loss, starts, ..self.clone() }
    }

    pub(super) fn loss(&self) -> &Loss {
        &self.loss
    }

    /// The lowest loss of each problem.
    pub(super) fn optimum(&self) -> &[f64] {
        &self.optimum
    }

    /// The mean of the units.
    pub(crate) fn unit(&self) -> f64 {
        self.scale.iter().sum::<f64>() / self.count() as f64
    }

    /// What opponents are tuned for here. Frames and subspaces are never many lengths of the order of one from the
    /// optimum, positive definite matrices are.
    pub(crate) fn scene(&self, quick: bool) -> Scene {
        let longer = if let Loss::Centres { .. } = self.loss { FAR } else { TURN };
        Scene { quick, unit: self.unit() * self.loss.curvature(), longer }
    }

    /// Are gradients disturbed?
    pub(crate) fn is_noisy(&self) -> bool {
        self.noise > 0.0
    }

    /// The same problems with disturbed gradients.
    pub(crate) fn noisy(&self, noise: f64) -> Self {
        Problems { noise, ..self.clone() }
    }

    /// The same problems and the same starting subspaces, in other bases.
    pub(crate) fn other_bases(&self, seed: u64) -> Self {
        let (tape, shape) = (Tape::plain(), self.starts.shape());
        let z = gaussian(Shape::batch(shape.batch, shape.cols, shape.cols), &mut rng(seed));
        let starts = (tape.constant(&self.starts) * tape.constant(&z).qr().0).value();
        Problems { starts, ..self.clone() }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.optimum.len()
    }

    /// What each member loses above the optimum, in the units of the problems without a scale.
    pub(crate) fn above(&self, x: &Batch) -> Vec<f64> {
        let tape = Tape::plain();
        let found = self.loss.of(tape.constant(x)).value();
        let above = found.data().iter().zip(&self.optimum).map(|(f, best)| f - best);
        above.map(|a| if a.is_finite() { a } else { f64::INFINITY }).collect()
    }

    /// The part of the loss of the starts above the optimum that is left, at least [`FLOOR`].
    pub(crate) fn left(&self, x: &Batch) -> Vec<f64> {
        self.above(x).iter().zip(&self.before).map(|(a, b)| (a / b).max(FLOOR)).collect()
    }

    /// Lengths of tangents: in the metric on positive definite matrices, elsewhere it is that of the entries.
    pub(crate) fn lengths(&self, x: &Batch, u: &Batch) -> Vec<f64> {
        if let Loss::Centres { .. } = self.loss {
            let tape = Tape::plain();
            let (x, u) = (tape.constant(x), tape.constant(u));
            return self.manifold.inner(&[x], &[u], &[u]).sqrt().value().data().to_vec();
        }
        let each = u.shape().each();
        u.data().chunks(each).map(|u| u.iter().map(|v| v * v).sum::<f64>().sqrt()).collect()
    }

    /// One of them, alone.
    pub(crate) fn one(&self, k: usize) -> Self {
        Problems {
            loss: self.loss.some(&[k]),
            examples: self.examples.as_ref().map(|b| members(b, &[k])),
            starts: members(&self.starts, &[k]),
            optimum: vec![self.optimum[k]],
            scale: vec![self.scale[k]],
            before: vec![self.before[k]],
            ..self.clone()
        }
    }

    /// The undisturbed cost in its units: what exact line searches look at.
    pub(crate) fn cost_of<'t>(&self, x: Var<'t>) -> Var<'t> {
        let cost = self.loss.of(x);
        if self.scale.iter().all(|s| *s == 1.0) { cost } else { cost.hadamard(column(&self.scale)) }
    }
}

/// Below this part of the first loss above the optimum a difference of losses is rounding.
pub(crate) const FLOOR: f64 = 1e-13;

/// The disturbances of a step: nothing, or a matrix of norm one for each member.
pub(crate) struct Disturbed(Option<Batch>);

impl Task for Problems {
    type Data = Disturbed;

    fn sample(&self, _: Split, members: &[Member]) -> Disturbed {
        let shape = self.starts.shape();
        let one = |m: &Member| -> Mat<f64> {
            let z: Batch = gaussian(Shape::mat(shape.rows, shape.cols), &mut m.key.rng());
            let z = z.into_mat();
            let norm = z.norm_l2();
            z * (1.0 / norm)
        };
        let all = || Batch::stack(&members.iter().map(one).collect::<Vec<_>>());
        Disturbed((self.noise > 0.0).then(all))
    }

    fn cost<'t>(&self, x: &[Var<'t>], disturbed: &Disturbed) -> Var<'t> {
        let (x, m) = (x[0], self.manifold.as_ref());
        let cost = self.cost_of(x);
        let Some(z) = &disturbed.0 else { return cost };
        let e = x.grad(|x| self.cost_of(x).sum());
        let z = x.tape().constant(z);
        let (g, z) = match self.loss {
            Loss::Centres { .. } => (m.egrad_to_rgrad(&[x], Egrad(&[e])).0, in_the_metric_at(x, z)),
            _ => (m.project(&[x], &[e]), z),
        };
        let size = (m.inner(&[x], &g, &g)).sqrt() * self.noise;
        cost + x.dot(z).hadamard(size.stop_gradient())
    }
}

/// The Euclidean gradient whose Riemannian one has length one in the affine-invariant metric at `X = L L^T`:
/// `L^-T S L^-1` with `S = sym(z)` brought to length one, a constant for derivatives.
pub(super) fn in_the_metric_at<'t>(x: Var<'t>, z: Var<'t>) -> Var<'t> {
    let (s, inverse) = (z.sym(), x.cholesky().inverse());
    let s = s.elem_div(s.dot(s).sqrt());
    inverse.t_mul(s * inverse).stop_gradient()
}

/// Numbers for each member of a batch side by side.
pub(crate) fn column(values: &[f64]) -> Batch {
    Batch::from_slice(Shape::batch(values.len(), 1, 1), values)
}
