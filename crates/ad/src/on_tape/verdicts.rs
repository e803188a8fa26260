//! What is checked before and after a sweep on a tape that the user holds: shapes, finite numbers, and whether a result
//! depends on a basis that is not determined.

use super::reset;
use crate::batch::{Batch, MatLike};
use crate::diagnose::{Again, first_bad};
use crate::error::Origin;
use crate::invariance::{Asked, Question};
use crate::record::Inner;
use crate::store::Buf;
use crate::{Error, Result, Scalar, Tape, Var};
use smallvec::SmallVec;

impl<T: Scalar> Tape<T> {
    /// A gradient that is not finite, and where it comes from.
    #[cold]
    pub(super) fn blamed(
        &self,
        index: usize,
        value: f64,
        plant: &dyn Fn(&mut [Option<Buf<T>>]),
        x: &[Var<'_, T>],
    ) -> Error {
        let inner = self.inner();
        let again = Again { inner: &*inner, store: &self.store };
        let origin = again.reverse(plant, x.iter().map(|v| v.id));
        self.store.take_failure();
        Error::NonFinite { what: "gradient", index, value, origin }
    }

    /// The error, if what `plant` seeds depends on a basis that is not determined on the way from `x`.
    pub(super) fn choices(
        &self,
        y: &[Var<'_, T>],
        plant: &dyn Fn(&mut [Option<Buf<T>>]),
        x: &[Var<'_, T>],
    ) -> Result<()> {
        let inner = self.inner();
        if !inner.has_choices(0..inner.ops.len()) {
            return Ok(());
        }
        let asked = Asked::of(&inner, y.iter().map(|y| y.id), x.iter().map(|x| x.id));
        if inner.has_complements_only() && self.answered.borrow().contains(&asked) {
            return Ok(());
        }
        let mut slots = Vec::new();
        reset(&mut slots, inner.vals.len());
        plant(&mut slots);
        let targets: SmallVec<[u32; 4]> = x.iter().map(|x| x.id).collect();
        let seeds = slots.iter().enumerate().filter_map(|(i, w)| Some((i as u32, w.as_deref()?)));
        let seeds: SmallVec<[(u32, &[T]); 2]> = seeds.collect();
        let (ops, store) = (0..inner.ops.len(), &self.store);
        let question = Question { inner: &*inner, store, ops, base: 0, targets: &targets, seeds: &seeds };
        let answer = question.answer();
        drop(seeds);
        self.empty(&mut slots);
        match answer {
            Some(e) => return Err(e),
            None if self.store.warned() == 0.0 => self.answered.borrow_mut().push(asked),
            None => {}
        }
        Ok(())
    }

    /// Are gradients finite that were recorded after so many operations?
    pub(crate) fn finite_gradients(&self, g: &[Var<'_, T>], recorded: usize) -> Result<()> {
        let inner = self.inner();
        let bad = |g: &Var<'_, T>| first_bad(&inner.vals[g.id as usize].buf).map(|found| (g.id, found));
        match g.iter().find_map(bad) {
            Some((id, (index, value))) => {
                let origin = crate::diagnose::recorded(&inner, id, recorded);
                Err(Error::NonFinite { what: "gradient", index, value, origin })
            }
            None => Ok(()),
        }
    }

    /// Are the values that are to be differentiated finite?
    #[inline]
    pub(crate) fn finite_values<'v, 't: 'v>(&self, y: impl IntoIterator<Item = &'v Var<'t, T>>) -> Result<()> {
        let inner = self.inner();
        match y.into_iter().find(|y| !T::all_finite(&inner.vals[y.id as usize].buf)) {
            None => Ok(()),
            Some(y) => self.not_finite(&inner, y.id),
        }
    }

    #[cold]
    pub(super) fn not_finite(&self, inner: &Inner<T>, y: u32) -> Result<()> {
        let Some((index, value)) = first_bad(&inner.vals[y as usize].buf) else { return Ok(()) };
        Err(self.store.take_missing().unwrap_or_else(|| {
            let origin = crate::diagnose::value(inner, y);
            Error::NonFinite { what: "value", index, value, origin }
        }))
    }

    #[track_caller]
    pub(super) fn check_seeds(&self, what: &'static str, seeds: &[(Var<'_, T>, &dyn MatLike<T>)]) -> Result<()> {
        self.ready()?;
        let inner = self.inner();
        for (v, m) in seeds {
            inner.check(self, v, what);
            let (expected, got) = (inner.vals[v.id as usize].shape, m.shape());
            if got != expected {
                return Err(Error::Shape { what, expected, got });
            }
        }
        Ok(())
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn check_outs<'v, 't: 'v>(
        &self,
        x: impl IntoIterator<Item = &'v Var<'t, T>, IntoIter: ExactSizeIterator>,
        out: &[&mut Batch<T>],
    ) -> Result<()> {
        let x = x.into_iter();
        if x.len() != out.len() {
            return Err(Error::Leaves { what: "the list of results", expected: x.len(), got: out.len() });
        }
        let inner = self.inner();
        for (v, o) in x.zip(out) {
            inner.check(self, v, "result");
            let expected = inner.vals[v.id as usize].shape;
            if o.shape() != expected {
                return Err(Error::Shape { what: "the result", expected, got: o.shape() });
            }
        }
        Ok(())
    }

    /// The failure of a rule, or a number that is not finite with what `whence` says of it.
    pub(super) fn judged(
        &self,
        what: &'static str,
        out: &[&mut Batch<T>],
        whence: impl FnOnce(&Again<'_, T>) -> Origin,
    ) -> Result<()> {
        let finite = out.iter().all(|o| T::all_finite(o.data()));
        if finite && !self.store.has_ever_failed() {
            return Ok(());
        }
        let (failure, missing) = (self.store.take_failure(), self.store.take_missing());
        if let Some(e) = failure {
            return Err(e);
        }
        let Some((index, value)) = out.iter().find_map(|o| first_bad(o.data())) else { return Ok(()) };
        if let Some(e) = missing {
            return Err(e);
        }
        let inner = self.inner();
        let origin = whence(&Again { inner: &*inner, store: &self.store });
        self.store.take_failure();
        Err(Error::NonFinite { what, index, value, origin })
    }
}
