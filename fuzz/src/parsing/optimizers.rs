//! Property of the reader of learned optimisers: any file is an optimiser that writes itself again, or a typed error.

use pullback::Leaves;
use pullback_learned::GmLstm;

/// A safetensors file of any bytes.
pub fn file(bytes: &[u8]) {
    match GmLstm::from_bytes(bytes) {
        Ok((optimizer, params)) => {
            let finite = params.batches().iter().all(|b| b.data().iter().all(|x| x.is_finite()));
            assert!(finite, "a parameter that is not finite");
            let again = optimizer.to_bytes(&params).expect("what was read can be written");
            let (same, equal) = GmLstm::from_bytes(&again).expect("what was written can be read");
            assert_eq!(same.options(), optimizer.options());
            assert_eq!(equal.batches(), params.batches());
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}
