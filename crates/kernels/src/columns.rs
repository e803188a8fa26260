//! Algebra of packed columns: complex columns kept as real ones, and what rules for eigenvectors do with them. The
//! packing, and the notes that say which columns are real, are those of `eig.rs`; rules live elsewhere.
//!
//! A packed row `c` stands for the block diagonal matrix `D(c)` with numbers `c_j` and blocks `[a b; -b a]`, which
//! commute as complex numbers `a + i b` do; `X D(c)` is the column `x_1 + i x_2` times `a + i b`, packed again. Every
//! real matrix `P` splits in the same way on both sides: with `K = diag(1, -1)`, a block is `D(s) + K D(t)`, and
//! `D(c)^T = K D(c) K`.

use crate::Failure;
use crate::complex::Complex;
use crate::eig::{
    CONDITION, DEFECTIVE, GROUP, KIND, LARGEST, NOTES, PLACE, SIMPLE, STATE, TIED, TIED_REAL, value_at, width,
};
use crate::real::{Real, max_abs};
use crate::sums::{dot, norm};
use crate::tolerances::{NEAR_TIE_ROUNDING, gauge};

/// What to do with packed columns. Shapes are `m x n` for columns and `1 x n` for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnOp {
    /// `X D(c)` from `X` and the row `c`, or `X D(c)^T`.
    Turn {
        /// Transposed: by conjugate numbers.
        conj: bool,
    },
    /// The row of `x^H u` of columns of `X` and `U`, or its conjugate: the adjoint of `Turn` in `c`.
    Dots {
        /// Conjugated.
        conj: bool,
    },
    /// Columns of pairs halved.
    Half,
    /// Imaginary columns set to zero.
    Real,
    /// All but imaginary columns set to zero.
    Imaginary,
    /// The row of entries at the places of largest modulus; `real`: their real parts, in both slots of a pair.
    Pick {
        /// Of real parts.
        real: bool,
    },
    /// The adjoint of `Pick`.
    Place {
        /// Of real parts.
        real: bool,
    },
    /// Real or imaginary parts of all `n` complex columns, in their order.
    Unpack {
        /// Imaginary parts.
        im: bool,
    },
    /// The adjoint of `Unpack`.
    Pack {
        /// Of imaginary parts.
        im: bool,
    },
    /// `Z` with `Z D(l) - D(l) Z = P` off the diagonal of the complex form, zero on it and between tied eigenvalues,
    /// from the row `l` and the `n x n` matrix `P`; or of the transposed equation, the adjoint in `P`.
    Quotient {
        /// Transposed.
        conj: bool,
    },
    /// The row with the eigenvalue of largest modulus alone, from the rows `l` and `c`: `c` there, zero elsewhere.
    Leading,
}

/// What a verdict is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A packed row of cotangents of eigenvalues: equal weights where eigenvalues are tied.
    Weights,
    /// Columns of cotangents of vectors: zero where eigenvalues are tied.
    Vectors,
}

/// The complex entry `i` of column `j` of `m` rows.
#[inline(always)]
fn get<T: Real>(x: &[T], m: usize, j: usize, size: usize, i: usize) -> Complex<T> {
    Complex::new(x[i + j * m], if size == 2 { x[i + (j + 1) * m] } else { T::zero() })
}

#[inline(always)]
fn set<T: Real>(x: &mut [T], m: usize, j: usize, size: usize, i: usize, z: Complex<T>) {
    x[i + j * m] = z.re;
    if size == 2 {
        x[i + (j + 1) * m] = z.im;
    }
}

#[inline(always)]
fn conj_if<T: Real>(c: bool, z: Complex<T>) -> Complex<T> {
    if c { z.conj() } else { z }
}

/// Visits the eigenvalues: the first packed column and the number of them.
#[inline(always)]
fn each<T: Real>(notes: &[T], mut f: impl FnMut(usize, usize)) {
    let (n, mut j) = (notes.len() / NOTES, 0);
    while j < n {
        let size = width(notes, j);
        f(j, size);
        j += size;
    }
}

fn note<T: Real>(notes: &[T], row: usize, j: usize) -> usize {
    notes[row + NOTES * j].f64() as usize
}

/// Runs `op` on packed columns of `m` rows. Cost: a pass.
pub(crate) fn apply<T: Real>(op: ColumnOp, notes: &[T], m: usize, x: &[&[T]], out: &mut [T]) {
    match op {
        ColumnOp::Turn { conj } => each(notes, |j, size| {
            let c = conj_if(conj, get(x[1], 1, j, size, 0));
            (0..m).for_each(|i| set(out, m, j, size, i, get(x[0], m, j, size, i).times(c)));
        }),
        ColumnOp::Dots { conj } => each(notes, |j, size| {
            let z = conj_if(conj, inner(x[0], x[1], m, j, size));
            set(out, 1, j, size, 0, z);
        }),
        ColumnOp::Half | ColumnOp::Real | ColumnOp::Imaginary => {
            out.copy_from_slice(x[0]);
            each(notes, |j, size| part(op, &mut out[j * m..(j + size) * m], m));
        }
        ColumnOp::Pick { real } => each(notes, |j, size| {
            let z = get(x[0], m, j, size, note(notes, LARGEST, j));
            set(out, 1, j, size, 0, if real { Complex::new(z.re, z.re) } else { z });
        }),
        ColumnOp::Place { real } => {
            out.fill(T::zero());
            each(notes, |j, size| {
                let z = get(x[0], 1, j, size, 0);
                let z = if real { Complex::new(z.re + z.im, T::zero()) } else { z };
                set(out, m, j, size, note(notes, LARGEST, j), z);
            });
        }
        ColumnOp::Unpack { im } => unpack(im, notes, m, x[0], out),
        ColumnOp::Pack { im } => pack(im, notes, m, x[0], out),
        ColumnOp::Quotient { conj } => quotient(conj, notes, x[0], x[1], out),
        ColumnOp::Leading => {
            out.fill(T::zero());
            if let Some((j, size)) = leading(notes, x[0]) {
                out[j..j + size].copy_from_slice(&x[1][j..j + size]);
            }
        }
    }
}

/// `x^H u` of one complex column.
fn inner<T: Real>(x: &[T], u: &[T], m: usize, j: usize, size: usize) -> Complex<T> {
    let d = |k: usize, l: usize| dot(&x[(j + k) * m..(j + k + 1) * m], &u[(j + l) * m..(j + l + 1) * m]);
    if size == 1 {
        return Complex::new(d(0, 0), T::zero());
    }
    Complex::new(d(0, 0) + d(1, 1), d(0, 1) - d(1, 0))
}

/// The three diagonal operations on the packed columns of one eigenvalue.
fn part<T: Real>(op: ColumnOp, x: &mut [T], m: usize) {
    let (re, im) = x.split_at_mut(m);
    match op {
        ColumnOp::Half if !im.is_empty() => {
            re.iter_mut().chain(im).for_each(|x| *x *= T::of(0.5));
        }
        ColumnOp::Real => im.fill(T::zero()),
        ColumnOp::Imaginary => re.fill(T::zero()),
        _ => {}
    }
}

fn unpack<T: Real>(im: bool, notes: &[T], m: usize, x: &[T], out: &mut [T]) {
    each(notes, |j, size| {
        for k in 0..size {
            let p = note(notes, PLACE, j + k);
            let from = &x[(j + usize::from(im)).min(j + size - 1) * m..][..m];
            let to = &mut out[p * m..(p + 1) * m];
            match (size, im, k) {
                // Real eigenvalues stay real; what of them does not exist has no imaginary part either.
                (1, true, _) => {
                    to.iter_mut().zip(from).for_each(|(y, x)| *y = if x.is_nan() { *x } else { T::zero() });
                }
                (_, true, 1) => to.iter_mut().zip(from).for_each(|(y, x)| *y = -*x),
                _ => to.copy_from_slice(from),
            }
        }
    });
}

fn pack<T: Real>(im: bool, notes: &[T], m: usize, g: &[T], out: &mut [T]) {
    out.fill(T::zero());
    each(notes, |j, size| {
        let at = |k: usize| &g[note(notes, PLACE, j + k) * m..][..m];
        match (size, im) {
            (1, false) => out[j * m..(j + 1) * m].copy_from_slice(at(0)),
            // A simple real eigenvalue stays real. Coinciding ones may become a pair, so their imaginary parts have
            // kinks.
            (1, true) => {
                if notes[STATE + NOTES * j] != T::of(SIMPLE) && at(0).iter().any(|g| *g != T::zero()) {
                    out[j * m..(j + 1) * m].fill(T::nan());
                }
            }
            (_, false) => crate::wide::flat::lincomb(T::one(), at(0), T::one(), at(1), &mut out[j * m..(j + 1) * m]),
            (_, true) => {
                crate::wide::flat::lincomb(T::one(), at(0), -T::one(), at(1), &mut out[(j + 1) * m..(j + 2) * m]);
            }
        }
    });
}

/// Block by block: a block `D(s) + K D(t)` of `P`, rows of `mu` and columns of `lambda`, becomes
/// `D(s / (lambda - mu)) + K D(t / (lambda - conj mu))`, because `D(mu) K = K D(conj mu)`. Single rows and columns are
/// the same with one part missing.
fn quotient<T: Real>(conj: bool, notes: &[T], l: &[T], p: &[T], out: &mut [T]) {
    let n = notes.len() / NOTES;
    each(notes, |j, cols| {
        let lambda = conj_if(conj, value_at(l, notes, j));
        each(notes, |i, rows| {
            let mu = conj_if(conj, value_at(l, notes, i));
            let simple = notes[STATE + NOTES * i] == T::of(SIMPLE);
            let tied = !simple && notes[GROUP + NOTES * i] == notes[GROUP + NOTES * j];
            let at = i + j * n;
            match (rows, cols) {
                _ if tied || (i == j && rows == 1) => {
                    (0..cols).for_each(|c| out[at + c * n..at + c * n + rows].fill(T::zero()));
                }
                (1, 1) => out[at] = p[at] / (lambda.re - mu.re),
                (1, _) => {
                    let z = Complex::new(p[at], p[at + n]).over(lambda.minus(mu));
                    (out[at], out[at + n]) = (z.re, z.im);
                }
                (_, 1) => {
                    let z = Complex::new(p[at], p[at + 1]).over(lambda.minus(mu.conj()));
                    (out[at], out[at + 1]) = (z.re, z.im);
                }
                _ => block(p, out, n, at, lambda, mu, i == j),
            }
        });
    });
}

/// A block of two rows and two columns of [`quotient`]; on the diagonal `D(s)` is left out.
fn block<T: Real>(p: &[T], out: &mut [T], n: usize, at: usize, lambda: Complex<T>, mu: Complex<T>, diagonal: bool) {
    let half = T::of(0.5);
    let (p11, p21, p12, p22) = (half * p[at], half * p[at + 1], half * p[at + n], half * p[at + n + 1]);
    let (s, t) = (Complex::new(p11 + p22, p12 - p21), Complex::new(p11 - p22, p12 + p21));
    let zero = Complex::new(T::zero(), T::zero());
    let s = if diagonal { zero } else { s.over(lambda.minus(mu)) };
    let t = t.over(lambda.minus(mu.conj()));
    out[at] = s.re + t.re;
    out[at + n] = s.im + t.im;
    out[at + 1] = t.im - s.im;
    out[at + n + 1] = s.re - t.re;
}

/// The eigenvalue of largest modulus, the first of those that have it: its first packed column and their number.
fn leading<T: Real>(notes: &[T], l: &[T]) -> Option<(usize, usize)> {
    let (mut best, mut most) = (None, -T::one());
    each(notes, |j, size| {
        let size_of = get(l, 1, j, size, 0).abs();
        if size_of > most {
            (best, most) = (Some((j, size)), size_of);
        }
    });
    best
}

/// Is there a second eigenvalue (a pair is one) whose modulus rounding could make the largest? Errors: so it is.
pub(crate) fn leading_alone<T: Real>(notes: &[T], l: &[T]) -> Result<(), Failure> {
    let (n, Some((best, size))) = (notes.len() / NOTES, leading(notes, l)) else { return Ok(()) };
    let most = get(l, 1, best, size, 0).abs();
    let mut alone = true;
    each(notes, |j, size| {
        let k = notes[CONDITION + NOTES * j].max(notes[CONDITION + NOTES * best]);
        let near = most - get(l, 1, j, size, 0).abs() <= crate::tolerances::eig_tie::<T>(n, k) * most;
        alone &= j == best || !near;
    });
    let what = "several eigenvalues have the largest modulus, so the spectral radius has a kink";
    if alone { Ok(()) } else { Err(Failure::NotDifferentiable { what }) }
}

/// May a derivative be taken along `x`, a packed row or packed columns of `m` rows? Errors: what there is no derivative
/// of.
pub(crate) fn judge<T: Real>(verdict: Verdict, notes: &[T], m: usize, x: &[T]) -> Result<(), Failure> {
    let n = notes.len() / NOTES;
    let state = |j: usize| notes[STATE + NOTES * j];
    if (0..n).all(|j| state(j) == T::of(SIMPLE)) {
        return Ok(());
    }
    let column = |j: usize| &x[j * m..(j + 1) * m];
    let defective = |j: usize| Failure::Defective { index: j, condition: notes[CONDITION + NOTES * j].f64() };
    let nonzero = |x: &[T]| x.iter().any(|x| *x != T::zero());
    let any = nonzero(x);
    for j in 0..n {
        let seen = nonzero(column(j));
        if state(j) == T::of(DEFECTIVE) && (seen || (verdict == Verdict::Vectors && any)) {
            return Err(defective(j));
        }
        if verdict == Verdict::Vectors && seen && state(j) != T::of(SIMPLE) {
            let share = norm(column(j)) / norm(x);
            return Err(Failure::GaugeDependent { defect: if share.is_nan() { 1.0 } else { share.f64() } });
        }
    }
    if verdict == Verdict::Weights { equal_weights(notes, x, max_abs(x)) } else { Ok(()) }
}

/// Weights of one group must be equal: their imaginary parts zero where the group is real.
fn equal_weights<T: Real>(notes: &[T], x: &[T], size: T) -> Result<(), Failure> {
    let mut equal = true;
    let slack = T::of(NEAR_TIE_ROUNDING) * T::EPS * size;
    each(notes, |j, width_j| {
        let first = note(notes, GROUP, j);
        let (c, state) = (get(x, 1, j, width_j, 0), notes[STATE + NOTES * j]);
        if state == T::of(TIED) || state == T::of(TIED_REAL) {
            let mut d = c.minus(get(x, 1, first, width(notes, first), 0));
            if state == T::of(TIED_REAL) {
                d.im = c.im;
            }
            // A NaN is no agreement.
            equal &= num_traits::Float::abs(d.re) <= slack && num_traits::Float::abs(d.im) <= slack;
        }
    });
    let what = "a program tells eigenvalues apart that coincide";
    if equal { Ok(()) } else { Err(Failure::NotDifferentiable { what }) }
}

/// The motion `dl` of the eigenvalues, the row of halves of `w^H m` with `M = dA X`, where `W^T M` treats all
/// eigenvalues of a group alike. Where it does not, the motion of the single ones does not exist, or not in this order:
/// NaN, and the reason.
pub(crate) fn motion<T: Real>(notes: &[T], w: &[T], m: &[T], dl: &mut [T]) -> Result<(), Failure> {
    let n = notes.len() / NOTES;
    let mut done = Ok(());
    for j in 0..n {
        let state = notes[STATE + NOTES * j];
        if state == T::of(DEFECTIVE) {
            dl[j] = T::nan();
            done = Err(Failure::Defective { index: j, condition: notes[CONDITION + NOTES * j].f64() });
        } else if state != T::of(SIMPLE) && !moves_alike(notes, w, m, j) {
            dl[j] = T::nan();
            let what = "eigenvalues that coincide move apart along this direction";
            done = Err(Failure::NotDifferentiable { what });
        } else if state == T::of(TIED_REAL) && note(notes, KIND, j) == 2 {
            // A pair at the real axis that stays there.
            dl[j] = T::zero();
        }
    }
    done
}

/// Is column `j` of `W^T M`, in the rows of its group, what the first of the group says: `p` on the diagonal, and off
/// the real axis `q` and `-q` beside it inside a pair, and zero elsewhere?
fn moves_alike<T: Real>(notes: &[T], w: &[T], m: &[T], j: usize) -> bool {
    let n = notes.len() / NOTES;
    let column = |i: usize| i * n..(i + 1) * n;
    let entry = |i: usize, k: usize| dot(&w[column(i)], &m[column(k)]);
    let (first, kind) = (note(notes, GROUP, j), |i: usize| note(notes, KIND, i));
    let paired = notes[STATE + NOTES * j] == T::of(TIED) && kind(first) == 1;
    let p = entry(first, first);
    let q = if paired { entry(first, first + 1) } else { T::zero() };
    (0..n).filter(|&i| note(notes, GROUP, i) == first).all(|i| {
        let expected = match (kind(i), kind(j)) {
            _ if i == j => p,
            (1, 2) if i + 1 == j => q,
            (2, 1) if j + 1 == i => -q,
            _ => T::zero(),
        };
        let size = norm(&w[column(i)]) * norm(&m[column(j)]);
        num_traits::Float::abs(entry(i, j) - expected) <= gauge::<T>() * size
    })
}

/// Writes NaN into what tied vectors would turn by: the entries of `Z` between tied eigenvalues, and those that belong
/// to defective ones. Errors: why, if there are any.
pub(crate) fn undetermined<T: Real>(notes: &[T], z: &mut [T]) -> Result<(), Failure> {
    let n = notes.len() / NOTES;
    let mut done = Ok(());
    for j in 0..n {
        let (state, group) = (notes[STATE + NOTES * j], notes[GROUP + NOTES * j]);
        if state == T::of(DEFECTIVE) {
            z[j * n..(j + 1) * n].fill(T::nan());
            (0..n).for_each(|k| z[j + k * n] = T::nan());
            done = Err(Failure::Defective { index: j, condition: notes[CONDITION + NOTES * j].f64() });
        } else if state != T::of(SIMPLE) {
            (0..n).filter(|&i| notes[GROUP + NOTES * i] == group).for_each(|i| z[i + j * n] = T::nan());
            done = done.and(Err(Failure::TiedVectors { defect: 1.0 }));
        }
    }
    done
}

/// Writes NaN into the columns of `m` rows that belong to tied eigenvalues. Errors: why, if there are any.
pub(crate) fn blank<T: Real>(notes: &[T], m: usize, x: &mut [T]) -> Result<(), Failure> {
    let n = notes.len() / NOTES;
    let mut done = Ok(());
    for j in (0..n).filter(|&j| notes[STATE + NOTES * j] != T::of(SIMPLE)) {
        x[j * m..(j + 1) * m].fill(T::nan());
        done = Err(Failure::TiedVectors { defect: 1.0 });
    }
    done
}
