//! The principal square root of a general matrix. That of a symmetric one is in `spectral.rs`.
//!
//! From `X X = A`: `X dX + dX X = dA`, a Sylvester equation. Its transpose: with `X^T S + S X^T = gX`,
//! `<gX, dX> = <S, X dX + dX X> = <S, dA>`, so `gA = S`.
//!
//! The root comes with its own Schur form as a handle, which solves both. They are functions of `X`, which has this
//! rule again, so every order of derivative costs Sylvester equations only, and none a Schur form. Eigenvalues of `X`
//! are in the open right half plane and none of their sums is 0: repeated, defective and nearly equal eigenvalues of
//! `A` are like any other.
//!
//! Conditions: no eigenvalue on the closed negative real axis to working precision, else `NoPrincipalValue`; a root
//! whose square is not `A` to half of the digits is `IllConditioned`. Cost (n³): value 30, JVP and VJP 8. Sources:
//! Björck & Hammarling 1983; Higham 1987; Deadman, Higham & Ralha 2013; the rule is derived here.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::solves::sylvester::Sylvester;
use crate::ops::{Arg, Out, Primitive, Shapes, members, square, two};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value};
use crate::{Scalar, Shape};
use smallvec::smallvec;

/// `(X, the Schur form of X as a handle)` of `A`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sqrtm;

/// `X Y + Y X = E`
const EQUATION: Sylvester = Sylvester { stein: false, ta: false, tb: false };
/// `X^T Y + Y X^T = E`
const TRANSPOSED: Sylvester = Sylvester { stein: false, ta: true, tb: true };

impl<T: Scalar> Primitive<T> for Sqrtm {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`sqrtm`",
        conditions: "no eigenvalue on the closed negative real axis to working precision, else `NoPrincipalValue`; a root with half of the digits, else `IllConditioned`",
        gauge: "none",
        cost: &["30", "8", "8"],
        degenerate: "repeated and defective eigenvalues are like any other, to every order; derivatives take Sylvester equations with the handle of the root",
        source: "Björck & Hammarling 1983; Higham 1987; Deadman, Higham & Ralha 2013; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        let n = square(x[0])?;
        Ok(smallvec![x[0], x[0].with(n, 2 * n)])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let (root, handle) = two(y);
        members(x[0].shape.batch, |b| T::sqrtm(x[0].member(b), x[0].shape.rows, root.member(b), handle.member(b), w))
    }

    fn jvp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        smallvec![dx[0].map(|da| EQUATION.solve(&[y[0], y[1], y[0], y[1]], da)), None]
    }

    fn vjp<V: Value<T = T>>(&self, _: &[&V], y: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0] {
            out.add(0, TRANSPOSED.solve(&[y[0], y[1], y[0], y[1]], g));
        }
    }
}
