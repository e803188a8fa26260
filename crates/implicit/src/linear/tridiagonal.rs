//! Eigenvalues of symmetric tridiagonal matrices by bisection: what a Lanczos process knows of a spectrum.

/// How many eigenvalues of the matrix with diagonal `a` and off-diagonal `b` are below `x`: the number of negative
/// pivots of `T - x I` (Sylvester's law of inertia).
fn below(a: &[f64], b: &[f64], x: f64) -> usize {
    let (mut count, mut d) = (0, 1.0f64);
    for i in 0..a.len() {
        let off = if i == 0 { 0.0 } else { b[i - 1] * b[i - 1] };
        d = a[i] - x - if i == 0 { 0.0 } else { off / d };
        if d == 0.0 {
            d = f64::MIN_POSITIVE.sqrt();
        }
        count += usize::from(d < 0.0);
    }
    count
}

/// Eigenvalue number `k`, counted from the smallest.
pub(super) fn eigenvalue(a: &[f64], b: &[f64], k: usize) -> f64 {
    let reach = |i: usize| {
        let left = if i > 0 { b[i - 1].abs() } else { 0.0 };
        a[i].abs() + left + b.get(i).map_or(0.0, |b| b.abs())
    };
    let most = (0..a.len()).map(reach).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let (mut low, mut high) = (-most * 1.001, most * 1.001);
    for _ in 0..90 {
        let middle = 0.5 * (low + high);
        match below(a, b, middle) > k {
            true => high = middle,
            false => low = middle,
        }
    }
    0.5 * (low + high)
}

/// The smallest and the largest eigenvalue; `None` of an empty matrix or one that is not finite.
pub(super) fn extremes(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    let sound = !a.is_empty() && a.iter().chain(b).all(|x| x.is_finite());
    sound.then(|| (eigenvalue(a, b, 0), eigenvalue(a, b, a.len() - 1)))
}

/// The smallest and the largest modulus of an eigenvalue.
pub(super) fn moduli(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    let (low, high) = extremes(a, b)?;
    let negative = below(a, b, 0.0);
    let mut smallest = f64::INFINITY;
    if negative > 0 {
        smallest = smallest.min(eigenvalue(a, b, negative - 1).abs());
    }
    if negative < a.len() {
        smallest = smallest.min(eigenvalue(a, b, negative).abs());
    }
    Some((smallest, low.abs().max(high.abs())))
}
