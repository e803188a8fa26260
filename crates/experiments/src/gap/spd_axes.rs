//! The axes of the command `evaluate` on positive definite matrices: centres of covariances, moved away from those that
//! an optimiser was trained on. Subspaces and frames are in `axes.rs`.

use super::axes::{Axis, Counts, LONG, LeftOut};
use super::centres::{self, Moved};
use super::loaded::Loaded;
use super::problems::{Place, Problems};
use crate::covariances::Covariances;
use crate::error::Result;

/// After how many steps: whole gradients come to the centre of covariances that are close together within ten.
const JUDGED: [usize; 3] = [5, 10, 30];
/// The condition number of the congruences under which nothing changes for who sees the geometry alone.
pub(crate) const CONGRUENCE: f64 = 10.0;

/// All axes, the first of which is where the optimiser is at home.
pub(crate) fn axes(
    loaded: &Loaded,
    data: &Covariances,
    seed: u64,
    Counts { starts, tuning }: Counts,
) -> Result<(Vec<Axis>, Vec<LeftOut>)> {
    let seed = |k: u64| seed.wrapping_mul(64).wrapping_add(k);
    let (place, classes) = (&loaded.place, data.classes);
    let of = |moved, count, k| centres::textures(place, &data.train, classes, moved, count, seed(k));
    let home = of(Moved::AsTheyAre, starts, 1)?;
    let home_tuning = of(Moved::AsTheyAre, tuning, 2)?;
    let unit = home.unit();
    let mut out = vec![];
    let mut add = |name, title: &str, problems: Problems, tuning: Problems, judged: &[usize]| {
        out.push(Axis { name, title: title.into(), problems, tuning, judged: judged.to_vec() });
    };
    add("home", "Regions of the textures of the training", home.clone(), home_tuning.clone(), &JUDGED);
    let moved = centres::congruent(&home, CONGRUENCE, seed(3));
    add("congruence", "The same, problems and starts under a congruence", moved, home_tuning.clone(), &JUDGED);
    add("rotated", "Rotated at random", of(Moved::Rotated, starts, 4)?, of(Moved::Rotated, tuning, 5)?, &JUDGED);
    let regions = centres::textures(place, &data.test, classes, Moved::AsTheyAre, starts, seed(6))?;
    add("regions", "Regions of the same textures never seen", regions, home_tuning.clone(), &JUDGED);
    let random = |place: &Place, count, k| centres::random(place, unit, count, seed(k));
    let unseen = random(place, starts, 7)?;
    add("unseen", "Random matrices, of no texture", unseen, random(place, tuning, 8)?, &JUDGED);
    for (name, by) in [("loss x0.8", 0.8), ("loss x1.2", 1.2), ("loss x4", 4.0)] {
        // Opponents keep the numbers that they have at home, as the learned one does.
        add(name, "The loss in other units, nobody tuned for them", home.scaled(by), home_tuning.clone(), &JUDGED);
    }
    add("horizon x10", "Ten times as many steps", home.clone(), home_tuning.clone(), &LONG);
    for (name, by) in [("condition x10", 10.0f64), ("condition x100", 100.0)] {
        let stretched = Moved::Stretched(by.sqrt());
        let title = "Matrices with so many times the condition number";
        add(name, title, of(stretched, starts, 9)?, of(stretched, tuning, 10)?, &JUDGED);
    }
    let noise = 0.1;
    add("noise", "Gradients disturbed by a tenth", home.noisy(noise), home_tuning.noisy(noise), &JUDGED);
    let robust = |count, k| centres::robust(place, &data.train, classes, count, seed(k));
    add("objective", "Distances, not their squares", robust(starts, 11)?, robust(tuning, 12)?, &JUDGED);
    let mut left_out = vec![];
    match loaded.any_size {
        true => {
            let large = place.of_order(2 * place.n);
            let problems = random(&large, starts.min(8), 13)?;
            add(
                "dimension x4",
                "Random matrices, 10 x 10: dimension 55 for 15",
                problems,
                random(&large, tuning.min(4), 14)?,
                &JUDGED,
            );
        }
        false => {
            let why = format!("a {} optimiser serves points of one size", loaded.kind);
            left_out.push(LeftOut { axis: "dimension x4", why });
        }
    }
    Ok((out, left_out))
}
