//! Points and tangents as plain numbers: lists of batches with the operations of a vector space. What they mean on a
//! manifold is in `space`.

use pullback::{Batch, Scalar, Shape};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point or a tangent: its matrices. Serialised by the bits of its numbers, so that what is read is what was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers<T: Scalar>(pub Vec<Batch<T>>);

impl<T: Scalar> Default for Numbers<T> {
    fn default() -> Self {
        Numbers(Vec::new())
    }
}

impl<T: Scalar> std::ops::Deref for Numbers<T> {
    type Target = [Batch<T>];
    fn deref(&self) -> &[Batch<T>] {
        &self.0
    }
}

impl<T: Scalar> Numbers<T> {
    /// Zeros of the shapes of `like`.
    pub fn zeros(like: &[Batch<T>]) -> Self {
        Numbers(like.iter().map(|b| Batch::zeros(b.shape())).collect())
    }

    /// Takes the numbers of `from`; the shapes too, where they differ.
    pub fn copy_from(&mut self, from: &[Batch<T>]) {
        self.0.resize_with(from.len(), || Batch::zeros(Shape::SCALAR));
        for (to, from) in self.0.iter_mut().zip(from) {
            match to.shape() == from.shape() {
                true => to.data_mut().copy_from_slice(from.data()),
                false => *to = from.clone(),
            }
        }
    }

    /// `self <- a self + b u`, entry by entry.
    pub fn combine(&mut self, a: f64, b: f64, u: &[Batch<T>]) {
        let (a, b) = (T::of(a), T::of(b));
        for (to, from) in self.0.iter_mut().zip(u) {
            to.data_mut().iter_mut().zip(from.data()).for_each(|(x, u)| *x = a * *x + b * *u);
        }
    }

    /// `self <- c self`.
    pub fn scale(&mut self, c: f64) {
        let c = T::of(c);
        self.0.iter_mut().flat_map(|b| b.data_mut()).for_each(|x| *x *= c);
    }

    /// All entries zero.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(|b| b.data_mut().fill(T::zero()));
    }

    /// The ambient inner product, over all matrices and members.
    pub fn dot(&self, u: &[Batch<T>]) -> f64 {
        dot(&self.0, u)
    }

    /// Are all entries finite?
    pub fn is_finite(&self) -> bool {
        self.0.iter().all(|b| b.data().iter().all(|x| x.is_finite()))
    }
}

/// The ambient inner product of two lists, in double precision.
pub(crate) fn dot<T: Scalar>(u: &[Batch<T>], v: &[Batch<T>]) -> f64 {
    u.iter().zip(v).map(|(u, v)| dot_entries(u.data(), v.data())).sum()
}

/// Eight interleaved sums: one after the other, additions would wait for each other.
fn dot_entries<T: Scalar>(u: &[T], v: &[T]) -> f64 {
    let ((u, u_rest), (v, v_rest)) = (u.as_chunks::<8>(), v.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (u, v) in u.iter().zip(v) {
        for i in 0..8 {
            sums[i] += u[i].f64() * v[i].f64();
        }
    }
    let rest: f64 = u_rest.iter().zip(v_rest).map(|(u, v)| u.f64() * v.f64()).sum();
    sums.iter().sum::<f64>() + rest
}

/// One matrix as it is stored: batch, rows and columns, and the bits of the numbers in double precision (which holds
/// every single-precision number exactly).
type Stored = (usize, usize, usize, Vec<u64>);

impl<T: Scalar> Serialize for Numbers<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let stored = |b: &Batch<T>| -> Stored {
            let shape = b.shape();
            (shape.batch, shape.rows, shape.cols, b.data().iter().map(|x| x.f64().to_bits()).collect())
        };
        s.collect_seq(self.0.iter().map(stored))
    }
}

impl<'de, T: Scalar> Deserialize<'de> for Numbers<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let list = Vec::<Stored>::deserialize(d)?;
        let read = |(batch, rows, cols, bits): Stored| {
            let shape = Shape::batch(batch, rows, cols);
            let expected = batch.checked_mul(rows).and_then(|n| n.checked_mul(cols));
            if expected != Some(bits.len()) {
                let got = bits.len();
                return Err(serde::de::Error::custom(format!("expected the numbers of a matrix {shape}, got {got}")));
            }
            let numbers: Vec<T> = bits.iter().map(|b| T::of(f64::from_bits(*b))).collect();
            Ok(Batch::from_slice(shape, &numbers))
        };
        Ok(Numbers(list.into_iter().map(read).collect::<Result<_, _>>()?))
    }
}

/// A number by its bits, since JSON has neither infinities nor NaN.
pub(crate) mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(x: &f64, s: S) -> Result<S::Ok, S::Error> {
        x.to_bits().serialize(s)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        u64::deserialize(d).map(f64::from_bits)
    }
}
