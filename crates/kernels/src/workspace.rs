//! Scratch memory that grows and never shrinks, so that the steady state of every kernel allocates nothing.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};

/// Scratch memory of the kernels. One per tape; its contents mean nothing between calls.
pub struct Workspace<T> {
    stack: MemBuffer,
    held: StackReq,
    /// Slices lent to the innermost kernel, and slices taken by a kernel that calls another.
    inner: Vec<T>,
    outer: Vec<T>,
    index: Vec<usize>,
}

impl<T> Default for Workspace<T> {
    fn default() -> Self {
        let held = StackReq::EMPTY;
        Self { stack: MemBuffer::new(held), held, inner: Vec::new(), outer: Vec::new(), index: Vec::new() }
    }
}

impl<T> core::fmt::Debug for Workspace<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Workspace").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl<T> Workspace<T> {
    /// Bytes that it holds.
    pub fn bytes(&self) -> usize {
        let numbers = size_of::<T>() * (self.inner.capacity() + self.outer.capacity());
        self.held.size_bytes() + numbers + size_of::<usize>() * self.index.capacity()
    }
}

impl<T: Copy + Default> Workspace<T> {
    /// Lends faer's stack, `K` slices of the given lengths (contents arbitrary) and `indices` index slots.
    pub(crate) fn lend<const K: usize>(
        &mut self,
        need: StackReq,
        lengths: [usize; K],
        indices: usize,
    ) -> (&mut MemStack, [&mut [T]; K], &mut [usize]) {
        if need.size_bytes() > self.held.size_bytes() || need.align_bytes() > self.held.align_bytes() {
            self.held = self.held.or(need);
            self.stack = MemBuffer::new(self.held);
        }
        if self.index.len() < indices {
            self.index.resize(indices, 0);
        }
        let slices = split(&mut self.inner, lengths);
        (MemStack::new(&mut self.stack), slices, &mut self.index[..indices])
    }

    /// Lends `K` slices only.
    pub(crate) fn slices<const K: usize>(&mut self, lengths: [usize; K]) -> [&mut [T]; K] {
        split(&mut self.inner, lengths)
    }

    /// Takes a buffer of at least `len` out, for a kernel that calls another; it must come back by [`Self::put`].
    pub(crate) fn take(&mut self, len: usize) -> Vec<T> {
        let mut v = core::mem::take(&mut self.outer);
        if v.len() < len {
            v.resize(len, T::default());
        }
        v
    }

    /// Returns what [`Self::take`] gave.
    pub(crate) fn put(&mut self, v: Vec<T>) {
        self.outer = v;
    }
}

fn split<T: Copy + Default, const K: usize>(pool: &mut Vec<T>, lengths: [usize; K]) -> [&mut [T]; K] {
    let total = lengths.iter().sum();
    if pool.len() < total {
        pool.resize(total, T::default());
    }
    let mut rest = pool.as_mut_slice();
    lengths.map(|k| {
        let (head, tail) = core::mem::take(&mut rest).split_at_mut(k);
        rest = tail;
        head
    })
}
