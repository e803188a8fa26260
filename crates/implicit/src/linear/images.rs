//! Vectors and their images, combined member by member so that the images are orthonormal in the metric: then the
//! combination whose image is nearest to a vector is read off. Anderson's method and projected starts stand on it.

use super::Map;
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar};

/// A vector `o`, its image `q = A o`, and `G q`.
#[derive(Debug)]
pub(super) struct Pair<T: Scalar> {
    pub(super) origin: List<T>,
    pub(super) image: List<T>,
    pub(super) lowered: List<T>,
}

impl<T: Scalar> Pair<T> {
    pub(super) fn zeros(map: &dyn Map<T>) -> Self {
        let zeros = || lists::zeros(map.shapes());
        Pair { origin: zeros(), image: zeros(), lowered: zeros() }
    }

    pub(super) fn copy(&mut self, from: &Pair<T>) {
        lists::copy(&mut self.origin, &from.origin);
        lists::copy(&mut self.image, &from.image);
        lists::copy(&mut self.lowered, &from.lowered);
    }

    fn add(&mut self, c: f64, other: &Pair<T>, m: usize) {
        lists::add(&mut self.origin, c, &other.origin, m);
        lists::add(&mut self.image, c, &other.image, m);
        lists::add(&mut self.lowered, c, &other.lowered, m);
    }

    fn scale(&mut self, c: f64, m: usize) {
        lists::scale(&mut self.origin, c, m);
        lists::scale(&mut self.image, c, m);
        lists::scale(&mut self.lowered, c, m);
    }

    fn length(&self, m: usize) -> f64 {
        lists::dot(&self.image, &self.lowered, m).max(0.0).sqrt()
    }

    /// Orthonormalises against `others`, in every member apart. A member in which nothing but rounding is left is zero.
    pub(super) fn orthonormalise(&mut self, others: &[Pair<T>]) {
        for m in 0..lists::members(&lists::shapes(&self.origin)) {
            let first = self.length(m);
            // Twice: once leaves what rounding allows, which is too much for images that are nearly parallel.
            for _ in 0..2 {
                for other in others {
                    let c = lists::dot(&other.lowered, &self.image, m);
                    self.add(-c, other, m);
                }
            }
            let length = self.length(m);
            let sound = first.is_finite() && length > 1e4 * T::EPS.f64() * first;
            self.scale(if sound { 1.0 / length } else { 0.0 }, m);
        }
    }

    /// Takes the part of `left` along this image out of it, and adds the vector that it is the image of to `x`.
    pub(super) fn take_out(&self, left: &mut [Batch<T>], x: &mut [Batch<T>], m: usize) {
        let c = lists::dot(&self.lowered, left, m);
        lists::add(left, -c, &self.image, m);
        lists::add(x, c, &self.origin, m);
    }
}

/// The combination of `vectors` whose image is nearest to `b`, in every member apart: one product for each vector.
pub(super) fn nearest<T: Scalar>(map: &dyn Map<T>, vectors: &[List<T>], b: &[Batch<T>]) -> Result<List<T>> {
    let mut pairs: Vec<Pair<T>> = vec![];
    for v in vectors {
        let mut pair = Pair { origin: v.clone(), ..Pair::zeros(map) };
        map.project(&mut pair.origin)?;
        map.apply(&pair.origin, &mut pair.image)?;
        map.lower(&pair.image, &mut pair.lowered)?;
        pair.orthonormalise(&pairs);
        pairs.push(pair);
    }
    let (mut left, mut x) = (b.to_vec(), lists::zeros(map.shapes()));
    map.project(&mut left)?;
    for m in (0..lists::members(map.shapes())).filter(|m| lists::finite(b, *m)) {
        pairs.iter().for_each(|p| p.take_out(&mut left, &mut x, m));
    }
    Ok(x)
}
