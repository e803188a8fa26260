//! Equalities between derivatives found in different ways: the dot test, second and third orders, symmetry. All hold to rounding.

use crate::lists::{List, inner, minus, moduli, pack};
use crate::program::Program;
use crate::report::Defect;
use crate::subject::Subject;
use crate::{Error, Modes, tolerances};
use pullback::{Batch, Scalar, Var};

/// Tolerances of this run, and the sizes that a vanishing derivative is a difference of.
#[derive(Clone)]
pub(crate) struct Sizes {
    pub(crate) condition: f64,
    /// Grows by the size of each order that was found.
    pub(crate) below: f64,
    /// What rounding alone does to the value, and so to any derivative along a direction of the size of the point.
    pub(crate) noise: f64,
}

impl Sizes {
    pub(crate) fn defect<T: Scalar>(
        &self,
        what: impl Into<String>,
        meaning: &'static str,
        tol: f64,
        found: f64,
        size: f64,
    ) -> Result<Defect, Error> {
        let what = what.into();
        if !(size + self.below).is_finite() {
            return Err(Error::TooLarge { what });
        }
        let rounding = tol * size + tolerances::cancellation::<T>() * self.below;
        let tolerance = self.condition * rounding + tolerances::NOISE * self.noise;
        let scale = if size > 0.0 { size } else { 1.0 };
        Ok(Defect { what, meaning, defect: found / scale, tolerance: tolerance / scale, ok: found <= tolerance })
    }

    /// Are `a` and `b`, two cotangents of the input, equal? Measured along the scale of the directions.
    pub(crate) fn equal<T: Scalar>(
        &self,
        what: impl Into<String>,
        meaning: &'static str,
        a: &List<T>,
        b: &List<T>,
        s: &List<T>,
    ) -> Result<Defect, Error> {
        let (found, size) = (moduli(&minus(a, b), s), moduli(a, s).max(moduli(b, s)));
        self.defect::<T>(what, meaning, tolerances::agreement::<T>(), found, size)
    }
}

/// What was found along one pair of directions.
pub(crate) struct Found<T: Scalar> {
    /// The derivatives of `<w, f>` along `v`, by order: what the Taylor test needs.
    pub(crate) along: Vec<f64>,
    pub(crate) jv: Option<List<T>>,
    pub(crate) g: Option<List<T>>,
    /// `H v`, packed, with the way it was found.
    pub(crate) hv: Vec<(&'static str, List<T>)>,
}

pub(crate) const NOT_TRANSPOSE: &str = "the reverse rule is not the transpose of the forward rule";
const SECOND: &str = "a rule's own derivative is wrong, or a rule treats as constant what is not";
const SYMMETRY: &str = "the gradient is not the gradient of anything";
const THIRD: &str = "a rule's second derivative is wrong, or nested derivatives are confused";

/// `<w, J v> = <J' w, v>`, or as much of it as the modes find.
pub(crate) fn first<T: Scalar>(
    subject: &dyn Subject<T>,
    (x, w, v, scale): (&List<T>, &List<T>, &List<T>, &List<T>),
    modes: Modes,
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
) -> Result<Found<T>, Error> {
    let mut found = Found { along: vec![], jv: None, g: None, hv: vec![] };
    if modes.contains(Modes::FORWARD) {
        let jv = subject.push(x, v)?;
        found.along.push(inner(w, &jv));
        found.jv = Some(jv);
    }
    if modes.contains(Modes::REVERSE) {
        let g = subject.pull(x, w)?;
        if found.along.is_empty() {
            found.along.push(inner(&g, v));
        }
        found.g = Some(g);
    }
    let mut size = 0.0f64;
    if let Some(jv) = &found.jv {
        size = size.max(moduli(w, jv));
    }
    if let Some(g) = &found.g {
        size = size.max(moduli(g, v));
    }
    if let (Some(jv), Some(g)) = (&found.jv, &found.g) {
        let apart = (inner(w, jv) - inner(g, v)).abs();
        defects.push(sizes.defect::<T>("<w,Jv> = <J'w,v>", NOT_TRANSPOSE, tolerances::dot::<T>(), apart, size)?);
    }
    sizes.below += size.max(found.g.as_ref().map_or(0.0, |g| moduli(g, scale)));
    Ok(found)
}

/// The ways to a Hessian-vector product, in the order in which they are compared.
const PRODUCTS: [(Modes, &str); 4] = [
    (Modes::FORWARD_OVER_REVERSE, "forward over reverse"),
    (Modes::FORWARD_OVER_RECORDED, "forward over recorded gradient"),
    (Modes::REVERSE_OVER_REVERSE, "reverse over reverse"),
    (Modes::REVERSE_OVER_FORWARD, "reverse over forward"),
];

/// `H v` of `<w, f>`, packed.
fn product<T: Scalar>(p: &Program<'_, T>, how: Modes, x: &List<T>, v: &List<T>) -> Result<List<T>, Error> {
    let failed = |what: &'static str| move |source| Error::Derivative { what, source };
    let (px, pv) = (pack(x), pack(v));
    let found = match how {
        Modes::FORWARD_OVER_REVERSE => {
            let hv = pullback::hvp(|x: Vec<Var<T>>| p.number(&x), x, v).map_err(failed("Hessian-vector product"))?;
            pack(&hv)
        }
        Modes::FORWARD_OVER_RECORDED => {
            let operator =
                pullback::hvp_operator(|x: Vec<Var<T>>| p.number(&x), x).map_err(failed("recorded gradient"))?;
            pack(&operator(v).map_err(failed("Hessian operator"))?)
        }
        Modes::REVERSE_OVER_REVERSE => {
            let twice = pullback::grad(|x: Var<T>| x.grad(|x| p.packed(x)).dot(&pv).sum(), &px);
            twice.map_err(failed("gradient of a gradient"))?
        }
        _ => pullback::grad(|x: Var<T>| x.jvp(|x| p.packed(x), &pv).1, &px)
            .map_err(failed("gradient of a derivative along a direction"))?,
    };
    Ok(vec![found])
}

/// The Hessian of `<w, f>` in every way asked for, and its symmetry. Without any, the orders end at one.
pub(crate) fn second<T: Scalar>(
    p: &Program<'_, T>,
    (x, v, u, scale): (&List<T>, &List<T>, &List<T>, &List<T>),
    modes: Modes,
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
    found: &mut Found<T>,
) -> Result<(), Error> {
    let (px, pv, pu, ps) = (pack(x), vec![pack(v)], vec![pack(u)], vec![pack(scale)]);
    let mut by = None;
    for (how, name) in PRODUCTS {
        if !modes.contains(how) {
            continue;
        }
        let hv = product(p, how, x, v)?;
        match found.hv.first() {
            None => by = Some(how),
            Some((other, first)) => {
                let what = format!("Hv: {other} = {name}");
                defects.push(sizes.equal(what, SECOND, first, &hv, &ps)?);
            }
        }
        found.hv.push((name, hv));
    }
    let mut below = 0.0f64;
    if let (Some(how), Some((_, hv))) = (by, found.hv.first()) {
        let hu = product(p, how, x, u)?;
        let (apart, size) = ((inner(&pu, hv) - inner(&pv, &hu)).abs(), moduli(&pu, hv).max(moduli(&pv, &hu)));
        defects.push(sizes.defect::<T>("<u,Hv> = <v,Hu>", SYMMETRY, tolerances::agreement::<T>(), apart, size)?);
        found.along.push(inner(hv, &pv));
        below = size.max(moduli(hv, &ps));
    }
    if modes.contains(Modes::FORWARD_OVER_FORWARD) {
        let what = "derivative of a derivative along a direction";
        let (_, d2) = pullback::jvp(|x: Var<T>| x.jvp(|x| p.packed(x), &pv[0]).1, &px, &pv[0])
            .map_err(|source| Error::Derivative { what, source })?;
        let d2 = d2.data()[0].f64();
        match found.hv.first() {
            None => found.along.push(d2),
            Some((name, hv)) => {
                let (apart, size) = ((inner(hv, &pv) - d2).abs(), moduli(hv, &pv));
                let what = format!("<v,Hv>: {name} = forward over forward");
                defects.push(sizes.defect::<T>(what, SECOND, tolerances::agreement::<T>(), apart, size)?);
            }
        }
    }
    sizes.below += below;
    Ok(())
}

/// The third derivative of `<w, f>` along `v` twice, by three nestings, and along `v` three times by two more.
pub(crate) fn third<T: Scalar>(
    p: &Program<'_, T>,
    (x, v, scale): (&List<T>, &List<T>, &List<T>),
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
    along: &mut Vec<f64>,
) -> Result<(), Error> {
    let failed = |what: &'static str| move |source| Error::Derivative { what, source };
    let (px, pv, ps) = (pack(x), pack(v), vec![pack(scale)]);
    let one = |g: Batch<T>| vec![g];
    let over_hvp = pullback::grad(|x: Var<T>| x.hvp(|x| p.packed(x), &pv).dot(&pv).sum(), &px);
    let over_hvp = one(over_hvp.map_err(failed("gradient of a Hessian-vector product"))?);
    let over_grad = pullback::hvp(|x: Var<T>| x.grad(|x| p.packed(x)).dot(&pv).sum(), &px, &pv);
    let over_grad = one(over_grad.map_err(failed("Hessian-vector product of a gradient"))?);
    let thrice = pullback::grad(|x: Var<T>| x.grad(|x| x.grad(|x| p.packed(x)).dot(&pv).sum()).dot(&pv).sum(), &px);
    let thrice = one(thrice.map_err(failed("gradient of a gradient of a gradient"))?);
    let forward = pullback::jvp(|x: Var<T>| x.hvp(|x| p.packed(x), &pv).dot(&pv).sum(), &px, &pv);
    let (_, forward) = forward.map_err(failed("derivative of a Hessian-vector product"))?;
    let d3 = forward.data()[0].f64();

    defects.push(sizes.equal("Tvv: gradient of Hv = Hv of gradient", THIRD, &over_hvp, &over_grad, &ps)?);
    let what = "Tvv: gradient of Hv = gradient of gradient of gradient";
    defects.push(sizes.equal(what, THIRD, &over_hvp, &thrice, &ps)?);
    let pv = vec![pv];
    let (found, size) = ((inner(&over_hvp, &pv) - d3).abs(), moduli(&over_hvp, &pv));
    defects.push(sizes.defect::<T>("Tvvv: reverse = forward", THIRD, tolerances::agreement::<T>(), found, size)?);
    let thrice = pullback::jvp(|x: Var<T>| x.jvp(|x| x.jvp(|x| p.packed(x), &pv[0]).1, &pv[0]).1, &px, &pv[0]);
    let (_, thrice) = thrice.map_err(failed("derivative of a derivative of a derivative along a direction"))?;
    let thrice = thrice.data()[0].f64();
    let (found, size) = ((d3 - thrice).abs(), size.max(thrice.abs()));
    let what = "Tvvv: forward over Hv = forward three times";
    defects.push(sizes.defect::<T>(what, THIRD, tolerances::agreement::<T>(), found, size)?);
    along.push(d3);
    Ok(())
}
