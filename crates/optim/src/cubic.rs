//! The cubic model in the space that Lanczos' iteration has spanned: a symmetric tridiagonal matrix and plain numbers.
//! The iteration itself, on a manifold, is in `cubics`.
//!
//! Wanted is the `y` that minimises `m(y) = g y_1 + 1/2 y^T T y + sigma/3 |y|^3`, with `g > 0` and `T` tridiagonal. It
//! is a global minimiser if and only if, with `lambda = sigma |y|`, `(T + lambda I) y = -g e_1` and `T + lambda I` is
//! positive semidefinite (Cartis, Gould & Toint, *Adaptive cubic regularisation methods for unconstrained
//! optimization. Part I*, 2011, Theorem 3.1). For `lambda > -lambda_min(T)` let
//! `y(lambda) = -g (T + lambda I)^(-1) e_1`: its length falls as `lambda` grows, while `lambda / sigma` rises, so they
//! meet at most once. Sought is the root of
//!
//! `psi(lambda) = 1 / |y(lambda)| - sigma / lambda`, with `psi' = w / |y|^3 + sigma / lambda^2`,
//! `w = y^T (T + lambda I)^(-1) y`,
//!
//! by Newton's method, inside a bracket that a factorisation which fails, or the sign, makes smaller at every step.
//!
//! - From below: `lambda >= 0`, and `lambda >= -min T_ii >= -lambda_min`.
//! - From above: with Gershgorin's bound `l <= lambda_min`, `|y| <= g / (l + lambda)`, which is at most
//!   `lambda / sigma` once `lambda (l + lambda) >= sigma g`.
//!
//! In the hard case `g e_1` has (next to) no part along the lowest eigenvector, the bracket closes on `-lambda_min`
//! from above, and `y` is still too short. Then a multiple of the eigenvector is added that makes up for the length:
//! to rounding this leaves `(T + lambda I) y` as it is.

/// Storage that is kept between calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    /// `T + lambda I = L D L^T`: the diagonal of `D`, and what is below that of `L`.
    d: Vec<f64>,
    l: Vec<f64>,
    w: Vec<f64>,
    /// The minimiser.
    pub(crate) y: Vec<f64>,
}

/// Newton and bisection together need far fewer.
const STEPS: usize = 200;

/// The length and `lambda / sigma` agree to this part.
const AGREE: f64 = 1e-12;

impl Work {
    /// Room for so many vectors of Lanczos.
    pub(crate) fn reserve(&mut self, n: usize) {
        for list in [&mut self.d, &mut self.l, &mut self.w, &mut self.y] {
            list.reserve(n.saturating_sub(list.len()));
        }
    }

    /// Minimises into `self.y`. `alpha` is the diagonal, `beta[i]` couples `i` and `i + 1`.
    pub(crate) fn minimise(&mut self, alpha: &[f64], beta: &[f64], g: f64, sigma: f64) {
        let n = alpha.len();
        for list in [&mut self.d, &mut self.l, &mut self.w, &mut self.y] {
            list.resize(n, 0.0);
        }
        let (mut low, mut high) = bracket(alpha, beta, g, sigma);
        let mut lambda = high;
        for _ in 0..STEPS {
            if !self.factor(alpha, beta, lambda) {
                low = low.max(lambda);
                lambda = middle(low, high);
                continue;
            }
            self.solve(g);
            let length = norm(&self.y);
            let wanted = lambda / sigma;
            if (length - wanted).abs() <= AGREE * wanted {
                return;
            }
            if length > wanted {
                low = lambda
            } else {
                high = lambda
            }
            if high - low <= f64::EPSILON * high {
                break;
            }
            let psi = 1.0 / length - sigma / lambda;
            let slope = self.curvature() / length.powi(3) + sigma / (lambda * lambda);
            let newton = lambda - psi / slope;
            lambda = if newton > low && newton < high { newton } else { middle(low, high) };
        }
        // The upper end is a minimiser over vectors of its length, and its matrix is positive definite.
        if self.factor(alpha, beta, high) {
            self.solve(g);
            self.lengthen(high / sigma);
        }
    }

    /// `m` without its cubic term, at `self.y`.
    pub(crate) fn quadratic(&self, alpha: &[f64], beta: &[f64], g: f64) -> f64 {
        let y = &self.y;
        let diagonal: f64 = alpha.iter().zip(y).map(|(a, y)| a * y * y).sum();
        let beside: f64 = beta.iter().zip(y.windows(2)).map(|(b, y)| 2.0 * b * y[0] * y[1]).sum();
        g * y[0] + 0.5 * (diagonal + beside)
    }

    /// `T + lambda I = L D L^T`; is it positive definite?
    fn factor(&mut self, alpha: &[f64], beta: &[f64], lambda: f64) -> bool {
        for i in 0..alpha.len() {
            let above = if i == 0 { 0.0 } else { beta[i - 1] * self.l[i - 1] };
            self.d[i] = alpha[i] + lambda - above;
            let definite = self.d[i] > 0.0;
            if !definite {
                return false;
            }
            self.l[i] = beta.get(i).map_or(0.0, |b| b / self.d[i]);
        }
        true
    }

    /// `y = -(T + lambda I)^(-1) g e_1`.
    fn solve(&mut self, g: f64) {
        let n = self.y.len();
        self.y[0] = -g;
        for i in 1..n {
            self.y[i] = -self.l[i - 1] * self.y[i - 1];
        }
        self.back();
    }

    /// `y <- L^(-T) D^(-1) y`.
    fn back(&mut self) {
        let n = self.y.len();
        for i in (0..n).rev() {
            let below = if i + 1 < n { self.l[i] * self.y[i + 1] } else { 0.0 };
            self.y[i] = self.y[i] / self.d[i] - below;
        }
    }

    /// `y^T (T + lambda I)^(-1) y = |D^(-1/2) L^(-1) y|^2`.
    fn curvature(&mut self) -> f64 {
        self.w.copy_from_slice(&self.y);
        for i in 1..self.w.len() {
            self.w[i] -= self.l[i - 1] * self.w[i - 1];
        }
        self.w.iter().zip(&self.d).map(|(w, d)| w * w / d).sum()
    }

    /// The hard case: adds the multiple of the lowest eigenvector that makes `y` as long as it should be.
    ///
    /// The matrix is all but singular here, so two steps of inverse iteration find the vector. `|y + tau z| = length`
    /// for a `tau >= 0` in the direction that does not shorten `y` first.
    fn lengthen(&mut self, length: f64) {
        let n = self.y.len();
        let gap = length * length - norm(&self.y).powi(2);
        let short = gap > 1e-9 * length * length;
        if !short {
            return;
        }
        let y = self.y.clone();
        self.y.iter_mut().enumerate().for_each(|(i, z)| *z = 1.0 + i as f64 / n as f64);
        for _ in 0..2 {
            let size = norm(&self.y);
            self.y.iter_mut().for_each(|z| *z /= size);
            for i in 1..n {
                self.y[i] -= self.l[i - 1] * self.y[i - 1];
            }
            self.back();
        }
        let size = norm(&self.y);
        let along: f64 = self.y.iter().zip(&y).map(|(z, y)| z / size * y).sum();
        let sign = if along < 0.0 { -1.0 } else { 1.0 };
        let tau = gap / (along.abs() + (along * along + gap).sqrt());
        self.y.iter_mut().zip(&y).for_each(|(z, y)| *z = y + sign * tau * *z / size);
    }
}

fn norm(y: &[f64]) -> f64 {
    y.iter().map(|y| y * y).sum::<f64>().sqrt()
}

/// Between two numbers of which the upper is positive: the geometric mean where they are of different size.
fn middle(low: f64, high: f64) -> f64 {
    let even = low + 0.5 * (high - low);
    if low > 0.0 && high > 4.0 * low {
        (low * high).sqrt()
    } else if low == 0.0 {
        0.1 * high
    } else {
        even
    }
}

/// Bounds of `lambda`: see the head of this file.
fn bracket(alpha: &[f64], beta: &[f64], g: f64, sigma: f64) -> (f64, f64) {
    let n = alpha.len();
    let beside = |i: usize| if i < n - 1 { beta[i].abs() } else { 0.0 };
    let disc = |i: usize| alpha[i] - beside(i) - if i > 0 { beside(i - 1) } else { 0.0 };
    let l = (0..n).map(disc).fold(f64::INFINITY, f64::min);
    let smallest = alpha.iter().copied().fold(f64::INFINITY, f64::min);
    let root = (l * l + 4.0 * sigma * g).sqrt();
    let high = if l > 0.0 { 2.0 * sigma * g / (l + root) } else { 0.5 * (root - l) };
    // A little above, since the equation that defines it was rounded.
    ((-smallest).max(0.0), high * (1.0 + 1e-12))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of the whole model.
    fn model(alpha: &[f64], beta: &[f64], g: f64, sigma: f64, y: &[f64]) -> f64 {
        let work = Work { y: y.to_vec(), ..Work::default() };
        work.quadratic(alpha, beta, g) + sigma / 3.0 * norm(y).powi(3)
    }

    /// Is `y` stationary, and lower than everything around and far away?
    fn assert_minimal(alpha: &[f64], beta: &[f64], g: f64, sigma: f64) -> Vec<f64> {
        let mut work = Work::default();
        work.minimise(alpha, beta, g, sigma);
        let (y, n) = (work.y, alpha.len());
        let lambda = sigma * norm(&y);
        for i in 0..n {
            let before = if i > 0 { beta[i - 1] * y[i - 1] } else { 0.0 };
            let after = if i + 1 < n { beta[i] * y[i + 1] } else { 0.0 };
            let rest = if i == 0 { g } else { 0.0 } + (alpha[i] + lambda) * y[i] + before + after;
            let size = g + (alpha[i].abs() + lambda) * norm(&y);
            assert!(rest.abs() <= 1e-7 * size, "entry {i} of the gradient is {rest:e} of {size:e}");
        }
        let lowest = model(alpha, beta, g, sigma, &y);
        assert!(lowest < 0.0);
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 11) as f64 * 2f64.powi(-53) * 2.0 - 1.0
        };
        for trial in 0..2000 {
            let scale = norm(&y) * [1e-3, 1.0, 3.0][trial % 3];
            let other: Vec<f64> = y.iter().map(|y| y + scale * random()).collect();
            let value = model(alpha, beta, g, sigma, &other);
            assert!(value >= lowest - 1e-9 * lowest.abs(), "{value:e} is below {lowest:e}");
        }
        y
    }

    #[test]
    fn one_dimension_is_the_root_of_a_quadratic_equation() {
        // g + a y + sigma |y| y = 0 with y < 0: sigma y^2 - a y - g = 0.
        for (a, g, sigma) in
            [(2.0, 1.0, 3.0), (-2.0, 1.0, 3.0), (0.0, 1.0, 0.5), (5.0, 1e-9, 1e-6), (-1.0, 1e-12, 10.0)]
        {
            let y = assert_minimal(&[a], &[], g, sigma);
            let root: f64 = (a - f64::sqrt(a * a + 4.0 * sigma * g)) / (2.0 * sigma);
            let exact = if a > 0.0 { -2.0 * g / (a + f64::sqrt(a * a + 4.0 * sigma * g)) } else { root };
            assert!((y[0] - exact).abs() <= 1e-10 * exact.abs(), "{} is not {exact}", y[0]);
        }
    }

    #[test]
    fn the_minimiser_is_global() {
        assert_minimal(&[1.0, 2.0, 3.0], &[0.5, 0.25], 1.0, 1.0);
        assert_minimal(&[1.0, -2.0, 3.0], &[0.5, 0.25], 1.0, 1.0);
        assert_minimal(&[-1.0, -2.0, -3.0, -4.0], &[1.0, 1.0, 1.0], 0.1, 2.0);
        assert_minimal(&[1e6, 1.0, 1e-6], &[1.0, 1e-4], 1e3, 1e-8);
        assert_minimal(&[0.0, 0.0], &[0.0], 1.0, 1.0);
    }

    #[test]
    fn the_hard_case_gets_its_length_from_the_eigenvector() {
        // The gradient is orthogonal to the direction of curvature -2: |y| = lambda / sigma = 2, and y_1 = -1/(1 + 2).
        let y = assert_minimal(&[1.0, -2.0], &[0.0], 1.0, 1.0);
        assert!((y[0] + 1.0 / 3.0).abs() < 1e-7 && (norm(&y) - 2.0).abs() < 1e-7, "{y:?}");
        assert_minimal(&[1.0, -2.0], &[1e-13], 1.0, 1.0);
        assert_minimal(&[3.0, 1.0, -5.0], &[0.5, 1e-14], 1e-3, 2.0);
    }
}
