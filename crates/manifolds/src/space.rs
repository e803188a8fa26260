//! The manifolds as `pullback-check` sees them: `check_space(&gr)` proves their operations, `check(f, &x).on(&gr)` a
//! function on them. What is claimed of each is stated here, and asserted by the tests.

use crate::{Euclidean, Grassmann, Manifold};
use pullback::{Batch, Scalar, Shape, Tape, Var};
use pullback_check::{Another, Parts, Space};
use rand::Rng;

/// The operations that every manifold has, through the object-safe trait.
macro_rules! operations {
    ($self:ident, $manifold:expr) => {
        fn name(&$self) -> String {
            Manifold::<T>::name($manifold)
        }
        fn random_point(&$self, batch: usize, rng: &mut dyn Rng) -> Vec<Batch<T>> {
            Manifold::<T>::random_point($manifold, batch, rng)
        }
        fn random_tangent(&$self, x: &[Batch<T>], rng: &mut dyn Rng) -> Result<Vec<Batch<T>>, String> {
            Manifold::<T>::random_tangent($manifold, x, rng).map_err(|e| e.to_string())
        }
        fn check_point(&$self, x: &[Batch<T>]) -> Result<(), String> {
            Manifold::<T>::check_point($manifold, x).map_err(|e| e.to_string())
        }
        fn check_tangent(&$self, x: &[Batch<T>], u: &[Batch<T>]) -> Result<(), String> {
            Manifold::<T>::check_tangent($manifold, x, u).map_err(|e| e.to_string())
        }
        fn retract<'t>(&$self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Parts<'t, T> {
            Manifold::<T>::retract($manifold, x, v).into_vec()
        }
        fn inner<'t>(&$self, x: &[Var<'t, T>], u: &[Var<'t, T>], v: &[Var<'t, T>]) -> Var<'t, T> {
            Manifold::<T>::inner($manifold, x, u, v).sum()
        }
        fn project<'t>(&$self, x: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(Manifold::<T>::project($manifold, x, u).into_vec())
        }
        fn gradient<'t>(&$self, x: &[Var<'t, T>], g: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(Manifold::<T>::egrad_to_rgrad($manifold, x, g).into_vec())
        }
        fn hessian<'t>(
            &$self,
            x: &[Var<'t, T>],
            g: &[Var<'t, T>],
            h: &[Var<'t, T>],
            u: &[Var<'t, T>],
        ) -> Option<Parts<'t, T>> {
            Some(Manifold::<T>::ehess_to_rhess($manifold, x, g, h, u).into_vec())
        }
        fn transport<'t>(&$self, x: &[Var<'t, T>], y: &[Var<'t, T>], u: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
            Some(Manifold::<T>::transport($manifold, x, y, u).into_vec())
        }
    };
}

/// What is claimed of a manifold that makes no claims: its operations, and the defaults of [`Space`].
struct Plain<'m, T: Scalar>(&'m dyn Manifold<T>);

impl<T: Scalar> Space<T> for Plain<'_, T> {
    operations!(self, self.0);
}

/// Any manifold at run time, with what it [claims](Manifold::claims).
impl<T: Scalar> Space<T> for Box<dyn Manifold<T> + '_> {
    operations!(self, &**self);
    fn retraction_order(&self) -> usize {
        claims(&**self, |s| s.retraction_order())
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        claims(&**self, |s| s.exp(x, v))
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        claims(&**self, |s| s.log(x, y))
    }
    fn inverse_retract<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        claims(&**self, |s| s.inverse_retract(x, y))
    }
    fn transport_is_isometric(&self) -> bool {
        claims(&**self, |s| s.transport_is_isometric())
    }
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        claims(&**self, |s| s.apart(x, y))
    }
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        claims(&**self, |s| s.another(x, tangents, rng))
    }
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        claims(&**self, |s| s.cost(x, rng))
    }
}

fn claims<T: Scalar, R>(manifold: &dyn Manifold<T>, ask: impl FnOnce(&dyn Space<T>) -> R) -> R {
    match manifold.claims() {
        Some(space) => ask(space),
        None => ask(&Plain(manifold)),
    }
}

impl<T: Scalar> Space<T> for Euclidean {
    operations!(self, self);
    fn retraction_order(&self) -> usize {
        2
    }
    fn exp<'t>(&self, x: &[Var<'t, T>], v: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(vec![x[0] + v[0]])
    }
    fn log<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Option<Parts<'t, T>> {
        Some(vec![y[0] - x[0]])
    }
    fn transport_is_isometric(&self) -> bool {
        true
    }
}

/// A quotient: bases of one subspace are one point.
impl<T: Scalar> Space<T> for Grassmann {
    operations!(self, self);
    /// Both retractions, on subspaces.
    fn retraction_order(&self) -> usize {
        2
    }
    fn apart<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>]) -> Var<'t, T> {
        self.chordal_distance_squared(x[0], y[0]).sum()
    }
    fn another(&self, x: &[Batch<T>], tangents: &[Vec<Batch<T>>], rng: &mut dyn Rng) -> Option<Another<T>> {
        let p = x[0].shape().cols;
        let tape = Tape::plain();
        let q = tape.constant(&crate::gaussian::<T>(Shape::mat(p, p), rng)).qr().0;
        let turned = |b: &Batch<T>| (tape.constant(b) * q).value();
        Some((vec![turned(&x[0])], tangents.iter().map(|u| vec![turned(&u[0])]).collect()))
    }
    /// `tr X'AX + tr B XX' C XX'`, a function of the projector.
    fn cost<'t>(&self, x: &[Var<'t, T>], rng: &mut dyn Rng) -> Var<'t, T> {
        let x = x[0];
        let n = x.rows();
        let mut matrix = || x.tape().constant(&crate::gaussian::<T>(Shape::mat(n, n), rng));
        let (a, b, c) = (matrix(), matrix(), matrix());
        let quartic = x.t_mul(b * x) * x.t_mul(c * x);
        x.t_mul(a * x).trace().sum() + quartic.trace().sum()
    }
}
