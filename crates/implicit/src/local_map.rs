//! A condition at one point as a linear map: products with `A` and its adjoint, which are sweeps over what is recorded.
//! What `A` is stands in `local.rs`.

use crate::condition::Kind;
use crate::error::Result;
use crate::linear::Map;
use crate::lists;
use crate::local::Local;
use crate::space::{sweep, sweep_back};
use pullback::{Batch, Scalar, Shape};

impl<T: Scalar> Local<'_, T> {
    /// `out = v - out`.
    fn away_from(&self, v: &[Batch<T>], out: &mut [Batch<T>]) {
        (0..lists::members(&self.shapes)).for_each(|m| lists::combine(out, -1.0, 1.0, v, m));
    }

    /// `out = (D m)* v` for the program `m`, in the metric.
    fn pulled(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.products.set(self.products.get() + 1);
        if self.words.ambient {
            return sweep_back(self.tape, &self.raw, v, &self.w, out);
        }
        let (mut g, mut s) = (lists::zeros(&self.shapes), lists::zeros(&self.shapes));
        self.words.lower(v, &mut g)?;
        sweep_back(self.tape, &self.raw, &g, &self.w, &mut s)?;
        self.words.raise(&s, out)
    }
}

impl<T: Scalar> Map<T> for Local<'_, T> {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.products.set(self.products.get() + 1);
        match self.kind {
            Kind::Stationary if self.words.ambient => sweep(self.tape, &self.from, v, &self.out, out),
            Kind::Stationary => {
                let mut c = lists::zeros(&self.shapes);
                sweep(self.tape, &self.from, v, &self.out, &mut c)?;
                self.words.raise(&c, out)
            }
            Kind::Root => sweep(self.tape, &self.from, v, &self.out, out),
            Kind::FixedPoint => {
                sweep(self.tape, &self.from, v, &self.out, out)?;
                self.away_from(v, out);
                Ok(())
            }
        }
    }
    fn rest(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.kind == Kind::FixedPoint {
            self.products.set(self.products.get() + 1);
            return sweep(self.tape, &self.from, v, &self.out, out);
        }
        self.apply(v, out)?;
        self.away_from(v, out);
        Ok(())
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.kind == Kind::Stationary {
            return self.apply(v, out);
        }
        self.pulled(v, out)?;
        if self.kind == Kind::FixedPoint {
            self.away_from(v, out);
        }
        Ok(())
    }
    fn adjoint_rest(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        if self.kind == Kind::FixedPoint {
            return self.pulled(v, out);
        }
        self.adjoint(v, out)?;
        self.away_from(v, out);
        Ok(())
    }
    fn lower(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        self.words.lower(v, out)
    }
    fn is_ambient(&self) -> bool {
        self.words.ambient
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.words.project(v)
    }
}
