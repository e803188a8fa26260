//! Quasi-triangular matrices: the standard form of their 2x2 blocks, rotations of rows and columns, and where blocks
//! begin. No iteration lives here.

use num_traits::Float;

use crate::real::Real;

/// A rotation `G = [c s; -s c]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation<T> {
    pub(crate) c: T,
    pub(crate) s: T,
}

/// The rotation `G` and the entries `[a, b, c, d]` of `G [a b; c d] G^T` in standard form: upper triangular, or `a = d`
/// and `b c < 0`.
///
/// With `p = (a - d) / 2` the eigenvalues are `d + p ± sqrt(z)`, where `z = p² + b c`.
/// - `c = 0`: nothing to do. `b = 0`: a quarter turn exchanges the diagonal and brings `-c` to the top.
/// - `z > 0`, well above rounding: `h = p + sign(p) sqrt(z)` suffers no cancellation; the eigenvalues are `d + h` and
///   `d - b c / h`, and `(h, c)` is the vector of the first. Turning it to `e_1` leaves `b - c` above the diagonal,
///   because no rotation changes `b - c`.
/// - otherwise the diagonal is made equal. The symmetric part without its trace is `[p, q; q, -p]`, `q = (b + c) / 2`;
///   turned by the half of its own angle it becomes `[0, r; r, 0]` with `r = ± sqrt(p² + q²)`, and then
///   `b' = r + (b - c) / 2`, `c' = r - (b - c) / 2`, `b' c' = z`: the larger is computed so, the smaller as `z` over
///   it. If `z` is not negative after all, `t ± sqrt(b' c')` are eigenvalues, `(sqrt|b'|, sqrt|c'|)` is a vector, and a
///   second turn finishes.
pub(crate) fn standard<T: Real>(a: T, b: T, c: T, d: T) -> (Rotation<T>, [T; 4]) {
    let (zero, one, half) = (T::zero(), T::one(), T::of(0.5));
    let abs = |x: T| Float::abs(x);
    if c == zero {
        return (Rotation { c: one, s: zero }, [a, b, zero, d]);
    }
    if b == zero {
        return (Rotation { c: zero, s: one }, [d, -c, zero, a]);
    }
    let p = half * (a - d);
    if p == zero && (b < zero) != (c < zero) {
        return (Rotation { c: one, s: zero }, [a, b, c, d]);
    }
    // Everything over the size of its largest, so that no square leaves the range.
    let m = abs(p).max(abs(b)).max(abs(c));
    let (pm, bm, cm) = (p / m, b / m, c / m);
    let z = pm * pm + bm * cm;
    if z > T::of(4.0) * T::EPS {
        let h = pm + with_sign(Float::sqrt(z), pm);
        let r = Float::sqrt(h * h + cm * cm);
        return (Rotation { c: h / r, s: cm / r }, [d + m * h, b - c, zero, d - m * (bm * cm / h)]);
    }
    let (q, e) = (half * (bm + cm), half * (bm - cm));
    let t = d + m * pm;
    let r = length(pm, q);
    if r == zero {
        return (Rotation { c: one, s: zero }, [t, b, c, t]);
    }
    // The cosine of the double angle is |q| / r, its sine -sign(q) p / r.
    let cs = Float::sqrt(half * (one + abs(q) / r));
    let sn = half * pm / (r * cs);
    let (g, r) = if q < zero { (Rotation { c: cs, s: sn }, -r) } else { (Rotation { c: cs, s: -sn }, r) };
    // Of r + e and r - e the one without cancellation.
    let (b, c) = if (r < zero) == (e < zero) { (r + e, z / (r + e)) } else { (z / (r - e), r - e) };
    if z < zero || c == zero { (g, [t, m * b, m * c, t]) } else { split_equal(g, t, m, b, c) }
}

/// The second turn: `[t, m b; m c, t]` with `b c >= 0`, after the rotation `g`.
fn split_equal<T: Real>(g: Rotation<T>, t: T, m: T, b: T, c: T) -> (Rotation<T>, [T; 4]) {
    let (sb, sc) = (Float::sqrt(Float::abs(b)), Float::sqrt(Float::abs(c)));
    let r = Float::sqrt(Float::abs(b) + Float::abs(c));
    let (c1, s1) = (sb / r, sc / r);
    let h = m * with_sign(sb * sc, c);
    let turned = Rotation { c: g.c * c1 - g.s * s1, s: g.c * s1 + g.s * c1 };
    (turned, [t + h, m * (b - c), T::zero(), t - h])
}

/// `|x|` with the sign of `y`; at `y = 0`, `|x|`.
#[inline(always)]
pub(crate) fn with_sign<T: Real>(x: T, y: T) -> T {
    let x = Float::abs(x);
    if y < T::zero() { -x } else { x }
}

/// `sqrt(x² + y²)` without overflow or underflow.
#[inline(always)]
pub(crate) fn length<T: Real>(x: T, y: T) -> T {
    let m = Float::abs(x).max(Float::abs(y));
    if m == T::zero() { m } else { m * Float::sqrt((x / m) * (x / m) + (y / m) * (y / m)) }
}

/// Rows `j` and `j + 1` of an `n x n` matrix, in the columns `from..n`, become `G` times them.
#[inline(always)]
pub(crate) fn rotate_rows<T: Real>(t: &mut [T], n: usize, j: usize, from: usize, g: Rotation<T>) {
    for column in t[from * n..].chunks_exact_mut(n) {
        let (x, y) = (column[j], column[j + 1]);
        column[j] = g.c * x + g.s * y;
        column[j + 1] = g.c * y - g.s * x;
    }
}

/// Columns `j` and `j + 1` of a matrix with `m` rows, in the rows `0..to`, become them times `G^T`.
#[inline(always)]
pub(crate) fn rotate_columns<T: Real>(t: &mut [T], m: usize, j: usize, to: usize, g: Rotation<T>) {
    let (left, right) = t[j * m..(j + 2) * m].split_at_mut(m);
    for (x, y) in left[..to].iter_mut().zip(&mut right[..to]) {
        (*x, *y) = (g.c * *x + g.s * *y, g.c * *y - g.s * *x);
    }
}

/// Brings the 2x2 block at `j` of a quasi-triangular `T` into standard form; `U` (with `n` columns) is turned along.
#[inline(always)]
pub(crate) fn standardise<T: Real>(t: &mut [T], n: usize, u: &mut [T], j: usize) {
    let (a, b, c, d) = (t[j + j * n], t[j + (j + 1) * n], t[j + 1 + j * n], t[j + 1 + (j + 1) * n]);
    let (g, block) = standard(a, b, c, d);
    t[j + j * n] = block[0];
    t[j + (j + 1) * n] = block[1];
    t[j + 1 + j * n] = block[2];
    t[j + 1 + (j + 1) * n] = block[3];
    if g.s == T::zero() {
        return;
    }
    rotate_rows(t, n, j, j + 2, g);
    rotate_columns(t, n, j, j, g);
    let m = u.len() / n;
    rotate_columns(u, m, j, m, g);
}

/// The order, 1 or 2, of the block that begins at `j`.
#[inline(always)]
pub(crate) fn order_at<T: Real>(t: &[T], n: usize, j: usize) -> usize {
    if j + 1 < n && t[j + 1 + j * n] != T::zero() { 2 } else { 1 }
}

/// Is everything off the diagonal zero?
pub(crate) fn is_diagonal<T: Real>(t: &[T], n: usize) -> bool {
    t.iter().enumerate().all(|(p, &x)| p % (n + 1) == 0 || x == T::zero())
}

/// Is everything below the first subdiagonal zero?
pub(crate) fn is_hessenberg<T: Real>(t: &[T], n: usize) -> bool {
    (0..n).all(|j| t[(j + 2).min(n) + j * n..(j + 1) * n].iter().all(|&x| x == T::zero()))
}

/// Is this the identity?
pub(crate) fn is_identity<T: Real>(u: &[T], n: usize) -> bool {
    u.iter().enumerate().all(|(p, &x)| x == if p % (n + 1) == 0 { T::one() } else { T::zero() })
}

/// The eigenvalues of a quasi-triangular matrix, in the order of its diagonal: real and imaginary parts, a pair with
/// `im > 0` first.
pub(crate) fn eigenvalues<T: Real>(t: &[T], n: usize, re: &mut [T], im: &mut [T]) {
    let mut j = 0;
    while j < n {
        let size = order_at(t, n, j);
        if size == 1 {
            (re[j], im[j]) = (t[j + j * n], T::zero());
        } else {
            let w = Float::sqrt(Float::abs(t[j + 1 + j * n])) * Float::sqrt(Float::abs(t[j + (j + 1) * n]));
            (re[j], im[j]) = (t[j + j * n], w);
            (re[j + 1], im[j + 1]) = (t[j + j * n], -w);
        }
        j += size;
    }
}
