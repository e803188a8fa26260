//! Preconditioning: instead of `A x = b`, `A M y = b` and `x = M y`, with a map `M` near the inverse of `A`. It is a
//! linear system like any other, with another map, so every solver can be preconditioned without a change.
//!
//! Methods for self-adjoint maps need a metric in which `A M` is self-adjoint. If `A` and `M` are, and `M` is positive,
//! `<u, v>_M = <u, M v>` is one: `<A M u, v>_M = <A M u, M v> = <M u, A M v> = <u, A M v>_M`. Conjugate gradients in it
//! are the preconditioned ones of the books.

use super::{Map, Method, Positive, Solution, Solved, Status, Stop, choose, solve};
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar, Shape};
use std::cell::RefCell;

/// `M` within the space of `A`: what it returns is projected.
struct Within<'m, T: Scalar> {
    map: &'m dyn Map<T>,
    m: &'m dyn Map<T>,
}

impl<T: Scalar> Map<T> for Within<'_, T> {
    fn shapes(&self) -> &[Shape] {
        self.map.shapes()
    }
    fn dim(&self) -> usize {
        self.map.dim()
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.m.apply(v, out)?;
        self.map.project(out)
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.m.adjoint(v, out)?;
        self.map.project(out)
    }
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.map.lower(v, out)
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.map.project(v)
    }
}

/// `A M`, in the metric of the space or in the one of `M`.
struct Preconditioned<'m, T: Scalar> {
    map: &'m dyn Map<T>,
    m: Within<'m, T>,
    own_metric: bool,
    between: RefCell<List<T>>,
}

impl<T: Scalar> Map<T> for Preconditioned<'_, T> {
    fn shapes(&self) -> &[Shape] {
        self.map.shapes()
    }
    fn dim(&self) -> usize {
        self.map.dim()
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        let mut between = self.between.borrow_mut();
        self.m.apply(v, &mut between)?;
        self.map.apply(&between, out)
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.own_metric {
            return self.apply(v, out);
        }
        let mut between = self.between.borrow_mut();
        self.map.adjoint(v, &mut between)?;
        self.m.adjoint(&between, out)
    }
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if !self.own_metric {
            return self.map.lower(v, out);
        }
        let mut between = self.between.borrow_mut();
        self.m.apply(v, &mut between)?;
        self.map.lower(&between, out)
    }
    fn is_ambient(&self) -> bool {
        !self.own_metric && self.map.is_ambient()
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.map.project(v)
    }
}

/// Solves `A x = b` for every member with a preconditioner `M`, a map near the inverse of `A`.
///
/// Tolerance and residual are those of `A x = b` itself, in the metric of `A`. The spectrum of a member is that of `A`
/// too, and therefore coarse: factors by which `A` lengthened a few vectors. Its distance is measured with the spectrum
/// of `A M`. [`Method::Auto`] chooses conjugate gradients and MINRES only if `M` is found to be positive too. If you
/// choose them, `M` must be positive; if it is not, the tolerance is not reached. In small spaces [`Method::Auto`] and
/// [`Method::Dense`] do not use `M`.
///
/// Cost beside the products with `A`: an application of `M` for each product and, for methods that need self-adjoint
/// maps, for each inner product.
///
/// # Errors
/// As [`solve`]; [`crate::Error::Lists`] if `M` has other shapes than `A`.
pub fn solve_preconditioned<T: Scalar>(
    map: &dyn Map<T>,
    m: &dyn Map<T>,
    b: &[Batch<T>],
    start: Option<&[Batch<T>]>,
    method: Method,
    stop: &Stop,
) -> Result<Solved<T>> {
    if m.shapes() != map.shapes() {
        return Err(crate::Error::Lists { expected: map.shapes().to_vec(), got: m.shapes().to_vec() });
    }
    let (method, looked) = match method {
        Method::Auto => {
            let (method, looked) = choose(map)?;
            (allowed(map, m, method)?, looked)
        }
        other => (other, 0),
    };
    if method == Method::Dense {
        return solve(map, b, start, method, stop);
    }
    let own_metric = matches!(method, Method::Cg(_) | Method::Minres(_));
    let both =
        Preconditioned { map, m: Within { map, m }, own_metric, between: RefCell::new(lists::zeros(map.shapes())) };
    let mut run = Rounds { both: &both, method, stop, products: looked };
    let mut found = run.start(b, start)?;
    // A residual that is small in the metric of `M` may still be too large in that of `A`: then once more from there.
    for _ in 0..3 {
        if !run.round(b, &mut found)? {
            break;
        }
    }
    run.finish(b, found)
}

/// The method, or GMRES if it needs a positive `M` and `M` does not show itself so.
pub(crate) fn allowed<T: Scalar>(map: &dyn Map<T>, m: &dyn Map<T>, method: Method) -> Result<Method> {
    Ok(match method {
        Method::Cg(_) | Method::Minres(_) if Positive::certified(&Within { map, m })?.is_none() => {
            Method::Gmres { restart: 40 }
        }
        other => other,
    })
}

/// Solves for what is missing, `A M y = b - A x`, and adds it: `x += M y`.
struct Rounds<'s, 'm, T: Scalar> {
    both: &'s Preconditioned<'m, T>,
    method: Method,
    stop: &'s Stop,
    products: usize,
}

impl<T: Scalar> Rounds<'_, '_, T> {
    fn norms(&self, v: &[Batch<T>]) -> Result<Vec<f64>> {
        let mut g = lists::zeros(self.both.shapes());
        self.both.map.lower(v, &mut g)?;
        Ok((0..lists::members(self.both.shapes())).map(|m| lists::dot(v, &g, m).max(0.0).sqrt()).collect())
    }

    fn start(&self, b: &[Batch<T>], start: Option<&[Batch<T>]>) -> Result<Solved<T>> {
        if lists::shapes(b) != self.both.shapes() {
            return Err(crate::Error::Lists { expected: self.both.shapes().to_vec(), got: lists::shapes(b) });
        }
        let (mut x, mut b) = (lists::zeros(self.both.shapes()), b.to_vec());
        if let Some(start) = start {
            lists::copy(&mut x, start);
            self.both.project(&mut x)?;
        }
        self.both.project(&mut b)?;
        let mut sizes = self.norms(&b)?;
        let blank = Solution { status: Status::Converged, ..Solution::BLANK };
        let mut members = vec![blank; sizes.len()];
        for m in 0..sizes.len() {
            let finite = lists::finite(&b, m) && lists::finite(&x, m);
            if !finite || sizes[m] == 0.0 {
                lists::scale(&mut x, 0.0, m);
                lists::scale(&mut b, 0.0, m);
                sizes[m] = 0.0;
                members[m].status = if finite { Status::Converged } else { Status::NonFinite };
            }
        }
        Ok(Solved { r: b, x, members, sizes, products: 0, method: self.method })
    }

    /// `b - A x`.
    fn residual(&mut self, b: &[Batch<T>], x: &[Batch<T>]) -> Result<List<T>> {
        let mut r = lists::zeros(self.both.shapes());
        if lists::length(x) > 0.0 {
            self.products += 1;
            self.both.map.apply(x, &mut r)?;
        }
        for m in 0..lists::members(self.both.shapes()) {
            match lists::finite(b, m) {
                true => lists::combine(&mut r, -1.0, 1.0, b, m),
                false => lists::scale(&mut r, 0.0, m),
            }
        }
        self.both.project(&mut r)?;
        Ok(r)
    }

    /// Is there anything left to be solved? Then it was solved once.
    fn round(&mut self, b: &[Batch<T>], found: &mut Solved<T>) -> Result<bool> {
        let mut r = self.residual(b, &found.x)?;
        let left = self.norms(&r)?;
        let works = |m: usize| {
            let open = found.members[m].status == Status::Converged && found.sizes[m] > 0.0;
            open && left[m] > self.stop.tolerance * found.sizes[m]
        };
        let works: Vec<bool> = (0..left.len()).map(works).collect();
        let spare = self.stop.products.saturating_sub(self.products);
        if !works.iter().any(|w| *w) || spare == 0 {
            return Ok(false);
        }
        let mut tolerance = 0.5f64;
        for m in 0..left.len() {
            match works[m] {
                true => tolerance = tolerance.min(self.stop.tolerance * found.sizes[m] / left[m]),
                false => lists::scale(&mut r, 0.0, m),
            }
        }
        let y = solve(self.both, &r, None, self.method, &Stop { tolerance, products: spare })?;
        self.products += y.products;
        let mut x = lists::zeros(self.both.shapes());
        self.both.m.apply(&y.x, &mut x)?;
        for m in (0..left.len()).filter(|m| works[*m]) {
            lists::add(&mut found.x, 1.0, &x, m);
            let (iterations, seen) = (found.members[m].iterations, found.members[m].seen);
            found.members[m] = y.members[m];
            found.members[m].iterations += iterations;
            found.members[m].seen = super::wider(seen, y.members[m].seen);
        }
        Ok(true)
    }

    /// By how much `A` lengthens a random vector and its image: two products.
    fn lengthened(&mut self) -> Result<Vec<(f64, f64)>> {
        let map = self.both.map;
        let mut v = lists::noise_alike(map.shapes(), 0x1E7);
        map.project(&mut v)?;
        let (mut av, mut aav) = (lists::zeros(map.shapes()), lists::zeros(map.shapes()));
        map.apply(&v, &mut av)?;
        map.apply(&av, &mut aav)?;
        self.products += 2;
        let (v, av, aav) = (self.norms(&v)?, self.norms(&av)?, self.norms(&aav)?);
        let one = |m: usize| (av[m] / v[m], if av[m] > 0.0 { aav[m] / av[m] } else { 0.0 });
        Ok((0..v.len()).map(|m| (one(m).0.min(one(m).1), one(m).0.max(one(m).1))).collect())
    }

    /// The true residuals, and the error that they stand for: `x - A^{-1} b = -M (A M)^{-1} r`.
    fn finish(mut self, b: &[Batch<T>], mut found: Solved<T>) -> Result<Solved<T>> {
        let r = self.residual(b, &found.x)?;
        let mut mr = lists::zeros(self.both.shapes());
        self.both.m.apply(&r, &mut mr)?;
        let (left, far, length) = (self.norms(&r)?, self.norms(&mr)?, self.norms(&found.x)?);
        let lengthened = self.lengthened()?;
        for (m, s) in found.members.iter_mut().enumerate() {
            s.residual = if found.sizes[m] > 0.0 { left[m] / found.sizes[m] } else { 0.0 };
            let low = s.seen.map_or(f64::NAN, |(low, _)| low);
            // Moduli of the spectrum of `A`, not of `A M`, between which some vectors were lengthened.
            let (small, large) = lengthened[m];
            let own = if length[m] > 0.0 { found.sizes[m] / length[m] } else { large };
            s.seen = Some((small.min(own), large.max(own)));
            s.distance = if s.residual == 0.0 { 0.0 } else { far[m] / (low * length[m]) };
            let reached = s.residual <= 10.0 * self.stop.tolerance.max(10.0 * T::EPS.f64());
            s.status = match s.status {
                Status::Converged if !reached => Status::Stalled,
                Status::Stalled if s.residual <= self.stop.tolerance => Status::Converged,
                other => other,
            };
        }
        (found.products, found.method, found.r) = (self.products, self.method, r);
        Ok(found)
    }
}

/// A preconditioner of positive numbers, one for each entry of a vector: `M v` is `v` times them.
#[derive(Debug, Clone)]
pub struct Diagonal<T: Scalar = f64> {
    entries: List<T>,
    shapes: Vec<Shape>,
}

impl<T: Scalar> Diagonal<T> {
    /// From the numbers themselves, near the inverse of the diagonal of `A`.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] if one is not a positive finite number.
    pub fn new(entries: List<T>) -> Result<Self> {
        let bad = entries.iter().flat_map(|b| b.data()).find(|x| !(x.f64() > 0.0 && x.f64().is_finite()));
        match bad {
            Some(x) => Err(crate::Error::Setting { what: "positive entries of a preconditioner", got: x.f64() }),
            None => Ok(Diagonal { shapes: lists::shapes(&entries), entries }),
        }
    }

    /// From the map: the diagonal is the mean of `v o A v` over vectors of random signs (Bekas, Kokiopoulou & Saad
    /// 2007), up to the entries beside the diagonal over the square root of `probes`. Entries that do not come out
    /// positive are 1.
    ///
    /// # Errors
    /// The first failure of the map.
    pub fn probed(map: &dyn Map<T>, probes: usize) -> Result<Self> {
        let (mut sum, mut av) = (lists::zeros::<T>(map.shapes()), lists::zeros::<T>(map.shapes()));
        for k in 0..probes {
            let mut v: List<T> = lists::noise_alike(map.shapes(), 0xD1A6 + k as u64);
            v.iter_mut().for_each(|b| b.data_mut().iter_mut().for_each(|x| *x = x.signum()));
            map.apply(&v, &mut av)?;
            for ((s, v), av) in sum.iter_mut().zip(&v).zip(&av) {
                s.data_mut().iter_mut().zip(v.data()).zip(av.data()).for_each(|((s, v), av)| *s += *v * *av);
            }
        }
        let inverse = |s: f64| if s > 0.0 && s.is_finite() { probes as f64 / s } else { 1.0 };
        sum.iter_mut().for_each(|b| b.data_mut().iter_mut().for_each(|s| *s = T::of(inverse(s.f64()))));
        Self::new(sum)
    }
}

impl<T: Scalar> Map<T> for Diagonal<T> {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.shapes.iter().map(Shape::each).sum()
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        for ((out, v), d) in out.iter_mut().zip(v).zip(&self.entries) {
            out.data_mut().iter_mut().zip(v.data()).zip(d.data()).for_each(|((o, v), d)| *o = *v * *d);
        }
        Ok(())
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.apply(v, out)
    }
}
