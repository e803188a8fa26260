//! A learned optimiser's loop and its meta-gradients beside other libraries, served to `../run.py --suite meta`, which
//! checks the numbers and times. `../README.md` says what is compared; what is computed stands in `question.rs`.

mod question;

use pullback::{Batch, Scalar};
use pullback_benches::worker::{Problem, Requests, Subject};
use pullback_implicit::{Estimator, Sensitivity};
use pullback_learned::{GmLstmParams, Rollout};
use question::{Question, STEPS, TERMS, TrainedNet};

/// Rows and columns of a point.
const SIZES: [(usize, usize); 2] = [(64, 16), (784, 32)];

fn main() {
    let name = |(p, d): (usize, usize), scalar| format!("{p}x{d}/{scalar}");
    let names: Vec<String> = SIZES.iter().flat_map(|size| ["f64", "f32"].map(|s| name(*size, s))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut requests = Requests::default();
    while let Some(asked) = requests.next_row(&names) {
        let size = SIZES.iter().find(|size| name(**size, "f64") == asked.name || name(**size, "f32") == asked.name);
        match size {
            Some((p, d)) if asked.name.ends_with("f64") => {
                let asking = &mut Asking::<f64>::new(*p, *d);
                requests.serve(&asked, &asking.problem(), asking);
            }
            Some((p, d)) => {
                let asking = &mut Asking::<f32>::new(*p, *d);
                requests.serve(&asked, &asking.problem(), asking);
            }
            None => requests.no_such_row(),
        }
    }
}

/// A question and the answers to it.
struct Asking<T: Scalar> {
    question: Question<T>,
    trained: TrainedNet<T>,
    /// The point where a loop starts, and what moves beside it.
    start: Vec<Batch<T>>,
    /// The same before the last step of a long loop.
    late: Vec<Batch<T>>,
    tapes: Sensitivity<T>,
    /// What the last call found: the derivative by the parameters.
    gradient: GmLstmParams<T>,
    /// Or a point and a state.
    reached: Vec<Batch<T>>,
    /// What the certificate says.
    remark: String,
}

impl<T: Scalar> Asking<T> {
    fn new(p: usize, d: usize) -> Self {
        let question = Question::new(p, d);
        let (trained, start) = (question.trained(), question.start());
        let late = walked(&question, &trained, &start, STEPS - 1).expect("the loop runs");
        let (gradient, reached) = (trained.parameters.clone(), vec![]);
        Asking { question, trained, start, late, tapes: Sensitivity::new(), gradient, reached, remark: String::new() }
    }

    /// Parameters; the start; the two data matrices and the late state.
    fn problem(&self) -> Problem {
        let mut x = vec![];
        pullback::Leaves::visit(&self.trained.parameters, "", &mut |_, m| x.push(doubled(&Batch::of(m))));
        let w = [&self.question.seen, &self.question.judged].into_iter().chain(&self.late).map(doubled).collect();
        Problem { x, v: self.start[..1].iter().map(doubled).collect(), w, symmetric: false }
    }

    fn derivative(&mut self, late: bool, how: Estimator) -> Result<(), String> {
        let (from, steps) = if late { (&self.late, 1) } else { (&self.start, STEPS) };
        let found = self.tapes.derivative(&self.question, from, &self.trained.parameters, steps, how);
        let found = found.map_err(|e| e.to_string())?;
        self.gradient = found.gradient;
        let rho = found.certificate.rho;
        self.remark = rho.map_or(String::new(), |rho| format!("contraction {rho:.2}"));
        Ok(())
    }
}

fn doubled<T: Scalar>(b: &Batch<T>) -> Batch<f64> {
    Batch::from_slice(b.shape(), &b.data().iter().map(|x| x.f64()).collect::<Vec<_>>())
}

/// So many steps of the trained optimiser, without any derivative: point and state.
fn walked<T: Scalar>(
    question: &Question<T>,
    trained: &TrainedNet<T>,
    start: &[Batch<T>],
    steps: usize,
) -> Result<Vec<Batch<T>>, String> {
    let mut run = Rollout::new(trained, &question.manifold, question, &start[..1], &[0], 0);
    for _ in 0..steps {
        run.step_on(&()).map_err(|e| e.to_string())?;
    }
    Ok(run.point().iter().chain(run.state()).cloned().collect())
}

impl<T: Scalar> Subject for Asking<T> {
    fn kinds(&self) -> &str {
        "steps implicit meta unroll"
    }

    fn run(&mut self, kind: &str) -> Result<(), String> {
        let series = Estimator::FixedPoint { terms: TERMS };
        match kind {
            "steps" => {
                self.reached = walked(&self.question, &self.trained, &self.start, STEPS)?;
                self.remark.clear();
                Ok(())
            }
            "implicit" => self.derivative(true, series),
            "meta" => self.derivative(false, series),
            "unroll" => self.derivative(false, Estimator::Unroll),
            _ => Err(format!("expected one of `{}`, got `{kind}`", self.kinds())),
        }
    }

    fn remark(&self) -> String {
        self.remark.clone()
    }

    fn numbers(&self, kind: &str) -> Vec<f64> {
        let all = |list: &[Batch<T>]| list.iter().flat_map(|b| b.data().iter().map(|x| x.f64())).collect::<Vec<_>>();
        match kind {
            "steps" => all(&self.reached),
            // The loss would hide how far small derivatives are off.
            _ => all(&pullback::Leaves::batches(&self.gradient)),
        }
    }
}
