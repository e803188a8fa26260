//! Freeing: what was made since a mark, all of it or all but some numbers.

use crate::checkpoint::owned;
use crate::record::Mark;
use crate::store::Buf;
use crate::{Scalar, Shape, Tape, Var};
use smallvec::SmallVec;

impl<T: Scalar> Tape<T> {
    pub(crate) fn mark(&self) -> Mark {
        let inner = self.inner.borrow();
        Mark { vals: inner.vals.len(), ops: inner.ops.len() }
    }

    /// Drops everything made since `mark`; handles to it are dead from now on.
    pub(crate) fn truncate(&self, mark: Mark) {
        let inner = &mut *self.inner.borrow_mut();
        let vals = inner.vals.len();
        for v in inner.vals.drain(mark.vals..) {
            if !v.buf.is_empty() {
                self.store.put(v.buf);
            }
            if let Some(t) = v.tan {
                self.store.put(t);
            }
        }
        let dropped = Mark { vals: vals - mark.vals, ops: inner.ops.len() - mark.ops };
        self.store.count(-dropped.bytes::<T>() - owned(&inner.ops[mark.ops..]) as isize);
        if inner.gauges > 0 {
            inner.gauges -= inner.ops[mark.ops..].iter().filter(|rec| rec.op.gauge().is_some()).count();
            inner.judged.retain(|j| j.ops.end <= mark.ops);
        }
        if inner.selects > 0 {
            inner.selects -= inner.ops[mark.ops..].iter().filter(|rec| rec.op.selects()).count();
        }
        inner.ops.truncate(mark.ops);
        while inner.leaves.pop_if(|(id, _)| *id as usize >= mark.vals).is_some() {}
        inner.generation += 1;
    }

    /// Drops everything made since `mark` but the numbers of `keep`, which become fresh values.
    #[track_caller]
    pub(crate) fn collapse<'t>(&'t self, mark: Mark, keep: &[Var<'t, T>]) -> SmallVec<[Var<'t, T>; 4]> {
        let mut kept: SmallVec<[(Shape, Buf<T>, Option<Buf<T>>, bool); 4]> = SmallVec::new();
        {
            let inner = &mut *self.inner.borrow_mut();
            for v in keep {
                inner.check(self, v, "keep");
                let last = keep.iter().filter(|k| k.id == v.id).count() == 1;
                let val = &mut inner.vals[v.id as usize];
                let own = last && v.id as usize >= mark.vals;
                let copy = |b: &Buf<T>| {
                    let mut c = self.store.take(b.len());
                    c.copy_from_slice(b);
                    c
                };
                let (buf, tan) = match own {
                    true => (std::mem::take(&mut val.buf), val.tan.take()),
                    false => (copy(&val.buf), val.tan.as_ref().map(copy)),
                };
                kept.push((val.shape, buf, tan, val.poisoned));
            }
        }
        self.truncate(mark);
        kept.into_iter()
            .map(|(shape, buf, tan, poisoned)| {
                let v = self.place(shape, buf, tan);
                self.inner.borrow_mut().vals[v.id as usize].poisoned = poisoned;
                v
            })
            .collect()
    }
}
