//! The unroll forwards: one tangent of the state for each entry of the parameters travels along the loop. For a few
//! parameters; its memory does not grow with the number of steps.
//!
//! `dz_{t+1} = A_t dz_t + B_t dphi`, for `dphi` one unit direction after the other; at the end `dL = <dL/dz, dz> +
//! <dL/dphi, dphi>`. Each step is recorded once and swept once for each entry.

use crate::certificate::Certificate;
use crate::error::Result;
use crate::estimate::{Derivative, Sensitivity, bind, bytes_of, finite, finite_value, rebuilt, record, seeds};
use crate::iteration::{Iteration, list};
use crate::lists::{self, List};
use pullback::{Batch, Leaves, Scalar, Var};

/// The derivative of all steps by tangents.
pub(crate) fn derivative<T: Scalar, I>(
    on: &mut Sensitivity<T>,
    it: &I,
    z0: &I::State,
    phi: &I::Params,
    steps: usize,
) -> Result<Derivative<I::State, I::Params>>
where
    I: Iteration,
    I::State: Leaves<Scalar = T>,
    I::Params: Leaves<Scalar = T>,
{
    let (shapes, mut unit) = (z0.shapes(), lists::zeros::<T>(&phi.shapes()));
    let entries: Vec<(usize, usize)> =
        phi.shapes().iter().enumerate().flat_map(|(leaf, s)| (0..s.len()).map(move |i| (leaf, i))).collect();
    let mut dz: Vec<List<T>> = vec![lists::zeros(&shapes); entries.len()];
    let (mut z, mut pushed) = (z0.batches(), lists::zeros(&shapes));
    let mut operations = 0;
    for t in 0..steps {
        on.recorded.clear();
        let tape = &on.recorded;
        let rec = record(tape, it, z0, &z, phi, t..t + 1)?;
        let end = list(&rec.end);
        end.iter().zip(&mut z).for_each(|(v, z)| *z = v.value());
        finite(&z, t + 1)?;
        for (v, (leaf, i)) in dz.iter_mut().zip(&entries) {
            unit[*leaf].data_mut()[*i] = T::one();
            let seeds: Vec<_> = seeds(&rec.from, v).into_iter().chain(seeds(&rec.phi, &unit)).collect();
            tape.jvp_into(&seeds, &end, &mut pushed.iter_mut().collect::<Vec<_>>())?;
            std::mem::swap(v, &mut pushed);
            unit[*leaf].data_mut()[*i] = T::zero();
        }
        operations = operations.max(tape.operations());
    }
    let (value, gradient) = judged(on, it, (z0, &z), phi, (&dz, &entries))?;
    let held = dz.iter().map(|v| bytes_of(v)).sum::<usize>() + 3 * bytes_of(&z) + bytes_of(&gradient);
    Ok(Derivative {
        value,
        gradient: rebuilt(phi, gradient),
        state: rebuilt(z0, z),
        certificate: Certificate::unrolled(steps),
        failures: vec![],
        bytes: on.recorded.peak_bytes() + held,
        operations,
        products: 0,
    })
}

/// The outer loss at the state `z`, and its gradient from the tangent of each entry of the parameters.
fn judged<T: Scalar, I>(
    on: &mut Sensitivity<T>,
    it: &I,
    (like, z): (&I::State, &[Batch<T>]),
    phi: &I::Params,
    (dz, entries): (&[List<T>], &[(usize, usize)]),
) -> Result<(f64, List<T>)>
where
    I: Iteration,
    I::State: Leaves<Scalar = T>,
    I::Params: Leaves<Scalar = T>,
{
    on.recorded.clear();
    let tape = &on.recorded;
    let ((state, zs), (params, phis)) = (bind(tape, like, z), bind(tape, phi, &phi.batches()));
    let loss = it.outer(tape, state, params);
    let (mut slope, mut gradient) = (lists::zeros::<T>(&like.shapes()), lists::zeros::<T>(&phi.shapes()));
    let by: Vec<Var<'_, T>> = zs.iter().chain(&phis).copied().collect();
    tape.gradient_into(loss, &by, &mut slope.iter_mut().chain(gradient.iter_mut()).collect::<Vec<&mut Batch<T>>>())?;
    for (v, (leaf, i)) in dz.iter().zip(entries) {
        gradient[*leaf].data_mut()[*i] += T::of(product(&slope, v));
    }
    Ok((finite_value(loss.scalar())?, gradient))
}

/// The ambient inner product, summed member by member, so that a member whose tangent is the only one that is not zero
/// gets the bits that it has alone.
fn product<T: Scalar>(u: &[Batch<T>], v: &[Batch<T>]) -> f64 {
    let n = lists::members(&lists::shapes(u));
    match u.iter().all(|b| b.shape().batch == n) {
        true => (0..n).map(|m| lists::dot(u, v, m)).sum(),
        false => lists::all_dot(u, v),
    }
}
