//! The zeros of the secular equation, several at once. What is done with them is in `vectors.rs`.
//!
//! With poles `d_0 < d_1 < ...` and `rho > 0`, `diag(d) + rho z z^T` has the zeros of `f(x) = 1/rho + sum_i z_i^2 /
//! (d_i - x)` as eigenvalues: one above each pole and below the next, the last one within `rho |z|^2` of the last pole.
//! A zero is kept as its nearest pole, the *origin*, and the distance `tau` from it, whose digits are all right: so is
//! `d_i - x = (d_i - origin) - tau` for every `i`, which the vectors are made of.
//!
//! Each step interpolates what the other poles contribute, to second order, by two terms with the poles next to the
//! zero (Gragg's zero finder; Borges and Gragg 1993): it converges cubically and from one side. A bracket guards it
//! against rounding. Sources: Li, LAPACK Working Note 89 (1993), for the first guess and the interpolation.

use num_traits::Float;
use pulp::{Arch, NullaryFnOnce};

use crate::real::Real;

/// The most steps of a zero; three or four are usual.
const STEPS: usize = 100;

/// The equation, and where its zeros go.
#[derive(Debug)]
pub(super) struct Secular<'a, T> {
    /// The poles, strictly ascending.
    pub(super) d: &'a [T],
    /// None of them is 0.
    pub(super) z: &'a [T],
    pub(super) rho: T,
    pub(super) origin: &'a mut [T],
    pub(super) tau: &'a mut [T],
}

impl<T: Real> Secular<'_, T> {
    /// All zeros, ascending. `false`: some were not found, which rounding cannot bring about.
    pub(super) fn solve(self) -> bool {
        if let ([d], [z]) = (self.d, self.z) {
            (self.origin[0], self.tau[0]) = (*d, self.rho * *z * *z);
            return true;
        }
        Arch::new().dispatch(self)
    }
}

impl<T: Real> NullaryFnOnce for Secular<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        if size_of::<T>() == 8 { groups::<T, 8>(self) } else { groups::<T, 16>(self) }
    }
}

#[inline(always)]
fn groups<T: Real, const W: usize>(equation: Secular<'_, T>) -> bool {
    let Secular { d, z, rho, origin, tau } = equation;
    let mut norm = T::zero();
    for &z in z {
        norm += z * z;
    }
    let f = Function { d, z, inverse: T::one() / rho };
    let mut done = true;
    for (from, (origin, tau)) in origin.chunks_mut(W).zip(tau.chunks_mut(W)).enumerate() {
        let mut group = Group::<T, W>::start(&f, from * W, rho * norm);
        done &= group.converge(&f);
        let found = tau.len();
        origin.copy_from_slice(&group.origin[..found]);
        tau.copy_from_slice(&group.tau[..found]);
    }
    done
}

struct Function<'a, T> {
    d: &'a [T],
    z: &'a [T],
    /// `1 / rho`.
    inverse: T,
}

/// What poles far from a zero contribute there: to `f`, to the sum of the sizes of its terms, to `f'` and to `f'' / 2`.
struct Rest<T, const W: usize> {
    f: [T; W],
    size: [T; W],
    slope: [T; W],
    bend: [T; W],
}

/// `W` neighbouring zeros; beyond the last one, copies of it.
struct Group<T, const W: usize> {
    /// The first zero.
    from: usize,
    /// The two poles next to each zero, or the last two of all.
    left: [usize; W],
    /// Squares of their `z`.
    weights: [[T; W]; 2],
    /// The poles seen from the origin.
    poles: [[T; W]; 2],
    /// The last zero has no pole above it.
    last: [bool; W],
    origin: [T; W],
    tau: [T; W],
    low: [T; W],
    high: [T; W],
}

impl<T: Real, const W: usize> Group<T, W> {
    /// Origins, brackets and first guesses, from the values in the middle.
    #[inline(always)]
    fn start(f: &Function<'_, T>, from: usize, reach: T) -> Self {
        let mut g = Self::beside(f, from, reach);
        let rest = g.rest(f);
        for l in 0..W {
            g.choose(f, l, rest.f[l]);
        }
        g
    }

    /// The poles next to the zeros from `from` on, seen from those below, and `tau` in the middle between them, or of
    /// what the last zero can reach.
    #[inline(always)]
    fn beside(f: &Function<'_, T>, from: usize, reach: T) -> Self {
        let (k, zero, half) = (f.d.len(), [T::zero(); W], T::of(0.5));
        let mut g = Group {
            from,
            left: [0; W],
            weights: [zero; 2],
            poles: [zero; 2],
            last: [false; W],
            origin: zero,
            tau: zero,
            low: zero,
            high: zero,
        };
        for l in 0..W {
            let j = (from + l).min(k - 1);
            let a = j.min(k - 2);
            (g.last[l], g.left[l], g.origin[l]) = (j == k - 1, a, f.d[j]);
            for p in 0..2 {
                g.weights[p][l] = f.z[a + p] * f.z[a + p];
                g.poles[p][l] = f.d[a + p] - f.d[j];
            }
            g.tau[l] = half * if g.last[l] { reach } else { g.poles[1][l] - g.poles[0][l] };
        }
        g
    }

    /// The nearer pole becomes the origin of zero `l`, told by the sign in the middle, where the other poles contribute
    /// `rest`; with them as they are there, the first guess is a zero of a quadratic equation.
    #[inline(always)]
    fn choose(&mut self, f: &Function<'_, T>, l: usize, rest: T) {
        let (middle, last) = (self.tau[l], self.last[l]);
        let gap = self.poles[1][l] - self.poles[0][l];
        let near: T = (0..2).fold(T::zero(), |s, p| s + self.weights[p][l] / (self.poles[p][l] - middle));
        let c = f.inverse + rest;
        let above = c + near <= T::zero();
        // The weight of the origin, that of the other pole, its place, and which way the zero lies.
        let (p, q, other, sign) = match (last, above) {
            (true, _) => (self.weights[1][l], self.weights[0][l], -gap, T::one()),
            (false, false) => (self.weights[0][l], self.weights[1][l], gap, T::one()),
            (false, true) => (self.weights[1][l], self.weights[0][l], gap, -T::one()),
        };
        (self.low[l], self.high[l]) = match (last, above) {
            (true, true) => (middle, (middle + middle) * (T::one() + T::of(8.0) * T::EPS)),
            (_, false) => (T::zero(), middle),
            (false, true) => (-middle, T::zero()),
        };
        if above && !last {
            self.origin[l] = f.d[self.left[l] + 1];
            (self.poles[0][l], self.poles[1][l]) = (-gap, T::zero());
        }
        let guess = sign * quadratic(sign * c, sign * c * other + p + q, p * other, last);
        self.tau[l] = between(self.low[l], guess, self.high[l]);
    }

    /// Sums over all poles but the two next to each zero.
    #[inline(always)]
    fn rest(&self, f: &Function<'_, T>) -> Rest<T, W> {
        let zero = [T::zero(); W];
        let mut rest = Rest { f: zero, size: zero, slope: zero, bend: zero };
        let near = self.left[0]..(self.from + W + 1).min(f.d.len());
        let (before, after) = (0..near.start, near.end..f.d.len());
        for (&d, &z) in f.d[before.clone()].iter().zip(&f.z[before]) {
            self.add(&mut rest, d, &[z; W]);
        }
        for i in near {
            let mut z = [f.z[i]; W];
            for l in 0..W {
                z[l] = if i == self.left[l] || i == self.left[l] + 1 { T::zero() } else { z[l] };
            }
            self.add(&mut rest, f.d[i], &z);
        }
        for (&d, &z) in f.d[after.clone()].iter().zip(&f.z[after]) {
            self.add(&mut rest, d, &[z; W]);
        }
        rest
    }

    #[inline(always)]
    fn add(&self, rest: &mut Rest<T, W>, d: T, z: &[T; W]) {
        for l in 0..W {
            let r = T::one() / ((d - self.origin[l]) - self.tau[l]);
            let a = z[l] * r;
            let (term, slope) = (z[l] * a, a * a);
            rest.f[l] += term;
            rest.size[l] += Float::abs(term);
            rest.slope[l] += slope;
            rest.bend[l] += slope * r;
        }
    }

    /// Steps until all zeros are found.
    #[inline(always)]
    fn converge(&mut self, f: &Function<'_, T>) -> bool {
        let mut done = [false; W];
        for _ in 0..STEPS {
            let rest = self.rest(f);
            for l in 0..W {
                if !done[l] {
                    done[l] = self.step(l, f.inverse, rest.f[l], rest.size[l], rest.slope[l], rest.bend[l]);
                }
            }
            if done.iter().fold(true, |all, &x| all & x) {
                return true;
            }
        }
        false
    }

    /// One step of one zero. `true`: it is found.
    #[inline(always)]
    fn step(&mut self, l: usize, inverse: T, rest: T, size: T, slope: T, bend: T) -> bool {
        let tau = self.tau[l];
        let (d1, d2) = (self.poles[0][l] - tau, self.poles[1][l] - tau);
        let (t1, t2) = (self.weights[0][l] / d1, self.weights[1][l] / d2);
        let f = (inverse + rest) + (t1 + t2);
        let df = slope + (t1 / d1 + t2 / d2);
        let terms = inverse + size + Float::abs(t1) + Float::abs(t2);
        if Float::abs(f) <= T::EPS * (T::of(4.0) * terms + Float::abs(tau) * df) {
            return true;
        }
        if f < T::zero() {
            self.low[l] = tau
        } else {
            self.high[l] = tau
        }
        let (sum, product) = (d1 + d2, d1 * d2);
        let c = inverse + rest - sum * slope + product * bend;
        let eta = quadratic(c, sum * f - product * df, product * f, self.last[l]);
        let next = between(self.low[l], tau + eta, self.high[l]);
        self.tau[l] = next;
        // The error of the next value is about the cube of this step, over that of its distance from the poles.
        Float::abs(next - tau) <= Float::sqrt(T::EPS) * Float::abs(next)
    }
}

/// The zero of `c x^2 - a x + b` between the poles of the interpolation, or above both.
#[inline(always)]
fn quadratic<T: Real>(c: T, a: T, b: T, above: bool) -> T {
    let root = Float::sqrt(Float::abs(a * a - T::of(4.0) * b * c));
    let root = if above { root } else { -root };
    let cancels = if above { a < T::zero() } else { a > T::zero() };
    if cancels { (b + b) / (a - root) } else { (a + root) / (c + c) }
}

/// `x` if it is inside, else the middle.
#[inline(always)]
fn between<T: Real>(low: T, x: T, high: T) -> T {
    if low < x && x < high { x } else { T::of(0.5) * (low + high) }
}
