//! What every merge of two solved blocks does with numbers: scaling, deflation, the secular equation, the new values
//! and their order. What becomes of the vectors is for `mod.rs`, or for `values.rs`, which keeps two rows of them.

use num_traits::Float;

use super::deflate::{BOTH, BOTTOM, Halves, TOP};
use super::secular::Secular;
use super::vectors::Vectors;
use crate::Failure;
use crate::real::{Real, balance, max_abs};
use crate::tolerances::unit_range;

/// Lists of numbers, as long as the block, that a merge needs.
pub(super) const LISTS: usize = 8;
/// Lists of indices.
pub(super) const INDICES: usize = 4;

/// A merge of a block of order `m`, whose first `upper` columns are those of the first half.
#[derive(Debug)]
pub(super) struct Merge<'a, T> {
    pub(super) m: usize,
    pub(super) upper: usize,
    /// How many columns take part in the secular equation; how many of them are not zero in the upper rows only, and
    /// in both.
    pub(super) k: usize,
    pub(super) top: usize,
    pub(super) both: usize,
    scale: T,
    rho: T,
    d: &'a mut [T],
    z: &'a mut [T],
    poles: &'a mut [T],
    weights: &'a mut [T],
    packed: &'a mut [T],
    loewner: &'a mut [T],
    origin: &'a mut [T],
    tau: &'a mut [T],
    sorted: &'a mut [usize],
    kind: &'a mut [usize],
    /// The columns that take part by ascending pole, then the others.
    pub(super) kept: &'a mut [usize],
    /// The rows of the vectors, as places in `kept`, grouped by kind.
    pub(super) place: &'a mut [usize],
}

impl<'a, T: Real> Merge<'a, T> {
    /// Of blocks with these `values`; `z(j)` is the entry of vector `j` at the coupling.
    pub(super) fn new(
        upper: usize,
        values: &[T],
        coupling: T,
        z: impl Fn(usize) -> T,
        numbers: &'a mut [T],
        indices: &'a mut [usize],
    ) -> Self {
        let m = values.len();
        let [d, z_list, poles, weights, packed, loewner, origin, tau] = lists(numbers, m);
        let [sorted, kind, kept, place] = lists(indices, m);
        // A scale at which squares and their reciprocals are far from over- and underflow.
        let scale = balance(Float::max(max_abs(values), Float::abs(coupling)), unit_range());
        for j in 0..m {
            d[j] = values[j] * scale;
            kind[j] = if j < upper { TOP } else { BOTTOM };
            // Rows of orthogonal matrices: z has length 1.
            let sign = if j < upper { T::one() } else { Float::signum(coupling) };
            z_list[j] = sign * z(j) * T::of(core::f64::consts::FRAC_1_SQRT_2);
        }
        let rho = T::of(2.0) * Float::abs(coupling) * scale;
        let (k, top, both, z) = (0, 0, 0, z_list);
        Self {
            m,
            upper,
            k,
            top,
            both,
            scale,
            rho,
            d,
            z,
            poles,
            weights,
            packed,
            loewner,
            origin,
            tau,
            sorted,
            kind,
            kept,
            place,
        }
    }

    /// Deflates and solves the equation; `order` has the columns of each half by ascending value, and `turn` turns two.
    pub(super) fn solve(&mut self, order: &[usize], turn: impl FnMut(usize, usize, T, T)) -> Result<(), Failure> {
        merged(order, self.upper, self.d, self.sorted);
        let (m, rho) = (self.m, self.rho);
        let mut halves = Halves { m, d: self.d, z: self.z, rho, sorted: self.sorted, kind: self.kind };
        let k = halves.split(self.kept, turn);
        self.k = k;
        if k == 0 {
            return Ok(());
        }
        for (j, &column) in self.kept[..k].iter().enumerate() {
            (self.poles[j], self.weights[j]) = (self.d[column], self.z[column]);
        }
        self.group();
        for (r, &j) in self.place[..k].iter().enumerate() {
            (self.packed[r], self.loewner[r]) = (self.poles[j], self.weights[j]);
        }
        let (d, z) = (&self.poles[..k], &self.weights[..k]);
        let done = Secular { d, z, rho, origin: &mut self.origin[..k], tau: &mut self.tau[..k] }.solve();
        if done { Ok(()) } else { Err(Failure::NoConvergence) }
    }

    /// Groups the rows of the vectors by kind.
    fn group(&mut self) {
        let mut counts = [0; 3];
        for group in [TOP, BOTH, BOTTOM] {
            let done = counts.iter().sum::<usize>();
            let (kind, kept) = (&*self.kind, &*self.kept);
            let members = (0..self.k).filter(|&j| kind[kept[j]] == group);
            self.place[done..].iter_mut().zip(members).for_each(|(place, j)| {
                *place = j;
                counts[group] += 1;
            });
        }
        (self.top, self.both) = (counts[TOP], counts[BOTH]);
    }

    /// What the vectors are made of.
    pub(super) fn vectors(&mut self) -> Vectors<'_, T> {
        let k = self.k;
        Vectors {
            d: &self.poles[..k],
            origin: &self.origin[..k],
            tau: &self.tau[..k],
            packed: &self.packed[..k],
            z: &mut self.loewner[..k],
            rho: self.rho,
        }
    }

    /// The new values, zeros first, then those that did not take part, and their order. If none took part, no column
    /// has moved.
    pub(super) fn finish(self, values: &mut [T], order: &mut [usize]) {
        let k = self.k;
        if k == 0 {
            values.iter_mut().zip(&*self.d).for_each(|(x, &d)| *x = d / self.scale);
            order.copy_from_slice(self.kept);
            return;
        }
        for (j, x) in values.iter_mut().enumerate() {
            *x = if j < k { self.origin[j] + self.tau[j] } else { self.d[self.kept[j]] } / self.scale;
        }
        order.iter_mut().enumerate().for_each(|(i, x)| *x = if i < k { i } else { i - k });
        merged(order, k, values, self.sorted);
        order.copy_from_slice(self.sorted);
    }
}

/// `K` lists of `m` entries.
fn lists<T, const K: usize>(pool: &mut [T], m: usize) -> [&mut [T]; K] {
    let mut rest = pool;
    core::array::from_fn(|_| {
        let (head, tail) = core::mem::take(&mut rest).split_at_mut(m);
        rest = tail;
        head
    })
}

/// Columns by ascending `d`, from those of each half in this order; the second half counts from `upper` on.
fn merged<T: Real>(order: &[usize], upper: usize, d: &[T], out: &mut [usize]) {
    let mut first = order[..upper].iter().copied().peekable();
    let mut second = order[upper..].iter().map(|i| i + upper).peekable();
    for x in out {
        let one = match (first.peek(), second.peek()) {
            (Some(&i), Some(&j)) => d[i] <= d[j],
            (i, _) => i.is_some(),
        };
        *x = if one { first.next() } else { second.next() }.unwrap_or_default();
    }
}
