//! A solution from anywhere, and its derivatives: JVP, VJP and hypergradient with their certificates. Where it is
//! recorded is in `linearise.rs`, what one point knows in `local.rs`, and how trust is measured in `certify.rs`.

use crate::ask::Aid;
use crate::certify::Raw;
use crate::condition::Condition;
use crate::error::{Error, Result};
use crate::iteration::{Of, OuterFn};
use crate::kinks::{Loss, Question};
use crate::linear::{Map, Method, Recycle, Solved, Stop};
use crate::linearise::{SLOTS, Start, linearise};
use crate::lists::{self, List};
use crate::local::{Local, Slot};
use crate::newton::Newton;
use crate::trust::SolutionCertificate;
use pullback::{Batch, Leaves, Scalar, Tape, Var};

/// How to differentiate a solution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The linear solver.
    pub method: Method,
    /// Its tolerance: of the residual, and of the error where the spectrum is known. 1e-10, or more in single
    /// precision.
    pub tolerance: f64,
    /// The most products with the linear map in one solve.
    pub products: usize,
    /// Is one Newton step taken first? It is taken only where it lowers the residual, and not where the residual is at
    /// rounding level.
    pub polish: bool,
    /// Is the error estimated, and are kinks looked for? That costs a second linearisation and its solves, and a few
    /// runs of the condition and of the loss near the solution.
    pub check: bool,
}

impl Settings {
    /// With all checks.
    pub fn new<T: Scalar>() -> Self {
        let tolerance = 1e-10f64.max(100.0 * T::EPS.f64());
        Settings { method: Method::Auto, tolerance, products: 2000, polish: true, check: true }
    }
}

/// A point that a solver returned as a solution. It is not trusted: the certificate says how far it is from one.
pub struct Solution<'a, C: Condition> {
    pub(crate) condition: &'a C,
    pub(crate) z: &'a C::State,
    pub(crate) phi: &'a C::Params,
    pub(crate) settings: Settings,
    pub(crate) aid: Aid<'a, Of<C::State>>,
}

impl<C: Condition> Clone for Solution<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<C: Condition> Copy for Solution<'_, C> {}

/// The tapes on which a linearisation is recorded. Keep them to linearise often: buffers are used again.
#[derive(Debug)]
pub struct Tapes<T: Scalar = f64> {
    slots: [Slot<T>; SLOTS],
}

impl<T: Scalar> Tapes<T> {
    /// Empty tapes.
    pub fn new() -> Self {
        Tapes { slots: std::array::from_fn(|_| Slot::new()) }
    }

    /// The most bytes that were ever in use.
    pub fn peak_bytes(&self) -> usize {
        self.slots.iter().map(|s| s.program.peak_bytes() + s.words.peak_bytes()).sum()
    }
}

impl<T: Scalar> Default for Tapes<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A value and how far to trust it.
#[derive(Debug, Clone)]
pub struct Certified<V> {
    /// The value.
    pub value: V,
    /// How far to trust it.
    pub certificate: SolutionCertificate,
}

/// The derivative of an outer loss at a solution.
#[derive(Debug, Clone)]
pub struct Hypergradient<Z, P> {
    /// The outer loss, at the solution that was used.
    pub value: f64,
    /// Its derivative by the parameters.
    pub gradient: P,
    /// The solution that was used: polished, unless that was switched off or did not help.
    pub solution: Z,
    /// How far to trust the gradient.
    pub certificate: SolutionCertificate,
}

impl<'a, C: Condition> Solution<'a, C> {
    pub(crate) fn new(condition: &'a C, z: &'a C::State, phi: &'a C::Params) -> Self {
        let aid = Aid { preconditioner: None, recycle: None };
        Solution { condition, z, phi, settings: Settings::new::<Of<C::State>>(), aid }
    }

    /// With other settings.
    #[must_use]
    pub fn with(self, settings: Settings) -> Self {
        Solution { settings, ..self }
    }

    /// With another linear solver.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        self.with(Settings { method, ..self.settings })
    }

    /// With another tolerance of the linear solver.
    #[must_use]
    pub fn tolerance(self, tolerance: f64) -> Self {
        self.with(Settings { tolerance, ..self.settings })
    }

    /// With a map near the inverse of the linear map of the tangent space, see [`crate::linear::solve_preconditioned`].
    /// It is used for the Newton steps, for the system itself and for the checks, unless the space is so small that the
    /// dense matrix is used; transposed systems use its adjoint.
    #[must_use]
    pub fn preconditioned(self, by: &'a dyn Map<Of<C::State>>) -> Self {
        Solution { aid: Aid { preconditioner: Some(by), ..self.aid }, ..self }
    }

    /// Starts the systems of derivatives (not of Newton steps) from the solutions of those before, kept in `from` from
    /// one outer step to the next, and keeps the new ones there.
    #[must_use]
    pub fn recycling(self, from: &'a Recycle<Of<C::State>>) -> Self {
        Solution { aid: Aid { recycle: Some(from), ..self.aid }, ..self }
    }

    /// Differentiates at the point as it was given.
    #[must_use]
    pub fn without_polish(self) -> Self {
        self.with(Settings { polish: false, ..self.settings })
    }

    /// Does not estimate the error; then no verdict is better than `Suspect`.
    #[must_use]
    pub fn without_check(self) -> Self {
        self.with(Settings { check: false, ..self.settings })
    }

    /// Records the condition, polishes the solution, and records it again there.
    ///
    /// Members of a batch are independent. A member at which the condition fails, whose residual is not finite, or
    /// whose derivative by the parameters fails or is not finite, is named by [`Linearisation::failures`] and masked:
    /// its part of every derivative is 0, its verdict `Invalid`. To find it, the batch is recorded again with another
    /// member in its place; without a failure that costs a forward and a reverse sweep. If the derivative by the
    /// parameters fails in all members, or in a solution that is not batched, it fails when it is computed, and not
    /// here.
    ///
    /// # Errors
    /// [`Error::Geometry`] if the solution is not a point of its manifold; [`Error::Condition`] and [`Error::Members`]
    /// if shapes do not fit; the first failure of the condition, for a batch only if it fails in every member or no
    /// member can be named; [`Error::Setting`].
    pub fn linearise<'t>(&self, tapes: &'t mut Tapes<Of<C::State>>) -> Result<Linearisation<'t, 'a, C>> {
        let s = &self.settings;
        if !(s.tolerance > 0.0 && s.tolerance < 1.0) {
            return Err(Error::Setting { what: "a tolerance between 0 and 1", got: s.tolerance });
        }
        for slot in &mut tapes.slots {
            slot.program.clear();
            slot.words.clear();
        }
        linearise(self, &tapes.slots)
    }

    /// The derivative of an outer loss `(z, phi) -> number`, on tapes of its own.
    ///
    /// # Errors
    /// As [`Solution::linearise`] and [`Linearisation::hypergradient`].
    pub fn hypergradient<O>(&self, outer: O) -> Result<Hypergradient<C::State, C::Params>>
    where
        O: for<'t> OuterFn<'t, C::State, C::Params>,
    {
        self.linearise(&mut Tapes::new())?.hypergradient(outer)
    }

    /// The derivative of the solution along a direction of the parameters, on tapes of its own.
    ///
    /// # Errors
    /// As [`Solution::linearise`] and [`Linearisation::jvp`].
    pub fn jvp(&self, dphi: &C::Params) -> Result<Certified<C::State>> {
        self.linearise(&mut Tapes::new())?.jvp(dphi)
    }

    /// A cotangent of the solution pulled back to the parameters, on tapes of its own.
    ///
    /// # Errors
    /// As [`Solution::linearise`] and [`Linearisation::vjp`].
    pub fn vjp(&self, zbar: &C::State) -> Result<Certified<C::Params>> {
        self.linearise(&mut Tapes::new())?.vjp(zbar)
    }
}

/// A solution, recorded and polished: derivatives are sweeps and linear solves from here.
pub struct Linearisation<'t, 'a, C: Condition> {
    pub(crate) solution: Solution<'a, C>,
    /// The point as given, the polished one, and one to check with.
    pub(crate) points: Vec<Local<'t, Of<C::State>>>,
    /// Newton steps at the points.
    pub(crate) newton: Vec<Newton<Of<C::State>>>,
    /// Which point is differentiated.
    pub(crate) here: usize,
    /// What was recorded at first, and which members have failed.
    pub(crate) start: Start<Of<C::State>>,
}

impl<C: Condition> std::fmt::Debug for Solution<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solution").field("settings", &self.settings).finish_non_exhaustive()
    }
}
impl<C: Condition> std::fmt::Debug for Linearisation<'_, '_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linearisation").field("points", &self.points).field("here", &self.here).finish_non_exhaustive()
    }
}

impl<'t, C: Condition> Linearisation<'t, '_, C> {
    /// The linear map of the tangent space at the solution, for solvers and experiments of your own.
    pub fn map(&self) -> &(dyn crate::linear::Map<Of<C::State>> + 't) {
        &self.points[self.here]
    }

    /// Operations that were recorded.
    pub fn operations(&self) -> usize {
        self.points.iter().map(Local::operations).sum()
    }

    /// The solution that is differentiated; members that failed are as they were given.
    pub fn solution(&self) -> C::State {
        let mut at = self.points[self.here].at.clone();
        let given = self.solution.z.batches();
        self.start.failed().for_each(|m| lists::copy_member(&mut at, &given, m));
        rebuilt(self.solution.z, at)
    }

    /// The members of the batch at which the condition, or its derivative by the parameters, fails, and why.
    pub fn failures(&self) -> Vec<(usize, Error)> {
        let all = self.start.failures.iter().enumerate();
        all.filter_map(|(m, e)| Some((m, e.clone()?))).collect()
    }

    /// The derivative of the solution along `dphi`: the tangent `dz` with `A dz = -B dphi`.
    ///
    /// # Errors
    /// [`Error::Lists`] if `dphi` has other shapes than the parameters; the first failure of a rule.
    pub fn jvp(&self, dphi: &C::Params) -> Result<Certified<C::State>> {
        let dphi = dphi.batches();
        fits(&dphi, &self.solution.phi.batches())?;
        let derive = &|local: &Local<'_, _>, method, stop: &Stop, start: Option<&[_]>| {
            let mut b = local.push_params(&dphi)?;
            (0..local.stationarity.len()).for_each(|m| lists::scale(&mut b, -1.0, m));
            self.start.mask(&mut b);
            let solved = local.solve(&b, false, start, method, stop, self.solution.aid)?;
            Ok(Raw::of(solved.x.clone(), solved))
        };
        let (value, certificate) = self.certified(derive, &Question::Push(&dphi))?;
        Ok(Certified { value: rebuilt(self.solution.z, value), certificate })
    }

    /// [`Linearisation::jvp`] along several directions, with one linearisation.
    ///
    /// # Errors
    /// As [`Linearisation::jvp`].
    pub fn jvps(&self, dphis: &[C::Params]) -> Result<Vec<Certified<C::State>>> {
        dphis.iter().map(|d| self.jvp(d)).collect()
    }

    /// The cotangent of the parameters to which the cotangent `zbar` of the solution is pulled back.
    ///
    /// # Errors
    /// [`Error::Lists`] if `zbar` has other shapes than the solution; the first failure of a rule.
    pub fn vjp(&self, zbar: &C::State) -> Result<Certified<C::Params>> {
        let mut zbar = zbar.batches();
        fits(&zbar, &self.solution.z.batches())?;
        self.start.mask(&mut zbar);
        let derive = &|local: &Local<'_, _>, method, stop: &Stop, start: Option<&[_]>| {
            let (value, solved) = pulled(local, &zbar, method, stop, start, self.solution.aid)?;
            Ok(Raw::of(value, solved))
        };
        let (value, certificate) = self.certified(derive, &Question::Pull(None))?;
        Ok(Certified { value: rebuilt(self.solution.phi, value), certificate })
    }

    /// [`Linearisation::vjp`] of several cotangents, with one linearisation.
    ///
    /// # Errors
    /// As [`Linearisation::vjp`].
    pub fn vjps(&self, zbars: &[C::State]) -> Result<Vec<Certified<C::Params>>> {
        zbars.iter().map(|z| self.vjp(z)).collect()
    }

    /// The derivative of an outer loss `(z, phi) -> number` by the parameters, through the solution and directly.
    ///
    /// In place of members that failed, the loss receives one that did not: mask them by [`Linearisation::failures`]
    /// where the value of the loss matters, or where it is more than a sum over members.
    ///
    /// # Errors
    /// [`pullback::Error::NotScalar`] if the loss is not one number; the first failure of the loss or of a rule.
    pub fn hypergradient<O>(&self, outer: O) -> Result<Hypergradient<C::State, C::Params>>
    where
        O: for<'s> OuterFn<'s, C::State, C::Params>,
    {
        let outer = &outer;
        let derive = &|local: &Local<'_, _>, method, stop: &Stop, start: Option<&[_]>| {
            let (_, zbar, direct) = self.loss(&local.at, outer)?;
            let (value, solved) = pulled(local, &zbar, method, stop, start, self.solution.aid)?;
            Ok(Raw::of(value, solved).plus(&direct))
        };
        let (loss, zbar, direct) = self.loss(&self.points[self.here].at, outer)?;
        let value = &|z: &[Batch<_>], phi: &[Batch<_>]| self.loss_alone(z, phi, outer);
        let slopes = &|at: &[Batch<_>]| self.loss(at, outer).map(|(_, zbar, direct)| (zbar, direct));
        let asked = Question::Pull(Some(Loss { value, slopes, zbar: &zbar, direct: &direct }));
        let (value, certificate) = self.certified(derive, &asked)?;
        let gradient = rebuilt(self.solution.phi, value);
        Ok(Hypergradient { value: loss, gradient, solution: self.solution(), certificate })
    }

    /// The outer loss.
    fn loss_alone<O>(&self, z: &[Batch<Of<C::State>>], phi: &[Batch<Of<C::State>>], outer: &O) -> Result<f64>
    where
        O: for<'s> OuterFn<'s, C::State, C::Params>,
    {
        let tape = Tape::plain();
        let (z, _) = crate::estimate::bind(&tape, self.solution.z, z);
        let (p, _) = crate::estimate::bind(&tape, self.solution.phi, phi);
        let loss = outer(z, p);
        tape.check()?;
        Ok(crate::estimate::double(loss.scalar()))
    }

    /// The outer loss and its derivatives by the solution and by the parameters, 0 in members that failed.
    fn loss<O>(&self, at: &[Batch<Of<C::State>>], outer: &O) -> Result<(f64, List<Of<C::State>>, List<Of<C::State>>)>
    where
        O: for<'s> OuterFn<'s, C::State, C::Params>,
    {
        let tape = Tape::new();
        let (z, at) = crate::estimate::bind(&tape, self.solution.z, at);
        let (p, phi) = crate::estimate::bind(&tape, self.solution.phi, &self.start.phi);
        let loss = outer(z, p);
        let zeros = |v: &[Var<'_, Of<C::State>>]| -> List<_> { v.iter().map(|v| Batch::zeros(v.shape())).collect() };
        let (mut zbar, mut direct) = (zeros(&at), zeros(&phi));
        let by: Vec<_> = at.iter().chain(&phi).copied().collect();
        tape.gradient_into(loss, &by, &mut zbar.iter_mut().chain(direct.iter_mut()).collect::<Vec<_>>())?;
        self.start.mask(&mut zbar);
        self.start.mask(&mut direct);
        Ok((crate::estimate::double(loss.scalar()), zbar, direct))
    }
}

/// `-B^T G p` with `A* p = b`, where `b` is the tangent that the cotangent is.
fn pulled<T: Scalar>(
    local: &Local<'_, T>,
    zbar: &[Batch<T>],
    method: Method,
    stop: &Stop,
    start: Option<&[Batch<T>]>,
    aid: Aid<'_, T>,
) -> Result<(List<T>, Solved<T>)> {
    let solved = local.solve(&local.raised(zbar)?, true, start, method, stop, aid)?;
    Ok((local.pull_params(&solved.x)?, solved))
}

fn fits<T: Scalar>(got: &[Batch<T>], like: &[Batch<T>]) -> Result<()> {
    let (expected, got) = (lists::shapes(like), lists::shapes(got));
    if expected == got { Ok(()) } else { Err(Error::Lists { expected, got }) }
}

pub(crate) fn rebuilt<L: Leaves>(like: &L, parts: List<L::Scalar>) -> L {
    let mut parts = parts.into_iter();
    like.rebuild(&mut || parts.next().unwrap_or_else(|| unreachable!("one batch for each leaf")))
}
