use pullback::*;
fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let reps: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let mode = std::env::args().nth(3).unwrap();
    let x0 = Batch::from_slice(Shape::mat(n, n), &pullback_benches::entries(n * n, 1));
    let a0 = Batch::from_slice(Shape::mat(n, n), &pullback_benches::entries(n * n, 2));
    let tape = Tape::new();
    let x = tape.input(&x0);
    let a = tape.constant(&a0);
    let mut y = x;
    for _ in 0..100 { y = (a * y * 0.9).tanh(); }
    let f = y.sum();
    let mut g = Batch::zeros(x0.shape());
    let t = std::time::Instant::now();
    for _ in 0..reps {
        if mode != "grad" { tape.replay().unwrap(); }
        if mode != "replay" { tape.gradient_into(f, &[x], &mut [&mut g]).unwrap(); }
    }
    println!("{} ns/node", t.elapsed().as_secs_f64() / reps as f64 / 300.0 * 1e9);
}
