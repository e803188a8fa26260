//! The reverse rule of QR over pairs (value, tangent), from buffer to buffer: the small kernel of `direct.rs` in dual numbers.
//! What else pairs need goes by the rules' words, and so does a matrix of more than four columns.

use super::Op;
use super::qr::Qr;
use crate::compiled::Pair;
use crate::store::{Buf, Store};
use crate::tape::OpRec;
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
    let (Op::Qr(Qr), &[a]) = (&step.op, &*step.inputs) else { return false };
    let (Shape { batch, rows: m, cols: n }, _) = pair(a);
    if n == 0 || n > 4 || n > m {
        return false;
    }
    let (_, q) = pair(step.first);
    let (_, r) = pair(step.first + 1);
    let first = step.first as usize - base;
    let (gq, gr) = (slots[first].take(), slots[first + 1].take());
    if gq.is_none() && gr.is_none() {
        return true;
    }
    let zeros = || {
        let mut zeros: Buf<T> = store.take(batch * m * n);
        zeros.fill(T::zero());
        zeros
    };
    let (mut g, dg) = gq.unwrap_or_else(|| (zeros(), None));
    let mut dg = dg.unwrap_or_else(zeros);
    for (b, (g, dg)) in g.chunks_exact_mut(m * n).zip(dg.chunks_exact_mut(m * n)).enumerate() {
        let of = |(x, dx): WithTangent<'a, T>, each: usize| (member(x, b, each), dx.map(|dx| member(dx, b, each)));
        let gr = gr.as_ref().map(|(g, dg)| (member(g, b, n * n), dg.as_ref().map(|dg| member(dg, b, n * n))));
        let done = T::qr_pull_small_pairs([of(q, m * n), of(r, n * n)], m, n, gr, (g, dg));
        debug_assert!(done, "the columns were counted");
    }
    if let Some((g, dg)) = gr {
        store.put(g);
        dg.into_iter().for_each(|dg| store.put(dg));
    }
    give(&mut slots[a as usize - base], (g, dg), store);
    true
}

fn member<T>(x: &[T], b: usize, each: usize) -> &[T] {
    &x[b * each..(b + 1) * each]
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
