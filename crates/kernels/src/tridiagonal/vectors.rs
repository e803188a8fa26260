//! Eigenvectors of `diag(d) + rho z z^T` from the zeros of its secular equation (`secular.rs`).
//!
//! The zeros found are exact for another `z`, which Löwner's formula gives,
//! `rho z_i^2 = prod_j (x_j - d_i) / prod_{j != i} (d_j - d_i)`, and which is `z` to rounding: vectors made with it are
//! orthogonal however close the zeros are (Gu and Eisenstat, SIAM J. Matrix Anal. Appl. 15, 1994).

use num_traits::Float;
use pulp::{Arch, NullaryFnOnce};

use crate::real::Real;
use crate::sums::dot;

/// What the vectors are made of.
#[derive(Debug)]
pub(super) struct Vectors<'a, T> {
    /// The poles in ascending order, as the zeros.
    pub(super) d: &'a [T],
    pub(super) origin: &'a [T],
    pub(super) tau: &'a [T],
    /// The poles in the order of the rows, and their `z`, in place of which those of Löwner's formula come.
    pub(super) packed: &'a [T],
    pub(super) z: &'a mut [T],
    pub(super) rho: T,
}

impl<T: Real> Vectors<'_, T> {
    /// All of them, as columns of `s`.
    pub(super) fn form(self, s: &mut [T]) {
        Arch::new().dispatch(Form { vectors: self, s });
    }

    /// Their products with two rows, in pairs; `s` holds one vector.
    pub(super) fn products(self, rows: [&[T]; 2], s: &mut [T], out: &mut [T]) {
        Arch::new().dispatch(Products { vectors: self, rows, s, out });
    }

    #[inline(always)]
    fn prepare(&mut self) {
        if size_of::<T>() == 8 { self.loewner::<8>() } else { self.loewner::<16>() }
    }

    #[inline(always)]
    fn loewner<const W: usize>(&mut self) {
        for (z, p) in self.z.chunks_mut(W).zip(self.packed.chunks(W)) {
            let (mut product, mut pole) = ([T::one(); W], [p[0]; W]);
            pole[..p.len()].copy_from_slice(p);
            for j in 0..self.d.len() {
                let (d, origin, tau) = (self.d[j], self.origin[j], self.tau[j]);
                for l in 0..W {
                    let (over, under) = ((pole[l] - origin) - tau, pole[l] - d);
                    // Poles differ, so this is the factor of the zero above the pole itself.
                    let under = if under == T::zero() { self.rho } else { under };
                    product[l] *= over / under;
                }
            }
            for (z, product) in z.iter_mut().zip(product) {
                let root = Float::sqrt(Float::abs(product));
                *z = if *z < T::zero() { -root } else { root };
            }
        }
    }

    /// Vector `j`.
    #[inline(always)]
    fn column(&self, j: usize, s: &mut [T]) {
        let (origin, tau) = (self.origin[j], self.tau[j]);
        for (s, (&z, &pole)) in s.iter_mut().zip(self.z.iter().zip(self.packed)) {
            *s = z / ((pole - origin) - tau);
        }
        let scale = T::one() / Float::sqrt(dot(s, s));
        s.iter_mut().for_each(|s| *s *= scale);
    }
}

struct Form<'a, T> {
    vectors: Vectors<'a, T>,
    s: &'a mut [T],
}

impl<T: Real> NullaryFnOnce for Form<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        self.vectors.prepare();
        for (j, s) in self.s.chunks_exact_mut(self.vectors.d.len()).enumerate() {
            self.vectors.column(j, s);
        }
    }
}

struct Products<'a, T> {
    vectors: Vectors<'a, T>,
    rows: [&'a [T]; 2],
    s: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Real> NullaryFnOnce for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        self.vectors.prepare();
        for (j, out) in self.out.chunks_exact_mut(2).enumerate() {
            self.vectors.column(j, self.s);
            for (out, row) in out.iter_mut().zip(self.rows) {
                *out = dot(row, self.s);
            }
        }
    }
}
