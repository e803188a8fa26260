//! Shortcuts of [`Vectors`] where all values and vectors are asked for and none are tied: one kernel instead of the
//! rules in words, which compute what the vectors and the values share once for each
//! (`kernels/src/spectrum/whole.rs` has the formulas). The rules themselves, and all that has to be decided at ties,
//! are in `vectors.rs` and `spectrum.rs`: where anything is out of the ordinary, a shortcut declines and they answer.

use super::vectors::Vectors;
use crate::ops::Arg;
use crate::ops::by_members::try_members;
use crate::ops::direct::{PullPairsStep, PullStep, PushStep, member_of};
use crate::store::{Choice, Store};
use crate::{Scalar, Shape};
use pullback_kernels::{Window, WithTangent};

/// The window, if values and vectors of each member are all there, and apart. With `near`, none may be nearly tied:
/// there the tangents of the values' cotangents have a say (`ties.rs` of the kernels).
fn window<T: Scalar>(op: &Vectors, a: Shape, handle: Arg<'_, T>, store: &Store<T>, near: bool) -> Option<Window> {
    let window = op.frame.of.window(a);
    let plain = op.values && !op.frame.block && window.len == window.n && store.choice() == Choice::Found;
    (plain && (0..a.batch).all(|b| T::separate(window, handle.member(b), near))).then_some(window)
}

/// The tangents of vectors and values.
pub(super) fn push<T: Scalar>(op: &Vectors, p: PushStep<'_, T>) -> bool {
    let (a, handle) = (p.input(0), p.input(1));
    let Some(window) = window(op, a.shape, handle, p.store, false) else { return false };
    let (Some(da), [q, x]) = (p.tangent(0), p.outputs::<2>()) else { return false };
    let (mut dq, mut dx) = (p.store.take(q.data.len()), p.store.take(x.data.len()));
    let each = [q.shape.each(), x.shape.each()];
    let done = try_members(p.store, [&mut dq, &mut dx], each, |b, dq, dx, store| {
        T::push_whole(window, handle.member(b), da.member(b), dq, dx, &mut store.work.borrow_mut())
    });
    if done.is_err() {
        [dq, dx].into_iter().for_each(|x| p.store.put(x));
        return false;
    }
    p.done([dq, dx])
}

/// The cotangent of the matrix. Values alone are left to their rule.
pub(super) fn pull<T: Scalar>(op: &Vectors, mut p: PullStep<'_, T>) -> bool {
    let (a, handle, store) = (p.input(0).shape, p.input(1), p.store);
    let Some(window) = window(op, a, handle, store, false) else { return false };
    let [gq, gx] = p.take_all::<2>();
    let Some(mut gq) = gq else {
        p.put_back([None, gx]);
        return false;
    };
    let mut ga = store.take(a.len());
    let each = [a.each(), window.rows() * window.n];
    // The cotangent is read only: it is lent as the second buffer so that each thread has its members.
    let done = try_members(store, [&mut ga, &mut gq], each, |b, ga, gq, store| {
        let gx = gx.as_ref().map(|gx| &gx[b * window.n..][..window.n]);
        T::pull_whole(window, handle.member(b), gq, gx, ga, &mut store.work.borrow_mut())
    });
    if done.is_err() {
        store.put(ga);
        p.put_back([Some(gq), gx]);
        return false;
    }
    p.give(0, ga);
    [Some(gq), gx].into_iter().flatten().for_each(|x| store.put(x));
    true
}

/// The same over pairs.
pub(super) fn pull_pairs<T: Scalar>(op: &Vectors, mut p: PullPairsStep<'_, T>) -> bool {
    if !op.values {
        return false;
    }
    let ((a, _), (handles, (handle, _)), store) = (p.input(0), p.input(1), p.store);
    let [(_, (_, dq)), (_, (_, dx))] = p.outputs::<2>();
    let [gq, gx] = p.take_all::<2>();
    let near = gx.as_ref().is_some_and(|(_, dgx)| dgx.is_some());
    let handle = Arg { shape: handles, data: handle };
    let (Some(window), Some(g), true) = (window(op, a, handle, store, near), &gq, dq.is_some() == dx.is_some()) else {
        p.put_back([gq, gx]);
        return false;
    };
    let (each, n) = (window.rows() * window.n, window.n);
    let moved = dq.zip(dx);
    let wanted = !p.tangent_only();
    let (mut ga, mut dga) = (store.take(a.len()), store.take(a.len()));
    let done = try_members(store, [&mut ga, &mut dga], [a.each(); 2], |b, ga, dga, store| {
        let moved = moved.map(|(dq, dx)| [&dq[b * each..][..each], &dx[b * n..][..n]]);
        let gx: Option<WithTangent<'_, T>> = gx.as_ref().map(|gx| member_of(gx, b, n));
        let (g, out) = (member_of(g, b, each), (wanted.then_some(ga), dga));
        T::pull_whole_pairs(window, handle.member(b), moved, g, gx, out, &mut store.work.borrow_mut())
    });
    if done.is_err() {
        [ga, dga].into_iter().for_each(|x| store.put(x));
        p.put_back([gq, gx]);
        return false;
    }
    [gq, gx].into_iter().for_each(|g| p.drop(g));
    match wanted {
        true => p.give((ga, dga)),
        false => {
            store.put(ga);
            p.give_tangent(dga)
        }
    }
}
