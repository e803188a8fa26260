//! Arrays of bytes and known answers, whole and damaged: the properties of the fuzz targets `arrays` and
//! `known_answers` a fixed number of times, and what damaged files did to the readers before.

use pullback_experiments::arrays::{self, Bytes, Malformed};

#[path = "../../../fuzz/src/parsing/arrays.rs"]
#[allow(unreachable_pub)] // It is a public module of the fuzz crate.
mod array_files;
#[path = "../../ad/tests/known_answers/case.rs"]
#[allow(dead_code)]
mod case;
#[path = "../../../fuzz/src/parsing/damage.rs"]
#[allow(unreachable_pub)]
mod damage;
#[path = "../../../fuzz/src/parsing/known_answers.rs"]
#[allow(unreachable_pub)]
mod known_answer_files;

const DIGITS: &[u8] = include_bytes!("../data/digits/digits_labels_u8.npy");

#[test]
fn what_numpy_writes_is_read() {
    let labels = Bytes::read(DIGITS).unwrap();
    assert_eq!((labels.shape, labels.entries.len(), &labels.entries[..3]), (vec![1797], 1797, &[0u8, 1, 2][..]));
    // Version 1, keys in another order, no comma at the end, a tuple of one.
    let header = b"{'shape': (3,), 'fortran_order': True, 'descr': '|u1'}";
    let file = [b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header, &[7, 8, 9]].concat();
    assert_eq!(Bytes::read(&file).unwrap(), Bytes { shape: vec![3], entries: &[7, 8, 9] });
}

#[test]
fn arrays_read_back_in_both_formats() {
    for shape in [&[][..], &[3], &[2, 3, 4], &[0, 5], &[1, 1, 1, 1], &[1 << 32, 0]] {
        let entries: Vec<u8> = (0..shape.iter().product::<usize>()).map(|k| k as u8).collect();
        array_files::reads_back(shape, &entries);
        array_files::reads_back(shape, &[entries, vec![1]].concat());
    }
    // The header of MNIST's test labels.
    let file = [&[0, 0, 8, 1, 0, 0, 0x27, 0x10][..], &[5; 10_000]].concat();
    assert_eq!(Bytes::read(&file).unwrap().shape, [10_000]);
}

#[test]
fn damaged_files_are_refused_and_not_fatal() {
    let images = array_files::npy(&[2, 3, 4], &[1; 24]);
    let idx = array_files::idx(&[2, 3, 4], &[1; 24]);
    for seed in 0..4000 {
        for file in [&images, &idx, &DIGITS[..200].to_vec()] {
            array_files::file(&damage::damaged(file, seed));
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let header = |text: &str| [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    let f4 = header("{'descr': '<f4', 'fortran_order': False, 'shape': (), }");
    let columns = header("{'descr': '|u1', 'fortran_order': True, 'shape': (0, 2), }");
    let record = header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (), }");
    let message = |file: &[u8]| Bytes::read(file).unwrap_err().to_string();
    for (file, words) in [
        (&f4[..], "of type <f4"),
        (&columns, "Fortran"),
        (&record, "not a plain one"),
        (&[0, 0, 13, 1, 0, 0, 0, 0], "of type 13"),
        (&[0, 0, 8, 2, 0, 0, 0, 1], "no IDX header"),
        (&[0, 0, 8, 1, 0, 0, 0, 1], "promises 1 entries of shape [1], and the file ends before that, after 0"),
        (&[0, 0, 8, 1, 0, 0, 0, 1, 5, 6], "1 more follow"),
    ] {
        assert!(message(file).contains(words), "{}", message(file));
    }
}

/// What was wrong with the reader that stood here before.
#[test]
fn sizes_that_the_file_does_not_hold_cost_nothing() {
    // Twelve bytes that promise a header of 4 GB.
    let file = b"\x93NUMPY\x02\x00\xff\xff\xff\xff";
    assert!(matches!(Bytes::read(file), Err(Malformed::Header { .. })));
    // Sizes whose product is no number of the machine.
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (18446744073709551615, 2), }";
    let file = [b"\x93NUMPY\x01\x00", &[header.len() as u8, 0][..], header.as_bytes()].concat();
    let e = Bytes::read(&file).unwrap_err();
    assert!(e.to_string().contains("more than a machine can hold"), "{e}");
    // As many sizes as a byte counts.
    let file = [&[0, 0, 8, 255][..], &[255; 4 * 255]].concat();
    assert!(matches!(arrays::Bytes::read(&file), Err(Malformed::Length { .. })));
}

#[test]
fn damaged_known_answers_are_refused_and_not_fatal() {
    let whole = include_bytes!("../../ad/tests/known_answers/det.json");
    let cases = case::Case::list(std::str::from_utf8(whole).unwrap()).unwrap();
    assert!(!cases.is_empty() && cases.iter().all(|c| c.op == "det" && c.inputs.len() == 1));
    for seed in 0..500 {
        known_answer_files::file(&damage::damaged(whole, seed));
    }
    for (text, words) in [
        ("{}", "a list of cases"),
        (r#"[{"op": "det"}]"#, "`id` of a case"),
        (r#"[{"id": "a", "op": "det"}]"#, "`inputs` of a case"),
        (
            r#"[{"id": "a", "op": "det", "inputs": [{"rows": 4294967296, "cols": 4294967296, "data": []}]}]"#,
            "0 entries",
        ),
        // Found by fuzzing: no entry to read, and columns to go through for weeks.
        (
            r#"[{"id": "a", "op": "qr", "inputs": [], "jvp": [{"rows": 0, "cols": 3333333333333330, "data": []}]}]"#,
            "more than 1000",
        ),
        (r#"[{"id": "a", "op": "det", "inputs": [{"rows": 1, "cols": 1, "data": [null]}]}]"#, "a list of numbers"),
    ] {
        let e = case::Case::list(text).err().expect("an error").to_string();
        assert!(e.contains(words), "{e}");
    }
}

#[test]
fn doubles_and_shorts_are_read_and_refused_by_type_and_length() {
    use arrays::{Doubles, Shorts};
    let file = |text: &str, entries: &[u8]| {
        [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), entries].concat()
    };
    let two = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
    let entries: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(Doubles::from_npy(&file(two, &entries)).unwrap(), Doubles { shape: vec![2], entries: vec![1.5, -2.0] });
    let words = Shorts::from_npy(&file("{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }", &[1, 2, 255, 0]));
    assert_eq!(words.unwrap(), Shorts { shape: vec![2], entries: vec![513, 255] });
    let said = |bytes: &[u8]| Doubles::from_npy(&file(two, bytes)).unwrap_err().to_string();
    assert!(said(&entries[..15]).contains("ends before that, after 1"), "{}", said(&entries[..15]));
    assert!(said(&[&entries[..], &[0]].concat()).contains("1 more follow"));
    assert!(matches!(Shorts::from_npy(&file(two, &entries)), Err(Malformed::Type { expected: "<u2", .. })));
    // Sizes whose product fits, but not in bytes.
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }";
    assert!(matches!(Doubles::from_npy(&file(header, &[0; 8])), Err(Malformed::Length { .. })));
}
