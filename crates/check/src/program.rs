//! The program under test as the checker sees it: a list of handles to a list of handles, contracted with a cotangent to one number.
//! No test lives here.

use crate::Error;
use pullback::{Batch, Scalar, Shape, Tape, Var};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;

/// From the leaves of the input to the outputs.
pub(crate) type Flat<'f, T> = dyn for<'t> Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>> + 'f;

/// Numbers with the shapes of the leaves (or of the outputs).
pub(crate) type List<T> = Vec<Batch<T>>;

pub(crate) struct Program<'f, T: Scalar> {
    pub(crate) f: &'f Flat<'f, T>,
    pub(crate) shapes: Vec<Shape>,
    /// A random cotangent of the outputs.
    pub(crate) w: List<T>,
}

impl<T: Scalar> Program<'_, T> {
    /// The outputs at `x`.
    pub(crate) fn outputs(&self, x: &List<T>) -> pullback::Result<List<T>> {
        outputs(self.f, x)
    }

    /// `<w, f(x)>`.
    pub(crate) fn number<'t>(&self, x: &[Var<'t, T>]) -> Var<'t, T> {
        let y = (self.f)(x);
        let terms = y.iter().zip(&self.w).map(|(y, w)| y.dot(w).sum());
        terms.reduce(|a, b| a + b).unwrap_or_else(|| unreachable!("a program without output was refused"))
    }

    /// `<w, f>` as a function of one value: the only leaf, or all of them in one column.
    pub(crate) fn packed<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        if self.shapes.len() == 1 {
            return self.number(&[x]);
        }
        let mut at = 0;
        let leaves: Vec<Var<'t, T>> = self
            .shapes
            .iter()
            .map(|&s| {
                at += s.len();
                x.slice(at - s.len(), 0, s.len(), 1).reshape_batch(s)
            })
            .collect();
        self.number(&leaves)
    }
}

/// All leaves in one column; a single leaf stays as it is.
pub(crate) fn pack<T: Scalar>(x: &List<T>) -> Batch<T> {
    if let [only] = x.as_slice() {
        return only.clone();
    }
    let data: Vec<T> = x.iter().flat_map(|b| b.data().to_vec()).collect();
    Batch::from_slice(Shape::mat(data.len(), 1), &data)
}

/// The outputs at `x`, evaluated and nothing more.
pub(crate) fn outputs<T: Scalar>(f: &Flat<'_, T>, x: &List<T>) -> pullback::Result<List<T>> {
    let tape = Tape::plain();
    let vars: Vec<Var<'_, T>> = x.iter().map(|x| tape.input(x)).collect();
    let y: List<T> = f(&vars).iter().map(Var::value).collect();
    tape.check()?;
    for y in &y {
        if let Some(index) = y.data().iter().position(|y| !y.is_finite()) {
            return Err(pullback::Error::NonFinite { what: "value", index, value: y.data()[index].f64() });
        }
    }
    Ok(y)
}

/// `|a| . |b|`: the sum of the moduli of the terms of an inner product.
pub(crate) fn moduli<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> f64 {
    terms(a, b).map(f64::abs).sum()
}

/// `<a, b>`, summed in double precision.
pub(crate) fn inner<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> f64 {
    terms(a, b).sum()
}

fn terms<'a, T: Scalar>(a: &'a [Batch<T>], b: &'a [Batch<T>]) -> impl Iterator<Item = f64> + 'a {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.data().iter().zip(b.data()));
    pairs.map(|(a, b)| a.f64() * b.f64())
}

/// `a - b`.
pub(crate) fn minus<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> List<T> {
    zip(a, b, |a, b| a - b)
}

/// Entry by entry.
pub(crate) fn zip<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>], mut f: impl FnMut(T, T) -> T) -> List<T> {
    let one = |(a, b): (&Batch<T>, &Batch<T>)| {
        let data: Vec<T> = a.data().iter().zip(b.data()).map(|(a, b)| f(*a, *b)).collect();
        Batch::from_slice(a.shape(), &data)
    };
    a.iter().zip(b).map(one).collect()
}

/// Independent normal entries.
pub(crate) struct Random(Pcg64Mcg);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(Pcg64Mcg::seed_from_u64(seed))
    }

    pub(crate) fn normal<T: Scalar>(&mut self) -> T {
        let x: f64 = StandardNormal.sample(&mut self.0);
        T::of(x)
    }

    pub(crate) fn list<T: Scalar>(&mut self, shapes: impl IntoIterator<Item = Shape>) -> List<T> {
        shapes.into_iter().map(|s| Batch::from_fn(s, |_, _, _| self.normal())).collect()
    }

    /// Normal entries times those of `scale`.
    pub(crate) fn scaled<T: Scalar>(&mut self, scale: &[Batch<T>]) -> List<T> {
        zip(scale, scale, |s, _| s * self.normal())
    }
}

/// The values at the point, after making sure that the program is a function with finite values.
pub(crate) fn sound<T: Scalar>(f: &Flat<'_, T>, x: &List<T>) -> Result<List<T>, Error> {
    let (first, second) = (outputs(f, x).map_err(Error::Value)?, outputs(f, x).map_err(Error::Value)?);
    if first.is_empty() {
        return Err(Error::NoOutput);
    }
    same_shapes(&first, &second)?;
    for (output, (a, b)) in first.iter().zip(&second).enumerate() {
        if let Some(index) = a.data().iter().zip(b.data()).position(|(a, b)| a != b) {
            let (first, second) = (a.data()[index].f64(), b.data()[index].f64());
            return Err(Error::Random { output, index, first, second });
        }
    }
    Ok(first)
}

pub(crate) fn same_shapes<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> Result<(), Error> {
    let shapes = |l: &[Batch<T>]| l.iter().map(Batch::shape).collect::<Vec<_>>();
    let (first, second) = (shapes(a), shapes(b));
    if first == second { Ok(()) } else { Err(Error::Shapes { first, second }) }
}
