//! What the papers and we claim of the cost of a meta-gradient, looked at in the rows that were measured. Every claim
//! is decided by numbers; none is assumed.

use super::args::How;
use super::measure::Row;
use super::printed::Work;
use serde::Serialize;

/// A claim, whether the rows show it, and the numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Claim {
    pub(crate) work: Work,
    pub(crate) claim: &'static str,
    pub(crate) holds: bool,
    pub(crate) numbers: String,
}

/// How much faster than an unroll of 525 steps the implicit meta-gradient is to be.
const FASTER: f64 = 60.0;
const LONG: usize = 525;
/// The process's peak is flat if it changes by less than this part of it.
const FLAT_PROCESS: f64 = 0.02;
/// Time does not depend on the length if the slowest row takes at most this much of the fastest.
const FLAT_TIME: f64 = 1.25;

/// All that can be said about these rows.
pub(crate) fn of(rows: &[Row]) -> Vec<Claim> {
    Work::ALL.into_iter().flat_map(|work| about(work, rows)).collect()
}

fn about(work: Work, rows: &[Row]) -> Vec<Claim> {
    let of = |how: How| rows.iter().filter(|r| r.work == work && r.how == how).collect::<Vec<&Row>>();
    let (implicit, unroll) = (of(How::Implicit), of(How::Unroll));
    if implicit.len() < 2 {
        return vec![];
    }
    let list = implicit.iter().map(|r| r.steps.to_string()).collect::<Vec<_>>().join(", ");
    let mut out = vec![bytes(work, &implicit, &list)];
    out.extend(process(work, &implicit, &list));
    out.push(time(work, &implicit, &list));
    out.push(whole(work, &implicit));
    out.extend(faster(work, &implicit, &unroll));
    out.extend(linear(work, &unroll));
    out
}

/// The lowest and the highest.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)))
}

fn bytes(work: Work, rows: &[&Row], list: &str) -> Claim {
    let (tapes, held) = (range(rows.iter().map(|r| r.tapes as f64)), range(rows.iter().map(|r| r.held as f64)));
    Claim {
        work,
        claim: "the bytes of the recording, and of everything that is held, do not depend on T",
        holds: tapes.0 == tapes.1 && held.0 == held.1,
        numbers: format!("T = {list}: recording {} to {}, everything {} to {} bytes", tapes.0, tapes.1, held.0, held.1),
    }
}

fn process(work: Work, rows: &[&Row], list: &str) -> Option<Claim> {
    let peaks: Option<Vec<f64>> = rows.iter().map(|r| r.process).collect();
    let (low, high) = range(peaks?.into_iter());
    Some(Claim {
        work,
        claim: "the peak of the process does not depend on T",
        holds: high - low <= FLAT_PROCESS * high,
        numbers: format!("T = {list}: {low:.1} to {high:.1} MiB"),
    })
}

fn time(work: Work, rows: &[&Row], list: &str) -> Claim {
    let (low, high) = range(rows.iter().map(|r| r.seconds));
    Claim {
        work,
        claim: "the time of the meta-gradient, at a given solution, does not depend on T",
        holds: high <= FLAT_TIME * low,
        numbers: format!("T = {list}: {:.4} to {:.4} s", low, high),
    }
}

fn whole(work: Work, rows: &[&Row]) -> Claim {
    let all = |r: &Row| r.seconds + r.inner_seconds.unwrap_or(0.0);
    let (first, last) = (rows[0], rows[rows.len() - 1]);
    Claim {
        work,
        claim: "the time of a whole outer step, the inner loop with it, does not depend on T (the papers' text)",
        holds: all(last) <= FLAT_TIME * all(first),
        numbers: format!("{:.4} s at T = {}, {:.4} s at T = {}", all(first), first.steps, all(last), last.steps),
    }
}

fn faster(work: Work, implicit: &[&Row], unroll: &[&Row]) -> Option<Claim> {
    let last = implicit.iter().max_by_key(|r| r.steps)?;
    let other = unroll.iter().find(|r| r.steps == last.steps)?;
    let ratio = other.seconds / last.seconds;
    let theirs = match (work.of_paper(How::Unroll, last.steps), work.of_paper(How::Implicit, last.steps)) {
        (Some(a), Some(b)) => format!("; the papers print {} and {} s, whole steps", a.seconds, b.seconds),
        _ => String::new(),
    };
    let whole = other.seconds / (last.seconds + last.inner_seconds.unwrap_or(0.0));
    (last.steps == LONG).then(|| Claim {
        work,
        claim: "at a given solution the implicit meta-gradient is at least 60 times as fast as the unroll of 525 steps",
        holds: ratio >= FASTER,
        numbers: format!(
            "{:.4} s against {:.4} s, {ratio:.0} times; {whole:.1} times if the inner loop counts{theirs}",
            last.seconds, other.seconds
        ),
    })
}

/// Ours: time and memory of an unroll are linear in `T`, not quadratic.
fn linear(work: Work, rows: &[&Row]) -> Option<Claim> {
    let (first, last) = (rows.iter().min_by_key(|r| r.steps)?, rows.iter().max_by_key(|r| r.steps)?);
    let longer = last.steps as f64 / first.steps as f64;
    let slower = last.seconds / first.seconds;
    (last.steps > first.steps).then(|| Claim {
        work,
        claim: "our own unroll takes time linear in T (the papers' is quadratic)",
        holds: slower <= 1.5 * longer,
        numbers: format!("{longer:.1} times as many steps take {slower:.1} times as long"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(how: How, steps: usize, seconds: f64, held: u64) -> Row {
        Row {
            work: Work::Faces,
            how,
            steps,
            inner_seconds: (how == How::Implicit).then_some(0.01 * steps as f64),
            seconds,
            runs: 1,
            tapes: 7,
            held,
            process: Some(50.0),
            process_before: None,
            operations: 3,
            parameters: 2,
            problem: String::new(),
            value: 1.0,
            verdict: None,
            error: None,
            rho: None,
            agreement: None,
            processor: None,
        }
    }

    fn held(claims: &[Claim], words: &str) -> bool {
        claims.iter().find(|c| c.claim.contains(words)).unwrap_or_else(|| panic!("no claim on {words}")).holds
    }

    #[test]
    fn claims_follow_the_rows_in_both_directions() {
        let rows = |fast, more, slow| {
            vec![
                row(How::Implicit, 5, 0.01, 100),
                row(How::Implicit, 525, fast, more),
                row(How::Unroll, 5, 0.01, 100),
                row(How::Unroll, 525, slow, 100),
            ]
        };
        let good = of(&rows(0.011, 100, 1.0));
        let words =
            ["bytes of the recording", "peak of the process", "at a given solution, does", "at least 60", "linear"];
        assert!(words.iter().all(|w| held(&good, w)), "{good:?}");
        assert!(!held(&good, "a whole outer step"));
        let bad = of(&rows(0.02, 101, 1.1));
        assert!(!held(&bad, words[0]) && !held(&bad, words[2]) && !held(&bad, words[3]) && held(&bad, words[4]));
        assert!(of(&rows(0.01, 100, 1.0)[..1]).is_empty());
    }
}
