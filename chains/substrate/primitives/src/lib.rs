//! The cross-chain protocol of `docs/protocol.md`, without FRAME: what the pallets host and the runtime executes.
//!
//! | module | rule | twins |
//! |---|---|---|
//! | [`code`] | why something is refused | `poft/protocol/errors.py`, `Code.sol` |
//! | [`abi`] | `abi.encode` of static structs, EIP-712 | `poft/protocol/structs.py` |
//! | [`packed`] | the encoding of a scheme's genesis and proof | `poft/verification/schemes/`, `CommitteeProof.sol` |
//! | [`log`] | the Merkle log | `poft/protocol/merkle.py`, `MerkleLog.sol` |
//! | [`domain`] | domains, endpoints, ids | `poft/protocol/domain.py`, `Domains.sol` |
//! | [`packet`], [`receive`] | packets and how one is received | `poft/protocol/packet.py`, `poft/verification/receive.py` |
//! | [`acknowledgement`] | what became of packets, told to their source | `poft/protocol/acknowledgement.py` |
//! | [`checkpoint`] | checkpoints and the payload that announces one | `poft/protocol/checkpoint.py`, `Checkpoints.sol` |
//! | [`signature`] | secp256k1 recovery under the protocol's rules | `poft/protocol/signatures.py`, `Signatures.sol` |
//! | [`finality`], [`verifier`], [`committee`] | finality statements, the plug-in point, scheme CMT1 | `poft/verification/`, `CommitteeVerifier.sol` |
//! | `harness` | a scheme behind a pipe, for the conformance kit (feature `std`) | `poft/conformance/frames.py` |
//! | [`state_proof`], [`esp1`] | what an EVM chain's state holds, scheme ESP1 | `poft/verification/`, `StateProofVerifier.sol` |
//! | [`bef1`] | the validators' own votes of a Substrate chain, scheme BEF1 | `poft/verification/`, `BeefyVerifier.sol` |
//! | [`and1`] | several schemes that must agree | `poft/verification/schemes/and1.py`, `AgreementVerifier.sol` |
//! | [`rlp`], [`header`], [`sealed`] | an EVM chain's headers, and what CLQ1 and QBF1 share | `poft/verification/` |
//! | [`clq1`], [`qbf1`] | a consortium's own seals | `poft/verification/schemes/` |
//! | [`statements`] | what participants sign | `poft/protocol/statements.py`, `Statements.sol` |
//!
//! Nothing here panics on input, reads storage or knows the time. Lists arrive as `Vec` and are refused by name
//! (`Oversize`) rather than by a decoder, so that a forgery meets the same code on every chain.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod abi;
pub mod acknowledgement;
pub mod and1;
pub mod bef1;
pub mod checkpoint;
pub mod clq1;
pub mod code;
pub mod committee;
pub mod domain;
pub mod esp1;
pub mod finality;
#[cfg(feature = "std")]
pub mod harness;
pub mod header;
pub mod log;
pub mod packed;
pub mod packet;
pub mod qbf1;
pub mod receive;
pub mod rlp;
pub mod sealed;
pub mod signature;
pub mod state_proof;
pub mod statements;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verifier;

pub use code::Code;
pub use sp_core::{H160, H256};

/// keccak-256, the hash of the protocol.
pub fn keccak(data: &[u8]) -> H256 {
    H256(sp_io::hashing::keccak_256(data))
}
