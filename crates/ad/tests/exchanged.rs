//! Long inputs and results change places with the caller's batches instead of being copied. The numbers are the same,
//! also where a value is asked for more than once.

mod common;
use common::*;
use pullback::prelude::*;
use pullback::{Batch, MatLike};

/// Below the length from which buffers change places, and above.
const ORDERS: [usize; 2] = [4, 40];

#[test]
fn a_swapped_input_is_the_one_that_was_set() {
    for n in ORDERS {
        let (x0, x1, w) = (rnd(n, n, 1), Batch::of(&rnd(n, n, 2)), rnd(n, n, 3));
        let tape = Tape::new();
        let x = tape.input(&x0);
        let y = (x * x).sin().dot(&w);
        tape.set(x, &x1);
        let (value, gradient) = (y.scalar(), tape.gradient(y, x).unwrap());
        tape.set(x, &x0);
        let mut next = x1.clone();
        tape.swap(x, &mut next);
        assert_eq!(next.data(), Batch::of(&x0).data(), "the batch has the numbers that the input had");
        // Nobody asked for a replay: reading a value and asking for a derivative see to it.
        assert_eq!((y.scalar(), tape.gradient(y, x).unwrap()), (value, gradient.clone()));
        tape.swap(x, &mut next);
        tape.swap(x, &mut next);
        tape.replay().unwrap();
        assert_eq!((y.scalar(), tape.gradient(y, x).unwrap()), (value, gradient));
    }
}

#[test]
fn what_cannot_be_swapped_is_refused() {
    let tape = Tape::new();
    let x = tape.input(&rnd(2, 2, 1));
    let y = x * 2.0;
    let said = |f: &dyn Fn()| panic_of(f).text;
    assert!(
        said(&|| tape.swap(x, &mut Batch::of(&rnd(2, 3, 1))))
            .contains("swap: expected the shape of the input, 2x2, got 2x3")
    );
    assert!(said(&|| tape.swap(y, &mut Batch::of(&rnd(2, 2, 1)))).contains("swap: expected an input or a constant"));
}

/// The first of two results of one value must not take what the second still reads.
#[test]
fn a_value_that_is_asked_for_twice_is_given_twice() {
    for n in ORDERS {
        let (x0, w, v) = (rnd(n, n, 1), rnd(n, n, 2), rnd(n, n, 3));
        let tape = Tape::new();
        let x = tape.input(&x0);
        let m = (x * x).sin();
        let y = m.dot(&w);
        let fresh = || [Batch::zeros(x.shape()), Batch::zeros(x.shape())];
        let twice = |[a, b]: [Batch; 2], once: Batch| assert!(a == once && b == once, "order {n}");

        let mut g = fresh();
        tape.gradient_into(y, &[x, x], &mut g.each_mut()).unwrap();
        twice(g, tape.gradient(y, x).unwrap());

        let mut g = fresh();
        tape.vjp_into(&[(m, &w)], &[x, x], &mut g.each_mut()).unwrap();
        twice(g, tape.gradient(y, x).unwrap());

        let mut d = fresh();
        tape.jvp_into(&[(x, &v)], &[m, m], &mut d.each_mut()).unwrap();
        let mut once = Batch::zeros(x.shape());
        tape.jvp_into(&[(x, &v)], &[m], &mut [&mut once]).unwrap();
        twice(d, once);

        // Along `v` and once more along `v`.
        let seeds: [(Var, &dyn MatLike<f64>); 2] = [(x, &v), (x, &v)];
        let (mut g, mut h) = (fresh(), fresh());
        tape.grads_hvps_into(y, &seeds, &mut g.each_mut(), &mut h.each_mut()).unwrap();
        twice(g, tape.gradient(y, x).unwrap());
        assert!(h[0] == h[1]);
        let along_both = tape.hvp(y, x, &(&v * 2.0)).unwrap();
        let off = h[0].data().iter().zip(along_both.data()).fold(0.0, |s: f64, (a, b)| s.max((a - b).abs()));
        assert!(off <= 1e-12 * along_both.max_abs());
    }
}
