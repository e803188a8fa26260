//! Functions of a symmetric matrix, as a family closed under differentiation.
//!
//! `f(A)` is a function of `sym(A) = V diag(l) V^T`. With `E^ = V^T sym(E) V`, its derivatives are (Daleckii & Krein
//! 1965; Higham, *Functions of Matrices*, 3.2)
//!
//! `D^k f(A)[E_1..E_k] = V M V^T`, `M_ij = sum f[l_i, l_a, .., l_z, l_j] (E^_p)_ia .. (E^_q)_zj`
//!
//! with divided differences `f[..]`, where the sum runs over the `k - 1` indices between `i` and `j` and over all
//! orders `p, .., q` of the directions. Every member of the family is smooth where `f` is, ties or not, and for
//! `Y = D^k f(A)[E]`
//!
//! - `dY = D^{k+1} f(A)[E, dA] + sum_i D^k f(A)[.., dE_i, ..]`;
//! - since `D^k f(A)` is self-adjoint in each direction: `gE_i = D^k f(A)[.., gY, ..]`, `gA = D^{k+1} f(A)[E, gY]`.
//!
//! So nothing here ever differentiates an eigenvector. The eigendecomposition is a handle, as in `lu`
//! (`spectra/eigh.rs`). A trace takes eigenvalues alone, in a handle of the same shape, and its derivatives complete
//! it.
//!
//! Conditions: the spectrum lies in the domain of `f` (positive for `ln`, `sqrt`, powers), else `NotPositiveDefinite`.
//! Cost (n³): `eigh` 5-9, value 2, k = 1: 8, k = 2: 10 and one pass of n³ divided differences.

use crate::ops::documentation::PrimitiveDoc;
use crate::ops::spectra::eigh::EighComplete;
use crate::ops::{Arg, Op, Out, Primitive, Reads, Shapes, members, one, out1, square};
use crate::store::{Store, Trouble};
use crate::value::{Grads, Outs, Value, plus};
use crate::{Scalar, Shape};
use pullback_kernels::SymFn;
use pullback_kernels::tolerances::EIGH_CONQUER;
use smallvec::SmallVec;

/// The handle, from `(A, handle)`, of a matrix that must be positive definite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Definite;

/// `D^k f(A)[E_1..E_k]` from `(A, handle, E_1..E_k)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spectral {
    pub(crate) f: SymFn,
}

/// `tr f(A)` from `(A, handle)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SpectralTrace {
    pub(crate) f: SymFn,
    /// The handle is one of [`EighValues`](crate::ops::spectra::eigh::EighValues).
    pub(crate) values: bool,
}

impl<T: Scalar> Primitive<T> for Definite {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "guard in `powm_spd`",
        conditions: "all eigenvalues are positive to working precision, else `NotPositiveDefinite`, and have digits, else `IllConditioned`",
        cost: &["pass", "0", "0"],
        degenerate: "this is the verdict, for integer powers too",
        ..PrimitiveDoc::of(file!())
    };

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        one(x[1])
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        y[0].data.copy_from_slice(x[1].data);
        members(x[0].shape.batch, |b| T::spectral_domain(SymFn::Ln, x[0].member(b), x[1].member(b), x[0].shape.rows))
    }

    no_derivative!();
}

type List<'v, V> = SmallVec<[&'v V; 4]>;

impl<T: Scalar> Primitive<T> for Spectral {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`expm_sym logm_spd sqrtm_spd invsqrtm_spd powm_spd`, `Symmetric::map`, `Symmetric::frechet`",
        conditions: "spectrum in the domain of `f`, else `NotPositiveDefinite`, with digits in its small values, else `IllConditioned`; order at most 4; a function of your own (`SymFn::own`): as far as its derivatives, else `Unsupported`; modulus and sign: no eigenvalue 0, else `NotDifferentiable`",
        gauge: "none",
        cost: &["2; first derivative 8, second 14 (more where many eigenvalues are close)"],
        degenerate: "exact at ties and near them, to every order: the family `D^k f(A)[E..]` is closed under differentiation",
        source: "Daleckii & Krein 1965; Higham, *Functions of Matrices*, 3.2",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        let mut batch = x[0].batch;
        for e in &x[2..] {
            if (e.rows, e.cols) != (x[0].rows, x[0].cols) {
                return Err("expected directions with the shape of the matrix".into());
            }
            batch = e.common_batch(Shape { batch, ..*e }).ok_or("expected batches that agree, or one that is 1")?;
        }
        one(Shape { batch, ..x[0] })
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], s: &Store<T>) -> Result<(), Trouble> {
        let w = &mut *s.work.borrow_mut();
        let n = x[0].shape.rows;
        members(y[0].shape.batch, |b| {
            T::spectral_domain(self.f, x[0].member(b), x[1].member(b), n)?;
            let es: SmallVec<[&[T]; 4]> = x[2..].iter().map(|e| e.member(b)).collect();
            T::spectral(self.f, x[1].member(b), n, &es, y[0].member(b), w)
        })
    }

    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        let mut dy = dx[0].map(|da| {
            let mut es: List<'_, V> = x[2..].iter().copied().collect();
            es.push(da);
            V::spectral(self.f, x[0], x[1], &es)
        });
        for i in 2..x.len() {
            let term = dx[i].map(|de| V::spectral(self.f, x[0], x[1], &replaced(&x[2..], i - 2, de)));
            dy = plus(dy, term);
        }
        out1(dy)
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        let Some(g) = &dy[0] else { return };
        if out.wants(0) {
            let mut es: List<'_, V> = x[2..].iter().copied().collect();
            es.push(g);
            out.add(0, V::spectral(self.f, x[0], x[1], &es));
        }
        for i in 2..x.len() {
            if out.wants(i) {
                out.add(i, V::spectral(self.f, x[0], x[1], &replaced(&x[2..], i - 2, g)));
            }
        }
    }
}

/// The list with entry `i` replaced.
fn replaced<'v, V>(es: &[&'v V], i: usize, by: &'v V) -> List<'v, V> {
    let mut es: List<'v, V> = es.iter().copied().collect();
    es[i] = by;
    es
}

impl SpectralTrace {
    /// `f'(A)` for the scalar derivative `f'`, which is the gradient of `tr f(A)`; `None` where it vanishes
    /// identically.
    fn gradient<V: Value>(self, x: &[&V]) -> Option<V> {
        let (scale, g) = self.f.derivative();
        (scale != 0.0).then(|| {
            let m = if self.values && x[0].shape().rows >= EIGH_CONQUER {
                let handle = V::one(Op::EighComplete(EighComplete), &[x[0], x[1]]);
                V::spectral(g, x[0], &handle, &[])
            } else {
                V::spectral(g, x[0], x[1], &[])
            };
            if scale == 1.0 { m } else { m.scale(scale) }
        })
    }
}

impl<T: Scalar> Primitive<T> for SpectralTrace {
    const DOC: PrimitiveDoc = PrimitiveDoc {
        operation: "`trace_fun`, `Symmetric::trace`",
        conditions: "as `spectral`",
        gauge: "none",
        cost: &["0", "2", "2"],
        degenerate: "the gradient is `f'(A)`, right to any order at ties",
        source: "as `spectral`",
        ..PrimitiveDoc::of(file!())
    };

    const READS: Reads = Reads::Inputs;

    fn infer(&self, x: &[Shape]) -> Result<Shapes, String> {
        square(x[0])?;
        one(x[0].with(1, 1))
    }

    fn eval(&self, x: &[Arg<'_, T>], y: &mut [Out<'_, T>], _: &Store<T>) -> Result<(), Trouble> {
        let n = x[0].shape.rows;
        members(x[0].shape.batch, |b| {
            T::spectral_domain(self.f, x[0].member(b), x[1].member(b), n)?;
            y[0].data[b] = T::spectral_trace(self.f, x[1].member(b), n);
            Ok(())
        })
    }

    /// For `y = tr f(A)`: `dy = <f'(A), dA>`.
    fn jvp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dx: &[Option<&V>]) -> Outs<Option<V>> {
        out1(dx[0].and_then(|da| self.gradient(x).map(|g| g.dot(da))))
    }

    fn vjp<V: Value<T = T>>(&self, x: &[&V], _: &[&V], dy: &mut [Option<V>], out: &mut Grads<'_, V>) {
        if let Some(g) = &dy[0]
            && let Some(m) = self.gradient(x)
        {
            out.add(0, m.hadamard(g));
        }
    }
}
