//! What came with the number: how many terms, how fast they fell, and whether the series was cut off.

/// How far to trust a derivative.
#[derive(Debug, Clone, PartialEq)]
pub struct Certificate {
    /// Terms of the series in the sum beyond the first; for unrolls, steps that were recorded.
    pub terms: usize,
    /// `|v_k| / |v_0|` for every term that was computed, `v_0` included. Empty for unrolls.
    pub norms: Vec<f64>,
    /// The contraction seen last, `|v_{k+1}| / |v_k|`. `None` if no term after the first was computed or it vanished.
    ///
    /// At least 1 means that the inner loop does not contract here, and the series is no estimate of anything.
    pub rho: Option<f64>,
    /// Did the terms grow twice in a row, to more than twice the length of the first? Then the sum stops before the last of them.
    pub truncated: bool,
    /// `|z_T - z_{T-1}| / |z_T|`: how far the loop is from a fixed point. Zero for unrolls, which do not assume one.
    pub motion: f64,
}

impl Certificate {
    /// A certificate of an unroll: nothing is assumed, so nothing is to be reported.
    pub(crate) fn unrolled(steps: usize) -> Self {
        Certificate { terms: steps, norms: vec![], rho: None, truncated: false, motion: 0.0 }
    }

    /// The part of the series that is missing, relative to `|v_0|`: `|v_K| rho / (1 - rho) / |v_0|`, an estimate from the last ratio.
    /// `None` if there is no ratio or the terms do not fall.
    pub fn tail(&self) -> Option<f64> {
        let (rho, last) = (self.rho?, *self.norms.last()?);
        (rho < 1.0 && !self.truncated).then(|| last * rho / (1.0 - rho))
    }
}
