//! `C + alpha op(A) op(B)` from buffer to buffer: its cotangents are in every bit those of the rule, where inputs go
//! several ways, are one another, are constants or serve a batch, and where a value on the way is a target too.

use pullback::prelude::*;
use pullback::{Batch, Shape};

type Program = for<'t> fn(Var<'t>, Var<'t>) -> Var<'t>;

const PROGRAMS: [(&str, Program); 8] = [
    ("after its factors", |a, b| (a * b).add_mul(-0.5, a, b).sin().sum()),
    ("before its factors", |a, b| a.add_mul(2.0, a, b).sin().sum() + (a * b).cos().sum()),
    ("all one", |a, _| a.add_mul(1.0, a, a).sin().sum()),
    ("sum and first", |a, b| b.add_mul(1.0, b, a).sin().sum()),
    ("transposed", |a, b| a.add_mul(-1.0, b, b.t_mul(a)).sin().sum()),
    ("constant sum", |a, b| a.tape().eye(3).add_mul(0.3, a, b).sin().sum()),
    ("constant factor", |a, b| a.add_mul(0.3, b.tape().eye(3), b).sin().sum()),
    ("twice", |a, b| a.add_mul(1.0, a, b).add_mul(-1.0, b, a).sin().sum()),
];

fn batch(members: usize, seed: usize) -> Batch {
    Batch::from_fn(Shape::batch(members, 3, 3), |m, i, j| ((7 * m + 3 * i + 5 * j + seed) as f64 * 1.3).sin())
}

#[test]
fn the_shortcut_has_the_bits_of_the_rule() {
    for (name, program) in PROGRAMS {
        for (one, other) in [(1, 1), (4, 4), (4, 1), (1, 4)] {
            let gradients = |on: bool| {
                let tape = Tape::new();
                tape.use_shortcuts(on);
                let (a, b) = (tape.input(&batch(one, 1)), tape.input(&batch(other, 2)));
                let c = a + b;
                let y = program(a, b) + program(c, b);
                let mut out = [a, b, c].map(|x| Batch::zeros(x.shape()));
                tape.gradient_into(y, &[a, b, c], &mut out.iter_mut().collect::<Vec<_>>()).map(|()| out)
            };
            match (gradients(true), gradients(false)) {
                (Ok(with), Ok(without)) => {
                    for (w, o) in with.iter().zip(&without) {
                        assert!(w.data() == o.data() && w.max_abs() > 1e-3, "{name}, batches of {one} and {other}");
                    }
                }
                (with, without) => panic!("{name}, {one}, {other}: {with:?} {without:?}"),
            }
        }
    }
}
