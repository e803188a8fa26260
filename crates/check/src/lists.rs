//! Lists of numbers with the shapes of the leaves (or of the outputs), and the random ones. No test lives here.

use crate::Error;
use pullback::{Batch, Scalar, Shape};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

/// Numbers with the shapes of the leaves (or of the outputs).
pub(crate) type List<T> = Vec<Batch<T>>;

/// All leaves in one column; a single leaf stays as it is.
pub(crate) fn pack<T: Scalar>(x: &[Batch<T>]) -> Batch<T> {
    if let [only] = x {
        return only.clone();
    }
    let data: Vec<T> = x.iter().flat_map(|b| b.data().to_vec()).collect();
    Batch::from_slice(Shape::mat(data.len(), 1), &data)
}

/// `|a| . |b|`: the sum of the moduli of the terms of an inner product.
pub(crate) fn moduli<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> f64 {
    terms(a, b).map(f64::abs).sum()
}

/// `<a, b>`, summed in double precision.
pub(crate) fn inner<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> f64 {
    terms(a, b).sum()
}

fn terms<'a, T: Scalar>(a: &'a [Batch<T>], b: &'a [Batch<T>]) -> impl Iterator<Item = f64> + 'a {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.data().iter().zip(b.data()));
    pairs.map(|(a, b)| a.f64() * b.f64())
}

/// `a - b`.
pub(crate) fn minus<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> List<T> {
    zip(a, b, |a, b| a - b)
}

/// `a + h b`.
pub(crate) fn plus<T: Scalar>(a: &[Batch<T>], h: f64, b: &[Batch<T>]) -> List<T> {
    let h = T::of(h);
    zip(a, b, |a, b| a + h * b)
}

/// Entry by entry.
pub(crate) fn zip<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>], mut f: impl FnMut(T, T) -> T) -> List<T> {
    let one = |(a, b): (&Batch<T>, &Batch<T>)| {
        let data: Vec<T> = a.data().iter().zip(b.data()).map(|(a, b)| f(*a, *b)).collect();
        Batch::from_slice(a.shape(), &data)
    };
    a.iter().zip(b).map(one).collect()
}

/// The shapes.
pub(crate) fn shapes<T: Scalar>(x: &[Batch<T>]) -> Vec<Shape> {
    x.iter().map(Batch::shape).collect()
}

/// The first output and entry that is not finite.
pub(crate) fn not_finite<T: Scalar>(y: &[Batch<T>]) -> Option<(usize, f64)> {
    y.iter().find_map(Batch::first_non_finite).map(|(index, value)| (index, value.f64()))
}

/// Every entry moved by one rounding unit of itself or of the size of the directions (which counts up to the largest
/// entry), whichever is larger: what rounding in the program does to the input at least.
pub(crate) fn nudged<T: Scalar>(x: &[Batch<T>], scale: &[Batch<T>], random: &mut Random) -> List<T> {
    let one = |(x, s): (&Batch<T>, &Batch<T>)| {
        let own = x.max_abs();
        let size = |x: T, s: T| x.abs().max(if own > T::zero() { s.abs().min(own) } else { s.abs() });
        let moved =
            x.data().iter().zip(s.data()).map(|(x, s)| *x + T::EPS * size(*x, *s) * random.normal::<T>().signum());
        Batch::from_slice(x.shape(), &moved.collect::<Vec<_>>())
    };
    x.iter().zip(scale).map(one).collect()
}

pub(crate) fn same_shapes<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> Result<(), Error> {
    let (first, second) = (shapes(a), shapes(b));
    if first == second { Ok(()) } else { Err(Error::Shapes { first, second }) }
}

/// Independent normal entries.
pub(crate) struct Random(Pcg64Mcg);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(Pcg64Mcg::seed_from_u64(seed))
    }

    /// The generator itself, for what the user randomises.
    pub(crate) fn rng(&mut self) -> &mut dyn rand::Rng {
        &mut self.0
    }

    pub(crate) fn normal<T: Scalar>(&mut self) -> T {
        let x: f64 = StandardNormal.sample(&mut self.0);
        T::of(x)
    }

    pub(crate) fn list<T: Scalar>(&mut self, shapes: impl IntoIterator<Item = Shape>) -> List<T> {
        shapes.into_iter().map(|s| Batch::from_fn(s, |_, _, _| self.normal())).collect()
    }

    /// Normal entries times those of `scale`.
    pub(crate) fn scaled<T: Scalar>(&mut self, scale: &[Batch<T>]) -> List<T> {
        zip(scale, scale, |s, _| s * self.normal())
    }
}

/// The largest difference of two entries.
pub(crate) fn max_apart<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> f64 {
    minus(a, b).iter().map(|d| d.max_abs().f64()).fold(0.0, f64::max)
}
