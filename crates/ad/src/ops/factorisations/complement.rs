//! An orthonormal basis `Z` of the complement of the columns of an orthonormal `Q`.
//!
//! Only the span of `Z` is determined: the gauge is `Z -> Z O` with `O` orthogonal, and its orbit at `Z` consists of
//! the `Z K` with `K` skew. From `Q^T Z = 0` follows `Q^T dZ = -dQ^T Z`; the rest of `dZ` lies along the orbit and is
//! chosen zero (the horizontal lift):
//!
//! `dZ = -Q dQ^T Z`, hence `gQ = -Z gZ^T Q`.
//!
//! A function of the span has `<gZ, Z K> = 0` for every skew `K`, that is `skew(Z^T gZ) = 0`. So `Z skew(Z^T gZ)` is
//! the part of the cotangent along the orbit, and it is judged. Second derivatives are right for such functions: lifts
//! of different directions fail to commute along the orbit only, where the gradient vanishes.
//!
//! Conditions: `Q` orthonormal (it comes from a QR). Cost (`m x n`): value 4 m n (m - n), JVP and VJP the same.
//! Sources: Edelman, Arias & Smith 1998, 2.3; the invariant rule derived here. (arXiv 2409.13374 differentiates the
//! gauge of one implementation instead.)

use crate::ops::control::gauge::{Gauge, invariant, rounded};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::layout::part::Part;
use crate::ops::{Arg, Out, Primitive, Shapes, members, one, out1};
use crate::store::{Choice, Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};

/// `Z` of `Q`, and what to do with a cotangent that sees more than its span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Complement(pub(crate) Gauge);

const MINUS: Product = Product::NN.times(-1.0);

impl<T: Scalar> Primitive<T> for Complement {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`null_basis`, `qr_full`: a basis `Z` of the orthogonal complement",
        conditions: "as `qr`",
        gauge: "`Z O` with `O` orthogonal; a cotangent with `skew(Z^T gZ) != 0` is `GaugeDependent`, dropped with a note, or dropped, by the policy given",
        cost: &["4/3", "4", "4"],
        degenerate: "as `qr`; forward mode carries the horizontal lift",
        source: "Edelman, Arias & Smith 1998, 2.3; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        match x[0].rows.checked_sub(x[0].cols) {
            Some(k) => one(x[0].with(x[0].rows, k)),
            None => Err("expected a matrix with at least as many rows as columns".into()),
        }
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let Shape { batch, rows, cols } = x[0].shape;
        members(batch, |b| {
            let z = y[0].member(b);
            T::complement(x[0].member(b), rows, cols, z, w)?;
            match s.choice() {
                Choice::Found => {}
                Choice::TurnedAll => T::turn_columns(z, rows),
                _ if self.0 == Gauge::Project => {}
                Choice::Turned => T::turn_columns(z, rows),
                Choice::Rounded => rounded(z),
            }
            Ok(())
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].map(|dq| V::product(MINUS, x[0], &dq.t_mul(y[0]))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let along = y[0].mul(&y[0].t_mul(g).part(Part::Skew));
        let g = invariant(self.0, g, &along);
        out.add_product(0, MINUS, y[0], &g.t_mul(x[0]));
    }
}
