//! What came with the number: how many terms, how fast they fell, and whether the series was cut off.

/// How far to trust a derivative.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// Terms of the series in the sum beyond the first; for unrolls, steps that were recorded.
    pub terms: usize,
    /// `|v_k| / |v_0|` for every term that was computed, `v_0` included. Empty for unrolls.
    ///
    /// Where the sum is `v_0` alone (one step), `v_1` was computed too, for this list and for `rho`.
    pub norms: Vec<f64>,
    /// The contraction of the inner loop, as far as it was seen. `None` if `v_0` vanished, and for unrolls.
    ///
    /// For a sum of several terms it is the last ratio, `|v_{k+1}| / |v_k|`. For one step it is the larger of two
    /// ratios: the first, `|v_1| / |v_0|`, and `|A d| / |d|` along the loop's last motion `d = z_t - z_{t-1}` that was
    /// well above rounding, if there was one. The first ratio alone would flatter: for a self-adjoint `A` ratios only
    /// grow along the series.
    ///
    /// At least 1 means that the inner loop does not contract here, and the series is no estimate of anything. Infinite
    /// means that the step could not be differentiated by the state.
    pub rho: Option<f64>,
    /// Did the terms grow twice in a row, to more than twice the length of the first? Then the sum stops before the
    /// last of them.
    pub truncated: bool,
    /// `|z_T - z_{T-1}| / |z_T|`: how far the loop is from a fixed point. Zero for unrolls, which do not assume one.
    pub motion: f64,
    /// `|v_{K+1}| / |v_0|` for the first term that is not in the sum: computed for one step, else extrapolated from the
    /// last ratio.
    pub(crate) missing: Option<f64>,
}

impl Certificate {
    /// A certificate of an unroll: nothing is assumed, so nothing is to be reported.
    pub(crate) fn unrolled(steps: usize) -> Self {
        Certificate { terms: steps, norms: vec![], rho: None, truncated: false, motion: 0.0, missing: None }
    }

    /// A certificate of a series of which only `v_0` is known, and whether it vanishes.
    pub(crate) fn series(positive: bool, motion: f64) -> Self {
        let norms = vec![if positive { 1.0 } else { 0.0 }];
        Certificate { terms: 0, norms, rho: None, truncated: false, motion, missing: None }
    }

    /// An estimate of the part of the series that is missing, `|v_{K+1} + v_{K+2} + ...| / |v_0|`, as if every further
    /// term were `rho` times as long as the one before and all had one direction: `|v_{K+1}| / (1 - rho) / |v_0|`.
    ///
    /// It is relative to `v_0`, not to the sum. With one step, a tail of 1 says that about half of the sum is missing,
    /// and a tail of `t` that about `t / (1 + t)` of it is; how much of the derivative that is also depends on how `B'`
    /// weighs the terms.
    ///
    /// If `rho` is the norm of `A` (self-adjoint: its spectral radius), this is a bound. A `rho` that has not seen the
    /// slowest mode yet is too small, and so is the tail. For one step that happens where the loop's own motion has not
    /// come to point along that mode: early in a slow loop, or if it was started at the solution. A tail of one step is
    /// then no more than a lower estimate; a series of a few terms (`FixedPoint { terms: 5 }`) looks further.
    ///
    /// `None` if there is no ratio, or the terms do not fall; zero if the next term vanishes, for then all others do.
    pub fn tail(&self) -> Option<f64> {
        let (rho, missing) = (self.rho?, self.missing?);
        match missing {
            _ if self.truncated => None,
            0.0 => Some(0.0),
            _ => (rho < 1.0).then(|| missing / (1.0 - rho)),
        }
    }
}
