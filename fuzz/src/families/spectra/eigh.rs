//! Eigenvalues and eigenvectors, singular values and vectors, projectors and invariant subspaces.

use super::case::diagonal;
use super::property::{holds, near, pick, values};
use super::{Case, Target};
use pullback::Gauge;
use pullback::faer::Mat;

/// The name of the target, its property, and the primitives that it reaches.
pub const TARGET: Target = (
    "eigh",
    eigh,
    &["eigh", "svd", "spectrum", "spectrum_weighted", "spectrum_along", "vectors", "vectors_pull", "resolvent"],
);

/// Eigenvalues and eigenvectors, singular values and vectors, projectors and invariant subspaces.
pub fn eigh(case: &Case) {
    let (m, n) = case.size();
    let k = m.min(n);
    let (a, condition) = case.symmetric(n, 1);
    let b = case.stack(m, n, |b| {
        let mut e = case.entries(300 + b);
        e.orthonormal(m, k) * diagonal(&case.spectrum(k, 2).values) * e.orthonormal(n, k).transpose()
    });
    let (name, f) = pick(
        case,
        [
            ("eigvalsh", |x| vec![x[0].eigvalsh()]),
            ("eigh", |x| {
                let (l, v) = x[0].eigh();
                vec![l, v]
            }),
            ("eigenvectors, projected", |x| {
                let n = x[0].rows();
                let v = x[0].symmetric().gauge(Gauge::Project).vectors(0..n);
                vec![v.mul_t(v)]
            }),
            ("some eigenpairs", |x| {
                let (a, n) = (x[0].symmetric(), x[0].rows());
                vec![a.values(n / 2..n), a.vectors(0..n / 2)]
            }),
            ("spectral_projector", |x| vec![x[0].spectral_projector(x[0].rows() / 2)]),
            ("invariant_subspace", |x| {
                let q = x[0].symmetric().invariant_subspace(0..x[0].rows() / 2);
                vec![q.mul_t(q)]
            }),
            ("svd", |x| {
                let (u, s, v) = x[1].svd();
                vec![u, s, v]
            }),
            ("svd_truncated", |x| {
                let (u, s, v) = x[1].svd_truncated(x[1].rows().min(x[1].cols()) / 2);
                vec![u, s, v]
            }),
            ("svdvals", |x| vec![x[1].svdvals(), x[1].nuclear_norm()]),
        ],
    );
    // Derivatives of vectors lose the inverse of the gap once for each order.
    let gap = case.gap_between(n, 1).min(case.gap_between(k, 2));
    holds(case, name, f, &vec![a.clone(), b.clone()], condition / (gap * gap));
    let both = values(
        |x| {
            let ((l, v), (u, s, w)) = (x[0].eigh(), x[1].svd());
            vec![l, v, u, s, w]
        },
        &[a.clone(), b.clone()],
    );
    let Ok(y) = both else { return };
    for i in 0..case.members() {
        let [l, v, u, s, w] = [0, 1, 2, 3, 4].map(|k| y[k].member(i));
        let list = |c: &Mat<f64>| (0..c.nrows()).map(|k| c[(k, 0)]).collect::<Vec<_>>();
        let sym = 0.5 * (a.member(i) + a.member(i).transpose());
        near(case, "V diag(l) V'", &(&v * diagonal(&list(&l)) * v.transpose()), &sym);
        near(case, "V'V", &(v.transpose() * &v), &Mat::identity(n, n));
        near(case, "U diag(s) V'", &(&u * diagonal(&list(&s)) * w.transpose()), &b.member(i));
        near(case, "U'U", &(u.transpose() * &u), &Mat::identity(k, k));
        assert!(list(&l).windows(2).all(|p| p[0] <= p[1]), "ascending eigenvalues on {case:?}");
        assert!(list(&s).windows(2).all(|p| p[0] >= p[1]), "descending singular values on {case:?}");
    }
}
