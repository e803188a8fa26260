//! A solution as a node of the tape: an operation of a program, with derivatives of every order, so that implicit
//! layers nest inside programs and inside each other. Certificates are not given here: a system that is not solved is
//! NaN, which every driver reports.
//!
//! The node maps `phi` to `z(phi)` with `r(z, phi) = 0` for the residual `r` of the condition, in ambient coordinates:
//! `r = P_z grad f` for a stationary point (whether the gradient vanishes does not depend on the metric), `P_z (z - F)`
//! for a fixed point, `P_z s` for a root. With `A = P D_z r P` let `K = A + (I - P)`, which is regular on the whole
//! ambient space where `A` is on the tangent space. Then `dz = -K^{-1} D_phi r dphi`, and `phi` gets `-(D_phi r)^T
//! K^{-T} zbar`.
//!
//! `K^{-1} c` and `K^{-T} c` are operations of `(z, phi, c)` in turn, whose rules use each other: from `K q = c` follow
//! `dq = K^{-1} (dc - dK q)`, and, with `s = K^{-T} qbar`, `c` gets `s` and `(z, phi)` get the gradient of `-<s, K q>`.
//! `K q` is a program. So the rules are closed under differentiation.

use crate::condition::{Condition, Kind};
use crate::error::Result;
use crate::iteration::Of;
use crate::linear::{Adjoint, Map, Method, Status, Stop, solve};
use crate::lists::{self, List};
use crate::solution::rebuilt;
use crate::space::{Space, Tangents, sweep, sweep_back};
use pullback::{Batch, Custom, Leaves, Scalar, Shape, Tape, Var, VarTree};
use pullback_manifolds::ambient;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A solution as an operation. Cheap to clone.
pub struct Layer<C: Condition>(Arc<Inner<C>>);

impl<C: Condition> Clone for Layer<C> {
    fn clone(&self) -> Self {
        Layer(self.0.clone())
    }
}

impl<C: Condition> fmt::Debug for Layer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

type Solver<C> = dyn Fn(&<C as Condition>::Params) -> Result<<C as Condition>::State> + Send + Sync;

struct Inner<C: Condition> {
    condition: C,
    z: C::State,
    phi: C::Params,
    solver: Box<Solver<C>>,
    /// The last question and its answer: an operation is evaluated once to know its shapes and once more.
    last: Mutex<Option<(List<Of<C::State>>, List<Of<C::State>>)>>,
}

impl<C> Layer<C>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    /// A layer from a condition and a solver of it. `z` and `phi` say the structure and the shapes.
    ///
    /// The solver is not differentiated, and its result is polished by nobody: the derivatives are as accurate as it
    /// is.
    pub fn new(
        condition: C,
        z: C::State,
        phi: C::Params,
        solver: impl Fn(&C::Params) -> Result<C::State> + Send + Sync + 'static,
    ) -> Self {
        Layer(Arc::new(Inner { condition, z, phi, solver: Box::new(solver), last: Mutex::new(None) }))
    }

    /// The solution for these parameters, as a value of their program.
    ///
    /// # Panics
    /// If `phi` has no leaf.
    #[track_caller]
    pub fn apply<'t>(&self, phi: &<C::Params as Leaves>::Vars<'t>) -> <C::State as Leaves>::Vars<'t> {
        let phi = crate::iteration::list(phi);
        assert!(!phi.is_empty(), "a layer needs at least one parameter");
        let mut z = phi[0].tape().custom(Arc::new(Node(self.0.clone())), &phi).into_iter();
        self.0.z.bind(&mut || z.next().unwrap_or_else(|| unreachable!("one output for each leaf")))
    }
}

impl<C: Condition> Inner<C> {
    /// The numbers of the solution; NaN where the solver fails.
    fn solved(&self, phi: List<Of<C::State>>) -> List<Of<C::State>> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((asked, answer)) = &*last
            && *asked == phi
        {
            return answer.clone();
        }
        let nan = || self.z.shapes().iter().map(|s| Batch::from_fn(*s, |_, _, _| lists::number(f64::NAN))).collect();
        let z = (self.solver)(&rebuilt(&self.phi, phi.clone())).map_or_else(|_| nan(), |z| z.batches());
        *last = Some((phi, z.clone()));
        z
    }

    /// `r(z, phi)`.
    fn residual<'t>(&self, z: &[Var<'t, Of<C::State>>], phi: &[Var<'t, Of<C::State>>]) -> Vec<Var<'t, Of<C::State>>> {
        let tape = phi[0].tape();
        let run = |z: &[Var<'t, Of<C::State>>]| {
            let (mut a, mut b) = (z.iter().copied(), phi.iter().copied());
            let end = || unreachable!("one handle for each leaf");
            let z = self.z.bind(&mut || a.next().unwrap_or_else(end));
            let phi = self.phi.bind(&mut || b.next().unwrap_or_else(end));
            self.condition.program(tape, z, phi)
        };
        let raw = match self.condition.kind() {
            Kind::Stationary => z.to_vec().grad(|z| run(&z)[0].sum()),
            Kind::FixedPoint => z.iter().zip(run(z)).map(|(z, y)| *z - y).collect(),
            Kind::Root => run(z),
        };
        self.condition.space().project(z, &raw)
    }

    /// `K q`, or `K^T q`.
    fn k<'t>(
        &self,
        z: &[Var<'t, Of<C::State>>],
        phi: &[Var<'t, Of<C::State>>],
        q: &[Var<'t, Of<C::State>>],
        transposed: bool,
    ) -> Vec<Var<'t, Of<C::State>>> {
        let space = self.condition.space();
        let pq = space.project(z, q);
        let aq = match transposed {
            true => z.to_vec().grad(|z| ambient(&self.residual(&z, phi), &pq).sum()),
            false => along(z, &pq, |z| self.residual(z, phi)),
        };
        let aq = space.project(z, &aq);
        (0..z.len()).map(|k| aq[k] + q[k] - pq[k]).collect()
    }
}

/// The derivatives of a program with several outputs along `v`.
fn along<'t, T: Scalar>(
    x: &[Var<'t, T>],
    v: &[Var<'t, T>],
    f: impl Fn(&[Var<'t, T>]) -> Vec<Var<'t, T>>,
) -> Vec<Var<'t, T>> {
    let outs = f(x).len();
    (0..outs).map(|k| x.to_vec().jvp(|x| f(&x)[k], v.to_vec()).1).collect()
}

/// What is `None` is zero.
fn filled<'t, T: Scalar>(x: &[Var<'t, T>], dx: &[Option<Var<'t, T>>]) -> Vec<Var<'t, T>> {
    x.iter().zip(dx).map(|(x, d)| d.unwrap_or_else(|| x.tape().filled(x.shape(), lists::number(0.0)))).collect()
}

fn numbers<T: Scalar>(x: &[Var<'_, T>]) -> List<T> {
    x.iter().map(Var::value).collect()
}

fn constants<'t, T: Scalar>(tape: &'t Tape<T>, x: &[Batch<T>]) -> Vec<Var<'t, T>> {
    x.iter().map(|b| tape.constant(b)).collect()
}

/// `phi -> z`.
struct Node<C: Condition>(Arc<Inner<C>>);

impl<C> Custom<Of<C::State>> for Node<C>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "implicit"
    }
    fn value<'t>(&self, x: &[Var<'t, Of<C::State>>]) -> Vec<Var<'t, Of<C::State>>> {
        constants(x[0].tape(), &self.0.solved(numbers(x)))
    }
    fn jvp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        y: &[Var<'t, Of<C::State>>],
        dx: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let c: Vec<_> = along(x, &filled(x, dx), |x| self.0.residual(y, x)).iter().map(|b| -*b).collect();
        solution(&self.0, y, x, &c, false).into_iter().map(Some).collect()
    }
    fn vjp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        y: &[Var<'t, Of<C::State>>],
        dy: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let p = solution(&self.0, y, x, &filled(y, dy), true);
        x.to_vec().grad(|x| -ambient(&self.0.residual(y, &x), &p).sum()).into_iter().map(Some).collect()
    }
}

/// `(z, phi, c) -> K^{-1} c`, or `K^{-T} c`.
struct Solve<C: Condition> {
    inner: Arc<Inner<C>>,
    transposed: bool,
}

fn solution<'t, C>(
    inner: &Arc<Inner<C>>,
    z: &[Var<'t, Of<C::State>>],
    phi: &[Var<'t, Of<C::State>>],
    c: &[Var<'t, Of<C::State>>],
    transposed: bool,
) -> Vec<Var<'t, Of<C::State>>>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    let all: Vec<_> = z.iter().chain(phi).chain(c).copied().collect();
    z[0].tape().custom(Arc::new(Solve { inner: inner.clone(), transposed }), &all)
}

impl<C> Custom<Of<C::State>> for Solve<C>
where
    C: Condition + Send + Sync + 'static,
    C::State: Send + Sync + 'static,
    C::Params: Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "implicit solve"
    }
    fn value<'t>(&self, x: &[Var<'t, Of<C::State>>]) -> Vec<Var<'t, Of<C::State>>> {
        let n = self.inner.z.shapes().len();
        let (z, rest) = x.split_at(n);
        let (phi, c) = rest.split_at(rest.len() - n);
        let found = numeric(&self.inner, &numbers(z), &numbers(phi), numbers(c), self.transposed);
        let nan = |c: &Var<'t, _>| Batch::from_fn(c.shape(), |_, _, _| lists::number(f64::NAN));
        constants(x[0].tape(), &found.unwrap_or_else(|_| c.iter().map(nan).collect()))
    }
    fn jvp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        q: &[Var<'t, Of<C::State>>],
        dx: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let n = q.len();
        let (at, dx) = (&x[..x.len() - n], filled(x, dx));
        let (dat, dc) = dx.split_at(x.len() - n);
        let dkq = along(at, dat, |at| self.inner.k(&at[..n], &at[n..], q, self.transposed));
        let c: Vec<_> = dc.iter().zip(dkq).map(|(c, k)| *c - k).collect();
        solution(&self.inner, &at[..n], &at[n..], &c, self.transposed).into_iter().map(Some).collect()
    }
    fn vjp<'t>(
        &self,
        x: &[Var<'t, Of<C::State>>],
        q: &[Var<'t, Of<C::State>>],
        dq: &[Option<Var<'t, Of<C::State>>>],
    ) -> Vec<Option<Var<'t, Of<C::State>>>> {
        let n = q.len();
        let at = &x[..x.len() - n];
        let s = solution(&self.inner, &at[..n], &at[n..], &filled(q, dq), !self.transposed);
        let slope = at.to_vec().grad(|at| ambient(&self.inner.k(&at[..n], &at[n..], q, self.transposed), &s).sum());
        slope.into_iter().map(|g| Some(-g)).chain(s.iter().map(|s| Some(*s))).collect()
    }
}

/// `K` in numbers: `A` on the tangent space, in the ambient inner product.
struct Tangent<'t, T: Scalar> {
    tape: &'t Tape<T>,
    z: Vec<Var<'t, T>>,
    out: Vec<Var<'t, T>>,
    words: Tangents<'t, T>,
    shapes: Vec<Shape>,
    dim: usize,
}

impl<T: Scalar> Map<T> for Tangent<'_, T> {
    fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
    fn dim(&self) -> usize {
        self.dim
    }
    fn apply(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        sweep(self.tape, &self.z, v, &self.out, out)?;
        self.words.project(out)
    }
    fn adjoint(&self, v: &[Batch<T>], out: &mut [Batch<T>]) -> Result<()> {
        sweep_back(self.tape, &self.out, v, &self.z, out)?;
        self.words.project(out)
    }
    fn project(&self, v: &mut [Batch<T>]) -> Result<()> {
        self.words.project(v)
    }
}

fn numeric<C: Condition>(
    inner: &Inner<C>,
    z: &[Batch<Of<C::State>>],
    phi: &[Batch<Of<C::State>>],
    c: List<Of<C::State>>,
    transposed: bool,
) -> Result<List<Of<C::State>>> {
    let (tape, words) = (Tape::new(), Tape::new());
    let (zs, phis) = (constants(&tape, z), constants(&tape, phi));
    let out = inner.residual(&zs, &phis);
    tape.check()?;
    let space: Space<'_, Of<C::State>> = inner.condition.space();
    let shapes = lists::shapes(z);
    let dim = space.dim(&shapes);
    let map = Tangent { tape: &tape, z: zs, out, words: Tangents::new(&words, space, z)?, shapes, dim };
    let mut b = c.clone();
    map.project(&mut b)?;
    let stop = Stop::at(1e-13f64.max(20.0 * lists::eps::<Of<C::State>>()));
    let found = match transposed {
        true => solve(&Adjoint(&map), &b, None, Method::Auto, &stop)?,
        false => solve(&map, &b, None, Method::Auto, &stop)?,
    };
    let sound = |m: usize| {
        let s = found.members[m];
        s.status == Status::Converged || s.status == Status::Stalled && s.residual < 1e-8
    };
    let mut q = found.x.clone();
    for m in (0..found.members.len()).filter(|m| !sound(*m)) {
        q.iter_mut().for_each(|b| {
            let each = b.shape().each();
            b.data_mut()[m * each..(m + 1) * each].fill(lists::number(f64::NAN));
        });
    }
    lists::add_all(&mut q, 1.0, &c);
    lists::add_all(&mut q, -1.0, &b);
    Ok(q)
}
