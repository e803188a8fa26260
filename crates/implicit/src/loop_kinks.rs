//! Kinks of the last step of an iteration, or of the loss where it arrives. How a kink is told from rounding, and how
//! far from the point it is looked for, is in `kinks.rs`.
//!
//! Parameters may be many, so they are moved where they are written to the tape, and neither they nor the direction are
//! copied.

use crate::error::Result;
use crate::estimate::{Plain, bind, double};
use crate::iteration::{Iteration, Of, copy};
use crate::kinks::{Direction, Line, anywhere, beside};
use crate::last_step::LastStep;
use crate::lists::{self, List};
use pullback::{Batch, Leaves, MatLike, Scalar, Shape, Tape};
use std::cell::RefCell;

/// What the derivative by the parameters is made of.
pub(crate) struct Parts<'p, T: Scalar> {
    /// The sum of the series, and what it pulls back to the parameters.
    pub(crate) p: &'p [Batch<T>],
    pub(crate) own: &'p [Batch<T>],
    /// The derivative of the loss by the state, that by the parameters if it sees them directly, and the loss.
    pub(crate) by_state: &'p [Batch<T>],
    pub(crate) direct: Option<&'p [Batch<T>]>,
    pub(crate) loss: f64,
}

impl<I: Iteration> LastStep<'_, '_, I> {
    /// How much of the change of `<p, F>`, with the last step `F` and the sum `p`, or of the loss after the step is not
    /// that of its derivative, to one side of where they are; 0 where neither bends. States and parameters are moved at
    /// random; where the loss bends, it is looked at once more along a motion that the step passes on.
    ///
    /// Cost: a reverse sweep by the state, two steps and two losses without recording, and some passes over the
    /// parameters. Where the step may bend, six steps; where the loss may, a reverse sweep and six steps more.
    pub(crate) fn bends(&mut self, of: &Parts<'_, Of<I::State>>) -> Result<f64> {
        let (path, it, like) = (self.path, self.it, self.like);
        let (d, e) = (self.anywhere(path.before, 0x0B5)?, self.anywhere(path.end, 0xE2D)?);
        let dphi = Direction::new(0x5EED);
        let by_step = [self.slopes(of.p, &d, &[])?.0, slope(path.phi, &dphi, Some(of.own))];
        let by_loss = [lists::all_dot(of.by_state, &e), slope(path.phi, &dphi, of.direct)];
        let noise = lists::length(of.p) * lists::length(path.end);
        let step = line(lists::all_dot(of.p, path.end), noise, &by_step);
        let loss = line(of.loss, of.loss.abs(), &by_loss);
        let beside = Beside { it, like, phi: path.phi, dphi: &dphi, t: path.last };
        let (tape, seen) = (RefCell::new(&mut *self.plain), RefCell::new(Vec::<(f64, Seen)>::new()));
        let look = |h: f64| -> Seen {
            if let Some((_, found)) = seen.borrow().iter().find(|(at, _)| *at == h) {
                return *found;
            }
            let found = beside.step_and_loss(&mut tape.borrow_mut(), h, (path.before, &d, of.p), (path.end, &e));
            seen.borrow_mut().push((h, found));
            found
        };
        let by_step = step.bends::<Of<I::State>>(&|h| look(h).step);
        let by_loss = match loss.bends::<Of<I::State>>(&|h| look(h).loss) {
            0.0 => 0.0,
            _ => self.loss_bends(of, &d, &dphi)?,
        };
        Ok(by_step.max(by_loss))
    }

    /// How much the loss bends along the motion that the step makes of `d` and `dphi`.
    fn loss_bends(
        &mut self,
        of: &Parts<'_, Of<I::State>>,
        d: &[Batch<Of<I::State>>],
        dphi: &Direction<Of<I::State>>,
    ) -> Result<f64> {
        let path = self.path;
        let direction = anywhere_along(path.phi, dphi);
        let (by_state, by_params) = self.slopes(of.by_state, d, &direction)?;
        let loss = line(of.loss, of.loss.abs(), &[by_state, by_params, slope(path.phi, dphi, of.direct)]);
        let beside = Beside { it: self.it, like: self.like, phi: path.phi, dphi, t: path.last };
        let tape = RefCell::new(&mut *self.plain);
        Ok(loss.bends::<Of<I::State>>(&|h| beside.loss_after(&mut tape.borrow_mut(), h, path.before, d)))
    }

    /// A random tangent at `z` that leaves out what the step hands on as it is.
    fn anywhere(&mut self, z: &[Batch<Of<I::State>>], seed: u64) -> Result<List<Of<I::State>>> {
        let mut d = anywhere(z, seed);
        self.leave_out(&mut d);
        self.project(z, &d)
    }
}

/// A number whose slope is the sum of these.
fn line(at: f64, noise: f64, slopes: &[f64]) -> Line {
    Line { at, noise, slope: slopes.iter().sum(), size: slopes.iter().map(|s| s.abs()).sum() }
}

/// The product of a cotangent of the parameters with a direction from them; 0 if there is no cotangent.
fn slope<L: Leaves>(phi: &L, dphi: &Direction<L::Scalar>, by: Option<&[Batch<L::Scalar>]>) -> f64 {
    let Some(by) = by else { return 0.0 };
    let (mut sum, mut v, mut leaf) = (0.0, vec![], 0);
    phi.visit("", &mut |_, m| {
        v.resize(m.shape().len(), lists::number(0.0));
        m.write(&mut v);
        dphi.along(leaf, m.shape().each(), &mut v, |_, v| v);
        sum += lists::flat_dot(&v, by[leaf].data());
        leaf += 1;
    });
    sum
}

/// The direction as a list.
fn anywhere_along<L: Leaves>(phi: &L, dphi: &Direction<L::Scalar>) -> List<L::Scalar> {
    let mut v = phi.batches();
    for (leaf, v) in v.iter_mut().enumerate() {
        let each = v.shape().each();
        dphi.along(leaf, each, v.data_mut(), |_, v| v);
    }
    v
}

/// A leaf of the parameters, moved.
struct Moved<'m, T> {
    leaf: usize,
    x: &'m dyn MatLike<T>,
    h: T,
    dphi: &'m Direction<T>,
}

impl<T: Scalar> MatLike<T> for Moved<'_, T> {
    fn shape(&self) -> Shape {
        self.x.shape()
    }
    fn write(&self, out: &mut [T]) {
        self.x.write(out);
        self.dphi.along(self.leaf, self.shape().each(), out, |x, v| x + self.h * v);
    }
}

/// What is seen beside the point: `<p, F>`, and the loss; `None` where they fail or are not finite.
#[derive(Clone, Copy)]
struct Seen {
    step: Option<f64>,
    loss: Option<f64>,
}

/// A state and its direction.
type Moving<'m, T> = (&'m [Batch<T>], &'m [Batch<T>]);

/// The program beside the parameters.
struct Beside<'b, I: Iteration> {
    it: &'b I,
    like: &'b I::State,
    phi: &'b I::Params,
    dphi: &'b Direction<Of<I::State>>,
    t: usize,
}

impl<I: Iteration> Beside<'_, I> {
    /// The parameters, moved by `h`, on a tape.
    fn at<'t>(&self, tape: &'t mut Tape<Of<I::State>>, h: f64) -> Plain<'t, '_, I> {
        tape.clear();
        let (tape, mut handles) = (&*tape, Vec::new());
        self.phi.visit("", &mut |_, x| {
            let moved = Moved { leaf: handles.len(), x, h: lists::number(h), dphi: self.dphi };
            handles.push(tape.input(&moved));
        });
        Plain { tape, it: self.it, like: self.like, params: self.phi.bind_all(&handles) }
    }

    /// `<p, F>` from the moved state, and the loss at another one.
    fn step_and_loss(
        &self,
        tape: &mut Tape<Of<I::State>>,
        h: f64,
        (from, d, p): (&[Batch<Of<I::State>>], &[Batch<Of<I::State>>], &[Batch<Of<I::State>>]),
        (end, e): Moving<'_, Of<I::State>>,
    ) -> Seen {
        let end = beside(end, h, e);
        {
            let plain = self.at(tape, h);
            if let Ok(z) = plain.run(beside(from, h, d), self.t..self.t + 1) {
                return Seen { step: Some(lists::all_dot(p, &z)), loss: self.loss(&plain, &end) };
            }
        }
        // The failure would stay with the tape.
        Seen { step: None, loss: self.loss(&self.at(tape, h), &end) }
    }

    /// The loss after a step from the moved state.
    fn loss_after(
        &self,
        tape: &mut Tape<Of<I::State>>,
        h: f64,
        from: &[Batch<Of<I::State>>],
        d: &[Batch<Of<I::State>>],
    ) -> Option<f64> {
        let plain = self.at(tape, h);
        let end = plain.run(beside(from, h, d), self.t..self.t + 1).ok()?;
        self.loss(&plain, &end)
    }

    /// The loss as a number; `None` if it fails or is not finite.
    fn loss(&self, plain: &Plain<'_, '_, I>, z: &[Batch<Of<I::State>>]) -> Option<f64> {
        let (z, _) = bind(plain.tape, self.like, z);
        let loss = self.it.outer(plain.tape, z, copy(&plain.params));
        plain.tape.check().ok()?;
        Some(double(loss.scalar())).filter(|f| f.is_finite())
    }
}
