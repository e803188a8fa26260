//! Linear systems on tangent spaces: maps, what is known of a solution, and the choice of a solver. The solvers are
//! files of their own, written once over [`Map`] in its metric; where a map comes from is not known here.

mod anderson;
mod best;
mod bicgstab;
mod cg;
mod chebyshev;
mod dense;
mod gmres;
mod images;
mod lsmr;
mod minres;
mod precondition;
mod recycle;
mod richardson;
mod ritz;
mod stuck;
mod symmetric;
mod team;
mod tridiagonal;

pub(crate) use dense::Factor;
pub use dense::{Frame, Spectrum, spectrum};
pub(crate) use precondition::allowed;
pub use precondition::{Diagonal, solve_preconditioned};
pub use recycle::Recycle;
pub(crate) use richardson::rate;
pub(crate) use ritz::Watched;
pub(crate) use stuck::freed;
pub use symmetric::{Positive, SelfAdjoint};
pub(crate) use symmetric::{STEPS, Seen, defect, lanczos, look, random, tolerance as symmetric_to_rounding};

use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar, Shape};
use std::fmt;
use team::Team;

/// A linear map of a vector space to itself, with an inner product. Vectors are lists of
/// batches; the members of the batches are independent systems.
pub trait Map<T: Scalar = f64> {
    /// The shapes of a vector.
    fn shapes(&self) -> &[Shape];
    /// The dimension of the space of one member, which may be less than the number of entries.
    fn dim(&self) -> usize;
    /// `out = A v`. A member that is not finite is not an error here.
    ///
    /// # Errors
    /// The first failure of the program.
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()>;
    /// `out = A* v`, the adjoint in the metric: `<A* v, u> = <v, A u>`.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()>;
    /// `out = v - A v`, the next term of Neumann's series. A map that is `I` minus another saves two passes by
    /// overriding this.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn rest(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.apply(v, out)?;
        (0..lists::members(self.shapes())).for_each(|m| lists::combine(out, -1.0, 1.0, v, m));
        Ok(())
    }
    /// `out = v - A* v`, likewise.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn adjoint_rest(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.adjoint(v, out)?;
        (0..lists::members(self.shapes())).for_each(|m| lists::combine(out, -1.0, 1.0, v, m));
        Ok(())
    }
    /// `out = G v`, so that the inner product is `<u, v> = u · G v`. By default the ambient one.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        lists::copy(out, v);
        Ok(())
    }
    /// Is the inner product the ambient one? Then [`Map::lower`] copies, and solvers do not call it. By default
    /// `false`.
    fn is_ambient(&self) -> bool {
        false
    }
    /// Projects a vector of the ambient space to the space of the map. By default it does nothing.
    ///
    /// # Errors
    /// As [`Map::apply`].
    fn project(&self, _v: &mut [Batch<T>]) -> Result<()> {
        Ok(())
    }
}

/// The adjoint of a map, as a map.
#[derive(Debug, Clone, Copy)]
pub struct Adjoint<'m, M: ?Sized>(pub &'m M);

impl<T: Scalar, M: Map<T> + ?Sized> Map<T> for Adjoint<'_, M> {
    fn shapes(&self) -> &[Shape] {
        self.0.shapes()
    }
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.0.adjoint(v, out)
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.0.apply(v, out)
    }
    fn rest(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.0.adjoint_rest(v, out)
    }
    fn adjoint_rest(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.0.rest(v, out)
    }
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.0.lower(v, out)
    }
    fn is_ambient(&self) -> bool {
        self.0.is_ambient()
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.0.project(v)
    }
}

/// How to solve `A x = b`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Dense in small spaces, else conjugate gradients if the map is found to be positive, MINRES if it is found to be
    /// self-adjoint, GMRES otherwise, and LSMR with the products that are left if GMRES does not converge.
    /// [`Solved::method`] says which.
    Auto,
    /// `b + (I - A) b + (I - A)² b + ...`, exactly this many terms after the first, unless it grows.
    Neumann {
        /// How many.
        terms: usize,
    },
    /// The same series until what is missing is below the tolerance, by the rate at which its terms fall.
    NeumannAdaptive,
    /// `x <- x + step (b - A x)` until the residual is below the tolerance.
    Richardson {
        /// The step.
        step: f64,
    },
    /// Chebyshev's semi-iteration for a positive map whose spectrum lies in `[low, high]`.
    Chebyshev {
        /// A lower bound of the spectrum, above 0.
        low: f64,
        /// An upper bound of the spectrum.
        high: f64,
    },
    /// Conjugate gradients. Needs a witness that the map is positive, and stops with [`Status::Indefinite`] where a
    /// direction shows that it is not.
    Cg(Positive),
    /// Minimal residuals for a self-adjoint map, indefinite or singular too.
    Minres(SelfAdjoint),
    /// Generalised minimal residuals, restarted.
    Gmres {
        /// How many vectors are kept.
        restart: usize,
    },
    /// Stabilised biconjugate gradients.
    BiCgStab,
    /// Least squares by bidiagonalisation: its convergence depends on the square of the condition number, and it gives
    /// the solution of least length where the map is singular.
    Lsmr,
    /// Anderson's acceleration of `x <- x + (b - A x)`, over the differences of a few iterates. With none kept it is
    /// Richardson's iteration of step 1.
    Anderson {
        /// How many differences are kept.
        memory: usize,
    },
    /// The matrix in an orthonormal frame, and its singular values: `dim` products with `A`.
    Dense,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Method::Auto => f.write_str("the method that suits"),
            Method::Neumann { terms } => write!(f, "Neumann's series of {terms} terms"),
            Method::NeumannAdaptive => f.write_str("Neumann's series"),
            Method::Richardson { step } => write!(f, "Richardson's iteration of step {step}"),
            Method::Chebyshev { low, high } => write!(f, "Chebyshev's iteration on [{low:.1e}, {high:.1e}]"),
            Method::Cg(_) => f.write_str("conjugate gradients"),
            Method::Minres(_) => f.write_str("MINRES"),
            Method::Gmres { restart } => write!(f, "GMRES({restart})"),
            Method::BiCgStab => f.write_str("BiCGStab"),
            Method::Anderson { memory } => write!(f, "Anderson's acceleration({memory})"),
            Method::Lsmr => f.write_str("LSMR"),
            Method::Dense => f.write_str("dense"),
        }
    }
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// The length of the residual, relative to that of the right-hand side.
    pub tolerance: f64,
    /// The most products with the map (for LSMR, with the map and its adjoint).
    pub products: usize,
}

impl Stop {
    /// At a relative residual of a hundred times the rounding unit, or after 2000 products.
    pub fn tight<T: Scalar>() -> Self {
        Stop { tolerance: 100.0 * T::EPS.f64(), products: 2000 }
    }
    /// At this relative residual, or after 2000 products.
    pub fn at(tolerance: f64) -> Self {
        Stop { tolerance, products: 2000 }
    }
}

/// How a member ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The true residual is below the tolerance.
    Converged,
    /// The sum of the fixed number of terms that the method has. The residual tells how much is missing.
    Truncated,
    /// The products were used up, or the residual fell no further.
    Stalled,
    /// The iteration grew and was stopped; the member holds the sum before the growth.
    Diverged,
    /// A direction without positive curvature was met by a method for positive maps.
    Indefinite,
    /// The map is singular to rounding; the member is the solution of least length, if there is one.
    Singular,
    /// A number is not finite.
    NonFinite,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Converged => "converged",
            Status::Truncated => "cut off after the terms that were asked for",
            Status::Stalled => "did not reach the tolerance",
            Status::Diverged => "grew and was stopped",
            Status::Indefinite => "met a direction without positive curvature",
            Status::Singular => "is singular",
            Status::NonFinite => "left the finite numbers",
        })
    }
}

/// What is known of the solution of one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solution {
    /// How it ended.
    pub status: Status,
    /// `|b - A x| / |b|` in the metric, computed anew at the end; 0 for `b = 0`.
    pub residual: f64,
    /// Steps of the method.
    pub iterations: usize,
    /// The spectrum as far as the method saw it: smallest and largest modulus. For self-adjoint maps they are Ritz
    /// values, so the spectrum reaches at least so far in both directions; for the dense method, the singular values.
    /// `None` if the method sees none.
    pub seen: Option<(f64, f64)>,
    /// For series: the factor by which terms fall, a geometric mean over a window of the last terms.
    pub rate: Option<f64>,
    /// An estimate of `|x - truth| / |x|`: the residual over the smallest modulus of the spectrum that was seen. NaN
    /// where nothing was seen.
    pub distance: f64,
}

impl Solution {
    /// Nothing is known.
    const BLANK: Self = Solution {
        status: Status::Stalled,
        residual: f64::NAN,
        iterations: 0,
        seen: None,
        rate: None,
        distance: f64::NAN,
    };
}

/// The solutions of all members.
#[derive(Debug, Clone)]
pub struct Solved<T: Scalar = f64> {
    /// The vectors. A member that failed holds the last meaningful vector.
    pub x: List<T>,
    /// `b - A x`, computed anew.
    pub(crate) r: List<T>,
    /// One for each member.
    pub members: Vec<Solution>,
    /// `|b|` of each member in the metric.
    pub sizes: Vec<f64>,
    /// Products with the map that all of it took, the last residual included.
    pub products: usize,
    /// The method that was used.
    pub method: Method,
}

impl<T: Scalar> Solved<T> {
    /// The first member that did not converge, and how it ended.
    pub fn failure(&self) -> Option<(usize, Status)> {
        let bad = |s: &Solution| !matches!(s.status, Status::Converged);
        self.members.iter().position(bad).map(|b| (b, self.members[b].status))
    }

    /// Takes over the members of another solution of the same systems that `which` names.
    pub(crate) fn take(&mut self, from: Solved<T>, which: &dyn Fn(usize) -> bool) {
        self.products += from.products;
        for m in (0..self.members.len()).filter(|m| which(*m)) {
            lists::copy_member(&mut self.x, &from.x, m);
            lists::copy_member(&mut self.r, &from.r, m);
            (self.members[m], self.sizes[m]) = (from.members[m], from.sizes[m]);
        }
    }
}

/// Solves `A x = b` for every member, from `start` or from zero.
///
/// Members are independent: one that has converged, fails or grows stops, and the others continue. Solutions of `b = 0`
/// are 0. The residual is that of the vector that is returned, not of a recurrence.
///
/// # Errors
/// The first failure of the map; [`crate::Error::Lists`] if `b` has other shapes than the map.
pub fn solve<T: Scalar>(
    map: &dyn Map<T>,
    b: &[Batch<T>],
    start: Option<&[Batch<T>]>,
    method: Method,
    stop: &Stop,
) -> Result<Solved<T>> {
    if lists::shapes(b) != map.shapes() {
        return Err(crate::Error::Lists { expected: map.shapes().to_vec(), got: lists::shapes(b) });
    }
    let found = run(Team::new(map, b, start, *stop)?, method)?;
    match method {
        Method::Auto => freed(found, b, stop, &mut |b, start, method, stop| solve(map, b, Some(start), method, stop)),
        _ => Ok(found),
    }
}

/// As [`solve`], with a tolerance for each member.
pub(crate) fn solve_to<T: Scalar>(
    map: &dyn Map<T>,
    b: &[Batch<T>],
    start: &[Batch<T>],
    method: Method,
    stop: &Stop,
    tolerance: Vec<f64>,
) -> Result<Solved<T>> {
    let mut team = Team::new(map, b, Some(start), *stop)?;
    team.tolerance = tolerance;
    run(team, method)
}

fn run<T: Scalar>(mut team: Team<'_, T>, method: Method) -> Result<Solved<T>> {
    let map = team.map;
    let method = match method {
        Method::Auto => {
            let (method, looked) = choose(map)?;
            team.products += looked;
            method
        }
        other => other,
    };
    match method {
        Method::Auto | Method::Dense => dense::run(&mut team)?,
        Method::Neumann { terms } => richardson::run(&mut team, 1.0, richardson::Until::Terms(terms))?,
        Method::NeumannAdaptive => richardson::run(&mut team, 1.0, richardson::Until::Missing)?,
        Method::Richardson { step } => richardson::run(&mut team, step, richardson::Until::Residual)?,
        Method::Chebyshev { low, high } => chebyshev::run(&mut team, low, high)?,
        Method::Cg(_) => cg::run(&mut team)?,
        Method::Minres(_) => minres::run(&mut team)?,
        Method::Gmres { restart } => gmres::run(&mut team, restart.max(1))?,
        Method::BiCgStab => bicgstab::run(&mut team)?,
        Method::Lsmr => lsmr::run(&mut team)?,
        Method::Anderson { memory } => anderson::run(&mut team, memory)?,
    }
    team.finish(method)
}

/// Spaces up to this dimension are solved as dense matrices: their products are no more than a Krylov method would take
/// to look at the spectrum, and the singular values are then bounds and not estimates.
pub(crate) const SMALL: usize = 48;

/// Solves by a factor that is at hand: that of the map whose adjoint `map` is, if `adjoint`.
pub(crate) fn solve_by<T: Scalar>(
    map: &dyn Map<T>,
    factor: &Factor<T>,
    adjoint: bool,
    b: &[Batch<T>],
    stop: &Stop,
) -> Result<Solved<T>> {
    if lists::shapes(b) != map.shapes() {
        return Err(crate::Error::Lists { expected: map.shapes().to_vec(), got: lists::shapes(b) });
    }
    let mut team = Team::new(map, b, None, *stop)?;
    dense::finish(&mut team, factor, adjoint)?;
    team.finish(Method::Dense)
}

/// The wider of two spectra.
pub(crate) fn wider(a: Option<(f64, f64)>, b: Option<(f64, f64)>) -> Option<(f64, f64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// The method that suits the map, and the products that it took to look.
fn choose<T: Scalar>(map: &dyn Map<T>) -> Result<(Method, usize)> {
    if map.dim() <= SMALL {
        return Ok((Method::Dense, 0));
    }
    let (seen, products) = symmetric::look(map, symmetric::STEPS)?;
    Ok((symmetric::all(&seen).method(), products))
}
