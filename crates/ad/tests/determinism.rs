//! The same bits twice, and a tape for every worker.

mod common;
use common::*;
use faer::Mat;
use pullback::prelude::*;
use pullback::{Error, HvpOperator, Leaves};

fn program<'t>(x: Var<'t>) -> Var<'t> {
    let n = x.cols();
    let (q, r) = x.qr();
    let s = (q.t_mul(x.tanh()) + 3.0 * x.tape().eye(n)).sym();
    let (w, h) = x.polar();
    let solved = s.solve(r.t());
    s.logm_spd().dot(r) + solved.sum() + w.dot(q) + h.cholesky().logdet() + x.t_mul(x).skew().cayley(0.5).trace()
}

type Answers = (f64, Mat<f64>, Mat<f64>, Mat<f64>);

fn answers(m: usize, n: usize) -> Answers {
    let (x0, v) = (rnd(m, n, 1), rnd(m, n, 2));
    let (f, g) = value_and_grad(program, &x0).unwrap();
    let h = hvp(program, &x0, &v).unwrap();
    let g2 = grad(|x| x.grad(program).dot(&v), &x0).unwrap();
    (f, g, h, g2)
}

fn bits(a: &Answers) -> Vec<u64> {
    let mats = [&a.1, &a.2, &a.3];
    let entries = mats.into_iter().flat_map(|m| Leaves::batches(m)[0].data().to_vec());
    std::iter::once(a.0).chain(entries).map(f64::to_bits).collect()
}

#[test]
fn the_same_bits_twice() {
    for (m, n) in [(4, 3), (20, 12), (70, 40)] {
        let first = answers(m, n);
        assert_eq!(bits(&first), bits(&answers(m, n)));
        // On other threads, at the same time, and on a tape with a past.
        std::thread::scope(|s| {
            let workers: Vec<_> = (0..3).map(|_| s.spawn(|| answers(m, n))).collect();
            for w in workers {
                assert_eq!(bits(&first), bits(&w.join().unwrap()));
            }
        });
        let mut tape = Tape::new();
        tape.value_and_grad(|x| x.exp().norm(), &rnd(m, n, 9)).unwrap();
        let (f, g) = tape.value_and_grad(program, &rnd(m, n, 1)).unwrap();
        assert_eq!((f.to_bits(), &g), (first.0.to_bits(), &first.1));
        assert_eq!(tape.hvp_of(program, &rnd(m, n, 1), &rnd(m, n, 2)).unwrap(), first.2);
        // And by replay.
        tape.clear();
        let x = tape.input(&rnd(m, n, 7));
        let y = program(x);
        tape.set(x, &rnd(m, n, 1));
        tape.replay().unwrap();
        assert_eq!(y.scalar().to_bits(), first.0.to_bits());
        assert_eq!(tape.gradient(y, x).unwrap().into_mat(), first.1);
    }
}

#[test]
fn a_tape_moves_to_another_thread() {
    fn send<T: Send>() {}
    fn everywhere<T: Send + Sync>() {}
    send::<Tape<f64>>();
    send::<Tape<f32>>();
    everywhere::<Batch<f64>>();
    everywhere::<Error>();
    let tape = Tape::new();
    let before = {
        let x = tape.input(&rnd(3, 3, 1));
        tape.gradient((x * x).trace(), x).unwrap()
    };
    let (tape, after) = std::thread::spawn(move || {
        let x = tape.input(&rnd(3, 3, 1));
        let g = tape.gradient((x * x).trace(), x).unwrap();
        (tape, g)
    })
    .join()
    .unwrap();
    assert_eq!(before, after);
    assert_eq!(tape.operations(), 6);
    // A held operator is no more than two handles.
    assert!(size_of::<HvpOperator<'_>>() <= 6 * size_of::<usize>());
}
