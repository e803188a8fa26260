//! What the terms of a series say of its limit: the solution of the linear system in the space that they span. Nothing
//! here knows of tapes.
//!
//! The terms `v_j` and the images `w_j = (I - A') v_j` are known, so `|r - sum c_j w_j|` is made smallest over `c`, by
//! Gram and Schmidt with columns dropped that add nothing but rounding; then `y = sum c_j v_j` is near to
//! `(I - A')^{-1} r`. It costs no product with `A'` (for a Krylov space it is GMRES; as an extrapolation of vector
//! sequences, minimal polynomial extrapolation).

use crate::lists::{self, List};
use pullback::Scalar;

/// `y` with `(I - A') y` nearest to `r`, and what is left of `r`.
pub(crate) fn solved<T: Scalar>(v: &[List<T>], w: &[List<T>], r: &List<T>) -> (List<T>, List<T>) {
    let mut y: List<T> = r.clone();
    lists::add_all(&mut y, -1.0, r);
    let mut left = r.clone();
    // Orthonormal images, and the combinations of terms that they are images of.
    let (mut images, mut origins): (Vec<List<T>>, Vec<List<T>>) = (vec![], vec![]);
    for (v, w) in v.iter().zip(w) {
        let (mut image, mut origin) = (w.clone(), v.clone());
        let first = lists::length(&image);
        for _ in 0..2 {
            for (q, o) in images.iter().zip(&origins) {
                let c = lists::all_dot(q, &image);
                lists::add_all(&mut image, -c, q);
                lists::add_all(&mut origin, -c, o);
            }
        }
        let length = lists::length(&image);
        // What has no inverse in these numbers is nothing beside the others.
        if length.is_nan() || length <= 1e4 * lists::eps::<T>() * first || !T::of(1.0 / length).is_finite() {
            continue;
        }
        scale(&mut image, 1.0 / length);
        scale(&mut origin, 1.0 / length);
        let c = lists::all_dot(&image, &left);
        lists::add_all(&mut left, -c, &image);
        lists::add_all(&mut y, c, &origin);
        images.push(image);
        origins.push(origin);
    }
    (y, left)
}

pub(crate) fn scale<T: Scalar>(v: &mut List<T>, a: f64) {
    v.iter_mut().for_each(|b| b.data_mut().iter_mut().for_each(|x| *x *= T::of(a)));
}
