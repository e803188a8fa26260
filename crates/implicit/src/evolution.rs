//! Evolution strategies: the derivative of a smoothed loss from losses alone, for loops that cannot be differentiated.
//! Nothing here records or sweeps.
//!
//! *Antithetic* (Spall 1992; Salimans et al. 2017): with `e ~ N(0, sigma² I)`, `g = e (L(phi + e) - L(phi - e)) / (2
//! sigma²)` has the mean `d/dphi E L(phi + e)`.
//!
//! *Persistent* (Vicol, Metz & Sohl-Dickstein, *Unbiased gradient estimation in unrolled computation graphs with
//! persistent evolution strategies*, 2021, algorithm 2): the loop is cut into unrolls. Every unroll `u` draws its own
//! `e_u`, a particle keeps its state from unroll to unroll and the sum `xi_u = e_1 + ... + e_u` of what it was given,
//! and `g = sum over u of xi_u (L_u - L_{u-1}) / sigma²`, in antithetic pairs. Here `L_u` is the outer loss where
//! unroll `u` ends, so that the increments add up to the loss at the end, and for a state that carries a sum of losses
//! they are the losses of the unrolls, as in the paper. The mean is the derivative of the smoothed loss of the whole
//! loop, without the bias of strategies that forget their noise after every unroll; the price is variance.
//!
//! Random numbers are a function of seed, unroll and pair, so results are equal bit by bit in any order.

use crate::certificate::Certificate;
use crate::error::{Error, Result};
use crate::estimate::{Derivative, Sensitivity, bind, bytes_of, finite_value, rebuilt, run};
use crate::estimators::Estimate;
use crate::iteration::{Iteration, Of, Vars};
use crate::lists::{self, List};
use crate::verdict::{Verdict, Why};
use pullback::{Batch, Leaves, Scalar, Shape, Tape, Var};
use std::fmt;

/// An evolution strategy. It is an [`Estimate`]; [`Evolution::sample`] also tells the standard error of every entry.
///
/// ```
/// use pullback::prelude::*;
/// use pullback_implicit::{Evolution, inner_loop};
/// let p = inner_loop(&1.0f64, &0.5f64, |z: Var, phi: Var, _| z * phi, |z: Var, _| z * z);
/// let g = Evolution::antithetic(400, 1e-3, 7).sample(&p, &1.0, &0.5, 3)?;
/// let truth = 6.0 * 0.5f64.powi(5);                          // of (phi³)²
/// assert!((g.gradient - truth).abs() < 4.0 * g.standard_error);
/// # Ok::<(), pullback_implicit::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evolution {
    /// Antithetic pairs, at least 2.
    pub pairs: usize,
    /// The standard deviation of the noise that is added to the parameters. The derivative is that of the loss smoothed
    /// over this length.
    pub sigma: f64,
    /// The seed.
    pub seed: u64,
    /// Steps of an unroll; `None` for one unroll, the whole loop.
    pub window: Option<usize>,
}

/// A random estimate, with its uncertainty.
#[derive(Debug, Clone)]
pub struct Sampled<P> {
    /// The mean over pairs.
    pub gradient: P,
    /// The standard error of that mean, entry by entry, with what rounding of the losses, and of the states
    /// as far as the losses see it, may hide in all pairs alike.
    pub standard_error: P,
    /// Normal numbers that were drawn.
    pub draws: usize,
    /// Steps of the loop that were run.
    pub steps: usize,
}

impl Evolution {
    /// Antithetic evolution strategies over the whole loop.
    pub fn antithetic(pairs: usize, sigma: f64, seed: u64) -> Self {
        Evolution { pairs, sigma, seed, window: None }
    }

    /// Persistent evolution strategies with unrolls of `window` steps.
    pub fn persistent(pairs: usize, sigma: f64, seed: u64, window: usize) -> Self {
        Evolution { pairs, sigma, seed, window: Some(window) }
    }

    /// Samples the derivative of the outer loss after `steps` steps from `z0`.
    ///
    /// Cost: `2 pairs steps` steps and, for each pair and unroll, three losses. Memory: two states.
    ///
    /// # Errors
    /// [`Error::NoSteps`]; [`Error::Setting`], also for noise that is rounding beside a parameter, and for parameters
    /// that are not finite; [`Error::Diverged`] if a particle leaves the finite numbers; the first failure of the step
    /// or the loss.
    pub fn sample<I: Iteration>(
        &self,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Sampled<I::Params>> {
        self.sample_on(&mut Tape::plain(), it, z0, phi, steps)
    }

    fn sample_on<I: Iteration>(
        &self,
        tape: &mut Tape<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Sampled<I::Params>> {
        self.check(steps)?;
        self.check_resolved(phi)?;
        let mut mean = Mean::new(&phi.batches());
        let window = self.window.unwrap_or(steps);
        for pair in 0..self.pairs {
            let (mut particles, mut of_pair) = (Pair::new(z0, phi), OfPair::new(&phi.shapes()));
            for (unroll, t) in (0..steps).step_by(window).enumerate() {
                let noise = self.noise(phi, unroll, pair);
                particles.advance(tape, it, z0, phi, t..(t + window).min(steps), &noise, self.sigma, &mut of_pair)?;
            }
            mean.take(&of_pair);
        }
        let unrolls = steps.div_ceil(window);
        let entries: usize = phi.shapes().iter().map(|s| s.len()).sum();
        Ok(mean.sampled(phi, self.pairs * unrolls * entries, 2 * self.pairs * steps))
    }

    fn check(&self, steps: usize) -> Result<()> {
        let wrong = |what, got| Err(Error::Setting { what, got });
        match () {
            () if steps == 0 => Err(Error::NoSteps),
            () if self.pairs < 2 => wrong("at least 2 antithetic pairs", self.pairs as f64),
            () if !(self.sigma > 0.0 && self.sigma.is_finite()) => wrong("a deviation above 0", self.sigma),
            () if self.window == Some(0) => wrong("an unroll of at least 1 step", 0.0),
            () => Ok(()),
        }
    }

    /// Noise that is rounding beside a parameter does not move it, and says nothing of it.
    fn check_resolved<T: Scalar>(&self, phi: &impl Leaves<Scalar = T>) -> Result<()> {
        let parameters = phi.batches();
        if let Some(x) = parameters.iter().flat_map(|b| b.data()).find(|x| !x.is_finite()) {
            return Err(Error::Setting { what: "finite parameters", got: x.f64() });
        }
        let largest = parameters.iter().fold(0.0f64, |l, b| l.max(b.max_abs().f64()));
        if self.sigma >= RESOLVED * T::EPS.f64() * largest {
            return Ok(());
        }
        Err(Error::Setting { what: "a deviation of at least eight rounding units of every parameter", got: self.sigma })
    }

    /// `e_u / sigma` of a pair.
    fn noise<P: Leaves>(&self, phi: &P, unroll: usize, pair: usize) -> List<P::Scalar> {
        let key = [unroll as u64, pair as u64].into_iter().fold(mixed(self.seed), |k, x| mixed(k ^ mixed(x)));
        lists::noise(&phi.shapes(), key)
    }
}

/// The deviation is at least so many rounding units of every parameter.
const RESOLVED: f64 = 8.0;

/// The last step of splitmix64.
fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Two particles that are given opposite noise.
#[derive(Clone)]
struct Pair<T: Scalar> {
    at: [List<T>; 2],
    loss: [f64; 2],
    /// How much of the two losses may be the rounding of their states.
    blur: f64,
    /// `xi / sigma`, of the first; the second has its negative.
    xi: List<T>,
}

/// The estimate of one pair, and how far it may be off because losses and states are rounded.
struct OfPair<T: Scalar> {
    g: List<T>,
    rounding: List<T>,
}

impl<T: Scalar> OfPair<T> {
    fn new(shapes: &[Shape]) -> Self {
        OfPair { g: lists::zeros(shapes), rounding: lists::zeros(shapes) }
    }

    /// Adds `xi change`, where `change` may be off by `rounding`.
    fn add(&mut self, change: f64, rounding: f64, xi: &[Batch<T>]) {
        lists::add_all(&mut self.g, change, xi);
        for (to, xi) in self.rounding.iter_mut().zip(xi) {
            to.data_mut().iter_mut().zip(xi.data()).for_each(|(to, xi)| *to += T::of(rounding) * xi.abs());
        }
    }
}

impl<T: Scalar> Pair<T> {
    fn new(z0: &impl Leaves<Scalar = T>, phi: &impl Leaves<Scalar = T>) -> Self {
        // Where losses count from is the same for both particles, and cancels.
        Pair { at: [z0.batches(), z0.batches()], loss: [0.0; 2], blur: 0.0, xi: lists::zeros(&phi.shapes()) }
    }

    /// Runs the given steps and adds `xi (change of loss of the first - of the second) / (2 sigma²)`.
    fn advance<I>(
        &mut self,
        tape: &mut Tape<T>,
        it: &I,
        like: &I::State,
        phi: &I::Params,
        steps: std::ops::Range<usize>,
        noise: &[Batch<T>],
        sigma: f64,
        to: &mut OfPair<T>,
    ) -> Result<()>
    where
        I: Iteration,
        I::State: Leaves<Scalar = T>,
        I::Params: Leaves<Scalar = T>,
    {
        lists::add_all(&mut self.xi, 1.0, noise);
        let (mut change, mut size, mut blur) = ([0.0; 2], 0.0, 0.0);
        for (k, sign) in [sigma, -sigma].into_iter().enumerate() {
            let mut moved = phi.batches();
            lists::add_all(&mut moved, sign, noise);
            let moved: I::Params = rebuilt(phi, moved);
            self.at[k] = run(tape, it, like, std::mem::take(&mut self.at[k]), &moved, steps.clone())?;
            let now = outer_loss(tape, it, like, &self.at[k], &moved)?;
            let before = std::mem::replace(&mut self.loss[k], now);
            (change[k], size) = (now - before, size + now.abs() + before.abs());
            if k == 0 {
                // The other particle is beside this one, and loses as much.
                let rounded = outer_loss(tape, it, like, &rounded(&self.at[k], steps.end), &moved);
                blur = rounded.map_or(0.0, |loss| 2.0 * (loss - now).abs());
            }
        }
        let before = std::mem::replace(&mut self.blur, blur);
        let rounding = (T::EPS.f64() * size + blur + before) / (2.0 * sigma);
        to.add((change[0] - change[1]) / (2.0 * sigma), rounding, &self.xi);
        Ok(())
    }
}

/// A state that is off by half a rounding unit of its entries for each of so many steps, to one side or the other: as
/// far as a loop that does not expand may take it.
fn rounded<T: Scalar>(at: &[Batch<T>], steps: usize) -> List<T> {
    let (mut coins, mut at) = (lists::uniform(0xB1), at.to_vec());
    let share = 0.5 * lists::eps::<T>() * steps as f64;
    for x in at.iter_mut().flat_map(|b| b.data_mut()) {
        *x += *x * lists::number(if coins() < 0.5 { share } else { -share });
    }
    at
}

/// The outer loss as a number.
fn outer_loss<I: Iteration>(
    tape: &mut Tape<Of<I::State>>,
    it: &I,
    like: &I::State,
    at: &[Batch<Of<I::State>>],
    phi: &I::Params,
) -> Result<f64> {
    tape.clear();
    let tape = &*tape;
    let z: Vars<'_, I::State> = bind(tape, like, at).0;
    let loss: Var<'_, _> = it.outer(tape, z, bind(tape, phi, &phi.batches()).0);
    tape.check()?;
    if !loss.shape().is_scalar() {
        return Err(pullback::Error::NotScalar { shape: loss.shape() }.into());
    }
    finite_value(loss.scalar())
}

/// A mean and its standard error, entry by entry: Welford's recurrence for the root of the sum of squares, since
/// squares of small numbers underflow. What losses lose in rounding may be the same in every pair, so the mean of that
/// is part of the error: where nothing of a change is left, no pair differs from another.
struct Mean<T: Scalar> {
    n: f64,
    mean: List<T>,
    /// The length of the deviations.
    spread: List<T>,
    /// The sum.
    rounding: List<T>,
}

impl<T: Scalar> Mean<T> {
    fn new(like: &[Batch<T>]) -> Self {
        let zeros = || lists::zeros(&lists::shapes(like));
        Mean { n: 0.0, mean: zeros(), spread: zeros(), rounding: zeros() }
    }
    fn take(&mut self, of: &OfPair<T>) {
        self.n += 1.0;
        lists::add_all(&mut self.rounding, 1.0, &of.rounding);
        let share = ((self.n - 1.0) / self.n).sqrt();
        for ((m, s), g) in self.mean.iter_mut().zip(&mut self.spread).zip(&of.g) {
            for ((m, s), g) in m.data_mut().iter_mut().zip(s.data_mut()).zip(g.data()) {
                let apart = *g - *m;
                *m += apart * T::of(1.0 / self.n);
                *s = T::of(s.f64().hypot(apart.f64() * share));
            }
        }
    }
    fn sampled<P: Leaves<Scalar = T>>(mut self, like: &P, draws: usize, steps: usize) -> Sampled<P> {
        let scale = (1.0 / (self.n * (self.n - 1.0))).sqrt();
        for (s, r) in self.spread.iter_mut().zip(&self.rounding) {
            let error = |s: T, r: T| (s.f64() * scale).hypot(r.f64() / self.n);
            s.data_mut().iter_mut().zip(r.data()).for_each(|(s, r)| *s = T::of(error(*s, *r)));
        }
        let (gradient, standard_error) = (rebuilt(like, self.mean), rebuilt(like, self.spread));
        Sampled { gradient, standard_error, draws, steps }
    }
}

/// Pairs that stay alive between unrolls, to step the parameters after each of them: what persistent evolution
/// strategies were made for. The sum of what the unrolls return, at parameters that rest, is [`Evolution::sample`].
pub struct Particles<'z, Z: Leaves> {
    how: Evolution,
    z0: &'z Z,
    pairs: Vec<Pair<Z::Scalar>>,
    tape: Tape<Z::Scalar>,
    unrolls: usize,
    /// Steps that every particle has taken.
    pub steps: usize,
}

impl<Z: Leaves> fmt::Debug for Particles<'_, Z> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Particles").field("how", &self.how).field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl<'z, Z: Leaves> Particles<'z, Z> {
    /// All particles at `z0`. `phi` says the shapes of the parameters.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new<P: Leaves<Scalar = Z::Scalar>>(how: Evolution, z0: &'z Z, phi: &P) -> Result<Self> {
        how.check(1)?;
        let pairs = (0..how.pairs).map(|_| Pair::new(z0, phi)).collect();
        Ok(Particles { how, z0, pairs, tape: Tape::plain(), unrolls: 0, steps: 0 })
    }

    /// One unroll of `steps` steps with fresh noise around `phi`, and what it adds to the derivative.
    ///
    /// # Errors
    /// As [`Evolution::sample`]; [`Error::Lists`] if `phi` has other shapes than those of [`Particles::new`]. The
    /// particles are then where they were, so that the unroll may be tried again, with other parameters too.
    pub fn advance<I>(&mut self, it: &I, phi: &I::Params, steps: usize) -> Result<Sampled<I::Params>>
    where
        I: Iteration<State = Z>,
    {
        self.how.check(steps)?;
        self.how.check_resolved(phi)?;
        let expected = self.pairs.first().map_or(vec![], |p| lists::shapes(&p.xi));
        if phi.shapes() != expected {
            return Err(Error::Lists { expected, got: phi.shapes() });
        }
        let (mut mean, range) = (Mean::new(&phi.batches()), self.steps..self.steps + steps);
        let mut pairs = self.pairs.clone();
        for (k, pair) in pairs.iter_mut().enumerate() {
            let (noise, mut of_pair) = (self.how.noise(phi, self.unrolls, k), OfPair::new(&phi.shapes()));
            pair.advance(&mut self.tape, it, self.z0, phi, range.clone(), &noise, self.how.sigma, &mut of_pair)?;
            mean.take(&of_pair);
        }
        self.pairs = pairs;
        self.steps += steps;
        self.unrolls += 1;
        let entries: usize = phi.shapes().iter().map(|s| s.len()).sum();
        Ok(mean.sampled(phi, self.how.pairs * entries, 2 * self.how.pairs * steps))
    }
}

impl<I: Iteration> Estimate<I> for Evolution {
    fn name(&self) -> String {
        match self.window {
            None => format!("Evolution {{ pairs: {}, sigma: {:e} }}", self.pairs, self.sigma),
            Some(w) => format!("Evolution {{ pairs: {}, sigma: {:e}, window: {w} }}", self.pairs, self.sigma),
        }
    }
    fn estimate(
        &self,
        on: &mut Sensitivity<Of<I::State>>,
        it: &I,
        z0: &I::State,
        phi: &I::Params,
        steps: usize,
    ) -> Result<Derivative<I::State, I::Params>> {
        on.plain.clear();
        on.plain.reset_peak();
        let found = self.sample_on(&mut on.plain, it, z0, phi, steps)?;
        let end = run(&mut on.plain, it, z0, z0.batches(), phi, 0..steps)?;
        let value = outer_loss(&mut on.plain, it, z0, &end, phi)?;
        let (error, length) =
            (lists::length(&found.standard_error.batches()), lists::length(&found.gradient.batches()));
        let certificate = Certificate {
            error: Some(error),
            verdict: Verdict::Suspect(Why::Sampled { standard_error: if error == 0.0 { 0.0 } else { error / length } }),
            ..Certificate::unrolled(0)
        };
        // Two states, and seven lists like the parameters: noise, its sum, a pair's estimate and its rounding, mean,
        // spread, rounding.
        let bytes = on.plain.peak_bytes() + 2 * bytes_of(&end) + 7 * bytes_of(&phi.batches());
        let (gradient, state) = (found.gradient, rebuilt(z0, end));
        Ok(Derivative { value, gradient, state, certificate, failures: vec![], bytes, operations: 0, products: 0 })
    }
}
