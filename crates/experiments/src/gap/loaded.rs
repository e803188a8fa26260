//! Trained optimisers of any kind from a file, as methods, with the place that they were trained for. What they are
//! judged on is not known here.

use super::entrants::Entrant;
use super::problems::Place;
use crate::error::{Error, Result};
use pullback_learned::{
    Blind, Convolved, Each, Equivariant, FileError, GmLstm, GradientFree, Labelled, Matrices, Provenance, Rmm, Saved,
    SavedFeatures, Stored, StoredFree, Subspace,
};
use pullback_manifolds::{Manifold, SpdRetraction, StiefelRetraction};
use pullback_optim::Method;
use std::path::Path;

/// An optimiser from a file.
pub(crate) struct Loaded {
    pub(crate) method: Box<dyn Entrant>,
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
    let others = [
        from::<Each<Subspace>>,
        from::<Each<GmLstm>>,
        from::<Each<Rmm>>,
        free::<Blind>,
        free::<Convolved>,
        free::<Matrices>,
        labelled,
    ];
    for next in others {
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
    let stored = Stored::<O>::from_bytes(bytes).map_err(|e| refused(path, e))?;
    let provenance = stored.provenance.clone();
    let (trained, place) = placed(path, &provenance, &|m| stored.clone().on(m))?;
    let (parameters, method): (_, Box<dyn Method>) = (trained.parameter_count(), Box::new(trained));
    let (kind, any_size) = (O::KIND, O::ANY_SIZE);
    Ok(Loaded { parameters, kind, any_size, method: Box::new(method), provenance, place })
}

/// A gradient-free optimiser that looks at what problems show.
fn free<F>(path: &Path, bytes: &[u8]) -> std::result::Result<Loaded, Refused>
where
    F: SavedFeatures + 'static,
    GradientFree<GmLstm, F>: Entrant + 'static,
{
    let stored = StoredFree::<GmLstm, F>::from_bytes(bytes).map_err(|e| refused(path, e))?;
    let provenance = stored.provenance.clone();
    let (trained, place) = placed(path, &provenance, &|m| stored.clone().on(m))?;
    let parameters = trained.parameter_count();
    Ok(Loaded { parameters, kind: "gradient-free", any_size: false, method: Box::new(trained), provenance, place })
}

/// One that looks at labelled images, which no problem shows.
fn labelled(path: &Path, bytes: &[u8]) -> std::result::Result<Loaded, Refused> {
    StoredFree::<GmLstm, Labelled>::from_bytes(bytes).map_err(|e| refused(path, e))?;
    let found = "it is gradient-free and looks at images with labels, and no problem of the report has any; those of \
                 `pca` and `clustering` can be evaluated";
    Err(Refused::Otherwise(wrong(path, &found)))
}

/// Of another kind, or with something wrong.
fn refused(path: &Path, e: FileError) -> Refused {
    match e {
        FileError::Foreign { key: "kind" | "features", got: Some(_), .. } => Refused::Kind(e),
        e => Refused::Otherwise(wrong(path, &e)),
    }
}

/// What was stored on the place that it was trained for: the retraction is part of that.
fn placed<T>(
    path: &Path,
    provenance: &Provenance,
    on: &dyn Fn(&dyn Manifold) -> std::result::Result<T, FileError>,
) -> std::result::Result<(T, Place), Refused> {
    let [place, other] = places(path, provenance).map_err(Refused::Otherwise)?;
    let (trained, place) = match (on(place.manifold.as_ref()), on(other.manifold.as_ref())) {
        (Err(_), Ok(trained)) => (Ok(trained), other),
        (found, _) => (found, place),
    };
    Ok((trained.map_err(|e| Refused::Otherwise(wrong(path, &e)))?, place))
}

/// The places of a name such as `Gr(64, 6)`, with one of two retractions where there are two.
fn places(path: &Path, provenance: &Provenance) -> Result<[Place; 2]> {
    let name = &provenance.manifold;
    let inside = name.split(['(', ')']).nth(1).unwrap_or_default();
    let sizes: Vec<usize> = inside.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let two = |place: &dyn Fn(bool) -> Place| Ok([place(false), place(true)]);
    match (name.split('(').next(), &sizes[..]) {
        (Some("Gr"), [n, p]) if p < n => two(&|_| Place::grassmann(*n, *p)),
        (Some("St"), [n, p]) if p < n => {
            two(&|other| Place::stiefel(*n, *p, if other { StiefelRetraction::Qr } else { StiefelRetraction::Polar }))
        }
        (Some("SPD"), [n]) if name.ends_with("affine-invariant") && *n > 0 => {
            two(&|other| Place::spd(*n, if other { SpdRetraction::Cheapest } else { SpdRetraction::Exponential }))
        }
        _ => {
            let found = format!(
                "it was trained on {name}, and the report has problems on Gr(n, p), St(n, p) and SPD(n) with the \
                 affine-invariant metric alone"
            );
            Err(wrong(path, &found))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pullback_learned::{Sides, SubspaceOptions, Trained, Update};
    use pullback_manifolds::{Oblique, Spd, SpdMetric, Stiefel, rng};

    /// A file of a subspace optimiser that was trained on this manifold.
    fn file(name: &str, manifold: &dyn Manifold) -> std::path::PathBuf {
        let optimizer = Each::new(Subspace::new(SubspaceOptions::new(Sides::Both)), Update::new(0.1));
        let parameters = optimizer.init(&mut rng(1));
        let path = std::env::temp_dir().join(format!("pullback-loaded-{}-{name}", std::process::id()));
        Trained::new(optimizer, parameters).save(&path, &Provenance::new(manifold, "nothing")).unwrap();
        path
    }

    #[test]
    fn a_file_is_put_where_it_was_trained_and_refused_elsewhere() {
        let place = |name: &str, m: &dyn Manifold| {
            let path = file(name, m);
            let found = load(&path).map(|l| format!("{:?}", l.place.manifold)).map_err(|e| e.to_string());
            std::fs::remove_file(path).unwrap();
            found
        };
        let exponential = Spd::new(5).with_retraction(SpdRetraction::Exponential);
        assert_eq!(place("exponential", &exponential).unwrap(), format!("{exponential:?}"));
        assert_eq!(place("cheapest", &Spd::new(3)).unwrap(), format!("{:?}", Spd::new(3)));
        let qr = Stiefel::new(8, 2).with(StiefelRetraction::Qr);
        assert_eq!(place("qr", &qr).unwrap(), format!("{qr:?}"));
        let flat = place("log-euclidean", &Spd::new(3).with(SpdMetric::LogEuclidean)).unwrap_err();
        assert!(flat.contains("SPD(3), log-Euclidean") && flat.contains("affine-invariant metric alone"), "{flat}");
        let columns = place("oblique", &Oblique::new(4, 2)).unwrap_err();
        assert!(columns.contains("Gr(n, p), St(n, p) and SPD(n)"), "{columns}");
    }
}
