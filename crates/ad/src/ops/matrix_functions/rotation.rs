//! Rotations of space from rotation vectors, and their left Jacobians.
//!
//! `phi_m(W) = sum_j W^j / (j + m)!` at `W = hat(w)` is the rotation `exp(W)` for `m = 0` and its left Jacobian for
//! `m = 1`. With `t = |w|^2` and the Stumpff functions `c_m(t) = sum_j (-t)^j / (2j + m)!`, from `W^3 = -t W` and
//! `W^2 = w w^T - t I`:
//!
//! `phi = a I + hat(b w) + c w w^T`, where `a, b, c` are `c_m, c_{m+1}, c_{m+2}` at `t`.
//!
//! *Tangent.* With `dt = 2 <w, dw>`:
//! `dphi = a' dt I + hat(b' dt w + b dw) + w (c' dt w + c dw)^T + c dw w^T`.
//!
//! *Cotangent.* With `h` for the transpose of `hat`, so that `<G, hat(v)> = <h(G), v>`, and `G` for `gphi`:
//! `gw = b h(G) + c (G w + G^T w) + 2 (a' tr G + b' <w, h(G)> + c' <w, G w>) w`.
//!
//! All is smooth at `w = 0`, and Stumpff functions are a family with all their derivatives, so every order is exact
//! there and near half a turn.
//!
//! Conditions: finite entries and a finite `|w|^2`. Cost: about 100 operations a member each for value, JVP and VJP,
//! for a batch at once. Source: Rodrigues 1840; derived.

use crate::ops::direct::{PullPairsStep, PullStep, PushStep};
use crate::ops::documentation::PrimitiveDoc;
use crate::ops::{Arg, Op, Out, Primitive, Shapes, entries::unary, layout::moves, one, out1};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Product, Value};
use crate::{Scalar, Shape};
use pullback_kernels::Unary;

/// `phi_m(hat(w))`, for `m <= 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rotation {
    pub(crate) m: u32,
}

/// `vec(hat(v)) = H v`: the columns of `H`, which has a plus and a minus in each.
const HAT: [[usize; 2]; 3] = [[5, 7], [6, 2], [1, 3]];

/// `H`, of nine rows.
fn hat<T: Scalar, V: Value<T = T>>(cx: V::Cx) -> V {
    let mut entries = [T::zero(); 27];
    for (column, [plus, minus]) in HAT.iter().enumerate() {
        entries[9 * column + plus] = T::one();
        entries[9 * column + minus] = -T::one();
    }
    V::literal(cx, Shape::mat(9, 3), &entries)
}

/// `vec(I)`.
fn identity<T: Scalar, V: Value<T = T>>(cx: V::Cx) -> V {
    let entries: [T; 9] = std::array::from_fn(|i| if i % 4 == 0 { T::one() } else { T::zero() });
    V::literal(cx, Shape::mat(9, 1), &entries)
}

fn reshaped<V: Value>(v: &V, rows: usize, cols: usize) -> V {
    V::one(Op::Reshape(moves::Reshape { shape: Shape::batch(v.shape().batch, rows, cols) }), &[v])
}

/// `t = |w|^2`, and a Stumpff function with its place and value.
struct Coefficient<V> {
    f: Unary,
    at: V,
    value: V,
}

impl<V: Value> Coefficient<V> {
    fn new(m: u32, t: &V) -> Self {
        let f = Unary::Stumpff(m);
        Coefficient { f, at: t.clone(), value: V::one(Op::Unary(unary::UnaryFn(f)), &[t]) }
    }
    /// Its derivative times `v`.
    fn slope(&self, v: &V) -> V {
        self.at.unary_derivative(self.f, 1, &self.value, v)
    }
}

impl Rotation {
    fn coefficients<V: Value>(self, w: &V) -> [Coefficient<V>; 3] {
        let t = w.dot(w);
        [0, 1, 2].map(|i| Coefficient::new(self.m + i, &t))
    }
}

impl<T: Scalar> Primitive<T> for Rotation {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`so3_exp`, `so3_left_jacobian`",
        conditions: "3 numbers, finite with the square of their norm, else `NonFinite` or `Overflow`",
        cost: &["100 operations", "150 operations", "150 operations"],
        degenerate: "smooth at 0 and everywhere; series up to half a turn",
        source: "Rodrigues 1840; derived",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        if (x[0].rows, x[0].cols) != (3, 1) {
            return Err("expected a column of 3 numbers".into());
        }
        one(Shape::batch(x[0].batch, 3, 3))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let done = T::rotations(self.m as usize, x[0].data, y[0].data);
        done.map_err(|(member, failure)| Trouble { member: Some(member), failure })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let (w, cx) = (x[0], x[0].cx());
        let Some(dw) = dx[0] else { return out1(None) };
        let ([a, b, c], dt) = (self.coefficients(w), w.dot(dw).scale(2.0));
        let skew = b.slope(&dt).hadamard(w).add(&b.value.hadamard(dw));
        let entries = hat::<T, V>(cx).mul(&skew).add(&identity::<T, V>(cx).hadamard(&a.slope(&dt)));
        let right = c.slope(&dt).hadamard(w).add(&c.value.hadamard(dw));
        let dphi = reshaped(&entries, 3, 3).plus_product(Product::NT, w, &right);
        out1(Some(dphi.plus_product(Product::NT, &c.value.hadamard(dw), w)))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        let (w, cx) = (x[0], x[0].cx());
        let [a, b, c] = self.coefficients(w);
        let entries = reshaped(g, 9, 1);
        let (trace, h) = (identity::<T, V>(cx).t_mul(&entries), hat::<T, V>(cx).t_mul(&entries));
        let gw = g.mul(w);
        let gt = a.slope(&trace).add(&b.slope(&w.dot(&h))).add(&c.slope(&w.dot(&gw)));
        let sum = b.value.hadamard(&h).add(&c.value.hadamard(&gw.plus_product(Product::TN, g, w)));
        out.add(0, sum.add(&gt.scaled(2.0).hadamard(w)));
    }

    fn push_direct(&self, p: PushStep<'_, T>) -> bool {
        let Some(dw) = p.tangent(0) else { return false };
        let mut dphi = p.room();
        T::rotations_push(self.m as usize, p.input(0).data, dw.data, &mut dphi);
        p.done([dphi])
    }

    #[inline(always)]
    fn pull_direct(&self, mut p: PullStep<'_, T>) -> bool {
        pull_numbers(self.m, &mut p.again());
        true
    }

    fn pull_pairs(&self, mut p: PullPairsStep<'_, T>) -> bool {
        let [Some((g, dg))] = p.take_all::<1>() else { return true };
        let (shape, w) = p.input(0);
        let (mut gw, mut dgw) = (p.store.take(shape.len()), p.store.take(shape.len()));
        T::rotations_pull_pairs(self.m as usize, w, (&g, dg.as_deref()), (&mut gw, &mut dgw));
        p.drop(Some((g, dg)));
        p.give((gw, dgw))
    }
}

/// A function of its own, since the loop of a sweep has to stay small.
#[inline(never)]
fn pull_numbers<T: Scalar>(m: u32, p: &mut PullStep<'_, T>) {
    let Some(g) = p.take() else { return };
    let w = p.input(0);
    let mut gw = p.store.take(w.data.len());
    T::rotations_pull(m as usize, w.data, &g, &mut gw);
    p.store.put(g);
    p.give(0, gw);
}
