//! What the numbers of a failing check say: which rule, which input, which entry, by how much, and which mistake they
//! look like.
//!
//! Derivatives by differences of the value (five points, right to about ten digits) are compared with what the rules
//! return. A line is written only where numbers match; where none does, the largest error is named and no guess is
//! made.

use crate::lists::{List, Random, inner, plus};
use crate::subject::Subject;
use crate::tolerances;
use pullback::faer::{Mat, Side};
use pullback::{Batch, Scalar};

/// What is being explained.
pub(crate) struct Scene<'s, T: Scalar> {
    pub(crate) subject: &'s dyn Subject<T>,
    pub(crate) names: &'s [String],
    pub(crate) x: &'s List<T>,
    pub(crate) y: &'s List<T>,
    pub(crate) w: &'s List<T>,
    pub(crate) v: &'s List<T>,
    pub(crate) scale: &'s List<T>,
}

fn max_abs<T: Scalar>(l: &[Batch<T>]) -> f64 {
    l.iter().map(|b| b.max_abs().f64()).fold(0.0, f64::max)
}

/// Equal as far as differences can tell, relative to `size`.
fn close<T: Scalar>(a: &Batch<T>, b: &Batch<T>, size: f64) -> bool {
    let off = a.data().iter().zip(b.data()).map(|(a, b)| (a.f64() - b.f64()).abs()).fold(0.0, f64::max);
    off <= tolerances::pattern::<T>() * size
}

fn all_close<T: Scalar>(a: &[Batch<T>], b: &[Batch<T>]) -> bool {
    let size = max_abs(a).max(max_abs(b));
    a.iter().zip(b).all(|(a, b)| close(a, b, size))
}

/// The weights of a central difference of five points, times `12 h`.
const WEIGHTS: [(f64, f64); 4] = [(-2.0, 1.0), (-1.0, -8.0), (1.0, 8.0), (2.0, -1.0)];

fn difference<T: Scalar>(step: f64, f: impl Fn(f64) -> Option<List<T>>) -> Option<List<T>> {
    let mut sum: Option<List<T>> = None;
    for (at, weight) in WEIGHTS {
        let c = weight / (12.0 * step);
        let y = f(at * step)?;
        let term: List<T> = crate::lists::zip(&y, &y, |y, _| y * T::of(c));
        sum = Some(match sum {
            None => term,
            Some(s) => plus(&s, 1.0, &term),
        });
    }
    sum
}

impl<T: Scalar> Scene<'_, T> {
    /// The derivative of all outputs along `v`, by differences.
    fn pushed(&self, x: &List<T>, v: &List<T>) -> Option<List<T>> {
        difference(tolerances::difference_step::<T>(), |h| self.subject.outputs(&plus(x, h, v)).ok())
    }

    /// The gradient of `<w, f>` by differences, entry by entry.
    fn pulled(&self, x: &List<T>, w: &List<T>) -> Option<List<T>> {
        if x.iter().map(|b| b.data().len()).sum::<usize>() > tolerances::ENTRIES {
            return None;
        }
        let mut out = x.clone();
        for leaf in 0..x.len() {
            for k in 0..x[leaf].data().len() {
                let h = tolerances::difference_step::<T>() * self.scale[leaf].data()[k].f64().abs();
                if h == 0.0 {
                    return None;
                }
                let one = difference(h, |h| {
                    let mut near = x.clone();
                    near[leaf].data_mut()[k] = near[leaf].data()[k] + T::of(h);
                    let y = self.subject.outputs(&near).ok()?;
                    // Differences of the contracted value, so that large outputs do not hide small ones.
                    Some(vec![Batch::from_fn(pullback::Shape::SCALAR, |_, _, _| T::of(inner(w, &y)))])
                })?;
                out[leaf].data_mut()[k] = one[0].data()[0];
            }
        }
        Some(out)
    }

    /// Which first-order rule is wrong, where, and what it looks like.
    pub(crate) fn first(&self, jv: Option<&List<T>>, g: Option<&List<T>>, random: &mut Random) -> Vec<String> {
        let mut out = Vec::new();
        let (pushed, pulled) = (self.pushed(self.x, self.v), self.pulled(self.x, self.w));
        let forward = jv.zip(pushed.as_ref()).map(|(a, b)| all_close(a, b));
        let reverse = g.zip(pulled.as_ref()).map(|(a, b)| all_close(a, b));
        match (forward, reverse) {
            (Some(true), Some(false)) => {
                out.push("the forward rule agrees with differences of the value, the reverse rule does not: look at the reverse rule (`vjp`)".into());
            }
            (Some(false), Some(true)) => {
                out.push("the reverse rule agrees with differences of the value, the forward rule does not: look at the forward rule (`jvp`)".into());
            }
            (Some(false), Some(false)) => {
                out.push("neither rule agrees with differences of the value: look at what the two share (the formula, a saved factor, a divided difference)".into());
            }
            (Some(true), Some(true)) => {
                out.push("both rules agree with differences of the value to the digits that those have: the error is small; look for a lost digit (a cancellation, a tolerance, a constant of too few digits) rather than for a wrong term".into());
            }
            _ => {}
        }
        if let (Some(false), Some(jv), Some(right)) = (forward, jv, &pushed) {
            for (k, (found, right)) in jv.iter().zip(right).enumerate() {
                let size = max_abs(std::slice::from_ref(right)).max(max_abs(jv));
                if !close(found, right, size) {
                    out.push(describe(&format!("the tangent of output {k}"), found, right, size, None));
                }
            }
        }
        if let (Some(false), Some(g), Some(right)) = (reverse, g, &pulled) {
            let size = max_abs(right).max(max_abs(g));
            for (i, (found, right)) in g.iter().zip(right).enumerate() {
                if close(found, right, size) {
                    continue;
                }
                let what = format!("the cotangent of input `{}`", self.names[i]);
                match self.one_member(found, i, size) {
                    Some(member) => out.push(format!(
                        "{what} is that of member {member} of the batch alone: the sum over the batch is missing, where an input that is not in a batch serves all members"
                    )),
                    None => out.push(describe(&what, found, right, size, Some(&self.x[i]))),
                }
            }
        }
        if forward == Some(false) || reverse == Some(false) {
            out.extend(self.special(jv.is_some() && forward == Some(false), random));
        }
        if out.iter().any(|l| l.contains("is wrong; ")) {
            out.push(
                "no simple mistake matches: try a 2x2 point, and one input and one output at a time (`suite` does the latter)".into(),
            );
        }
        out
    }

    /// Is the cotangent of a single input that of one member of the batch?
    fn one_member(&self, found: &Batch<T>, leaf: usize, size: f64) -> Option<usize> {
        let batch = self.y.iter().map(|y| y.shape().batch).max()?;
        if batch < 2 || self.x[leaf].shape().batch != 1 {
            return None;
        }
        (0..batch).find(|&member| {
            let w: List<T> = self
                .w
                .iter()
                .map(|w| {
                    Batch::from_fn(w.shape(), |b, i, j| {
                        let k = b * w.shape().each() + j * w.shape().rows + i;
                        if b == member { w.data()[k] } else { T::zero() }
                    })
                })
                .collect();
            self.pulled(self.x, &w).is_some_and(|right| close(found, &right[leaf], size))
        })
    }

    /// Is the rule right at a point nearby? Then what is special about this one is to blame.
    fn special(&self, forward: bool, random: &mut Random) -> Option<String> {
        let near = plus(self.x, 0.1, &random.scaled(self.scale));
        let right = match forward {
            true => all_close(&self.subject.push(&near, self.v).ok()?, &self.pushed(&near, self.v)?),
            false => all_close(&self.subject.pull(&near, self.w).ok()?, &self.pulled(&near, self.w)?),
        };
        if !right {
            return None;
        }
        let special: Vec<String> = self.x.iter().zip(self.names).filter_map(|(x, n)| peculiar(x, n)).collect();
        let what = if special.is_empty() { "something".to_string() } else { special.join("; ") };
        Some(format!(
            "at a random point nearby the same rule is right: it is wrong only at what is special here ({what})"
        ))
    }

    /// Which second derivatives are wrong, by differences of the gradient.
    pub(crate) fn second(&self, hv: &[(&'static str, List<T>)]) -> Vec<String> {
        let step = tolerances::difference_step::<T>();
        let gradient = |h: f64| self.subject.pull(&plus(self.x, h, self.v), self.w).ok();
        let Some(right) = difference(step, gradient).map(|g| vec![crate::lists::pack(&g)]) else { return vec![] };
        let mut out = Vec::new();
        let (good, bad): (Vec<_>, Vec<_>) = hv.iter().partition(|(_, hv)| all_close(hv, &right));
        if bad.is_empty() {
            return out;
        }
        let names = |l: &[&(&'static str, List<T>)]| l.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        match good.is_empty() {
            true => out.push("no way to a Hessian-vector product agrees with differences of the gradient: a rule takes for constant what depends on the point (a detached or captured number in `vjp` or `jvp`)".into()),
            false => out.push(format!(
                "by differences of the gradient, {} is right and {} is wrong: look at what the wrong ones have in common",
                names(&good),
                names(&bad)
            )),
        }
        let size = max_abs(&right).max(max_abs(&bad[0].1));
        out.push(describe(&format!("Hv by {}", bad[0].0), &bad[0].1[0], &right[0], size, None));
        out
    }
}

/// The transpose, the triangles and the diagonal of every member.
fn mapped<T: Scalar>(b: &Batch<T>, f: impl Fn(&dyn Fn(usize, usize) -> T, usize, usize) -> T) -> Batch<T> {
    let s = b.shape();
    Batch::from_fn(s, |m, i, j| {
        let at = |i: usize, j: usize| b.data()[m * s.each() + j * s.rows + i];
        f(&at, i, j)
    })
}

/// One line: what it looks like, and the largest error.
fn describe<T: Scalar>(what: &str, found: &Batch<T>, right: &Batch<T>, size: f64, x: Option<&Batch<T>>) -> String {
    let looks = looks_like(found, right, size, x).map(|l| format!(" {l}")).unwrap_or_default();
    let s = found.shape();
    let error = |k: usize| (found.data()[k].f64() - right.data()[k].f64()).abs();
    let worst = (0..found.data().len()).max_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(0);
    let (b, rest) = (worst / s.each().max(1), worst % s.each().max(1));
    let member = if s.batch > 1 { format!("member {b}, ") } else { String::new() };
    let members = wrong_members(found, right, size);
    format!(
        "{what}{looks}{}its largest error is at {member}entry ({}, {}): {:.6e}, where differences say {:.6e}{members}",
        if looks.is_empty() { " is wrong; " } else { "; " },
        rest % s.rows.max(1),
        rest / s.rows.max(1),
        found.data()[worst].f64(),
        right.data()[worst].f64(),
    )
}

fn wrong_members<T: Scalar>(found: &Batch<T>, right: &Batch<T>, size: f64) -> String {
    let s = found.shape();
    let (each, tol) = (s.each(), tolerances::pattern::<T>() * size);
    let wrong: Vec<usize> = (0..s.batch)
        .filter(|b| (b * each..(b + 1) * each).any(|k| (found.data()[k].f64() - right.data()[k].f64()).abs() > tol))
        .collect();
    match wrong.len() < s.batch && s.batch > 1 {
        true => format!("; of the batch, members {wrong:?} are wrong and the others right"),
        false => String::new(),
    }
}

/// The first pattern that the numbers match.
fn looks_like<T: Scalar>(found: &Batch<T>, right: &Batch<T>, size: f64, x: Option<&Batch<T>>) -> Option<String> {
    let s = found.shape();
    let same = |a: &Batch<T>, b: &Batch<T>| close(a, b, size);
    let zero = Batch::zeros(s);
    if same(found, &zero) {
        return Some("is zero: the rule returns nothing for it, or takes it for a constant".into());
    }
    if same(right, &zero) {
        return Some("should be zero, and is not".into());
    }
    let one = |b: &Batch<T>| vec![b.clone()];
    let c = inner(&one(found), &one(right)) / inner(&one(right), &one(right));
    if same(found, &mapped(right, |at, i, j| at(i, j) * T::of(c))) {
        return Some(factor(c));
    }
    if s.rows == s.cols && s.rows > 1 {
        let t = mapped(right, |at, i, j| at(j, i));
        let half = T::of(0.5);
        let sym = mapped(found, |at, i, j| (at(i, j) + at(j, i)) * half);
        let skew = mapped(found, |at, i, j| (at(i, j) - at(j, i)) * half);
        let tril = mapped(found, |at, i, j| if i >= j { at(i, j) } else { T::zero() });
        let triu = mapped(found, |at, i, j| if i <= j { at(i, j) } else { T::zero() });
        if same(found, &t) {
            return Some(
                "is the transpose of what it should be: a factor is transposed, or the order of a product reversed"
                    .into(),
            );
        }
        if same(found, &mapped(&t, |at, i, j| -at(i, j))) {
            return Some("is minus the transpose of what it should be".into());
        }
        if same(&sym, right) {
            return Some("has the right symmetric part, and the right result is symmetric: a symmetrisation `(G + G')/2` is missing".into());
        }
        if same(&skew, right) {
            return Some(
                "has the right skew part, and the right result is skew: a projection `(G - G')/2` is missing".into(),
            );
        }
        if same(&tril, right) || same(&triu, right) {
            return Some("is right in one triangle, and the other should be zero: a triangular mask is missing".into());
        }
        let off = |b: &Batch<T>, keep: fn(usize, usize) -> bool| {
            mapped(b, |at, i, j| if keep(i, j) { at(i, j) } else { T::zero() })
        };
        for (keep, words) in [
            (
                (|i, j| i != j) as fn(usize, usize) -> bool,
                "is right but for its diagonal: a half of the diagonal is forgotten, or taken twice",
            ),
            (|i, j| i >= j, "is right in its lower triangle only: the upper one is a copy or a mask that is missing"),
            (|i, j| i <= j, "is right in its upper triangle only: the lower one is a copy or a mask that is missing"),
        ] {
            if same(&off(found, keep), &off(right, keep)) {
                return Some(words.into());
            }
        }
    }
    let x = x?;
    let error = crate::lists::minus(&one(found), &one(right)).swap_remove(0);
    let c = inner(&one(&error), &one(x)) / inner(&one(x), &one(x));
    // For one column that is the span of the columns.
    let column = s.cols == 1 && s.rows > 1;
    if !column && c.is_finite() && same(&error, &mapped(x, |at, i, j| at(i, j) * T::of(c))) {
        return Some(format!("is off by {c:.6} times the input itself: a term in the input is missing or too much"));
    }
    in_span(&error, x, size).then(|| {
        "is off by something in the span of the columns of the input: a projector `I - X (X'X)^-1 X'` is missing".into()
    })
}

fn factor(c: f64) -> String {
    let near = |a: f64| (c - a).abs() < 1e-4 * a.abs();
    if near(-1.0) {
        return "is minus what it should be: a sign is wrong".into();
    }
    if near(0.5) {
        return "is half of what it should be: a factor of 2 is missing, or a half too much".into();
    }
    if near(2.0) {
        return "is twice what it should be: a half is forgotten, or a term counted twice".into();
    }
    format!("is {c:.6} times what it should be: a scalar factor is wrong")
}

fn wide<T: Scalar>(b: &Batch<T>, m: usize) -> Mat<f64> {
    let s = b.shape();
    Mat::from_fn(s.rows, s.cols, |i, j| b.data()[m * s.each() + j * s.rows + i].f64())
}

/// Do the columns of the error lie in the span of those of `x`, and is that saying something?
fn in_span<T: Scalar>(error: &Batch<T>, x: &Batch<T>, size: f64) -> bool {
    let s = x.shape();
    s.rows > s.cols
        && s.cols > 0
        && (0..s.batch).all(|m| {
            let (e, q) = (wide(error, m), wide(x, m).qr().compute_thin_Q());
            let rest = &e - &q * (q.transpose() * &e);
            rest.norm_max() <= tolerances::pattern::<T>() * size
        })
}

/// Ties and zeros of a leaf.
fn peculiar<T: Scalar>(x: &Batch<T>, name: &str) -> Option<String> {
    let s = x.shape();
    if s.is_empty() {
        return None;
    }
    let tied = |l: &[f64]| {
        let size = l.iter().fold(0.0f64, |m, l| m.max(l.abs()));
        let mut l = l.to_vec();
        l.sort_by(f64::total_cmp);
        l.windows(2).any(|l| (l[1] - l[0]) <= tolerances::TIED * size)
    };
    for m in 0..s.batch {
        let a = wide(x, m);
        if a.norm_max() == 0.0 {
            return Some(format!("`{name}` is zero"));
        }
        let symmetric = s.rows == s.cols && s.rows > 1 && (&a - a.transpose()).norm_max() <= 1e-12 * a.norm_max();
        if symmetric && tied(&a.self_adjoint_eigenvalues(Side::Lower).ok()?) {
            return Some(format!("eigenvalues of `{name}` are tied: a divided difference at a tie?"));
        }
        if s.rows > 1 && s.cols > 1 && tied(&a.singular_values().ok()?) {
            return Some(format!("singular values of `{name}` are tied: a divided difference at a tie?"));
        }
    }
    let entries: Vec<f64> = x.data().iter().map(|x| x.f64()).collect();
    if entries.contains(&0.0) {
        return Some(format!("entries of `{name}` are zero"));
    }
    tied(&entries).then(|| format!("entries of `{name}` are equal"))
}
