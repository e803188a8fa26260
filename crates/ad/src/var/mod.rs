//! The one value users see. Its operations are in a file or a folder for each family; most are a line over a primitive
//! of the registry, others are compositions that are exact, stable and as fast as a rule of their own would be. No
//! derivative rule lives here: what a composition needs is derived in its file, and the engine does the rest.

mod control;
mod entries;
mod factorisations;
mod layout;
mod matrix_functions;
mod products;
mod reductions;
mod solves;
mod spectra;

pub use factorisations::spd::Spd;
pub use matrix_functions::general::{separation, stein_separation};
pub use reductions::norms::AtZero;
pub use solves::Lu;
pub use solves::equations::Schur;
pub use spectra::Symmetric;
pub use spectra::general::General;
pub use spectra::singular::Singular;

use crate::batch::Batch;
use crate::custom::CustomFn;
use crate::error::Place;
use crate::ops::Op;
use crate::tape::Tape;
use crate::value::{Outs, Product, Value};
use crate::{Scalar, Shape};
use std::fmt;

/// A batch of matrices on a tape: a `Copy` handle.
///
/// `*` is the matrix product, and scales where a factor is a number or `1x1`; `/` divides by a number or `1x1`; `+` and
/// `-` broadcast. Captured faer matrices, columns and rows and [`Batch`]es become constants where they meet a `Var`.
/// Shapes that do not fit panic at the caller's line; facts about data (singular, not positive definite, ...) poison
/// the value, and the driver returns them as one `Err`.
pub struct Var<'t, T: Scalar = f64> {
    pub(crate) tape: &'t Tape<T>,
    pub(crate) id: u32,
    pub(crate) generation: u32,
}

impl<T: Scalar> Clone for Var<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Scalar> Copy for Var<'_, T> {}

impl<T: Scalar> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Var #{} {:?}", self.id, self.tape.peek(self, |s, d| Batch::from_slice(s, d)))
    }
}

/// What can stand beside a [`Var`] in a formula: another one, or numbers, which become a constant.
///
/// Implemented for values, numbers, [`Batch`] and faer's matrices, columns, rows and views of them, all of the scalar
/// of the tape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a value of a tape of `{T}`",
    note = "expected a `Var`, a number, a `Batch` or a matrix, column or row of faer with entries of type `{T}`"
)]
pub trait Operand<'t, T: Scalar>: Sealed {
    /// The value on the tape.
    fn on(self, tape: &'t Tape<T>) -> Var<'t, T>;

    /// The symmetric part on the tape, for `quadratic_form`; that of plain numbers is computed once, when the program
    /// is recorded.
    #[doc(hidden)]
    #[track_caller]
    fn sym_on(self, tape: &'t Tape<T>) -> Var<'t, T>;
}

/// Keeps the list of operands to this crate's, so that it can grow.
pub trait Sealed {}

impl<T: Scalar> Sealed for Var<'_, T> {}

impl<'t, T: Scalar> Operand<'t, T> for Var<'t, T> {
    fn on(self, _: &'t Tape<T>) -> Var<'t, T> {
        self
    }

    #[track_caller]
    fn sym_on(self, _: &'t Tape<T>) -> Var<'t, T> {
        self.sym()
    }
}

/// # What it is
/// Shape, numbers, tangent.
impl<'t, T: Scalar> Var<'t, T> {
    #[track_caller]
    pub(crate) fn op1(self, op: Op<T>) -> Self {
        self.tape.push_one(op, &[&self])
    }

    #[track_caller]
    pub(crate) fn op2(self, op: Op<T>, b: Self) -> Self {
        self.tape.push_one(op, &[&self, &b])
    }

    /// The tape it lives on.
    pub fn tape(&self) -> &'t Tape<T> {
        self.tape
    }

    /// Is it the same value of the same tape, and not another one that holds the same numbers?
    pub fn is_same(&self, other: &Var<'_, T>) -> bool {
        std::ptr::eq(self.tape, other.tape) && (self.id, self.generation) == (other.id, other.generation)
    }

    /// Its shape.
    #[track_caller]
    pub fn shape(&self) -> Shape {
        self.tape.shape_of(self)
    }

    /// Rows of each matrix.
    #[track_caller]
    pub fn rows(&self) -> usize {
        self.shape().rows
    }

    /// Columns of each matrix.
    #[track_caller]
    pub fn cols(&self) -> usize {
        self.shape().cols
    }

    /// The numbers. A recorded program that reads and goes on cannot be replayed.
    #[doc(alias("numpy", "detach"))]
    #[track_caller]
    pub fn value(&self) -> Batch<T> {
        self.tape.read(self, |s, d| Batch::from_slice(s, d))
    }

    /// The number of a `1x1` value; NaN if it is poisoned.
    ///
    /// # Panics
    /// If it is not a single number.
    #[doc(alias = "item")]
    #[track_caller]
    pub fn scalar(&self) -> T {
        let s = self.shape();
        assert!(s == Shape::SCALAR, "scalar: expected a single number, got {s}; reduce it first");
        self.tape.read(self, |_, d| d[0])
    }

    /// The tangent that it carries; zeros if none.
    #[track_caller]
    pub fn tangent(&self) -> Batch<T> {
        self.tape.tangent_of(self)
    }

    /// Has something it depends on failed? (`tape.check()` says what.) A recorded program that asks and goes on cannot
    /// be replayed.
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        self.tape.note_read();
        self.tape.is_poisoned(self)
    }
}

impl<'t, T: Scalar> Value for Var<'t, T> {
    type T = T;
    type Slot = (u32, u32);
    type Cx = &'t Tape<T>;

    fn shape(&self) -> Shape {
        self.tape.shape_of(self)
    }

    fn cx(&self) -> &'t Tape<T> {
        self.tape
    }

    fn apply(op: Op<T>, x: &[&Self]) -> Outs<Self> {
        let tape = x[0].tape;
        let first = tape.push(op, x);
        let n = tape.inner().vals.len() as u32;
        (first..n).map(|id| tape.handle(id)).collect()
    }

    fn park(self) -> (u32, u32) {
        (self.id, self.generation)
    }

    fn unpark(tape: &'t Tape<T>, (id, generation): (u32, u32), _: Shape) -> Self {
        Var { tape, id, generation }
    }

    fn add_to(slot: &mut Option<(u32, u32)>, v: Self) {
        *slot = Some(match *slot {
            None => v.park(),
            Some(s) => Value::add(&Var::unpark(v.tape, s, Shape::SCALAR), &v).park(),
        });
    }

    fn add_product_to(slot: &mut Option<(u32, u32)>, shape: Shape, m: Product, a: &Self, b: &Self) {
        let whole = m.shape(Value::shape(a), Value::shape(b)) == Some(shape);
        *slot = Some(match *slot {
            Some(s) if whole => Var::unpark(a.tape, s, shape).plus_product(m, a, b).park(),
            Some(s) => Value::add(&Var::unpark(a.tape, s, shape), &Var::sum_to(Value::product(m, a, b), shape)).park(),
            None => Var::sum_to(Value::product(m, a, b), shape).park(),
        });
    }

    fn at(tape: &'t Tape<T>, line: Option<Place>) -> Option<Place> {
        tape.rule_line.replace(line)
    }

    fn call(f: &CustomFn<'_, T>, x: &[&Self]) -> Outs<Option<Self>> {
        crate::custom::call_recorded(f, x)
    }

    fn literal(tape: &'t Tape<T>, shape: Shape, data: &[T]) -> Self {
        tape.constant(&Batch::from_slice(shape, data))
    }

    fn filled(tape: &'t Tape<T>, shape: Shape, x: f64) -> Self {
        tape.filled(shape, T::of(x))
    }
}
