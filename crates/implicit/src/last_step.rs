//! The last step of an iteration as a linear map: `A` in both directions, between tangent vectors at the state that the
//! loop reached, and the pullback `B'` to the parameters. What is summed with them is in `series.rs`.

use crate::error::Result;
use crate::estimate::{Recorded, bind, difference, norm, seeds};
use crate::iteration::{Iteration, Of, list};
use crate::lists::{self, List};
use crate::series_verdict::Pushed;
use pullback::{Batch, Leaves, Scalar, Tape, Var};

/// Where the inner loop went.
pub(crate) struct Path<'a, I: Iteration> {
    /// The parameters.
    pub(crate) phi: &'a I::Params,
    /// The number of the last step.
    pub(crate) last: usize,
    /// The state before it.
    pub(crate) before: &'a [Batch<Of<I::State>>],
    /// The state after it.
    pub(crate) end: &'a [Batch<Of<I::State>>],
    /// The last motion of the loop that was well above rounding, if there was one.
    pub(crate) motion: Option<Vec<Batch<Of<I::State>>>>,
}

/// `P_end P_before`, recorded once; empty where every vector is tangent.
struct Words<'t, T: Scalar> {
    tape: &'t Tape<T>,
    u: Vec<Var<'t, T>>,
    /// `P_before u`.
    between: Vec<Var<'t, T>>,
    projected: Vec<Var<'t, T>>,
    /// Are both points one, up to rounding? Then `P_end P_before = P_end`, up to rounding too.
    settled: bool,
    /// Has a vector gone the whole way? The first one does, so that the bytes do not depend on where the loop is.
    went: bool,
}

impl<'t, T: Scalar> Words<'t, T> {
    fn new<I: Iteration>(tape: &'t Tape<T>, it: &I, like: &I::State, path: &Path<'_, I>) -> Result<Self>
    where
        I::State: Leaves<Scalar = T>,
    {
        let (v, u) = bind(tape, like, path.end);
        let before = it.project(tape, bind(tape, like, path.before).0, v);
        let between = list(&before);
        let projected = list(&it.project(tape, bind(tape, like, path.end).0, before));
        tape.check()?;
        let settled = difference(path.before, path.end) <= 8.0 * lists::eps::<T>() * norm(path.end);
        let words = Words { tape, u, between, projected, settled, went: false };
        // A projection without an operation is none.
        Ok(if tape.operations() == 0 { Words { u: vec![], ..words } } else { words })
    }

    /// `out = P_end P_before v`.
    fn project(&mut self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.u.is_empty() {
            lists::copy(out, v);
            return Ok(());
        }
        let from = if self.settled && self.went { &self.between } else { &self.u };
        self.went = true;
        if let ([u], [v], [projected], [out]) = (&**from, v, &*self.projected, &mut *out) {
            return Ok(self.tape.jvp_into(&[(*u, v)], &[*projected], &mut [out])?);
        }
        Ok(self.tape.jvp_into(&seeds(from, v), &self.projected, &mut out.iter_mut().collect::<Vec<_>>())?)
    }
}

/// The linear map `A` of the last step, in both directions, between tangent vectors at `z_T`.
pub(crate) struct LastStep<'s, 't, I: Iteration> {
    pub(crate) plain: &'s mut Tape<Of<I::State>>,
    pub(crate) tape: &'t Tape<Of<I::State>>,
    pub(crate) it: &'s I,
    pub(crate) like: &'s I::State,
    pub(crate) rec: &'s Recorded<'t, I::State, I::Params>,
    pub(crate) outs: Vec<Var<'t, Of<I::State>>>,
    pub(crate) path: &'s Path<'s, I>,
    /// How steep the loss is where the loop arrives: of the whole, and of each member of a batch.
    pub(crate) steep_loss: Vec<f64>,
    /// Which leaves of the state the step hands on as they are.
    constant: Vec<bool>,
    words: Words<'t, Of<I::State>>,
    pulled: List<Of<I::State>>,
}

impl<'s, 't, I: Iteration> LastStep<'s, 't, I> {
    /// The step `rec` on its tape, with a plain one and an empty one to project on.
    pub(crate) fn new(
        it: &'s I,
        like: &'s I::State,
        rec: &'s Recorded<'t, I::State, I::Params>,
        path: &'s Path<'s, I>,
        (plain, words, tape): (&'s mut Tape<Of<I::State>>, &'t Tape<Of<I::State>>, &'t Tape<Of<I::State>>),
    ) -> Result<Self> {
        let outs = list(&rec.end);
        let constant = rec.from.iter().zip(&outs).map(|(from, to)| from.is_same(to)).collect();
        let (words, pulled) = (Words::new(words, it, like, path)?, path.end.to_vec());
        Ok(LastStep { plain, tape, it, like, rec, outs, path, steep_loss: vec![], constant, words, pulled })
    }

    /// Makes the leaves of `v` zero that the step hands on as they are. `A` is the identity on them and nothing of them
    /// comes from elsewhere, so no other leaf of a term and no derivative by parameters depends on what stands there;
    /// but what gathers there has nothing to do with how the loop contracts.
    pub(crate) fn leave_out(&self, v: &mut [Batch<Of<I::State>>]) {
        let constant = v.iter_mut().zip(&self.constant).filter(|(_, c)| **c);
        constant.for_each(|(v, _)| v.data_mut().fill(lists::number(0.0)));
    }

    /// The tangent part of `v` at `z`.
    pub(crate) fn project(
        &mut self,
        z: &[Batch<Of<I::State>>],
        v: &[Batch<Of<I::State>>],
    ) -> Result<List<Of<I::State>>> {
        self.plain.clear();
        let plain = &*self.plain;
        let (z, _) = bind(plain, self.like, z);
        let (v, _) = bind(plain, self.like, v);
        let out = list(&self.it.project(plain, z, v)).iter().map(Var::value).collect();
        plain.check()?;
        Ok(out)
    }

    /// `out = A' v`.
    pub(crate) fn pull(&mut self, v: &[Batch<Of<I::State>>], out: &mut [Batch<Of<I::State>>]) -> Result<()> {
        let (outs, from) = (&*self.outs, &*self.rec.from);
        // Where every vector is tangent, nothing is between the sweep and its outcome.
        if let ([to], [v], [from], [out], true) = (outs, v, from, &mut *out, self.words.u.is_empty()) {
            return Ok(self.tape.vjp_into(&[(*to, v)], &[*from], &mut [out])?);
        }
        match (outs, v, from, &mut *self.pulled) {
            ([to], [v], [from], [w]) => self.tape.vjp_into(&[(*to, v)], &[*from], &mut [w])?,
            (to, v, from, w) => self.tape.vjp_into(&seeds(to, v), from, &mut w.iter_mut().collect::<Vec<_>>())?,
        }
        self.words.project(&self.pulled, out)
    }

    /// `B' p`.
    pub(crate) fn pull_params(&self, p: &[Batch<Of<I::State>>]) -> Result<List<Of<I::State>>> {
        let mut g: List<_> = self.rec.phi.iter().map(|v| Batch::zeros(v.shape())).collect();
        self.tape.vjp_into(&seeds(&self.outs, p), &self.rec.phi, &mut g.iter_mut().collect::<Vec<_>>())?;
        Ok(g)
    }

    /// `|B' e|`, taken where it lies: parameters may be many.
    pub(crate) fn length_by_params(&self, e: &[Batch<Of<I::State>>]) -> Result<f64> {
        let mut length = 0.0f64;
        let seeds = seeds(&self.outs, e);
        self.tape.vjp_visit(&seeds, &self.rec.phi, |_, g| length = length.hypot(lists::flat_length(g.data())))?;
        Ok(length)
    }

    /// `|B' e|` of each of `n` members, which the parameters have too.
    pub(crate) fn lengths_by_params(&self, e: &[Batch<Of<I::State>>], n: usize) -> Result<Vec<f64>> {
        let mut lengths = vec![0.0f64; n];
        self.tape.vjp_visit(&seeds(&self.outs, e), &self.rec.phi, |_, g| {
            let members = g.data().chunks(g.shape().each().max(1));
            lengths.iter_mut().zip(members).for_each(|(l, g)| *l = l.hypot(lists::flat_length(g)));
        })?;
        Ok(lengths)
    }

    /// Are the `n` members of the state and of the parameters independent, as far as this cotangent shows? Half of its
    /// members are pulled back, and then the others: nothing must come out at members that were left out. Two reverse
    /// sweeps.
    pub(crate) fn are_apart(&self, v: &[Batch<Of<I::State>>], n: usize) -> Result<bool> {
        let by: Vec<Var<'t, _>> = self.rec.from.iter().chain(&self.rec.phi).copied().collect();
        let mut coins = lists::uniform(0xAA7);
        let mut half: Vec<bool> = (0..n).map(|_| coins() < 0.5).collect();
        half[..2].copy_from_slice(&[true, false]);
        let mut apart = true;
        for side in [true, false] {
            let some = lists::only(v, &|m| half[m] == side);
            self.tape.vjp_visit(&seeds(&self.outs, &some), &by, |_, g| {
                let members = g.data().chunks(g.shape().each().max(1)).zip(&half);
                apart &= members.filter(|(_, h)| **h != side).all(|(g, _)| g.iter().all(|x| *x == lists::number(0.0)));
            })?;
        }
        Ok(apart)
    }

    /// `<v, A d>` of each of `n` members, or of all together, and `<v, B dphi>` of all if there is a `dphi`. One
    /// reverse sweep.
    pub(crate) fn slopes(
        &self,
        v: &[Batch<Of<I::State>>],
        d: &[Batch<Of<I::State>>],
        dphi: &[Batch<Of<I::State>>],
        n: usize,
    ) -> Result<(Vec<f64>, f64)> {
        let by: Vec<Var<'t, _>> = self.rec.from.iter().chain(self.rec.phi.iter().take(dphi.len())).copied().collect();
        let (mut state, mut params) = (vec![0.0; n], 0.0);
        self.tape.vjp_visit(&seeds(&self.outs, v), &by, |i, g| match i.checked_sub(d.len()) {
            None => lists::add_dots(&mut state, g.data(), d[i].data()),
            Some(i) => params += lists::flat_dot(g.data(), dphi[i].data()),
        })?;
        Ok((state, params))
    }

    /// The tangent part of `d`, and what two steps make of it.
    pub(crate) fn pushed_twice(&mut self, d: &[Batch<Of<I::State>>]) -> Result<Pushed<Of<I::State>>> {
        let d = self.project(self.path.before, d)?;
        let mut aad = d.clone();
        for _ in 0..2 {
            let from = aad.clone();
            let seeds = seeds(&self.rec.from, &from);
            self.tape.jvp_into(&seeds, &self.outs, &mut aad.iter_mut().collect::<Vec<_>>())?;
            aad = self.project(self.path.end, &aad)?;
        }
        Ok(Pushed { d, aad })
    }
}
