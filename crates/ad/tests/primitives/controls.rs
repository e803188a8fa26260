//! Negative controls: rules that are wrong on purpose, each of which the check must find; and the same rules unbroken,
//! which it must pass.

use super::masked::daleckii_krein;
use super::points::{Kind, Rng, batch, diagonal};
use super::table::{Line, Program, table};
use faer::{Mat, Side, mat};
use pullback::{Batch, Custom, Group, Many, Scalar, SymFn, Triangle, Var};
use pullback_check::controls::{self, Break, Place};
use pullback_check::{Modes, Report, check_many};
use std::sync::Arc;

/// `sin(x0) o x1`, with the rules of a user.
pub(crate) struct Sine;

impl<T: Scalar> Custom<T> for Sine {
    fn name(&self) -> &'static str {
        "sine"
    }
    fn value<'t>(&self, x: &[Var<'t, T>]) -> Vec<Var<'t, T>> {
        vec![x[0].sin().hadamard(x[1])]
    }
    fn jvp<'t>(&self, x: &[Var<'t, T>], _: &[Var<'t, T>], dx: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        let a = dx[0].map(|d| d.hadamard(x[0].cos()).hadamard(x[1]));
        let b = dx[1].map(|d| d.hadamard(x[0].sin()));
        vec![match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        }]
    }
    fn vjp<'t>(&self, x: &[Var<'t, T>], _: &[Var<'t, T>], dy: &[Option<Var<'t, T>>]) -> Vec<Option<Var<'t, T>>> {
        vec![
            dy[0].map(|g| g.hadamard(x[0].cos()).hadamard(x[1]).sum_to(x[0].shape())),
            dy[0].map(|g| g.hadamard(x[0].sin()).sum_to(x[1].shape())),
        ]
    }
}

fn run(rule: Arc<dyn Custom>, x0: &Vec<Batch<f64>>) -> Report {
    check_many(|x: Vec<Var>| Many(x[0].tape().custom(rule.clone(), &x)), x0).seed(3).run()
}

/// The point at which the rules of a line are broken: generic, without the symmetry that hides a transpose.
fn point(line: &Line) -> Vec<Batch<f64>> {
    line.kinds(line.sizes[0]).iter().enumerate().map(|(i, k)| batch(&k.generic(20 + i as u64))).collect()
}

#[test]
fn every_break_of_every_rule_is_found() {
    for line in table() {
        let found = controls::assert_every_break_is_found(controls::derived(line.f), &point(&line));
        assert!(
            found.contains(&Break::Sign) && found.contains(&Break::Half),
            "{}: only {found:?} were tried",
            line.name
        );
    }
}

#[test]
fn a_batch_of_which_one_member_is_looked_at_is_found() {
    for line in table().iter().filter(|l| l.by_member) {
        let x0 = point(line).iter().map(|b| Batch::stack(&[b.member(0), b.member(0) * 1.01])).collect();
        let rule = controls::derived(line.f);
        assert!(controls::applies(&rule, &x0, Break::FirstMember), "{}: a batch of two has one member?", line.name);
        let broken = controls::broken(rule, Break::FirstMember, Place::Reverse);
        let report = controls::tried(&broken, &x0, Break::FirstMember);
        assert!(report.is_wrong(), "{} looks at one member and passes:\n{report}", line.name);
    }
}

#[test]
fn rules_that_are_wrong_in_the_same_way_are_found_by_the_value() {
    // A factor in both rules keeps them transposes of each other.
    for line in table() {
        let (x0, broken) = (point(&line), controls::broken(controls::derived(line.f), Break::Half, Place::Both));
        let report = run(broken, &x0);
        assert!(report.is_wrong() && report.defects[0].ok, "{} is halved and passes:\n{report}", line.name);
    }
}

// ---- rules by hand, as people get them wrong --------------------------------------------------------------------

type Rule = for<'t> fn(bool, &[Var<'t>], &[Var<'t>], &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>>;

/// A hand-written rule, right or with one of its famous mistakes.
struct ByHand {
    f: Program<f64>,
    /// Right forward rules come from the engine; `None` asks for it.
    jvp: Option<Rule>,
    vjp: Rule,
    wrong: bool,
}

impl Custom for ByHand {
    fn name(&self) -> &'static str {
        "by hand"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        (self.f)(x)
    }
    fn jvp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        match self.jvp {
            Some(rule) => rule(self.wrong, x, y, dx),
            None => controls::derived(self.f).jvp(x, y, dx),
        }
    }
    fn vjp<'t>(&self, x: &[Var<'t>], y: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        (self.vjp)(self.wrong, x, y, dy)
    }
}

fn tried(f: Program<f64>, jvp: Option<Rule>, vjp: Rule, x0: &[Mat<f64>]) -> (Report, Report) {
    let x0: Vec<Batch<f64>> = x0.iter().map(batch).collect();
    let with = |wrong| run(Arc::new(ByHand { f, jvp, vjp, wrong }), &x0);
    (with(false), with(true))
}

fn transpose_test_fails((right, wrong): (Report, Report)) {
    right.assert_ok();
    assert!(wrong.is_wrong() && !wrong.defects[0].ok, "{wrong}");
}

fn zero_if_absent<'t>(g: Option<Var<'t>>, like: Var<'t>) -> Var<'t> {
    g.unwrap_or_else(|| like * 0.0)
}

#[test]
fn qr_without_the_copy_of_the_upper_triangle() {
    let vjp: Rule = |wrong, _, y, dy| {
        let (q, r) = (y[0], y[1]);
        let (gq, gr) = (zero_if_absent(dy[0], q), zero_if_absent(dy[1], r));
        let m = gr.triu().mul_t(r) - q.t_mul(gq);
        let strict = m.triu() - m.diag().to_diag();
        let m = if wrong { m.triu() } else { m.triu() + strict.t() };
        let how = Triangle::UPPER.transposed().from_right();
        vec![Some(r.solve_triangular_with(how, gq + q * m))]
    };
    let f: Program<f64> = |x| {
        let (q, r) = x[0].qr();
        vec![q, r]
    };
    transpose_test_fails(tried(f, None, vjp, &[Kind::Tall(4, 3).generic(1)]));
}

#[test]
fn cholesky_without_the_half() {
    let vjp: Rule = |wrong, _, y, dy| {
        let l = y[0];
        let m = l.t_mul(zero_if_absent(dy[0], l).tril()).tril();
        let m = if wrong { m } else { m - m.diag().to_diag() * 0.5 };
        let left = Triangle::LOWER.transposed();
        let right = Triangle::LOWER.from_right();
        vec![Some(l.solve_triangular_with(right, l.solve_triangular_with(left, m)).sym())]
    };
    transpose_test_fails(tried(|x| vec![x[0].cholesky()], None, vjp, &[Kind::Spd(4).generic(1)]));
}

/// `X: H X + X H = C` by Kronecker products, so that nothing in it is the engine's own rule.
fn lyapunov<'t>(h: Var<'t>, c: Var<'t>) -> Var<'t> {
    use pullback::Axis::{Cols, Rows};
    let n = h.rows();
    let outer: Vec<usize> = (0..n * n).map(|k| k / n).collect();
    let inner: Vec<usize> = (0..n * n).map(|k| k % n).collect();
    let spread = |a: Var<'t>, index: &[usize]| a.gather(Rows, index).gather(Cols, index);
    let kron = |a: Var<'t>, b: Var<'t>| spread(a, &outer).hadamard(spread(b, &inner));
    let eye = h.tape().eye(n);
    (kron(eye, h) + kron(h, eye)).solve(c.reshape(n * n, 1)).reshape(n, n)
}

#[test]
fn polar_without_the_projector() {
    let vjp: Rule = |wrong, x, y, dy| {
        let (w, h) = (y[0], y[0].t_mul(x[0]).sym());
        let g = zero_if_absent(dy[0], w);
        let m = w.t_mul(g);
        let core = w * lyapunov(h, m - m.t());
        let rest = if wrong { g } else { g - w * m };
        vec![Some(core + rest * h.inverse())]
    };
    transpose_test_fails(tried(|x| vec![x[0].polar().0], None, vjp, &[Kind::Tall(4, 3).generic(1)]));
}

#[test]
fn cayley_without_the_transpose() {
    let vjp: Rule = |wrong, x, _, dy| {
        let k = (x[0].tape().eye(x[0].rows()) - x[0] * 0.5).inverse();
        let g = zero_if_absent(dy[0], k);
        vec![Some(if wrong { k * g * k } else { k.t_mul(g).mul_t(k) })]
    };
    transpose_test_fails(tried(|x| vec![x[0].cayley(0.5)], None, vjp, &[Kind::Small(4).generic(1)]));
}

#[test]
fn expm_without_the_transpose() {
    // The Fréchet derivative at the matrix itself: the tangent's rule in the cotangent's place.
    let vjp: Rule = |wrong, x, _, dy| {
        let g = zero_if_absent(dy[0], x[0]);
        vec![Some(if wrong { x[0].expm_frechet(g).1 } else { x[0].t().expm_frechet(g).1 })]
    };
    transpose_test_fails(tried(|x| vec![x[0].expm()], None, vjp, &[Kind::Exponent(4).generic(1)]));
}

#[test]
fn sylvester_without_the_transpose() {
    let vjp: Rule = |wrong, x, y, dy| {
        let g = zero_if_absent(dy[0], y[0]);
        let s = if wrong { x[0].sylvester(x[1], g) } else { x[0].t().sylvester(x[1].t(), g) };
        vec![Some(-s.mul_t(y[0])), Some(-y[0].t_mul(s)), Some(s)]
    };
    let x0 = [Kind::Accretive(3).generic(1), Kind::Accretive(2).generic(2), Kind::Any(3, 2).generic(3)];
    transpose_test_fails(tried(|x| vec![x[0].sylvester(x[1], x[2])], None, vjp, &x0));
}

#[test]
fn root_without_the_transpose() {
    let vjp: Rule = |wrong, _, y, dy| {
        let (r, g) = (y[0], zero_if_absent(dy[0], y[0]));
        vec![Some(if wrong { r.sylvester(r, g) } else { r.t().sylvester(r.t(), g) })]
    };
    transpose_test_fails(tried(|x| vec![x[0].sqrtm()], None, vjp, &[Kind::Accretive(4).generic(1)]));
}

#[test]
fn logarithm_without_the_transpose() {
    let vjp: Rule = |wrong, x, y, dy| {
        let g = zero_if_absent(dy[0], y[0]);
        vec![Some(if wrong { x[0].logm_frechet(g).1 } else { x[0].logm_frechet(g.t()).1.t() })]
    };
    transpose_test_fails(tried(|x| vec![x[0].logm()], None, vjp, &[Kind::Accretive(4).generic(1)]));
}

#[test]
fn action_without_the_transpose() {
    let vjp: Rule = |wrong, x, y, dy| {
        let g = zero_if_absent(dy[0], y[0]);
        let (a, b) = (x[0], x[1]);
        let by_a = a.t().expm_frechet(g.mul_t(b)).1;
        vec![Some(by_a), Some(if wrong { a.expm_multiply(g) } else { a.t().expm_multiply(g) })]
    };
    let x0 = [Kind::Exponent(4).generic(1), Kind::Any(4, 2).generic(2)];
    transpose_test_fails(tried(|x| vec![x[0].expm_multiply(x[1])], None, vjp, &x0));
}

#[test]
fn projector_without_the_transpose() {
    // `D P[E] = X + Y` with `A X - X A = P E Q` and `A Y - Y A = -Q E P`, where `Q = I - P`: on all other subspaces the
    // equations are made regular by numbers of the other side.
    fn along<'t>(a: Var<'t>, e: Var<'t>) -> Var<'t> {
        let (p, eye) = (a.group_projector(Group::RealAbove(0.0)).0, a.tape().eye(a.rows()));
        let q = eye - p;
        let (up, low) = (p * a + q, q * a - p);
        up.sylvester(-low, p * e * q) + (-low).sylvester(up, q * e * p)
    }
    let vjp: Rule = |wrong, x, y, dy| {
        let g = zero_if_absent(dy[0], y[0]);
        vec![Some(if wrong { along(x[0], g) } else { along(x[0].t(), g) })]
    };
    let a = mat![[1.0, 0.3, -0.2], [0.1, -2.5, 0.4], [0.2, -0.3, 2.0]];
    transpose_test_fails(tried(|x| vec![x[0].group_projector(Group::RealAbove(0.0)).0], None, vjp, &[a]));
}

#[test]
fn eigenvectors_without_their_length() {
    // The rule of papers that leave the normal form out; all eigenvalues are real here.
    let vjp: Rule = |wrong, x, y, dy| {
        let (v, a) = (y[0], x[0].general());
        let (w, l, g) = (a.left_vectors().0, a.values().0, zero_if_absent(dy[0], y[0]));
        let along = (v.hadamard(g).column_sums()).broadcast_to(v.shape()).hadamard(v);
        let gz = v.t_mul(if wrong { g } else { g - along });
        let eye = x[0].tape().eye(v.cols());
        let gaps = l.t().broadcast_to(v.shape()) - l.broadcast_to(v.shape());
        vec![Some((w * gz.hadamard(1.0 - eye).elem_div(gaps + eye)).mul_t(v))]
    };
    let a = mat![[1.0, 0.3, -0.2], [0.1, 2.5, 0.4], [0.2, -0.3, 4.0]];
    transpose_test_fails(tried(|x| vec![x[0].general().vectors().0], None, vjp, &[a]));
}

#[test]
fn product_without_the_transpose() {
    let vjp: Rule = |wrong, x, _, dy| {
        let g = zero_if_absent(dy[0], x[0]);
        vec![Some(if wrong { g * x[1] } else { g.mul_t(x[1]) }), Some(x[0].t_mul(g))]
    };
    let x0 = [Kind::Any(3, 3).generic(1), Kind::Any(3, 3).generic(2)];
    transpose_test_fails(tried(|x| vec![x[0] * x[1]], None, vjp, &x0));
}

#[test]
fn a_masked_divided_difference_is_no_derivative() {
    let forward: Rule = |wrong, x, _, dx| vec![dx[0].map(|d| daleckii_krein(wrong, x[0], d))];
    let reverse: Rule = |wrong, x, _, dy| vec![dy[0].map(|g| daleckii_krein(wrong, x[0], g))];
    let f: Program<f64> = |x| vec![x[0].logm_spd()];
    let pair = |x: Mat<f64>| {
        let x0 = vec![batch(&x)];
        let with = |wrong| {
            let rule = Arc::new(ByHand { f, jvp: Some(forward), vjp: reverse, wrong });
            // Its eigenvectors are numbers, which only first derivatives at this very point excuse.
            let modes = Modes::REVERSE | Modes::FORWARD;
            let report = check_many(|x: Vec<Var>| Many(x[0].tape().custom(rule.clone(), &x)), &x0);
            let report = report.orders(1..=1).modes(modes).run();
            assert!(report.defects[0].ok, "the two rules are transposes, right or wrong:\n{report}");
            report
        };
        (with(false), with(true))
    };
    // Apart, the mask does nothing.
    let (right, wrong) = pair(Rng::new(1).with_spectrum(&[1.0, 1.5, 2.0]));
    right.assert_ok();
    wrong.assert_ok();
    // At a tie the dot test still holds; only the remainder tells.
    for spectrum in [[1.0, 1.0, 2.0], [2.0, 2.0, 2.0]] {
        let (right, wrong) = pair(diagonal(&spectrum));
        right.assert_ok();
        assert!(wrong.is_wrong(), "{wrong}");
    }
}

#[test]
fn frozen_eigenvectors_are_wrong_at_second_order() {
    // tr A³ whose gradient 3 V diag(l²) V' takes the eigenvectors for constants, as a masked rule at a tie does.
    fn gradient<'t>(wrong: bool, a: Var<'t>) -> Var<'t> {
        let eigen = a.value().into_mat().self_adjoint_eigen(Side::Lower).unwrap();
        let v = a.tape().constant(&eigen.U().to_owned());
        let l = v.t_mul(a.sym() * v);
        let l = if wrong { l.diag().to_diag() } else { l };
        (v * l * l * 3.0).mul_t(v)
    }
    let forward: Rule = |wrong, x, _, dx| vec![dx[0].map(|d| gradient(wrong, x[0]).dot(d))];
    let reverse: Rule = |wrong, x, _, dy| vec![dy[0].map(|g| gradient(wrong, x[0]).sym() * g)];
    let (right, wrong) =
        tried(|x| vec![x[0].trace_fun(SymFn::Pow(3.0))], Some(forward), reverse, &[diagonal(&[1.0, 1.0, 1.0])]);
    right.assert_ok();
    assert!(wrong.defects[0].ok && wrong.taylor[0].verdict != pullback_check::Verdict::Wrong, "{wrong}");
    assert!(wrong.is_wrong(), "{wrong}");
}
