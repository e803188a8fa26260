//! The members of a batch on several threads, where those were asked for: each thread evaluates a primitive on some of
//! the members. What a part is does not depend on the primitive; which primitives mix members is said here.

use super::{Arg, Op, Out};
use crate::store::{Store, Trouble};
use crate::{Scalar, Shape};
use pullback_kernels::Failure;
use pullback_kernels::threads::{Size, parts, piece, share};
use smallvec::SmallVec;

/// Evaluates `op` in parts, if threads were asked for, it has enough members and treats each by itself.
pub(super) fn eval<T: Scalar>(
    op: &Op<T>,
    x: &[Arg<'_, T>],
    y: &mut [Out<'_, T>],
    store: &Store<T>,
) -> Option<Result<(), Trouble>> {
    let batch = y.first()?.shape.batch;
    let k = parts(size(op, x, y)).min(batch);
    if k == 1 || !by_members(op, batch, x, y) {
        return None;
    }
    let (len, stores) = (piece(batch, k, 1), &mut *store.others(k));
    let mut verdicts: SmallVec<[Result<(), Trouble>; 8]> = (0..k).map(|_| Ok(())).collect();
    let pieces = cut(x, y, len).into_iter().zip(&mut *stores).zip(&mut verdicts);
    share(pieces, |((mut piece, store), verdict)| *verdict = op.eval(&piece.x, &mut piece.y, store));
    // As on one thread, nothing is noted after the first failure.
    let told = |(i, verdict): (usize, Result<(), Trouble>)| {
        store.take_notes(i * len, &stores[i]);
        verdict.map_err(|t| Trouble { member: t.member.map(|m| m + i * len), ..t })
    };
    Some(verdicts.into_iter().enumerate().try_for_each(told))
}

/// `work` on every member of `y`, whose members have `each` numbers: its number and its numbers.
#[inline(always)]
pub(crate) fn each_member<T: Scalar>(size: Size, y: &mut [T], each: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let each = each.max(1);
    // One member alone is not a part: what is large inside it is shared there.
    match parts(size).min(y.len() / each) {
        0 | 1 => y.chunks_exact_mut(each).enumerate().for_each(|(b, y)| work(b, y)),
        k => {
            let len = piece(y.len() / each, k, 1);
            share(y.chunks_mut(len * each).enumerate(), |(i, y)| {
                y.chunks_exact_mut(each).enumerate().for_each(|(b, y)| work(i * len + b, y));
            });
        }
    }
}

/// [`each_member`] of two buffers with as many members.
#[inline(always)]
pub(crate) fn each_member_of_two<T: Scalar>(
    size: Size,
    [y, z]: [&mut [T]; 2],
    [ey, ez]: [usize; 2],
    work: impl Fn(usize, &mut [T], &mut [T]) + Sync,
) {
    let (ey, ez) = (ey.max(1), ez.max(1));
    let all = |from: usize, y: &mut [T], z: &mut [T]| {
        let members = y.chunks_exact_mut(ey).zip(z.chunks_exact_mut(ez)).enumerate();
        members.for_each(|(b, (y, z))| work(from + b, y, z));
    };
    match parts(size).min(y.len() / ey) {
        0 | 1 => all(0, y, z),
        k => {
            let len = piece(y.len() / ey, k, 1);
            share(y.chunks_mut(len * ey).zip(z.chunks_mut(len * ez)).enumerate(), |(i, (y, z))| all(i * len, y, z));
        }
    }
}

/// [`each_member_of_two`] of work that needs a store of its own and can fail: the first member that does is named.
pub(crate) fn try_members<T: Scalar>(
    store: &Store<T>,
    [y, z]: [&mut [T]; 2],
    [ey, ez]: [usize; 2],
    work: impl Fn(usize, &mut [T], &mut [T], &Store<T>) -> Result<(), Failure> + Sync,
) -> Result<(), Trouble> {
    let (ey, ez) = (ey.max(1), ez.max(1));
    let all = |from: usize, y: &mut [T], z: &mut [T], store: &Store<T>| {
        let mut members = y.chunks_exact_mut(ey).zip(z.chunks_exact_mut(ez)).zip(from..);
        members.try_for_each(|((y, z), member)| {
            work(member, y, z, store).map_err(|failure| Trouble { member: Some(member), failure })
        })
    };
    let batch = y.len() / ey;
    match parts(Size::Worked(y.len())).min(batch) {
        0 | 1 => all(0, y, z, store),
        k => {
            let (len, stores) = (piece(batch, k, 1), &mut *store.others(k));
            let mut verdicts: SmallVec<[Result<(), Trouble>; 8]> = (0..k).map(|_| Ok(())).collect();
            let pieces = y.chunks_mut(len * ey).zip(z.chunks_mut(len * ez)).enumerate().zip(stores).zip(&mut verdicts);
            share(pieces, |(((i, (y, z)), store), verdict)| *verdict = all(i * len, y, z, store));
            verdicts.into_iter().collect()
        }
    }
}

/// Inputs and outputs of some of the members.
struct Piece<'a, T> {
    x: SmallVec<[Arg<'a, T>; 8]>,
    y: SmallVec<[Out<'a, T>; 3]>,
}

/// Pieces of `len` members each, and the rest.
fn cut<'a, T: Copy>(x: &[Arg<'a, T>], y: &'a mut [Out<'_, T>], len: usize) -> SmallVec<[Piece<'a, T>; 8]> {
    let batch = y[0].shape.batch;
    let mut rest: SmallVec<[(Shape, &mut [T]); 3]> = y.iter_mut().map(|y| (y.shape, &mut *y.data)).collect();
    let pieces = (0..batch).step_by(len).map(|from| {
        let members = len.min(batch - from);
        let of = |shape: &Shape| Shape { batch: members, ..*shape };
        let inputs = x.iter().map(|x| match x.shape.batch {
            1 => *x,
            _ => Arg { shape: of(&x.shape), data: &x.data[from * x.shape.each()..][..members * x.shape.each()] },
        });
        let outputs = rest.iter_mut().map(|(shape, rest)| {
            let (data, others) = std::mem::take(rest).split_at_mut(members * shape.each());
            *rest = others;
            Out { shape: of(shape), data }
        });
        Piece { x: inputs.collect(), y: outputs.collect() }
    });
    pieces.collect()
}

/// How much there is to do.
fn size<T: Scalar>(op: &Op<T>, x: &[Arg<'_, T>], y: &[Out<'_, T>]) -> Size {
    let entries = x.iter().map(|x| x.data.len()).chain(y.iter().map(|y| y.data.len())).sum();
    match op.family() {
        "Entries" | "Reductions" | "Layout" | "Control" => Size::Entries(entries),
        _ => Size::Worked(entries),
    }
}

/// Does every member of the outputs come from the same member of the inputs, or from an input that serves all?
fn by_members<T: Scalar>(op: &Op<T>, batch: usize, x: &[Arg<'_, T>], y: &[Out<'_, T>]) -> bool {
    let whole = match op {
        // Programs of the user, which may do anything.
        Op::Custom(_) | Op::Checkpoint(_) => true,
        // They name the shape of the whole batch; in some, members move or become something else.
        Op::SumTo(_) | Op::BroadcastTo(_) => true,
        Op::Reshape(_) | Op::Slice(_) | Op::Embed(_) | Op::Concat(_) | Op::Gather(_) | Op::Scatter(_) => true,
        Op::Translate(_) => true,
        _ => false,
    };
    let fits = |b: usize| b == batch || b == 1;
    !whole && x.iter().all(|x| fits(x.shape.batch)) && y.iter().all(|y| y.shape.batch == batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback_kernels::Threads;

    #[test]
    fn what_is_inside_a_single_member_is_shared_there() {
        let inside = |members: usize| {
            let found = std::sync::Mutex::new(vec![]);
            let note = |_: usize| found.lock().unwrap().push(parts(Size::Worked(1)));
            let threads = Threads::new(3).unwrap().always();
            threads.run(|| each_member(Size::Worked(1), &mut vec![0.0; 2 * members], 2, |b, _: &mut [f64]| note(b)));
            threads.run(|| {
                let (y, z) = (&mut *vec![0.0; 2 * members], &mut *vec![0.0; members]);
                each_member_of_two(Size::Worked(1), [y, z], [2, 1], |b, _: &mut [f64], _| note(b));
            });
            found.into_inner().unwrap()
        };
        assert_eq!((inside(1), inside(2), inside(0)), (vec![3, 3], vec![1; 4], vec![]));
    }
}
