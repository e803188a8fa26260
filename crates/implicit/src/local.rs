//! A condition at one point, recorded once: the linear map `A` of its tangent space, the derivative `B` by the
//! parameters, and linear systems with them. How points follow each other is not known here.
//!
//! Let `rho(z, phi)` be the residual of the condition, a tangent at `z`. It is recorded in the coordinates of the
//! tangent space at the point `z_0`: `w` is an ambient vector, `x(w) = R(P w)` the point it leads to (`R` the
//! retraction and `P` the projection at `z_0`), and `w = 0` is where derivatives are taken. So `P` and its transpose
//! are part of every sweep, and no normal component ever enters. Where only first derivatives are taken, of steps and
//! residuals, `z_0 + P w` serves as well.
//!
//! - Stationary point of `f`: the gradient of `f(x(w), phi)` by `w` is a cotangent `c(w, phi)`, and `rho = G^{-1} c`
//!   with the metric `G`. `A = G^{-1} D_w c` is the Hessian of `f o R`, self-adjoint in the metric wherever `z_0` is,
//!   and the Riemannian Hessian at a stationary point, or anywhere if the retraction is of second order.
//! - Fixed point of `F`: `rho = -m` with `m = P (F(x(w)) - z_0)`, and `A = I - D_w m`.
//! - Root of `s`: `rho = m = P s(x(w))`, and `A = D_w m`.
//!
//! `B = D_phi rho`. From `rho(z(phi), phi) = 0`: `A dz = -B dphi`. A cotangent `zbar` of the solution is the tangent
//! `b = G^{-1} P zbar`; with `A* p = b`, `zbar · dz = <b, dz> = -<p, B dphi>`, so the parameters get `-B^T G p`. For a
//! stationary point `B^T G = (D_phi c)^T`, and the metric drops out.

use crate::condition::{Condition, Kind};
use crate::error::{Error, Result};
use crate::iteration::Of;
use crate::linear::{self, Adjoint, Factor, Map, Method, SMALL, Seen, Solved, Status, Stop};
use crate::lists::{self, List};
use crate::space::{Tangents, sweep, sweep_back};
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var, VarTree};
use std::cell::{Cell, OnceCell};

/// The tapes of one point.
#[derive(Debug)]
pub(crate) struct Slot<T: Scalar> {
    pub(crate) program: Tape<T>,
    pub(crate) words: Tape<T>,
}

/// A condition at one point.
#[derive(Debug)]
pub(crate) struct Local<'t, T: Scalar> {
    tape: &'t Tape<T>,
    w: Vec<Var<'t, T>>,
    phi: Vec<Var<'t, T>>,
    out: Vec<Var<'t, T>>,
    kind: Kind,
    words: Tangents<'t, T>,
    shapes: Vec<Shape>,
    dim: usize,
    /// The point.
    pub(crate) at: List<T>,
    /// The residual `rho` there, and its length in each member.
    pub(crate) rho: List<T>,
    pub(crate) stationarity: Vec<f64>,
    /// The part of the residual that the projection dropped, relative to the whole.
    pub(crate) normal: Vec<f64>,
    /// The length of that part.
    pub(crate) dropped: Vec<f64>,
    products: Cell<usize>,
    method: OnceCell<Method>,
    factor: OnceCell<Factor<T>>,
}

/// What a condition leaves on the tape: its outcome in the tangent space, and before the projection.
type Recorded<'t, T> = (Vec<Var<'t, T>>, Option<Vec<Var<'t, T>>>);

impl<'t, T: Scalar> Local<'t, T> {
    /// Records a condition at a point.
    pub(crate) fn record<C: Condition>(
        c: &C,
        slot: &'t Slot<T>,
        at: List<T>,
        z: &C::State,
        phi: &C::Params,
    ) -> Result<Self>
    where
        C::State: Leaves<Scalar = T>,
        C::Params: Leaves<Scalar = T>,
    {
        let shapes = lists::shapes(&at);
        if shapes.is_empty() || shapes.iter().any(|s| s.batch != shapes[0].batch) {
            return Err(Error::Members { got: shapes });
        }
        let space = c.space();
        space.check(&at)?;
        let tape = &slot.program;
        let w: Vec<Var<'t, T>> = shapes.iter().map(|s| tape.input(&Batch::zeros(*s))).collect();
        let phi_in: Vec<Var<'t, T>> = phi.batches().iter().map(|b| tape.input(b)).collect();
        let (out, raw) = run(c, tape, &at, &w, z, phi, &phi_in)?;
        tape.check()?;
        let words = Tangents::new(&slot.words, space, &at)?;
        let value: List<T> = out.iter().map(Var::value).collect();
        finite(&value)?;
        let n = lists::members(&shapes);
        let (normal, dropped) = raw.map_or_else(|| (vec![0.0; n], vec![0.0; n]), |raw| normal_parts(&raw, &value));
        let dim = space.dim(&shapes);
        let (kind, rho, stationarity) = (c.kind(), lists::zeros(&shapes), vec![0.0; n]);
        let (products, method, factor) = (Cell::new(0), OnceCell::new(), OnceCell::new());
        let mut local = Local {
            tape,
            w,
            phi: phi_in,
            out,
            kind,
            words,
            shapes,
            dim,
            at,
            rho,
            stationarity,
            normal,
            dropped,
            products,
            method,
            factor,
        };
        match kind {
            Kind::Stationary => local.words.raise(&value, &mut local.rho)?,
            Kind::FixedPoint => lists::add_all(&mut local.rho, -1.0, &value),
            Kind::Root => lists::add_all(&mut local.rho, 1.0, &value),
        }
        local.stationarity = local.lengths(&local.rho)?;
        Ok(local)
    }

    /// The length in the metric of each member of a tangent.
    pub(crate) fn lengths(&self, v: &[Batch<T>]) -> Result<Vec<f64>> {
        let mut g = lists::zeros(&self.shapes);
        self.words.lower(v, &mut g)?;
        Ok((0..lists::members(&self.shapes)).map(|m| lists::dot(v, &g, m).max(0.0).sqrt()).collect())
    }

    /// A length that counts as the size of the point: its entries where the metric is that of the entries, else the
    /// unit of a metric that does not know them.
    pub(crate) fn sizes(&self) -> Vec<f64> {
        let one = |m| match self.words.ambient {
            true => lists::dot(&self.at, &self.at, m).sqrt(),
            false => (self.dim.max(1) as f64).sqrt(),
        };
        (0..lists::members(&self.shapes)).map(one).collect()
    }

    /// The tangent that a cotangent of the solution is.
    pub(crate) fn raised(&self, zbar: &[Batch<T>]) -> Result<List<T>> {
        let mut b = lists::zeros(&self.shapes);
        self.words.raise(zbar, &mut b)?;
        Ok(b)
    }

    /// `B dphi`.
    pub(crate) fn push_params(&self, dphi: &[Batch<T>]) -> Result<List<T>> {
        let mut c = lists::zeros(&self.shapes);
        sweep(self.tape, &self.phi, dphi, &self.out, &mut c)?;
        match self.kind {
            Kind::Stationary => return self.raised(&c),
            Kind::FixedPoint => (0..lists::members(&self.shapes)).for_each(|m| lists::scale(&mut c, -1.0, m)),
            Kind::Root => {}
        }
        Ok(c)
    }

    /// `-B^T G p`.
    pub(crate) fn pull_params(&self, p: &[Batch<T>]) -> Result<List<T>> {
        let mut g: List<T> = self.phi.iter().map(|v| Batch::zeros(v.shape())).collect();
        match self.kind {
            Kind::Stationary => sweep_back(self.tape, &self.out, p, &self.phi, &mut g)?,
            Kind::FixedPoint | Kind::Root => {
                let mut gp = lists::zeros(&self.shapes);
                self.words.lower(p, &mut gp)?;
                sweep_back(self.tape, &self.out, &gp, &self.phi, &mut g)?;
            }
        }
        if self.kind != Kind::FixedPoint {
            g.iter_mut().for_each(|b| b.data_mut().iter_mut().for_each(|x| *x = -*x));
        }
        Ok(g)
    }

    /// Operations on the tape of the condition.
    pub(crate) fn operations(&self) -> usize {
        self.tape.operations()
    }

    /// Products with `A` and its adjoint so far.
    pub(crate) fn products(&self) -> usize {
        self.products.get()
    }

    /// Is the space so small that everything about it can be known?
    pub(crate) fn is_small(&self) -> bool {
        self.dim <= SMALL
    }

    /// The whole map, computed once.
    pub(crate) fn factor(&self) -> Result<&Factor<T>> {
        if let Some(f) = self.factor.get() {
            return Ok(f);
        }
        let f = Factor::new(self)?;
        Ok(self.factor.get_or_init(|| f))
    }

    /// The method that [`Method::Auto`] stands for here.
    fn suited(&self) -> Result<Method> {
        if let Some(m) = self.method.get() {
            return Ok(*m);
        }
        let m = match self.is_small() {
            true => Method::Dense,
            false => match linear::look(self, linear::STEPS)?.0 {
                Seen::Positive(p) => Method::Cg(p),
                Seen::SelfAdjoint(s) => Method::Minres(s),
                Seen::Neither => Method::Gmres { restart: 40 },
            },
        };
        Ok(*self.method.get_or_init(|| m))
    }

    /// Solves with `A`, or with its adjoint.
    pub(crate) fn solve(
        &self,
        b: &[Batch<T>],
        adjoint: bool,
        start: Option<&[Batch<T>]>,
        method: Method,
        stop: &Stop,
    ) -> Result<Solved<T>> {
        let adjoint = adjoint && self.kind != Kind::Stationary;
        let turned = Adjoint(self);
        let map: &dyn Map<T> = if adjoint { &turned } else { self };
        let auto = matches!(method, Method::Auto);
        let method = if auto { self.suited()? } else { method };
        if method == Method::Dense {
            return linear::solve_by(map, self.factor()?, adjoint, b, stop);
        }
        let mut found = linear::solve(map, b, start, method, stop)?;
        if auto && found.members.iter().any(|s| s.status == Status::Indefinite) {
            let method = Method::Minres(linear::SelfAdjoint::asserted());
            found = linear::solve(map, b, Some(&found.x), method, stop)?;
        }
        // A small residual is a small error only where the map is not nearly singular: go on where it is not.
        for _ in 0..2 {
            let far = self.distances(&found)?.into_iter().zip(&found.members);
            let worst = far.filter(|(_, s)| s.status == Status::Converged).map(|(d, _)| d).fold(0.0, f64::max);
            let krylov =
                !matches!(method, Method::Neumann { .. } | Method::NeumannAdaptive | Method::Richardson { .. });
            let tighter =
                (4.0 * stop.tolerance / worst.max(f64::MIN_POSITIVE) * residual(&found)).max(4.0 * T::EPS.f64());
            if !krylov || worst <= 8.0 * stop.tolerance || tighter >= 0.9 * residual(&found) {
                break;
            }
            let (spent, seen) = (found.products, found.members.clone());
            let stop = Stop { tolerance: tighter, ..*stop };
            found = linear::solve(map, b, Some(&found.x), method, &stop)?;
            found.products += spent;
            for (new, old) in found.members.iter_mut().zip(seen) {
                new.iterations += old.iterations;
                new.seen = linear::wider(new.seen, old.seen);
                // It was converged by the measure that was asked for.
                if old.status == Status::Converged
                    && new.status == Status::Stalled
                    && new.residual <= 2.0 * old.residual
                {
                    new.status = Status::Converged;
                }
            }
        }
        Ok(found)
    }

    /// An estimate of `|x - truth| / |x|` for each member: the residual over the smallest modulus of the spectrum that
    /// was seen. NaN where nothing was seen.
    pub(crate) fn distances(&self, found: &Solved<T>) -> Result<Vec<f64>> {
        let lengths = self.lengths(&found.x)?;
        let one = |(m, length): (usize, &f64)| {
            let s = &found.members[m];
            // What a solver has seen need not hold the smallest of them; a factorisation, where there is one, does.
            let known = self.factor.get().and_then(|f| f.singular(m));
            let (smallest, _) = known.or(s.seen).unwrap_or((f64::NAN, f64::NAN));
            match s.residual == 0.0 {
                true => 0.0,
                false => s.residual * found.sizes[m] / (smallest * length),
            }
        };
        Ok(lengths.iter().enumerate().map(one).collect())
    }
}

/// The part of the outcome of a program that its projection dropped, relative to the whole and as a length, for each
/// member.
fn normal_parts<T: Scalar>(raw: &[Var<'_, T>], projected: &[Batch<T>]) -> (Vec<f64>, Vec<f64>) {
    let raw: List<T> = raw.iter().map(Var::value).collect();
    let off = lists::minus(&raw, projected);
    let size = |v: &List<T>, m| lists::dot(v, v, m).sqrt();
    let part = |m| if size(&raw, m) > 0.0 { size(&off, m) / size(&raw, m) } else { 0.0 };
    let n = lists::members(&lists::shapes(&raw));
    ((0..n).map(part).collect(), (0..n).map(|m| size(&off, m)).collect())
}

/// Names the first member whose residual is not finite.
fn finite<T: Scalar>(value: &[Batch<T>]) -> Result<()> {
    for (leaf, b) in value.iter().enumerate() {
        if let Some(i) = b.data().iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { member: i / b.shape().each().max(1), leaf, value: b.data()[i].f64() });
        }
    }
    Ok(())
}

/// The largest residual of a member that converged.
fn residual<T: Scalar>(found: &Solved<T>) -> f64 {
    let converged = found.members.iter().filter(|s| s.status == Status::Converged);
    converged.map(|s| s.residual).fold(0.0, f64::max)
}

/// Runs the program of a condition in the coordinates of the tangent space.
fn run<'t, C: Condition>(
    c: &C,
    tape: &'t Tape<Of<C::State>>,
    at: &[Batch<Of<C::State>>],
    w: &[Var<'t, Of<C::State>>],
    z: &C::State,
    phi: &C::Params,
    phi_in: &[Var<'t, Of<C::State>>],
) -> Result<Recorded<'t, Of<C::State>>> {
    let space = c.space();
    let base: Vec<_> = at.iter().map(|b| tape.constant(b)).collect();
    let shapes = lists::shapes(at);
    let bound = |w: &[Var<'t, Of<C::State>>]| {
        let v = space.project(&base, w);
        // Only the Hessian of a cost sees more of the retraction than that its derivative at 0 is the identity.
        let x: Vec<_> = match c.kind() {
            Kind::Stationary => space.retract(&base, &v),
            _ => base.iter().zip(v).map(|(z, v)| *z + v).collect(),
        };
        let (mut x, mut p) = (x.into_iter(), phi_in.iter().copied());
        let x = z.bind(&mut || x.next().unwrap_or_else(|| unreachable!("one handle for each leaf")));
        let p = phi.bind(&mut || p.next().unwrap_or_else(|| unreachable!("one handle for each leaf")));
        c.program(tape, x, p)
    };
    let misfit = |what, got: &[Var<'t, _>]| {
        let got = got.iter().map(Var::shape).collect();
        Error::Condition { what, expected: shapes.clone(), got }
    };
    if c.kind() == Kind::Stationary {
        let wrong = Cell::new(None);
        let slope = w.to_vec().grad(|w| {
            let out = bound(&w);
            match out.as_slice() {
                [cost] if cost.shape().is_scalar() => cost.sum(),
                _ => {
                    wrong.set(Some(misfit("one cost, a number or one for each member, of a solution", &out)));
                    tape.filled(Shape::SCALAR, lists::number(0.0))
                }
            }
        });
        return wrong.into_inner().map_or(Ok((slope, None)), Err);
    }
    let out = bound(w);
    if out.iter().map(Var::shape).ne(shapes.iter().copied()) {
        return Err(misfit("a step or residual", &out));
    }
    let raw = match c.kind() {
        Kind::FixedPoint => out.iter().zip(&base).map(|(y, z)| *y - *z).collect(),
        _ => out,
    };
    Ok((space.project(&base, &raw), Some(raw)))
}

impl<T: Scalar> Map<T> for Local<'_, T> {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.products.set(self.products.get() + 1);
        match self.kind {
            Kind::Stationary if self.words.ambient => sweep(self.tape, &self.w, v, &self.out, out),
            Kind::Stationary => {
                let mut c = lists::zeros(&self.shapes);
                sweep(self.tape, &self.w, v, &self.out, &mut c)?;
                self.words.raise(&c, out)
            }
            Kind::Root => sweep(self.tape, &self.w, v, &self.out, out),
            Kind::FixedPoint => {
                sweep(self.tape, &self.w, v, &self.out, out)?;
                (0..lists::members(&self.shapes)).for_each(|m| lists::combine(out, -1.0, 1.0, v, m));
                Ok(())
            }
        }
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.kind == Kind::Stationary {
            return self.apply(v, out);
        }
        self.products.set(self.products.get() + 1);
        if self.words.ambient {
            sweep_back(self.tape, &self.out, v, &self.w, out)?;
        } else {
            let (mut g, mut s) = (lists::zeros(&self.shapes), lists::zeros(&self.shapes));
            self.words.lower(v, &mut g)?;
            sweep_back(self.tape, &self.out, &g, &self.w, &mut s)?;
            self.words.raise(&s, out)?;
        }
        if self.kind == Kind::FixedPoint {
            (0..lists::members(&self.shapes)).for_each(|m| lists::combine(out, -1.0, 1.0, v, m));
        }
        Ok(())
    }
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.words.lower(v, out)
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.words.project(v)
    }
}
