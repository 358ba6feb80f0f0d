//! Genesis presets that `GenesisBuilder` offers.

use crate::{AccountId, BalancesConfig, RuntimeGenesisConfig, SudoConfig};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use polkadot_sdk::{sp_consensus_aura::sr25519::AuthorityId as AuraId, *};
use serde_json::Value;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_genesis_builder::PresetId;
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// One validator (Alice), the well-known development accounts endowed, Alice behind sudo.
pub const DEVELOPMENT: &str = sp_genesis_builder::DEV_RUNTIME_PRESET;

fn genesis(aura: Vec<AuraId>, grandpa: Vec<GrandpaId>, endowed: Vec<AccountId>, root: AccountId) -> Value {
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig {
            balances: endowed.into_iter().map(|account| (account, 1u128 << 90)).collect::<Vec<_>>(),
        },
        aura: polkadot_sdk::pallet_aura::GenesisConfig { authorities: aura },
        grandpa: polkadot_sdk::pallet_grandpa::GenesisConfig {
            authorities: grandpa.into_iter().map(|key| (key, 1)).collect::<Vec<_>>(),
        },
        sudo: SudoConfig { key: Some(root) },
    })
}

fn development() -> Value {
    genesis(
        vec![Sr25519Keyring::Alice.public().into()],
        vec![Ed25519Keyring::Alice.public().into()],
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
