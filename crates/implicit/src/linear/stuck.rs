//! What `Method::Auto` does with members at which restarted GMRES does not converge. If eigenvalues lie all around
//! zero, its residual does not fall, however well-conditioned the map is; LSMR does not depend on where they lie. How
//! either is computed is in `gmres.rs` and `lsmr.rs`.

use super::{Method, Solved, Status, Stop};
use crate::error::Result;
use crate::lists;
use pullback::{Batch, Scalar};

/// A solver of systems from a start: `(b, start, method, stop)`.
pub(crate) type Again<'s, T> = dyn FnMut(&[Batch<T>], &[Batch<T>], Method, &Stop) -> Result<Solved<T>> + 's;

/// Solves once more by LSMR, from where they are, the members at which GMRES did not reach the tolerance, with the
/// products that it left. A member whose residual is smaller then has the new solution.
pub(crate) fn freed<T: Scalar>(
    mut found: Solved<T>,
    b: &[Batch<T>],
    stop: &Stop,
    solve: &mut Again<'_, T>,
) -> Result<Solved<T>> {
    let stuck: Vec<bool> = found.members.iter().map(|s| s.status == Status::Stalled).collect();
    let products = stop.products.saturating_sub(found.products);
    if !(matches!(found.method, Method::Gmres { .. }) && stuck.contains(&true) && products > 0) {
        return Ok(found);
    }
    let again = solve(&lists::only(b, &|m| stuck[m]), &found.x, Method::Lsmr, &Stop { products, ..*stop })?;
    let nearer = |m: usize| {
        let usable = matches!(again.members[m].status, Status::Converged | Status::Stalled);
        stuck[m] && usable && again.members[m].residual < found.members[m].residual
    };
    let free: Vec<bool> = (0..stuck.len()).map(nearer).collect();
    if !free.contains(&true) {
        found.products += again.products;
        return Ok(found);
    }
    let all = (0..free.len()).all(|m| free[m] || found.sizes[m] == 0.0);
    found.take(again, &|m| free[m]);
    found.method = if all { Method::Lsmr } else { Method::Auto };
    Ok(found)
}
