//! A batch of points gives what the points give, one by one; and so does a batch where one input serves all members.

use crate::agreement::Sizes;
use crate::lists::{List, Random, minus, moduli, plus, same_shapes};
use crate::report::Report;
use crate::subject::Subject;
use crate::{Error, Modes, tolerances};
use pullback::{Batch, Scalar, Shape};

const VALUE: &str =
    "members of a batch are not treated alike and alone: the program mixes them, or looks at the first only";
const FORWARD: &str = "the forward rule does not treat the members of a batch alike and alone";
const REVERSE: &str = "the reverse rule does not treat the members of a batch alike and alone";
const SUMMED: &str = "the cotangent of an input that serves all members is not the sum over the members";

const MEMBERS: usize = 3;

fn stacked<T: Scalar>(members: &[&Batch<T>]) -> Batch<T> {
    let data: Vec<T> = members.iter().flat_map(|b| b.data().to_vec()).collect();
    Batch::from_slice(Shape { batch: members.len(), ..members[0].shape() }, &data)
}

fn member<T: Scalar>(b: &Batch<T>, k: usize) -> Batch<T> {
    let each = b.shape().each();
    Batch::from_slice(Shape { batch: 1, ..b.shape() }, &b.data()[k * each..(k + 1) * each])
}

fn members<T: Scalar>(l: &[Batch<T>], k: usize) -> List<T> {
    l.iter().map(|b| if b.shape().batch == 1 { b.clone() } else { member(b, k) }).collect()
}

pub(crate) fn batches<T: Scalar>(
    subject: &dyn Subject<T>,
    (x, scale): (&List<T>, &List<T>),
    modes: Modes,
    sizes: &Sizes,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Error> {
    let asked = modes.intersects(Modes::BATCH | Modes::BROADCAST);
    if !asked {
        return Ok(());
    }
    if x.iter().any(|b| b.shape().batch != 1) {
        report.skip("batch", "the point is a batch already");
        return Ok(());
    }
    let mut points: Vec<List<T>> = vec![x.clone()];
    for _ in 1..MEMBERS {
        let (d, mut distance) = (random.scaled(scale), tolerances::MEMBER_DISTANCE);
        let near = (0..tolerances::SHRINKS).find_map(|_| {
            let near = plus(x, distance, &d);
            distance *= 0.5;
            subject.outputs(&near).is_ok().then_some(near)
        });
        points.push(near.unwrap_or_else(|| x.clone()));
    }
    if modes.contains(Modes::BATCH) {
        one(subject, &points, scale, None, modes, sizes, random, report)?;
    }
    if modes.contains(Modes::BROADCAST) && x.len() > 1 {
        for i in 0..x.len() {
            one(subject, &points, scale, Some(i), modes, sizes, random, report)?;
        }
    }
    Ok(())
}

/// All inputs in batches, but the `single` one.
fn one<T: Scalar>(
    subject: &dyn Subject<T>,
    points: &[List<T>],
    scale: &List<T>,
    single: Option<usize>,
    modes: Modes,
    sizes: &Sizes,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Error> {
    let n = points[0].len();
    let all: List<T> = (0..n)
        .map(|i| match single == Some(i) {
            true => points[0][i].clone(),
            false => stacked(&points.iter().map(|p| &p[i]).collect::<Vec<_>>()),
        })
        .collect();
    let singles: Vec<List<T>> = (0..MEMBERS).map(|k| members(&all, k)).collect();
    let name = match single {
        None => "batch".to_string(),
        Some(i) => format!("broadcast of input {i}"),
    };
    let y = subject.outputs(&all).map_err(Error::Value)?;
    if let Some(k) = y.iter().position(|y| y.shape().batch != MEMBERS) {
        report.skip(name, format!("output {k} of a batch of {MEMBERS} is {}, not a batch of {MEMBERS}", y[k].shape()));
        return Ok(());
    }
    let w = random.list(y.iter().map(Batch::shape));
    // The values: of every member alone.
    let (mut apart, mut size) = (0.0, 0.0f64);
    for (k, single) in singles.iter().enumerate() {
        let (alone, wk) = (subject.outputs(single).map_err(Error::Value)?, members(&w, k));
        same_shapes(&alone, &members(&y, k))?;
        apart += moduli(&minus(&alone, &members(&y, k)), &wk);
        size += moduli(&alone, &wk);
    }
    let tolerance = tolerances::agreement::<T>();
    report.defects.push(sizes.defect::<T>(format!("{name}: value = members"), VALUE, tolerance, apart, size)?);
    if modes.contains(Modes::FORWARD) {
        let v: List<T> = all.iter().zip(random.list(all.iter().map(Batch::shape))).map(|(_, v)| v).collect();
        let jv = subject.push(&all, &v)?;
        let (mut apart, mut size) = (0.0, 0.0f64);
        for (k, single) in singles.iter().enumerate() {
            let (alone, wk) = (subject.push(single, &members(&v, k))?, members(&w, k));
            apart += moduli(&minus(&alone, &members(&jv, k)), &wk);
            size += moduli(&alone, &wk);
        }
        report.defects.push(sizes.defect::<T>(format!("{name}: Jv = members"), FORWARD, tolerance, apart, size)?);
    }
    if modes.contains(Modes::REVERSE) {
        let g = subject.pull(&all, &w)?;
        let (mut apart, mut size) = (0.0, 0.0f64);
        let (mut sum, mut sum_size): (Option<List<T>>, f64) = (None, 0.0);
        for (k, one) in singles.iter().enumerate() {
            let alone = subject.pull(one, &members(&w, k))?;
            for i in 0..n {
                let (a, s) = (&alone[i..=i], &scale[i..=i]);
                if single == Some(i) {
                    sum_size += moduli(a, s);
                    sum = Some(sum.map_or_else(|| a.to_vec(), |sum| plus(&sum, 1.0, a)));
                } else {
                    apart += moduli(&minus(a, &members(&g[i..=i], k)), s);
                    size += moduli(a, s);
                }
            }
        }
        report.defects.push(sizes.defect::<T>(format!("{name}: J'w = members"), REVERSE, tolerance, apart, size)?);
        if let (Some(i), Some(sum)) = (single, sum) {
            let apart = moduli(&minus(&sum, &g[i..=i]), &scale[i..=i]);
            let what = format!("{name}: J'w = sum of members");
            report.defects.push(sizes.defect::<T>(what, SUMMED, tolerance, apart, sum_size)?);
        }
    }
    Ok(())
}
