//! `grad`, `vjp`, `jvp`, `hvp`, `jacobian`, ...: thin words over a tape and its sweeps.
//!
//! A driver runs the closure on a tape that its thread keeps for that ([`release_buffers`](crate::release_buffers));
//! the methods of the same names on `&mut Tape` run it on a tape of the caller's.

use crate::batch::{Batch, MatLike};
use crate::diagnose::first_bad;
use crate::leaves::Leaves;
use crate::lent::Lent;
use crate::programs::{CostFn, Many, ManyFn};
use crate::record::Mark;
use crate::{Error, Failure, Key, Result, Scalar, Shape, Tape, Var};

/// A program that ran: its tape, inputs and outputs.
pub(crate) struct Ran<T: Scalar> {
    tape: Lent<T>,
    x: Vec<Key>,
    y: Vec<Key>,
}

fn inputs<'t, L: Leaves>(
    tape: &'t Tape<L::Scalar>,
    x0: &L,
    along: Option<&L>,
) -> (L::Vars<'t>, Vec<Var<'t, L::Scalar>>) {
    let directions = along.map(Leaves::batches);
    let list: Vec<Var<'t, L::Scalar>> = x0
        .batches()
        .iter()
        .enumerate()
        .map(|(i, b)| match &directions {
            Some(d) => tape.input_along(b, &d[i]),
            None => tape.input(b),
        })
        .collect();
    (x0.bind_all(&list), list)
}

fn check_like<L: Leaves>(what: &'static str, x: &L, v: &L) -> Result<()> {
    let (xs, vs) = (x.shapes(), v.shapes());
    if xs.len() != vs.len() {
        return Err(Error::Leaves { what, expected: xs.len(), got: vs.len() });
    }
    match xs.iter().zip(&vs).find(|(a, b)| a != b) {
        Some((a, b)) => Err(Error::Shape { what, expected: *a, got: *b }),
        None => Ok(()),
    }
}

impl<T: Scalar> Ran<T> {
    pub(crate) fn new<L: Leaves<Scalar = T>, F: for<'t> ManyFn<'t, L>>(tape: Lent<T>, x0: &L, f: F) -> Result<Self> {
        let (x, y) = {
            let (vars, list) = inputs(&tape, x0, None);
            let y = f(vars).0;
            (list.iter().map(Var::key).collect(), y.iter().map(Var::key).collect())
        };
        tape.check()?;
        Ok(Ran { tape, x, y })
    }

    fn xs(&self) -> Vec<Var<'_, T>> {
        self.x.iter().map(|i| self.tape.var(*i)).collect()
    }

    fn y(&self, i: usize) -> Var<'_, T> {
        self.tape.var(self.y[i])
    }

    pub(crate) fn value(&self, i: usize) -> Result<Batch<T>> {
        self.tape.finite_values(&[self.y(i)])?;
        Ok(self.y(i).value())
    }

    pub(crate) fn pull(&self, w: &[&dyn MatLike<T>]) -> Result<Vec<Batch<T>>> {
        if w.len() != self.y.len() {
            return Err(Error::Leaves { what: "the list of cotangents", expected: self.y.len(), got: w.len() });
        }
        let mut out: Vec<Batch<T>> = self.xs().iter().map(|x| Batch::zeros(x.shape())).collect();
        let seeds: Vec<(Var<'_, T>, &dyn MatLike<T>)> = w.iter().enumerate().map(|(i, w)| (self.y(i), *w)).collect();
        self.tape.vjp_into(&seeds, &self.xs(), &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(out)
    }

    /// The error, if the first output depends on a basis that is not determined. A cotangent of many entries may be one
    /// of a program elsewhere, so this is asked of a number that all entries take part in.
    pub(crate) fn judge_choices(&self) -> Result<()> {
        let inner = self.tape.inner();
        let chosen = inner.has_choices(0..inner.ops.len());
        drop(inner);
        if !chosen {
            return Ok(());
        }
        let y = self.y(0);
        let mut k = 0.0_f64;
        let weights = Batch::from_fn(y.shape(), |_, _, _| {
            k += 1.0;
            T::of(0.5 + (0.618_033_988_75 * k).fract())
        });
        let z = y.hadamard(&weights).sum();
        let mut out: Vec<Batch<T>> = self.xs().iter().map(|x| Batch::zeros(x.shape())).collect();
        match self.tape.gradient_into(z, &self.xs(), &mut out.iter_mut().collect::<Vec<_>>()) {
            Err(e @ Error::Data { failure: Failure::GaugeDependent { .. }, .. }) => Err(e),
            _ => Ok(()),
        }
    }

    pub(crate) fn push(&self, v: &[Batch<T>]) -> Result<Vec<Batch<T>>> {
        let mut out: Vec<Batch<T>> = (0..self.y.len()).map(|i| Batch::zeros(self.y(i).shape())).collect();
        let seeds: Vec<(Var<'_, T>, &dyn MatLike<T>)> =
            self.xs().into_iter().zip(v).map(|(x, v)| (x, v as &dyn MatLike<T>)).collect();
        let ys: Vec<Var<'_, T>> = (0..self.y.len()).map(|i| self.y(i)).collect();
        self.tape.jvp_into(&seeds, &ys, &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(out)
    }
}

fn number<T: Scalar>(y: &Batch<T>) -> Result<T> {
    match y.shape() == Shape::SCALAR {
        true => Ok(y.data()[0]),
        false => Err(Error::NotScalar { shape: y.shape() }),
    }
}

/// What [`vjp`] returns beside the value: from a cotangent of the value to the cotangent of the point.
///
/// The maps that drivers return are boxed, because a returned `impl Fn` over a type that inference finds late (the
/// `1.0` of `vjp(f, &1.0)`) stops the compiler.
pub type Pull<'x, L> = Box<dyn Fn(&dyn MatLike<<L as Leaves>::Scalar>) -> Result<L> + 'x>;

/// What [`vjp_many`] returns beside the values: from one cotangent for each value to the cotangent of the point.
pub type PullMany<'x, L> = Box<dyn Fn(&[Batch<<L as Leaves>::Scalar>]) -> Result<L> + 'x>;

/// What [`linearize`] returns beside the value: from a direction to the derivative along it.
pub type Push<'x, L> = Box<dyn Fn(&L) -> Result<Batch<<L as Leaves>::Scalar>> + 'x>;

/// What [`hessian_map`] returns: from a direction to the Hessian applied to it.
pub type HessianMap<'x, L> = Box<dyn Fn(&L) -> Result<L> + 'x>;

/// The value of a program. [`Batch::scalar`] is the number, where it is one.
///
/// ```
/// use pullback::{prelude::*, value};
/// assert_eq!(value(|x: Var| x.ln() + 2.0, &1.0)?.scalar(), 2.0);
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// The first failure; [`Error::NonFinite`].
pub fn value<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L) -> Result<Batch<L::Scalar>> {
    let ran = Ran::new(Lent::plain(), x0, |x| Many(vec![f(x)]))?;
    match ran.value(0) {
        // Where it comes from is seen on a tape that records.
        Err(Error::NonFinite { .. }) => Ran::new(Lent::recording(), x0, |x| Many(vec![f(x)]))?.value(0),
        found => found,
    }
    .map_err(|e| e.naming(x0))
}

/// The gradient of `f` at `x0`.
///
/// ```
/// use pullback::prelude::*;
/// let a = faer::mat![[2.0, 1.0], [1.0, 3.0]];
/// let g = grad(|x| x.t_mul(&a * x).trace(), &faer::mat![[1.0], [0.0]])?;
/// assert_eq!(g, faer::mat![[4.0], [2.0]]);
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotScalar`] if `f` is not one number; the first failure; [`Error::NonFinite`].
pub fn grad<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L) -> Result<L> {
    Ok(value_and_grad(f, x0)?.1)
}

/// The value and the gradient of `f` at `x0`.
///
/// # Errors
/// As [`grad`].
#[doc(alias = "grad_and_value")]
pub fn value_and_grad<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L) -> Result<(L::Scalar, L)> {
    Lent::recording().value_and_grad(f, x0)
}

/// The value of `f` at `x0` and its derivative along `v`, at the memory of an evaluation.
///
/// The derivative along `v` is the limit of `(f(x0 + t v) - f(x0)) / t` for `t -> 0+`. Where `f` has a derivative, that
/// is its value along `v`; tied eigenvalues and singular values, and singular values 0, have the one-sided limit alone
/// ([`Var::eigvalsh`]).
///
/// # Errors
/// [`Error::Shape`] if `v` is not like `x0`; the first failure; [`Error::NonFinite`].
pub fn jvp<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L, v: &L) -> Result<(Batch<L::Scalar>, Batch<L::Scalar>)> {
    let mut out = jvp_many(|x| Many(vec![f(x)]), x0, v)?;
    Ok(out.swap_remove(0))
}

/// [`jvp`] of a program with several outputs.
///
/// # Errors
/// As [`jvp`].
pub fn jvp_many<L: Leaves, F: for<'t> ManyFn<'t, L>>(
    f: F,
    x0: &L,
    v: &L,
) -> Result<Vec<(Batch<L::Scalar>, Batch<L::Scalar>)>> {
    check_like("the direction", x0, v)?;
    let tape = Lent::forward();
    let (vars, _) = inputs(&tape, x0, Some(v));
    let y = f(vars).0;
    tape.check()?;
    let found: Vec<_> = y.iter().map(|y| (y.value(), y.tangent())).collect();
    if found.iter().all(|(y, dy)| [y, dy].into_iter().all(|b| first_bad(b.data()).is_none())) {
        return Ok(found);
    }
    // What is not finite, and where it comes from, is seen on a tape that records.
    let ran = Ran::new(Lent::recording(), x0, |x| f(x))?;
    let found = (0..ran.y.len()).map(|i| ran.value(i)).collect::<Result<Vec<_>>>();
    let found = found.and_then(|y| Ok(y.into_iter().zip(ran.push(&v.batches())?).collect()));
    found.map_err(|e| e.naming(x0))
}

/// The value of `f` at `x0` and its derivatives along several directions: one evaluation, recorded, and one forward
/// sweep for each direction.
///
/// A sweep costs about as much as the evaluation (eight directions through a QR and a solve took half the time of eight
/// calls of
/// [`jvp`]), and the recording keeps every intermediate value: for one direction [`jvp`] needs less memory.
///
/// ```
/// use pullback::{jvps, prelude::*};
/// let (y, d) = jvps(|(a, b)| a * b, &(2.0_f64, 3.0_f64), &[(1.0, 0.0), (0.0, 1.0)])?;
/// assert_eq!((y.scalar(), d[0].scalar(), d[1].scalar()), (6.0, 3.0, 2.0));
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// As [`jvp`].
pub fn jvps<L: Leaves, F: for<'t> CostFn<'t, L>>(
    f: F,
    x0: &L,
    v: &[L],
) -> Result<(Batch<L::Scalar>, Vec<Batch<L::Scalar>>)> {
    v.iter().try_for_each(|v| check_like("the direction", x0, v))?;
    let (y, push) = linearize(f, x0)?;
    Ok((y, v.iter().map(push).collect::<Result<_>>()?))
}

/// The value of `f` at `x0`, and the map from a cotangent of it to the cotangent of `x0`, to be called as often as
/// wanted.
///
/// ```
/// use pullback::prelude::*;
/// let x0 = faer::mat![[1.0, 2.0]];
/// let (y, pull) = vjp(|x| x.t() * x, &x0)?;
/// assert_eq!(y.into_mat(), faer::mat![[1.0, 2.0], [2.0, 4.0]]);
/// assert_eq!(pull(&faer::mat![[1.0, 0.0], [0.0, 0.0]])?, faer::mat![[2.0, 0.0]]);
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// The first failure; [`Error::NonFinite`]. The map: [`Error::Shape`] and those.
pub fn vjp<'x, L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &'x L) -> Result<(Batch<L::Scalar>, Pull<'x, L>)> {
    let ran = Ran::new(Lent::recording(), x0, |x| Many(vec![f(x)]))?;
    let y = ran.value(0).map_err(|e| e.naming(x0))?;
    Ok((y, Box::new(move |w| Ok(x0.rebuild_all(ran.pull(&[w]).map_err(|e| e.naming(x0))?)))))
}

/// [`vjp`] of a program with several outputs: one cotangent for each.
///
/// ```
/// use pullback::prelude::*;
/// use pullback::{jvp_many, pin_many, vjp_many};
/// let (a, e) = (faer::mat![[2.0, 1.0], [1.0, 3.0]], faer::mat![[0.1, 0.0], [0.2, -0.1]]);
/// let qr = pin_many(&a, |a: Var| a.qr().into());
/// let (y, pull) = vjp_many(qr, &a)?;
/// let along = jvp_many(qr, &a, &e)?;                      // (Q, dQ) and (R, dR)
/// let w: Vec<Batch> = y.clone();                          // any cotangents, here the factors themselves
/// let g = pull(&w)?;
/// let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
/// let left: f64 = along.iter().zip(&w).map(|((_, dy), w)| dot(dy.data(), w.data())).sum();
/// let right = (0..2).flat_map(|i| (0..2).map(move |j| (i, j))).map(|at| g[at] * e[at]).sum::<f64>();
/// assert!((left - right).abs() < 1e-12);
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// As [`vjp`]; [`Error::Leaves`] if the number of cotangents is not that of the outputs.
pub fn vjp_many<'x, L: Leaves, F: for<'t> ManyFn<'t, L>>(
    f: F,
    x0: &'x L,
) -> Result<(Vec<Batch<L::Scalar>>, PullMany<'x, L>)> {
    let ran = Ran::new(Lent::recording(), x0, |x| f(x))?;
    let y = (0..ran.y.len()).map(|i| ran.value(i)).collect::<Result<Vec<_>>>().map_err(|e| e.naming(x0))?;
    Ok((
        y,
        Box::new(move |w| {
            let w: Vec<&dyn MatLike<L::Scalar>> = w.iter().map(|w| w as _).collect();
            Ok(x0.rebuild_all(ran.pull(&w).map_err(|e| e.naming(x0))?))
        }),
    ))
}

/// The value of `f` at `x0` and its derivative there as a linear map, recorded once.
///
/// ```
/// use pullback::prelude::*;
/// use pullback::{Pull, Push};
/// let x = faer::mat![[1.0, 2.0], [0.0, 3.0]];
/// let square = pin(&x, |x: Var| x * x);
/// let forward: Push<faer::Mat<f64>> = linearize(square, &x)?.1;
/// let backward: Pull<faer::Mat<f64>> = vjp(square, &x)?.1;
/// let v = faer::mat![[0.0, 1.0], [0.0, 0.0]];
/// assert_eq!(forward(&v)?.member(0), &v * &x + &x * &v); // V X + X V
/// assert_eq!(backward(&v)?, &v * x.transpose() + x.transpose() * &v);
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// The first failure; [`Error::NonFinite`]. The map: [`Error::Shape`] and those.
pub fn linearize<'x, L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &'x L) -> Result<(Batch<L::Scalar>, Push<'x, L>)> {
    let ran = Ran::new(Lent::recording(), x0, |x| Many(vec![f(x)]))?;
    let y = ran.value(0).map_err(|e| e.naming(x0))?;
    Ok((
        y,
        Box::new(move |v| {
            check_like("the direction", x0, v)?;
            Ok(ran.push(&v.batches()).map_err(|e| e.naming(x0))?.swap_remove(0))
        }),
    ))
}

/// The Hessian of `f` at `x0`, applied to `v`: the reverse sweep over pairs (value, tangent).
///
/// ```
/// use pullback::prelude::*;
/// // tr A³ at the identity: every eigenvalue is tied, and the Hessian is still 6 V.
/// let h = hvp(|a: Var| a.trace_fun(SymFn::Pow(3.0)), &faer::Mat::identity(3, 3), &faer::Mat::identity(3, 3))?;
/// assert_eq!(h, 6.0 * faer::Mat::<f64>::identity(3, 3));
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// As [`grad`]; [`Error::Shape`] if `v` is not like `x0`.
pub fn hvp<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L, v: &L) -> Result<L> {
    Lent::recording().hvp_of(f, x0, v)
}

/// The value, the gradient and the Hessian applied to `v`, from one evaluation and the two sweeps of [`hvp`].
///
/// ```
/// use pullback::{prelude::*, value_grad_hvp};
/// assert_eq!(value_grad_hvp(|x: Var| x * x * x, &2.0, &1.0)?, (8.0, 12.0, 12.0));
/// # Ok::<(), pullback::Error>(())
/// ```
///
/// # Errors
/// As [`hvp`].
pub fn value_grad_hvp<L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &L, v: &L) -> Result<(L::Scalar, L, L)> {
    Lent::recording().value_grad_hvp(f, x0, v)
}

/// The Hessian of `f` at `x0` as an operator: records the gradient once, each direction costs about two gradients.
///
/// # Errors
/// As [`grad`]. The map: [`Error::Shape`] and those.
pub fn hessian_map<'x, L: Leaves, F: for<'t> CostFn<'t, L>>(f: F, x0: &'x L) -> Result<HessianMap<'x, L>> {
    let mut ran = Ran::new(Lent::recording(), x0, |x| Many(vec![f(x)]))?;
    number(&ran.value(0).map_err(|e| e.naming(x0))?)?;
    let recorded = ran.tape.operations();
    let gradients = ran.tape.grads_recorded(Mark::START, ran.y(0), &ran.xs());
    ran.tape.check()?;
    ran.tape.finite_gradients(&gradients, recorded).map_err(|e| e.naming(x0))?;
    ran.y = gradients.iter().map(Var::key).collect();
    Ok(Box::new(move |v| {
        check_like("the direction", x0, v)?;
        Ok(x0.rebuild_all(ran.push(&v.batches()).map_err(|e| e.naming(x0))?))
    }))
}

impl<T: Scalar> Tape<T> {
    /// [`value_and_grad`] on this tape, which is cleared first and keeps its buffers.
    ///
    /// # Errors
    /// As [`grad`].
    pub fn value_and_grad<L: Leaves<Scalar = T>, F: for<'t> CostFn<'t, L>>(&mut self, f: F, x0: &L) -> Result<(T, L)> {
        self.clear();
        let tape = &*self;
        let (vars, list) = inputs(tape, x0, None);
        let y = f(vars);
        tape.check()?;
        tape.finite_values(&[y]).map_err(|e| e.naming(x0))?;
        let value = number(&y.value())?;
        let mut out: Vec<Batch<T>> = list.iter().map(|x| Batch::zeros(x.shape())).collect();
        tape.gradient_into(y, &list, &mut out.iter_mut().collect::<Vec<_>>()).map_err(|e| e.naming(x0))?;
        Ok((value, x0.rebuild_all(out)))
    }

    /// [`hvp`] on this tape, which is cleared first and keeps its buffers.
    ///
    /// # Errors
    /// As [`hvp`].
    pub fn hvp_of<L: Leaves<Scalar = T>, F: for<'t> CostFn<'t, L>>(&mut self, f: F, x0: &L, v: &L) -> Result<L> {
        Ok(self.sweep_pairs(f, x0, v, false)?.2)
    }

    /// [`value_grad_hvp`] on this tape, which is cleared first and keeps its buffers.
    ///
    /// # Errors
    /// As [`hvp`].
    pub fn value_grad_hvp<L: Leaves<Scalar = T>, F: for<'t> CostFn<'t, L>>(
        &mut self,
        f: F,
        x0: &L,
        v: &L,
    ) -> Result<(T, L, L)> {
        let (y, g, h) = self.sweep_pairs(f, x0, v, true)?;
        Ok((y, x0.rebuild_all(g), h))
    }

    /// The value, the gradients if wanted, and the Hessian applied to `v`.
    fn sweep_pairs<L: Leaves<Scalar = T>, F: for<'t> CostFn<'t, L>>(
        &mut self,
        f: F,
        x0: &L,
        v: &L,
        gradient: bool,
    ) -> Result<(T, Vec<Batch<T>>, L)> {
        check_like("the direction", x0, v)?;
        self.clear();
        let tape = &*self;
        let (vars, list) = inputs(tape, x0, None);
        let y = f(vars);
        tape.check()?;
        tape.finite_values(&[y]).map_err(|e| e.naming(x0))?;
        let value = number(&y.value())?;
        let zeros = || list.iter().map(|x| Batch::zeros(x.shape())).collect::<Vec<Batch<T>>>();
        let (mut g, mut h) = (if gradient { zeros() } else { vec![] }, zeros());
        let v = v.batches();
        let seeds: Vec<(Var<'_, T>, &dyn MatLike<T>)> =
            list.iter().zip(&v).map(|(x, v)| (*x, v as &dyn MatLike<T>)).collect();
        let (gs, mut hs) = (&mut g.iter_mut().collect::<Vec<_>>(), h.iter_mut().collect::<Vec<_>>());
        match gradient {
            true => tape.grads_hvps_into(y, &seeds, gs, &mut hs),
            false => tape.hvps_into(y, &seeds, &mut hs),
        }
        .map_err(|e| e.naming(x0))?;
        Ok((value, g, x0.rebuild_all(h)))
    }
}
