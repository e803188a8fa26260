//! Properties of the rules, by family, as functions of a few choices. Called by the fuzz targets and by the tests of the engine.
//!
//! Whatever the case: a value with derivatives whose identities hold to rounding (dot test, second orders, symmetry), or a typed
//! error. No panic, and nothing that is silently not a number.

use pullback::faer::Mat;
use pullback::{Axis, Batch, Custom, Error, Leaves, Many, Shape, SymFn, Tape, Triangle, Uplo, Var};
use pullback_check::check_many;
use std::sync::Arc;

/// The choices of a case. Every value of every field means something.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Of the entries.
    pub seed: u64,
    /// Rows, taken modulo a few.
    pub rows: u8,
    /// Columns, likewise.
    pub cols: u8,
    /// Members of the batch.
    pub batch: u8,
    /// Generic, tied, nearly tied, nearly singular, singular, integer, zero, far from 1.
    pub kind: u8,
    /// The decimal digits of the distance from the degenerate case.
    pub distance: u8,
    /// Which operation of the family.
    pub op: u8,
}

/// A family: its name (that of its target), its property, and the primitives that it reaches.
pub type Family = (&'static str, fn(&Case), &'static [&'static str]);

/// Every family.
pub const FAMILIES: &[Family] = &[
    (
        "elementwise",
        elementwise,
        &[
            "add",
            "scale",
            "shift",
            "hadamard",
            "elem_div",
            "unary",
            "unary_derivative",
            "extremum",
            "route",
            "sum",
            "broadcast",
            "dot",
            "norm",
            "nonzero",
        ],
    ),
    (
        "layout",
        layout,
        &["transpose", "reshape", "slice", "embed", "concat", "gather", "scatter", "diag", "from_diag", "part"],
    ),
    ("product", product, &["matmul", "matmul_add"]),
    ("trsm", trsm, &["solve_triangular"]),
    ("lu", lu, &["lu", "solve", "inverse", "logdet"]),
    ("cholesky", cholesky, &["cholesky"]),
    ("qr", qr, &["qr"]),
    ("spectral", spectral, &["eigh", "positive_definite", "spectral", "spectral_trace"]),
    ("polar", polar, &["polar", "sym_lyapunov"]),
    ("cayley", cayley, &["cayley"]),
    ("program", program, &["custom", "checkpoint", "alias", "stop_gradient"]),
];

// ---- numbers ----------------------------------------------------------------------------------------------------

/// Splitmix: the entries of a case.
struct Entries(u64);

impl Entries {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    /// In `[-1, 1)`.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
    fn mat(&mut self, m: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(m, n, |_, _| self.unit())
    }
    fn orthonormal(&mut self, m: usize, n: usize) -> Mat<f64> {
        (self.mat(m, n) + Mat::from_fn(m, n, |i, j| if i == j { 2.0 } else { 0.0 })).qr().compute_thin_Q()
    }
}

fn diagonal(d: &[f64]) -> Mat<f64> {
    Mat::from_fn(d.len(), d.len(), |i, j| if i == j { d[i] } else { 0.0 })
}

/// How far a matrix is from regular, tied or generic.
struct Spectrum {
    values: Vec<f64>,
    /// The largest over the smallest: the digits a solve with it loses.
    condition: f64,
}

impl Case {
    fn entries(&self, salt: u64) -> Entries {
        Entries(self.seed ^ salt.wrapping_mul(0xA24B_AED4_963E_E407))
    }
    fn size(&self) -> (usize, usize) {
        (usize::from(self.rows % 6), usize::from(self.cols % 6))
    }
    fn tall(&self) -> (usize, usize) {
        let (m, n) = self.size();
        (m.max(n), m.min(n))
    }
    fn members(&self) -> usize {
        usize::from(self.batch % 3) + 1
    }
    fn gap(&self) -> f64 {
        10f64.powi(-i32::from(self.distance % 18))
    }

    /// Positive numbers with ties, near ties, or small ones among them.
    fn spectrum(&self, n: usize, salt: u64) -> Spectrum {
        let mut e = self.entries(salt);
        let values: Vec<f64> = match self.kind % 6 {
            0 => (0..n).map(|_| 1.5 + e.unit()).collect(),
            1 => vec![1.0; n],
            2 => (0..n).map(|i| 1.0 + i as f64 * self.gap()).collect(),
            3 => (0..n).map(|i| if i == 0 { self.gap() } else { 1.0 }).collect(),
            4 => (0..n).map(|i| (1.0 + (i / 2) as f64) * (1.0 + (i % 2) as f64 * self.gap())).collect(),
            _ => (0..n).map(|i| 1e30 * (1.0 + i as f64)).collect(),
        };
        let (low, high) = values.iter().fold((f64::MAX, 0.0f64), |(l, h), v| (l.min(*v), h.max(*v)));
        Spectrum { condition: if n == 0 { 1.0 } else { high / low }, values }
    }

    /// `U diag(spectrum) V'` for each member, and its condition.
    fn with_spectrum(&self, m: usize, n: usize, salt: u64) -> (Batch<f64>, f64) {
        let s = self.spectrum(n, salt);
        let member = |b: u64| {
            let mut e = self.entries(salt + 100 * b + 1);
            e.orthonormal(m, n) * diagonal(&s.values) * e.orthonormal(n, n)
        };
        (self.stack(m, n, member), s.condition)
    }

    /// `V diag(spectrum) V'` for each member, and its condition.
    fn symmetric(&self, n: usize, salt: u64) -> (Batch<f64>, f64) {
        let s = self.spectrum(n, salt);
        let member = |b: u64| {
            let v = self.entries(salt + 100 * b + 1).orthonormal(n, n);
            &v * diagonal(&s.values) * v.transpose()
        };
        (self.stack(n, n, member), s.condition)
    }

    /// Entries of the kind: generic, integers, zeros, large, small, sparse.
    fn any(&self, m: usize, n: usize, salt: u64) -> Batch<f64> {
        let kind = self.kind % 6;
        self.stack(m, n, |b| {
            let mut e = self.entries(salt + 100 * b);
            Mat::from_fn(m, n, |_, _| {
                let x = e.unit();
                match kind {
                    0 => x,
                    1 => (3.0 * x).round(),
                    2 => 0.0,
                    3 => x * 1e30,
                    4 => x * 1e-30,
                    _ => {
                        if x > 0.5 {
                            2.0 * x
                        } else {
                            0.0
                        }
                    }
                }
            })
        })
    }

    fn stack(&self, m: usize, n: usize, mut member: impl FnMut(u64) -> Mat<f64>) -> Batch<f64> {
        let k = self.members();
        let data: Vec<f64> = (0..k as u64)
            .flat_map(|b| {
                let a = member(b);
                (0..m * n).map(|i| a[(i % m, i / m)]).collect::<Vec<_>>()
            })
            .collect();
        Batch::from_slice(Shape::batch(k, m, n), &data)
    }
}

// ---- the property -----------------------------------------------------------------------------------------------

/// From inputs to outputs.
pub type Program = for<'t> fn(&[Var<'t>]) -> Vec<Var<'t>>;

/// Beyond this condition number nothing is asked of second derivatives: their error is its cube.
const SECOND: f64 = 1e3;
/// And beyond this, nothing but an orderly answer.
const FIRST: f64 = 1e6;

/// The identities hold, or there is a typed error; and what is not finite is refused, or gives finite numbers.
#[track_caller]
pub fn holds(case: &Case, name: &str, f: Program, x0: &Vec<Batch<f64>>, condition: f64) {
    let last = if condition <= SECOND { 2 } else { 1 };
    let report = check_many(|x: Vec<Var>| Many(f(&x)), x0)
        .seed(case.seed)
        .orders(1..=last)
        .condition((condition * condition).max(1.0))
        .without_slopes()
        .run();
    let excused = condition > FIRST;
    assert!(excused || !report.is_wrong(), "{name} on {case:?}:\n{report}\n{x0:?}");
    use pullback_check::Error::{Derivative, TooLarge, Value};
    let orderly = matches!(report.error, None | Some(Value(_) | Derivative { .. } | TooLarge { .. }));
    assert!(orderly, "{name} on {case:?}:\n{report}");
    refuses(case, name, f, x0);
}

/// One entry that is not finite: an error, or (where it is not read, or absorbed) numbers that are finite.
fn refuses(case: &Case, name: &str, f: Program, x0: &[Batch<f64>]) {
    let mut e = case.entries(77);
    let mut x: Vec<Batch<f64>> = x0.to_vec();
    let leaf = (e.next() % x.len() as u64) as usize;
    let n = x[leaf].data().len();
    if n == 0 {
        return;
    }
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX][(e.next() % 4) as usize];
    x[leaf].data_mut()[(e.next() % n as u64) as usize] = bad;
    let found = pullback::vjp_many(|x: Vec<Var>| Many(f(&x)), &x).and_then(|(y, pull)| {
        let w: Vec<Batch<f64>> = y.iter().map(|y| Batch::from_fn(y.shape(), |_, _, _| 1.0)).collect();
        pull(&w).map(|g| (y, g))
    });
    if let Ok((y, g)) = found {
        let finite = |l: &[Batch<f64>]| l.iter().all(|b| b.data().iter().all(|x| x.is_finite()));
        assert!(finite(&y) && finite(&g), "{name} on {case:?} with {bad}: an Ok that is not finite");
    }
}

/// The values of a program, if it has them.
fn values(f: Program, x0: &[Batch<f64>]) -> Result<Vec<Batch<f64>>, Error> {
    let tape = Tape::plain();
    let x: Vec<Var> = x0.iter().map(|x| tape.input(x)).collect();
    let y = f(&x).iter().map(Var::value).collect();
    tape.check()?;
    Ok(y)
}

/// `a` and `b` agree to rounding, relative to the larger.
#[track_caller]
fn near(case: &Case, name: &str, a: &Mat<f64>, b: &Mat<f64>) {
    let (d, size) = ((a - b).norm_max(), a.norm_max().max(b.norm_max()));
    assert!(d <= VALUE * size, "{name} on {case:?}: {d:e} of {size:e}");
}

/// Backward errors of factorisations of order below six.
const VALUE: f64 = 1e-13;

fn pick<const N: usize>(case: &Case, list: [(&'static str, Program); N]) -> (&'static str, Program) {
    list[usize::from(case.op) % N]
}

// ---- the families -----------------------------------------------------------------------------------------------

/// Functions of entries, sums and norms, with broadcasting.
pub fn elementwise(case: &Case) {
    let (m, n) = case.size();
    let (name, f) = pick(
        case,
        [
            ("a + b", |x| vec![x[0] + x[1]]),
            ("a - b", |x| vec![x[0].lincomb(2.0, x[1], -1.0) * 3.0 + 1.0]),
            ("a o b", |x| vec![x[0].hadamard(x[1])]),
            ("a / b", |x| vec![x[0].elem_div(x[1])]),
            ("max, min", |x| vec![x[0].max(x[1]), x[0].min(x[1])]),
            ("exp", |x| vec![x[0].exp()]),
            ("ln", |x| vec![x[0].abs().ln()]),
            ("sqrt", |x| vec![x[0].abs().sqrt()]),
            ("recip", |x| vec![x[0].recip()]),
            ("powf", |x| vec![x[0].abs().powf(1.5), x[0].powf(2.0), x[0].powf(0.0)]),
            ("tanh", |x| vec![x[0].tanh()]),
            ("sigmoid", |x| vec![x[0].sigmoid()]),
            ("relu", |x| vec![x[0].relu(), x[0].abs()]),
            ("softplus", |x| vec![x[0].softplus()]),
            ("sin", |x| vec![x[0].sin(), x[0].cos()]),
            ("sums", |x| vec![x[0].sum(), x[0].sum_each(), x[0].sum_rows(), x[0].sum_cols(), x[0].sum_batch()]),
            ("dot", |x| vec![x[0].dot(x[0]), x[0].dot(x[0].tanh())]),
            ("norm", |x| vec![x[0].norm()]),
        ],
    );
    // The second operand is broadcast along what the seed says.
    let pattern = case.seed % 4;
    let (bm, bn) = (if pattern & 1 == 1 { 1 } else { m }, if pattern & 2 == 2 { 1 } else { n });
    holds(case, name, f, &vec![case.any(m, n, 1), case.any(bm, bn, 2)], 1.0);
}

/// Moves of entries.
pub fn layout(case: &Case) {
    let (m, n) = case.size();
    let (name, f) = pick(
        case,
        [
            ("t", |x| vec![x[0].t()]),
            ("reshape", |x| vec![x[0].reshape(x[0].cols(), x[0].rows()), x[0].reshape(x[0].rows() * x[0].cols(), 1)]),
            ("slice", |x| {
                let (m, n) = (x[0].rows(), x[0].cols());
                vec![x[0].slice(m / 2, n / 3, m - m / 2, n - n / 3), x[0].member(0)]
            }),
            ("concat", |x| {
                let all = [x[0], x[1], x[0]];
                vec![Var::concat(&all, Axis::Rows), Var::concat(&all, Axis::Cols), Var::concat(&all, Axis::Batch)]
            }),
            ("gather", |x| {
                let last = x[0].rows().saturating_sub(1);
                let rows: Vec<usize> = if x[0].rows() == 0 { vec![] } else { vec![last, 0, last] };
                let y = x[0].gather(Axis::Rows, &rows);
                vec![y.hadamard(y), x[0].gather(Axis::Batch, &[0, 0])]
            }),
            ("diag", |x| vec![x[0].diag(), x[0].diag().to_diag()]),
            ("tril", |x| vec![x[0].tril(), x[0].triu()]),
            ("sym", |x| {
                let s = x[0].t_mul(x[1]);
                vec![s.sym(), s.skew(), s.trace()]
            }),
        ],
    );
    holds(case, name, f, &vec![case.any(m, n, 1), case.any(m, n, 2)], 1.0);
}

/// Products with all transposes, and sums of them.
pub fn product(case: &Case) {
    let (m, n) = case.size();
    let k = (case.seed % 4) as usize;
    let (name, f) = pick(
        case,
        [
            ("a b", |x| vec![x[0] * x[1]]),
            ("a' b", |x| vec![x[0].t().t_mul(x[1])]),
            ("a b'", |x| vec![x[0].mul_t(x[1].t())]),
            ("a' b'", |x| vec![x[0].t().t_mul_t(x[1].t())]),
            ("c + a b", |x| vec![x[2].add_mul(-2.0, x[0], x[1])]),
            ("a a'", |x| vec![x[0].mul_t(x[0]), x[0].t_mul(x[0])]),
        ],
    );
    let mut x0 = vec![case.any(m, k, 1), case.any(k, n, 2), case.any(m, n, 3)];
    if case.seed.is_multiple_of(3) {
        // One factor serves all members.
        x0[1] = Batch::of(&x0[1].member(0));
    }
    holds(case, name, f, &x0, 1.0);
}

/// Triangular solves, every one of the sixteen.
pub fn trsm(case: &Case) {
    let (n, k) = case.size();
    let (t, condition) = case.with_spectrum(n, n, 1);
    // The triangular factor of a matrix of known condition, in both triangles.
    let Ok(qr) = values(|x| vec![x[0].qr().1], std::slice::from_ref(&t)) else { return };
    let full = case.stack(n, n, |b| {
        let r = qr[0].member(b as usize);
        Mat::from_fn(n, n, |i, j| if i <= j { r[(i, j)] } else { r[(j, i)] })
    });
    macro_rules! solve {
        ($lower:literal, $transpose:literal, $unit:literal, $right:literal) => {
            ("solve_triangular", |x| {
                let how = Triangle { lower: $lower, transpose: $transpose, unit: $unit, right: $right };
                let b = if $right { x[1].t() } else { x[1] };
                vec![x[0].solve_triangular_with(how, b)]
            })
        };
    }
    let (name, f): (_, Program) = pick(
        case,
        [
            solve!(true, false, false, false),
            solve!(true, true, false, false),
            solve!(true, false, false, true),
            solve!(true, true, false, true),
            solve!(false, false, false, false),
            solve!(false, true, false, false),
            solve!(false, false, false, true),
            solve!(false, true, false, true),
            ("solve_triangular", |x| {
                vec![x[0].solve_triangular(Uplo::Lower, x[1]), x[0].solve_triangular(Uplo::Upper, x[1])]
            }),
        ],
    );
    holds(case, name, f, &vec![full, case.any(n, k, 2)], condition);
    // With a unit diagonal the condition is that of the strict triangle: small by choice.
    let (name, f): (_, Program) = pick(
        case,
        [
            solve!(true, false, true, false),
            solve!(true, true, true, false),
            solve!(true, false, true, true),
            solve!(true, true, true, true),
            solve!(false, false, true, false),
            solve!(false, true, true, false),
            solve!(false, false, true, true),
            solve!(false, true, true, true),
        ],
    );
    let small = case.stack(n, n, |b| case.entries(3 + b).mat(n, n) * 0.3);
    holds(case, name, f, &vec![small, case.any(n, k, 2)], 10.0);
}

/// Solves, inverses and determinants of square matrices.
pub fn lu(case: &Case) {
    let (n, k) = case.size();
    let (a, condition) = case.with_spectrum(n, n, 1);
    let (name, f) = pick(
        case,
        [
            ("solve", |x| vec![x[0].solve(x[1])]),
            ("solve, transposed", |x| vec![x[0].lu().solve_transpose(x[1])]),
            ("inverse", |x| vec![x[0].inverse()]),
            ("logdet", |x| vec![x[0].logdet()]),
            ("one factorisation", |x| {
                let a = x[0].lu();
                vec![a.solve(a.solve_transpose(x[1])), a.logdet()]
            }),
        ],
    );
    // The last program solves twice.
    let condition = if name == "one factorisation" { condition * condition } else { condition };
    holds(case, name, f, &vec![a.clone(), case.any(n, k, 2)], condition);
    let b = case.stack(n, k, |b| case.entries(9 + b).mat(n, k));
    if let Ok(y) = values(|x| vec![x[0] * x[0].solve(x[1]), x[0].solve(x[1])], &[a.clone(), b.clone()]) {
        for i in 0..case.members() {
            // The residual of a stable solve is small against |A| |X|, however singular A is.
            let (r, x, a) = (y[0].member(i) - b.member(i), y[1].member(i), a.member(i));
            let size = a.norm_max() * x.norm_max() * n.max(1) as f64;
            assert!(r.norm_max() <= VALUE * size, "solve on {case:?}: residual {:e} of {size:e}", r.norm_max());
        }
    }
}

/// Cholesky factors.
pub fn cholesky(case: &Case) {
    let n = case.size().0;
    let (a, condition) = case.symmetric(n, 1);
    holds(case, "cholesky", |x| vec![x[0].cholesky()], &vec![a.clone()], condition);
    holds(
        case,
        "cholesky, used",
        |x| vec![x[0].cholesky().solve_triangular(Uplo::Lower, x[0])],
        &vec![a.clone()],
        condition,
    );
    if let Ok(y) = values(|x| vec![x[0].cholesky()], std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (l, a) = (y[0].member(i), a.member(i));
            near(case, "L L'", &(&l * l.transpose()), &(0.5 * (&a + a.transpose())));
            assert!((0..n).all(|k| l[(k, k)] > 0.0), "diag(L) on {case:?}");
        }
    }
}

/// Thin QR.
pub fn qr(case: &Case) {
    let (m, n) = case.tall();
    let (a, condition) = case.with_spectrum(m, n, 1);
    let (name, f) = pick(
        case,
        [
            ("qr", |x| {
                let (q, r) = x[0].qr();
                vec![q, r]
            }),
            ("q", |x| vec![x[0].qr().0]),
            ("r", |x| vec![x[0].qr().1]),
            ("projector", |x| {
                let q = x[0].qr().0;
                vec![q.mul_t(q)]
            }),
        ],
    );
    holds(case, name, f, &vec![a.clone()], condition);
    let both: Program = |x| {
        let (q, r) = x[0].qr();
        vec![q, r]
    };
    if let Ok(y) = values(both, std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (q, r) = (y[0].member(i), y[1].member(i));
            near(case, "Q R", &(&q * &r), &a.member(i));
            near(case, "Q'Q", &(q.transpose() * &q), &Mat::identity(n, n));
            assert!((0..n).all(|k| r[(k, k)] > 0.0), "diag(R) on {case:?}");
        }
    }
}

/// Functions of symmetric matrices, their traces and Fréchet derivatives.
pub fn spectral(case: &Case) {
    let n = case.size().0;
    let (a, condition) = case.symmetric(n, 1);
    let (name, f) = pick(
        case,
        [
            ("expm_sym", |x| vec![x[0].expm_sym()]),
            ("logm_spd", |x| vec![x[0].logm_spd()]),
            ("sqrtm_spd", |x| vec![x[0].sqrtm_spd()]),
            ("invsqrtm_spd", |x| vec![x[0].invsqrtm_spd()]),
            ("powm_spd", |x| vec![x[0].powm_spd(-1.0), x[0].powm_spd(3.0), x[0].powm_spd(0.25)]),
            ("x ln x", |x| vec![x[0].symmetric().map(SymFn::XLogX)]),
            ("trace", |x| {
                let a = x[0].symmetric();
                vec![a.trace(SymFn::Exp), a.trace(SymFn::Ln), a.trace(SymFn::Pow(3.0)), a.trace(SymFn::XLogX)]
            }),
            ("frechet", |x| vec![x[0].symmetric().frechet(SymFn::Ln, &[x[1]])]),
        ],
    );
    // Each derivative divides by the spectrum once more.
    holds(case, name, f, &vec![a.clone(), case.stack(n, n, |b| case.entries(5 + b).mat(n, n))], condition);
    if let Ok(y) = values(|x| vec![x[0].sqrtm_spd()], std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (s, a) = (y[0].member(i), a.member(i));
            near(case, "sqrtm_spd squared", &(&s * &s), &(0.5 * (&a + a.transpose())));
        }
    }
}

/// Polar factors.
pub fn polar(case: &Case) {
    let (m, n) = case.tall();
    let (a, condition) = case.with_spectrum(m, n, 1);
    let (name, f) = pick(
        case,
        [
            ("polar", |x| {
                let (w, h) = x[0].polar();
                vec![w, h]
            }),
            ("w", |x| vec![x[0].polar().0]),
            ("h", |x| vec![x[0].polar().1]),
        ],
    );
    holds(case, name, f, &vec![a.clone()], condition);
    let both: Program = |x| {
        let (w, h) = x[0].polar();
        vec![w, h]
    };
    if let Ok(y) = values(both, std::slice::from_ref(&a)) {
        for i in 0..case.members() {
            let (w, h) = (y[0].member(i), y[1].member(i));
            near(case, "W H", &(&w * &h), &a.member(i));
            near(case, "W'W", &(w.transpose() * &w), &Mat::identity(n, n));
            near(case, "H'", &h.transpose().to_owned(), &h);
        }
    }
}

/// Cayley transforms of skew and of general matrices.
pub fn cayley(case: &Case) {
    let n = case.size().0;
    // Skew, of any size from 1 down to 1e-17; or general, and then small.
    let skew = case.op.is_multiple_of(2);
    let x = case.stack(n, n, |b| {
        let w = case.entries(1 + b).mat(n, n);
        if skew { (&w - w.transpose()) * case.gap() } else { w * (0.5 / n.max(1) as f64) }
    });
    holds(case, "cayley", |x| vec![x[0].cayley(0.5)], &vec![x.clone()], 10.0);
    if let (true, Ok(y)) = (skew, values(|x| vec![x[0].cayley(0.5)], std::slice::from_ref(&x))) {
        for i in 0..case.members() {
            let c = y[0].member(i);
            near(case, "C'C", &(c.transpose() * &c), &Mat::identity(n, n));
        }
    }
}

/// `tanh(a) b` with rules of its own.
struct Squash;

impl Custom for Squash {
    fn name(&self) -> &'static str {
        "squash"
    }
    fn value<'t>(&self, x: &[Var<'t>]) -> Vec<Var<'t>> {
        vec![x[0].tanh() * x[1]]
    }
    fn jvp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dx: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let slope = 1.0 - x[0].tanh().hadamard(x[0].tanh());
        let a = dx[0].map(|d| slope.hadamard(d) * x[1]);
        let b = dx[1].map(|d| x[0].tanh() * d);
        vec![match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        }]
    }
    fn vjp<'t>(&self, x: &[Var<'t>], _: &[Var<'t>], dy: &[Option<Var<'t>>]) -> Vec<Option<Var<'t>>> {
        let slope = 1.0 - x[0].tanh().hadamard(x[0].tanh());
        vec![dy[0].map(|g| slope.hadamard(g.mul_t(x[1]))), dy[0].map(|g| x[0].tanh().t_mul(g))]
    }
}

/// Programs inside programs: custom rules, checkpoints and gradients, nested as the case says.
pub fn program(case: &Case) {
    let n = case.size().0;
    let x0 =
        vec![case.stack(n, n, |b| case.entries(1 + b).mat(n, n)), case.stack(n, n, |b| case.entries(50 + b).mat(n, n))];
    let list: [(&'static str, Program); 6] = [
        ("custom", |x| x[0].tape().custom(Arc::new(Squash), x)),
        ("checkpoint", |x| vec![x[0].checkpoint(|y| (y * x[1]).tanh() * y)]),
        ("custom in a checkpoint", |x| vec![x[0].checkpoint(|y| y.tape().custom(Arc::new(Squash), &[y, x[1]])[0] * y)]),
        ("checkpoint in a checkpoint", |x| vec![x[0].checkpoint(|y| y.checkpoint(|z| (z * x[1]).sin()) + y)]),
        ("a gradient step", |x| vec![x[0] - 0.1 * x[0].grad(|y| (y * x[1]).tanh().dot(y).sum())]),
        ("a gradient step in a checkpoint", |x| {
            vec![x[0].checkpoint(|y| y - 0.1 * y.grad(|z| z.sin().dot(x[1]).sum()) + y.stop_gradient() * 0.0)]
        }),
    ];
    let (name, f) = pick(case, list);
    // Same sums, other order: nothing here is ill-conditioned.
    holds(case, name, f, &x0, 10.0);
    let plain: Program = |x| vec![(x[0] * x[1]).tanh() * x[0]];
    let (a, b) = (
        pullback::grad(|x: Vec<Var>| plain(&x)[0].sum(), &x0),
        pullback::grad(|x: Vec<Var>| list[1].1(&x)[0].sum(), &x0),
    );
    if let (Ok(a), Ok(b)) = (a, b) {
        for (a, b) in a.batches().iter().zip(b.batches()) {
            for i in 0..case.members() {
                near(case, "checkpointed gradient", &a.member(i), &b.member(i));
            }
        }
    }
}
