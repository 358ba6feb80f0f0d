//! Genesis presets that `GenesisBuilder` offers.

use crate::{AccountId, BalancesConfig, RuntimeGenesisConfig, SessionConfig, SessionKeys, SudoConfig};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use polkadot_sdk::*;
use serde_json::Value;
use sp_core::ecdsa;
use sp_genesis_builder::PresetId;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// One validator (Alice), the well-known development accounts endowed, Alice behind sudo.
pub const DEVELOPMENT: &str = sp_genesis_builder::DEV_RUNTIME_PRESET;

/// The public key of //Alice on secp256k1, for which there is no keyring without std.
const ALICE_BEEFY: [u8; 33] = [
    0x02, 0x0a, 0x10, 0x91, 0x34, 0x1f, 0xe5, 0x66, 0x4b, 0xfa, 0x17, 0x82, 0xd5, 0xe0, 0x47, 0x79, 0x68, 0x90, 0x68,
    0xc9, 0x16, 0xb0, 0x4c, 0xb3, 0x65, 0xec, 0x31, 0x53, 0x75, 0x56, 0x84, 0xd9, 0xa1,
];

fn genesis(validators: Vec<(AccountId, SessionKeys)>, endowed: Vec<AccountId>, root: AccountId) -> Value {
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig {
            balances: endowed.into_iter().map(|account| (account, 1u128 << 90)).collect::<Vec<_>>(),
        },
        session: SessionConfig {
            keys: validators.into_iter().map(|(who, keys)| (who.clone(), who, keys)).collect::<Vec<_>>(),
        },
        sudo: SudoConfig { key: Some(root) },
    })
}

fn development() -> Value {
    let alice = SessionKeys {
        aura: Sr25519Keyring::Alice.public().into(),
        grandpa: Ed25519Keyring::Alice.public().into(),
        beefy: ecdsa::Public::from_raw(ALICE_BEEFY).into(),
    };
    genesis(
        vec![(Sr25519Keyring::Alice.to_account_id(), alice)],
        Sr25519Keyring::iter().map(|who| who.to_account_id()).collect(),
        Sr25519Keyring::Alice.to_account_id(),
    )
}

/// The preset of a name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
    let patch = match id.as_ref() {
        DEVELOPMENT => development(),
        _ => return None,
    };
    Some(serde_json::to_string(&patch).expect("a JSON value is serialisable; qed").into_bytes())
}

/// The names of the presets.
pub fn preset_names() -> Vec<PresetId> {
    vec![PresetId::from(DEVELOPMENT)]
}
