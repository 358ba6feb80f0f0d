//! The first block of this runtime on a chain of spec version 1.

use codec::Encode;
use pallet_poft_bridge::{migrations::ClientOfVersion2, types::Client, Clients};
use pallet_poft_validators::{Members, NextCommittee, SessionLength};
use poft_primitives::{testing::Source, H256};
use poft_runtime::{presets, Bridge, Executive, Grandpa, Header, Runtime, RuntimeGenesisConfig, System, VERSION};
use polkadot_sdk::{
    frame_support::{
        genesis_builder_helper::build_state,
        storage::unhashed,
        traits::{GetStorageVersion, StorageVersion},
        weights::{constants::RocksDbWeight, Weight},
    },
    frame_system::LastRuntimeUpgradeInfo,
    sp_runtime::{generic::Digest, traits::Header as _, DigestItem},
    *,
};

const SLOT: u64 = 1_800_000_000;

/// A chain of the development preset with a client, all of it as spec version 1 left it.
fn of_version_1(test: impl FnOnce(H256, Client)) {
    let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).expect("JSON");
    let preset = presets::get_preset(&presets::DEVELOPMENT.into()).expect("the preset exists");
    let preset: serde_json::Value = serde_json::from_slice(&preset).expect("JSON");
    for (pallet, settings) in preset.as_object().expect("an object") {
        for (name, value) in settings.as_object().expect("an object") {
            config[pallet][name] = value.clone();
        }
    }
    let mut chain = sp_io::TestExternalities::new_empty();
    chain.execute_with(|| {
        build_state::<RuntimeGenesisConfig>(config.to_string().into_bytes()).expect("it builds");
        let source = Source::new("source", 4, SLOT);
        let genesis = source.genesis().encode().expect("a committee is short");
        let created =
            Bridge::create_client(frame_system::RawOrigin::Root.into(), source.domain, *b"CMT1", genesis, 600, 3600);
        assert!(created.is_ok(), "{created:?}");
        let client = Clients::<Runtime>::get(source.domain).expect("it exists");
        let Client { scheme, state, generation, frozen, max_drift, staleness, newest, held, .. } = client.clone();
        let old = ClientOfVersion2 { scheme, state, generation, frozen, max_drift, staleness, newest, held };
        unhashed::put_raw(&Clients::<Runtime>::hashed_key_for(source.domain), &old.encode());
        StorageVersion::new(2).put::<Bridge>();
        forget_what_version_1_had_not();
        frame_system::LastRuntimeUpgrade::<Runtime>::put(LastRuntimeUpgradeInfo {
            spec_version: 1.into(),
            spec_name: VERSION.spec_name,
        });
        test(source.domain, client);
    });
}

/// Removes what the pallets of version 2 put into a genesis.
fn forget_what_version_1_had_not() {
    for pallet in ["Session", "Beefy", "Validators"] {
        let prefix = sp_io::hashing::twox_128(pallet.as_bytes());
        let _ = unhashed::clear_prefix(&prefix, None, None);
    }
}

/// Begins the block of this number.
fn begin(number: u32) {
    let digest = Digest {
        logs: vec![DigestItem::PreRuntime(sp_consensus_aura::AURA_ENGINE_ID, (SLOT + u64::from(number)).encode())],
    };
    Executive::initialize_block(&Header::new(number, H256::zero(), H256::zero(), H256::zero(), digest));
}

#[test]
fn first_block_migrates_and_is_charged_for_it() {
    let mut spent = Weight::zero();
    of_version_1(|source, client| {
        let authorities = (pallet_aura::Authorities::<Runtime>::get(), Grandpa::grandpa_authorities());
        begin(1);
        let upgraded = frame_system::LastRuntimeUpgrade::<Runtime>::get().expect("it is kept");
        assert_eq!(upgraded.spec_version.0, VERSION.spec_version);
        assert_eq!(Bridge::on_chain_storage_version(), Bridge::in_code_storage_version());
        assert_eq!(Clients::<Runtime>::get(source), Some(Client { updated_at: 0, ..client }));
        assert_eq!(SessionLength::<Runtime>::get(), 60);
        // Who makes blocks and votes goes on; who signs for other chains is nobody, until keys are proven.
        assert_eq!((pallet_aura::Authorities::<Runtime>::get(), Grandpa::grandpa_authorities()), authorities);
        assert!(authorities.0.len() == 1 && Members::<Runtime>::get().is_empty());
        assert_eq!(pallet_beefy::GenesisBlock::<Runtime>::get(), None);
        assert_eq!(NextCommittee::<Runtime>::get(), H256::zero());
        spent = System::block_weight().total();
    });
    of_version_1(|_, _| {
        frame_system::LastRuntimeUpgrade::<Runtime>::put(LastRuntimeUpgradeInfo::from(VERSION));
        begin(1);
        let migrated = spent.saturating_sub(System::block_weight().total());
        let least = RocksDbWeight::get().reads_writes(4, 3);
        assert!(migrated.ref_time() >= least.ref_time(), "{migrated:?}, at least {least:?}");
        assert_eq!(SessionLength::<Runtime>::get(), 0, "it runs when the version grows, and at no other time");
    });
}

#[test]
fn first_block_leaves_room_for_its_transactions() {
    of_version_1(|_, _| {
        begin(1);
        let limits = <Runtime as frame_system::Config>::BlockWeights::get();
        let spent = System::block_weight().total();
        assert!(spent.ref_time() < limits.max_block.ref_time() / 2, "{spent:?} of {:?}", limits.max_block);
    });
}
