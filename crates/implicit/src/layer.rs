//! A solution as a node of the tape: an operation of a program, with derivatives of every order, so that implicit
//! layers nest inside programs and inside each other. Its linear systems, and the certificates that they leave, are in
//! `layer_system.rs`; which members of a batch fail is found in `members.rs`.
//!
//! The node maps `phi` to `z(phi)` with `r(z, phi) = 0` for the residual `r` of the condition, in ambient coordinates:
//! `r = P_z grad f` for a stationary point (whether the gradient vanishes does not depend on the metric), `P_z (z - F)`
//! for a fixed point, `P_z s` for a root. With `A = P D_z r P` let `K = A + u (I - P)`, which is regular on the whole
//! ambient space where `A` is on the tangent space. The number `u` is about as large as `A`: any other gives the same
//! derivatives, but loses digits where the condition has large or small units. Then `dz = -K^{-1} D_phi r dphi`, and
//! `phi` gets `-(D_phi r)^T K^{-T} zbar`.
//!
//! `K^{-1} c` and `K^{-T} c` are operations of `(z, phi, c)` in turn, whose rules use each other: from `K q = c` follow
//! `dq = K^{-1} (dc - dK q)`, and, with `s = K^{-T} qbar`, `c` gets `s` and `(z, phi)` get the gradient of `-<s, K q>`.
//! `K q` is a program. So the rules are closed under differentiation.

use crate::condition::{Condition, Kind};
use crate::error::{Error, Result};
use crate::iteration::Of;
use crate::layer_system::solution;
use crate::lists::{self, List};
use crate::members::Outcome;
use crate::stationarity::Stationarity;
use crate::trust::SolutionCertificate;
use pullback::{Batch, Custom, Leaves, Scalar, Shape, Tape, Var, VarTree};
use pullback_manifolds::ambient;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A solution as an operation of a program. Cheap to clone; clones share failures and certificates.
///
/// Members of a batch are independent: one whose solver or program fails is NaN, or masked, and named by
/// [`Layer::failures`]; the others are right.
pub struct Layer<C: Condition>(Arc<Inner<C>>);

impl<C: Condition> Clone for Layer<C> {
    fn clone(&self) -> Self {
        Layer(self.0.clone())
    }
}

impl<C: Condition> fmt::Debug for Layer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

type Solver<C> = dyn Fn(&<C as Condition>::Params) -> Result<<C as Condition>::State> + Send + Sync;

pub(crate) struct Inner<C: Condition> {
    pub(crate) condition: C,
    pub(crate) z: C::State,
    pub(crate) phi: C::Params,
    pub(crate) solver: Box<Solver<C>>,
    /// The last question and its answer, with and without the systems looked at: an operation is evaluated once more
    /// when its tape is replayed for a check.
    pub(crate) last: Mutex<Option<Outcome<Of<C::State>>>>,
    pub(crate) certify: AtomicBool,
    /// How far a solution may be from one to be taken; `None` for anything finite.
    pub(crate) within: Mutex<Option<f64>>,
    pub(crate) certificates: Mutex<Vec<SolutionCertificate>>,
    /// `u` of each member, from the first solution.
    pub(crate) units: OnceLock<Batch<Of<C::State>>>,
}

/// What is locked here is whole after every panic.
pub(crate) fn locked<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C> Layer<C>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    /// A layer from a condition and a solver of it. `z` and `phi` say the structure and the shapes.
    ///
    /// The solver is not differentiated, and its result is not polished: the derivatives are as accurate as the result,
    /// which [`Layer::solutions`] measures and [`Layer::within`] bounds.
    pub fn new(
        condition: C,
        z: C::State,
        phi: C::Params,
        solver: impl Fn(&C::Params) -> Result<C::State> + Send + Sync + 'static,
    ) -> Self {
        let (last, certify, certificates) = (Mutex::new(None), AtomicBool::new(false), Mutex::new(vec![]));
        let (solver, within, units) = (Box::new(solver), Mutex::new(None), OnceLock::new());
        Layer(Arc::new(Inner { condition, z, phi, solver, last, certify, within, certificates, units }))
    }

    /// Rejects a result that is farther than `distance` from a solution, relative to its size, or whose distance is not
    /// known: such a member counts as failed, with [`Error::NotStationary`]. Without this, every finite result of the
    /// solver is accepted, and [`Layer::solutions`] measures its distance. Cost: a linearisation and two Newton systems
    /// for each evaluation.
    #[must_use]
    pub fn within(self, distance: f64) -> Self {
        *locked(&self.0.within) = Some(distance);
        self
    }

    /// How far from solutions the members are that the solver returned when the layer was evaluated last; one that
    /// failed is `Invalid`. It is computed by this call. Empty before the first evaluation.
    ///
    /// # Errors
    /// The first failure of the condition.
    pub fn solutions(&self) -> Result<Vec<Stationarity>> {
        let last = locked(&self.0.last).clone();
        let Some(last) = last else { return Ok(vec![]) };
        if last.failures.iter().all(Option::is_some) {
            return Ok((0..last.failures.len()).map(Stationarity::failed).collect());
        }
        let mut found = self.0.stationarity(&last.z, &last.safe)?;
        for m in (0..found.len()).filter(|m| last.failures[*m].is_some()) {
            found[m] = match last.failures[m] {
                Some(Error::NotStationary { found, .. }) => found,
                _ => Stationarity::failed(m),
            };
        }
        Ok(found)
    }

    /// With certificates: every linear system that a reverse sweep solves for this layer leaves one, for
    /// [`Layer::certificates`]. Cost: a second linearisation and its solves for each.
    #[must_use]
    pub fn certified(self) -> Self {
        self.0.certify.store(true, Ordering::Relaxed);
        self
    }

    /// The certificates of the systems since the last call, in the order of the sweeps: each says how far to trust the
    /// cotangent of the parameters that its system led to. A member that failed is `Invalid`, and so is every member if
    /// the solution is not on its manifold or the condition cannot be recorded; [`Layer::solutions`] says why.
    ///
    /// The cotangent of the solution is taken as it is. An error that the rest of the program makes because the
    /// solution is inexact, as in the gradient of a loss there, is not part of the estimate: [`Layer::solutions`] says
    /// how far the solution is from the exact one.
    pub fn certificates(&self) -> Vec<SolutionCertificate> {
        std::mem::take(&mut *locked(&self.0.certificates))
    }

    /// The members of the batch that failed when the layer was evaluated last, and why.
    pub fn failures(&self) -> Vec<(usize, Error)> {
        let last = locked(&self.0.last);
        let all = last.iter().flat_map(|o| o.failures.iter().enumerate());
        all.filter_map(|(m, e)| Some((m, e.clone()?))).collect()
    }

    /// The solution for these parameters, as a value of their program. A member that fails is NaN.
    ///
    /// # Panics
    /// If `phi` has no leaf.
    #[track_caller]
    pub fn apply<'t>(&self, phi: &<C::Params as Leaves>::Vars<'t>) -> <C::State as Leaves>::Vars<'t> {
        let (z, mask) = self.outputs(phi, false);
        let nan = mask.tape().filled(Shape::SCALAR, lists::number(f64::NAN));
        self.tree(z.iter().map(|z| mask.select(*z, nan)))
    }

    /// The solution, and a number for each member of the batch: 1, or 0 where it failed. What failed holds the solution
    /// of a member that did not, and has the derivative 0; so `mask` times a loss for each member is the loss of those
    /// that did not fail. A member whose linear system is singular counts as failed too, and so does one whose
    /// condition has no derivative by the parameters, which takes one solve and two sweeps to see.
    ///
    /// # Panics
    /// As [`Layer::apply`].
    #[track_caller]
    pub fn apply_masked<'t>(
        &self,
        phi: &<C::Params as Leaves>::Vars<'t>,
    ) -> (<C::State as Leaves>::Vars<'t>, Var<'t, Of<C::State>>) {
        let (z, mask) = self.outputs(phi, true);
        (self.tree(z.into_iter()), mask)
    }

    #[track_caller]
    fn outputs<'t>(
        &self,
        phi: &<C::Params as Leaves>::Vars<'t>,
        masked: bool,
    ) -> (Vec<Var<'t, Of<C::State>>>, Var<'t, Of<C::State>>) {
        let phi = crate::iteration::list(phi);
        assert!(!phi.is_empty(), "a layer needs at least one parameter");
        let mut out = phi[0].tape().custom(Arc::new(Node { inner: self.0.clone(), masked }), &phi);
        let mask = out[out.len() - 1];
        out.truncate(self.0.z.shapes().len());
        (out, mask)
    }

    fn tree<'t>(&self, z: impl Iterator<Item = Var<'t, Of<C::State>>>) -> <C::State as Leaves>::Vars<'t> {
        let z: Vec<_> = z.collect();
        let mut z = z.into_iter();
        self.0.z.bind(&mut || z.next().unwrap_or_else(|| unreachable!("one output for each leaf")))
    }
}

impl<C: Condition> Inner<C> {
    /// `r(z, phi)`.
    pub(crate) fn residual<'t>(
        &self,
        z: &[Var<'t, Of<C::State>>],
        phi: &[Var<'t, Of<C::State>>],
    ) -> Vec<Var<'t, Of<C::State>>> {
        let tape = phi[0].tape();
        let run = |z: &[Var<'t, Of<C::State>>]| {
            let (mut a, mut b) = (z.iter().copied(), phi.iter().copied());
            let end = || unreachable!("one handle for each leaf");
            let z = self.z.bind(&mut || a.next().unwrap_or_else(end));
            let phi = self.phi.bind(&mut || b.next().unwrap_or_else(end));
            self.condition.program(tape, z, phi)
        };
        let raw = match self.condition.kind() {
            Kind::Stationary => z.to_vec().grad(|z| run(&z)[0].sum()),
            Kind::FixedPoint => z.iter().zip(run(z)).map(|(z, y)| *z - y).collect(),
            Kind::Root => run(z),
        };
        self.condition.space().project(z, &raw)
    }

    /// `K q`, or `K^T q`.
    pub(crate) fn k<'t>(
        &self,
        z: &[Var<'t, Of<C::State>>],
        phi: &[Var<'t, Of<C::State>>],
        q: &[Var<'t, Of<C::State>>],
        transposed: bool,
    ) -> Vec<Var<'t, Of<C::State>>> {
        let space = self.condition.space();
        let pq = space.project(z, q);
        let aq = match transposed {
            true => z.to_vec().grad(|z| ambient(&self.residual(&z, phi), &pq).sum()),
            false => along(z, &pq, |z| self.residual(z, phi)),
        };
        let aq = space.project(z, &aq);
        let Some(units) = self.units.get() else { return aq };
        let units = z[0].tape().constant(units);
        (0..z.len()).map(|k| aq[k] + (q[k] - pq[k]).hadamard(units)).collect()
    }
}

/// The derivatives of a program with several outputs along `v`.
pub(crate) fn along<'t, T: Scalar>(
    x: &[Var<'t, T>],
    v: &[Var<'t, T>],
    f: impl Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>>,
) -> Vec<Var<'t, T>> {
    let outs = f(x).len();
    (0..outs).map(|k| x.to_vec().jvp(|x| f(&x)[k], v.to_vec()).1).collect()
}

/// What is `None` is zero.
pub(crate) fn filled<'t, T: Scalar>(x: &[Var<'t, T>], dx: &[Option<Var<'t, T>>]) -> Vec<Var<'t, T>> {
    x.iter().zip(dx).map(|(x, d)| d.unwrap_or_else(|| x.tape().filled(x.shape(), lists::number(0.0)))).collect()
}

pub(crate) fn numbers<T: Scalar>(x: &[Var<'_, T>]) -> List<T> {
    x.iter().map(Var::value).collect()
}

pub(crate) fn constants<'t, T: Scalar>(tape: &'t Tape<T>, x: &[Batch<T>]) -> Vec<Var<'t, T>> {
    x.iter().map(|b| tape.constant(b)).collect()
}

/// `phi -> (z, phi of members that did not fail, mask)`.
///
/// The rules are those of `z(phi)` at the second output: where a member failed it holds the parameters of another, so
/// no program fails there, and no derivative reaches that member's parameters.
struct Node<C: Condition> {
    inner: Arc<Inner<C>>,
    masked: bool,
}

/// `v` of the members that did not fail, 0 of the others; what has no members is left alone.
fn kept<'t, T: Scalar>(mask: Var<'t, T>, v: Var<'t, T>) -> Var<'t, T> {
    if v.shape().batch == mask.shape().batch {
        mask.select(v, v.tape().filled(Shape::SCALAR, lists::number(0.0)))
    } else {
        v
    }
}

impl<C> Custom<Of<C::State>> for Node<C>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "implicit"
    }
    fn shapes(&self, x: &[Shape]) -> Option<Vec<Shape>> {
        let z = self.inner.z.shapes();
        let mask = Shape::batch(lists::members(&z), 1, 1);
        Some(z.into_iter().chain(x.iter().copied()).chain([mask]).collect())
    }
    fn value<'t>(&self, x: &[Var<'t, Of<C::State>>]) -> Vec<Var<'t, Of<C::State>>> {
        let found = self.inner.outcome(numbers(x), self.masked);
        self.inner.find_units(&found.z, &found.safe);
        let mask = found.mask();
        constants(x[0].tape(), &found.z.into_iter().chain(found.safe).chain([mask]).collect::<List<_>>())
    }
    fn jvp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        y: &[Var<'t, Of<C::State>>],
        dx: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let (z, safe, mask) = parts(y, x.len());
        let dx: Vec<_> = filled(x, dx).into_iter().map(|d| kept(mask, d)).collect();
        let c: Vec<_> = along(safe, &dx, |x| self.inner.residual(z, x)).iter().map(|b| -*b).collect();
        let dz = solution(&self.inner, z, safe, &c, false);
        dz.into_iter().map(|d| kept(mask, d)).chain(dx).map(Some).chain([None]).collect()
    }
    fn vjp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        y: &[Var<'t, Of<C::State>>],
        dy: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let (z, safe, mask) = parts(y, x.len());
        let zbar: Vec<_> = filled(z, &dy[..z.len()]).into_iter().map(|d| kept(mask, d)).collect();
        let p = solution(&self.inner, z, safe, &zbar, true);
        let slope = safe.to_vec().grad(|x| -ambient(&self.inner.residual(z, &x), &p).sum());
        let direct = filled(safe, &dy[z.len()..y.len() - 1]);
        slope.into_iter().zip(direct).map(|(s, d)| Some(kept(mask, s + d))).collect()
    }
}

/// The solution, the parameters of members that did not fail, and the mask.
fn parts<'y, 't, T: Scalar>(y: &'y [Var<'t, T>], params: usize) -> (&'y [Var<'t, T>], &'y [Var<'t, T>], Var<'t, T>) {
    let (z, rest) = y.split_at(y.len() - 1 - params);
    (z, &rest[..params], rest[params])
}
