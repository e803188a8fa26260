//! Deflation by harmonic Ritz vectors of earlier systems (Morgan, *Restarted block-GMRES with deflation of
//! eigenvalues*, 2005; as a preconditioner, Carpentieri, Duff & Giraud, *A class of spectral two-level
//! preconditioners*, 2003).
//!
//! Of vectors `o` with images `q = A o` that are orthonormal, `H = <q, o>` is `A^{-1}` in the space of the images. An
//! eigenvector `c` of its largest eigenvalue `1/theta` is a direction `u = sum c o` that `A` shortens most. Of a map
//! that is not positive, `H = <o, o>` is `A^{-*} A^{-1}` there, and the roots of its eigenvalues are lengths. Then `M =
//! I + sum (sigma/theta - 1) u u*` with `|u| = 1` lifts those eigenvalues to `sigma`, the smallest that is not lifted.
//! `M` is positive whatever the `u` are, so nothing is lost where they are no eigenvectors any more.

use super::Map;
use super::images::Pair;
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar, Shape, Tape};
use std::cell::RefCell;

/// Vectors and their images.
type Pairs<T> = Vec<(List<T>, List<T>)>;

/// A map that remembers what it was seen to do: vectors and their images, and when there are too many, the directions
/// of their space that it shortens most (as eigCG does, Stathopoulos & Orginos 2010).
pub(crate) struct Watched<'m, T: Scalar> {
    map: &'m dyn Map<T>,
    keep: usize,
    /// Is the map positive?
    positive: bool,
    seen: RefCell<Pairs<T>>,
}

/// Pairs are reduced to twice as many as are kept when there are so many more.
const WINDOW: usize = 20;

impl<'m, T: Scalar> Watched<'m, T> {
    /// Remembers the images of the vectors of `ritz` at once: one product for each.
    pub(crate) fn new(map: &'m dyn Map<T>, positive: bool, keep: usize, ritz: Option<&Ritz<T>>) -> Result<Self> {
        let mut seen = vec![];
        for u in ritz.iter().flat_map(|r| &r.vectors) {
            let (mut u, mut au) = (u.clone(), lists::zeros(map.shapes()));
            map.project(&mut u)?;
            map.apply(&u, &mut au)?;
            seen.push((u, au));
        }
        Ok(Watched { map, keep, positive, seen: RefCell::new(seen) })
    }

    /// The directions that the map shortens most, of what it was seen to do; `None` if too little was seen.
    pub(crate) fn shortened(&self) -> Result<Option<Ritz<T>>> {
        let (pairs, values) = self.reduced(&self.seen.borrow(), self.keep + 1)?;
        if pairs.len() <= self.keep {
            return Ok(None);
        }
        let lift = |k: usize| {
            let one = |(v, last): (&f64, &f64)| if *last > 0.0 && v > last { v / last - 1.0 } else { 0.0 };
            values[k].iter().zip(&values[self.keep]).map(one).collect()
        };
        let mut ritz = Ritz {
            lift: (0..self.keep).map(lift).collect(),
            lowered: (0..self.keep).map(|_| lists::zeros(self.map.shapes())).collect(),
            vectors: pairs.into_iter().take(self.keep).map(|(u, _)| u).collect(),
            shapes: self.map.shapes().to_vec(),
        };
        ritz.settle(self.map)?;
        Ok(Some(ritz))
    }

    /// These pairs, combined so that their images are orthonormal.
    fn orthonormal(&self, seen: &Pairs<T>) -> Result<Vec<Pair<T>>> {
        let mut pairs: Vec<Pair<T>> = vec![];
        for (v, av) in seen {
            let mut pair = Pair { origin: v.clone(), image: av.clone(), ..Pair::zeros(self.map) };
            self.map.lower(&pair.image, &mut pair.lowered)?;
            pair.orthonormalise(&pairs);
            pairs.push(pair);
        }
        Ok(pairs)
    }

    /// The `keep` pairs, of the space of these, whose vectors are shortened most, and by how much: `1/theta` of each,
    /// for each member, 0 where there is none.
    fn reduced(&self, seen: &Pairs<T>, keep: usize) -> Result<(Pairs<T>, Vec<Vec<f64>>)> {
        let (map, pairs) = (self.map, self.orthonormal(seen)?);
        // What an origin is multiplied with to be an entry of H.
        let mut duals: Vec<List<T>> = pairs.iter().map(|p| p.lowered.clone()).collect();
        if !self.positive {
            pairs.iter().zip(&mut duals).try_for_each(|(p, d)| map.lower(&p.origin, d))?;
        }
        let (keep, n) = (keep.min(pairs.len()), lists::members(map.shapes()));
        let zeros = || lists::zeros::<T>(map.shapes());
        let mut out: Pairs<T> = (0..keep).map(|_| (zeros(), zeros())).collect();
        let mut values = vec![vec![0.0; n]; keep];
        for m in 0..n {
            let both = pairs.iter().zip(&duals);
            let (sound, duals): (Vec<&Pair<T>>, Vec<&List<T>>) =
                both.filter(|(p, _)| lists::dot(&p.image, &p.lowered, m) > 0.5).unzip();
            let l = sound.len();
            if l == 0 {
                continue;
            }
            let h = Batch::from_fn(Shape::mat(l, l), |_, i, j| T::of(lists::dot(duals[i], &sound[j].origin, m)));
            if h.first_non_finite().is_some() {
                // Lengthened beyond the numbers: nothing is kept of this member, which is solved without.
                continue;
            }
            let tape = Tape::plain();
            let (theta, c) = tape.constant(&h).sym().eigh();
            tape.check()?;
            let (theta, c) = (theta.value(), c.value());
            let mut order: Vec<usize> = (0..l).collect();
            order.sort_by(|i, j| theta.data()[*j].f64().total_cmp(&theta.data()[*i].f64()));
            for (k, from) in order.into_iter().take(keep).enumerate() {
                let theta = theta.data()[from].f64();
                values[k][m] = if self.positive { theta } else { theta.max(0.0).sqrt() };
                for (p, c) in sound.iter().zip(&c.data()[from * l..(from + 1) * l]) {
                    lists::add(&mut out[k].0, c.f64(), &p.origin, m);
                    lists::add(&mut out[k].1, c.f64(), &p.image, m);
                }
            }
        }
        Ok((out, values))
    }
}

impl<T: Scalar> Map<T> for Watched<'_, T> {
    fn shapes(&self) -> &[Shape] {
        self.map.shapes()
    }
    fn dim(&self) -> usize {
        self.map.dim()
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.map.apply(v, out)?;
        let mut seen = self.seen.borrow_mut();
        seen.push((v.to_vec(), out.to_vec()));
        if seen.len() >= 2 * self.keep + WINDOW {
            let (fewer, _) = self.reduced(&seen, 2 * self.keep)?;
            *seen = fewer;
        }
        Ok(())
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.map.adjoint(v, out)
    }
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.map.lower(v, out)
    }
    fn is_ambient(&self) -> bool {
        self.map.is_ambient()
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.map.project(v)
    }
}

/// Directions that a map shortens, as a preconditioner that lengthens them.
#[derive(Debug, Clone)]
pub(crate) struct Ritz<T: Scalar> {
    vectors: Vec<List<T>>,
    /// `G u`.
    lowered: Vec<List<T>>,
    /// `sigma/theta - 1` of each vector, for each member; 0 where there is none.
    lift: Vec<Vec<f64>>,
    shapes: Vec<Shape>,
}

impl<T: Scalar> Ritz<T> {
    /// Makes the vectors those of the tangent space of a map, of length 1 in its metric.
    pub(crate) fn settle(&mut self, map: &dyn Map<T>) -> Result<()> {
        for (u, g) in self.vectors.iter_mut().zip(&mut self.lowered) {
            map.project(u)?;
            map.lower(u, g)?;
            for m in 0..lists::members(&self.shapes) {
                let length = lists::dot(u, g, m).max(0.0).sqrt();
                let c = if length > 0.0 && length.is_finite() { 1.0 / length } else { 0.0 };
                lists::scale(u, c, m);
                lists::scale(g, c, m);
            }
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.vectors.len()
    }
}

impl<T: Scalar> Map<T> for Ritz<T> {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.shapes.iter().map(Shape::each).sum()
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        lists::copy(out, v);
        for ((u, g), lift) in self.vectors.iter().zip(&self.lowered).zip(&self.lift) {
            for (m, lift) in lift.iter().enumerate().filter(|(_, l)| **l > 0.0) {
                lists::add(out, lift * lists::dot(g, v, m), u, m);
            }
        }
        Ok(())
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.apply(v, out)
    }
}
