//! A batch is its members, one by one; f32 is f64 with fewer digits.

mod common;
use common::*;
use faer::Mat;
use pullback::prelude::*;
use pullback::{Scalar, Shape, Triangle, value};

/// A program of two arguments that ends in one number.
trait Cost: for<'t> Fn((Var<'t>, Var<'t>)) -> Var<'t> {}
impl<F: for<'t> Fn((Var<'t>, Var<'t>)) -> Var<'t>> Cost for F {}

/// Value, gradients and Hessian-vector products of a batch against those of its members; `b` may have a batch of one.
#[track_caller]
fn members(name: &str, f: impl Cost, a: &Batch, b: &Batch) {
    let at = (a.clone(), b.clone());
    let v = (rotated(a), rotated(b));
    let (y, g) = value_and_grad(&f, &at).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (_, d) = jvp(&f, &at, &v).unwrap_or_else(|e| panic!("{name}: {e}"));
    let h = hvp(&f, &at, &v).unwrap_or_else(|e| panic!("{name}: {e}"));
    let r = grad(
        |(a, b)| {
            let ga = a.grad(|a| f((a, b)));
            let gb = b.grad(|b| f((a, b)));
            ga.dot(&v.0).sum() + gb.dot(&v.1).sum()
        },
        &at,
    );
    let r = r.unwrap_or_else(|e| panic!("{name}: {e}"));
    let (n, shared) = (a.shape().batch, b.shape().batch == 1);
    let (mut sum, mut dsum) = (0.0, 0.0);
    let (mut gb, mut hb) = (Mat::zeros(b.shape().rows, b.shape().cols), Mat::zeros(b.shape().rows, b.shape().cols));
    for k in 0..n {
        let kb = if shared { 0 } else { k };
        let (one, w) = ((a.member(k), b.member(kb)), (v.0.member(k), v.1.member(kb)));
        let (yk, gk) = value_and_grad(&f, &one).unwrap();
        let hk = hvp(&f, &one, &w).unwrap();
        sum += yk;
        dsum += jvp(&f, &one, &w).unwrap().1.data()[0];
        let tol = 1e-15 * 8.0;
        close_mat(&g.0.member(k), &gk.0, tol);
        close_mat(&h.0.member(k), &hk.0, tol);
        close_mat(&r.0.member(k), &hk.0, 1e-12);
        if shared {
            (gb, hb) = (gb + gk.1, hb + hk.1);
        } else {
            close_mat(&g.1.member(k), &gk.1, tol);
            close_mat(&h.1.member(k), &hk.1, tol);
            close_mat(&r.1.member(k), &hk.1, 1e-12);
        }
    }
    assert!((y - sum).abs() <= 1e-14 * (1.0 + sum.abs()), "{name}: {y} {sum}");
    assert!((d.data()[0] - dsum).abs() <= 1e-13 * (1.0 + dsum.abs()), "{name}");
    if shared {
        close_mat(&g.1.member(0), &gb, 1e-14);
        close_mat(&h.1.member(0), &hb, 1e-14);
        close_mat(&r.1.member(0), &hb, 1e-12);
    }
}

/// The same numbers in another order.
fn rotated(b: &Batch) -> Batch {
    let mut data = b.data().to_vec();
    data.reverse();
    Batch::from_slice(b.shape(), &data)
}

fn both(name: &str, n: usize, a: &Batch, f: impl Cost) {
    let b = |count: usize| batch_of(count, n, n, |k| rnd(n, n, 50 + k));
    members(name, &f, a, &b(3));
    members(&format!("{name}, a batch of one"), &f, a, &b(1));
}

#[test]
fn a_batch_is_its_members() {
    for n in [2, 5, 20] {
        let any = batch_of(3, n, n, |k| rnd(n, n, k));
        let regular = batch_of(3, n, n, |k| regular(n, k));
        let spd = batch_of(3, n, n, |k| spd(n, k));
        let tall = batch_of(3, n + 2, n, |k| rnd(n + 2, n, k));
        both("product", n, &any, |(a, b)| (a * b).tanh().sum());
        both("product from the left", n, &any, |(a, b)| (b * a).tanh().sum());
        both("transposed products", n, &any, |(a, b)| (a.t_mul(b) + a.mul_t(b) + a.t_mul_t(b)).tanh().sum());
        both("product and sum", n, &any, |(a, b)| b.add_mul(0.5, a, b).tanh().sum());
        both("sum", n, &any, |(a, b)| (a + b).tanh().sum());
        both("quotient", n, &any, |(a, b)| a.hadamard(b).elem_div(b + 2.0).sum());
        both("maximum", n, &any, |(a, b)| a.max(b).hadamard(a).sum());
        both("dot", n, &any, |(a, b)| a.dot(b).tanh().sum());
        both("norm", n, &any, |(a, b)| (a.norm() * b.norm()).sum());
        both("solve", n, &regular, |(a, b)| a.solve(b).dot(b).sum());
        both("transposed solve", n, &regular, |(a, b)| a.lu().solve_transpose(b).dot(b).sum());
        both("inverse", n, &regular, |(a, b)| (a.inverse() * b).tanh().sum());
        both("logdet", n, &regular, |(a, b)| (a.logdet() * b.trace()).sum());
        let how = Triangle::LOWER.transposed().from_right();
        both("triangular solve", n, &spd, |(a, b)| (a.cholesky().solve_triangular_with(how, b)).tanh().sum());
        both("cholesky", n, &spd, |(a, b)| a.cholesky().dot(b).tanh().sum());
        both("cayley", n, &any, |(a, b)| a.skew().cayley(0.5).dot(b).tanh().sum());
        both("logarithm", n, &spd, |(a, b)| a.logm_spd().dot(b).tanh().sum());
        both("root", n, &spd, |(a, b)| a.sqrtm_spd().dot(b).tanh().sum());
        both("power", n, &spd, |(a, b)| a.powm_spd(0.3).dot(b).tanh().sum());
        both("trace", n, &spd, |(a, b)| (a.trace_fun(SymFn::Exp).ln() * b.sum_each()).sum());
        both("a Fréchet derivative", n, &spd, |(a, b)| a.symmetric().frechet(SymFn::Ln, &[b]).dot(b).sum());
        both("sylvester", n, &spd, |(a, b)| a.sylvester(b, b * a).tanh().sum());
        both("lyapunov", n, &spd, |(a, b)| (a.lyapunov(b) + a.lyapunov(b * a)).tanh().sum());
        both("general root", n, &spd, |(a, b)| (a + 0.1 * b.tril()).sqrtm().dot(b).tanh().sum());
        both("general logarithm", n, &spd, |(a, b)| (a + 0.1 * b.tril()).logm().dot(b).tanh().sum());
        both("parts", n, &any, |(a, b)| (a.tril() * b.triu() + a.sym() * b.skew()).tanh().sum());
        both("layout", n, &any, |(a, b)| (a.t().slice(0, 1, n, n - 1) * b.row_range(1, n - 1)).diag().tanh().sum());
        both("qr", n, &tall, |(a, b)| {
            let (q, r) = a.qr();
            (q * b).tanh().sum() + r.dot(b).tanh().sum()
        });
        both("polar", n, &tall, |(a, b)| {
            let (w, h) = a.polar();
            (w * b).tanh().sum() + h.dot(b).tanh().sum()
        });
    }
}

#[test]
fn broadcasts_of_rows_columns_and_numbers() {
    let a = batch_of(3, 4, 2, |k| rnd(4, 2, k));
    for (rows, cols) in [(4, 1), (1, 2), (1, 1)] {
        for count in [1, 3] {
            let b = batch_of(count, rows, cols, |k| rnd(rows, cols, 9 + k));
            members("sum", |(a, b)| (a + b).tanh().sum(), &a, &b);
            members("product", |(a, b)| a.hadamard(b).tanh().sum(), &a, &b);
            members("quotient", |(a, b)| a.elem_div(b + 2.0).tanh().sum(), &a, &b);
            members("maximum", |(a, b)| a.max(b).hadamard(a).sum(), &a, &b);
            members("scale", |(a, b)| (b.sum_each() * a).tanh().sum(), &a, &b);
        }
    }
    // Sums over each axis.
    let x = batch_of(3, 4, 2, |k| rnd(4, 2, k));
    let total = |f: &dyn for<'t> Fn(Var<'t>) -> Var<'t>| value(f, &x).unwrap();
    assert_eq!(total(&|x| x.column_sums()).shape(), Shape::batch(3, 1, 2));
    assert_eq!(total(&|x| x.row_sums()).shape(), Shape::batch(3, 4, 1));
    assert_eq!(total(&|x| x.sum_each()).shape(), Shape::batch(3, 1, 1));
    assert_eq!(total(&|x| x.sum_to(Shape::mat(4, 2))).shape(), Shape::mat(4, 2));
    let mean = total(&|x| x.sum_to(Shape::mat(4, 2)));
    close_mat(&mean.into_mat(), &(x.member(0) + x.member(1) + x.member(2)), 1e-15);
}

/// Programs that know no scalar type: costs of one square matrix.
macro_rules! programs {
    ($T:ty, $b:expr) => {{
        type F = Box<dyn for<'t> Fn(Var<'t, $T>) -> Var<'t, $T>>;
        let b: Mat<$T> = $b;
        let n = b.nrows();
        let (b1, b2, b3, b4, b5, b6, b7) =
            (b.clone(), b.clone(), b.clone(), b.clone(), b.clone(), b.clone(), b.clone());
        let list: Vec<(&str, F)> = vec![
            ("product", Box::new(move |x| (x * &b1 * x.t()).tanh().sum())),
            (
                "qr",
                Box::new(move |x| {
                    let (q, r) = x.column_range(0, n - 1).qr();
                    q.t_mul(&b2 * q).sum() + r.norm()
                }),
            ),
            ("polar", Box::new(move |x| x.column_range(0, n - 1).polar().0.t_mul(&b3).tanh().sum())),
            ("solve", Box::new(move |x| x.solve(&b4).dot(&b4) + x.logdet())),
            ("cholesky", Box::new(move |x| (x * x.t()).cholesky().dot(&b5))),
            ("spectral", Box::new(move |x| (x * x.t()).logm_spd().dot(&b6) + (x.mul_t(x)).trace_fun(SymFn::SQRT))),
            ("cayley", Box::new(move |x| x.skew().cayley(0.5).dot(&b7))),
            (
                "elementwise",
                Box::new(|x| (x.exp() + x.sin().hadamard(x)).sigmoid().softplus().relu().row_sums().norm()),
            ),
            ("inside", Box::new(|x| x.grad(|x| x.tanh().dot(x)).sum() + x.checkpoint(|x| x.cos() * x).sum())),
        ];
        list
    }};
}

fn single(m: &Mat<f64>) -> Mat<f32> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)] as f32)
}

fn double(m: &Mat<f32>) -> Mat<f64> {
    Mat::from_fn(m.nrows(), m.ncols(), |i, j| f64::from(m[(i, j)]))
}

#[test]
fn whole_programs_in_single_precision() {
    for n in [3, 12, 40] {
        let point = 2.0 * Mat::<f64>::identity(n, n) + rnd(n, n, 1) * (1.0 / (n as f64).sqrt());
        let (x, v, b) = (single(&point), single(&rnd(n, n, 2)), single(&rnd(n, n, 3)));
        let (x64, v64) = (double(&x), double(&v));
        let doubles = programs!(f64, double(&b));
        for ((name, f), (_, g)) in programs!(f32, b.clone()).into_iter().zip(doubles) {
            let (y, dy) = value_and_grad(&f, &x).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (y64, dy64) = value_and_grad(&g, &x64).unwrap();
            let h = hvp(&f, &x, &v).unwrap();
            let h64 = hvp(&g, &x64, &v64).unwrap();
            let d = jvp(&f, &x, &v).unwrap().1.data()[0];
            let d64 = jvp(&g, &x64, &v64).unwrap().1.data()[0];
            // Rounding of f32, times the size of the sums and a modest condition.
            let tol = 200.0 * f64::from(f32::EPSILON) * n as f64;
            let size = 1.0 + y64.abs();
            assert!((f64::from(y) - y64).abs() < tol * size, "{name} of order {n}: {y} {y64}");
            assert!((f64::from(d) - d64).abs() < tol * (1.0 + d64.abs()), "{name} of order {n}: {d} {d64}");
            let gap = |a: &Mat<f32>, b: &Mat<f64>| (double(a) - b).norm_l2() / (1.0 + b.norm_l2());
            assert!(gap(&dy, &dy64) < tol, "{name} of order {n}: gradient {:e}", gap(&dy, &dy64));
            assert!(gap(&h, &h64) < tol, "{name} of order {n}: hvp {:e}", gap(&h, &h64));
            // It is not f64 in disguise.
            assert!(gap(&dy, &dy64) > 1e-12 || name == "inside", "{name} of order {n}");
        }
    }
}

#[test]
fn verdicts_in_single_precision() {
    let tape = Tape::<f32>::new();
    let x = tape.input(&faer::mat![[1.0_f32, 2.0], [2.0, 4.0]]);
    assert!(x.try_cholesky().is_err() && x.try_qr().is_err() && x.try_solve(&faer::mat![[1.0_f32], [1.0]]).is_err());
    assert!(value(|x: Var<f32>| x.cholesky(), &faer::mat![[f32::NAN]]).is_err());
    // Singular to single precision, regular to double.
    let a = faer::mat![[1.0, 1.0], [1.0, 1.0 + 1e-10]];
    assert!(value(|x| x.inverse(), &a).is_ok());
    assert!(value(|x| x.inverse(), &single(&a)).is_err());
    fn number<T: Scalar>() -> usize {
        size_of::<T>()
    }
    assert_eq!((number::<f32>(), number::<f64>()), (4, 8));
}
