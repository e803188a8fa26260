//! Nelder & Mead's simplex on manifolds: values of the cost alone.
//!
//! A simplex of `n + 1` points, `n` the dimension, crawls downhill (Nelder & Mead, *A simplex method for function
//! minimization*, 1965). On a manifold the straight lines are geodesics, or curves of the retraction where it has an
//! inverse: with `E` and `L` the exponential and the logarithm, or the retraction and its inverse,
//!
//! - the centroid of all but the worst point is `c = E_b(1/n sum L_b(x_i))`, from the best point `b`;
//! - a trial is `E_c(-t L_c(w))` with the worst point `w`: `t = 1` reflects, `t > 1` expands, `0 < t < 1` contracts
//!   outside and `-1 < t < 0` inside;
//! - the simplex shrinks to `E_b(delta L_b(x_i))`.
//!
//! The coefficients depend on `n` as Gao & Han (*Implementing the Nelder-Mead simplex algorithm with adaptive
//! parameters*, 2012) chose them; for `n <= 2` they are those of Nelder & Mead.
//!
//! There is no proof of convergence, not even in flat space. The method is for costs of few dimensions without
//! derivatives.

use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use crate::{Error, Result};
use pullback::{Batch, Scalar};
use pullback_manifolds::rng;
use serde::{Deserialize, Serialize};

/// Nelder & Mead's method: the last resort where the cost has no derivatives.
///
/// It uses no gradient, so criteria on the gradient never hold; the run stops as [`Why::Stalled`](crate::Why::Stalled)
/// when the simplex is as small as `smallest`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NelderMead {
    /// How far the other points are from the start; by default a tenth of the typical distance of the manifold.
    pub size: Option<f64>,
    /// The run stalls when all points are within this distance of the best.
    pub smallest: f64,
    /// The seed of the directions of the first simplex.
    pub seed: u64,
}

/// A simplex that shrinks to 1e-8.
impl Default for NelderMead {
    fn default() -> Self {
        NelderMead { size: None, smallest: 1e-8, seed: 1 }
    }
}

/// The straight lines of the simplex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Lines {
    Geodesics,
    Retraction,
}

/// One point of the simplex.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct Vertex<T: Scalar> {
    x: Numbers<T>,
    #[serde(with = "crate::numbers::bits")]
    cost: f64,
}

/// What [`NelderMead`] keeps: the simplex.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct NelderMeadState<T: Scalar> {
    lines: Lines,
    /// From the best to the worst; empty before the first step.
    simplex: Vec<Vertex<T>>,
    /// The point that takes the place of another.
    spare: Vertex<T>,
    centre: Numbers<T>,
    sum: Numbers<T>,
    v: Numbers<T>,
}

impl<T: Scalar> Solver<T> for NelderMead {
    type State = NelderMeadState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn uses_gradients(&self) -> bool {
        false
    }

    fn begin(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<NelderMeadState<T>> {
        let m = view.space.manifold();
        let members = at.x.first().map_or(1, |b| b.shape().batch);
        let n = m.dim() * members;
        let size = self.size.unwrap_or_else(|| 0.1 * m.typical_distance());
        within("size", "a positive number", size > 0.0 && size.is_finite(), size)?;
        within("smallest", "a number that is not negative", self.smallest >= 0.0, self.smallest)?;
        let lines = Lines::of(view, at)?;
        let vertex = |x: &[Batch<T>], cost| {
            let mut numbers = Numbers::default();
            numbers.copy_from(x);
            Vertex { x: numbers, cost }
        };
        let mut state = NelderMeadState {
            lines,
            simplex: vec![vertex(&at.x, at.cost)],
            spare: vertex(&at.x, f64::INFINITY),
            centre: Numbers::zeros(&at.x),
            sum: Numbers::zeros(&at.x),
            v: Numbers::zeros(&at.x),
        };
        let mut trial = at.clone();
        for mut direction in self.directions(view, at, n)? {
            direction.scale(size);
            lines.go(view, &at.x, &direction, 1.0, &mut trial.x)?;
            let cost = view.try_cost(&mut trial)?;
            state.simplex.push(vertex(&trial.x, cost));
        }
        sort(&mut state.simplex);
        Ok(state)
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut NelderMeadState<T>,
    ) -> Result<Step> {
        let n = s.simplex.len() - 1;
        if n == 0 {
            return Ok(Step::Stalled("the manifold is a single point"));
        }
        let Some(size) = centroid(view, s)? else { return Ok(Step::Stalled(NO_LINE)) };
        if size <= self.smallest {
            return Ok(Step::Stalled("the simplex is as small as was asked"));
        }
        if !self.turn(view, next, s)? {
            return Ok(Step::Stalled(NO_LINE));
        }
        sort(&mut s.simplex);
        let best = &s.simplex[0];
        if best.cost < at.cost {
            next.becomes(&best.x, best.cost);
            return Ok(Step::Moved { length: size });
        }
        Ok(Step::Rejected)
    }
}

const NO_LINE: &str = "no line of the manifold joins the points of the simplex; begin with a smaller one";

/// The coefficients of expansion, contraction and shrinking.
fn coefficients(n: usize) -> (f64, f64, f64) {
    let n = n.max(2) as f64;
    (1.0 + 2.0 / n, 0.75 - 0.5 / n, 1.0 - 1.0 / n)
}

fn sort<T: Scalar>(simplex: &mut [Vertex<T>]) {
    // Stable, and in place for the few that are out of order: each moves down past those that are worse.
    for i in 1..simplex.len() {
        let mut j = i;
        while j > 0 && simplex[j].cost < simplex[j - 1].cost {
            simplex.swap(j, j - 1);
            j -= 1;
        }
    }
}

impl Lines {
    /// Those that the manifold has.
    fn of<T: Scalar>(view: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<Self> {
        let (zero, mut out) = (Numbers::zeros(&at.x), Numbers::zeros(&at.x));
        if view.space.log(&at.x, &at.x, &mut out)? && view.space.exp(&at.x, &zero, 1.0, &mut out)? {
            Ok(Lines::Geodesics)
        } else if view.space.inverse_retract(&at.x, &at.x, &mut out)? {
            Ok(Lines::Retraction)
        } else {
            Err(Error::Needs {
                solver: "Nelder & Mead's method",
                what: "an exponential and a logarithm, or an inverse of its retraction",
                manifold: view.space.manifold().name(),
                instead: "another retraction may have one; the solvers that use gradients do without",
            })
        }
    }

    /// The point at `t` of the line from `x` along `v`; an error where there is none.
    fn go<T: Scalar>(
        self,
        view: &mut View<'_, '_, T>,
        x: &[Batch<T>],
        v: &[Batch<T>],
        t: f64,
        out: &mut Numbers<T>,
    ) -> Result<()> {
        view.counts.retractions += 1;
        match self {
            // `begin` has found that it exists.
            Lines::Geodesics => view.space.exp(x, v, t, out).map(|_| ())?,
            Lines::Retraction => view.space.retract(x, v, t, out)?,
        }
        Ok(())
    }

    /// The velocity at `x` of the line to `y`; is there one?
    fn to<T: Scalar>(self, view: &mut View<'_, '_, T>, x: &[Batch<T>], y: &[Batch<T>], out: &mut Numbers<T>) -> bool {
        let found = match self {
            Lines::Geodesics => view.space.log(x, y, out),
            Lines::Retraction => view.space.inverse_retract(x, y, out),
        };
        found == Ok(true) && out.is_finite()
    }
}

/// The centroid of all but the worst, and how far the points are from the best.
fn centroid<T: Scalar>(view: &mut View<'_, '_, T>, s: &mut NelderMeadState<T>) -> Result<Option<f64>> {
    let NelderMeadState { lines, simplex, centre, sum, v, .. } = s;
    let n = simplex.len() - 1;
    let (best, others) = (&simplex[0], &simplex[1..]);
    sum.clear();
    let mut size = 0.0f64;
    for (i, vertex) in others.iter().enumerate() {
        if !lines.to(view, &best.x, &vertex.x, v) {
            return Ok(None);
        }
        size = size.max(view.space.inner(&best.x, v, v)?.max(0.0).sqrt());
        if i + 1 < n {
            sum.combine(1.0, 1.0 / n as f64, v);
        }
    }
    Ok(lines.go(view, &best.x, sum, 1.0, centre).ok().map(|()| size))
}

impl NelderMead {
    /// An orthonormal basis of the tangent space, by Gram & Schmidt from random tangents.
    fn directions<T: Scalar>(&self, view: &mut View<'_, '_, T>, at: &Iterate<T>, n: usize) -> Result<Vec<Numbers<T>>> {
        let (m, mut rng) = (view.space.manifold(), rng(self.seed));
        let mut basis: Vec<Numbers<T>> = Vec::with_capacity(n);
        // A random tangent is all but dependent on those before it once in a lifetime.
        for _ in 0..n + 20 {
            if basis.len() == n {
                break;
            }
            let mut v = Numbers(m.random_tangent(&at.x, &mut rng)?);
            let before = view.inner(at, &v, &v)?.sqrt();
            for _ in 0..2 {
                for q in &basis {
                    let along = view.inner(at, q, &v)?;
                    v.combine(1.0, -along, q);
                }
            }
            let size = view.inner(at, &v, &v)?.max(0.0).sqrt();
            if size > 1e-3 * before / (n.max(1) as f64) {
                v.scale(1.0 / size);
                basis.push(v);
            }
        }
        Ok(basis)
    }

    /// Replaces the worst point by a better one, or shrinks the simplex. `false` where a line is missing.
    fn turn<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        trial: &mut Iterate<T>,
        s: &mut NelderMeadState<T>,
    ) -> Result<bool> {
        let n = s.simplex.len() - 1;
        let (expand, contract, _) = coefficients(n);
        let (best, second, worst) = (s.simplex[0].cost, s.simplex[n - 1].cost, s.simplex[n].cost);
        if !s.lines.to(view, &s.centre, &s.simplex[n].x, &mut s.v) {
            return Ok(false);
        }
        let reflected = at_line(view, trial, s, -1.0)?;
        s.spare.x.copy_from(&trial.x);
        s.spare.cost = reflected;
        if reflected < best {
            if at_line(view, trial, s, -expand)? < reflected {
                s.spare.x.copy_from(&trial.x);
                s.spare.cost = trial.cost;
            }
        } else if reflected >= second {
            let (t, bound) = if reflected < worst { (-contract, reflected) } else { (contract, worst) };
            let contracted = at_line(view, trial, s, t)?;
            // Equal is not enough, or a constant cost would never shrink.
            let better = contracted < bound;
            if !better {
                return self.shrink(view, trial, s);
            }
            s.spare.x.copy_from(&trial.x);
            s.spare.cost = contracted;
        }
        std::mem::swap(&mut s.spare, &mut s.simplex[n]);
        Ok(true)
    }

    fn shrink<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        trial: &mut Iterate<T>,
        s: &mut NelderMeadState<T>,
    ) -> Result<bool> {
        let NelderMeadState { lines, simplex, v, .. } = s;
        let (_, _, delta) = coefficients(simplex.len() - 1);
        let (best, others) = simplex.split_at_mut(1);
        for vertex in others {
            if !lines.to(view, &best[0].x, &vertex.x, v) || lines.go(view, &best[0].x, v, delta, &mut trial.x).is_err()
            {
                return Ok(false);
            }
            let cost = view.try_cost(trial)?;
            vertex.x.copy_from(&trial.x);
            vertex.cost = cost;
        }
        Ok(true)
    }
}

/// The cost at `E_c(t L_c(w))`, with `v = L_c(w)`; infinite where there is no such point.
fn at_line<T: Scalar>(
    view: &mut View<'_, '_, T>,
    trial: &mut Iterate<T>,
    s: &NelderMeadState<T>,
    t: f64,
) -> Result<f64> {
    match s.lines.go(view, &s.centre, &s.v, t, &mut trial.x) {
        Ok(()) => view.try_cost(trial),
        Err(_) => {
            trial.cost = f64::INFINITY;
            Ok(f64::INFINITY)
        }
    }
}
