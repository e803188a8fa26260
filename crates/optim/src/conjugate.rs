//! Nonlinear conjugate gradients (survey: Sato, *Riemannian conjugate gradient methods: General framework and specific
//! algorithms with convergence analyses*, 2022).
//!
//! `d+ = -g+ + beta T(d)`, with the last direction brought to the new point by the transport `T`. With
//! `y = g+ - T(g)`, the coefficient is, for
//!
//! - Fletcher & Reeves: `<g+, g+> / <g, g>`;
//! - Polak & Ribiere, not below 0: `max(0, <g+, y> / <g, g>)`;
//! - Hestenes & Stiefel, not below 0: `max(0, <g+, y> / <T(d), y>)`;
//! - Dai & Yuan: `<g+, g+> / <T(d), y>`;
//! - Hager & Zhang: `<y - 2 T(d) <y, y> / <T(d), y>, g+> / <T(d), y>`, not below their bound
//!   `-1 / (|d| min(eta, |g|))` with `eta = 0.01`.
//!
//! The direction is the negative gradient again where it would not be one of descent; and, where `restart` asks for it,
//! where successive gradients are far from orthogonal: `|<g+, T(g)>| >= restart <g+, g+>` (Powell 1977).

use crate::Result;
use crate::descent::{NO_STEP, first_length};
use crate::line_search::{Curve, LineSearch};
use crate::numbers::Numbers;
use crate::solver::{Solver, Step, within};
use crate::view::{Iterate, View};
use pullback::Scalar;
use serde::{Deserialize, Serialize};

/// The coefficient of the last direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Beta {
    /// Fletcher & Reeves 1964.
    FletcherReeves,
    /// Polak & Ribiere 1969, not below 0.
    PolakRibiere,
    /// Hestenes & Stiefel 1952, not below 0.
    HestenesStiefel,
    /// Dai & Yuan 1999.
    DaiYuan,
    /// Hager & Zhang 2005. The default.
    #[default]
    HagerZhang,
}

/// Nonlinear conjugate gradients: no Hessian, the memory of one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConjugateGradient {
    /// The coefficient.
    pub beta: Beta,
    /// How the step is chosen.
    pub line_search: LineSearch,
    /// Begin anew where `|<g+, T(g)>|` is at least this part of `<g+, g+>`; infinite for never. Unless it is given, 0.2
    /// for the coefficients of Fletcher & Reeves and of Dai & Yuan, which do not recover from a bad direction by
    /// themselves, and never for the others.
    pub restart: Option<f64>,
}

/// Hager & Zhang's coefficient with a line search that is a little more exact than the default.
impl Default for ConjugateGradient {
    fn default() -> Self {
        ConjugateGradient {
            beta: Beta::default(),
            line_search: LineSearch::Wolfe { decrease: 0.1, curvature: 0.4 },
            restart: None,
        }
    }
}

/// What [`ConjugateGradient`] keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct ConjugateState<T: Scalar> {
    direction: Numbers<T>,
    /// The slope along it.
    slope: f64,
    /// The first step to try.
    first: f64,
    carried: Numbers<T>,
    gradient: Numbers<T>,
    curve: Curve<T>,
}

impl<T: Scalar> Solver<T> for ConjugateGradient {
    type State = ConjugateState<T>;

    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn begin(&self, _: &mut View<'_, '_, T>, at: &Iterate<T>) -> Result<ConjugateState<T>> {
        self.line_search.check()?;
        within("restart", "a positive number", self.restart_at() > 0.0, self.restart_at())?;
        let mut direction = Numbers::zeros(&at.x);
        direction.combine(0.0, -1.0, &at.rgrad);
        let zeros = || Numbers::zeros(&at.x);
        Ok(ConjugateState {
            direction,
            slope: -at.norm * at.norm,
            first: first_length(at) / at.norm.max(f64::MIN_POSITIVE),
            carried: zeros(),
            gradient: zeros(),
            curve: Curve::default(),
        })
    }

    fn step(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &mut Iterate<T>,
        s: &mut ConjugateState<T>,
    ) -> Result<Step> {
        if at.norm == 0.0 {
            return Ok(Step::Stalled("the gradient is zero"));
        }
        let mut found = self.line_search.search(view, (at, &s.direction, s.slope), s.first, next, &mut s.curve)?;
        if found.is_none() && s.slope != -at.norm * at.norm {
            s.direction.combine(0.0, -1.0, &at.rgrad);
            s.slope = -at.norm * at.norm;
            let first = first_length(at) / at.norm;
            found = self.line_search.search(view, (at, &s.direction, s.slope), first, next, &mut s.curve)?;
        }
        let Some(t) = found else { return Ok(Step::Stalled(NO_STEP)) };
        let length = t * view.inner(at, &s.direction, &s.direction)?.sqrt();
        s.carried.copy_from(&s.direction);
        s.gradient.copy_from(&at.rgrad);
        view.space.carry(&at.x, &next.x, [&mut s.carried, &mut s.gradient])?;
        let last_slope = s.slope;
        let beta = self.coefficient(view, at, next, s)?;
        s.direction.copy_from(&s.carried);
        s.direction.combine(beta, -1.0, &next.rgrad);
        s.slope = view.inner(next, &s.direction, &next.rgrad)?;
        let falls = s.slope < 0.0;
        if !falls {
            s.direction.combine(0.0, -1.0, &next.rgrad);
            s.slope = -next.norm * next.norm;
        }
        // The step that would change the cost to first order as the last one did.
        s.first = if s.slope < 0.0 { t * (last_slope / s.slope).clamp(0.1, 10.0) } else { t };
        Ok(Step::Moved { length })
    }
}

impl ConjugateGradient {
    fn restart_at(&self) -> f64 {
        self.restart.unwrap_or(match self.beta {
            Beta::FletcherReeves | Beta::DaiYuan => 0.2,
            Beta::PolakRibiere | Beta::HestenesStiefel | Beta::HagerZhang => f64::INFINITY,
        })
    }

    /// `beta`, with `carried = T(d)` and `gradient = T(g)`.
    fn coefficient<T: Scalar>(
        &self,
        view: &mut View<'_, '_, T>,
        at: &Iterate<T>,
        next: &Iterate<T>,
        s: &mut ConjugateState<T>,
    ) -> Result<f64> {
        let (g_g, gn_gn) = (at.norm * at.norm, next.norm * next.norm);
        let gn_tg = view.inner(next, &next.rgrad, &s.gradient)?;
        if gn_tg.abs() >= self.restart_at() * gn_gn {
            return Ok(0.0);
        }
        // <T(d), y> = <T(d), g+> - <T(d), T(g)>.
        let d_gn = view.inner(next, &s.carried, &next.rgrad)?;
        let d_y = d_gn - view.inner(next, &s.carried, &s.gradient)?;
        let gn_y = gn_gn - gn_tg;
        let beta = match self.beta {
            Beta::FletcherReeves => gn_gn / g_g,
            Beta::PolakRibiere => (gn_y / g_g).max(0.0),
            Beta::HestenesStiefel => (gn_y / d_y).max(0.0),
            Beta::DaiYuan => gn_gn / d_y,
            Beta::HagerZhang => {
                let tg_tg = view.inner(next, &s.gradient, &s.gradient)?;
                let y_y = gn_gn - 2.0 * gn_tg + tg_tg;
                let d_d = view.inner(at, &s.direction, &s.direction)?;
                let floor = -1.0 / (d_d.sqrt() * at.norm.min(0.01));
                ((gn_y - 2.0 * d_gn * y_y / d_y) / d_y).max(floor)
            }
        };
        Ok(if beta.is_finite() { beta } else { 0.0 })
    }
}
