//! The program under test as the checker sees it: a list of handles to a list of handles, contracted with a cotangent
//! to one number. No test lives here.

use crate::Error;
use crate::lists::{List, not_finite};
use crate::subject::Subject;
use pullback::{Batch, Many, Scalar, Shape, Tape, Var};

/// From the leaves of the input to the outputs.
pub(crate) type Flat<'f, T> = dyn for<'t> Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>> + 'f;

pub(crate) struct Program<'f, T: Scalar> {
    pub(crate) f: &'f Flat<'f, T>,
    pub(crate) shapes: Vec<Shape>,
    /// A random cotangent of the outputs; none yet, as it comes.
    pub(crate) w: List<T>,
}

impl<'f, T: Scalar> Program<'f, T> {
    /// The same, contracted with `w`.
    pub(crate) fn with(&self, w: &List<T>) -> Program<'f, T> {
        Program { f: self.f, shapes: self.shapes.clone(), w: w.clone() }
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

impl<T: Scalar> Subject<T> for Program<'_, T> {
    fn outputs(&self, x: &[Batch<T>]) -> pullback::Result<List<T>> {
        evaluated(self.f, x)
    }

    fn push(&self, x: &List<T>, v: &List<T>) -> Result<List<T>, Error> {
        let forward = pullback::jvp_many(|x: Vec<Var<T>>| Many((self.f)(&x)), x, v);
        let what = "derivative along a direction";
        Ok(forward.map_err(|source| Error::Derivative { what, source })?.into_iter().map(|(_, d)| d).collect())
    }

    fn pull(&self, x: &List<T>, w: &List<T>) -> Result<List<T>, Error> {
        let (_, pull) = pullback::vjp_many(|x: Vec<Var<T>>| Many((self.f)(&x)), x).map_err(Error::Value)?;
        pull(w).map_err(|source| Error::Derivative { what: "gradient", source })
    }
}

/// The outputs at `x`, evaluated and nothing more.
pub(crate) fn evaluated<T: Scalar>(f: &Flat<'_, T>, x: &[Batch<T>]) -> pullback::Result<List<T>> {
    let tape = Tape::plain();
    let vars: Vec<Var<'_, T>> = x.iter().map(|x| tape.input(x)).collect();
    let y: List<T> = f(&vars).iter().map(Var::value).collect();
    tape.check()?;
    match not_finite(&y) {
        Some((index, value)) => {
            Err(pullback::Error::NonFinite { what: "value", index, value, origin: pullback::Origin::Unknown })
        }
        None => Ok(y),
    }
}
