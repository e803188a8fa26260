//! The pseudo-inverse of a matrix of known rank, from orthogonal factors.
//!
//! `A = Q T Z^T` with orthonormal `Q` (`m x r`) and `Z` (`n x r`) and a regular triangle `T`, so `A^+ = Z T^{-1} Q^T`.
//! With full column rank `Z` is the identity and is left out (`A = Q R`, `T = R`). With full row rank `Q` is left out
//! (`A^T = Z R`, `T = R^T`). In between, pivoting puts `r` independent columns first, `A P = Q [U W]` with `Q U` their
//! QR; the QR of `[U W]^T` is `P^T Z R`, and `T = R^T` again. The handle is the column of what there is of `Q`, `R`,
//! `Z`.

use num_traits::Float;

use crate::real::{Real, finite};
use crate::tolerances::vanishing;
use crate::triangular::solve;
use crate::{Failure, Scalar, Triangle, Workspace};

/// Sizes and rank of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Least {
    /// Rows.
    pub m: usize,
    /// Columns.
    pub n: usize,
    /// The rank, at most the smaller.
    pub r: usize,
}

impl Least {
    /// Entries of `Q`, `R`, `Z` in a handle.
    fn parts(self) -> [usize; 3] {
        let Least { m, n, r } = self;
        [if r == n || r < m { m * r } else { 0 }, r * r, if r == n { 0 } else { n * r }]
    }

    /// The length of a handle.
    #[must_use]
    pub fn len(self) -> usize {
        self.parts().iter().sum()
    }

    /// Is there nothing to hold?
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn split<T>(self, handle: &[T]) -> (&[T], &[T], &[T]) {
        let [q, r, _] = self.parts();
        (&handle[..q], &handle[q..q + r], &handle[q + r..])
    }
}

/// Factorises a matrix of the given rank.
pub(crate) fn factor<T: Real>(a: &[T], s: Least, handle: &mut [T], w: &mut Workspace<T>) -> Result<(), Failure> {
    let Least { m, n, r } = s;
    debug_assert!(a.len() == m * n && handle.len() == s.len() && r <= m.min(n));
    let [lq, lr, _] = s.parts();
    let (q, rest) = handle.split_at_mut(lq);
    let (t, z) = rest.split_at_mut(lr);
    if r == n {
        return crate::qr::qr_thin(a, m, n, q, t, w);
    }
    // Checked here, so that a failure names the entry of `A` also where its transpose is factorised.
    finite(a)?;
    // A copy of `A`; the order of its columns and the pivots; `[U W]^T`, its orthonormal factor, and `W`.
    let lengths = [m * n, n, m.min(n), n * r, n * r, r * (n - r)];
    let mut buffer = w.take(lengths.iter().sum());
    let mut rest = buffer.as_mut_slice();
    let slices = lengths.map(|k| {
        let (head, tail) = core::mem::take(&mut rest).split_at_mut(k);
        rest = tail;
        head
    });
    let done = if r == m {
        crate::elementwise::transpose(a, m, n, slices[0]);
        crate::qr::qr_thin(slices[0], n, m, z, t, w)
    } else {
        between(a, s, q, t, z, slices, w)
    };
    w.put(buffer);
    done
}

/// The rank is below both sizes.
fn between<T: Real>(
    a: &[T],
    Least { m, n, r }: Least,
    q: &mut [T],
    t: &mut [T],
    z: &mut [T],
    [b, p, d, u, factor, inner]: [&mut [T]; 6],
    w: &mut Workspace<T>,
) -> Result<(), Failure> {
    crate::pivots::pivots(a, m, n, p, d, w)?;
    let at = |j: usize| Scalar::f64(p[j]) as usize;
    for j in 0..n {
        b[j * m..(j + 1) * m].copy_from_slice(&a[at(j) * m..(at(j) + 1) * m]);
    }
    crate::qr::qr_thin(&b[..m * r], m, r, q, t, w).map_err(|f| match f {
        Failure::RankDeficient { index, ratio } => Failure::RankDeficient { index: at(index), ratio },
        f => f,
    })?;
    // `[U W]^T`, one block below the other, then what is left of the other columns.
    let rest = &mut b[m * r..];
    for j in 0..r {
        for i in 0..r {
            u[i + j * n] = t[j + i * r];
        }
    }
    let k = n - r;
    crate::gemm::gemm(inner, r, k, m, T::one(), q, true, rest, false, false);
    for j in 0..k {
        (0..r).for_each(|i| u[r + j + i * n] = inner[i + j * r]);
    }
    crate::gemm::gemm(rest, m, k, r, -T::one(), q, false, inner, false, true);
    let (left, whole) = (crate::sums::norm(rest), crate::sums::norm(a));
    if Float::is_nan(left) || left > vanishing::<T>(m.max(n)) * whole {
        return Err(Failure::NotDifferentiable { what: "the rank is larger than stated" });
    }
    crate::qr::qr_thin(u, n, r, factor, t, w)?;
    for j in 0..r {
        (0..n).for_each(|i| z[at(i) + j * n] = factor[i + j * n]);
    }
    Ok(())
}

/// `X = A^+ B` (`B` is `m x k`), or with `transpose` `A^{+T} B` (`B` is `n x k`).
pub(crate) fn apply<T: Real>(
    handle: &[T],
    s: Least,
    transpose: bool,
    b: &[T],
    k: usize,
    x: &mut [T],
    w: &mut Workspace<T>,
) {
    let Least { m, n, r } = s;
    let (q, t, z) = s.split(handle);
    // From the left factor's side to the right one's; an absent factor is the identity.
    let ((from, rows), (to, size)) = if transpose { ((z, n), (q, m)) } else { ((q, m), (z, n)) };
    debug_assert!(b.len() == rows * k && x.len() == size * k);
    if r == 0 {
        return x.fill(T::zero());
    }
    let mut buffer = w.take(r * k);
    let y = &mut buffer[..r * k];
    match from.is_empty() {
        true => y.copy_from_slice(b),
        false => crate::gemm::gemm(y, r, k, rows, T::one(), from, true, b, false, false),
    }
    // `T` is `R` with full column rank, `R^T` otherwise.
    let how = Triangle { transpose: transpose == (r == n), ..Triangle::UPPER };
    solve(t, how, y, r, k);
    match to.is_empty() {
        true => x.copy_from_slice(y),
        false => crate::gemm::gemm(x, size, k, r, T::one(), to, false, y, false, false),
    }
    w.put(buffer);
}
