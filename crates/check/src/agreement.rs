//! Equalities between derivatives found in different ways: the dot test, second and third orders, symmetry. All hold to
//! rounding.

use crate::condition::{self, Asked};
use crate::lists::{List, inner, minus, moduli, pack};
use crate::program::Program;
use crate::report::Defect;
use crate::subject::Subject;
use crate::{Error, Modes, tolerances};
use pullback::{Batch, Scalar, Var};

/// Tolerances of this run, and the sizes that a vanishing derivative is a difference of.
#[derive(Clone)]
pub(crate) struct Sizes {
    /// The factor, with what derivatives asked for.
    pub(crate) condition: f64,
    /// The factor of the value.
    pub(crate) of_value: f64,
    /// Then it stays as it is.
    pub(crate) stated: bool,
    /// Grows by the size of each order that was found, and by what a derivative that fails an equality varies by.
    pub(crate) below: f64,
    /// What rounding alone does to the value, and so to any derivative along a direction of the size of the point.
    pub(crate) noise: f64,
    /// The order whose equalities fail by no more than rounding, if so, which moves that derivative by so much of
    /// itself.
    pub(crate) lost: Option<(usize, f64)>,
}

impl Sizes {
    /// At the start, with a value of the size `below`.
    pub(crate) fn new(condition: f64, stated: bool, below: f64, noise: f64) -> Sizes {
        Sizes { condition, of_value: condition, stated, below, noise, lost: None }
    }

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

    /// The equalities that `judge` finds between derivatives of this order and size; if some fail, once more with what
    /// the derivative asks for (a condition that is stated stays).
    fn granted<T: Scalar>(
        &mut self,
        (order, size): (usize, f64),
        asked: impl FnOnce(f64) -> Asked,
        judge: impl Fn(&Sizes) -> Result<Vec<Defect>, Error>,
    ) -> Result<Vec<Defect>, Error> {
        let found = judge(self)?;
        if found.iter().all(|d| d.ok) {
            return Ok(found);
        }
        let asked = asked(self.condition);
        self.below += asked.varies;
        if !self.stated {
            self.condition = self.condition.max(asked.factor);
        }
        let found = judge(self)?;
        let apart = found.iter().filter(|d| !d.ok).map(|d| d.defect).fold(0.0, f64::max);
        let moved = asked.moved / size;
        if apart > 0.0 && moved > tolerances::lost::<T>() && apart <= tolerances::NOISE * moved {
            self.lost.get_or_insert((order, moved));
        }
        Ok(found)
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
    /// The ways that say that they cannot tell this derivative, where another way can: at tied eigenvalues, those that
    /// do not know a direction.
    pub(crate) refused: Vec<(&'static str, Error)>,
}

/// Does this way say that there is no derivative, or that it cannot tell?
fn refuses(e: &Error) -> bool {
    use pullback::Failure::{NotDifferentiable, TiedVectors};
    let Error::Derivative { source: pullback::Error::Data { failure, .. }, .. } = e else { return false };
    matches!(failure, NotDifferentiable { .. } | TiedVectors { .. })
}

pub(crate) const NOT_TRANSPOSE: &str = "the reverse rule is not the transpose of the forward rule";
const SECOND: &str = "a rule's own derivative is wrong, or a rule treats as constant what is not";
const SYMMETRY: &str = "the gradient is not the gradient of anything";
const THIRD: &str = "a rule's second derivative is wrong, or nested derivatives are confused";

/// `<w, J v> = <J^T w, v>`, or as much of it as the modes find.
pub(crate) fn first<T: Scalar>(
    subject: &dyn Subject<T>,
    (x, w, v, scale): (&List<T>, &List<T>, &List<T>, &List<T>),
    modes: Modes,
    sizes: &mut Sizes,
    defects: &mut Vec<Defect>,
) -> Result<Found<T>, Error> {
    let mut found = Found { along: vec![], jv: None, g: None, hv: vec![], refused: vec![] };
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
        let most = tolerances::rough_first;
        let asked = |c| condition::of_derivative(|x| subject.pull(x, w), (x, g, scale, v), most(c));
        defects.extend(sizes.granted::<T>((1, size), asked, |sizes| {
            Ok(vec![sizes.defect::<T>("<w,Jv> = <J'w,v>", NOT_TRANSPOSE, tolerances::dot::<T>(), apart, size)?])
        })?);
    }
    sizes.below += size.max(found.g.as_ref().map_or(0.0, |g| moduli(g, scale)));
    Ok(found)
}

/// The ways to a Hessian-vector product, in the order in which they are compared.
pub(crate) const PRODUCTS: [(Modes, &str); 4] = [
    (Modes::FORWARD_OVER_REVERSE, "forward over reverse"),
    (Modes::FORWARD_OVER_RECORDED, "forward over recorded gradient"),
    (Modes::REVERSE_OVER_REVERSE, "reverse over reverse"),
    (Modes::REVERSE_OVER_FORWARD, "reverse over forward"),
];

/// `H v` of `<w, f>`, packed.
pub(crate) fn product<T: Scalar>(p: &Program<'_, T>, how: Modes, x: &List<T>, v: &List<T>) -> Result<List<T>, Error> {
    let failed = |what: &'static str| move |source| Error::Derivative { what, source };
    let (px, pv) = (pack(x), pack(v));
    let found = match how {
        Modes::FORWARD_OVER_REVERSE => {
            let hv = pullback::hvp(|x: Vec<Var<T>>| p.number(&x), x, v).map_err(failed("Hessian-vector product"))?;
            pack(&hv)
        }
        Modes::FORWARD_OVER_RECORDED => {
            let operator =
                pullback::hessian_map(|x: Vec<Var<T>>| p.number(&x), x).map_err(failed("recorded gradient"))?;
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
    let mut ways = vec![];
    for (how, name) in PRODUCTS.into_iter().filter(|p| modes.contains(p.0)) {
        match product(p, how, x, v) {
            Ok(hv) => {
                ways.push(how);
                found.hv.push((name, hv));
            }
            Err(e) if refuses(&e) && !ways.is_empty() => found.refused.push((name, e)),
            Err(e) => return Err(e),
        }
    }
    let other = ways.first().map(|how| product(p, *how, x, u)).transpose()?;
    let forward = match modes.contains(Modes::FORWARD_OVER_FORWARD) {
        false => None,
        true => {
            let what = "derivative of a derivative along a direction";
            let twice = pullback::jvp(|x: Var<T>| x.jvp(|x| p.packed(x), &pv[0]).1, &px, &pv[0]);
            match twice.map_err(|source| Error::Derivative { what, source }) {
                Ok((_, d2)) => Some(d2.data()[0].f64()),
                Err(e) if refuses(&e) && !ways.is_empty() => {
                    found.refused.push(("forward over forward", e));
                    None
                }
                Err(e) => return Err(e),
            }
        }
    };
    let Some(((first, hv), hu)) = found.hv.first().zip(other) else {
        found.along.extend(forward);
        return Ok(());
    };
    let symmetric = moduli(&pu, hv).max(moduli(&pv, &hu));
    let most = tolerances::rough_further;
    let asked = |c| {
        let by = |(how, hv)| condition::of_derivative(|x| product(p, how, x, v), (x, hv, scale, &ps), most(c));
        ways.iter().copied().zip(found.hv.iter().map(|(_, hv)| hv)).map(by).fold(Asked::default(), Asked::worse)
    };
    let size = found.hv.iter().map(|(_, hv)| moduli(hv, &ps)).fold(symmetric, f64::max);
    let judged = sizes.granted::<T>((2, size), asked, |sizes| {
        let mut list = Vec::new();
        for (name, other) in &found.hv[1..] {
            list.push(sizes.equal(format!("Hv: {first} = {name}"), SECOND, hv, other, &ps)?);
        }
        let apart = (inner(&pu, hv) - inner(&pv, &hu)).abs();
        list.push(sizes.defect::<T>("<u,Hv> = <v,Hu>", SYMMETRY, tolerances::agreement::<T>(), apart, symmetric)?);
        if let Some(d2) = forward {
            let (apart, size) = ((inner(hv, &pv) - d2).abs(), moduli(hv, &pv).max(d2.abs()));
            let what = format!("<v,Hv>: {first} = forward over forward");
            list.push(sizes.defect::<T>(what, SECOND, tolerances::agreement::<T>(), apart, size)?);
        }
        Ok(list)
    })?;
    defects.extend(judged);
    found.along.push(inner(hv, &pv));
    sizes.below += symmetric.max(moduli(hv, &ps));
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
    let over_hvp = |x: &List<T>| {
        let g = pullback::grad(|x: Var<T>| x.hvp(|x| p.packed(x), &pv).dot(&pv).sum(), &pack(x));
        g.map(one).map_err(failed("gradient of a Hessian-vector product"))
    };
    let first = over_hvp(x)?;
    let over_grad = pullback::hvp(|x: Var<T>| x.grad(|x| p.packed(x)).dot(&pv).sum(), &px, &pv);
    let over_grad = one(over_grad.map_err(failed("Hessian-vector product of a gradient"))?);
    let thrice = pullback::grad(|x: Var<T>| x.grad(|x| x.grad(|x| p.packed(x)).dot(&pv).sum()).dot(&pv).sum(), &px);
    let thrice = one(thrice.map_err(failed("gradient of a gradient of a gradient"))?);
    let forward = pullback::jvp(|x: Var<T>| x.hvp(|x| p.packed(x), &pv).dot(&pv).sum(), &px, &pv);
    let (_, forward) = forward.map_err(failed("derivative of a Hessian-vector product"))?;
    let d3 = forward.data()[0].f64();
    let lpv = vec![pv.clone()];
    let forward_thrice = |x: &List<T>| {
        let d = pullback::jvp(|x: Var<T>| x.jvp(|x| x.jvp(|x| p.packed(x), &pv).1, &pv).1, &pack(x), &pv);
        d.map(|d| one(d.1)).map_err(failed("derivative of a derivative of a derivative along a direction"))
    };
    let nested = forward_thrice(x)?;
    let number = nested[0].data()[0].f64();

    let asked = |c| {
        let most = tolerances::rough_further(c);
        let unit: List<T> = nested.iter().map(|d| Batch::from_fn(d.shape(), |_, _, _| T::one())).collect();
        let backward = condition::of_derivative(over_hvp, (x, &first, scale, &ps), most);
        backward.worse(condition::of_derivative(forward_thrice, (x, &nested, scale, &unit), most))
    };
    let ways = [&first, &over_grad, &thrice].map(|d| moduli(d, &ps)).into_iter().fold(0.0, f64::max);
    let judged = sizes.granted::<T>((3, ways), asked, |sizes| {
        let (apart, size) = ((inner(&first, &lpv) - d3).abs(), moduli(&first, &lpv));
        let tol = tolerances::agreement::<T>();
        Ok(vec![
            sizes.equal("Tvv: gradient of Hv = Hv of gradient", THIRD, &first, &over_grad, &ps)?,
            sizes.equal("Tvv: gradient of Hv = gradient of gradient of gradient", THIRD, &first, &thrice, &ps)?,
            sizes.defect::<T>("Tvvv: reverse = forward", THIRD, tol, apart, size)?,
            sizes.defect::<T>(
                "Tvvv: forward over Hv = forward three times",
                THIRD,
                tol,
                (d3 - number).abs(),
                size.max(number.abs()),
            )?,
        ])
    })?;
    defects.extend(judged);
    along.push(d3);
    Ok(())
}
