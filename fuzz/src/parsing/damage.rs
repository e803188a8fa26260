//! A whole file, damaged in one of the ways that find faults in readers: what a fuzzer does, a fixed number of times.

/// The file with one to four damages. The same for the same seed.
pub fn damaged(file: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move |below: usize| {
        // Splitmix.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    };
    let mut f = file.to_vec();
    // Headers are at the beginning, and are what is read most.
    let at = |f: &[u8], next: &mut dyn FnMut(usize) -> usize| {
        let n = if next(4) > 0 { f.len().min(256) } else { f.len() };
        next(n)
    };
    for _ in 0..=next(4) {
        let i = at(&f, &mut next);
        let rest = f.len() - i;
        match next(8) {
            _ if rest == 0 => f.push(next(256) as u8),
            0 => f[i] ^= 1 << next(8),
            1 => f[i] = [0, 0xff, b'9', b'-', b'(', b'{', b'"', b'['][next(8)],
            2 => f.truncate(i),
            3 => drop(f.drain(i..i + next(rest).min(16))),
            4 => f[i..i + rest.min(8)].fill([0, 0x7f, 0xff][next(3)]),
            5 => {
                let copy = f[i..i + rest.min(64)].to_vec();
                f.splice(i..i, copy);
            }
            6 => drop(f.splice(i..i, b"99999999".iter().copied().take(1 + next(8)))),
            _ => f.insert(i, next(256) as u8),
        }
    }
    f
}
