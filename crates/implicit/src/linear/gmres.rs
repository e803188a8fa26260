//! GMRES in the metric (Saad & Schultz 1986): an orthonormal basis of the Krylov space, kept, and the residual made
//! smallest in it by rotations; restarted when the basis is full.

use super::Status;
use super::team::Team;
use crate::error::Result;
use crate::lists::{self, List};
use pullback::Scalar;

/// The triangular factor of the Hessenberg matrix of one member, column by column, and its rotations.
#[derive(Clone, Default)]
struct Triangle {
    columns: Vec<Vec<f64>>,
    rotations: Vec<(f64, f64)>,
    right: Vec<f64>,
}

impl Triangle {
    /// Takes the next column of the Hessenberg matrix and returns the length of the residual.
    fn push(&mut self, mut h: Vec<f64>) -> f64 {
        let k = h.len() - 2;
        for (i, (c, s)) in self.rotations.iter().enumerate() {
            (h[i], h[i + 1]) = (c * h[i] + s * h[i + 1], c * h[i + 1] - s * h[i]);
        }
        let length = h[k].hypot(h[k + 1]);
        let (c, s) = if length > 0.0 { (h[k] / length, h[k + 1] / length) } else { (1.0, 0.0) };
        h.truncate(k + 1);
        h[k] = length;
        let g = self.right[k];
        self.right[k] = c * g;
        self.right.push(-s * g);
        self.rotations.push((c, s));
        self.columns.push(h);
        self.right[k + 1].abs()
    }

    /// The coefficients of the solution in the basis, and the smallest and largest pivot.
    fn solve(&self, floor: f64) -> (Vec<f64>, Option<(f64, f64)>) {
        let k = self.columns.len();
        let mut y = self.right[..k].to_vec();
        let pivots = (0..k).map(|i| self.columns[i][i].abs());
        let (low, high) = pivots.fold((f64::INFINITY, 0.0f64), |(l, h), p| (l.min(p), h.max(p)));
        for i in (0..k).rev() {
            for j in i + 1..k {
                y[i] -= self.columns[j][i] * y[j];
            }
            // Along a direction without an image there is nothing to be solved.
            let seen = self.columns[i][i] > floor * high;
            y[i] = if seen { y[i] / self.columns[i][i] } else { 0.0 };
        }
        (y, (k > 0).then_some((low, high)))
    }
}

pub(super) fn run<T: Scalar>(team: &mut Team<'_, T>, restart: usize) -> Result<()> {
    let n = team.n();
    let mut size = vec![0.0; n];
    let r = team.r.clone();
    team.norm(&r, &mut size)?;
    team.judge(&size);
    let mut basis: Vec<List<T>> = Vec::with_capacity(restart + 1);
    while team.goes_on() {
        let before = size.clone();
        cycle(team, restart, &size, &mut basis)?;
        team.residual()?;
        let r = team.r.clone();
        team.norm(&r, &mut size)?;
        for m in 0..n {
            // A full cycle without progress: it would repeat itself.
            if team.works[m] && size[m] > 0.999 * before[m] {
                team.rest(m, Status::Stalled);
            }
        }
        team.judge(&size);
    }
    Ok(())
}

/// One basis, grown from the residual until it is full or everybody has converged, and what it adds to `x`.
fn cycle<T: Scalar>(team: &mut Team<'_, T>, restart: usize, size: &[f64], basis: &mut Vec<List<T>>) -> Result<()> {
    let n = team.n();
    let workers = team.works.clone();
    let mut first = team.r.clone();
    (0..n).for_each(|m| lists::scale(&mut first, if workers[m] { 1.0 / size[m] } else { 0.0 }, m));
    basis.clear();
    basis.push(first);
    let mut triangles: Vec<Triangle> =
        size.iter().map(|s| Triangle { right: vec![*s], ..Triangle::default() }).collect();
    let (mut w, mut full) = (team.zeros(), vec![false; n]);
    for k in 0..restart {
        if !team.goes_on() || (0..n).all(|m| !team.works[m] || full[m]) {
            break;
        }
        let mut v = std::mem::take(&mut basis[k]);
        team.apply(&mut v, &mut w)?;
        basis[k] = v;
        let next = grown(team, &mut w, basis, &mut triangles, &mut full)?;
        basis.push(next);
    }
    for m in (0..n).filter(|m| workers[*m] && !triangles[*m].columns.is_empty()).collect::<Vec<_>>() {
        let (y, pivots) = triangles[m].solve(10.0 * T::EPS.f64());
        team.members[m].seen = pivots;
        if pivots.is_some_and(|(low, high)| low <= 10.0 * T::EPS.f64() * high) && team.works[m] {
            team.rest(m, Status::Singular);
        }
        y.iter().zip(basis.iter()).for_each(|(y, v)| lists::add(&mut team.x, *y, v, m));
    }
    Ok(())
}

/// The next vector of the basis, from the image `w` of the last one, and its column of the triangle of each member.
/// `full` are those whose basis needs no further vector.
fn grown<T: Scalar>(
    team: &mut Team<'_, T>,
    w: &mut List<T>,
    basis: &[List<T>],
    triangles: &mut [Triangle],
    full: &mut [bool],
) -> Result<List<T>> {
    let (n, k) = (team.n(), basis.len() - 1);
    let mut columns = vec![vec![0.0; k + 2]; n];
    let (mut along, mut c) = (vec![vec![0.0; k + 1]; n], vec![0.0; n]);
    // Twice: once leaves what rounding allows, which is too much for ill-conditioned maps.
    for _ in 0..2 {
        team.inners(basis, w, &mut along)?;
        for m in (0..n).filter(|m| team.works[*m] && !full[*m]) {
            for (i, c) in along[m].iter().enumerate() {
                columns[m][i] += c;
                lists::add(w, -c, &basis[i], m);
            }
        }
    }
    team.norm(w, &mut c)?;
    let mut next = w.clone();
    for m in 0..n {
        if !team.works[m] || full[m] {
            lists::scale(&mut next, 0.0, m);
            continue;
        }
        let scale = columns[m].iter().fold(0.0f64, |s, h| s.max(h.abs()));
        if !c[m].is_finite() || !scale.is_finite() {
            team.rest(m, Status::NonFinite);
            lists::scale(&mut next, 0.0, m);
            continue;
        }
        // The space is complete: what follows would be rounding.
        let complete = c[m] <= 10.0 * T::EPS.f64() * scale;
        columns[m][k + 1] = if complete { 0.0 } else { c[m] };
        let left = triangles[m].push(std::mem::take(&mut columns[m]));
        team.members[m].iterations += 1;
        full[m] = complete || left <= team.tolerance[m] * team.size[m];
        lists::scale(&mut next, if full[m] { 0.0 } else { 1.0 / c[m] }, m);
    }
    Ok(next)
}
