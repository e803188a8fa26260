//! Storage that sweeps use again and again, and which values depend on the targets of a sweep. The sweeps are not known
//! here.

use crate::Scalar;
use crate::ops::direct::Pair;
use crate::record::{Inner, OpRec};
use crate::store::Buf;

/// What a tape lends to the sweep that runs.
#[derive(Debug, Default)]
pub(crate) struct Scratch<T> {
    pub(crate) cotangents: Vec<Option<Buf<T>>>,
    pub(crate) duals: Vec<Option<Pair<T>>>,
    pub(crate) tangents: Vec<Option<Buf<T>>>,
    pub(crate) depends: Depends,
}

/// Which values depend on the targets of a sweep, remembered from one sweep to the next.
#[derive(Debug, Default)]
pub(crate) struct Depends {
    marks: Vec<u8>,
    targets: Vec<u32>,
    /// Generation and length of the tape that the marks are of.
    of: (u32, usize),
}

impl Depends {
    pub(crate) fn of<T: Scalar>(&mut self, inner: &Inner<T>, targets: impl Iterator<Item = u32> + Clone) -> &[u8] {
        let of = (inner.generation, inner.vals.len());
        if self.of != of || self.marks.is_empty() || !targets.clone().eq(self.targets.iter().copied()) {
            self.of = of;
            self.targets.clear();
            self.targets.extend(targets);
            mark_depends(&mut self.marks, 0, of.1, self.targets.iter().copied(), &inner.ops);
        }
        &self.marks
    }
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
