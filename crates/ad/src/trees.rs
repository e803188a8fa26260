//! Trees of matrices, structs among them, on a tape that the user holds: in and out in one line each.

use crate::batch::Batch;
use crate::in_program::handles;
use crate::leaves::Leaves;
use crate::{Error, Result, Scalar, Shape, Tape, Var};

/// A [`Var`] without the lifetime of its tape, so that one struct may own a tape and know its values:
/// [`Var::key`] and [`Tape::var`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    id: u32,
    generation: u32,
}

impl<T: Scalar> Var<'_, T> {
    /// What finds this value on its tape again.
    ///
    /// ```
    /// use pullback::{Tape, prelude::*};
    /// struct Square { tape: Tape, x: pullback::Key, y: pullback::Key }
    /// let square = {
    ///     let tape = Tape::new();
    ///     let x = tape.input(&3.0);
    ///     let (x, y) = (x.key(), (x * x).key());
    ///     Square { tape, x, y }
    /// };
    /// let (x, y) = (square.tape.var(square.x), square.tape.var(square.y));
    /// assert_eq!(square.tape.gradient(y, x)?.scalar(), 6.0);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    pub fn key(&self) -> Key {
        Key { id: self.id, generation: self.generation }
    }

    /// Writes the numbers into a given batch; otherwise as [`Var::value`]. Allocates nothing.
    ///
    /// # Panics
    /// If the batch has another shape.
    #[track_caller]
    pub fn value_into(&self, out: &mut Batch<T>) {
        let (expected, got) = (self.shape(), out.shape());
        assert!(expected == got, "value_into: expected a batch of shape {expected}, got {got}");
        self.tape.read(self, |_, d| out.data_mut().copy_from_slice(d));
    }

    /// Writes the tangent that it carries into a given batch; otherwise as [`Var::tangent`]. Allocates nothing.
    ///
    /// # Panics
    /// If the batch has another shape.
    #[track_caller]
    pub fn tangent_into(&self, out: &mut Batch<T>) {
        let (expected, got) = (self.shape(), out.shape());
        assert!(expected == got, "tangent_into: expected a batch of shape {expected}, got {got}");
        self.tape.tangent_into(self, out);
    }
}

impl<T: Scalar> Tape<T> {
    /// The value of this tape with that key.
    ///
    /// # Panics
    /// If it was freed, or the tape cleared, since. The key of another tape is not recognised as such.
    #[track_caller]
    pub fn var(&self, key: Key) -> Var<'_, T> {
        let v = Var { tape: self, id: key.id, generation: key.generation };
        self.inner().check(self, &v, "var");
        v
    }

    /// The leaves of a tree as inputs: the tree of handles that programs take.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// pullback::leaves! { struct Net as NetVars { weight: faer::Mat<f64>, bias: f64 } }
    /// let mut net = Net { weight: faer::mat![[1.0, 2.0]], bias: 3.0 };
    /// let tape = Tape::new();
    /// let vars = tape.inputs(&net);
    /// let y = vars.weight.sum() * vars.bias;
    /// assert_eq!(tape.gradients(y, &vars, &net)?.weight, faer::mat![[3.0, 3.0]]);
    ///
    /// net.bias = 10.0;
    /// tape.set_all(&vars, &net);
    /// tape.replay()?;
    /// assert_eq!(tape.gradients(y, &vars, &net)?.weight, faer::mat![[10.0, 10.0]]);
    /// # Ok::<(), pullback::Error>(())
    /// ```
    #[track_caller]
    pub fn inputs<L: Leaves<Scalar = T>>(&self, tree: &L) -> L::Vars<'_> {
        let (line, mut leaves) = (std::panic::Location::caller(), tree.batches().into_iter());
        tree.bind(&mut || match leaves.next() {
            Some(b) => self.leaf_at(line, &b, None),
            None => unreachable!("one batch for each leaf"),
        })
    }

    /// [`Tape::set`] of every leaf of a tree: everything is computed anew before it is next used.
    ///
    /// # Panics
    /// If the trees differ in the number or the shapes of their leaves, or one of `vars` is the result of an operation.
    #[track_caller]
    pub fn set_all<'t, L: Leaves<Scalar = T>>(&'t self, vars: &L::Vars<'t>, to: &L) {
        let (vars, to) = (handles(vars), to.batches());
        let (m, n) = (vars.len(), to.len());
        assert!(m == n, "set_all: expected {m} leaves, as there are inputs, got {n}");
        for (x, b) in vars.into_iter().zip(&to) {
            self.set(x, b);
        }
    }

    /// The gradients of the number `y` by every leaf of `vars`, as a tree like `like`, of which only the structure is
    /// looked at.
    ///
    /// # Errors
    /// As [`Tape::gradient`]; [`Error::Leaves`] and [`Error::Shape`] if `like` is not like `vars`.
    #[track_caller]
    pub fn gradients<'t, L: Leaves<Scalar = T>>(&'t self, y: Var<'t, T>, vars: &L::Vars<'t>, like: &L) -> Result<L> {
        let (x, shapes) = (handles(vars), like.shapes());
        let what = "the tree that says the structure";
        if x.len() != shapes.len() {
            return Err(Error::Leaves { what, expected: x.len(), got: shapes.len() });
        }
        let expected: Vec<Shape> = x.iter().map(|x| self.shape_of(x)).collect();
        if let Some((e, g)) = expected.iter().zip(&shapes).find(|(e, g)| e != g) {
            return Err(Error::Shape { what, expected: *e, got: *g });
        }
        let mut out: Vec<Batch<T>> = shapes.into_iter().map(Batch::zeros).collect();
        self.gradient_into(y, &x, &mut out.iter_mut().collect::<Vec<_>>())?;
        Ok(like.rebuild_all(out))
    }

    /// Runs a piece of program that may fail and returns early with `?`. Its error becomes the failure of the tape, as
    /// if an operation had failed, and its value is then one poisoned number: let it end the program.
    ///
    /// ```
    /// use pullback::prelude::*;
    /// let cost = func(|a: Var| a.tape().attempt(|| {
    ///     let l = a.try_cholesky()?;
    ///     let (q, _) = l.try_qr()?;
    ///     Ok(q.trace())
    /// }));
    /// assert!((grad(cost, &faer::mat![[2.0, 1.0], [1.0, 2.0]])?.norm_l2() - 0.0).abs() < 1.0);
    /// let e = grad(cost, &faer::mat![[1.0, 2.0], [2.0, 1.0]]).unwrap_err();
    /// assert!(e.to_string().starts_with("cholesky at "));
    /// # Ok::<(), pullback::Error>(())
    /// ```
    ///
    /// A driver cannot take a closure that returns a `Result` itself: the compiler would no longer find the types of
    /// `|x| x.sum()`.
    #[track_caller]
    pub fn attempt<'t>(&'t self, f: impl FnOnce() -> Result<Var<'t, T>>) -> Var<'t, T> {
        match f() {
            Ok(y) => y,
            Err(e) => {
                self.store.remember(e);
                let y = self.filled(Shape::SCALAR, T::nan());
                self.poison(&y);
                y
            }
        }
    }
}
