//! Functions that are known by their values and derivatives alone, and their divided differences. Those with a formula
//! of their own are in `divided.rs`.

use crate::tolerances::MAX_POINTS;
use core::fmt;

/// A scalar function of your own, with as many derivatives as you can give: [`SymFn::own`](crate::SymFn::own).
pub trait ScalarFn: Send + Sync + 'static {
    /// Its name in dumps.
    fn name(&self) -> &'static str;
    /// The highest derivative that [`ScalarFn::derivative`] knows. `f(A)` needs none, its gradient one, its Hessian
    /// two; the gradient of `tr f(A)` needs one, its Hessian two.
    fn orders(&self) -> u32;
    /// `f^(k)(x)`, for `k` from 0 to [`ScalarFn::orders`]. NaN where there is none.
    fn derivative(&self, k: u32, x: f64) -> f64;
}

/// A [`ScalarFn`], or a derivative of one.
#[derive(Clone, Copy)]
pub struct OwnFn {
    pub(crate) f: &'static dyn ScalarFn,
    pub(crate) order: u32,
}

impl OwnFn {
    pub(crate) fn at(self, k: u32, x: f64) -> f64 {
        self.f.derivative(self.order + k, x)
    }
}

impl PartialEq for OwnFn {
    /// The same object, and the same derivative of it.
    fn eq(&self, o: &Self) -> bool {
        core::ptr::addr_eq(self.f, o.f) && self.order == o.order
    }
}

impl fmt::Debug for OwnFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.f.name(), self.order)
    }
}

/// The divided difference of a function that is known by its values and derivatives `f(k, x)` alone, and a bound on its
/// error: by recursion, or by quadrature of the derivative of order `k`, whichever is bounded better.
pub(crate) fn general(f: &dyn Fn(u32, f64) -> f64, x: &[f64]) -> (f64, f64) {
    let k = x.len() - 1;
    let spread = x[k] - x[0];
    if k == 0 {
        let y = f(0, x[0]);
        return (y, f64::EPSILON * y.abs());
    }
    if spread == 0.0 {
        let y = (1..=k).fold(f(k as u32, x[0]), |y, i| y / i as f64);
        return (y, f64::EPSILON * y.abs());
    }
    let ((a, da), (b, db)) = (general(f, &x[1..]), general(f, &x[..k]));
    let (far, bound) = ((a - b) / spread, (da + db) / spread);
    if bound <= 8.0 * f64::EPSILON * far.abs() {
        return (far, bound);
    }
    let g = |x: f64| f(k as u32, x);
    let (rough, fine) = (over_simplex(&g, x, &GAUSS_6), over_simplex(&g, x, &GAUSS_10));
    let doubt = (rough - fine).abs() + f64::EPSILON * fine.abs();
    if doubt <= bound { (fine, doubt) } else { (far, bound) }
}

/// `f[x_0..x_k]` as the integral of `g = f^(k)` over the simplex (Hermite-Genocchi), by a product of Gauss rules.
fn over_simplex(g: &dyn Fn(f64) -> f64, x: &[f64], rule: &[(f64, f64)]) -> f64 {
    let k = x.len() - 1;
    if k == 0 {
        return g(x[0]);
    }
    let mut y = [0.0; MAX_POINTS];
    let mut sum = 0.0;
    for &(node, weight) in rule {
        for sign in [-1.0, 1.0] {
            let t = 0.5 + 0.5 * sign * node;
            for i in 0..k {
                y[i] = x[i] + t * (x[k] - x[i]);
            }
            sum += 0.5 * weight * (1.0 - t).powi(k as i32 - 1) * over_simplex(g, &y[..k], rule);
        }
    }
    sum
}

/// Gauss-Legendre nodes and weights on (-1, 1), one of each pair.
const GAUSS_6: [(f64, f64); 3] = [
    (0.238_619_186_083_196_9, 0.467_913_934_572_691_05),
    (0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (0.932_469_514_203_152, 0.171_324_492_379_170_36),
];
const GAUSS_10: [(f64, f64); 5] = [
    (0.148_874_338_981_631_22, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];
