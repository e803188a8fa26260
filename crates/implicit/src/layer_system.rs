//! The linear systems of a layer, as operations of the tape and in numbers, and the certificates that they leave. What
//! the systems are for is in `layer.rs`, where their formulas stand.

use crate::condition::Condition;
use crate::error::Result;
use crate::estimate::double;
use crate::iteration::Of;
use crate::layer::{Inner, along, constants, filled, locked, numbers};
use crate::linear::{Adjoint, Map, Method, Status, Stop, solve};
use crate::lists::{self, List};
use crate::solution::{Tapes, rebuilt};
use crate::space::{Space, Tangents, sweep, sweep_back};
use crate::stationarity::Stationarity;
use crate::trust::SolutionCertificate;
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Custom, Leaves, Scalar, Shape, Tape, Var, VarTree};
use pullback_manifolds::ambient;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// `(z, phi, c) -> K^{-1} c`, or `K^{-T} c`.
struct Solve<C: Condition> {
    inner: Arc<Inner<C>>,
    transposed: bool,
}

pub(crate) fn solution<'t, C>(
    inner: &Arc<Inner<C>>,
    z: &[Var<'t, Of<C::State>>],
    phi: &[Var<'t, Of<C::State>>],
    c: &[Var<'t, Of<C::State>>],
    transposed: bool,
) -> Vec<Var<'t, Of<C::State>>>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    let all: Vec<_> = z.iter().chain(phi).chain(c).copied().collect();
    z[0].tape().custom(Arc::new(Solve { inner: inner.clone(), transposed }), &all)
}

impl<C> Custom<Of<C::State>> for Solve<C>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "implicit solve"
    }
    fn shapes(&self, x: &[Shape]) -> Option<Vec<Shape>> {
        Some(x[x.len() - self.inner.z.shapes().len()..].to_vec())
    }
    fn value<'t>(&self, x: &[Var<'t, Of<C::State>>]) -> Vec<Var<'t, Of<C::State>>> {
        let n = self.inner.z.shapes().len();
        let (z, rest) = x.split_at(n);
        let (phi, c) = rest.split_at(rest.len() - n);
        let (z, phi, c) = (numbers(z), numbers(phi), numbers(c));
        if self.transposed && self.inner.certify.load(Ordering::Relaxed) {
            self.inner.certify(&z, &phi, &c);
        }
        let found = numeric(&self.inner, &z, &phi, c.clone(), self.transposed);
        let nan = |c: &Batch<_>| Batch::from_fn(c.shape(), |_, _, _| lists::number(f64::NAN));
        constants(x[0].tape(), &found.map_or_else(|_| c.iter().map(nan).collect(), |(q, _)| q))
    }
    fn jvp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        q: &[Var<'t, Of<C::State>>],
        dx: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let n = q.len();
        let (at, dx) = (&x[..x.len() - n], filled(x, dx));
        let (dat, dc) = dx.split_at(x.len() - n);
        let dkq = along(at, dat, |at| self.inner.k(&at[..n], &at[n..], q, self.transposed));
        let c: Vec<_> = dc.iter().zip(dkq).map(|(c, k)| *c - k).collect();
        solution(&self.inner, &at[..n], &at[n..], &c, self.transposed).into_iter().map(Some).collect()
    }
    fn vjp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        q: &[Var<'t, Of<C::State>>],
        dq: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let n = q.len();
        let at = &x[..x.len() - n];
        let s = solution(&self.inner, &at[..n], &at[n..], &filled(q, dq), !self.transposed);
        let slope = at.to_vec().grad(|at| ambient(&self.inner.k(&at[..n], &at[n..], q, self.transposed), &s).sum());
        slope.into_iter().map(|g| Some(-g)).chain(s.iter().map(|s| Some(*s))).collect()
    }
}

/// `K` in numbers: `A` on the tangent space, in the ambient inner product.
struct Tangent<'t, T: Scalar> {
    tape: &'t Tape<T>,
    z: Vec<Var<'t, T>>,
    out: Vec<Var<'t, T>>,
    words: Tangents<'t, T>,
    shapes: Vec<Shape>,
    dim: usize,
}

impl<'t, T: Scalar> Tangent<'t, T> {
    fn new<C: Condition>(inner: &Inner<C>, tapes: &'t [Tape<T>; 2], z: &[Batch<T>], phi: &[Batch<T>]) -> Result<Self>
    where
        C::State: Leaves<Scalar = T>,
        C::Params: Leaves<Scalar = T>,
    {
        let [tape, words] = tapes;
        let (zs, phis) = (constants(tape, z), constants(tape, phi));
        let out = inner.residual(&zs, &phis);
        tape.check()?;
        let space: Space<'_, T> = inner.condition.space();
        let shapes = lists::shapes(z);
        let dim = space.dim(&shapes);
        Ok(Tangent { tape, z: zs, out, words: Tangents::new(words, space, z)?, shapes, dim })
    }

    /// About how long the map makes a tangent, in each member: a power of two.
    fn units(&self) -> Result<Batch<T>> {
        let (mut v, mut av) = (lists::noise_alike(&self.shapes, 0x171), lists::zeros(&self.shapes));
        self.project(&mut v)?;
        self.apply(&v, &mut av)?;
        // Powers that the scalar has, and their inverses.
        let most = if lists::eps::<T>() < 1e-10 { 1000.0 } else { 100.0 };
        let one = |m, _, _| {
            let unit = (lists::member_length(&av, m) / lists::member_length(&v, m)).log2().round();
            lists::number(if unit.is_finite() { unit.clamp(-most, most).exp2() } else { 1.0 })
        };
        Ok(Batch::from_fn(Shape::batch(lists::members(&self.shapes), 1, 1), one))
    }
}

impl<T: Scalar> Map<T> for Tangent<'_, T> {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        sweep(self.tape, &self.z, v, &self.out, out)?;
        self.words.project(out)
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        sweep_back(self.tape, &self.out, v, &self.z, out)?;
        self.words.project(out)
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.words.project(v)
    }
}

pub(crate) fn numeric<C: Condition>(
    inner: &Inner<C>,
    z: &[Batch<Of<C::State>>],
    phi: &[Batch<Of<C::State>>],
    c: List<Of<C::State>>,
    transposed: bool,
) -> Result<(List<Of<C::State>>, Vec<(usize, Status)>)> {
    let tapes = [Tape::new(), Tape::new()];
    let map = Tangent::new(inner, &tapes, z, phi)?;
    let mut b = c.clone();
    map.project(&mut b)?;
    let eps = lists::eps::<Of<C::State>>();
    let stop = Stop::at(1e-13f64.max(20.0 * eps));
    let found = match transposed {
        true => solve(&Adjoint(&map), &b, None, Method::Auto, &stop)?,
        false => solve(&map, &b, None, Method::Auto, &stop)?,
    };
    let sound = |m: usize| {
        let s = found.members[m];
        s.status == Status::Converged || s.status == Status::Stalled && s.residual < eps.sqrt()
    };
    let mut q = found.x.clone();
    let bad = (0..found.members.len()).filter(|m| !sound(*m)).map(|m| (m, found.members[m].status));
    let bad: Vec<_> = bad.collect();
    for (m, _) in &bad {
        q.iter_mut().for_each(|b| {
            let each = b.shape().each();
            b.data_mut()[m * each..(m + 1) * each].fill(lists::number(f64::NAN));
        });
    }
    if let Some(units) = inner.units.get() {
        let normal = lists::minus(&c, &b);
        units.data().iter().enumerate().for_each(|(m, u)| lists::add(&mut q, 1.0 / double(*u), &normal, m));
    }
    Ok((q, bad))
}

impl<C: Condition> Inner<C> {
    /// Finds how large the map is on tangents, once, from the first solution that allows it. In flat space there is
    /// nothing else.
    pub(crate) fn find_units(&self, z: &[Batch<Of<C::State>>], phi: &[Batch<Of<C::State>>]) {
        if matches!(self.condition.space(), Space::Flat) || self.units.get().is_some() {
            return;
        }
        let found = Tangent::new(self, &[Tape::new(), Tape::new()], z, phi).and_then(|map| map.units());
        if let Ok(units) = found {
            // Where two threads come at once, the first counts for both.
            let _ = self.units.set(units);
        }
    }

    /// How far these numbers are from solutions.
    pub(crate) fn stationarity(
        &self,
        z: &[Batch<Of<C::State>>],
        phi: &[Batch<Of<C::State>>],
    ) -> Result<Vec<Stationarity>> {
        let (z, phi) = (rebuilt(&self.z, z.to_vec()), rebuilt(&self.phi, phi.to_vec()));
        Ok(self.condition.at(&z, &phi).without_polish().linearise(&mut Tapes::new())?.stationarity())
    }

    /// Leaves the certificate of the cotangent that `zbar` is pulled back to.
    fn certify(&self, z: &[Batch<Of<C::State>>], phi: &[Batch<Of<C::State>>], zbar: &[Batch<Of<C::State>>]) {
        let (z, phi) = (rebuilt(&self.z, z.to_vec()), rebuilt(&self.phi, phi.to_vec()));
        let zbar = rebuilt(&self.z, zbar.to_vec());
        // The layer differentiates where its solver ended, and so does this. Where that is no point of the manifold, or
        // the condition cannot be recorded, the sweep may have its numbers all the same, and nothing is known of them.
        let found = self.condition.at(&z, &phi).without_polish().vjp(&zbar).map(|found| found.certificate);
        let none = |_| SolutionCertificate::failed(lists::members(&z.shapes()), lists::eps::<Of<C::State>>().sqrt());
        let mut certificate = found.unwrap_or_else(none);
        if let Some(last) = &*locked(&self.last) {
            for (member, _) in last.failures.iter().enumerate().filter(|(_, f)| f.is_some()) {
                let failed = Verdict::Invalid(Why::Failed { member });
                certificate.members.get_mut(member).into_iter().for_each(|m| m.verdict = failed);
                certificate.verdict = certificate.verdict.worse(failed);
            }
        }
        locked(&self.certificates).push(certificate);
    }
}
