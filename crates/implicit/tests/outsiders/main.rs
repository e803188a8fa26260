//! Attacks on the certificates, as somebody from outside would make them: hundreds of cases of kinds that solvers are
//! not developed on. The truth is dense, a closed form, or the derivative at a solution polished to rounding. Nothing
//! that is wrong is `Verified`, what is `Estimated` is within a factor of two, and not everything is called suspect.

#[path = "../solutions/matrices.rs"]
mod matrices;
#[allow(dead_code)]
#[path = "../solutions/spaces.rs"]
mod spaces;

mod linear_maps;
mod points;
mod sizes;

use matrices::{dot, mat, qf, solve, sym, with_spectrum};
use pullback::faer::Mat;
use pullback_implicit::linear::{Method, Positive, SelfAdjoint};
use pullback_implicit::{Derivative, Hypergradient, Result, Verdict, Why};
use std::fmt::Display;

/// How many verdicts of each kind there were: verified, estimated, unsound, errors.
#[derive(Debug, Default)]
struct Tally([usize; 4]);

impl Tally {
    fn verdict(&mut self, verdict: Verdict, told: Option<f64>, error: f64, scale: f64, what: &dyn Display) {
        // All of them are smooth.
        assert!(!matches!(verdict, Verdict::Suspect(Why::Kink { .. })), "{what}");
        let kind = match verdict {
            Verdict::Verified => {
                assert!(error <= 1e-6 * scale, "verified and wrong by {error:.2e} of {scale:.2e}: {what}");
                0
            }
            Verdict::Estimated => {
                let (told, rounding) = (told.unwrap(), 1e-9 * scale);
                let within = told + rounding >= error / 2.0 && told <= 2.0 * error + rounding;
                assert!(within, "told {told:.2e}, wrong by {error:.2e} of {scale:.2e}: {what}");
                1
            }
            _ => 2,
        };
        self.0[kind] += 1;
    }

    fn solution(&mut self, d: Result<Hypergradient<Mat<f64>, Mat<f64>>>, truth: &Mat<f64>, what: &str) {
        let Ok(d) = d else {
            self.0[3] += 1;
            return;
        };
        let (error, scale) = ((&d.gradient - truth).norm_l2(), truth.norm_l2().max(d.gradient.norm_l2()));
        let c = d.certificate;
        self.verdict(c.verdict, c.error.map(|e| e.total), error, scale, &format!("{what}\n{c}"));
    }

    fn series(&mut self, d: Result<Derivative<Mat<f64>, Mat<f64>>>, truth: &Mat<f64>, what: &str) {
        let Ok(d) = d else {
            self.0[3] += 1;
            return;
        };
        let (error, scale) = ((&d.gradient - truth).norm_l2(), truth.norm_l2().max(d.gradient.norm_l2()));
        self.verdict(d.certificate.verdict, d.certificate.error, error, scale, &format!("{what}\n{}", d.certificate));
    }

    /// Not everything was called suspect.
    fn has_at_least(&self, verified: usize, estimated: usize) {
        println!("verified, estimated, unsound, errors: {:?}", self.0);
        assert!(self.0[0] >= verified && self.0[1] >= estimated, "{self:?}");
    }
}

fn column(q: &Mat<f64>, k: usize) -> Mat<f64> {
    Mat::from_fn(q.nrows(), 1, |i, _| q[(i, k)])
}

fn methods() -> [Method; 11] {
    [
        Method::Auto,
        Method::Cg(Positive::asserted()),
        Method::Minres(SelfAdjoint::asserted()),
        Method::Gmres { restart: 8 },
        Method::BiCgStab,
        Method::Lsmr,
        Method::Neumann { terms: 6 },
        Method::NeumannAdaptive,
        Method::Richardson { step: 0.3 },
        Method::Chebyshev { low: 0.1, high: 2.0 },
        Method::Anderson { memory: 5 },
    ]
}
