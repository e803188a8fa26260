//! The mean and the geometric median of points of any manifold that has a logarithm, on numbers. (Programs that
//! differentiate through a mean are not here: they solve its equation implicitly.)
//!
//! **Mean** (Fréchet 1948, Karcher 1977): the minimiser of `f(x) = sum_i w_i d(x, p_i)² / 2` with weights whose sum is
//! one. Its gradient is `-sum_i w_i log_x p_i`. The iteration is `x+ = exp_x(t sum_i w_i log_x p_i)` with `t = 1`,
//! which is Newton's step in flat space and where the points are close together; where it does not shorten the
//! gradient, `t` is halved. The residual is the length of the gradient. It converges linearly, with a ratio that falls
//! with the square of the spread of the points. The mean is unique where the points lie in a ball whose radius is below
//! half of the injectivity radius and of `pi` over the root of the largest curvature (Afsari 2011), which is any radius
//! where no curvature is positive. Outside, what is found is a critical point near the first point.
//!
//! **Median** (Fletcher, Venkatasubramanian & Joshi, *The geometric median on Riemannian manifolds*, 2009): the
//! minimiser of `sum_i w_i d(x, p_i)`, by Weiszfeld's iteration `x+ = exp_x(r / s)` with `r = sum_i w_i log_x p_i /
//! d_i` and `s = sum_i w_i / d_i`. The residual is the length of that step. (That of `r` would be worth less where the
//! points are close together, since their directions are known to rounding over their distance.) At a point `p_j` of
//! weight `w_j` the function has a kink, and `p_j` is the median if and only if the `r` of the others is not longer
//! than `w_j` (Vardi & Zhang 2000). The iteration asks that of the nearest point as it comes close, and answers with
//! that point itself, with residual 0; at a point that is not the median it goes on along `r (1 - w_j / |r|)`.
//!
//! Cost of a step: one logarithm for each point, all as one batch, one exponential, and one inner product a point.

use crate::{Error, Manifold, Result, numbers};
use pullback::{Batch, Scalar, Shape};

/// The weights of the points of [`mean`] and [`median`], and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct Effort {
    /// A weight for each point, none negative and not all 0; by default all are equal. Only their ratios matter.
    pub weights: Option<Vec<f64>>,
    /// The most iterations; by default 1000.
    pub iterations: usize,
    /// The residual at which it ends, relative to 1 plus the size of the cloud: the root mean square distance for the
    /// mean, the harmonic one for the median. By default 1000 epsilon.
    pub tolerance: Option<f64>,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { weights: None, iterations: 1000, tolerance: None }
    }
}

/// What [`mean`] and [`median`] find.
#[derive(Debug, Clone, PartialEq)]
pub struct Centre<T: Scalar> {
    /// The point: its matrices, each a batch of one.
    pub point: Vec<Batch<T>>,
    /// The residual there: the length of the gradient for a mean, and of the last step for a median.
    pub residual: f64,
    /// How many steps it took.
    pub iterations: usize,
}

/// The Fréchet mean of points, given as the members of a batch (one batch for each matrix of a point).
///
/// ```
/// use pullback_manifolds::{Effort, Orthogonal, Manifold, mean, rng};
/// let so = Orthogonal::special(3);
/// // Two rotations: the mean is half way.
/// let points = so.random_point(2, &mut rng(1));
/// let centre = mean::<f64>(&so, &points, &Effort::default())?;
/// let end = |b| points[0].member(b);
/// let half = so.geodesic(&end(0), &end(1), 0.5)?;
/// assert!(so.dist(&centre.point[0].member(0), &half)? < 1e-12);
/// # Ok::<(), pullback_manifolds::Error>(())
/// ```
///
/// # Errors
/// [`Error::Missing`] without a logarithm; numbers that are not a point; a logarithm that fails, since a point is on
/// the cut locus of another; [`Error::NoConvergence`] with the residual that was reached.
///
/// # Panics
/// If there is another number of weights than of points, or one is negative or not finite, or all are 0.
#[doc(alias("karcher_mean", "frechet_mean"))]
#[track_caller]
pub fn mean<T: Scalar>(m: &dyn Manifold<T>, points: &[Batch<T>], effort: &Effort) -> Result<Centre<T>> {
    let cloud = Cloud::new(m, points, effort)?;
    let mut x = cloud.member(0);
    let mut seen = cloud.seen(&x)?;
    let (mut t, mut halved) = (1.0, 0);
    let mut g = cloud.combined(&seen, |_| 1.0);
    let mut residual = cloud.norm(&x, &g)?;
    for iterations in 0..=effort.iterations {
        let spread = cloud.weights.iter().zip(&seen.distances).map(|(w, d)| w * d * d).sum::<f64>().sqrt();
        if residual <= cloud.tolerance * (1.0 + spread) {
            return Ok(Centre { point: x, residual, iterations });
        }
        let next = cloud.moved(&x, &g, t)?;
        // A step that ends on a cut locus is one that is too long.
        let there = cloud.seen(&next).and_then(|s| {
            let g = cloud.combined(&s, |_| 1.0);
            let residual = cloud.norm(&next, &g)?;
            Ok((s, g, residual))
        });
        match there {
            Ok((s, h, r)) if r < residual => (x, seen, g, residual) = (next, s, h, r),
            // Rounding is all that is left to gain, or the step is too long.
            Ok(_) | Err(_) if halved < HALVINGS => (t, halved) = (0.5 * t, halved + 1),
            Ok(_) => break,
            Err(e) => return Err(e),
        }
    }
    Err(Error::NoConvergence { what: "the mean", iterations: effort.iterations, residual })
}

/// The geometric median of points, given as the members of a batch: less moved by outliers than the [`mean`].
///
/// # Errors
/// As [`mean`].
///
/// # Panics
/// As [`mean`].
#[doc(alias = "weiszfeld")]
#[track_caller]
pub fn median<T: Scalar>(m: &dyn Manifold<T>, points: &[Batch<T>], effort: &Effort) -> Result<Centre<T>> {
    let cloud = Cloud::new(m, points, effort)?;
    // From one step towards the mean, so as not to start at a point.
    let first = cloud.member(0);
    let mut x = cloud.moved(&first, &cloud.combined(&cloud.seen(&first)?, |_| 1.0), 1.0)?;
    let mut residual = f64::INFINITY;
    for iterations in 0..=effort.iterations {
        let seen = cloud.seen(&x)?;
        let pull = cloud.pull(&x, &seen)?;
        residual = pull.step;
        if residual <= cloud.tolerance * (1.0 + pull.size) {
            return Ok(Centre { point: x, residual, iterations });
        }
        let (nearest, distance) = seen.nearest();
        if distance <= NEAR * pull.step && cloud.at_point(nearest)? {
            return Ok(Centre { point: cloud.member(nearest), residual: 0.0, iterations });
        }
        x = cloud.moved(&x, &pull.direction, pull.step / pull.whole)?;
    }
    Err(Error::NoConvergence { what: "the median", iterations: effort.iterations, residual })
}

/// How often in all the mean halves its step.
const HALVINGS: usize = 40;
/// A point this many steps away may be where the iteration ends.
const NEAR: f64 = 4.0;

/// The points, with everything that one looks at from a place.
struct Cloud<'s, T: Scalar> {
    m: &'s dyn Manifold<T>,
    points: &'s [Batch<T>],
    weights: Vec<f64>,
    tolerance: f64,
}

/// All points, seen from one place.
struct Seen<T: Scalar> {
    logs: Vec<Batch<T>>,
    distances: Vec<f64>,
}

/// Where the median's points pull.
struct Attraction<T: Scalar> {
    direction: Vec<Batch<T>>,
    /// The length of `direction`.
    whole: f64,
    /// What is left of it where a point is.
    length: f64,
    /// How far to go.
    step: f64,
    /// The harmonic mean of the distances.
    size: f64,
}

impl<T: Scalar> Seen<T> {
    fn nearest(&self) -> (usize, f64) {
        let all = self.distances.iter().copied().enumerate();
        all.fold((0, f64::INFINITY), |best, x| if x.1 < best.1 { x } else { best })
    }
}

impl<'s, T: Scalar> Cloud<'s, T> {
    #[track_caller]
    fn new(m: &'s dyn Manifold<T>, points: &'s [Batch<T>], effort: &Effort) -> Result<Self> {
        m.check_point(points)?;
        let n = points.iter().map(|p| p.shape().batch).max().unwrap_or(0);
        for (part, (p, expected)) in points.iter().zip(m.shapes()).enumerate() {
            if p.shape().batch != n || n == 0 {
                let expected = Shape { batch: n.max(1), ..expected };
                return Err(Error::Shape { manifold: m.name(), part, expected, got: p.shape() });
            }
        }
        let weights = effort.weights.clone().unwrap_or_else(|| vec![1.0; n]);
        let sum: f64 = weights.iter().sum();
        assert!(
            weights.len() == n && weights.iter().all(|w| *w >= 0.0) && sum > 0.0 && sum.is_finite(),
            "expected a weight for each of {n} points, none negative and not all 0; got {weights:?}"
        );
        let weights = weights.iter().map(|w| w / sum).collect();
        Ok(Cloud { m, points, weights, tolerance: effort.tolerance.unwrap_or(1e3 * T::EPS.f64()) })
    }

    /// Point `j` alone.
    fn member(&self, j: usize) -> Vec<Batch<T>> {
        let one = |p: &Batch<T>| {
            let s = p.shape();
            Batch::from_slice(Shape { batch: 1, ..s }, &p.data()[j * s.each()..(j + 1) * s.each()])
        };
        self.points.iter().map(one).collect()
    }

    /// The logarithms of all points at `x`, and their lengths.
    fn seen(&self, x: &[Batch<T>]) -> Result<Seen<T>> {
        let n = self.weights.len();
        let many = |x: &Batch<T>| Batch::from_slice(Shape { batch: n, ..x.shape() }, &x.data().repeat(n));
        let x: Vec<Batch<T>> = x.iter().map(many).collect();
        let logs = numbers::try_apply(&[&x, self.points], &mut |l| self.m.log(&l[0], &l[1]))?;
        let logs = logs.ok_or_else(|| Error::Missing { manifold: self.m.name(), word: "log" })?;
        let squares = numbers::apply(&[&x, &logs], &mut |l| [self.m.inner(&l[0], &l[1], &l[1])].into_iter().collect())?;
        let distances = squares[0].data().iter().map(|d| d.f64().max(0.0).sqrt()).collect();
        Ok(Seen { logs, distances })
    }

    /// `sum_i w_i c(d_i) log_x p_i`.
    fn combined(&self, seen: &Seen<T>, c: impl Fn(f64) -> f64) -> Vec<Batch<T>> {
        let one = |l: &Batch<T>| {
            let s = l.shape();
            let mut sum = vec![0.0; s.each()];
            for (b, (w, d)) in self.weights.iter().zip(&seen.distances).enumerate() {
                let factor = w * c(*d);
                let member = &l.data()[b * s.each()..(b + 1) * s.each()];
                sum.iter_mut().zip(member).for_each(|(sum, v)| *sum += factor * v.f64());
            }
            let sum: Vec<T> = sum.into_iter().map(T::of).collect();
            Batch::from_slice(Shape { batch: 1, ..s }, &sum)
        };
        seen.logs.iter().map(one).collect()
    }

    fn norm(&self, x: &[Batch<T>], v: &[Batch<T>]) -> Result<f64> {
        let found = numbers::apply(&[x, v], &mut |l| [self.m.inner(&l[0], &l[1], &l[1])].into_iter().collect())?;
        Ok(found[0].data()[0].f64().max(0.0).sqrt())
    }

    /// `exp_x(t v)`, or a retraction where there is no exponential; without what rounding adds.
    fn moved(&self, x: &[Batch<T>], v: &[Batch<T>], t: f64) -> Result<Vec<Batch<T>>> {
        numbers::apply(&[x, v], &mut |l| {
            let v: Vec<_> = l[1].iter().map(|v| v.lincomb(t, *v, 0.0)).collect();
            let y = self.m.exp(&l[0], &v).unwrap_or_else(|| self.m.retract(&l[0], &v));
            self.m.reproject(&y)
        })
    }

    /// Where the points pull at `x`. Points at `x` itself do not pull; their weight resists the pull of the others.
    fn pull(&self, x: &[Batch<T>], seen: &Seen<T>) -> Result<Attraction<T>> {
        let scale = seen.distances.iter().fold(0.0, |m: f64, d| m.max(*d));
        let here = |d: f64| d <= T::EPS.f64() * (1.0 + scale);
        let weight_here: f64 =
            self.weights.iter().zip(&seen.distances).filter(|(_, d)| here(**d)).map(|(w, _)| w).sum();
        let direction = self.combined(seen, |d| if here(d) { 0.0 } else { 1.0 / d });
        let whole = self.norm(x, &direction)?;
        let rate: f64 = self.weights.iter().zip(&seen.distances).filter(|(_, d)| !here(**d)).map(|(w, d)| w / d).sum();
        let length = (whole - weight_here).max(0.0);
        let size = if rate > 0.0 { 1.0 / rate } else { 0.0 };
        Ok(Attraction { direction, whole, length, step: length * size, size })
    }

    /// Is point `j` the median?
    fn at_point(&self, j: usize) -> Result<bool> {
        let x = self.member(j);
        Ok(self.pull(&x, &self.seen(&x)?)?.length == 0.0)
    }
}
