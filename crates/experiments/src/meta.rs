//! stub
use crate::{cli::*, curves::Curves, error::*, report::*, task::Pca};
use pullback::Batch; use pullback_manifolds::Grassmann; use std::path::Path;
pub(crate) struct Learned; pub(crate) struct Training;
impl Training { pub(crate) fn new(_: &PcaArgs) -> Self { Training } }
impl Learned { pub(crate) const ARCHITECTURE: &'static str = "x"; pub(crate) fn parameter_count(&self) -> usize { 0 }
 pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> { Ok(vec![]) }
 pub(crate) fn curves(&self, pca: &Pca, _m: &Grassmann, starts: &Batch, steps: usize) -> Result<Curves> { Ok(Curves { after: vec![pca.losses(starts); steps+1] }) } }
pub(crate) fn load(_: &Path, _: usize, _: usize) -> Result<Learned> { Ok(Learned) }
pub(crate) fn train(_: &Pca, _: &Grassmann, _: f64, _: &Training, _: u64, _: &mut Seconds) -> Result<(Learned, TrainingSummary)> { Ok((Learned, TrainingSummary { estimator: EstimatorName::Unroll, train_on: TrainOn::Digits, outer_steps: 0, skipped: 0, inner_steps: 0, members: 0, series_terms: 0, pool: 0, gradient_evaluations: 0, median_rho: None, truncated: 0 })) }
