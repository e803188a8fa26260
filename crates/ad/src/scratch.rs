//! Storage that sweeps use again and again, and which values matter to one. The sweeps are not known here.

use crate::Scalar;
use crate::ops::{Reads, direct::Pair};
use crate::record::{Inner, OpRec};
use crate::store::Buf;

/// What a tape lends to the sweep that runs.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    pub(crate) cotangents: Vec<Option<Buf<T>>>,
    pub(crate) duals: Vec<Option<Pair<T>>>,
    pub(crate) tangents: Vec<Option<Buf<T>>>,
    /// Which values depend on the targets of a sweep: as [`mark_depends`] says.
    pub(crate) depends: Marks,
    /// Which values lead to those whose tangents are asked for: as [`mark_leads`] says.
    pub(crate) leads: Marks,
    /// Which tangents a sweep over pairs reads: as [`mark_read`] says.
    pub(crate) read: Marks,
}

/// A mark for each value, remembered from one sweep to the next.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: Vec<u8>,
    ids: Vec<u32>,
    /// Generation and length of the tape that the marks are of.
    of: (u32, usize),
}

impl Marks {
    /// Which values depend on `targets`.
    pub(crate) fn depending<T: Scalar>(
        &mut self,
        inner: &Inner<T>,
        targets: impl Iterator<Item = u32> + Clone,
    ) -> &[u8] {
        if self.are_of_others(inner, targets) {
            mark_depends(&mut self.marks, 0, inner.vals.len(), self.ids.iter().copied(), &inner.ops);
        }
        &self.marks
    }

    /// Which values lead to `outputs`.
    pub(crate) fn leading<T: Scalar>(&mut self, inner: &Inner<T>, outputs: impl Iterator<Item = u32> + Clone) -> &[u8] {
        if self.are_of_others(inner, outputs) {
            mark_leads(&mut self.marks, inner.vals.len(), self.ids.iter().copied(), &inner.ops);
        }
        &self.marks
    }

    /// Of which values a sweep over pairs reads the tangents. The first of `ids` is the value `y` from which it starts,
    /// the others are its targets, and `depends` marks what depends on them.
    pub(crate) fn read_from<T: Scalar>(
        &mut self,
        inner: &Inner<T>,
        ids: impl Iterator<Item = u32> + Clone,
        depends: &[u8],
    ) -> &[u8] {
        if self.are_of_others(inner, ids) {
            mark_read(&mut self.marks, self.ids[0], depends, &inner.ops);
        }
        &self.marks
    }

    /// Are the marks of another tape or of other values? Then they will be of these.
    fn are_of_others<T: Scalar>(&mut self, inner: &Inner<T>, ids: impl Iterator<Item = u32> + Clone) -> bool {
        let of = (inner.generation, inner.vals.len());
        let others = self.of != of || self.marks.is_empty() || !ids.clone().eq(self.ids.iter().copied());
        if others {
            self.of = of;
            self.ids.clear();
            self.ids.extend(ids);
        }
        others
    }
}

/// Marks which values lead to the outputs: 0 no, 1 yes. Of several results of an operation all do if one does.
fn mark_leads<T: Scalar>(leads: &mut Vec<u8>, len: usize, outputs: impl Iterator<Item = u32>, ops: &[OpRec<T>]) {
    leads.clear();
    leads.resize(len, 0);
    outputs.for_each(|y| leads[y as usize] = 1);
    for rec in ops.iter().rev() {
        let results = rec.first as usize..(rec.first + rec.outs) as usize;
        if leads[results.clone()].contains(&1) {
            leads[results].fill(1);
            rec.inputs.iter().for_each(|&i| leads[i as usize] = 1);
        }
    }
}

/// Marks the values whose tangents a reverse sweep over pairs from `y` reads, and those that lead to such a value: 0
/// no, 1 yes. `depends` marks what depends on the targets.
///
/// A rule reads what its primitive declares ([`Reads`]), and a forward rule needs the tangents of all inputs. So the
/// tangent of `<W, f(A)>` is pushed to `A` alone where the rule of `f` does not read `f(A)`.
fn mark_read<T: Scalar>(marks: &mut Vec<u8>, y: u32, depends: &[u8], ops: &[OpRec<T>]) {
    // Does a cotangent come here? Is the tangent read?
    const REACHED: u8 = 2;
    const READ: u8 = 1;
    marks.clear();
    marks.resize(depends.len(), 0);
    marks[y as usize] = REACHED;
    for rec in ops.iter().rev() {
        let results = rec.first as usize..(rec.first + rec.outs) as usize;
        let mut all = marks[results.clone()].iter().fold(0, |all, m| all | m);
        if all == 0 || depends[rec.first as usize] == 0 {
            continue;
        }
        let reads = rec.op.reads();
        if reads == Reads::All {
            all |= READ;
        }
        marks[results].fill(all);
        for (j, &i) in rec.inputs.iter().enumerate() {
            let other = |(k, &o): (usize, &u32)| k != j && depends[o as usize] != 0;
            let read = match reads {
                Reads::All | Reads::Inputs => true,
                Reads::OtherInputs => rec.inputs.iter().enumerate().any(other),
                Reads::Nothing => false,
            };
            marks[i as usize] |= REACHED | (all & READ) | if read { READ } else { 0 };
        }
    }
    marks.iter_mut().for_each(|m| *m &= READ);
}

/// Marks which values depend on the targets: 0 no, 1 yes, 2 a target itself. Values are counted from `base`.
pub(crate) fn mark_depends<T: Scalar>(
    depends: &mut Vec<u8>,
    base: usize,
    len: usize,
    targets: impl Iterator<Item = u32>,
    ops: &[OpRec<T>],
) {
    depends.clear();
    depends.resize(len - base, 0);
    for t in targets {
        if t as usize >= base {
            depends[t as usize - base] = 2;
        }
    }
    for rec in ops {
        if rec.inputs.iter().any(|&i| i as usize >= base && depends[i as usize - base] != 0) {
            let first = rec.first as usize - base;
            depends[first..first + rec.outs as usize].iter_mut().for_each(|d| *d = (*d).max(1));
        }
    }
}
