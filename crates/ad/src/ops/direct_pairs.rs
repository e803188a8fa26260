//! The reverse rules of small QR and LU factors and of the exponential over pairs (value, tangent), from buffer to
//! buffer: the kernels of `direct.rs` in dual numbers. What else pairs need goes by the rules' words, and so do factors
//! of larger matrices.

use super::{Op, members};
use crate::compiled::Pair;
use crate::store::{Buf, Store};
use crate::tape::OpRec;
use crate::{Scalar, Shape};
use pullback_kernels::{Failure, WithTangent};

/// Pulls the cotangents of the outputs, which nobody asked to keep, to the input. `false`: nothing was done.
#[inline]
pub(crate) fn pull<'a, T: Scalar>(
    step: &OpRec<T>,
    pair: impl Fn(u32) -> (Shape, WithTangent<'a, T>),
    store: &Store<T>,
    base: usize,
    slots: &mut [Option<Pair<T>>],
) -> bool {
    if let (Op::Expm(_), &[a]) = (&step.op, &*step.inputs) {
        return expm(
            [pair(a), pair(step.first + 1)],
            store,
            &mut slots[..],
            [a, step.first].map(|id| id as usize - base),
        );
    }
    let (Op::Qr(_) | Op::LuFactors(_), &[a]) = (&step.op, &*step.inputs) else { return false };
    let (Shape { batch, rows: m, cols: n }, _) = pair(a);
    let lu = step.outs == 3;
    if n == 0 || n > 4 || n > m || (lu && n != m) {
        return false;
    }
    let (x, y) = (pair(step.first).1, pair(step.first + 1).1);
    let first = step.first as usize - base;
    let (gx, gy) = (slots[first].take(), slots[first + 1].take());
    if gx.is_none() && gy.is_none() {
        return true;
    }
    let (mut g, mut dg) = (zeros(store, batch * m * n), zeros(store, batch * m * n));
    for (b, (g, dg)) in g.chunks_exact_mut(m * n).zip(dg.chunks_exact_mut(m * n)).enumerate() {
        let x = [member(x, b, m * n), member(y, b, n * n)];
        let cotangents = [(&gx, m * n), (&gy, n * n)].map(|(g, each)| g.as_ref().map(|g| member(borrowed(g), b, each)));
        let done = match lu {
            true => T::lu_pull_small_pairs(x, &pair(step.first + 2).1.0[b * n..(b + 1) * n], n, cotangents, (g, dg)),
            false => {
                if let Some((gq, dgq)) = cotangents[0] {
                    g.copy_from_slice(gq);
                    dgq.into_iter().for_each(|dgq| dg.copy_from_slice(dgq));
                }
                T::qr_pull_small_pairs(x, m, n, cotangents[1], (g, dg))
            }
        };
        debug_assert!(done, "the columns were counted");
    }
    for (g, dg) in [gx, gy].into_iter().flatten() {
        store.put(g);
        dg.into_iter().for_each(|dg| store.put(dg));
    }
    give(&mut slots[a as usize - base], (g, dg), store);
    true
}

/// With the jets of the cotangent and of the tangent, that of both: nothing is computed twice. From the pairs of `A`
/// and of the handle, and the slots of `A` and of the value.
fn expm<T: Scalar>(
    [(shape, a), (handles, handle)]: [(Shape, WithTangent<'_, T>); 2],
    store: &Store<T>,
    slots: &mut [Option<Pair<T>>],
    [to, from]: [usize; 2],
) -> bool {
    // A matrix that moves and a handle that does not: the words of the rule make its tangent.
    if a.1.is_some() != handle.1.is_some() {
        return false;
    }
    let Some((mut g, dg)) = slots[from].take() else { return true };
    let (n, each, len) = (shape.rows, shape.each(), handles.each());
    let mut moved = zeros(store, g.len());
    let mut work = [each, each, each, len, len].map(|len| store.take(len));
    let done = members(shape.batch, |b| {
        let x = [member(a, b, each), member(handle, b, len)];
        let (g, moved) = (&mut g[b * each..][..each], &mut moved[b * each..][..each]);
        expm_member(x, (g, dg.as_ref().map(|dg| &dg[b * each..][..each])), n, moved, &mut work, store)
    });
    work.into_iter().chain(dg).for_each(|x| store.put(x));
    if let Err(trouble) = done {
        g.fill(T::nan());
        moved.fill(T::nan());
        store.fail("expm_along", shape.batch, true, None, trouble);
    }
    give(&mut slots[to], (g, moved), store);
    true
}

/// One member: `g` becomes the cotangent of `A`, and `moved`, which is zero, its tangent.
fn expm_member<T: Scalar>(
    [(a, da), (handle, dhandle)]: [WithTangent<'_, T>; 2],
    (g, dg): (&mut [T], Option<&[T]>),
    n: usize,
    moved: &mut [T],
    [gt, dgt, d, jet, second]: &mut [Buf<T>; 5],
    store: &Store<T>,
) -> Result<(), Failure> {
    let w = &mut *store.work.borrow_mut();
    T::transpose(g, n, n, gt);
    T::expm_jet(&[a, gt], &[handle, &[]], n, d, jet, w)?;
    T::transpose(d, n, n, g);
    let dgt: &[T] = match dg {
        Some(dg) => {
            T::transpose(dg, n, n, dgt);
            dgt
        }
        None => &[],
    };
    match da.zip(dhandle) {
        Some((da, dhandle)) => T::expm_jet(&[a, gt, da, dgt], &[handle, jet, dhandle, &[]], n, d, second, w)?,
        None if dgt.is_empty() => return Ok(()),
        None => T::expm_jet(&[a, dgt], &[handle, &[]], n, d, second, w)?,
    }
    T::transpose(d, n, n, moved);
    Ok(())
}

fn zeros<T: Scalar>(store: &Store<T>, len: usize) -> Buf<T> {
    let mut zeros = store.take(len);
    zeros.fill(T::zero());
    zeros
}

fn borrowed<T>((x, dx): &Pair<T>) -> WithTangent<'_, T> {
    (x, dx.as_deref())
}

fn member<T>((x, dx): WithTangent<'_, T>, b: usize, each: usize) -> WithTangent<'_, T> {
    let range = b * each..(b + 1) * each;
    (&x[range.clone()], dx.map(|dx| &dx[range]))
}

/// `slot += g`, by moving the buffers where there was nothing.
fn give<T: Scalar>(slot: &mut Option<Pair<T>>, (g, dg): (Buf<T>, Buf<T>), store: &Store<T>) {
    let add = |sum: &mut Buf<T>, g: Buf<T>| {
        T::axpy(T::one(), &g, sum);
        store.put(g);
    };
    match slot {
        None => *slot = Some((g, Some(dg))),
        Some((re, du)) => {
            add(re, g);
            match du {
                Some(du) => add(du, dg),
                None => *du = Some(dg),
            }
        }
    }
}
