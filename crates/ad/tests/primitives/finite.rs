//! No driver returns `Ok` with a number that is not finite, at any primitive, wherever its inputs are: zeros, negative,
//! huge, tiny, NaN, infinite. What it returns instead is a typed error that names something: a primitive, a line, or
//! the input.

use super::table::table;
use super::{List, batch};
use pullback::{Batch, Error, Many, Origin};

/// Every entry, or one of them, replaced.
fn points(generic: &Batch<f64>) -> Vec<Batch<f64>> {
    let mut all = vec![];
    for special in [0.0, -0.0, -1.0, 1e-200, 1e200, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut one = generic.clone();
        if let Some(x) = one.data_mut().last_mut() {
            *x = special;
        }
        let mut every = generic.clone();
        every.data_mut().fill(special);
        all.extend([one, every]);
    }
    all
}

fn finite(list: &[Batch<f64>]) -> bool {
    list.iter().all(|b| b.data().iter().all(|x| x.is_finite()))
}

/// Says where it comes from.
fn telling(e: &Error) -> bool {
    !matches!(e, Error::NonFinite { origin: Origin::Unknown, .. })
}

#[test]
fn no_driver_returns_a_number_that_is_not_finite() {
    let (mut wrong, mut errors) = (vec![], 0);
    for line in table() {
        let kinds = line.kinds(line.sizes[0]);
        let generic: List = kinds.iter().enumerate().map(|(i, k)| batch(&k.generic(1 + 10 * i as u64))).collect();
        for i in 0..generic.len() {
            for (k, x) in points(&generic[i]).into_iter().enumerate() {
                let mut x0 = generic.clone();
                x0[i] = x;
                let many = pullback::pin_many(&x0, |x| Many((line.f)(&x)));
                let f = pullback::pin(&x0, |x| {
                    (line.f)(&x).into_iter().map(|y| y.sin().sum()).reduce(|a, b| a + b).expect("an output")
                });
                let v: List =
                    x0.iter().map(|x| Batch::from_fn(x.shape(), |_, i, j| 1.0 + (i + 2 * j) as f64)).collect();
                let mut look = |what: &str, found: Result<List, Error>| match found {
                    Ok(list) if finite(&list) => {}
                    Ok(list) => wrong.push(format!("{what} of {} at point {k} of input {i}: Ok({list:?})", line.name)),
                    Err(e) if telling(&e) => errors += 1,
                    Err(e) => wrong
                        .push(format!("{what} of {} at point {k} of input {i} does not say whence: {e}", line.name)),
                };
                let pulled = pullback::vjp_many(&many, &x0).and_then(|(y, pull)| {
                    let ones: List = y.iter().map(|y| Batch::from_fn(y.shape(), |_, _, _| 1.0)).collect();
                    let g = pull(&ones)?;
                    Ok([y, g].concat())
                });
                look("vjp", pulled);
                look(
                    "jvp",
                    pullback::jvp_many(&many, &x0, &v).map(|l| l.into_iter().flat_map(|(y, d)| [y, d]).collect()),
                );
                look("grad", pullback::value_and_grad(&f, &x0).map(|(y, g)| [vec![Batch::of(&y)], g].concat()));
                look("hvp", pullback::hvp(&f, &x0, &v));
                look("hessian_map", pullback::hessian_map(&f, &x0).and_then(|h| h(&v)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(errors > 5000, "most of these points have no answer, and {errors} said so");
}
