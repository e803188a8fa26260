//! Trained optimisers of any kind from a file, as methods, with the place that they were trained for. What they are
//! judged on is not known here.

use super::problems::Place;
use crate::error::{Error, Result};
use pullback_learned::{Each, Equivariant, FileError, GmLstm, Provenance, Rmm, Saved, Stored, Subspace};
use pullback_manifolds::StiefelRetraction;
use pullback_optim::Method;
use std::path::Path;

/// An optimiser from a file.
pub(crate) struct Loaded {
    pub(crate) method: Box<dyn Method>,
    pub(crate) kind: &'static str,
    pub(crate) parameters: usize,
    /// Does it serve points of other sizes than those of its training?
    pub(crate) any_size: bool,
    pub(crate) provenance: Provenance,
    pub(crate) place: Place,
}

/// Reads a file, whichever optimiser it holds.
///
/// # Errors
/// What is wrong with the file; an optimiser for a manifold that there are no problems on.
pub(crate) fn load(path: &Path) -> Result<Loaded> {
    let bytes = std::fs::read(path).map_err(|e| wrong(path, &e))?;
    // Each refuses the kinds of the others by name.
    let mut found = from::<Equivariant>(path, &bytes);
    for next in [from::<Each<Subspace>>, from::<Each<GmLstm>>, from::<Each<Rmm>>] {
        if !matches!(&found, Err(Refused::Kind(_))) {
            break;
        }
        found = next(path, &bytes);
    }
    found.map_err(|refused| match refused {
        Refused::Kind(e) => wrong(path, &e),
        Refused::Otherwise(e) => e,
    })
}

enum Refused {
    /// It is an optimiser of another kind.
    Kind(FileError),
    Otherwise(Error),
}

fn wrong(path: &Path, found: &dyn std::fmt::Display) -> Error {
    Error::Evaluate { path: path.into(), found: found.to_string() }
}

fn from<O>(path: &Path, bytes: &[u8]) -> std::result::Result<Loaded, Refused>
where
    O: Saved + Clone + 'static,
    O::Params: 'static,
{
    let stored = Stored::<O>::from_bytes(bytes).map_err(|e| match e {
        FileError::Foreign { key: "kind", got: Some(_), .. } => Refused::Kind(e),
        e => Refused::Otherwise(wrong(path, &e)),
    })?;
    let provenance = stored.provenance.clone();
    let place = place(path, &provenance).map_err(Refused::Otherwise)?;
    let on = |place: &Place| stored.clone().on(place.manifold.as_ref());
    // The retraction is part of what was trained: both of a Stiefel manifold are tried.
    let other = Place::stiefel(place.n, place.p, StiefelRetraction::Qr);
    let (trained, place) = match on(&place) {
        Err(_) if provenance.manifold.starts_with("St(") && on(&other).is_ok() => (on(&other), other),
        found => (found, place),
    };
    let trained = trained.map_err(|e| Refused::Otherwise(wrong(path, &e)))?;
    Ok(Loaded {
        parameters: trained.parameter_count(),
        kind: O::KIND,
        any_size: O::ANY_SIZE,
        method: Box::new(trained),
        provenance,
        place,
    })
}

/// The place of a name such as `Gr(64, 6)`.
fn place(path: &Path, provenance: &Provenance) -> Result<Place> {
    let name = &provenance.manifold;
    let sizes: Vec<usize> = name
        .trim_end_matches(|c| c != ')')
        .trim_end_matches(')')
        .split(['(', ','])
        .skip(1)
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    match (name.split('(').next(), &sizes[..]) {
        (Some("Gr"), [n, p]) if p < n => Ok(Place::grassmann(*n, *p)),
        (Some("St"), [n, p]) if p < n => Ok(Place::stiefel(*n, *p, StiefelRetraction::Polar)),
        _ => {
            let found = format!(
                "it was trained on {name}, and the report has problems on Grassmann and Stiefel manifolds, Gr(n, p) and St(n, p), alone"
            );
            Err(wrong(path, &found))
        }
    }
}
