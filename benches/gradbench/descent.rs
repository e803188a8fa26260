//! The descent of `particle` and `saddle`: steps along the gradient, of a length that doubles after ten of them and
//! halves where the cost does not fall. It is a program like any other, so it nests in programs that are
//! differentiated.

use pullback::{Axis, Shape, Var};

/// How a gradient is taken: by a reverse sweep, or by a tangent for each entry.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Reverse,
    Forward,
}

/// A cost as a part of a program.
type Cost<'f, 't> = &'f dyn Fn(Var<'t>) -> Var<'t>;

pub(crate) fn gradient<'t>(mode: Mode, f: Cost<'_, 't>, x: Var<'t>) -> Var<'t> {
    if mode == Mode::Reverse {
        return x.grad(f);
    }
    let unit = |i| x.tape().constant(&crate::unit(Shape::mat(x.rows(), 1), i));
    let slopes: Vec<Var<'t>> = (0..x.rows()).map(|i| x.jvp(f, unit(i)).1).collect();
    Var::concat(&slopes, Axis::Rows)
}

/// The column of least cost that the descent from `x` finds.
pub(crate) fn argmin<'t>(mode: Mode, f: Cost<'_, 't>, x: Var<'t>) -> Var<'t> {
    const NEAR: f64 = 1e-5;
    let (mut x, mut fx, mut gx) = (x, f(x), gradient(mode, f, x));
    let (mut eta, mut steps) = (1e-5, 0);
    while gx.norm().scalar() > NEAR {
        if steps == 10 {
            (eta, steps) = (2.0 * eta, 0);
            continue;
        }
        let next = x.lincomb(1.0, gx, -eta);
        if (next - x).norm().scalar() <= NEAR {
            break;
        }
        let f_next = f(next);
        if f_next.scalar() < fx.scalar() {
            (x, fx, gx, steps) = (next, f_next, gradient(mode, f, next), steps + 1);
        } else {
            (eta, steps) = (eta / 2.0, 0);
        }
    }
    x
}

/// That of greatest cost.
pub(crate) fn argmax<'t>(mode: Mode, f: Cost<'_, 't>, x: Var<'t>) -> Var<'t> {
    argmin(mode, &|x| -f(x), x)
}

#[cfg(test)]
mod tests {
    use crate::measured::{Nested, solved};
    use crate::{particle, saddle};

    /// What the suite expects, to its own tolerance of 1e-10.
    #[test]
    fn the_golden_values_in_every_mode() {
        for modes in Nested::ALL {
            let w = solved(&particle::cases(), &format!("particle/{modes}"));
            assert!((w[0] - 0.2071918746486116).abs() < 1e-10, "particle/{modes}: {w:?}");
            let points = solved(&saddle::cases(), &format!("saddle/{modes}"));
            assert_eq!(points.len(), 4);
            for x in points {
                assert!((x - 8.246324826140356e-6).abs() < 1e-10, "saddle/{modes}: {x:e}");
            }
        }
    }
}
