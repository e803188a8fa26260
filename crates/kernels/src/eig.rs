//! Eigenvalues and eigenvectors of a general real matrix, from its Schur form: packed real columns in normal form, the
//! inverse of their matrix, the order of the eigenvalues, and which of them coincide. Substitution lives in
//! `quasi_vectors.rs`, algebra of packed columns in `columns.rs`.
//!
//! **Packed columns.** A real eigenvalue has one real column. A pair `a ± i b`, `b > 0`, has two, the real and the
//! imaginary part of the vector `v = x_1 + i x_2` of `a + i b`; the other's vector is the conjugate. Then `A X = X D`,
//! where `D` has the real eigenvalues and blocks `[a b; -b a]` on its diagonal. `W = X^{-T}`: from `W^T X = I` the row
//! of `V^{-1}` for `v` is `(w_1 - i w_2)^T / 2`.
//!
//! **Ties.** Rounding moves an eigenvalue by its condition number `k = 1 / |y^H x|` (unit `x`, `y`) times rounding in
//! the matrix (Wilkinson 1965). Eigenvalues that are nearer than that cannot be told from equal ones. Equal ones with
//! moderate condition numbers have as many vectors as there are of them (semisimple): any basis of these is as good as
//! another, and theirs is made biorthogonal. With large ones their vectors are parallel up to rounding: the matrix is
//! defective for all that can be known, the values have half of their digits or fewer, and there are no derivatives.

use crate::complex::Complex;
use crate::quasi_vectors::{eigenvalue, left, right};
use crate::real::{Real, balance, finite, max_abs};
use crate::sums::{dot, norm};
use crate::tolerances::{INVERSE_STEPS, eig_defective, eig_inverse, eig_tie, largest, unit_range};
use crate::{Failure, Workspace};

/// Rows of the notes on the eigenvalues, a column for each packed column.
pub(crate) const NOTES: usize = 6;
/// 0 for a real eigenvalue, 1 and 2 for the columns of a pair.
pub(crate) const KIND: usize = 0;
/// The row of the entry of largest modulus, which is real and positive.
pub(crate) const LARGEST: usize = 1;
/// The place in the order by `(re, im)`; of a pair, first that of `a + i b`, then that of `a - i b`.
pub(crate) const PLACE: usize = 2;
/// The first column of the group of eigenvalues that are tied with this one.
pub(crate) const GROUP: usize = 3;
/// What the group is: one of the four below.
pub(crate) const STATE: usize = 4;
/// The condition number of the eigenvalue.
pub(crate) const CONDITION: usize = 5;

/// Nothing is tied with it.
pub(crate) const SIMPLE: f64 = 0.0;
/// Tied, semisimple, off the real axis.
pub(crate) const TIED: f64 = 1.0;
/// Tied, semisimple, with real eigenvalues or pairs that are real up to rounding.
pub(crate) const TIED_REAL: f64 = 2.0;
/// Defective up to rounding.
pub(crate) const DEFECTIVE: f64 = 3.0;

/// What [`eig`] writes.
pub(crate) struct EigOut<'a, T> {
    /// Packed eigenvalues, `1 x n`: real ones, and `a`, `b` of pairs, in the order of the Schur form.
    pub(crate) values: &'a mut [T],
    /// Packed vectors, `n x n`: unit length, the entry of largest modulus real and positive.
    pub(crate) x: &'a mut [T],
    /// `X^{-T}`. Columns of a defective group have no meaning.
    pub(crate) inverse: &'a mut [T],
    /// `NOTES x n` numbers.
    pub(crate) notes: &'a mut [T],
}

/// `A X = X D` with packed columns, as [`EigOut`] says.
///
/// Errors: entries that are not finite; an iteration that does not converge. Defective matrices are none. Cost: `25
/// n^3` for the Schur form, `7 n^3` for the vectors. Source: Golub and Van Loan 7.6.4; the normal form is LAPACK's.
pub(crate) fn eig<T: Real>(a: &[T], n: usize, out: &mut EigOut<'_, T>, w: &mut Workspace<T>) -> Result<(), Failure> {
    debug_assert!(a.len() == n * n && out.notes.len() == NOTES * n);
    finite(a)?;
    let mut held = w.take(3 * n * n);
    let (schur, area) = held[..3 * n * n].split_at_mut(2 * n * n);
    let done = crate::schur::schur(a, n, schur, w);
    if done.is_ok() && n > 0 {
        let (u, t) = schur.split_at_mut(n * n);
        pack_values(t, n, out);
        order(out.values, out.notes, n);
        // Sizes around one: differences and products of what follows stay in range.
        let scale = balance(max_abs(t), unit_range());
        t.iter_mut().for_each(|x| *x *= scale);
        right(t, n, area);
        left(t, n, out.inverse);
        normalise(n, area, out);
        crate::gemm::gemm(out.x, n, n, n, T::one(), u, false, area, false, false);
        area.copy_from_slice(out.inverse);
        crate::gemm::gemm(out.inverse, n, n, n, T::one(), u, false, area, false, false);
        group(t, n, out.notes);
        separate(n, out);
        polish(n, out, t, area);
        normal_form(n, out);
    }
    w.put(held);
    done
}

/// Packed eigenvalues and the kinds of the columns.
fn pack_values<T: Real>(t: &[T], n: usize, out: &mut EigOut<'_, T>) {
    out.notes.fill(T::zero());
    let mut j = 0;
    while j < n {
        let l = eigenvalue(t, n, j);
        out.values[j] = l.re;
        if l.im == T::zero() {
            j += 1;
            continue;
        }
        out.values[j + 1] = l.im;
        out.notes[KIND + NOTES * j] = T::one();
        out.notes[KIND + NOTES * (j + 1)] = T::of(2.0);
        j += 2;
    }
}

/// The eigenvalue of column `j`; of the second column of a pair, the conjugate.
pub(crate) fn value_at<T: Real>(values: &[T], notes: &[T], j: usize) -> Complex<T> {
    match notes[KIND + NOTES * j].f64() as usize {
        0 => Complex::new(values[j], T::zero()),
        1 => Complex::new(values[j], values[j + 1]),
        _ => Complex::new(values[j - 1], -values[j]),
    }
}

/// Places in the order by real part, then imaginary part: insertion into a list of columns kept in the notes, whose
/// inverse is then taken.
fn order<T: Real>(values: &[T], notes: &mut [T], n: usize) {
    for j in 0..n {
        let z = value_at(values, notes, j);
        let mut i = j;
        while i > 0 {
            let before = notes[GROUP + NOTES * (i - 1)];
            let y = value_at(values, notes, before.f64() as usize);
            if y.re < z.re || (y.re == z.re && y.im <= z.im) {
                break;
            }
            notes[GROUP + NOTES * i] = before;
            i -= 1;
        }
        notes[GROUP + NOTES * i] = T::of(j as f64);
    }
    for place in 0..n {
        let j = notes[GROUP + NOTES * place].f64() as usize;
        notes[PLACE + NOTES * j] = T::of(place as f64);
    }
}

/// How many packed columns the eigenvalue that begins at `j` has; one where notes are not numbers, as after a failure.
pub(crate) fn width<T: Real>(notes: &[T], j: usize) -> usize {
    if notes[KIND + NOTES * j] == T::one() { 2 } else { 1 }
}

/// Vectors `v` of the quasi-triangular matrix of unit length; left vectors `w` with `w^T v = 1`, packed as columns of
/// the inverse `(2 Re w, -2 Im w)`; condition numbers. The product `w^T v` is that of the two blocks at `j`, where
/// alone both vectors have entries, so it is exact to rounding however ill-conditioned the eigenvalue.
fn normalise<T: Real>(n: usize, v: &mut [T], out: &mut EigOut<'_, T>) {
    let mut j = 0;
    while j < n {
        let size = width(out.notes, j);
        let (v, w) = (&mut v[j * n..(j + size) * n], &mut out.inverse[j * n..(j + size) * n]);
        let long = norm(v);
        v.iter_mut().for_each(|x| *x /= long);
        let wide = norm(w);
        w.iter_mut().for_each(|x| *x /= wide);
        let at = |x: &[T], i: usize| Complex::new(x[i], if size == 2 { x[n + i] } else { T::zero() });
        let d = (j..j + size).fold(Complex::new(T::zero(), T::zero()), |d, i| d.plus(at(w, i).times(at(v, i))));
        let condition = T::one() / d.abs();
        let known = condition < T::one() / T::min_positive_value() && condition.is_finite();
        for i in 0..n {
            let z = if known { at(w, i).over(d) } else { Complex::new(T::zero(), T::zero()) };
            w[i] = z.re;
            if size == 2 {
                w[i] = z.re + z.re;
                w[n + i] = -(z.im + z.im);
            }
        }
        let condition = if known { condition.max(T::one()) } else { T::max_value() };
        (0..size).for_each(|k| out.notes[CONDITION + NOTES * (j + k)] = condition);
        j += size;
    }
}

/// Finds the groups of eigenvalues that rounding could make equal, and what each group is.
///
/// First those that are near by the smaller of two condition numbers: members of a cluster that is nearly defective all
/// have large ones, and those of an exact Jordan block say nothing about a well-conditioned eigenvalue at a distance.
/// Then those that a single one of which nothing is known yet could reach.
fn group<T: Real>(t: &[T], n: usize, notes: &mut [T]) {
    let size = norm(t);
    let reach = |k: T| eig_tie::<T>(n, k) * size;
    let mut i = 0;
    while i < n {
        let (own, wide) = (eigenvalue(t, n, i), width(notes, i));
        (i..i + wide).for_each(|k| notes[GROUP + NOTES * k] = T::of(i as f64));
        if wide == 2 && own.im + own.im <= reach(notes[CONDITION + NOTES * i]) {
            (i..i + 2).for_each(|k| notes[STATE + NOTES * k] = T::of(TIED_REAL));
        }
        i += wide;
    }
    for first in [true, false] {
        let mut i = 0;
        while i < n {
            let own = eigenvalue(t, n, i);
            let mut j = 0;
            while j < i {
                let (ki, kj) = (notes[CONDITION + NOTES * i], notes[CONDITION + NOTES * j]);
                let single = |j: usize, k: T| if notes[STATE + NOTES * j] == T::of(SIMPLE) { k } else { T::one() };
                let k = if first { ki.min(kj) } else { single(i, ki).max(single(j, kj)) };
                if own.minus(eigenvalue(t, n, j)).abs() <= reach(k) {
                    join(notes, n, i, j);
                }
                j += width(notes, j);
            }
            i += width(notes, i);
        }
    }
    (0..n).for_each(|j| judge(notes, n, j));
}

/// Makes one group of those of `i` and `j`.
fn join<T: Real>(notes: &mut [T], n: usize, i: usize, j: usize) {
    let (a, b) = (notes[GROUP + NOTES * i], notes[GROUP + NOTES * j]);
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    let real = |k: usize| width(notes, k) == 1 || notes[STATE + NOTES * k] == T::of(TIED_REAL);
    let state = T::of(if real(i) || real(j) { TIED_REAL } else { TIED });
    for k in 0..n {
        if notes[GROUP + NOTES * k] == low || notes[GROUP + NOTES * k] == high {
            notes[GROUP + NOTES * k] = low;
            notes[STATE + NOTES * k] = state.max(notes[STATE + NOTES * k]);
        }
    }
}

/// The state of the group that begins at `j`, once it is complete: of its members the most.
fn judge<T: Real>(notes: &mut [T], n: usize, j: usize) {
    if notes[GROUP + NOTES * j] != T::of(j as f64) || notes[STATE + NOTES * j] == T::of(SIMPLE) {
        return;
    }
    let mut state = T::zero();
    for k in j..n {
        if notes[GROUP + NOTES * k] == T::of(j as f64) {
            let defective = notes[CONDITION + NOTES * k] > eig_defective::<T>();
            state = state.max(if defective { T::of(DEFECTIVE) } else { notes[STATE + NOTES * k] });
        }
    }
    for k in j..n {
        if notes[GROUP + NOTES * k] == T::of(j as f64) {
            notes[STATE + NOTES * k] = state;
        }
    }
}

/// Makes the vectors of each semisimple group biorthogonal, by the two-sided process of Gram and Schmidt on real
/// columns: `W^T X` is the identity between different eigenvalues already, and inside a group all combinations are
/// vectors.
fn separate<T: Real>(n: usize, out: &mut EigOut<'_, T>) {
    for j in 0..n {
        let (group, state) = (out.notes[GROUP + NOTES * j], out.notes[STATE + NOTES * j]);
        if state == T::of(SIMPLE) || state == T::of(DEFECTIVE) {
            continue;
        }
        for i in 0..j {
            if out.notes[GROUP + NOTES * i] != group {
                continue;
            }
            let (xi, xj) = two_columns(out.x, n, i, j);
            let (wi, wj) = two_columns(out.inverse, n, i, j);
            crate::wide::flat::axpy(-dot(wi, xj), xi, xj);
            crate::wide::flat::axpy(-dot(xi, wj), wi, wj);
        }
        let (x, w) = (&mut out.x[j * n..(j + 1) * n], &mut out.inverse[j * n..(j + 1) * n]);
        let d = dot(x, w);
        w.iter_mut().for_each(|y| *y /= d);
        if !crate::sums::all_finite(w) {
            w.fill(T::zero());
            mark(out.notes, n, group);
        }
    }
}

/// Makes `W` the inverse of the `X` that there is: `W <- W (I - E)`, `E = X^T W - I`, squares the error (Schulz 1933).
/// Vectors of eigenvalues at a distance `d` have errors of rounding over `d`, those of `W` and of `X` their own; what a
/// program that treats near eigenvalues alike sees is `W X^T` over them, which then loses nothing. Defective columns
/// are left alone.
fn polish<T: Real>(n: usize, out: &mut EigOut<'_, T>, e: &mut [T], old: &mut [T]) {
    for _ in 0..INVERSE_STEPS {
        crate::gemm::gemm(e, n, n, n, T::one(), out.x, true, out.inverse, false, false);
        let bad = |j: usize| out.notes[STATE + NOTES * j] == T::of(DEFECTIVE);
        let mut done = true;
        for j in 0..n {
            let allowed = eig_inverse::<T>(n) * out.notes[CONDITION + NOTES * j];
            for (i, x) in e[j * n..(j + 1) * n].iter_mut().enumerate() {
                *x = if bad(i) || bad(j) { T::zero() } else { *x - if i == j { T::one() } else { T::zero() } };
                done &= num_traits::Float::abs(*x) <= allowed;
            }
        }
        if done {
            return;
        }
        old.copy_from_slice(out.inverse);
        crate::gemm::gemm(out.inverse, n, n, n, -T::one(), old, false, e, false, true);
    }
}

/// Columns `i < j`.
fn two_columns<T>(a: &mut [T], n: usize, i: usize, j: usize) -> (&mut [T], &mut [T]) {
    let (head, tail) = a.split_at_mut(j * n);
    (&mut head[i * n..(i + 1) * n], &mut tail[..n])
}

/// The group turned out to be defective.
fn mark<T: Real>(notes: &mut [T], n: usize, group: T) {
    for k in 0..n {
        if notes[GROUP + NOTES * k] == group {
            notes[STATE + NOTES * k] = T::of(DEFECTIVE);
        }
    }
}

/// Unit columns whose entry of largest modulus (the first of those that are equally large) is real and positive. What
/// multiplies the vector divides the row of the inverse: `v c` and `w^T / c`, in packed columns of the inverse `w /
/// conj(c)`.
fn normal_form<T: Real>(n: usize, out: &mut EigOut<'_, T>) {
    let mut j = 0;
    while j < n {
        let size = width(out.notes, j);
        let (x, w) = (&mut out.x[j * n..(j + size) * n], &mut out.inverse[j * n..(j + size) * n]);
        let long = norm(x);
        let at = |x: &[T], i: usize| Complex::new(x[i], if size == 2 { x[n + i] } else { T::zero() });
        let most = (0..n).fold(T::zero(), |m, i| m.max(at(x, i).abs()));
        let enough = most * (T::one() - largest::<T>());
        let k = (0..n).find(|&i| at(x, i).abs() >= enough).unwrap_or(0);
        let entry = at(x, k);
        let turn = entry.conj().scaled(T::one() / entry.abs());
        for i in 0..n {
            let (v, y) = (at(x, i).times(turn).scaled(T::one() / long), at(w, i).times(turn).scaled(long));
            (x[i], w[i]) = (v.re, y.re);
            if size == 2 {
                (x[n + i], w[n + i]) = (v.im, y.im);
            }
        }
        if size == 2 {
            x[n + k] = T::zero();
        }
        (0..size).for_each(|c| out.notes[LARGEST + NOTES * (j + c)] = T::of(k as f64));
        j += size;
    }
}
