//! Checkpoints, their lineage, and the payload that announces one (docs/protocol.md section 5, docs/federation.md).
//!
//! Twins: `poft/protocol/checkpoint.py`, `Checkpoints.sol`.

use crate::{
    abi::{words, AbiStruct, AbiWord, WORD},
    abi_struct, keccak, Code, H256,
};
use alloc::vec::Vec;

/// Parents of one checkpoint: the local predecessor and an import from each of up to seven peers in one round.
pub const MAX_PARENTS: usize = 8;
/// Words before the parents' length: 12 fields, the offset of the parents, `previous`.
const HEAD_WORDS: usize = 14;
const OFFSET: u64 = (HEAD_WORDS * WORD) as u64;

abi_struct! {
    /// A digest of a model and of how it came to be. Round 0 is a task's genesis and has no parents.
    pub struct Checkpoint = "Checkpoint(bytes32 federation,bytes32 task,uint64 round,bytes32 modelRoot,uint64 modelBytes,bytes32 manifestHash,bytes32 parentsHash,uint64 samples,bytes32 metricsHash,bytes32 trainingRoot,bytes32 datasetRoot,bytes32 locatorHash)" {
        /// The federation that trained it.
        pub federation: H256,
        /// Its task.
        pub task: H256,
        /// Its round.
        pub round: u64,
        /// Commitment to the model.
        pub model_root: H256,
        /// Bytes of the model.
        pub model_bytes: u64,
        /// keccak of the manifest.
        pub manifest_hash: H256,
        /// Commitment to the parents.
        pub parents_hash: H256,
        /// Samples that were trained on.
        pub samples: u64,
        /// Commitment to the metrics.
        pub metrics_hash: H256,
        /// Log root over the accepted updates.
        pub training_root: H256,
        /// Commitment to the data sets.
        pub dataset_root: H256,
        /// keccak of where the bytes can be had.
        pub locator_hash: H256,
    }
}

impl Checkpoint {
    /// The checkpoint's id.
    pub fn id(&self) -> H256 {
        self.struct_hash()
    }
}

/// `keccak(abi.encode(bytes32[] parents))`: the local predecessor first, then every import that was merged.
pub fn parents_hash(parents: &[H256]) -> Result<H256, Code> {
    if parents.len() > MAX_PARENTS {
        return Err(Code::Oversize);
    }
    let mut data = Vec::with_capacity(WORD * (2 + parents.len()));
    data.extend_from_slice(&(WORD as u64).to_word());
    data.extend_from_slice(&(parents.len() as u64).to_word());
    for parent in parents {
        data.extend_from_slice(parent.as_bytes());
    }
    Ok(keccak(&data))
}

/// Payload of a checkpoint packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointPayload {
    /// What is announced.
    pub checkpoint: Checkpoint,
    /// Its parents.
    pub parents: Vec<H256>,
    /// The export before it to the same destination, or the task's genesis checkpoint.
    pub previous: H256,
}

impl CheckpointPayload {
    /// `abi.encode(12 fields, bytes32[] parents, bytes32 previous)`; `Oversize` for more than 8 parents.
    pub fn encode(&self) -> Result<Vec<u8>, Code> {
        if self.parents.len() > MAX_PARENTS {
            return Err(Code::Oversize);
        }
        let mut data = self.checkpoint.encode_words();
        data.extend_from_slice(&OFFSET.to_word());
        data.extend_from_slice(self.previous.as_bytes());
        data.extend_from_slice(&(self.parents.len() as u64).to_word());
        for parent in &self.parents {
            data.extend_from_slice(parent.as_bytes());
        }
        Ok(data)
    }

    /// The inverse; takes the one canonical encoding only. `Oversize` for more than 8 parents, else `Malformed`.
    ///
    /// Whether the parents are those that the checkpoint names is [`CheckpointPayload::check_parents`].
    pub fn decode(data: &[u8]) -> Result<Self, Code> {
        if data.len() > (HEAD_WORDS + 1 + MAX_PARENTS) * WORD {
            return Err(Code::Oversize);
        }
        let parts = words(data)?;
        let (head, rest) = parts.split_at_checked(HEAD_WORDS).ok_or(Code::Malformed)?;
        let (fields, tail) = head.split_at_checked(Checkpoint::FIELDS).ok_or(Code::Malformed)?;
        let ([offset, previous], Some((count, parents))) = (tail, rest.split_first()) else {
            return Err(Code::Malformed);
        };
        if u64::from_word(offset)? != OFFSET || u64::from_word(count)? != parents.len() as u64 {
            return Err(Code::Malformed);
        }
        Ok(Self {
            checkpoint: Checkpoint::decode_words(fields)?,
            parents: parents.iter().map(|word| H256(*word)).collect(),
            previous: H256(*previous),
        })
    }

    /// `ParentsMismatch` unless these are the parents that the checkpoint names.
    pub fn check_parents(&self) -> Result<(), Code> {
        if parents_hash(&self.parents)? == self.checkpoint.parents_hash {
            Ok(())
        } else {
            Err(Code::ParentsMismatch)
        }
    }
}
