//! Recycling: systems that follow each other, as in a bilevel loop, have solutions that move smoothly. The next one is
//! started from the combination of the last few whose residual is smallest (Fischer, *Projection techniques for
//! iterative solution of Ax = b with successive right-hand sides*, 1998). Two solutions extrapolate along a line, three
//! along a parabola; each costs a product. One alone is a warm start, scaled.

use super::ritz::Ritz;
use super::{Map, images};
use crate::error::Result;
use crate::lists::{self, List};
use pullback::{Batch, Scalar};
use std::cell::RefCell;
use std::collections::VecDeque;

/// The solutions of the last few systems. Give it to [`crate::Solution::recycling`], or take from it a start for your
/// own solves. Members of a batch are combined independently.
#[derive(Debug, Clone)]
pub struct Recycle<T: Scalar = f64> {
    most: usize,
    kept: RefCell<VecDeque<List<T>>>,
    vectors: usize,
    ritz: RefCell<Option<Ritz<T>>>,
}

impl<T: Scalar> Recycle<T> {
    /// Keeps the last `most` solutions; 0 keeps none, so that every system starts from zero.
    pub fn new(most: usize) -> Self {
        let (kept, ritz) = (RefCell::new(VecDeque::with_capacity(most)), RefCell::new(None));
        Recycle { most, kept, vectors: 0, ritz }
    }

    /// Keeps also this many harmonic Ritz vectors: the directions that the earlier maps shortened most are lengthened
    /// by a preconditioner. It is used in systems that [`crate::Solution::recycling`] solves by conjugate gradients,
    /// MINRES, GMRES or BiCGStab without another preconditioner. Cost: a product for each vector, and two for each
    /// system.
    #[must_use]
    pub fn deflating(self, vectors: usize) -> Self {
        Recycle { vectors, ..self }
    }

    /// Are Ritz vectors to be kept?
    pub(crate) fn deflates(&self) -> bool {
        self.vectors > 0
    }

    /// How many Ritz vectors are kept.
    pub(crate) fn vectors(&self) -> usize {
        self.vectors
    }

    /// The Ritz vectors of the systems before, made those of this tangent space.
    pub(crate) fn ritz(&self, map: &dyn Map<T>) -> Result<Option<Ritz<T>>> {
        let mut ritz = self.ritz.borrow().clone().filter(|r| r.shapes() == map.shapes());
        ritz.as_mut().map(|r| r.settle(map)).transpose()?;
        Ok(ritz)
    }

    /// Keeps Ritz vectors.
    pub(crate) fn keep_ritz(&self, ritz: Option<Ritz<T>>) {
        if ritz.is_some() {
            *self.ritz.borrow_mut() = ritz;
        }
    }

    /// How many solutions are kept now.
    pub fn len(&self) -> usize {
        self.kept.borrow().len()
    }

    /// Is nothing kept yet?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The combination of what is kept whose residual is smallest, and the products that it took. `None` if nothing of
    /// these shapes is kept.
    ///
    /// # Errors
    /// The first failure of the map.
    pub fn start(&self, map: &dyn Map<T>, b: &[Batch<T>]) -> Result<Option<(List<T>, usize)>> {
        let mut kept = self.kept.borrow_mut();
        kept.retain(|v| lists::shapes(v) == map.shapes());
        if kept.is_empty() {
            return Ok(None);
        }
        let vectors = kept.make_contiguous();
        Ok(Some((images::nearest(map, vectors, b)?, vectors.len())))
    }

    /// Keeps a solution, and forgets the oldest if there are too many. One that is not finite is not kept.
    pub fn keep(&self, x: &[Batch<T>]) {
        let mut kept = self.kept.borrow_mut();
        if self.most == 0 || !lists::all_finite(x) {
            return;
        }
        kept.truncate(self.most - 1);
        kept.push_front(x.to_vec());
    }
}
