//! Misuse panics at the user's line with a message that names the operation, what came, and what would fit.
//!
//! That a handle cannot be smuggled into a driver's closure is the compiler's to say: see the `compile_fail` example of
//! `CostFn`.

mod common;
use common::*;
use pullback::prelude::*;
use pullback::{Axis, Group, Shape};

/// `f` panics in this file, between the two lines, with a text that holds every one of `words`.
#[track_caller]
fn says<R>(words: &[&str], f: impl FnOnce() -> R) {
    let here = std::panic::Location::caller();
    let p = panic_of(f);
    for w in words {
        assert!(p.text.contains(w), "the message `{}` does not say `{w}`", p.text);
    }
    assert_eq!(p.file, here.file(), "`{}` names a line of the library: {}:{}", p.text, p.file, p.line);
    assert!(p.line >= here.line() && p.line <= here.line() + 8, "`{}` names line {}", p.text, p.line);
}

#[test]
fn shapes_that_do_not_fit() {
    let tape = Tape::new();
    let (a, b) = (tape.input(&rnd(2, 3, 1)), tape.input(&rnd(2, 4, 2)));
    says(&["matmul: expected inner sizes that agree", "got 2x3 and 2x4"], || a * b);
    says(&["matmul", "2x3 and 2x4"], || a * &rnd(2, 4, 1));
    says(&["matmul", "5x5 and 2x4"], || rnd(5, 5, 1) * b);
    says(&["t_mul: expected inner sizes that agree", "got 2x3 and 3x2"], || a.t_mul(rnd(3, 2, 1)));
    says(&["mul_t", "2x3 and 2x4"], || a.mul_t(b));
    says(&["t_mul_t", "2x3 and 3x3"], || a.t_mul_t(rnd(3, 3, 1)));
    says(&["add", "expected sizes that agree, or are 1", "got 2x3 and 2x4"], || a + b);
    says(&["add", "2x3 and 2x4"], || a - b);
    says(&["lincomb", "2x3 and 2x4"], || a.lincomb(1.0, b, 2.0));
    says(&["hadamard", "2x3 and 2x4"], || a.hadamard(b));
    says(&["elem_div", "2x3 and 2x4"], || a.elem_div(b));
    says(&["dot", "2x3 and 2x4", "equal shapes"], || a.dot(b));
    says(&["atan2", "2x3 and 2x4", "agree, or are 1"], || a.atan2(b));
    says(&["quadratic_form", "2x4", "square"], || a.quadratic_form(b));
    says(&["quadratic_form", "3x2", "square"], || a.quadratic_form(rnd(3, 2, 1)));
    says(&["quadratic_form", "3x3 and 2x3", "as many rows"], || a.quadratic_form(rnd(3, 3, 1)));
    says(&["max", "2x3 and 2x4"], || a.max(b));
    says(&["min", "2x3 and 2x4"], || a.min(b));
    says(&["add_mul", "2x3", "2x4"], || a.add_mul(1.0, a, b));
    says(&["trace", "square", "2x3"], || a.trace());
    says(&["inverse: expected a square matrix, got 2x3"], || a.inverse());
    says(&["solve: expected a square matrix, got 2x3"], || a.solve(b));
    says(&["logdet: expected a square matrix, got 2x3"], || a.logdet());
    says(&["cholesky", "2x3", "square"], || a.cholesky());
    says(&["cholesky", "2x3", "square"], || a.cholesky_upper());
    says(&["spd", "2x3", "square"], || a.spd());
    says(&["Spd::solve", "3 rows", "3x3", "2x4"], || tape.eye(3).spd().solve(b));
    says(&["Spd::half_solve", "3 rows", "3x3", "2x4"], || tape.eye(3).spd().half_solve(b));
    says(&["cayley", "2x3", "square"], || a.cayley(0.5));
    says(&["expm", "2x3", "square"], || a.expm());
    says(&["expm_frechet", "shape of the matrix", "4x4 and 2x3"], || b.t().mul_t(b.t()).expm_frechet(a).0);
    says(&["sylvester: expected a square matrix, got 2x3"], || a.sylvester(b, a));
    let (c, d) = (tape.eye(3), tape.eye(2));
    says(&["sylvester: expected a right-hand side of 3 rows and 2 columns, got 3x3 and 2x2 and 2x3"], || {
        c.sylvester(d, a)
    });
    says(&["stein: expected a right-hand side of 3 rows and 2 columns, got 3x3 and 2x2 and 2x3"], || c.stein(d, a));
    says(&["lyapunov: expected a right-hand side of 3 rows and 3 columns, got 3x3 and 2x3"], || c.lyapunov(a));
    says(&["discrete_lyapunov: expected a right-hand side of 3 rows", "got 3x3 and 2x3"], || c.discrete_lyapunov(a));
    says(&["sqrtm: expected a square matrix, got 2x3"], || a.sqrtm());
    says(&["logm: expected a square matrix, got 2x3"], || a.logm());
    says(&["expm_multiply: expected a square matrix, got 2x3 and 2x3"], || a.expm_multiply(a));
    says(&["expm_multiply: expected as many rows as the matrix has", "got 3x3 and 2x3"], || c.expm_multiply(a));
    says(&["group_projector: expected a square matrix, got 2x3"], || a.group_projector(Group::RealAbove(0.0)).0);
    says(&["signm", "square", "2x3"], || a.signm());
    says(&["powm: expected a square matrix, got 2x3"], || a.powm(0.3));
    says(&["powm: expected a finite exponent, got NaN"], || c.powm(f64::NAN));
    says(&["powm_by: expected an exponent of one number, got 2x3"], || c.powm_by(a));
    says(&["se3_adjoint: expected a 4x4 matrix, got 2x3"], || a.se3_adjoint());
    says(&["se3_left_jacobian: expected a column of 6 numbers, got 2x3"], || a.se3_left_jacobian());
    says(&["se3_left_jacobian_inverse: expected a column of 6 numbers, got 2x3"], || a.se3_left_jacobian_inverse());
    says(&["logm_frechet: expected directions with the shape of the matrix, got 3x3 and 2x3"], || c.logm_frechet(a).1);
    says(&["eigvals", "2x3", "square"], || a.eigvals().0);
    says(&["charpoly", "2x3", "square"], || a.charpoly());
    says(&["trace_power", "2x3", "square"], || a.trace_power(3));
    says(&["expm_sym", "2x3", "square"], || a.expm_sym());
    says(&["trace_fun", "2x3", "square"], || a.trace_fun(SymFn::Exp));
    says(&["sym", "2x3", "square"], || a.sym());
    says(&["solve: expected a right-hand side of 3 rows, got 3x3 and 2x4"], || tape.eye(3).solve(b));
    says(&["solve_triangular", "3x3", "2x4"], || tape.eye(3).solve_triangular(Uplo::Lower, b));
    says(&["reshape", "2x3", "4x2"], || a.reshape(4, 2));
    says(&["slice", "2x3"], || a.slice(1, 1, 2, 2));
    says(&["column_range", "2x3"], || a.column_range(2, 2));
    says(&["row_range", "2x3"], || a.row_range(2, 1));
    says(&["member", "2x3"], || a.member(1));
    says(&["gather", "2x3", "3"], || a.gather(Axis::Cols, &[0, 3]));
    says(&["concat", "2x3", "2x4"], || Var::concat(&[a, b], Axis::Rows));
    says(&["concat", "empty"], || Var::<f64>::concat(&[], Axis::Rows));
    says(&["sum", "2x3", "3x3"], || a.sum_to(Shape::mat(3, 3)));
    says(&["broadcast", "2x3", "4x3"], || a.broadcast_to(Shape::mat(4, 3)));
    says(&["to_diag", "2x3"], || a.to_diag());
    let three = tape.input(&batch_of(3, 2, 3, |k| rnd(2, 3, k)));
    let two = tape.input(&batch_of(2, 2, 3, |k| rnd(2, 3, k)));
    says(&["add", "3 of 2x3 and 2 of 2x3", "batch"], || three + two);
    says(&["matmul", "3 of 2x3 and 2 of 3x2", "batch"], || three * two.t());
}

#[test]
fn the_method_that_was_called_is_named_and_the_shapes_are_those_given() {
    let tape = Tape::new();
    let (a, b, wide) = (tape.input(&spd(3, 1)), tape.input(&rnd(2, 4, 2)), tape.input(&rnd(2, 3, 1)));
    says(&["solve_transpose: expected a right-hand side of 3 rows, got 3x3 and 2x4"], || a.lu().solve_transpose(b));
    says(&["solve", "square", "2x3"], || wide.try_solve(b).is_ok());
    says(&["lstsq_of_rank: expected a matrix that can have rank 4, got 2x3"], || wide.lstsq_of_rank(4, b));
    says(&["slogdet: expected a square matrix, got 2x3"], || wide.slogdet());
    says(&["eigh: expected a square matrix, got 2x3"], || wide.eigh());
    says(&["logm_spd: expected a square matrix, got 2x3"], || wide.logm_spd());
    says(&["symmetric: expected a square matrix, got 2x3"], || wide.symmetric());
    says(&["frechet: expected directions with the shape of the matrix, got 3x3 and 2x3"], || {
        a.symmetric().frechet(SymFn::Exp, &[wide])
    });
    says(&["svd_truncated: expected a range within the 2 values", "0..3"], || wide.svd_truncated(3));
    says(&["permuted: expected an order that is a column of 3, got 3x3 and 2x3"], || a.permuted(Axis::Rows, wide));
    says(&["cayley_low_rank: expected U and V of one shape, with 3 rows, got 2x4 and 2x4"], || {
        a.cayley_low_rank(b, b, 0.5)
    });
    says(&["max: expected sizes that agree", "got 2x3 and 2x4"], || wide.max(b));
    // A method that failed to fit leaves no name behind.
    says(&["cholesky: expected a square matrix, got 2x3"], || wide.cholesky());
}

#[test]
fn division() {
    let tape = Tape::new();
    let (a, b, n) = (tape.input(&spd(3, 1)), tape.input(&rnd(3, 3, 2)), tape.input(&2.0));
    says(&["`/`: expected a divisor that is 1x1", "got 3x3 / 3x3", "elem_div", "inverse"], || a / b);
    says(&["`/`", "got 1x1 / 3x3", "recip"], || n / b);
    says(&["`/`", "got 1x1 / 3x3", "recip"], || 1.0 / b);
    says(&["`/`", "got 3x3 / 3x3"], || a / &rnd(3, 3, 1));
    says(&["`/`", "got 3x3 / 3x3"], || {
        let mut c = a;
        c /= b;
        c
    });
    let p = panic_of(|| Vec::<Var>::new().into_iter().sum::<Var>());
    assert!(p.text.starts_with("sum: expected at least one value, got an empty iterator"), "{}", p.text);
}

#[test]
fn trees_that_do_not_fit() {
    let tape = Tape::new();
    let (a, b) = (tape.input(&rnd(2, 3, 1)), tape.input(&rnd(2, 2, 2)));
    says(&["jvp: expected a direction of shape 2x3, as the point has, got 2x2"], || {
        (a, b).jvp(|(a, b)| a.sum() + b.sum(), (b, b))
    });
    says(&["hvp: expected a direction of 2 values, as the point has, got 1"], || {
        vec![a, b].hvp(|v| v[0].sum() * v[1].sum(), vec![a])
    });
    says(&["grad: a gradient is of one number", "got 2x3", "`sum` or `dot`"], || (a, b).grad(|(a, _)| a.sin()));
    says(&["checkpoint: expected a tree with at least one value"], || Vec::<Var>::new().checkpoint(|v| v));
    says(&["set_all: expected 2 leaves, as there are inputs, got 1"], || {
        tape.set_all(&vec![a, b], &vec![rnd(2, 3, 1)])
    });
    says(&["set", "2x2", "2x3"], || tape.set_all(&(a, b), &(rnd(2, 3, 1), rnd(2, 3, 1))));
    says(&["from_rows: expected 2 entries in row 1, as in row 0, got 1"], || {
        Batch::from_rows(&[&[1.0, 2.0][..], &[3.0]])
    });
    says(&["from_row_major: expected 4 entries for 2x2, got 1"], || Batch::from_row_major(Shape::mat(2, 2), &[1.0]));
    says(&["scalar: expected one number, got 2x2"], || Batch::<f64>::zeros(Shape::mat(2, 2)).scalar());
}

#[test]
fn numbers_and_directions() {
    let tape = Tape::new();
    let a = tape.input(&rnd(2, 3, 1));
    says(&["scalar", "2x3", "single number"], || a.scalar());
    says(&["set", "2x3", "3x3"], || tape.set(a, &rnd(3, 3, 1)));
    let y = a.sin();
    says(&["set", "result of an operation"], || tape.set(y, &rnd(2, 3, 1)));
    says(&["jvp", "3x2", "2x3"], || a.jvp(|x| x.sin(), rnd(3, 2, 1)));
    says(&["hvp", "3x2", "2x3"], || a.hvp(|x| x.sum(), rnd(3, 2, 1)));
    says(&["input_along", "Tape::forward()"], || tape.input_along(&1.0, &1.0));
    let forward = Tape::<f64>::forward();
    says(&["input_along", "3x2", "2x3"], || forward.input_along(&rnd(2, 3, 1), &rnd(3, 2, 1)));
    says(&["2x2", "needs 4 entries"], || Batch::from_slice(Shape::mat(2, 2), &[1.0]));
    says(&["one shape"], || Batch::stack(&[rnd(2, 2, 1), rnd(2, 3, 1)]));
    says(&["batch of 2", "member"], || Batch::<f64>::zeros(Shape::batch(2, 1, 1)).into_mat());
}

#[test]
fn a_gradient_inside_a_program_is_of_one_number() {
    for tape in [Tape::new(), Tape::plain(), Tape::forward()] {
        let x = tape.input(&rnd(2, 3, 1));
        says(&["a gradient is of one number", "2x3", "`sum` or `dot`"], || x.grad(|x| x.sin()));
        says(&["a gradient is of one number", "2x3"], || x.value_and_grad(|x| x.sin()));
        says(&["a gradient is of one number", "2x3"], || x.hvp(|x| x.sin(), rnd(2, 3, 2)));
        // The tape is as it was: still usable, its switch restored.
        assert_eq!(x.grad(|x| x.sum()).value().data(), [1.0; 6]);
    }
    assert!(!Tape::<f64>::plain().records());
}

#[test]
fn what_does_not_exist_of_a_matrix() {
    let tape = Tape::new();
    let (x, wide) = (tape.input(&rnd(4, 1, 1)), tape.input(&rnd(2, 3, 2)));
    says(&["hat", "column of 3", "4x1"], || x.hat());
    says(&["vee", "3x3", "2x3"], || wide.vee());
    says(&["so3_exp: expected a column of 3 numbers, got 4x1"], || x.so3_exp());
    says(&["so3_left_jacobian: expected a column of 3 numbers, got 4x1"], || x.so3_left_jacobian());
    says(&["so3_left_jacobian_inverse: expected a column of 3 numbers, got 2x3"], || wide.so3_left_jacobian_inverse());
    says(&["so3_log: expected a 3x3 matrix, got 2x3"], || wide.so3_log());
    says(&["so3_to_quaternion: expected a 3x3 matrix, got 2x3"], || wide.so3_to_quaternion());
    says(&["so3_from_quaternion: expected a column of 4 numbers, got 2x3"], || wide.so3_from_quaternion());
    says(&["so2_exp: expected one angle, got 4x1"], || x.so2_exp());
    says(&["so2_log: expected a 2x2 matrix, got 2x3"], || wide.so2_log());
    says(&["se2_exp: expected a column of 3 numbers, got 4x1"], || x.se2_exp());
    says(&["se2_log: expected a 3x3 matrix, got 2x3"], || wide.se2_log());
    says(&["se3_exp: expected a column of 6 numbers, got 4x1"], || x.se3_exp());
    says(&["se3_log: expected a 4x4 matrix, got 2x3"], || wide.se3_log());
    says(&["clamp", "above"], || x.clamp(1.0, 0.0));
    says(&["matrix_power", "square", "2x3"], || wide.matrix_power(2));
    says(&["qr_of_rank", "2x3", "rank 3"], || wide.qr_of_rank(3));
    says(&["spectral_projector", "5", "3"], || tape.input(&rnd(3, 3, 3)).spectral_projector(5));
    says(&["det: expected a square matrix, got 2x3"], || wide.det());
    says(&["lstsq: expected a right-hand side of 2 rows, got 2x3 and 4x1"], || wide.lstsq(x));
    says(&["eigvalsh: expected a square matrix, got 2x3"], || wide.eigvalsh());
    // Backwards, as a variable's ends may come out.
    let (from, square) = (3, tape.input(&rnd(3, 3, 4)));
    says(&["3..1", "does not end before it starts"], || square.symmetric().values(from..1));
    says(&["3..1", "does not end before it starts"], || square.symmetric().vectors(from..1));
    says(&["3..1", "does not end before it starts"], || square.singular().triplets(from..1));
    says(&["values: expected a range within the 3 values", "2..5"], || square.symmetric().values(2..5));
}

#[test]
fn handles_of_another_tape() {
    let (one, two) = (Tape::new(), Tape::new());
    let (x, y) = (one.input(&1.0), two.input(&2.0));
    let foreign = "another tape";
    says(&["add", foreign], || x + y);
    says(&["hadamard", foreign], || x * y);
    says(&["add_mul", foreign], || x.add_mul(1.0, x, y));
    says(&["concat", foreign], || Var::concat(&[x, y], Axis::Rows));
    says(&[foreign], || one.gradient(y, x));
    says(&[foreign], || one.gradient(x, y));
    let zero = || Batch::zeros(Shape::SCALAR);
    says(&[foreign], || one.gradient_into(x, &[y], &mut [&mut zero()]));
    says(&[foreign], || one.vjp_into(&[(x, &1.0)], &[y], &mut [&mut zero()]));
    says(&[foreign], || one.vjp_visit(&[(x, &1.0)], &[y], |_, _| ()));
    says(&[foreign], || one.jvp_into(&[(x, &1.0)], &[y], &mut [&mut zero()]));
    says(&[foreign], || one.hvp(x, y, &1.0));
    says(&[foreign], || one.grad_on_tape(x, y).map(|_| ()));
    says(&[foreign], || one.set(y, &1.0));
    says(&[foreign], || x.grad(|_| y));
    says(&[foreign], || x.grad(|x| x * y));
    says(&[foreign], || x.jvp(|_| y, x));
    says(&[foreign], || x.jvp(|x| x, y));
    says(&[foreign], || x.hvp(|_| y, x));
    says(&[foreign], || x.checkpoint(|_| y));
    let plain = Tape::plain();
    let z = plain.input(&1.0);
    says(&[foreign], || plain.iterate(z, 2, |_| y));
    says(&[foreign], || plain.scope(|| y));
}

#[test]
fn handles_of_a_step_that_ended() {
    let tape = Tape::<f64>::plain();
    let x = tape.input(&1.0);
    let mut kept = None;
    let end = tape.iterate(x, 3, |s| {
        let next = s + x;
        kept = Some(next);
        next + 1.0
    });
    let dead = kept.expect("a step ran");
    let ended = "freed when its step or scope ended";
    says(&["add", ended, "return it from the step"], || dead + x);
    says(&[ended], || dead.value());
    says(&[ended], || dead.scalar());
    says(&[ended], || dead.shape());
    says(&[ended], || dead.tangent());
    says(&[ended], || dead.is_poisoned());
    assert_eq!(end.scalar(), 7.0);
    // The same for what a scope made, and for what a gradient inside a program made on the way.
    let mut leaked = None;
    let _ = tape.scope(|| {
        leaked = Some(x + 1.0);
        x
    });
    says(&["scale", ended], || -leaked.expect("the scope ran"));
    let leaked = std::cell::Cell::new(None);
    let _ = x.grad(|x| {
        leaked.set(Some(x.sin()));
        x.cos()
    });
    says(&["exp", ended], || leaked.get().expect("the closure ran").exp());
}

#[test]
fn a_value_that_replaced_a_dead_one_is_not_mistaken_for_it() {
    let tape = Tape::<f64>::plain();
    let mut leaked = None;
    tape.scope(|| {
        leaked = Some(tape.constant(&1.0));
        tape.constant(&2.0)
    });
    let fresh: Vec<Var<'_>> = (0..8).map(|k| tape.constant(&(k as f64))).collect();
    assert_eq!(fresh[3].scalar(), 3.0);
    says(&["freed"], || leaked.expect("the scope ran").scalar());
}
