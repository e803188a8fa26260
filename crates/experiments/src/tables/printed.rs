//! What the papers print: tables 1 to 6 of Fan et al., *Efficient Riemannian Meta-Optimization by Implicit
//! Differentiation* (AAAI 2022). Numbers as data, nothing measured.

use super::args::How;
use clap::ValueEnum;

/// A task of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// Principal components, on a Grassmann manifold.
    Components,
    /// An orthogonal classifier, on a Stiefel manifold.
    Faces,
    /// Centres of classes, on positive definite matrices.
    Clustering,
}

impl Work {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Work; 3] = [Work::Components, Work::Faces, Work::Clustering];

    /// As on the command line.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Work::Components => "components",
            Work::Faces => "faces",
            Work::Clustering => "clustering",
        }
    }

    /// The printed tables.
    pub(crate) fn tables(self) -> &'static str {
        match self {
            Work::Components => "Tables 1 and 2, principal components",
            Work::Faces => "Tables 3 and 4, faces",
            Work::Clustering => "Table 5, clustering",
        }
    }

    /// The printed rows.
    pub(crate) fn printed(self) -> &'static [Printed] {
        match self {
            Work::Components => &COMPONENTS,
            Work::Faces => &FACES,
            Work::Clustering => &CLUSTERING,
        }
    }

    /// Ways that are measured.
    pub(crate) fn ways(self) -> &'static [How] {
        match self {
            // RMM on positive definite matrices has no gradient-free column.
            Work::Clustering => &[How::Unroll, How::Checkpointed, How::Implicit],
            _ => &How::ALL,
        }
    }

    /// The lengths that are measured: the printed ones, and 50 for faces; three of them for a short run.
    pub(crate) fn lengths(self, quick: bool) -> Vec<usize> {
        match (self, quick) {
            (Work::Components, true) => vec![5, 45, 125],
            (Work::Faces, true) => vec![5, 50, 525],
            (Work::Clustering, true) => vec![25, 75],
            (Work::Faces, false) => vec![5, 50, 85, 165, 245, 325, 405, 485, 525],
            (work, false) => work.printed().iter().map(|p| p.steps).collect(),
        }
    }

    /// What the papers print for a way and a length.
    pub(crate) fn of_paper(self, how: How, steps: usize) -> Option<Cost> {
        let row = self.printed().iter().find(|p| p.steps == steps)?;
        match how {
            How::Unroll => Some(row.unroll),
            How::Checkpointed => None,
            How::GradientFree => row.gradient_free,
            How::Implicit => Some(row.implicit),
        }
    }
}

/// Seconds and megabytes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Cost {
    pub(crate) seconds: f64,
    pub(crate) megabytes: f64,
}

/// A printed row: RMM, which unrolls; GF-RMM; I-RMM. Seconds are of a whole outer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Printed {
    pub(crate) steps: usize,
    pub(crate) unroll: Cost,
    pub(crate) gradient_free: Option<Cost>,
    pub(crate) implicit: Cost,
}

const fn row(steps: usize, unroll: [f64; 2], free: [f64; 2], implicit: [f64; 2]) -> Printed {
    Printed { gradient_free: Some(cost(free)), ..pair(steps, unroll, implicit) }
}

const fn pair(steps: usize, unroll: [f64; 2], implicit: [f64; 2]) -> Printed {
    Printed { steps, unroll: cost(unroll), gradient_free: None, implicit: cost(implicit) }
}

const fn cost([seconds, megabytes]: [f64; 2]) -> Cost {
    Cost { seconds, megabytes }
}

/// Tables 1 and 2.
const COMPONENTS: [Printed; 8] = [
    row(5, [0.380, 4640.0], [0.301, 5280.0], [0.290, 4550.0]),
    row(45, [17.4, 5710.0], [1.26, 6580.0], [1.22, 4550.0]),
    row(85, [60.0, 6780.0], [2.35, 7900.0], [2.14, 4550.0]),
    row(125, [127.0, 8240.0], [3.41, 9200.0], [3.21, 4550.0]),
    row(165, [220.0, 9320.0], [4.45, 10500.0], [4.45, 4550.0]),
    row(205, [338.0, 10800.0], [5.50, 11800.0], [4.99, 4550.0]),
    row(245, [478.0, 11900.0], [7.31, 11900.0], [5.87, 4550.0]),
    row(250, [488.0, 12000.0], [7.40, 12000.0], [6.18, 4550.0]),
];

/// Tables 3 and 4.
const FACES: [Printed; 8] = [
    row(5, [0.180, 2800.0], [0.0919, 2750.0], [0.0400, 2600.0]),
    row(85, [27.2, 3760.0], [1.03, 3750.0], [0.450, 2600.0]),
    row(165, [98.6, 4720.0], [2.26, 4750.0], [0.850, 2600.0]),
    row(245, [215.0, 5680.0], [3.36, 5750.0], [1.55, 2600.0]),
    row(325, [377.0, 6640.0], [4.47, 6750.0], [1.94, 2600.0]),
    row(405, [584.0, 7600.0], [5.56, 7750.0], [2.05, 2600.0]),
    row(485, [827.0, 8560.0], [6.53, 8750.0], [2.43, 2600.0]),
    row(525, [968.0, 9040.0], [7.10, 9250.0], [2.72, 2600.0]),
];

/// Table 5.
const CLUSTERING: [Printed; 6] = [
    pair(25, [119.0, 733.0], [106.0, 667.0]),
    pair(35, [169.0, 757.0], [145.0, 667.0]),
    pair(45, [226.0, 789.0], [191.0, 667.0]),
    pair(55, [263.0, 817.0], [231.0, 667.0]),
    pair(65, [320.0, 845.0], [270.0, 667.0]),
    pair(75, [353.0, 873.0], [313.0, 667.0]),
];

/// Table 6: the paper's name of a method, ours where we run it, and accuracies on test data in per cent.
pub(crate) const ACCURACIES: [(&str, Option<&str>, f64, Option<f64>); 8] = [
    ("RSGD", Some("RSGD"), 79.4, Some(85.1)),
    ("RSGDM", Some("momentum"), 79.6, Some(85.0)),
    ("RSVRG", Some("R-SVRG"), 79.6, Some(80.3)),
    ("RSRG", Some("R-SRG"), 78.0, Some(83.9)),
    ("RASA", Some("RASA-LR"), 80.2, Some(85.2)),
    ("RMM", None, 89.0, Some(85.2)),
    ("GF-RMM", None, 90.2, None),
    ("I-RMM", None, 95.1, Some(86.7)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_claims_follow_from_the_printed_tables() {
        let at = |how| Work::Faces.of_paper(how, 525).unwrap();
        let (unroll, implicit) = (at(How::Unroll), at(How::Implicit));
        assert!((unroll.seconds / implicit.seconds - 356.0).abs() < 1.0);
        assert!((implicit.megabytes / unroll.megabytes - 0.28).abs() < 0.01);
        // The text says that time is constant; the table does not.
        assert!(implicit.seconds > 60.0 * Work::Faces.of_paper(How::Implicit, 5).unwrap().seconds);
        assert_eq!(Work::Clustering.of_paper(How::GradientFree, 25), None);
    }

    #[test]
    fn every_length_of_a_short_run_is_one_of_the_full_run() {
        for work in Work::ALL {
            let full = work.lengths(false);
            assert!(work.lengths(true).iter().all(|t| full.contains(t)) && full.is_sorted());
        }
    }
}
