//! Who is who across chains: domains, endpoints and ids (docs/protocol.md section 2, docs/federation.md).

use crate::{
    abi::{AbiWord, WORD},
    keccak, Code, H160, H256,
};
use alloc::vec::Vec;

/// Kind of an EVM chain in its domain.
pub const KIND_EVM: u8 = 1;
/// Kind of a Substrate chain in its domain.
pub const KIND_SUBSTRATE: u8 = 2;

fn tagged(tag: &[u8], rest: &[[u8; WORD]]) -> H256 {
    let mut data = Vec::with_capacity(WORD * (1 + rest.len()));
    data.extend_from_slice(keccak(tag).as_bytes());
    for word in rest {
        data.extend_from_slice(word);
    }
    keccak(&data)
}

/// The domain of a chain; `ZeroValue` when the genesis hash or the network id is zero.
pub fn domain(kind: u8, genesis_hash: &H256, network_id: &H256) -> Result<H256, Code> {
    if genesis_hash.is_zero() || network_id.is_zero() {
        return Err(Code::ZeroValue);
    }
    Ok(tagged(b"poft/domain/v1", &[kind.to_word(), genesis_hash.0, network_id.0]))
}

/// Domain of a Substrate chain: the network id is keccak of the name that was set at genesis, which is not empty.
pub fn substrate_domain(genesis_hash: &H256, network_name: &[u8]) -> Result<H256, Code> {
    if network_name.is_empty() {
        return Err(Code::ZeroValue);
    }
    domain(KIND_SUBSTRATE, genesis_hash, &keccak(network_name))
}

/// An EVM contract as sender or receiver of packets.
pub fn evm_endpoint(address: &H160) -> H256 {
    H256(address.to_word())
}

/// A FRAME pallet as sender or receiver of packets.
pub fn pallet_endpoint(pallet: &[u8]) -> H256 {
    let mut data = Vec::with_capacity(12 + pallet.len());
    data.extend_from_slice(b"poft/pallet/");
    data.extend_from_slice(pallet);
    keccak(&data)
}

/// The federation of this name on the chain with this domain.
pub fn federation_id(chain_domain: &H256, name: &[u8]) -> H256 {
    tagged(b"poft/federation/v1", &[chain_domain.0, keccak(name).0])
}

/// The task of a federation that runs the configuration with this digest.
pub fn task_id(federation: &H256, config_digest: &H256) -> H256 {
    tagged(b"poft/task/v1", &[federation.0, config_digest.0])
}
