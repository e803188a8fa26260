//! How steep a condition is at a solution: how much of itself its derivative changes where the point moves by as much
//! as it is large. Mostly that is about once. At a point that is far from zero in the units of the condition, like a
//! time in seconds that is counted from another century, it is much more often: such a point may be a solution to
//! rounding, and the derivative there none. What rounding leaves of a derivative is looked at in `rounding.rs`, and
//! what is not smooth in `kinks.rs`.

use crate::condition::{Condition, Kind};
use crate::error::Result;
use crate::iteration::Of;
use crate::kinks::{beside, least_jump};
use crate::lists;
use crate::local::Local;
use crate::recording::outcome;
use crate::solution::Linearisation;
use pullback::Batch;

/// How far a point is moved to see whether a step matters, in square roots of rounding units: as far as the rounding of
/// the condition does not hide what is there.
const LONG: [f64; 2] = [20.0, 5.0];

/// To see whether rounding matters, the longest first: about as far as changes that do are smooth.
const SHORT: [f64; 3] = [4.8, 1.2, 0.3];

/// From one of those to the next a smooth change grows by 16, or by 64 where its third order rules. One that jumps or
/// begins on the way grows by less, or by more.
const SMOOTH: std::ops::RangeInclusive<f64> = 8.0..=100.0;

impl<C: Condition> Linearisation<'_, '_, C> {
    /// By how much of itself the derivative of the condition changes, in each member, where the point moves by all of
    /// its entries; 0 where that is too little to be seen, or not smooth. One forward sweep and one run of the
    /// condition, and a few more where something is seen.
    pub(crate) fn steepness(&self, at: &Local<'_, Of<C::State>>) -> Result<Vec<f64>> {
        let v = self.anywhere(at)?;
        let mut steep = self.steep_along(at, &v, &LONG)?;
        if steep.iter().any(|s| s.is_nan()) {
            let short = self.steep_along(at, &v, &SHORT)?;
            steep.iter_mut().zip(short).for_each(|(s, short)| *s = s.max(short).max(0.0));
        }
        Ok(steep)
    }

    /// Along a direction that is as long as the entries of the point: 0 where nothing is seen, and no number where what
    /// is seen is not smooth.
    fn steep_along(&self, at: &Local<'_, Of<C::State>>, v: &[Batch<Of<C::State>>], moves: &[f64]) -> Result<Vec<f64>> {
        let (n, eps, s, base) = (at.stationarity.len(), lists::eps::<Of<C::State>>(), &self.solution, at.outcome());
        let (slope, zero) = (at.slope_by_state(v)?, lists::zeros(&lists::shapes(v)));
        let length = |v: &[Batch<_>], m| lists::member_length(v, m);
        // A step comes no nearer to its fixed point than many times its rounding, if it contracts little.
        let (map, nearest) = match s.condition.kind() {
            Kind::FixedPoint => (lists::minus(v, &slope), true),
            _ => (slope.clone(), false),
        };
        let nearest = |m| if nearest { (length(v, m) / length(&map, m)).max(1.0) } else { 1.0 };
        let change = |h: f64| -> Option<Vec<f64>> {
            let there = outcome(s.condition, &at.at, &beside(&zero, h, v), (s.z, s.phi), &self.start.phi).ok()?;
            let mut d = lists::minus(&there, &base);
            lists::add_all(&mut d, -h, &slope);
            Some((0..n).map(|m| length(&d, m)).collect())
        };
        let unit = eps.sqrt();
        let least = moves.last().map_or(0.0, |h| h * unit);
        let floor = |m| least * least_jump::<Of<C::State>>() * length(&map, m) + 32.0 * eps * length(&base, m);
        let Some(last) = change(least).filter(|d| (0..n).any(|m| d[m] > floor(m))) else { return Ok(vec![0.0; n]) };
        let longer: Option<Vec<_>> = moves[..moves.len() - 1].iter().map(|h| change(h * unit)).collect();
        let Some(mut all) = longer else { return Ok(vec![f64::NAN; n]) };
        all.push(last);
        let smooth = |m: usize| all.windows(2).all(|d| SMOOTH.contains(&(d[0][m] / d[1][m])));
        let last = &all[all.len() - 1];
        let one = |m: usize| nearest(m) * 2.0 * last[m] / (least * least * length(&map, m));
        let seen = |m: usize| if smooth(m) { one(m) } else { f64::NAN };
        Ok((0..n).map(|m| if last[m] > floor(m) { seen(m) } else { 0.0 }).collect())
    }
}
