//! Does a program depend on the choice of a basis that is not determined? Asked where eigenvectors or singular vectors
//! of tied values, or a basis of a complement, were differentiated.
//!
//! The first-order verdict of the rules (`ops/control/gauge.rs`, `ops/spectra/vectors.rs`) sees the slope of the
//! program along the choice at the basis that the decomposition happened to return. At the identity, or at any diagonal
//! matrix, that basis is a critical point of many programs which depend on it: the slope is zero, and the gradient
//! would be too. So what follows the basis is evaluated once more with another choice, turned by a finite rotation, and
//! its value compared. How much rounding alone changes is measured in the same way, with the basis perturbed in its
//! last digits.
//!
//! Then the cotangents are pulled back through the turned program too, and compared: a value may be the same at every
//! choice and its derivative not. And a program that does not see the basis may still have cotangents of tied values
//! that are equal at one choice and not at another (`V diag(f(l)) V^T` has): the derivative is then one of a function
//! of the matrix, which the rules for values and vectors cannot give, and the rule says so at the turned basis.
//!
//! A complement is not determined anywhere, so programs of complements alone are compared at inputs a few percent away,
//! where a dependence of any order is seen in the value.
//!
//! Costs two or three copies of the tape, as many evaluations and up to three sweeps, and only where there is a tie or
//! a complement. Rules are not known here.

use crate::ops::control::gauge::Gauge;
use crate::ops::{Arg, Op};
use crate::record::{Inner, Judged, OpRec};
use crate::scratch::mark_depends;
use crate::store::{Buf, Choice, Store};
use crate::views::Numbers;
use crate::{Error, Scalar, Shape};
use pullback_kernels::{Failure, tolerances};
use smallvec::SmallVec;
use std::ops::Range;

/// What is asked: whether the number `sum <w, y>` over `seeds` depends on a choice made in `ops` on the way from the
/// targets.
pub(crate) struct Question<'a, T: Scalar> {
    pub(crate) inner: &'a Inner<T>,
    pub(crate) store: &'a Store<T>,
    pub(crate) ops: Range<usize>,
    /// The number of the first value of the region.
    pub(crate) base: usize,
    pub(crate) targets: &'a [u32],
    /// Values with their cotangents.
    pub(crate) seeds: &'a [(u32, &'a [T])],
}

impl<T: Scalar> Op<T> {
    /// The policy, if an output is a basis that may not be determined.
    pub(crate) fn gauge(&self) -> Option<Gauge> {
        match self {
            Op::Vectors(v) => Some(v.frame.gauge),
            Op::Complement(c) => (c.0 != Gauge::Project).then_some(c.0),
            Op::Checkpoint(c) => {
                let policies = || c.ops().iter().filter_map(|rec| rec.op.gauge());
                policies().find(|g| *g == Gauge::Error).or(policies().next())
            }
            _ => None,
        }
    }

    /// Are its outputs, if a basis at all, one that is chosen at every input alike?
    fn chooses_anywhere(&self) -> bool {
        match self {
            Op::Vectors(_) => false,
            Op::Checkpoint(c) => c.ops().iter().all(|rec| rec.op.chooses_anywhere()),
            _ => true,
        }
    }

    /// Is there a choice at these inputs, whose consequences its slope may not show?
    fn chooses<'a>(&self, x: impl Fn(usize) -> Arg<'a, T>, y: Arg<'_, T>) -> bool {
        match self {
            Op::Vectors(v) => {
                let (window, handle) = (v.frame.of.window(x(0).shape), x(1));
                (0..handle.shape.batch).any(|b| T::has_ties(window, handle.member(b)))
            }
            Op::Complement(_) => y.shape.cols > 0 && y.shape.batch > 0,
            _ => true,
        }
    }
}

impl<T: Scalar> Inner<T> {
    /// Does the number depend on a choice of basis?
    pub(crate) fn depends_on_a_choice(&self, store: &Store<T>, j: &Judged) -> Option<Error> {
        let seeds = &[(j.y, &[T::one()][..])];
        let (ops, base, targets) = (j.ops.clone(), j.base, &j.targets[..]);
        Question { inner: self, store, ops, base, targets, seeds }.answer()
    }

    /// Is there an operation among `ops` with a choice whose consequences its slope may not show?
    pub(crate) fn has_choices(&self, ops: Range<usize>) -> bool {
        self.gauges > 0 && self.ops[ops].iter().any(|rec| self.is_choice(rec))
    }

    /// Are all of them bases of complements? Those are chosen at every input alike, so what is found at one input holds
    /// at others.
    pub(crate) fn has_complements_only(&self) -> bool {
        self.ops.iter().all(|rec| rec.op.chooses_anywhere() || !self.is_choice(rec))
    }

    fn is_choice(&self, rec: &OpRec<T>) -> bool {
        let arg = |i: u32| self.vals[i as usize].arg();
        rec.op.gauge().is_some() && rec.op.chooses(|j| arg(rec.inputs[j]), arg(rec.first))
    }
}

/// A derivative of `y` by `x` on a tape as it was recorded.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    of: (u32, usize),
    y: SmallVec<[u32; 2]>,
    pub(crate) x: SmallVec<[u32; 4]>,
}

impl Asked {
    pub(crate) fn of<T: Scalar>(inner: &Inner<T>, y: impl Iterator<Item = u32>, x: impl Iterator<Item = u32>) -> Self {
        Asked { of: (inner.generation, inner.ops.len()), y: y.collect(), x: x.collect() }
    }
}

/// Has a unit vector an entry that is zero, or two that are the largest: does it look aligned with something?
fn patterned<T: Scalar>(z: &[T]) -> bool {
    let small = T::EPS.sqrt();
    let largest = z.iter().fold(T::zero(), |m, z| if z.abs() > m { z.abs() } else { m });
    z.iter().any(|z| z.abs() <= small) || z.iter().filter(|z| z.abs() >= largest * (T::one() - small)).count() > 1
}

impl<T: Scalar> Question<'_, T> {
    /// The error, if it depends on the choice and the policy is neither to warn nor to project; or if the value does
    /// not depend on it, and how the derivative comes about does.
    pub(crate) fn answer(&self) -> Option<Error> {
        let all = self.choosing();
        let policy = |k: &usize| self.inner.ops[*k].op.gauge();
        let judged: Vec<usize> = all.iter().copied().filter(|k| policy(k) != Some(Gauge::Project)).collect();
        let strict = judged.iter().any(|k| policy(k) == Some(Gauge::Error));
        let found = if judged.is_empty() { None } else { self.dependence(&judged, Choice::Turned) };
        match found {
            Some(Dependence::OnTheChoice(defect)) if strict => {
                let place = self.inner.ops[judged[0]].line;
                let failure = Failure::GaugeDependent { defect };
                let (primitive, line) = (*place.said, place.line);
                return Some(Error::Data { primitive, member: None, derivative: true, failure, line });
            }
            // A slope along the choice has been noted already.
            Some(Dependence::OnTheChoice(defect)) if self.store.warned() == 0.0 => self.store.warn(defect),
            Some(Dependence::OfTheRule(e)) => return Some(e),
            _ => {}
        }
        if judged.len() == all.len() {
            return None;
        }
        match self.dependence(&all, Choice::TurnedAll) {
            Some(Dependence::OfTheRule(e)) => Some(e),
            // That is what is projected.
            _ => None,
        }
    }

    /// The operations whose choice can matter: between a target and a seed, and not determined.
    fn choosing(&self) -> Vec<usize> {
        if !self.inner.has_choices(self.ops.clone()) {
            return vec![];
        }
        let ops = &self.inner.ops[self.ops.clone()];
        let depends = self.depends();
        let mut reaches = vec![false; self.inner.vals.len()];
        self.seeds.iter().for_each(|(y, _)| reaches[*y as usize] = true);
        let outputs = |rec: &OpRec<T>| rec.first as usize..(rec.first + rec.outs) as usize;
        for rec in ops.iter().rev().filter(|rec| depends[rec.first as usize - self.base] != 0) {
            if reaches[outputs(rec)].contains(&true) {
                rec.inputs.iter().for_each(|&i| reaches[i as usize] = true);
            }
        }
        let on_the_way =
            |rec: &OpRec<T>| depends[rec.first as usize - self.base] != 0 && reaches[outputs(rec)].contains(&true);
        let number = self.is_of_a_number();
        let seen = |rec: &OpRec<T>| {
            let z = self.inner.vals[rec.first as usize].arg();
            number || !matches!(rec.op, Op::Complement(_)) || z.data.chunks_exact(z.shape.rows).any(patterned)
        };
        let asked = |rec: &OpRec<T>| on_the_way(rec) && self.inner.is_choice(rec) && seen(rec);
        self.ops.clone().filter(|&k| asked(&self.inner.ops[k])).collect()
    }

    /// Is a number differentiated? Otherwise the cotangents may be those of a program elsewhere, at the basis that was
    /// found; then they say nothing of another basis, or of other inputs, except that the slope along the choice is to
    /// vanish.
    fn is_of_a_number(&self) -> bool {
        self.seeds.iter().all(|(y, _)| self.inner.vals[*y as usize].shape == Shape::SCALAR)
    }

    fn depends(&self) -> Vec<u8> {
        let mut depends = vec![];
        let (ops, targets) = (&self.inner.ops[self.ops.clone()], self.targets.iter().copied());
        mark_depends(&mut depends, self.base, self.inner.vals.len(), targets, ops);
        depends
    }

    fn dependence(&self, choosing: &[usize], choice: Choice) -> Option<Dependence> {
        let before = self.store.take_failure();
        let complements = choosing.iter().all(|&k| self.inner.ops[k].op.chooses_anywhere());
        let found =
            match (complements && self.is_of_a_number()).then(|| self.nearby_dependence(choosing, choice)).flatten() {
                Some(found) => found,
                None => self.dependence_here(choosing, choice),
            };
        self.store.take_failure();
        before.into_iter().for_each(|e| self.store.remember(e));
        found
    }

    /// Compares values at these inputs, then derivatives.
    fn dependence_here(&self, choosing: &[usize], choice: Choice) -> Option<Dependence> {
        let evaluated = |choice| self.evaluated(choice, choosing, self.inner.copied(), vec![]);
        let (Some(turned), Some(rounded)) = (evaluated(choice), evaluated(Choice::Rounded)) else {
            // What has no value at another choice depends on it.
            return Some(Dependence::OnTheChoice(1.0));
        };
        let by_value = self.value_dependence(self.inner, &turned, &rounded);
        by_value.or_else(|| self.slope_dependence(choice, &turned, &rounded))
    }

    /// Compares values near these inputs, where a complement is chosen as freely as here: a difference there is one of
    /// the value or of a derivative of some order here. The outer `None` says that the program has no value there.
    fn nearby_dependence(&self, choosing: &[usize], choice: Choice) -> Option<Option<Dependence>> {
        let evaluated = |choice| {
            let mut inner = self.inner.copied();
            for &x in self.targets {
                displace(&mut inner.vals[x as usize].buf);
            }
            self.evaluated(choice, choosing, inner, self.targets.to_vec())
        };
        let (found, turned, rounded) = (evaluated(Choice::Found)?, evaluated(choice)?, evaluated(Choice::Rounded)?);
        Some(self.value_dependence(&found, &turned, &rounded))
    }

    fn value_dependence(&self, found: &Inner<T>, turned: &Inner<T>, rounded: &Inner<T>) -> Option<Dependence> {
        let (change, noise) = (self.change(found, turned), self.change(found, rounded));
        let limit = tolerances::gauge::<T>().f64() * change.size + tolerances::TURN_ROUNDING * noise.absolute;
        (change.signed.abs() > limit).then(|| Dependence::OnTheChoice(change.signed.abs() / change.size))
    }

    /// Compares the cotangents of the targets. A value can be the same at every choice and its derivative not: entry
    /// `i` of an eigenvector is 0 wherever `e_i` is orthogonal to the tied space, and moves with the vector that was
    /// chosen.
    fn slope_dependence(&self, choice: Choice, turned: &Inner<T>, rounded: &Inner<T>) -> Option<Dependence> {
        let depends = self.depends();
        let turned = match self.pulled(turned, choice, &depends) {
            Ok(g) => g,
            Err(e) => return Some(Dependence::OfTheRule(e)),
        };
        if !self.is_of_a_number() {
            return None;
        }
        let found = self.pulled(self.inner, self.store.choice(), &depends).ok()?;
        let rounded = self.pulled(rounded, Choice::Rounded, &depends).ok()?;
        let value = self.change(self.inner, self.inner).size;
        let worst = self.targets.iter().zip(&found).zip(&turned).zip(&rounded).filter_map(|(((x, g), t), r)| {
            let (size, change, noise) = (norm(g).max(norm(t)), distance(g, t), distance(g, r));
            // Where the derivative is zero, what remains of it is rounding on the scale of the value over that of the
            // input. At zero there is no such scale, and the noise is all there is.
            let x = T::norm(&self.inner.vals[*x as usize].buf).f64();
            let rounding = if x > 0.0 { T::EPS.f64() * value / x } else { 0.0 };
            let limit = tolerances::gauge::<T>().f64() * size + tolerances::TURN_ROUNDING * noise.max(rounding);
            (change > limit).then_some(change / size)
        });
        worst.reduce(f64::max).map(Dependence::OnTheChoice)
    }

    /// The values with bases chosen otherwise and after the `changed` ones; `None` if an operation fails.
    fn evaluated(
        &self,
        choice: Choice,
        choosing: &[usize],
        mut inner: Inner<T>,
        changed: Vec<u32>,
    ) -> Option<Inner<T>> {
        let mut touched = vec![false; inner.vals.len()];
        changed.iter().for_each(|&x| touched[x as usize] = true);
        let outer = self.store.choose(choice);
        let mut done = true;
        for k in self.ops.clone() {
            let rec = &self.inner.ops[k];
            let chooses = choosing.binary_search(&k).is_ok();
            if chooses || rec.inputs.iter().any(|&i| touched[i as usize]) {
                // Only what is asked about chooses otherwise, and what goes with it.
                let goes_with = matches!(rec.op, Op::Resolvent(_) | Op::VectorsPull(_));
                self.store.choose(if chooses || goes_with { choice } else { outer });
                done &= T::evaluate(&mut inner.vals, rec, self.store).is_ok() && !self.store.has_failed();
                touched[rec.first as usize..(rec.first + rec.outs) as usize].fill(true);
            }
        }
        self.store.choose(outer);
        done.then_some(inner)
    }

    /// The cotangents of the targets over these values, or the failure of the sweep.
    fn pulled(&self, values: &Inner<T>, choice: Choice, depends: &[u8]) -> Result<Vec<Vec<f64>>, Error> {
        let mut slots: Vec<Option<Buf<T>>> = std::iter::repeat_with(|| None).take(depends.len()).collect();
        for (y, w) in self.seeds.iter().filter(|(y, _)| *y as usize >= self.base) {
            let mut seed = self.store.take(w.len());
            seed.copy_from_slice(w);
            slots[*y as usize - self.base] = Some(seed);
        }
        let outer = self.store.choose(choice);
        let numbers = Numbers { inner: values, store: self.store, leads: &[] };
        T::reverse_numbers(&numbers, self.ops.clone(), self.base, depends, &mut slots);
        self.store.choose(outer);
        let entries = |x: &u32| {
            let slot = (*x as usize).checked_sub(self.base).and_then(|k| slots[k].as_deref());
            match slot {
                Some(g) => g.iter().map(|g| g.f64()).collect(),
                None => vec![0.0; self.inner.vals[*x as usize].shape.len()],
            }
        };
        let out = self.targets.iter().map(entries).collect();
        slots.into_iter().flatten().for_each(|b| self.store.put(b));
        self.store.take_failure().map_or(Ok(out), Err)
    }

    fn change(&self, old: &Inner<T>, new: &Inner<T>) -> Change {
        let mut sum = Change::default();
        for (y, w) in self.seeds {
            sum.add(w, &old.vals[*y as usize].buf, &new.vals[*y as usize].buf);
        }
        sum
    }
}

enum Dependence {
    /// The value or the derivative depends on the choice, by this part of it.
    OnTheChoice(f64),
    /// How the derivative comes about depends on it, which the rules cannot follow.
    OfTheRule(Error),
}

/// Moves each entry by a few percent of the largest.
fn displace<T: Scalar>(x: &mut [T]) {
    let size = x.iter().fold(0.0, |m: f64, x| m.max(x.f64().abs()));
    for (k, x) in x.iter_mut().enumerate() {
        *x += T::of(0.06 * size * ((0.754_877_666 * (k + 1) as f64).fract() - 0.5));
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}

/// How much `sum <w, y>` changes.
#[derive(Default)]
struct Change {
    signed: f64,
    absolute: f64,
    size: f64,
}

impl Change {
    fn add<T: Scalar>(&mut self, w: &[T], old: &[T], new: &[T]) {
        for ((w, a), b) in w.iter().zip(old).zip(new) {
            let (w, a, b) = (w.f64(), a.f64(), b.f64());
            self.signed += w * (b - a);
            self.absolute += (w * (b - a)).abs();
            self.size += w.abs() * a.abs().max(b.abs());
        }
    }
}
