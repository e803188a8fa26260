//! The primitives of the known answers as programs. An operation that the engine gains is one line here.

use faer::Mat;
use pullback::{SymFn, Triangle, Var};
use serde_json::Value as Json;

/// The inputs and parameters of a case.
struct Given<'a, 't> {
    params: &'a Json,
    x: &'a [Var<'t>],
}

impl Given<'_, '_> {
    fn number(&self, name: &str) -> f64 {
        self.params[name].as_f64().unwrap_or_else(|| panic!("expected the number `{name}`, got {}", self.params))
    }

    fn flag(&self, name: &str) -> bool {
        self.params[name].as_bool().unwrap_or_else(|| panic!("expected the flag `{name}`, got {}", self.params))
    }
}

fn pair<'t>((a, b): (Var<'t>, Var<'t>)) -> Vec<Var<'t>> {
    vec![a, b]
}

/// From what is given to the outputs.
type Program = for<'a, 't> fn(&Given<'a, 't>) -> Vec<Var<'t>>;

/// Every operation that there is, by its name in the known answers.
const OPERATIONS: &[(&str, Program)] = &[
    ("matmul", |c| vec![c.x[0] * c.x[1]]),
    ("inverse", |c| vec![c.x[0].inverse()]),
    ("solve", |c| vec![c.x[0].solve(c.x[1])]),
    ("solve_triangular", |c| {
        let stored = if c.params["uplo"] == "lower" { Triangle::LOWER } else { Triangle::UPPER };
        let how = Triangle { transpose: c.flag("transpose"), unit: c.flag("unit"), ..stored };
        vec![c.x[0].solve_triangular_with(how, c.x[1])]
    }),
    ("logabsdet", |c| vec![c.x[0].logdet()]),
    ("cholesky", |c| vec![c.x[0].cholesky()]),
    ("qr", |c| pair(c.x[0].qr())),
    ("lq", |c| pair(c.x[0].lq())),
    ("lstsq", |c| vec![c.x[0].lstsq(c.x[1])]),
    ("pinv", |c| vec![c.x[0].pinv()]),
    ("det", |c| vec![c.x[0].det()]),
    ("cayley", |c| vec![c.x[0].cayley(c.number("alpha"))]),
    ("expm", |c| vec![c.x[0].expm()]),
    ("expm_frechet", |c| pair(c.x[0].expm_frechet(c.x[1]))),
    ("expm_sym", |c| vec![c.x[0].expm_sym()]),
    ("logm_spd", |c| vec![c.x[0].logm_spd()]),
    ("sqrtm_spd", |c| vec![c.x[0].sqrtm_spd()]),
    ("invsqrtm_spd", |c| vec![c.x[0].invsqrtm_spd()]),
    ("inv_spd", |c| vec![c.x[0].powm_spd(-1.0)]),
    ("powm_spd", |c| vec![c.x[0].powm_spd(c.number("p"))]),
    ("trace_fun", |c| {
        vec![c.x[0].trace_fun(match c.params["f"].as_str() {
            Some("cube") => SymFn::Pow(3.0),
            Some("exp") => SymFn::Exp,
            Some("log") => SymFn::Ln,
            Some("xlogx") => SymFn::XLogX,
            Some("sqrt") => SymFn::SQRT,
            f => panic!("trace_fun of {f:?}"),
        })]
    }),
    ("polar", |c| pair(c.x[0].polar())),
    // General matrices by Schur forms.
    ("sylvester", |c| vec![c.x[0].sylvester(c.x[1], c.x[2])]),
    ("lyapunov", |c| vec![c.x[0].lyapunov(c.x[1])]),
    ("stein", |c| vec![c.x[0].discrete_lyapunov(c.x[1])]),
    ("sqrtm", |c| vec![c.x[0].sqrtm()]),
    ("logm", |c| vec![c.x[0].logm()]),
    // Spectra.
    ("eig", |c| {
        let (re, im, v, w) = c.x[0].eig();
        vec![re, im, v, w]
    }),
    ("eigvals", |c| pair(c.x[0].eigvals())),
    ("eigh", |c| pair(c.x[0].eigh())),
    ("eigvalsh", |c| vec![c.x[0].eigvalsh()]),
    ("spectral_projector", |c| vec![c.x[0].spectral_projector(c.number("top") as usize)]),
    ("svd", |c| {
        let (u, s, v) = c.x[0].svd();
        vec![u, s, v]
    }),
    ("svdvals", |c| vec![c.x[0].svdvals()]),
];

fn find(op: &str) -> Option<Program> {
    OPERATIONS.iter().find(|(name, _)| *name == op).map(|(_, program)| *program)
}

/// Is there such an operation?
pub(crate) fn has(op: &str) -> bool {
    find(op).is_some()
}

/// The outputs of `op`; [`has`] says which there are.
pub(crate) fn apply<'t>(op: &str, params: &Json, x: &[Var<'t>]) -> Vec<Var<'t>> {
    let program = find(op).unwrap_or_else(|| panic!("expected an operation of the list, got {op}"));
    program(&Given { params, x })
}

/// The number whose gradient is the `vjp`: the sum of the products of outputs and cotangents.
pub(crate) fn weighed<'t>(op: &str, params: &Json, x: &[Var<'t>], w: &[Mat<f64>]) -> Var<'t> {
    let terms = apply(op, params, x).into_iter().zip(w).map(|(y, w)| y.dot(w));
    terms.reduce(|a, b| a + b).expect("an output")
}
