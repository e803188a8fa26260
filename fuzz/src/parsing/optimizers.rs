//! Property of the reader of learned optimisers: any file is an optimiser that writes itself again, or a typed error.

use pullback::Leaves;
use pullback_learned::{Each, Equivariant, GmLstm, Saved, Stored, Subspace};

/// A safetensors file of any bytes.
pub fn file(bytes: &[u8]) {
    read_as::<Each<GmLstm>>(bytes);
    read_as::<Each<Subspace>>(bytes);
    read_as::<Equivariant>(bytes);
}

fn read_as<O: Saved + PartialEq>(bytes: &[u8]) {
    match Stored::<O>::from_bytes(bytes) {
        Ok(stored) => {
            let leaves = stored.trained.parameters.batches();
            let finite = leaves.iter().all(|b| b.data().iter().all(|x| x.is_finite()));
            assert!(finite, "a parameter that is not finite");
            let again = stored.trained.to_bytes(&stored.provenance).expect("what was read can be written");
            let same = Stored::<O>::from_bytes(&again).expect("what was written can be read");
            assert!(same == stored, "what is read again is the same");
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
}
