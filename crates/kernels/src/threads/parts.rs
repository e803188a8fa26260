//! How work is cut into parts, and when that is worth it. Who computes the parts is said in `mod.rs`.

use super::{COUNT, HERE};

/// Work that costs less than sharing it, in entries that are read or written, for what passes over entries once.
pub(super) const FEW_ENTRIES: usize = 1 << 15;
/// The same for what works with each entry many times, such as a factorisation of each member.
pub(super) const FEW_WORKED: usize = 1 << 12;
/// The same in multiplications of a product.
pub(super) const FEW_MULTIPLICATIONS: usize = 1 << 18;

/// How large a piece of work is.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    /// Entries of which each is read or written once.
    Entries(usize),
    /// Entries of which each takes part in many operations.
    Worked(usize),
    /// Multiplications of a product.
    Multiplications(usize),
}

/// In how many parts work of this size is to be done here: 1 where nobody asked for threads or it is too small.
#[inline(always)]
pub fn parts(size: Size) -> usize {
    if alone() { 1 } else { worthwhile(size, COUNT.get()) }
}

/// Did nobody ask for threads here?
#[inline(always)]
pub(crate) fn alone() -> bool {
    COUNT.get() == 1
}

#[cold]
fn worthwhile(size: Size, count: usize) -> usize {
    let enough = match size {
        Size::Entries(n) => n >= FEW_ENTRIES,
        Size::Worked(n) => n >= FEW_WORKED,
        Size::Multiplications(n) => n >= FEW_MULTIPLICATIONS,
    };
    if enough || HERE.with_borrow(|t| t.as_ref().is_some_and(|t| t.always)) { count } else { 1 }
}

/// Runs `work` on every part, with the threads that were asked for here.
pub fn share<P: Send>(parts: impl IntoIterator<Item = P>, work: impl Fn(P) + Sync) {
    match HERE.with_borrow(Clone::clone) {
        Some(threads) => threads.share(parts.into_iter(), work),
        None => parts.into_iter().for_each(work),
    }
}

/// The length of each of at most `parts` pieces of `n` things: multiples of `unit`, but for the last.
pub fn piece(n: usize, parts: usize, unit: usize) -> usize {
    n.div_ceil(parts.max(1)).next_multiple_of(unit.max(1)).max(1)
}

/// `work` on the same piece of `x` and of `y`, which have the same length.
#[inline(always)]
pub(crate) fn by_entries<T: Sync + Send>(x: &[T], y: &mut [T], work: impl Fn(&[T], &mut [T]) + Sync) {
    if x.len() < PIECE { work(x, y) } else { by_many_entries(x, y, work) }
}

/// [`by_entries`] of a list that may have several pieces. A function of its own that nothing follows: the frame of a
/// call would cost a short list more than the work.
#[inline(never)]
fn by_many_entries<T: Sync + Send>(x: &[T], y: &mut [T], work: impl Fn(&[T], &mut [T]) + Sync) {
    if alone() { work(x, y) } else { share_entries(x, y, work) }
}

#[cold]
#[inline(never)]
fn share_entries<T: Sync + Send>(x: &[T], y: &mut [T], work: impl Fn(&[T], &mut [T]) + Sync) {
    match parts(Size::Entries(y.len())) {
        1 => work(x, y),
        k => {
            let len = piece(y.len(), k, PIECE);
            share(x.chunks(len).zip(y.chunks_mut(len)), |(x, y)| work(x, y));
        }
    }
}

/// [`by_entries`] with two inputs.
#[inline(always)]
pub(crate) fn by_entries_of_two<T: Sync + Send>(
    a: &[T],
    b: &[T],
    y: &mut [T],
    work: impl Fn(&[T], &[T], &mut [T]) + Sync,
) {
    if a.len() < PIECE { work(a, b, y) } else { by_many_entries_of_two(a, b, y, work) }
}

#[inline(never)]
fn by_many_entries_of_two<T: Sync + Send>(a: &[T], b: &[T], y: &mut [T], work: impl Fn(&[T], &[T], &mut [T]) + Sync) {
    if alone() { work(a, b, y) } else { share_entries_of_two(a, b, y, work) }
}

#[cold]
#[inline(never)]
fn share_entries_of_two<T: Sync + Send>(a: &[T], b: &[T], y: &mut [T], work: impl Fn(&[T], &[T], &mut [T]) + Sync) {
    match parts(Size::Entries(y.len())) {
        1 => work(a, b, y),
        k => {
            let len = piece(y.len(), k, PIECE);
            share(a.chunks(len).zip(b.chunks(len)).zip(y.chunks_mut(len)), |((a, b), y)| work(a, b, y));
        }
    }
}

/// Pieces of entries are multiples of this many, so that no cache line is written by two threads.
const PIECE: usize = 64;
