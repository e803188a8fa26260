//! A manifold on plain numbers, on tapes that are kept: nothing is allocated once they have their size. No solver lives
//! here.

use crate::numbers::{Numbers, dot};
use pullback::{Batch, Lent, Result, Scalar, Shape, Tape, Var};
use pullback_manifolds::{Egrad, Manifold, Parts};
use smallvec::SmallVec;

/// Handles of a list.
type Handles<'t, T> = SmallVec<[Var<'t, T>; 2]>;

/// The geometry of a solver. Members of a batch count as one point of a power of the manifold: inner products are sums
/// over them.
#[derive(Debug)]
pub struct Space<'m, T: Scalar = f64> {
    manifold: &'m dyn Manifold<T>,
    plain: Lent<T>,
    forward: Lent<T>,
    /// Is the metric that of the ambient space? Then numbers are multiplied where they lie.
    ambient: bool,
    time: Batch<T>,
    one: Batch<T>,
}

fn constants<'t, T: Scalar>(tape: &'t Tape<T>, list: &[Batch<T>]) -> Handles<'t, T> {
    list.iter().map(|b| tape.constant(b)).collect()
}

/// Writes the values of a list.
fn write<T: Scalar>(from: &[Var<'_, T>], to: &mut Numbers<T>) {
    to.0.resize_with(from.len(), || Batch::zeros(Shape::SCALAR));
    for (from, to) in from.iter().zip(&mut to.0) {
        match from.shape() == to.shape() {
            true => from.value_into(to),
            false => *to = from.value(),
        }
    }
}

impl<'m, T: Scalar> Space<'m, T> {
    /// The geometry of a manifold.
    pub fn new(manifold: &'m dyn Manifold<T>) -> Self {
        let (time, one) = (Batch::zeros(Shape::SCALAR), Batch::from_slice(Shape::SCALAR, &[T::one()]));
        let ambient = manifold.metric_is_ambient();
        Space { manifold, plain: Lent::plain(), forward: Lent::forward(), ambient, time, one }
    }

    /// The manifold.
    pub fn manifold(&self) -> &'m dyn Manifold<T> {
        self.manifold
    }

    /// The bytes of the tapes.
    pub fn bytes(&self) -> usize {
        self.plain.peak_bytes() + self.forward.peak_bytes()
    }

    /// Runs a program of the manifold on lists of numbers and writes its answer.
    ///
    /// # Errors
    /// The first failure.
    pub fn run<const N: usize>(
        &mut self,
        lists: [&[Batch<T>]; N],
        out: &mut Numbers<T>,
        f: impl for<'t> FnOnce(&dyn Manifold<T>, [&[Var<'t, T>]; N]) -> Parts<'t, T>,
    ) -> Result<()> {
        self.plain.clear();
        let lists: [Handles<'_, T>; N] = lists.map(|l| constants(&self.plain, l));
        let found = f(self.manifold, std::array::from_fn(|i| &lists[i][..]));
        self.plain.check()?;
        write(&found, out);
        Ok(())
    }

    /// `<u, v>_x`, summed over members.
    ///
    /// # Errors
    /// The first failure.
    pub fn inner(&mut self, x: &[Batch<T>], u: &[Batch<T>], v: &[Batch<T>]) -> Result<f64> {
        if self.ambient {
            return Ok(dot(u, v));
        }
        self.plain.clear();
        let (x, u, v) = (constants(&self.plain, x), constants(&self.plain, u), constants(&self.plain, v));
        let y = self.manifold.inner(&x, &u, &v);
        let y = if y.shape().batch == 1 { y } else { y.sum_batch() };
        self.plain.check()?;
        Ok(y.scalar().f64())
    }

    /// The largest norm of a member of `u`.
    ///
    /// # Errors
    /// The first failure.
    pub fn largest_norm(&mut self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<f64> {
        self.plain.clear();
        let (x, u) = (constants(&self.plain, x), constants(&self.plain, u));
        let y = self.manifold.inner(&x, &u, &u);
        self.plain.check()?;
        if y.shape().batch == 1 {
            return Ok(y.scalar().f64().max(0.0).sqrt());
        }
        Ok(y.value().max_abs().f64().sqrt())
    }

    /// The Riemannian gradient from the Euclidean one.
    ///
    /// # Errors
    /// The first failure.
    pub fn rgrad(&mut self, x: &[Batch<T>], egrad: &[Batch<T>], out: &mut Numbers<T>) -> Result<()> {
        self.run([x, egrad], out, |m, [x, g]| m.egrad_to_rgrad(x, Egrad(g)).0)
    }

    /// The Riemannian Hessian applied to `u`, from Euclidean gradient and Hessian-vector product.
    ///
    /// # Errors
    /// The first failure.
    pub fn rhess(
        &mut self,
        x: &[Batch<T>],
        egrad: &[Batch<T>],
        ehess: &[Batch<T>],
        u: &[Batch<T>],
        out: &mut Numbers<T>,
    ) -> Result<()> {
        self.run([x, egrad, ehess, u], out, |m, [x, g, h, u]| m.ehess_to_rhess(x, Egrad(g), h, u))
    }

    /// `R_x(t v)`.
    ///
    /// # Errors
    /// The first failure.
    pub fn retract(&mut self, x: &[Batch<T>], v: &[Batch<T>], t: f64, out: &mut Numbers<T>) -> Result<()> {
        self.run([x, v], out, |m, [x, v]| {
            let along: Handles<'_, T> = v.iter().map(|v| v.lincomb(t, *v, 0.0)).collect();
            m.retract(x, &along)
        })
    }

    /// `R_x(t v)` and its velocity `d/dt R_x(t v)`, exactly: the retraction is a program, and this its derivative.
    ///
    /// # Errors
    /// The first failure.
    pub fn curve(
        &mut self,
        x: &[Batch<T>],
        v: &[Batch<T>],
        t: f64,
        out: &mut Numbers<T>,
        velocity: &mut Numbers<T>,
    ) -> Result<()> {
        self.forward.clear();
        self.time.data_mut()[0] = T::of(t);
        let tape = &self.forward;
        let x = constants(tape, x);
        let time = tape.input_along(&self.time, &self.one);
        let along: Handles<'_, T> = v.iter().map(|v| tape.constant(v) * time).collect();
        let y = self.manifold.retract(&x, &along);
        tape.check()?;
        write(&y, out);
        velocity.copy_from(out);
        y.iter().zip(&mut velocity.0).for_each(|(y, d)| y.tangent_into(d));
        Ok(())
    }

    /// As [`Space::run`], for an operation that the manifold may not have: then the answer is `false`.
    fn maybe<const N: usize>(
        &mut self,
        lists: [&[Batch<T>]; N],
        out: &mut Numbers<T>,
        f: impl for<'t> FnOnce(&dyn Manifold<T>, [&[Var<'t, T>]; N]) -> Option<Parts<'t, T>>,
    ) -> Result<bool> {
        self.plain.clear();
        let lists: [Handles<'_, T>; N] = lists.map(|l| constants(&self.plain, l));
        let Some(found) = f(self.manifold, std::array::from_fn(|i| &lists[i][..])) else { return Ok(false) };
        self.plain.check()?;
        write(&found, out);
        Ok(true)
    }

    /// The point at time `t` of the geodesic from `x` with velocity `v`; `false` if the manifold has no exponential.
    ///
    /// # Errors
    /// The first failure.
    pub fn exp(&mut self, x: &[Batch<T>], v: &[Batch<T>], t: f64, out: &mut Numbers<T>) -> Result<bool> {
        self.maybe([x, v], out, |m, [x, v]| {
            let along: Handles<'_, T> = v.iter().map(|v| v.lincomb(t, *v, 0.0)).collect();
            m.exp(x, &along)
        })
    }

    /// The velocity at `x` of the shortest geodesic to `y`; `false` if the manifold has no logarithm.
    ///
    /// # Errors
    /// The first failure, at the cut locus above all.
    pub fn log(&mut self, x: &[Batch<T>], y: &[Batch<T>], out: &mut Numbers<T>) -> Result<bool> {
        self.maybe([x, y], out, |m, [x, y]| m.log(x, y))
    }

    /// The tangent `v` at `x` with `R_x(v) = y`; `false` if the retraction has no inverse.
    ///
    /// # Errors
    /// The first failure.
    pub fn inverse_retract(&mut self, x: &[Batch<T>], y: &[Batch<T>], out: &mut Numbers<T>) -> Result<bool> {
        self.maybe([x, y], out, |m, [x, y]| m.inverse_retract(x, y))
    }

    /// Brings the tangent `u` at `x` to `y`.
    ///
    /// # Errors
    /// The first failure.
    pub fn transport(&mut self, x: &[Batch<T>], y: &[Batch<T>], u: &[Batch<T>], out: &mut Numbers<T>) -> Result<()> {
        self.run([x, y, u], out, |m, [x, y, u]| m.transport(x, y, u))
    }

    /// Brings tangents at `x` to `y` in place.
    ///
    /// # Errors
    /// The first failure; then some of them are still at `x`.
    pub fn carry<'l>(
        &mut self,
        x: &[Batch<T>],
        y: &[Batch<T>],
        list: impl IntoIterator<Item = &'l mut Numbers<T>>,
    ) -> Result<()> {
        for u in list {
            self.plain.clear();
            let found = {
                let (x, y, u) = (constants(&self.plain, x), constants(&self.plain, y), constants(&self.plain, u));
                self.manifold.transport(&x, &y, &u)
            };
            self.plain.check()?;
            write(&found, u);
        }
        Ok(())
    }

    /// The tangent part of an ambient vector, in place.
    ///
    /// # Errors
    /// The first failure.
    pub fn project(&mut self, x: &[Batch<T>], u: &mut Numbers<T>) -> Result<()> {
        self.plain.clear();
        let (x, v) = (constants(&self.plain, x), constants(&self.plain, u));
        let found = self.manifold.project(&x, &v);
        self.plain.check()?;
        write(&found, u);
        Ok(())
    }

    /// Puts a drifted point back on the manifold, in place.
    ///
    /// # Errors
    /// The first failure.
    pub fn reproject(&mut self, x: &mut Numbers<T>) -> Result<()> {
        self.plain.clear();
        let found = self.manifold.reproject(&constants(&self.plain, x));
        self.plain.check()?;
        write(&found, x);
        Ok(())
    }
}
