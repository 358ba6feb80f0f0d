//! What a call is charged: the measured parts (`weights.rs`) added up by what it brings.

use crate::weights::WeightInfo;
use poft_primitives::verifier::Work;
use polkadot_sdk::frame_support::weights::Weight;

/// Picoseconds of one pairing of BLS12-381 in compiled WebAssembly, without host functions for it. Measured: 5 to 6 ms
/// (`examples/bls12381/substrate/devnet_cost.py RUNTIME.wasm node`).
const PAIRING: u64 = 8_000_000_000;
/// Bytes of a committee's member in a genesis.
const MEMBER: u64 = 20;
/// Bytes of a packet's part in an acknowledgement.
const FATE: u64 = 64;

/// Checking a finality proof of so many bytes and storing what it established.
pub fn update<W: WeightInfo>(work: Work, bytes: u64) -> Weight {
    // A node of a consistency proof is hashed twice.
    W::update_client(bounded(work.signatures), bounded(work.hashes.div_ceil(2)))
        .saturating_add(W::hash_proof(bounded(bytes)))
        .saturating_add(pairings(work))
}

/// Creating or recovering a client from a genesis of so many bytes.
pub fn create<W: WeightInfo>(work: Work, bytes: u64) -> Weight {
    let members = bounded(bytes.div_ceil(MEMBER));
    let none = W::update_client(0, 0);
    W::create_client(members)
        .max(W::recover_client(members))
        // What a genesis asks for beside its bytes costs what it costs in a proof.
        .saturating_add(
            W::update_client(bounded(work.signatures), bounded(work.hashes.div_ceil(2))).saturating_sub(none),
        )
        .saturating_add(pairings(work))
}

/// Finding the outbox that packets are proven against, and what else is looked up once a call.
pub fn receive<W: WeightInfo>() -> Weight {
    W::deliver_none()
}

/// Checking and recording one packet, without what its application does.
pub fn packet<W: WeightInfo>(proof_nodes: u64, payload_bytes: u64) -> Weight {
    W::deliver_one(bounded(proof_nodes), bounded(payload_bytes)).saturating_sub(W::deliver_none())
}

/// Keeping what an acknowledgement of so many bytes says.
pub fn record_acknowledgement<W: WeightInfo>(payload_bytes: u64) -> Weight {
    W::record_acknowledgement(bounded(payload_bytes.div_ceil(FATE)))
}

fn pairings(work: Work) -> Weight {
    Weight::from_parts(PAIRING.saturating_mul(work.pairings), 0)
}

fn bounded(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
