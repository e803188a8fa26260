//! `h(x) = atan(sqrt x) / sqrt x` and its derivatives: the function that makes angles of squares. Below 0 it is
//! `atanh(sqrt -x) / sqrt -x`; it is analytic from -1 on. Scalars in double precision.
//!
//! `h(x) = integral over s in [0, 1] of 1 / (1 + x s^2)`, so
//! `h^(k)(x) = (-1)^k k! I_k` with `I_k = integral of s^{2k} / (1 + x s^2)^{k+1}`, and
//!
//! 1. for `-1/2 <= x < 0` the binomial series `I_k = sum_j C(k + j, j) (-x)^j / (2k + 2j + 1)`;
//! 2. for `0 <= x <= 4`, with `w = x / (1 + x)`, Pfaff's transformation of that series:
//!    `I_k = (1 + x)^{-k-1} sum_j t_j`, `t_0 = 1 / (2k + 1)`, `t_{j+1} = t_j w (k + 1 + j) / (k + 3/2 + j)`;
//! 3. elsewhere, from `2 x h' + h = 1 / (1 + x)` differentiated `k` times, the recurrence
//!    `2 x h^(k+1) = (-1)^k k! / (1 + x)^{k+1} - (2k + 1) h^(k)`.
//!
//! All terms of both series have one sign. The recurrence multiplies an error by `(2k + 1) / 2x` in each step, which is
//! how `h^(k)` itself grows for large `x` (where it is near the derivative of `pi / (2 sqrt x)`), and what
//! `1 / (1 + x)^{k+1}` outgrows near -1. Source: the integral; derived here.

/// `h^(k)(x)`; NaN below -1.
pub(crate) fn derivative(k: u32, x: f64) -> f64 {
    if !(-0.5..=4.0).contains(&x) {
        return recurrence(k, x);
    }
    let kf = f64::from(k);
    let (sum, scale) = match x < 0.0 {
        true => (
            series(|j, t| t * -x * (kf + 1.0 + j) / (1.0 + j) * (2.0 * (kf + j) + 1.0) / (2.0 * (kf + j) + 3.0), kf),
            1.0,
        ),
        false => {
            let w = x / (1.0 + x);
            (series(|j, t| t * w * (kf + 1.0 + j) / (kf + 1.5 + j), kf), (1.0 + x).powi(-(k as i32) - 1))
        }
    };
    (1..=k).fold(sum * scale, |p, i| -p * f64::from(i))
}

/// The sum of the terms that begin with `1 / (2k + 1)`.
fn series(next: impl Fn(f64, f64) -> f64, k: f64) -> f64 {
    let mut term = 1.0 / (2.0 * k + 1.0);
    let (mut sum, mut j) = (0.0, 0.0);
    loop {
        let before = sum;
        sum += term;
        if sum == before {
            return sum;
        }
        term = next(j, term);
        j += 1.0;
    }
}

fn recurrence(k: u32, x: f64) -> f64 {
    let root = x.abs().sqrt();
    let mut h = match x {
        _ if x == f64::INFINITY => return 0.0,
        _ if x > 0.0 => root.atan() / root,
        _ => libm::atanh(root) / root,
    };
    let r = 1.0 / (1.0 + x);
    let mut power = r;
    for n in 0..k {
        let n = f64::from(n);
        h = (power - (2.0 * n + 1.0) * h) / (2.0 * x);
        power *= -(n + 1.0) * r;
    }
    h
}

#[cfg(test)]
mod tests {
    use super::derivative;

    #[test]
    fn values_are_known_and_derivatives_agree_with_the_integral() {
        let pi = std::f64::consts::PI;
        for (x, want) in [(0.0, 1.0), (1.0, pi / 4.0), (3.0, pi / 3.0 / 3f64.sqrt()), (1e300, pi / 2.0 * 1e-150)] {
            assert!((derivative(0, x) - want).abs() < 4e-16 * want, "{x}");
        }
        let want = 2.0 * (3f64.ln() / 2.0);
        assert!((derivative(0, -0.25) - want).abs() < 1e-15);
        assert!(derivative(0, -1.5).is_nan() && derivative(0, f64::NAN).is_nan());
        assert!(derivative(0, f64::INFINITY) == 0.0 && derivative(3, f64::INFINITY) == 0.0);
        // Gauss-Legendre of five points in 4000 panels, whose error is rounding.
        let nodes = [0.0, 0.5384693101056831, -0.5384693101056831, 0.906179845938664, -0.906179845938664];
        let weights =
            [0.5688888888888889, 0.47862867049936647, 0.47862867049936647, 0.23692688505618908, 0.23692688505618908];
        for x in [-0.9, -0.500001, -0.499999, -1e-9, 0.0, 1e-9, 0.3, 1.0, 3.999, 4.001, 50.0] {
            for k in [0u32, 1, 2, 3, 4, 8] {
                let panels = 4000;
                let mut sum = 0.0;
                for i in 0..panels {
                    for (node, weight) in nodes.iter().zip(weights) {
                        let s: f64 = (f64::from(i) + 0.5 + 0.5 * node) / f64::from(panels);
                        let f = s.powi(2 * k as i32) / (1.0 + x * s * s).powi(k as i32 + 1);
                        sum += 0.5 * weight * f / f64::from(panels);
                    }
                }
                let want = (1..=k).fold(sum, |p, i| -p * f64::from(i));
                let got = derivative(k, x);
                assert!((got - want).abs() < 2e-13 * want.abs(), "order {k} at {x}: {got} {want}");
            }
        }
    }
}
