//! Negative controls: rules that are wrong on purpose, each of which a check must find. A check that cannot fail proves
//! nothing.
//!
//! ```
//! use pullback::Batch;
//! use pullback_check::controls::{self, Break};
//! let x0 = vec![Batch::of(&faer::mat![[2.0, 0.3], [0.1, 1.0], [0.5, 0.2]])];
//! // Wraps the program as a primitive with the engine's own rules, breaks them in every way that changes a number at this point, and
//! // panics with the report of the first one that a check passes.
//! let found = controls::assert_every_break_is_found(controls::derived(|x| vec![x[0].qr().0]), &x0);
//! assert!(found.contains(&Break::Sign) && found.contains(&Break::Projector) && found.contains(&Break::Detach));
//! ```

use crate::lists::{List, Random, max_apart};
use crate::{Modes, Report, check_many};
use pullback::{Batch, Custom, Many, Scalar, Shape, Var};
use std::sync::Arc;

/// How a rule is broken: the mistakes people make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Break {
    /// The wrong sign.
    Sign,
    /// A factor 2 forgotten.
    Half,
    /// A half forgotten.
    Twice,
    /// The first input gets nothing.
    Missing,
    /// A small multiple of the input leaks into its cotangent.
    Leak,
    /// A factor transposed: the cotangent comes out as its transpose.
    Transpose,
    /// A symmetrisation forgotten: the lower triangle carries everything.
    Asymmetric,
    /// A projector `I - X X^T` forgotten: something in the span of the columns of the input is left in.
    Projector,
    /// The batch forgotten: only the first member is looked at.
    FirstMember,
    /// The inputs are taken for constants in the rule: right at first order, wrong at second.
    Detach,
    /// The rule keeps the numbers it saw when it was recorded: a choice frozen at replay.
    Freeze,
}

impl Break {
    /// Every one.
    pub const ALL: [Break; 11] = [
        Break::Sign,
        Break::Half,
        Break::Twice,
        Break::Missing,
        Break::Leak,
        Break::Transpose,
        Break::Asymmetric,
        Break::Projector,
        Break::FirstMember,
        Break::Detach,
        Break::Freeze,
    ];

    /// Is the first derivative wrong as a number?
    #[must_use]
    pub fn is_first_order(self) -> bool {
        !matches!(self, Break::Detach | Break::Freeze)
    }

    /// A cotangent (or tangent) broken; `like` is the input (or output) that it belongs to, the `i`-th.
    fn apply<'t, T: Scalar>(self, i: usize, g: Var<'t, T>, like: Var<'t, T>) -> Var<'t, T> {
        let number = |c: f64| g.tape().filled(Shape::SCALAR, T::of(c));
        let square = g.rows() == g.cols();
        match self {
            Break::Sign => -g,
            Break::Half => g * number(0.5),
            Break::Twice => g * number(2.0),
            Break::Missing if i == 0 => g * number(0.0),
            Break::Leak => g + like * number(1e-3),
            Break::Transpose if square => g.t(),
            Break::Asymmetric if square => g.tril() * number(2.0) - g.diag().to_diag(),
            Break::Projector => g + like * like.t_mul(g),
            _ => g,
        }
    }
}

/// Which rule of a primitive is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The reverse rule.
    Reverse,
    /// The forward rule.
    Forward,
    /// Both: with a mere factor the rules stay each other's transpose, and only the value can tell.
    Both,
}

/// A program as a primitive with rules of its own, which are the engine's derivatives of the program.
pub fn derived<T: Scalar, F>(f: F) -> Arc<dyn Custom<T>>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    Arc::new(Derived(f))
}

/// The same primitive with a mistake in one of its rules, or in both.
pub fn broken<T: Scalar>(rule: Arc<dyn Custom<T>>, how: Break, place: Place) -> Arc<dyn Custom<T>> {
    Arc::new(Broken { rule, how, place })
}

struct Derived<F>(F);

impl<F> Derived<F> {
    /// The program with input `i` replaced.
    fn with<'t, T: Scalar>(&self, x: &[Var<'t, T>], i: usize, xi: Var<'t, T>) -> Vec<Var<'t, T>>
    where
        F: Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>>,
    {
        let mut x = x.to_vec();
        x[i] = xi;
        (self.0)(&x)
    }
}

impl<T: Scalar, F> Custom<T> for Derived<F>
where
    F: for<'t> Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>> + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "derived"
    }
    fn value<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        (self.0)(x)
    }
    fn jvp<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], dx: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        let along = |k: usize| {
            let present = dx.iter().enumerate().filter_map(|(i, d)| d.map(|d| (i, d)));
            present.map(|(i, d)| x[i].jvp(|xi| self.with(x, i, xi)[k], d).1).reduce(|a, b| a + b)
        };
        (0..y.len()).map(along).collect()
    }
    fn vjp<'t>(&self, x: &[Var<'t, T>], _: &[Var<'t, T>], dy: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        let back = |i: usize| {
            x[i].grad(|xi| {
                let y = self.with(x, i, xi);
                let terms = y.iter().zip(dy).filter_map(|(y, w)| w.map(|w| y.dot(w).sum()));
                terms.reduce(|a, b| a + b).unwrap_or_else(|| xi.tape().filled(Shape::SCALAR, T::zero()))
            })
        };
        (0..x.len()).map(|i| Some(back(i))).collect()
    }
}

struct Broken<T: Scalar> {
    rule: Arc<dyn Custom<T>>,
    how: Break,
    place: Place,
}

impl<T: Scalar> Broken<T> {
    /// What the rule sees in place of the values.
    fn seen<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        match self.how {
            Break::Detach => x.iter().map(|x| x.stop_gradient()).collect(),
            Break::Freeze => x.iter().map(|x| x.tape().constant(&x.value())).collect(),
            _ => x.to_vec(),
        }
    }

    /// The first member alone, if the batch is forgotten.
    fn first<'t>(&self, g: Var<'t, T>) -> Var<'t, T> {
        let s = g.shape();
        if self.how != Break::FirstMember || s.batch < 2 {
            return g;
        }
        let mask = Batch::from_fn(Shape::batch(s.batch, 1, 1), |b, _, _| if b == 0 { T::one() } else { T::zero() });
        g.hadamard(&mask)
    }
}

impl<T: Scalar> Custom<T> for Broken<T> {
    fn name(&self) -> &'static str {
        "broken"
    }
    fn value<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        self.rule.value(x)
    }
    fn jvp<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], dx: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        if self.place == Place::Reverse {
            return self.rule.jvp(x, y, dx);
        }
        let dx: Vec<_> = dx.iter().map(|d| d.map(|d| self.first(d))).collect();
        let dy = self.rule.jvp(&self.seen(x), &self.seen(y), &dx);
        dy.into_iter().enumerate().map(|(k, d)| d.map(|d| self.how.apply(k, d, y[k]))).collect()
    }
    fn vjp<'t>(&self, x: &[Var<'t, T>], y: &[Var<'t, T>], dy: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        if self.place == Place::Forward {
            return self.rule.vjp(x, y, dy);
        }
        let dy: Vec<_> = dy.iter().map(|d| d.map(|d| self.first(d))).collect();
        let dx = self.rule.vjp(&self.seen(x), &self.seen(y), &dy);
        dx.into_iter().enumerate().map(|(i, d)| d.map(|d| self.how.apply(i, d.sum_to(x[i].shape()), x[i]))).collect()
    }
}

/// What a check says of a primitive, at the orders and modes that a break of this kind needs.
pub fn tried<T: Scalar>(rule: &Arc<dyn Custom<T>>, x0: &Vec<Batch<T>>, how: Break) -> Report {
    let modes = match how {
        Break::Detach => Modes::PROGRAM - Modes::REPLAY,
        Break::Freeze => Modes::PROGRAM,
        _ => Modes::REVERSE | Modes::FORWARD,
    };
    let last = if how.is_first_order() { 1 } else { 2 };
    let check = check_many(|x: Vec<Var<T>>| Many(x[0].tape().custom(rule.clone(), &x)), x0);
    let check = check.seed(3).orders(1..=last).modes(modes);
    // Equalities are enough for a rule that stands against a right one.
    check.without_slopes().run()
}

/// Cotangents of the inputs for cotangents `w`, if they exist.
fn pulled<T: Scalar>(rule: &Arc<dyn Custom<T>>, x0: &Vec<Batch<T>>, w: &[Batch<T>]) -> Option<List<T>> {
    let (_, pull) = pullback::vjp_many(|x: Vec<Var<T>>| Many(x[0].tape().custom(rule.clone(), &x)), x0).ok()?;
    pull(w).ok()
}

/// Would the mistake change a number at this point? (The transpose of a symmetric cotangent is no mistake.)
#[must_use]
pub fn applies<T: Scalar>(rule: &Arc<dyn Custom<T>>, x0: &Vec<Batch<T>>, how: Break) -> bool {
    let random = &mut Random::new(77);
    let shapes = pullback::vjp_many(|x: Vec<Var<T>>| Many(x[0].tape().custom(rule.clone(), &x)), x0);
    let Ok((y, _)) = shapes else { return false };
    let w = random.list(y.iter().map(Batch::shape));
    let Some(right) = pulled(rule, x0, &w) else { return false };
    let size = right.iter().map(|b| b.max_abs().f64()).fold(0.0, f64::max);
    let elsewhere = |h: f64, random: &mut Random| {
        pulled(rule, &crate::lists::plus(x0, h, &random.list(x0.iter().map(Batch::shape))), &w)
    };
    let (other, apart) = match how {
        // Something to detach: the cotangent changes at once. Something to keep: it changes farther off, by a choice
        // perhaps.
        Break::Detach => (elsewhere(CLOSE, random), CLOSE),
        Break::Freeze => (elsewhere(0.25, random), 1.0),
        _ => (pulled(&broken(rule.clone(), how, Place::Reverse), x0, &w), 1.0),
    };
    other.is_some_and(|other| max_apart(&right, &other) > CHANGED * apart * size)
}

/// A change of a twentieth of a percent is a change: a leak of a thousandth counts.
const CHANGED: f64 = 5e-4;
/// A step over which no choice changes, and rounding is far below the change of a cotangent.
const CLOSE: f64 = 1e-4;

/// Breaks the reverse rule in every way that applies at this point, and checks it: all must be found. Returns what was
/// tried.
///
/// # Panics
/// With the report, if the unbroken rule fails a check or a broken one passes.
#[track_caller]
pub fn assert_every_break_is_found<T: Scalar>(rule: Arc<dyn Custom<T>>, x0: &Vec<Batch<T>>) -> Vec<Break> {
    let right = tried(&rule, x0, Break::Freeze);
    assert!(right.is_ok(), "the rule is to be broken, and fails before it is:\n{right}");
    let mut found = Vec::new();
    for how in Break::ALL {
        if !applies(&rule, x0, how) {
            continue;
        }
        let report = tried(&broken(rule.clone(), how, Place::Reverse), x0, how);
        assert!(report.is_wrong(), "{} broken by {how:?} passes:\n{report}", rule.name());
        found.push(how);
    }
    found
}
