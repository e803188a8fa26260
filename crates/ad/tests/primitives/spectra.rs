//! What the table cannot say of eigenvalues, eigenvectors and singular values: ties, verdicts, policies, and closed
//! forms.

use super::points::{Kind, Rng, diagonal};
use super::verdicts::{close, failure};
use faer::{Mat, Scale};
use pullback::{Error, Failure, Gauge, ScalarFn, Shape, SymFn, Tape, Var};

fn sym(a: &Mat<f64>) -> Mat<f64> {
    Scale(0.5) * (a + a.transpose())
}

/// The three ways to a Hessian-vector product.
fn hessians(f: impl for<'t> Fn(Var<'t>) -> Var<'t> + Copy, x: &Mat<f64>, v: &Mat<f64>) -> [Result<Mat<f64>, Error>; 3] {
    [
        pullback::hvp(f, x, v),
        pullback::hessian_map(f, x).and_then(|h| h(v)),
        pullback::grad(|x: Var| x.grad(f).dot(v), x),
    ]
}

// ---- ties -------------------------------------------------------------------------------------------------------

#[test]
fn uses_that_do_not_see_the_basis_have_their_first_derivative_at_ties() {
    // |A|² and A itself, put together from eigenvalues and eigenvectors: L on the diagonal weighs whole groups equally.
    let w = Rng::new(1).normal(4, 4);
    for spectrum in [[1.0, 1.0, 2.0, 3.0], [2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0], [1.0, 1.5, 2.0, 3.0]] {
        let a = Rng::new(2).with_spectrum(&spectrum);
        let square = pullback::grad(
            |a: Var| {
                let l = a.eigvalsh();
                l.dot(l)
            },
            &a,
        )
        .unwrap();
        close(&square, &(Scale(2.0) * &a), 1e-13);
        let constant = pullback::func(|a: Var| {
            let v = a.eigh().1;
            v.mul_t(v).dot(&w)
        });
        assert!(pullback::grad(constant, &a).unwrap().norm_max() < 1e-13);
    }
}

#[test]
fn a_group_of_eigenvectors_is_the_projector() {
    // The group {1, 1} of {1, 1, 2, 3} through its vectors, at the tie, in forward and reverse mode.
    let (w, v) = (Rng::new(1).normal(4, 4), Rng::new(3).normal(4, 4));
    for gap in [0.0, 1e-8, 1e-4] {
        let a = Rng::new(2).with_spectrum(&[1.0, 1.0 + gap, 2.0, 3.0]);
        let through = pullback::func(|a: Var| {
            let q = a.symmetric().gauge(Gauge::Project).vectors(0..2);
            q.mul_t(q).dot(&w)
        });
        let smooth = pullback::func(|a: Var| a.symmetric().projector(0..2).dot(&w));
        let basis = pullback::func(|a: Var| {
            let q = a.symmetric().invariant_subspace(0..2);
            q.mul_t(q).dot(&w)
        });
        let g = pullback::grad(smooth, &a).unwrap();
        // Through the vectors of a near tie, rounding is divided by the gap.
        let loss = if gap > 0.0 { 1e-15 / gap } else { 0.0 };
        close(&pullback::grad(through, &a).unwrap(), &g, 1e-13 + loss);
        close(&pullback::grad(basis, &a).unwrap(), &g, 1e-13);
        let [d, e] = [pullback::jvp(smooth, &a, &v), pullback::jvp(through, &a, &v)].map(|d| d.unwrap().1.data()[0]);
        assert!((d - e).abs() < (1e-13 + loss) * g.norm_l2() * v.norm_l2(), "{d} {e}");
        let h = pullback::hvp(smooth, &a, &v).unwrap();
        for found in hessians(basis, &a, &v).into_iter().chain(hessians(smooth, &a, &v)) {
            close(&found.unwrap(), &h, 1e-12);
        }
        // Second derivatives through the vectors of a tie are refused, with a word on what is smooth.
        if gap == 0.0 {
            for found in hessians(through, &a, &v) {
                let said = failure(found);
                assert!(matches!(said, Failure::NotDifferentiable { what } if what.contains("projector")), "{said}");
            }
        }
    }
}

#[test]
fn a_use_that_sees_the_basis_is_reported_noted_or_projected() {
    let (a, w) = (Mat::<f64>::identity(3, 3), Rng::new(1).normal(3, 3));
    let tape = Tape::new();
    let x = tape.input(&a);
    let seen = |gauge: Gauge| tape.gradient(x.symmetric().gauge(gauge).vectors(0..3).dot(&w), x);
    let Failure::GaugeDependent { defect } = failure(seen(Gauge::Error)) else { panic!("another verdict") };
    assert!(defect > 1e-2 && defect <= 1.0);
    assert_eq!(tape.gauge_defect(), 0.0);
    // Everything is tied: nothing is left.
    assert_eq!(seen(Gauge::Project).unwrap().into_mat(), Mat::<f64>::zeros(3, 3));
    assert_eq!(seen(Gauge::Warn).unwrap().into_mat(), Mat::<f64>::zeros(3, 3));
    assert_eq!(tape.gauge_defect(), defect);
    // Forward mode has no cotangent to judge, and says so.
    let moved = pullback::jvp(|a: Var| a.eigh().1, &a, &w);
    assert!(matches!(failure(moved), Failure::TiedVectors { .. }));
    // A direction that keeps the basis moves no vector.
    let along = diagonal(&[1.0, 2.0, 3.0]);
    let d = pullback::jvp(|a: Var| a.symmetric().vectors(0..3), &a, &along).unwrap().1;
    assert_eq!(d.into_mat(), Mat::<f64>::zeros(3, 3));
}

#[test]
fn the_verdict_on_a_tie_is_given_anew_at_replay() {
    let (tied, apart) = (diagonal(&[1.0, 1.0, 2.0]), diagonal(&[1.0, 1.5, 2.0]));
    let w = Rng::new(1).normal(3, 3);
    let tape = Tape::new();
    let a = tape.input(&apart);
    let y = a.eigh().1.dot(&w);
    let g = tape.grad_on_tape(y, a).unwrap();
    assert!(tape.gradient(g.dot(g), a).is_ok());
    tape.set(a, &tied);
    assert!(matches!(failure(tape.replay()), Failure::GaugeDependent { .. }));
    tape.set(a, &apart);
    tape.replay().unwrap();
    assert!(tape.gradient(g.dot(g), a).is_ok());
}

#[test]
fn ties_among_others_do_not_matter() {
    let (w, v) = (Rng::new(1).normal(5, 1), Rng::new(3).normal(5, 5));
    let top = pullback::func(|a: Var| {
        let (s, n) = (a.symmetric(), a.rows());
        s.vectors(n - 1..n).dot(&w) + s.values(n - 1..n).sin()
    });
    // The same by the projector, whose derivatives are known: q = P w / |P w| up to sign.
    let by_projector = pullback::func(|a: Var| {
        let p = a.spectral_projector(1) * &w;
        p.norm() + (a * a.spectral_projector(1)).trace().sin()
    });
    let a = Rng::new(2).with_spectrum(&[1.0, 1.0, 1.0, 1.0, 3.0]);
    let sign = pullback::value(|a: Var| a.symmetric().vectors(4..5).dot(&w), &a).unwrap().data()[0].signum();
    let signed = pullback::func(|a: Var| {
        let s = a.symmetric();
        s.vectors(4..5).dot(&w) * sign + s.values(4..5).sin()
    });
    close(&pullback::grad(signed, &a).unwrap(), &pullback::grad(by_projector, &a).unwrap(), 1e-13);
    let h = pullback::hvp(by_projector, &a, &v).unwrap();
    for found in hessians(signed, &a, &v) {
        close(&found.unwrap(), &h, 1e-12);
    }
    assert!(pullback::jvp(top, &a, &v).is_ok());
    // And for singular values.
    let x = Rng::new(4).orthonormal(6, 4) * diagonal(&[3.0, 1.0, 1.0, 1.0]) * Rng::new(5).orthonormal(4, 4);
    let (u, d) = (Rng::new(6).normal(6, 1), Rng::new(7).normal(6, 4));
    let first = pullback::func(|x: Var| {
        let (p, s, q) = x.svd_truncated(1);
        p.dot(&u).hadamard(p.dot(&u)) + s.sin() + q.mul_t(q).slice(0, 1, 1, 1)
    });
    // Through the eigenpair of A'A.
    let other = pullback::func(|x: Var| {
        let b = x.t_mul(x);
        let (p, s) = (b.spectral_projector(1), b.symmetric().values(3..4).sqrt());
        let y = p * x.t_mul(&u);
        (y.dot(y)).elem_div(s.hadamard(s)) + s.sin() + p.slice(0, 1, 1, 1)
    });
    close(&pullback::grad(first, &x).unwrap(), &pullback::grad(other, &x).unwrap(), 1e-13);
    let h = pullback::hvp(other, &x, &d).unwrap();
    for found in hessians(first, &x, &d) {
        close(&found.unwrap(), &h, 1e-11);
    }
}

#[test]
fn sums_over_tied_values_are_smooth_in_reverse_mode() {
    // The sum of the two largest of {1, 2, 2}: <P, A>.
    let (a, v) = (Rng::new(2).with_spectrum(&[1.0, 2.0, 2.0]), Rng::new(3).normal(3, 3));
    let sum = pullback::func(|a: Var| a.symmetric().values(1..3).sum());
    let p = pullback::value(|a: Var| a.spectral_projector(2), &a).unwrap().into_mat();
    close(&pullback::grad(sum, &a).unwrap(), &p, 1e-14);
    let h = pullback::grad(|a: Var| a.grad(sum).dot(&v), &a).unwrap();
    close(&h, &pullback::grad(|a: Var| a.spectral_projector(2).dot(sym(&v)), &a).unwrap(), 1e-13);
    let kink = pullback::grad(|a: Var| a.symmetric().values(2..3), &a);
    assert!(matches!(failure(kink), Failure::NotDifferentiable { .. }));
    // Along a multiple of the identity every eigenvalue moves alike.
    let d = pullback::jvp(|a: Var| a.eigvalsh(), &a, &Mat::identity(3, 3)).unwrap().1;
    close(&d.into_mat(), &Mat::from_fn(3, 1, |_, _| 1.0), 1e-14);
}

// ---- closed forms -----------------------------------------------------------------------------------------------

#[test]
fn the_projector_of_two_by_two_is_known() {
    // P = (I + B / |B|) / 2 for the traceless part B, |B|² = (tr B²)/2: by entries, to second order.
    let by_entries = pullback::func(|a: Var| {
        let (p, q) = (a.slice(0, 0, 1, 1) - a.slice(1, 1, 1, 1), a.slice(0, 1, 1, 1) + a.slice(1, 0, 1, 1));
        let (p, q) = (p * 0.5, q * 0.5);
        let r = (p * p + q * q).sqrt();
        p.elem_div(r) * 0.5 * 1.5 + q.elem_div(r) * 0.25 + 0.25
    });
    // <P, diag(1, -1/2)> + <P, off>/4
    let w = faer::mat![[1.0, 0.25], [0.25, -0.5]];
    let projector = pullback::func(|a: Var| a.spectral_projector(1).dot(&w));
    for seed in 0..5 {
        let (a, v) = (Rng::new(seed).normal(2, 2), Rng::new(seed + 50).normal(2, 2));
        let (x, y) =
            (pullback::value_and_grad(by_entries, &a).unwrap(), pullback::value_and_grad(projector, &a).unwrap());
        assert!((x.0 - y.0).abs() < 1e-13 * x.0.abs().max(1.0));
        close(&x.1, &y.1, 1e-12);
        close(&pullback::hvp(by_entries, &a, &v).unwrap(), &pullback::hvp(projector, &a, &v).unwrap(), 1e-11);
    }
}

#[test]
fn norms_of_singular_values_are_those_of_the_polar_factor() {
    for (m, n) in [(4, 3), (3, 3), (2, 4), (1, 3)] {
        let (x, v) = (Kind::Distinct(m, n).generic(1), Rng::new(2).normal(m, n));
        let by_polar =
            pullback::func(|x: Var| if x.rows() >= x.cols() { x.polar().1.trace() } else { x.t().polar().1.trace() });
        let nuclear = pullback::func(|x: Var| x.nuclear_norm());
        let [norm, trace] = [pullback::value(nuclear, &x), pullback::value(by_polar, &x)].map(|y| y.unwrap().data()[0]);
        assert!((norm - trace).abs() < 1e-13 * norm);
        close(&pullback::grad(nuclear, &x).unwrap(), &pullback::grad(by_polar, &x).unwrap(), 1e-13);
        close(&pullback::hvp(nuclear, &x, &v).unwrap(), &pullback::hvp(by_polar, &x, &v).unwrap(), 1e-12);
        let both = pullback::func(|x: Var| x.spectral_norm() * x.spectral_norm());
        let gram = pullback::func(|x: Var| {
            let n = x.cols();
            x.t_mul(x).symmetric().values(n - 1..n)
        });
        close(&pullback::grad(both, &x).unwrap(), &pullback::grad(gram, &x).unwrap(), 1e-13);
        close(&pullback::hvp(both, &x, &v).unwrap(), &pullback::hvp(gram, &x, &v).unwrap(), 1e-12);
    }
    // At equal singular values too, in reverse mode.
    let (q, v) = (Rng::new(3).orthonormal(4, 3), Rng::new(4).normal(4, 3));
    close(&pullback::grad(|x: Var| x.nuclear_norm(), &q).unwrap(), &q, 1e-14);
    let h = pullback::grad(|x: Var| x.grad(|x| x.nuclear_norm()).dot(&v), &q).unwrap();
    close(&h, &pullback::jvp(|x: Var| x.polar().0, &q, &v).unwrap().1.into_mat(), 1e-13);
}

#[test]
fn singular_values_at_zero_say_so() {
    for x in [diagonal(&[2.0, 1.0, 0.0]), Mat::from_fn(4, 3, |i, j| if i == j && i < 2 { 1.0 + i as f64 } else { 0.0 })]
    {
        let v = Rng::new(1).normal(x.nrows(), 3);
        assert!(pullback::value(|x: Var| x.svdvals(), &x).is_ok());
        let kink = |r| matches!(failure(r), Failure::NotDifferentiable { .. });
        assert!(kink(pullback::grad(|x: Var| x.nuclear_norm(), &x)));
        // The others have theirs.
        assert!(pullback::grad(|x: Var| x.spectral_norm(), &x).is_ok());
        assert!(pullback::hvp(|x: Var| x.spectral_norm(), &x, &v).is_ok());
        assert!(
            pullback::hvp(
                |x: Var| {
                    let (u, _, w) = x.svd_truncated(2);
                    u.sin().sum() + w.sin().sum()
                },
                &x,
                &v
            )
            .is_ok()
        );
    }
}

#[test]
fn a_truncated_svd_knows_of_the_rest() {
    // Against the full one, whose other cotangents are zero; the shortcut without the coupling is off by percents.
    let (x, v) = (Kind::Distinct(7, 6).generic(1), Rng::new(2).normal(7, 6));
    let (wu, wv) = (Rng::new(3).normal(7, 3), Rng::new(4).normal(6, 3));
    let cut = pullback::func(|x: Var| {
        let (u, s, w) = x.svd_truncated(3);
        u.dot(&wu) + w.dot(&wv) + s.sin().sum()
    });
    let full = pullback::func(|x: Var| {
        let (u, s, w) = x.svd();
        u.column_range(0, 3).dot(&wu) + w.column_range(0, 3).dot(&wv) + s.row_range(0, 3).sin().sum()
    });
    close(&pullback::grad(cut, &x).unwrap(), &pullback::grad(full, &x).unwrap(), 1e-13);
    close(&pullback::hvp(cut, &x, &v).unwrap(), &pullback::hvp(full, &x, &v).unwrap(), 1e-12);
    // The common shortcut takes the part outside of the columns kept over their singular values, as if there were no
    // others.
    let [a, b] = [wu.clone(), wv.clone()];
    let tape = Tape::plain();
    let (u, s, q) = tape.input(&x).svd_truncated(3);
    let (u, s, q) = (u.value().into_mat(), s.value().into_mat(), q.value().into_mat());
    let outside = |w: &Mat<f64>, basis: &Mat<f64>| {
        let rest = w - basis * (basis.transpose() * w);
        Mat::from_fn(w.nrows(), 3, |i, j| rest[(i, j)] / s[(j, 0)])
    };
    let shortcut = outside(&a, &u) * q.transpose() + &u * outside(&b, &q).transpose();
    let vectors = pullback::func(|x: Var| {
        let (u, _, w) = x.svd_truncated(3);
        u.dot(&wu) + w.dot(&wv)
    });
    let g = pullback::grad(vectors, &x).unwrap();
    // What is left of the gradient outside of the columns kept, on either side.
    let off = &g - &u * (u.transpose() * &g * &q) * q.transpose();
    assert!((&off - &shortcut).norm_max() > 1e-2 * off.norm_max(), "the coupling is worth percents here");
    // Pull the middle columns, which meet others on both sides.
    let middle = pullback::func(|x: Var| {
        let (u, _, w) = x.singular().triplets(2..4);
        u.sin().sum() + w.sin().sum()
    });
    let all = pullback::func(|x: Var| {
        let (u, _, w) = x.svd();
        u.column_range(2, 2).sin().sum() + w.column_range(2, 2).sin().sum()
    });
    close(&pullback::grad(middle, &x).unwrap(), &pullback::grad(all, &x).unwrap(), 1e-13);
}

#[test]
fn normal_forms_and_shapes() {
    let tape = Tape::plain();
    for (m, n) in [(4, 2), (2, 4), (3, 3), (70, 3), (30, 20), (20, 30), (0, 2), (2, 0)] {
        let x = tape.input(&Rng::new(7).normal(m, n));
        let (u, s, v) = x.svd();
        let k = m.min(n);
        assert_eq!([u.shape(), s.shape(), v.shape()], [Shape::mat(m, k), Shape::mat(k, 1), Shape::mat(n, k)]);
        let back = (u * s.to_diag()).mul_t(v).value().into_mat();
        close(&back, &x.value().into_mat(), 1e-13);
        let u = u.value().into_mat();
        for j in 0..k {
            let largest = (0..m).fold(0, |b, i| if u[(i, j)].abs() > u[(b, j)].abs() { i } else { b });
            assert!(u[(largest, j)] > 0.0);
        }
    }
    // Equally large entries: the first is positive.
    let (_, v) = tape.input(&faer::mat![[0.0, 1.0], [1.0, 0.0]]).eigh();
    let v = v.value().into_mat();
    assert!(v[(0, 0)] > 0.0 && v[(0, 1)] > 0.0);
    assert!(tape.check().is_ok());
}

// ---- functions of your own, and scale ----------------------------------------------------------------------------

/// The cosine with four derivatives, so that third orders of traces exist too.
pub(crate) struct Cosine;

impl ScalarFn for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }
    fn orders(&self) -> u32 {
        4
    }
    fn derivative(&self, k: u32, x: f64) -> f64 {
        [x.cos(), -x.sin(), -x.cos(), x.sin()][k as usize % 4]
    }
}

/// The exponential with its first derivative only.
struct Short;

impl ScalarFn for Short {
    fn name(&self) -> &'static str {
        "short"
    }
    fn orders(&self) -> u32 {
        1
    }
    fn derivative(&self, _: u32, x: f64) -> f64 {
        x.exp()
    }
}

#[test]
fn a_function_of_your_own_goes_as_far_as_its_derivatives() {
    let (a, v, w) = (Rng::new(1).with_spectrum(&[1.0, 1.0, 2.0]), Rng::new(2).normal(3, 3), Rng::new(3).normal(3, 3));
    let own = pullback::func(|a: Var| a.symmetric().map(SymFn::own(&Short)).dot(&w));
    let exp = pullback::func(|a: Var| a.expm_sym().dot(&w));
    close(&pullback::grad(own, &a).unwrap(), &pullback::grad(exp, &a).unwrap(), 1e-14);
    assert!(hessians(own, &a, &v).into_iter().all(|h| matches!(failure(h), Failure::Unsupported { .. })));
    let trace = pullback::func(|a: Var| a.trace_fun(SymFn::own(&Short)));
    close(&pullback::grad(trace, &a).unwrap(), &pullback::value(|a: Var| a.expm_sym(), &a).unwrap().into_mat(), 1e-14);
    assert!(matches!(failure(pullback::hvp(trace, &a, &v)), Failure::Unsupported { .. }));
}

#[test]
fn second_derivatives_of_polar_factors_know_no_scale() {
    // W(c X) = W(X), H(c X) = c H(X): so the Hessian of <W, N> along c V is that along V over c, that of <H, M> as it
    // is.
    for (m, n) in [(5, 3), (3, 3), (2, 2)] {
        let (x, v) = (Kind::Tall(m, n).generic(1), Rng::new(2).normal(m, n));
        let (nw, nh) = (Rng::new(3).normal(m, n), Rng::new(4).normal(n, n));
        let w = pullback::func(|x: Var| x.polar().0.dot(&nw));
        let h = pullback::func(|x: Var| x.polar().1.dot(&nh));
        let near = [pullback::hvp(w, &x, &v).unwrap(), pullback::hvp(h, &x, &v).unwrap()];
        for c in [2f64.powi(498), 2f64.powi(-498)] {
            let (far, along) = (Scale(c) * &x, Scale(c) * &v);
            for (f, near) in [(0, &near[0] * Scale(1.0 / c)), (1, near[1].clone())] {
                let found = if f == 0 { hessians(w, &far, &along) } else { hessians(h, &far, &along) };
                for found in found {
                    close(&found.unwrap(), &near, 1e-12);
                }
            }
        }
    }
}

// ---- Cayley -----------------------------------------------------------------------------------------------------

#[test]
fn the_low_rank_cayley_transform_is_the_full_one() {
    let mut rng = Rng::new(8);
    for (n, k, p) in [(6, 2, 3), (5, 1, 5), (4, 4, 2)] {
        let x0 = vec![rng.normal(n, p), rng.normal(n, k), rng.normal(n, k)];
        let w = rng.normal(n, p);
        let low = program(|x| x[0].cayley_low_rank(x[1], x[2], 0.05).dot(&w));
        let full = program(|x| (x[1].mul_t(x[2]).cayley(0.05) * x[0]).dot(&w));
        let (a, b) = (pullback::value_and_grad(&low, &x0).unwrap(), pullback::value_and_grad(&full, &x0).unwrap());
        assert!((a.0 - b.0).abs() < 1e-12 * a.0.abs().max(1.0));
        a.1.iter().zip(&b.1).for_each(|(a, b)| close(a, b, 1e-12));
        let (a, b) = (pullback::hvp(&low, &x0, &x0).unwrap(), pullback::hvp(&full, &x0, &x0).unwrap());
        a.iter().zip(&b).for_each(|(a, b)| close(a, b, 1e-11));
    }
    let one = [faer::mat![[1.0], [0.0]], faer::mat![[1.0], [0.0]], faer::mat![[2.0], [0.0]]];
    let tape = Tape::plain();
    let [x, u, v] = [0, 1, 2].map(|i| tape.input(&one[i]));
    let _ = x.cayley_low_rank(u, v, 0.5);
    assert!(matches!(failure(tape.check()), Failure::Singular { .. }));
}

fn program<F: for<'t> Fn(Vec<Var<'t>>) -> Var<'t>>(f: F) -> F {
    f
}

#[test]
fn the_sign_of_a_vector_does_not_hang_on_rounding() {
    // Two entries that are equal in modulus up to a few last digits: the first of them is positive, whichever is
    // larger.
    let tape = Tape::plain();
    for tilt in [-1e-10, -1e-12, -1e-15, 0.0, 1e-15, 1e-12, 1e-10] {
        let a = tape.input(&faer::mat![[2.0, 1.0], [1.0, 2.0 + tilt]]);
        for v in [a.eigh().1, a.svd().0, a.symmetric().vectors(0..2)] {
            let v = v.value().into_mat();
            assert!(v[(0, 0)] > 0.0 && v[(0, 1)] > 0.0, "{tilt:e}: {v:?}");
        }
    }
}

#[test]
fn a_gauge_defect_is_relative() {
    let (a, v) = (diagonal(&[1.0, 1.0, 2.0, 3.0]), Rng::new(5).normal(4, 4));
    let again = pullback::func(|x: Var| {
        let (u, s, w) = x.svd();
        (u * s.to_diag()).mul_t(w).norm()
    });
    let generic = Rng::new(3).with_spectrum(&[1.0, 1.0, 2.0, 3.0]);
    for scale in [1e-20, 1e-10, 1.0, 1e10, 1e20] {
        // A large cotangent of a program that does not see the basis is let through,
        let blind = pullback::func(|x: Var| again(x) * scale);
        for a in [&a, &generic] {
            close(&pullback::grad(blind, a).unwrap(), &(Scale(scale / a.norm_l2()) * a), 1e-12);
        }
        // and a small tangent of what does is not.
        let said = failure(pullback::jvp(again, &generic, &(Scale(scale) * &v)));
        assert!(matches!(said, Failure::TiedVectors { .. }), "{scale:e}: {said}");
    }
}
