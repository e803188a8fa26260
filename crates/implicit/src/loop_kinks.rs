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
    /// How many members all of them have; 1 where they are not to be told apart.
    pub(crate) members: usize,
}

/// How much of a change is not that of the derivative, to one side; 0 where nothing bends.
pub(crate) struct LoopKinks {
    /// Of the step, in each member.
    pub(crate) step: Vec<f64>,
    pub(crate) loss: f64,
}

impl<I: Iteration> LastStep<'_, '_, I> {
    /// How much of the change of `<p, F>`, with the last step `F` and the sum `p`, or of the loss after the step is not
    /// that of its derivative, to one side of where they are. States and parameters are moved at random; where the loss
    /// bends, it is looked at once more along a motion that the step passes on.
    ///
    /// Cost: a reverse sweep by the state, two steps and two losses without recording, and some passes over the
    /// parameters. Where the step may bend, six steps; where the loss may, a reverse sweep and six steps more.
    pub(crate) fn bends(&mut self, of: &Parts<'_, Of<I::State>>) -> Result<LoopKinks> {
        let (path, it, like, n) = (self.path, self.it, self.like, of.members);
        let (d, e) = (self.anywhere(path.before, 0x0B5)?, self.anywhere(path.end, 0xE2D)?);
        let dphi = Direction::new(0x5EED);
        let by_step = (self.slopes(of.p, &d, &[], n)?.0, slopes(path.phi, &dphi, Some(of.own), n));
        let by_loss = [lists::all_dot(of.by_state, &e), slopes(path.phi, &dphi, of.direct, 1)[0]];
        let (at, noise) = (dots(of.p, path.end, n), products(of.p, path.end, n));
        let loss = line(of.loss, of.loss.abs(), &by_loss);
        let beside = Beside { it, like, phi: path.phi, dphi: &dphi, t: path.last, members: n };
        let (tape, seen) = (RefCell::new(&mut *self.plain), RefCell::new(Vec::<(f64, Seen)>::new()));
        let look = |h: f64| -> Seen {
            if let Some((_, found)) = seen.borrow().iter().find(|(at, _)| *at == h) {
                return found.clone();
            }
            let found = beside.step_and_loss(&mut tape.borrow_mut(), h, (path.before, &d, of.p), (path.end, &e));
            seen.borrow_mut().push((h, found.clone()));
            found
        };
        let step = |m: usize| {
            let line = line(at[m], noise[m], &[by_step.0[m], by_step.1[m]]);
            line.bends::<Of<I::State>>(&|h| look(h).step.map(|s| s[m]))
        };
        let step = (0..n).map(step).collect();
        let loss = match loss.bends::<Of<I::State>>(&|h| look(h).loss) {
            0.0 => 0.0,
            _ => self.loss_bends(of, &d, &dphi)?,
        };
        Ok(LoopKinks { step, loss })
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
        let (by_state, by_params) = self.slopes(of.by_state, d, &direction, 1)?;
        let by_loss = [by_state[0], by_params, slopes(path.phi, dphi, of.direct, 1)[0]];
        let loss = line(of.loss, of.loss.abs(), &by_loss);
        let beside = Beside { it: self.it, like: self.like, phi: path.phi, dphi, t: path.last, members: 1 };
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

/// `<p, z>` of each of `n` members, or of all together.
fn dots<T: Scalar>(p: &[Batch<T>], z: &[Batch<T>], n: usize) -> Vec<f64> {
    let mut sums = vec![0.0; n];
    p.iter().zip(z).for_each(|(p, z)| lists::add_dots(&mut sums, p.data(), z.data()));
    sums
}

/// The products of the lengths of the leaves of each member, or of all together: leaves have units.
fn products<T: Scalar>(p: &[Batch<T>], z: &[Batch<T>], n: usize) -> Vec<f64> {
    let length = |b: &Batch<T>, m: usize| {
        let each = b.data().len() / n;
        lists::flat_length(&b.data()[m * each..(m + 1) * each])
    };
    (0..n).map(|m| p.iter().zip(z).map(|(p, z)| length(p, m) * length(z, m)).sum()).collect()
}

/// The products of the members of a cotangent of the parameters with a direction from them; 0 if there is no cotangent.
fn slopes<L: Leaves>(phi: &L, dphi: &Direction<L::Scalar>, by: Option<&[Batch<L::Scalar>]>, n: usize) -> Vec<f64> {
    let mut sums = vec![0.0; n];
    let Some(by) = by else { return sums };
    let (mut v, mut leaf) = (vec![], 0);
    phi.visit("", &mut |_, m| {
        v.resize(m.shape().len(), lists::number(0.0));
        m.write(&mut v);
        dphi.along(leaf, m.shape().each(), &mut v, |_, v| v);
        lists::add_dots(&mut sums, &v, by[leaf].data());
        leaf += 1;
    });
    sums
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

/// What is seen beside the point: `<p, F>` of each member, and the loss; `None` where they fail or are not finite.
#[derive(Clone)]
struct Seen {
    step: Option<Vec<f64>>,
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
    members: usize,
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
                return Seen { step: Some(dots(p, &z, self.members)), loss: self.loss(&plain, &end) };
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
