//! A condition at one point, recorded once: the linear map `A` of its tangent space, the derivative `B` by the
//! parameters, and linear systems with them. How points follow each other is not known here.
//!
//! Let `rho(z, phi)` be the residual of the condition, a tangent at `z`. It is recorded in the coordinates of the
//! tangent space at the point `z_0`: `w` is an ambient vector, `x(w) = R(P w)` the point it leads to (`R` the
//! retraction and `P` the projection at `z_0`), and `w = 0` is where derivatives are taken. So `P` and its transpose
//! are part of every sweep, and no normal component ever stays: vectors are tangent, so one of the projections before
//! and after a program is enough, the one after it in the direction of the sweep. Where only first derivatives are
//! taken, of steps and residuals, `z_0 + P w` serves as well. In flat space `w` is the point itself, and taken at
//! `z_0`.
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

use crate::ask::{Aid, Ask};
use crate::by_params;
use crate::condition::{Condition, Kind};
use crate::error::{Error, Result};
use crate::linear::{self, Adjoint, Factor, Map, Method, SMALL, Solved, Status, Stop};
use crate::lists::{self, List};
use crate::recording::{Recorded, finite, normal_parts, origin, run};
use crate::space::{Tangents, sweep, sweep_back};
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var};
use std::cell::{Cell, OnceCell};

/// The tapes of one point.
#[derive(Debug)]
pub(crate) struct Slot<T: Scalar> {
    pub(crate) program: Tape<T>,
    pub(crate) words: Tape<T>,
}

impl<T: Scalar> Slot<T> {
    pub(crate) fn new() -> Self {
        Slot { program: Tape::new(), words: Tape::new() }
    }
}

/// A condition at one point.
#[derive(Debug)]
pub(crate) struct Local<'t, T: Scalar> {
    pub(crate) tape: &'t Tape<T>,
    pub(crate) w: Vec<Var<'t, T>>,
    phi: Vec<Var<'t, T>>,
    /// What tangents are pushed forward from, and pulled back from; see [`Recorded`].
    pub(crate) from: Vec<Var<'t, T>>,
    pub(crate) raw: Vec<Var<'t, T>>,
    pub(crate) out: Vec<Var<'t, T>>,
    pub(crate) kind: Kind,
    pub(crate) words: Tangents<'t, T>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) dim: usize,
    /// The point.
    pub(crate) at: List<T>,
    /// The residual `rho` there, and its length in each member.
    pub(crate) rho: List<T>,
    pub(crate) stationarity: Vec<f64>,
    /// The part of the residual that the projection dropped, relative to the whole.
    pub(crate) normal: Vec<f64>,
    /// The length of that part.
    pub(crate) dropped: Vec<f64>,
    pub(crate) products: Cell<usize>,
    method: OnceCell<Vec<Method>>,
    factor: OnceCell<Factor<T>>,
    probe: OnceCell<Vec<Probe>>,
}

/// What the solution of a system with a random right-hand side shows of one member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    /// `|r| / |A^{-1} r|`: above the smallest singular value, and near to it if that is small.
    pub(crate) low: f64,
    /// How the solver ended. A random vector is not in the range of a singular map.
    pub(crate) status: Status,
}

/// The tolerance of the probe: far below the part that a random vector has along one direction.
const PROBE: f64 = 1e-3;

impl<'t, T: Scalar> Local<'t, T> {
    /// Records a condition at a point.
    pub(crate) fn record<C: Condition>(
        c: &C,
        slot: &'t Slot<T>,
        at: List<T>,
        like: (&C::State, &C::Params),
        phi: &[Batch<T>],
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
        let at = space.brought_back(at);
        let tape = &slot.program;
        let w: Vec<Var<'t, T>> = origin(space, &at).iter().map(|b| tape.input(b)).collect();
        let phi: Vec<Var<'t, T>> = phi.iter().map(|b| tape.input(b)).collect();
        let Recorded { from, out, raw } = run(c, tape, &at, &w, like.0, like.1, &phi)?;
        tape.check()?;
        let n = lists::members(&shapes);
        let local = Local {
            tape,
            w,
            phi,
            from,
            raw,
            out,
            kind: c.kind(),
            words: Tangents::new(&slot.words, space, &at)?,
            dim: space.dim(&shapes),
            rho: lists::zeros(&shapes),
            shapes,
            at,
            stationarity: vec![0.0; n],
            normal: vec![0.0; n],
            dropped: vec![0.0; n],
            products: Cell::new(0),
            method: OnceCell::new(),
            factor: OnceCell::new(),
            probe: OnceCell::new(),
        };
        local.with_residual()
    }

    /// With the residual, from what the program returned.
    fn with_residual(mut self) -> Result<Self> {
        let mut value = self.outcome();
        if self.kind != Kind::Stationary {
            let mut raw: List<T> = self.raw.iter().map(Var::value).collect();
            if self.kind == Kind::FixedPoint {
                raw = lists::minus(&raw, &self.at);
                value.clone_from(&raw);
                self.words.project(&mut value)?;
            }
            (self.normal, self.dropped) = normal_parts(&raw, &value);
        }
        finite(&value)?;
        match self.kind {
            Kind::Stationary => self.words.raise(&value, &mut self.rho)?,
            Kind::FixedPoint => lists::add_all(&mut self.rho, -1.0, &value),
            Kind::Root => lists::add_all(&mut self.rho, 1.0, &value),
        }
        self.stationarity = self.lengths(&self.rho)?;
        Ok(self)
    }

    /// The length in the metric of each member of a tangent.
    pub(crate) fn lengths(&self, v: &[Batch<T>]) -> Result<Vec<f64>> {
        let n = lists::members(&self.shapes);
        let units: Vec<f64> = (0..n).map(|m| lists::unit(v, m)).collect();
        let mut v = std::borrow::Cow::Borrowed(v);
        for m in (0..n).filter(|m| units[*m] != 1.0) {
            lists::scale(v.to_mut(), 1.0 / units[m], m);
        }
        let mut g = lists::zeros(&self.shapes);
        self.words.lower(&v, &mut g)?;
        Ok((0..n).map(|m| lists::dot(&v, &g, m).max(0.0).sqrt() * units[m]).collect())
    }

    /// A length that counts as the size of the point: its entries where the metric is that of the entries, else the
    /// unit of a metric that does not know them.
    pub(crate) fn sizes(&self) -> Vec<f64> {
        let one = |m| match self.words.ambient {
            true => lists::member_length(&self.at, m),
            false => (self.dim.max(1) as f64).sqrt(),
        };
        (0..lists::members(&self.shapes)).map(one).collect()
    }

    /// Is the space small, and the map of this member known to be singular to rounding?
    pub(crate) fn singular(&self, m: usize) -> bool {
        self.factor.get().is_some_and(|f| f.singular_to_rounding(m))
    }

    /// Is a member at the same place in both?
    pub(crate) fn same(&self, other: &Self, m: usize) -> bool {
        let one = |(a, b): (&Batch<T>, &Batch<T>)| {
            let each = a.shape().each();
            a.data()[m * each..(m + 1) * each] == b.data()[m * each..(m + 1) * each]
        };
        self.at.iter().zip(&other.at).all(one)
    }

    /// What rounding leaves of the metric: how far a random tangent is from what it is lowered and raised to again,
    /// relative to it, leaf by leaf. A metric that is much larger along some directions than along others loses digits.
    pub(crate) fn metric_defects(&self) -> Result<Vec<f64>> {
        let n = lists::members(&self.shapes);
        if self.words.ambient {
            return Ok(vec![0.0; n]);
        }
        let (mut v, mut g) = (lists::noise_alike(&self.shapes, 0x6E7), lists::zeros(&self.shapes));
        self.words.project(&mut v)?;
        self.words.lower(&v, &mut g)?;
        let off = lists::minus(&self.raised(&g)?, &v);
        let length = |b: &Batch<T>, m| lists::member_length(std::slice::from_ref(b), m);
        let leaf = |m: usize, (off, v): (&Batch<T>, &Batch<T>)| match length(v, m) {
            0.0 => 0.0,
            size => length(off, m) / size,
        };
        let worst = |w: f64, x: f64| if x <= w { w } else { x };
        Ok((0..n).map(|m| off.iter().zip(&v).map(|both| leaf(m, both)).fold(0.0, worst)).collect())
    }

    /// The tangent that a cotangent of the solution is.
    pub(crate) fn raised(&self, zbar: &[Batch<T>]) -> Result<List<T>> {
        let mut b = lists::zeros(&self.shapes);
        self.words.raise(zbar, &mut b)?;
        Ok(b)
    }

    /// `B dphi`.
    pub(crate) fn push_params(&self, dphi: &[Batch<T>]) -> Result<List<T>> {
        let mut c = self.slope_by_params(dphi)?;
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
                sweep_back(self.tape, &self.raw, &gp, &self.phi, &mut g)?;
            }
        }
        if self.kind != Kind::FixedPoint {
            g.iter_mut().for_each(|b| b.data_mut().iter_mut().for_each(|x| *x = -*x));
        }
        Ok(g)
    }

    /// What the program returned, in its own coordinates: of a cost the gradient as a cotangent, of a step where it
    /// leads to, projected, of a root a tangent.
    pub(crate) fn outcome(&self) -> List<T> {
        self.out.iter().map(Var::value).collect()
    }

    /// The derivative of [`Local::outcome`] along a tangent.
    pub(crate) fn slope_by_state(&self, d: &[Batch<T>]) -> Result<List<T>> {
        let mut c = lists::zeros(&self.shapes);
        sweep(self.tape, &self.from, d, &self.out, &mut c)?;
        Ok(c)
    }

    /// The derivative of [`Local::outcome`] along a direction of the parameters.
    pub(crate) fn slope_by_params(&self, dphi: &[Batch<T>]) -> Result<List<T>> {
        let mut c = lists::zeros(&self.shapes);
        sweep(self.tape, &self.phi, dphi, &self.out, &mut c)?;
        Ok(c)
    }

    /// Fails where the derivative by the parameters does, or is not finite, and names the member if it can be told.
    pub(crate) fn try_params(&self) -> Result<()> {
        by_params::failures(self.tape, &self.phi, &self.out)?.into_iter().flatten().next().map_or(Ok(()), Err)
    }

    /// What the ambient product of an outcome with this is, is its inner product with the tangent `p`.
    pub(crate) fn weights(&self, p: &[Batch<T>]) -> Result<List<T>> {
        let mut g = p.to_vec();
        if self.kind != Kind::Stationary {
            self.words.lower(p, &mut g)?;
        }
        Ok(g)
    }

    /// Makes an ambient vector tangent and, in a metric that is not that of the entries, no longer than the point.
    pub(crate) fn cap(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.words.project(v)?;
        if self.words.ambient {
            return Ok(());
        }
        for (m, (length, most)) in self.lengths(v)?.into_iter().zip(self.sizes()).enumerate() {
            lists::scale(v, if length > most { most / length } else { 1.0 }, m);
        }
        Ok(())
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

    /// Is the map self-adjoint by what it is?
    pub(crate) fn is_self_adjoint(&self) -> bool {
        self.kind == Kind::Stationary
    }

    /// The whole map, computed once.
    pub(crate) fn factor(&self) -> Result<&Factor<T>> {
        if let Some(f) = self.factor.get() {
            return Ok(f);
        }
        let f = Factor::new(self)?;
        Ok(self.factor.get_or_init(|| f))
    }

    /// Solves a system with a random right-hand side, once: what the system that was asked for hardly touches shows
    /// here.
    pub(crate) fn probe(&self, products: usize, aid: Aid<'_, T>) -> Result<&[Probe]> {
        if let Some(p) = self.probe.get() {
            return Ok(p);
        }
        let r = linear::random(self, 0xB0DE)?;
        let stop = Stop { tolerance: PROBE, products };
        let found = self.solve(&r, false, None, Method::Auto, &stop, Aid { recycle: None, ..aid })?;
        let (size, length) = (self.lengths(&r)?, self.lengths(&found.x)?);
        let one = |m: usize| {
            let s = &found.members[m];
            let reached = s.residual <= 10.0 * PROBE;
            Probe { low: size[m] / length[m], status: if reached { Status::Converged } else { s.status } }
        };
        let all = (0..size.len()).map(one).collect();
        Ok(self.probe.get_or_init(|| all))
    }

    /// The method that [`Method::Auto`] stands for here, in each member.
    fn suited(&self) -> Result<&[Method]> {
        if let Some(m) = self.method.get() {
            return Ok(m);
        }
        let m = match self.is_small() {
            true => vec![Method::Dense; self.stationarity.len()],
            false => linear::look(self, linear::STEPS)?.0.into_iter().map(linear::Seen::method).collect(),
        };
        Ok(self.method.get_or_init(|| m))
    }

    /// Solves with `A`, or with its adjoint. Without a start, one is made of what is recycled. Members are systems of
    /// their own: the method and the numbers of one do not depend on the others.
    pub(crate) fn solve(
        &self,
        b: &[Batch<T>],
        adjoint: bool,
        start: Option<&[Batch<T>]>,
        method: Method,
        stop: &Stop,
        aid: Aid<'_, T>,
    ) -> Result<Solved<T>> {
        let adjoint = adjoint && !self.is_self_adjoint();
        let turned = Adjoint(self);
        let map: &dyn Map<T> = if adjoint { &turned } else { self };
        let auto = matches!(method, Method::Auto);
        let methods = if auto { self.suited()? } else { &[method] };
        let first = methods.first().copied().unwrap_or(Method::Dense);
        if first == Method::Dense {
            return linear::solve_by(map, self.factor()?, adjoint, b, stop);
        }
        let recycled = match (start, aid.recycle) {
            (None, Some(r)) => r.start(map, b)?,
            _ => None,
        };
        let (guess, spent) = recycled.map_or((None, 0), |(x, products)| (Some(x), products));
        let guess = start.or(guess.as_deref());
        let ask = Ask { map, adjoint, stop, aid };
        let krylov = matches!(first, Method::Cg(_) | Method::Minres(_) | Method::Gmres { .. } | Method::BiCgStab);
        let same = methods.iter().all(|m| *m == first) && krylov;
        if let (Some(recycle), None, true) = (aid.recycle, aid.preconditioner, same)
            && recycle.deflates()
        {
            let mut found = ask.deflated(recycle, b, guess, first, auto)?;
            found.products += spent;
            if start.is_none() {
                recycle.keep(&found.x);
            }
            return Ok(found);
        }
        let own = |method: Method| move |m: usize| methods.len() == 1 || methods[m] == method;
        let mut found = ask.solved(&lists::only(b, &own(first)), guess, first, auto)?;
        for (_, method) in methods.iter().enumerate().skip(1).filter(|(k, m)| !methods[..*k].contains(m)) {
            found.take(ask.solved(&lists::only(b, &own(*method)), guess, *method, auto)?, &own(*method));
            found.method = Method::Auto;
        }
        found.products += spent;
        if let (None, Some(recycle)) = (start, aid.recycle) {
            recycle.keep(&found.x);
        }
        Ok(found)
    }
}
