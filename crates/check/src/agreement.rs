//! Equalities between derivatives found in different ways: the dot test, second and third orders, symmetry. All hold to rounding.

use crate::program::{List, Program, inner, minus, moduli, pack};
use crate::report::Defect;
use crate::{Error, tolerances};
use pullback::{Batch, Many, Scalar, Var};

/// Tolerances of this run, and the sizes that a vanishing derivative is a difference of.
pub(crate) struct Sizes {
    pub(crate) condition: f64,
    /// Grows by the size of each order that was found.
    pub(crate) below: f64,
}

impl Sizes {
    fn defect<T: Scalar>(
        &self,
        what: &'static str,
        meaning: &'static str,
        tol: f64,
        found: f64,
        size: f64,
    ) -> Result<Defect, Error> {
        if !(size + self.below).is_finite() {
            return Err(Error::TooLarge { what });
        }
        let tolerance = self.condition * (tol * size + tolerances::cancellation::<T>() * self.below);
        let scale = if size > 0.0 { size } else { 1.0 };
        Ok(Defect { what, meaning, defect: found / scale, tolerance: tolerance / scale, ok: found <= tolerance })
    }

    /// Are `a` and `b`, two cotangents of the input, equal? Measured along the scale of the directions.
    fn equal<T: Scalar>(
        &self,
        what: &'static str,
        meaning: &'static str,
        a: &List<T>,
        b: &List<T>,
        s: &List<T>,
    ) -> Result<Defect, Error> {
        let (found, size) = (moduli(&minus(a, b), s), moduli(a, s).max(moduli(b, s)));
        self.defect::<T>(what, meaning, tolerances::agreement::<T>(), found, size)
    }
}

/// The derivatives along `v` that the Taylor test needs: `<w, f>', <w, f>'', <w, f>'''`.
pub(crate) type Along = Vec<f64>;

fn failed(what: &'static str) -> impl Fn(pullback::Error) -> Error {
    move |source| Error::Derivative { what, source }
}

/// `<w, J v> = <J' w, v>`.
pub(crate) fn first<T: Scalar>(
    p: &Program<'_, T>,
    (x, v, scale): (&List<T>, &List<T>, &List<T>),
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
    along: &mut Along,
) -> Result<(), Error> {
    let forward =
        pullback::jvp_many(|x: Vec<Var<T>>| Many((p.f)(&x)), x, v).map_err(failed("derivative along a direction"))?;
    let jv: List<T> = forward.into_iter().map(|(_, d)| d).collect();
    let (_, pull) = pullback::vjp_many(|x: Vec<Var<T>>| Many((p.f)(&x)), x).map_err(Error::Value)?;
    let g: List<T> = pull(&p.w).map_err(failed("gradient"))?;
    let (found, size) = ((inner(&p.w, &jv) - inner(&g, v)).abs(), moduli(&p.w, &jv).max(moduli(&g, v)));
    let meaning = "the reverse rule is not the transpose of the forward rule";
    defects.push(sizes.defect::<T>("<w,Jv> = <J'w,v>", meaning, tolerances::dot::<T>(), found, size)?);
    along.push(inner(&p.w, &jv));
    sizes.below += size.max(moduli(&g, scale));
    Ok(())
}

/// The Hessian of `<w, f>` in three ways, and its symmetry.
pub(crate) fn second<T: Scalar>(
    p: &Program<'_, T>,
    (x, v, u, scale): (&List<T>, &List<T>, &List<T>, &List<T>),
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
    along: &mut Along,
) -> Result<(), Error> {
    let product = |v| pullback::hvp(|x: Vec<Var<T>>| p.number(&x), x, v).map_err(failed("Hessian-vector product"));
    let (hv, hu) = (product(v)?, product(u)?);
    let operator = pullback::hvp_operator(|x: Vec<Var<T>>| p.number(&x), x).map_err(failed("recorded gradient"))?;
    let recorded = operator(v).map_err(failed("Hessian operator"))?;
    let (px, pv, ps) = (pack(x), pack(v), vec![pack(scale)]);
    let twice = pullback::grad(|x: Var<T>| x.grad(|x| p.packed(x)).dot(&pv).sum(), &px)
        .map_err(failed("gradient of a gradient"))?;

    let wrong = "a rule's own derivative is wrong, or a rule treats as constant what is not";
    let packed = vec![pack(&hv)];
    defects.push(sizes.equal(
        "Hv: forward over reverse = forward over recorded gradient",
        wrong,
        &hv,
        &recorded,
        scale,
    )?);
    defects.push(sizes.equal("Hv: forward over reverse = reverse over reverse", wrong, &packed, &vec![twice], &ps)?);
    let (found, size) = ((inner(u, &hv) - inner(v, &hu)).abs(), moduli(u, &hv).max(moduli(v, &hu)));
    let meaning = "the gradient is not the gradient of anything";
    defects.push(sizes.defect::<T>("<u,Hv> = <v,Hu>", meaning, tolerances::agreement::<T>(), found, size)?);
    along.push(inner(&hv, v));
    sizes.below += size.max(moduli(&hv, scale));
    Ok(())
}

/// The third derivative of `<w, f>` along `v` twice, by three nestings, and along `v` three times by a fourth.
pub(crate) fn third<T: Scalar>(
    p: &Program<'_, T>,
    (x, v, scale): (&List<T>, &List<T>, &List<T>),
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
    along: &mut Along,
) -> Result<(), Error> {
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

    let wrong = "a rule's second derivative is wrong, or nested derivatives are confused";
    defects.push(sizes.equal("Tvv: gradient of Hv = Hv of gradient", wrong, &over_hvp, &over_grad, &ps)?);
    defects.push(sizes.equal(
        "Tvv: gradient of Hv = gradient of gradient of gradient",
        wrong,
        &over_hvp,
        &thrice,
        &ps,
    )?);
    let pv = vec![pv];
    let (found, size) = ((inner(&over_hvp, &pv) - d3).abs(), moduli(&over_hvp, &pv));
    defects.push(sizes.defect::<T>("Tvvv: reverse = forward", wrong, tolerances::agreement::<T>(), found, size)?);
    along.push(d3);
    Ok(())
}
