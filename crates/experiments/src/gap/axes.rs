//! The axes of the command `evaluate` on subspaces and frames: principal components of digits and of random spectra,
//! moved away from where an optimiser was trained. Positive definite matrices are in `spd_axes.rs`.

use super::loaded::Loaded;
use super::problems::{Classes, Kind, Place, Problems};
use super::training::CONDITIONS;
use crate::data::Digits;
use crate::error::Result;
use serde::Serialize;

/// After how many steps, and after how many on the axis of the horizon.
pub(crate) const JUDGED: [usize; 2] = [10, 30];
pub(crate) const LONG: [usize; 2] = [30, 300];
/// Images of a problem with the robust loss.
const IMAGES: usize = 60;

/// An axis that the optimiser cannot be moved along.
#[derive(Debug, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) axis: &'static str,
    pub(crate) why: String,
}

/// A family to be judged: problems, those that opponents are tuned on, and after how many steps.
pub(crate) struct Axis {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) problems: Problems,
    pub(crate) tuning: Problems,
    pub(crate) judged: Vec<usize>,
}

/// How much there is to judge on: problems, and others that opponents are tuned on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) starts: usize,
    pub(crate) tuning: usize,
}

/// All axes that the optimiser can be moved along, the first of which is where it is at home.
pub(crate) fn axes(
    loaded: &Loaded,
    digits: &Digits,
    seed: u64,
    Counts { starts, tuning }: Counts,
) -> Result<(Vec<Axis>, Vec<LeftOut>)> {
    let seed = |k: u64| seed.wrapping_mul(64).wrapping_add(k);
    // The units of the command `pca`, which optimisers that see the size of a gradient were trained with.
    let place = Place { as_given: true, ..loaded.place.clone() };
    let of = |classes, rotated, count, k| Problems::digits(&place, digits, classes, rotated, count, seed(k));
    let home = of(Classes::Seen, false, starts, 1)?;
    let home_tuning = of(Classes::Seen, false, tuning, 2)?;
    let unit = home_tuning.unit();
    let mut out = vec![];
    let mut add = |name, title: &str, problems: Problems, tuning: Problems, judged: &[usize]| {
        out.push(Axis { name, title: title.into(), problems, tuning, judged: judged.to_vec() });
    };
    add("home", "Digits 0 to 4 as they are", home.clone(), home_tuning.clone(), &JUDGED);
    add("bases", "The same subspaces in other bases", home.other_bases(seed(3)), home_tuning.clone(), &JUDGED);
    let rotated = of(Classes::Seen, true, starts, 4)?;
    add("rotated", "Digits 0 to 4, rotated at random", rotated, of(Classes::Seen, true, tuning, 5)?, &JUDGED);
    let unseen = of(Classes::Unseen, false, starts, 6)?;
    add("unseen", "Digits 5 to 9", unseen, of(Classes::Unseen, false, tuning, 7)?, &JUDGED);
    for (name, by) in [("loss x0.8", 0.8), ("loss x1.2", 1.2), ("loss x4", 4.0)] {
        // Opponents keep the numbers that they have at home, as the learned one does.
        add(name, "The loss in other units, nobody tuned for them", home.scaled(by), home_tuning.clone(), &JUDGED);
    }
    add("horizon x10", "Ten times as many steps", home.clone(), home_tuning.clone(), &LONG);
    for (name, by) in [("condition x10", 10.0), ("condition x100", 100.0)] {
        let conditions = (by * CONDITIONS.1, by * CONDITIONS.1);
        let of =
            |count, k| -> Result<Problems> { Ok(Problems::spectra(&place, conditions, count, seed(k))?.scaled(unit)) };
        add(name, "Random spectra, condition number of 500 times that", of(starts, 8)?, of(tuning, 9)?, &JUDGED);
    }
    let noise = 0.1;
    add("noise", "Gradients disturbed by a tenth", home.noisy(noise), home_tuning.noisy(noise), &JUDGED);
    let robust = |count, k| Problems::robust(&place, digits, IMAGES, count, seed(k));
    let mut left_out = vec![];
    match place.kind() == Kind::Subspaces {
        true => add("objective", "A robust loss on digits 5 to 9", robust(starts, 10)?, robust(tuning, 11)?, &JUDGED),
        false => left_out.push(LeftOut { axis: "objective", why: "the robust loss is one of subspaces".into() }),
    }
    match loaded.any_size {
        true => {
            let large = match place.kind() == Kind::Subspaces {
                true => Place::grassmann(4 * place.n, place.p),
                false => Place::stiefel(4 * place.n, place.p, pullback_manifolds::StiefelRetraction::Polar),
            };
            let of = |count, k| -> Result<Problems> {
                Ok(Problems::spectra(&large, CONDITIONS, count, seed(k))?.scaled(unit))
            };
            add("dimension x4", "Random spectra, 256 rows", of(starts.min(8), 12)?, of(tuning.min(4), 13)?, &JUDGED);
        }
        false => {
            let why = format!("a {} optimiser serves points of one size", loaded.kind);
            left_out.push(LeftOut { axis: "dimension x4", why });
        }
    }
    Ok((out, left_out))
}
