//! The logarithm of the Stiefel manifold: the velocity of the geodesic from `X` to `Y`, in any metric of the family, by
//! shooting in matrices of size `p`.
//!
//! **Equations.** Let `M = X^T Y`, `K = Y - X M`, `G = K^T K`. The velocity is sought as `V = X A + K B` with `A` skew
//! and `B` any `p x p` matrix: `H = K B` spans what `K` spans, and near `Y = X` the solution is `A = skew(M)`, `B = I`.
//! Nothing is factored, so nothing goes wrong where `K` loses rank: for equal points, and for `n < 2p`. With
//! `S = B^T G B`, `E` the exponential of `[[2bA, -S], [I, 0]]` and `F = expm((1 - 2b) A)`, the geodesic ends in
//! `Z = X E11 F + K B E21 F` (`frames.rs`). That `Z = Y` is asked in as many equations as there are unknowns, each
//! along a tangent at `Z`:
//!
//! - along the frame: `skew(Z^T Y) = 0`, or, turned by `F`, `skew(Q F^T) = 0` with `Q = E11^T M + E21^T B^T G`;
//! - across: the columns `X E12 + K B E22` are orthogonal to `Z`. With `psi` the integral of
//!   `expm(t [[2bA, -S], [I, 0]])` over `[0, 1]`, `E12 = -psi11 S` and `E22 = I - psi21 S`, so their product with `Y`
//!   is `B^T G (I - B (psi11^T M + psi21^T B^T G))`. Without the factor that vanishes with `K`:
//!   `B (psi11^T M + psi21^T B^T G) = I`.
//!
//! `E` and the columns of `psi` come from one exponential of `[[2bA, -S, I], [I, 0, 0], [0, 0, 0]]`. For `p = 1` the
//! second equation says `sin(|V| - angle) = 0`. Its derivative is singular where that of the geodesics is, and only
//! there.
//!
//! **Solution.** The residual `r` itself is added to `(A, B)`, accelerated by Anderson's method: about 15 steps at
//! distance 1, 40 at 2.5. If that fails, lands elsewhere or finds a geodesic too long, the target is moved from `X` to
//! `Y` along the orthonormalised chord in 4 steps, then 16. The answer is accepted if the geodesic ends in `Y`, and if
//! it is shorter than the injectivity radius, so that no other is as short. What is not is an error. (Zimmermann &
//! Hüper 2022 shoot in `2p x 2p` coordinates of a QR factorisation; the equations here are derived as above.)
//!
//! **Derivatives.** A program may not branch on numbers, so the iteration is an operation without a derivative, which
//! finds `z = (A, B)`. Where derivatives are asked for, four steps `z <- z - J^{-1} r(z; M, G)` follow, with the
//! inverse of the derivative of `r` at the solution as a constant. Each makes one more order exact: if the derivatives
//! of `z` below order `k` are those of the solution, then so is that of order `k` after a step, as `r = 0` to that
//! order and `J^{-1}` needs no derivative of its own. Four orders, then. Further derivatives are not exact.
//!
//! Cost: 6np², and an exponential of `3p x 3p` (about `400 p³`) for each of some 20 steps. A derivative needs
//! `p (3p - 1)/2` derivatives of that exponential, `O(p^5)`, for `J`.

use crate::anderson::anderson;
use crate::frames::{blocks, zero_and_one};
use crate::scalars::Times;
use pullback::{Axis, Batch, Custom, Scalar, Shape, Tape, Var};
use std::f64::consts::PI;
use std::sync::Arc;

const CONVERGES: &str = "the points are near enough for the shooting of the logarithm to converge";
const SHORTEST: &str =
    "the geodesic found is shorter than the injectivity radius, beyond which none need be the shortest";

/// Orders of derivatives that are exact.
const ORDERS: usize = 4;

/// See [`crate::Stiefel::injectivity_radius`].
pub(crate) fn injectivity_radius(n: usize, p: usize, b: f64) -> f64 {
    if p == 1 {
        return PI;
    }
    // O(n) with a bi-invariant metric: a turn by pi in one plane.
    if p == n {
        return PI * (2.0 * b).sqrt();
    }
    match b {
        1.0 => PI,
        0.5 => (0.8f64).sqrt() * PI,
        _ => PI.min(PI * (2.0 * b).sqrt()).min(2f64.sqrt() * conjugate(b)),
    }
}

/// The first positive root of `sin(t)/t + (1/b - 1) cos t`; infinite for `b > 1`, where it is beyond `pi`.
fn conjugate(b: f64) -> f64 {
    if b >= 1.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (PI / 2.0, PI);
    for _ in 0..60 {
        let t = 0.5 * (low + high);
        match t.sin() / t + (1.0 / b - 1.0) * t.cos() > 0.0 {
            true => low = t,
            false => high = t,
        }
    }
    low
}

/// `V` with `exp(X, V) = Y`.
pub(crate) fn log<'t, T: Scalar>(x: Var<'t, T>, y: Var<'t, T>, b: f64, radius: f64) -> Var<'t, T> {
    let tape = x.tape();
    let d = y - x;
    let m1 = x.t_mul(d);
    let k = d.add_mul(-1.0, x, m1);
    let (g, (_, one)) = (k.t_mul(k), zero_and_one(m1));
    let m = m1 + one;
    let mut z = tape.custom(Arc::new(Connect { b, radius }), &[m, g])[0];
    if tape.records() || tape.carries_tangents() {
        let inverse = tape.custom(Arc::new(InverseJacobian { b }), &[m, g, z])[0];
        for _ in 0..ORDERS {
            z = z.add_mul(-1.0, inverse, residual(z, m, one, g, b));
        }
    }
    let (a, c) = unpack(z, m.rows());
    let h = k * c;
    let length2 = h.dot(h).lincomb(1.0, a.dot(a), b);
    (x * a + h).where_positive((-length2).plus(radius * radius), SHORTEST)
}

/// `A` and `B` from one column: the entries of `A` below the diagonal, then `B`.
fn unpack<'t, T: Scalar>(z: Var<'t, T>, p: usize) -> (Var<'t, T>, Var<'t, T>) {
    let q = p * (p - 1) / 2;
    let b = z.row_range(q, p * p).reshape(p, p);
    if q == 0 {
        return (zero_and_one(b).0, b);
    }
    let lower = z.row_range(0, q).scatter(Axis::Rows, &below(p), p * p).reshape(p, p);
    (lower - lower.t(), b)
}

/// The positions of the entries below the diagonal, column by column.
fn below(p: usize) -> Vec<usize> {
    (0..p).flat_map(|j| (j + 1..p).map(move |i| i + j * p)).collect()
}

/// `r(A, B)` for the target `X M + K N`.
fn residual<'t, T: Scalar>(z: Var<'t, T>, m: Var<'t, T>, n: Var<'t, T>, g: Var<'t, T>, b: f64) -> Var<'t, T> {
    let p = m.rows();
    let (a, c) = unpack(z, p);
    let (zero, one) = zero_and_one(c);
    let cg = c.t_mul(g);
    let e = blocks(&[&[a.times(2.0 * b), -(cg * c), one], &[one, zero, zero], &[zero, zero, zero]]).expm();
    let block = |i: usize, j: usize| e.slice(i * p, j * p, p, p);
    let cgn = cg * n;
    let across = n.add_mul(-1.0, c, block(0, 2).t_mul(m).add_mul(1.0, block(1, 2).t(), cgn));
    if p == 1 {
        return across;
    }
    let mut q = block(0, 0).t_mul(m).add_mul(1.0, block(1, 0).t(), cgn);
    if b != 0.5 {
        q = q.mul_t(a.times(1.0 - 2.0 * b).expm());
    }
    let along = q.skew().vec().gather(Axis::Rows, &below(p));
    Var::concat(&[along, across.vec()], Axis::Rows)
}

/// Finds `(A, B)` from `(M, G)`.
struct Connect {
    b: f64,
    radius: f64,
}

/// The inverse of the derivative of the residual, from `(M, G, z)`.
struct InverseJacobian {
    b: f64,
}

fn in_double<T: Scalar>(x: Var<'_, T>) -> Batch<f64> {
    let x = x.value();
    let numbers: Vec<f64> = x.data().iter().map(|v| v.f64()).collect();
    Batch::from_slice(x.shape(), &numbers)
}

/// Members side by side on the tape of `like`; those that failed poison the result.
fn together<'t, T: Scalar>(like: Var<'t, T>, shape: Shape, found: &[Option<Vec<f64>>]) -> Var<'t, T> {
    let numbers: Vec<T> =
        found.iter().flat_map(|f| f.clone().unwrap_or_else(|| vec![0.0; shape.each()])).map(T::of).collect();
    let sound: Vec<T> = found.iter().map(|f| if f.is_some() { T::one() } else { -T::one() }).collect();
    let tape = like.tape();
    let sound = tape.constant(&Batch::from_slice(sized(shape, 1, 1), &sound));
    tape.constant(&Batch::from_slice(shape, &numbers)).where_positive(sound, CONVERGES)
}

/// That shape with other sizes of a member.
fn sized(s: Shape, rows: usize, cols: usize) -> Shape {
    Shape::batch(s.batch, rows, cols)
}

fn unknowns(p: usize) -> usize {
    p * (p - 1) / 2 + p * p
}

impl<T: Scalar> Custom<T> for Connect {
    fn name(&self) -> &'static str {
        "logarithm of the Stiefel manifold"
    }
    fn shapes(&self, x: &[Shape]) -> Option<Vec<Shape>> {
        Some(vec![sized(x[0], unknowns(x[0].rows), 1)])
    }
    fn value<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        let (m, g) = (in_double(x[0]), in_double(x[1]));
        let shape = x[0].shape();
        let found: Vec<_> =
            (0..shape.batch).map(|k| connect(&m.member(k).into(), &g.member(k).into(), self.b, self.radius)).collect();
        vec![together(x[0], sized(shape, unknowns(shape.rows), 1), &found)]
    }
    fn jvp<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], _: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        vec![None]
    }
    fn vjp<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], _: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        vec![None, None]
    }
}

impl<T: Scalar> Custom<T> for InverseJacobian {
    fn name(&self) -> &'static str {
        "derivative of the logarithm of the Stiefel manifold"
    }
    fn shapes(&self, x: &[Shape]) -> Option<Vec<Shape>> {
        Some(vec![sized(x[2], x[2].rows, x[2].rows)])
    }
    fn value<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        let (m, g, z) = (in_double(x[0]), in_double(x[1]), in_double(x[2]));
        let s = x[2].shape();
        let one = |b: &Batch<f64>, k: usize| -> Batch<f64> { b.member(k).into() };
        let found: Vec<_> =
            (0..s.batch).map(|k| inverse_jacobian(&one(&m, k), &one(&g, k), &one(&z, k), self.b)).collect();
        vec![together(x[2], sized(s, s.rows, s.rows), &found)]
    }
    fn jvp<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], _: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        vec![None]
    }
    fn vjp<'t>(&self, _: &[Var<'t, T>], _: &[Var<'t, T>], _: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        vec![None, None, None]
    }
}

fn inverse_jacobian(m: &Batch<f64>, g: &Batch<f64>, z: &Batch<f64>, b: f64) -> Option<Vec<f64>> {
    let d = z.shape().rows;
    let unit = |k: usize| Batch::from_fn(z.shape(), |_, i, _| if i == k { 1.0 } else { 0.0 });
    let directions: Vec<Batch<f64>> = (0..d).map(unit).collect();
    let program = pullback::func(|z: Var<'_>| {
        let tape = z.tape();
        residual(z, tape.constant(m), tape.eye(m.shape().rows), tape.constant(g), b)
    });
    let columns = pullback::jvps(program, z, &directions).ok()?.1;
    let all: Vec<f64> = columns.iter().flat_map(|c| c.data().iter().copied()).collect();
    let tape = Tape::<f64>::plain();
    let inverse = tape.constant(&Batch::from_slice(Shape::mat(d, d), &all)).inverse().value();
    tape.check().ok()?;
    inverse.data().iter().all(|v| v.is_finite()).then(|| inverse.data().to_vec())
}

/// `(A, B)` of a geodesic from `X` to `X M + K`, if one is found: one that is shorter than the radius if possible.
fn connect(m: &Batch<f64>, g: &Batch<f64>, b: f64, radius: f64) -> Option<Vec<f64>> {
    let p = m.shape().rows;
    if !m.data().iter().chain(g.data()).all(|v| v.is_finite()) {
        return None;
    }
    // How far the points are apart, to first order: A is measured in this.
    let entry = |x: &Batch<f64>, i: usize, j: usize| x.data()[i + j * p];
    let skew = |i: usize, j: usize| 0.5 * (entry(m, i, j) - entry(m, j, i));
    let squares =
        (0..p * p).map(|k| skew(k % p, k / p).powi(2)).sum::<f64>() + (0..p).map(|i| entry(g, i, i)).sum::<f64>();
    let distance = if squares > 0.0 { squares.sqrt() } else { 1.0 };
    let mut longer = None;
    for steps in [1, 4, 16] {
        let found = tracked(m, g, b, distance, steps).filter(|z| ends_there(m, g, z, b));
        match found {
            Some(z) if length(g, &z, b) < radius => return Some(z),
            Some(z) => longer = Some(z),
            None => {}
        }
    }
    longer
}

/// The length of the velocity `X A + K B`.
fn length(g: &Batch<f64>, z: &[f64], b: f64) -> f64 {
    let tape = Tape::<f64>::plain();
    let (a, c) = unpack(tape.constant(&Batch::from_slice(Shape::mat(z.len(), 1), z)), g.shape().rows);
    (c.dot(tape.constant(g) * c).scalar() + b * a.dot(a).scalar()).sqrt()
}

/// The solution at the end of the chord in so many steps.
fn tracked(m: &Batch<f64>, g: &Batch<f64>, b: f64, distance: f64, steps: u32) -> Option<Vec<f64>> {
    let p = m.shape().rows;
    let (d, q) = (unknowns(p), p * (p - 1) / 2);
    let scaled = |z: &[f64], by: f64| -> Vec<f64> {
        z.iter().enumerate().map(|(i, z)| if i < q { z * by } else { *z }).collect()
    };
    let (mut z, mut before) = (vec![0.0; d], vec![0.0; d]);
    for step in 1..=steps {
        let (mt, nt) = target(m, f64::from(step) / f64::from(steps))?;
        let mut f = |z: &[f64]| -> Option<Vec<f64>> {
            let tape = Tape::<f64>::plain();
            let at = tape.constant(&Batch::from_slice(Shape::mat(d, 1), &scaled(z, distance)));
            let r = residual(at, tape.constant(&mt), tape.constant(&nt), tape.constant(g), b).value();
            tape.check().ok()?;
            Some(scaled(r.data(), 1.0 / distance))
        };
        let ahead: Vec<f64> = z.iter().zip(&before).map(|(z, b)| 2.0 * z - b).collect();
        before = z;
        let (enough, wanted) = if step == steps { (1e-11, 1e-15 * d as f64) } else { (1e-3, 1e-3) };
        z = anderson(ahead, &mut f, wanted, enough)?;
    }
    Some(scaled(&z, distance))
}

/// `M_t` and `N_t` of the orthonormalised chord `((1-t) X + t Y) D^{-1/2} = X M_t + K N_t`; `D` is its Gram matrix.
fn target(m: &Batch<f64>, t: f64) -> Option<(Batch<f64>, Batch<f64>)> {
    let tape = Tape::<f64>::plain();
    let (m, one) = (tape.constant(m), tape.eye(m.shape().rows));
    if t == 1.0 {
        return Some((m.value(), one.value()));
    }
    let gram = one * ((1.0 - t) * (1.0 - t) + t * t) + m.sym() * (2.0 * t * (1.0 - t));
    let root = gram.invsqrtm_spd();
    let found = ((one * (1.0 - t) + m * t) * root, root * t);
    tape.check().ok()?;
    Some((found.0.value(), found.1.value()))
}

/// Does the geodesic end in `Y`? The equations hold for `Y = Z N` with any symmetric orthogonal `N` too, which is at
/// least 2 away from `Z` unless it is `I`: `|Z - Y|² = |E11 F - M|² + <G (B E21 F - I), B E21 F - I>`. (Nothing finer
/// is asked here, so that the equations define a function where `X` and `Y` are not quite orthonormal.)
fn ends_there(m: &Batch<f64>, g: &Batch<f64>, z: &[f64], b: f64) -> bool {
    let p = m.shape().rows;
    let tape = Tape::<f64>::plain();
    let (m, g) = (tape.constant(m), tape.constant(g));
    let (a, c) = unpack(tape.constant(&Batch::from_slice(Shape::mat(z.len(), 1), z)), p);
    let (zero, one) = zero_and_one(c);
    let e = blocks(&[&[a * (2.0 * b), -(c.t_mul(g) * c)], &[one, zero]]).expm();
    let f = (a * (1.0 - 2.0 * b)).expm();
    let (u, w) = (e.slice(0, 0, p, p) * f - m, c * e.slice(p, 0, p, p) * f - one);
    let off = (u.dot(u) + w.dot(g * w)).scalar();
    tape.check().is_ok() && off < 0.25
}
