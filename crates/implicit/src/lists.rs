//! Lists of batches as vectors: sums and inner products for each member apart. Nothing here knows of a metric or a map.
//!
//! A vector is a list of batches, one for each matrix of a point. Member `b` of the vector is member `b` of every
//! batch, and what is done to one member never reads another.

use pullback::{Batch, Scalar, Shape};

/// A vector of the ambient space: one batch for each matrix of a point.
pub type List<T = f64> = Vec<Batch<T>>;

/// How many members a list of such shapes has.
pub(crate) fn members(shapes: &[Shape]) -> usize {
    shapes.first().map_or(0, |s| s.batch)
}

/// Zeros of the given shapes.
pub(crate) fn zeros<T: Scalar>(shapes: &[Shape]) -> List<T> {
    shapes.iter().map(|s| Batch::zeros(*s)).collect()
}

/// The shapes of a list.
pub(crate) fn shapes<T: Scalar>(v: &[Batch<T>]) -> Vec<Shape> {
    v.iter().map(Batch::shape).collect()
}

/// The entries of member `b` of one batch.
fn of<T: Scalar>(v: &Batch<T>, b: usize) -> &[T] {
    let each = v.shape().each();
    &v.data()[b * each..(b + 1) * each]
}

/// The entries of member `b` of one batch.
fn of_mut<T: Scalar>(v: &mut Batch<T>, b: usize) -> &mut [T] {
    let each = v.shape().each();
    &mut v.data_mut()[b * each..(b + 1) * each]
}

/// `u · v` in double precision, in eight sums at once: one after the other would wait for itself.
pub(crate) fn flat_dot<T: Scalar>(u: &[T], v: &[T]) -> f64 {
    let (mut lanes, (us, vs)) = ([0.0; 8], (u.chunks_exact(8), v.chunks_exact(8)));
    let rest = us.remainder().iter().zip(vs.remainder()).map(|(u, v)| u.f64() * v.f64()).sum::<f64>();
    for (u, v) in us.zip(vs) {
        lanes.iter_mut().zip(u.iter().zip(v)).for_each(|(l, (u, v))| *l += u.f64() * v.f64());
    }
    lanes.iter().sum::<f64>() + rest
}

/// Adds `u · v` of each member to the sums, of one leaf with as many members as there are sums.
pub(crate) fn add_dots<T: Scalar>(sums: &mut [f64], u: &[T], v: &[T]) {
    let each = u.len() / sums.len().max(1);
    for (m, sum) in sums.iter_mut().enumerate() {
        let of = m * each..(m + 1) * each;
        *sum += flat_dot(&u[of.clone()], &v[of]);
    }
}

/// The ambient inner product of member `b`, summed in double precision.
pub(crate) fn dot<T: Scalar>(u: &[Batch<T>], v: &[Batch<T>], b: usize) -> f64 {
    u.iter().zip(v).map(|(u, v)| flat_dot(of(u, b), of(v, b))).sum()
}

/// `y += a x` in member `b`. With `a = 0` nothing is read, so what rests may hold anything.
pub(crate) fn add<T: Scalar>(y: &mut [Batch<T>], a: f64, x: &[Batch<T>], b: usize) {
    if a == 0.0 {
        return;
    }
    y.iter_mut().zip(x).for_each(|(y, x)| T::axpy(T::of(a), of(x, b), of_mut(y, b)));
}

/// `y = a y + c x` in member `b`.
pub(crate) fn combine<T: Scalar>(y: &mut [Batch<T>], a: f64, c: f64, x: &[Batch<T>], b: usize) {
    for (y, x) in y.iter_mut().zip(x) {
        of_mut(y, b).iter_mut().zip(of(x, b)).for_each(|(y, x)| *y = T::of(a) * *y + T::of(c) * *x);
    }
}

/// `x = a x` in member `b`; exactly zero for `a = 0`, whatever `x` holds.
pub(crate) fn scale<T: Scalar>(x: &mut [Batch<T>], a: f64, b: usize) {
    for x in x {
        match a == 0.0 {
            true => of_mut(x, b).fill(T::zero()),
            false => of_mut(x, b).iter_mut().for_each(|x| *x *= T::of(a)),
        }
    }
}

/// `to = from`, all members.
pub(crate) fn copy<T: Scalar>(to: &mut [Batch<T>], from: &[Batch<T>]) {
    to.iter_mut().zip(from).for_each(|(to, from)| to.data_mut().copy_from_slice(from.data()));
}

/// The ambient length of everything together.
pub(crate) fn length<T: Scalar>(v: &[Batch<T>]) -> f64 {
    root_of(all_dot(v, v), || v.iter().flat_map(Batch::data))
}

/// The ambient length of member `b`.
pub(crate) fn member_length<T: Scalar>(v: &[Batch<T>], b: usize) -> f64 {
    root_of(dot(v, v, b), || v.iter().flat_map(move |v| of(v, b)))
}

/// The length of a vector of numbers.
pub(crate) fn flat_length<T: Scalar>(v: &[T]) -> f64 {
    root_of(flat_dot(v, v), || v.iter())
}

/// Do squares of this size keep their digits?
pub(crate) fn is_plain(square: f64) -> bool {
    square > 1e-280 && square < 1e280
}

/// The square root of a sum of squares, of the entries themselves where their squares are too small or too large to be
/// numbers.
fn root_of<'v, T: Scalar, I: Iterator<Item = &'v T>>(square: f64, entries: impl Fn() -> I) -> f64 {
    if is_plain(square) || square.is_nan() {
        return square.sqrt();
    }
    let largest = entries().fold(0.0f64, |l, x| l.max(x.f64().abs()));
    if largest == 0.0 || largest.is_infinite() {
        return largest;
    }
    largest * entries().map(|x| (x.f64() / largest).powi(2)).sum::<f64>().sqrt()
}

/// 1, or the power of two near to the largest entry of member `b` where that is so small or large that products of such
/// numbers under- or overflow. To divide by it changes no digit.
pub(crate) fn unit<T: Scalar>(v: &[Batch<T>], b: usize) -> f64 {
    let largest = v.iter().flat_map(|v| of(v, b)).fold(0.0f64, |l, x| l.max(x.f64().abs()));
    if largest == 0.0 || !largest.is_finite() || (1e-30..=1e30).contains(&largest) {
        return 1.0;
    }
    // Powers that the scalar has, and their inverses.
    let most = if T::EPS.f64() < 1e-10 { 1000.0 } else { 100.0 };
    largest.log2().floor().clamp(-most, most).exp2()
}

/// The ambient inner product of everything together.
pub(crate) fn all_dot<T: Scalar>(u: &[Batch<T>], v: &[Batch<T>]) -> f64 {
    u.iter().zip(v).map(|(u, v)| flat_dot(u.data(), v.data())).sum()
}

/// `to += c v`, all members.
pub(crate) fn add_all<T: Scalar>(to: &mut [Batch<T>], c: f64, v: &[Batch<T>]) {
    to.iter_mut().zip(v).for_each(|(to, v)| T::axpy(T::of(c), v.data(), to.data_mut()));
}

/// `a - b`.
pub(crate) fn minus<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> List<T> {
    let mut d = a.to_vec();
    add_all(&mut d, -1.0, b);
    d
}

/// Is every entry of member `b` finite?
pub(crate) fn finite<T: Scalar>(v: &[Batch<T>], b: usize) -> bool {
    v.iter().all(|v| of(v, b).iter().all(|x| x.is_finite()))
}

/// Is every entry of member `b` finite, and its product with `a`?
pub(crate) fn finite_times<T: Scalar>(v: &[Batch<T>], a: f64, b: usize) -> bool {
    v.iter().all(|v| of(v, b).iter().all(|x| (*x * T::of(a)).is_finite()))
}

/// Is every entry of member `b` zero?
pub(crate) fn is_zero<T: Scalar>(v: &[Batch<T>], b: usize) -> bool {
    v.iter().all(|v| of(v, b).iter().all(|x| *x == T::zero()))
}

/// Numbers between 0 and 1 from a stream that depends on `seed` alone (splitmix64).
pub(crate) fn uniform(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Normal numbers from a stream that depends on `seed` alone (Box-Muller), to probe maps with.
pub(crate) fn noise<T: Scalar>(shapes: &[Shape], seed: u64) -> List<T> {
    let mut uniform = uniform(seed);
    let mut normal = || {
        let (u, v) = (uniform(), uniform());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    shapes.iter().map(|s| Batch::from_fn(*s, |_, _, _| T::of(normal()))).collect()
}

/// Random numbers as of [`noise`], the same in every member, so that what is probed with them finds in a member what it
/// finds in that member alone.
pub(crate) fn noise_alike<T: Scalar>(shapes: &[Shape], seed: u64) -> List<T> {
    let one: Vec<Shape> = shapes.iter().map(|s| Shape::mat(s.rows, s.cols)).collect();
    let spread = |(v, s): (Batch<T>, &Shape)| {
        let mut all = Batch::zeros(*s);
        (0..s.batch).for_each(|b| of_mut(&mut all, b).copy_from_slice(v.data()));
        all
    };
    noise::<T>(&one, seed).into_iter().zip(shapes).map(spread).collect()
}

/// `v` in the members that `keep` names, zero in the others.
pub(crate) fn only<T: Scalar>(v: &[Batch<T>], keep: &dyn Fn(usize) -> bool) -> List<T> {
    let mut v = v.to_vec();
    (0..members(&shapes(&v))).filter(|m| !keep(*m)).for_each(|m| scale(&mut v, 0.0, m));
    v
}

/// Member `b`, alone.
pub(crate) fn member<T: Scalar>(v: &[Batch<T>], b: usize) -> List<T> {
    v.iter().map(|v| Batch::from_slice(Shape::mat(v.shape().rows, v.shape().cols), of(v, b))).collect()
}

/// Member `b` of `to` becomes `one`.
pub(crate) fn put_member<T: Scalar>(to: &mut [Batch<T>], one: &[Batch<T>], b: usize) {
    to.iter_mut().zip(one).for_each(|(to, one)| of_mut(to, b).copy_from_slice(one.data()));
}

/// Member `b` of `to` becomes that of `from`, in the leaves that have members.
pub(crate) fn copy_member<T: Scalar>(to: &mut [Batch<T>], from: &[Batch<T>], b: usize) {
    to.iter_mut().zip(from).for_each(|(to, from)| of_mut(to, b).copy_from_slice(of(from, b)));
}

/// The rounding unit.
pub(crate) fn eps<T: Scalar>() -> f64 {
    T::EPS.f64()
}

/// Is every entry finite?
pub(crate) fn all_finite<T: Scalar>(v: &[Batch<T>]) -> bool {
    v.iter().all(|v| v.data().iter().all(|x| x.is_finite()))
}

/// A number of the scalar.
pub(crate) fn number<T: Scalar>(x: f64) -> T {
    T::of(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_have_the_bits_of_the_plain_loop() {
        for n in [0usize, 1, 3, 7, 8, 31, 64, 127, 1000] {
            let [x, mut y] = [1, 2].map(|seed| noise::<f64>(&[Shape::mat(n, 1)], seed));
            let (a, mut plain) = (0.1, y[0].data().to_vec());
            plain.iter_mut().zip(x[0].data()).for_each(|(y, x)| *y += a * *x);
            let mut all = y.clone();
            add(&mut y, a, &x, 0);
            add_all(&mut all, a, &x);
            assert!(y[0].data() == plain && all[0].data() == plain, "{n}");
        }
    }
}
