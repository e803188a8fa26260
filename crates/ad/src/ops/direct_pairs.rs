//! The reverse rules of small QR and LU factors over pairs (value, tangent), from buffer to buffer: the kernels of `direct.rs` in dual
//! numbers. What else pairs need goes by the rules' words, and so do larger matrices.

use super::Op;
use crate::compiled::Pair;
use crate::record::OpRec;
use crate::store::{Buf, Store};
use crate::{Scalar, Shape};
use pullback_kernels::WithTangent;

/// Pulls the cotangents of the outputs, which nobody asked to keep, to the input. `false`: nothing was done.
#[inline]
pub(crate) fn pull<'a, T: Scalar>(
    step: &OpRec<T>,
    pair: impl Fn(u32) -> (Shape, WithTangent<'a, T>),
    store: &Store<T>,
    base: usize,
    slots: &mut [Option<Pair<T>>],
) -> bool {
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
