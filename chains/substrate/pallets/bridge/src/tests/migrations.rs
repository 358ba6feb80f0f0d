//! A runtime upgrade under live links: what is believed, consumed and open stays what it was.

use super::*;
use crate::{
    migrations::{ClientOfVersion2, ToVersion3},
    types::Client,
};
use codec::Encode;
use polkadot_sdk::{
    frame_support::{
        storage::{unhashed, StoragePrefixedMap},
        traits::{GetStorageVersion, OnRuntimeUpgrade, StorageVersion},
        weights::{constants::RocksDbWeight as DbWeight, Weight},
    },
    sp_io::{hashing::twox_128, storage},
};
use std::collections::BTreeMap;

/// Puts every client back into the form in which version 2 kept it.
fn back_to_version_2() {
    for (source, client) in Clients::<Test>::iter().collect::<Vec<_>>() {
        let Client { scheme, state, generation, frozen, max_drift, staleness, newest, held, .. } = client;
        let old = ClientOfVersion2 { scheme, state, generation, frozen, max_drift, staleness, newest, held };
        unhashed::put_raw(&Clients::<Test>::hashed_key_for(source), &old.encode());
    }
    StorageVersion::new(2).put::<Bridge>();
}

/// Everything that the bridge stores, by key.
fn stored() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let prefix = twox_128(b"Bridge");
    let mut found = BTreeMap::new();
    let mut key = prefix.to_vec();
    while let Some(next) = storage::next_key(&key).filter(|next| next.starts_with(&prefix)) {
        found.insert(next.clone(), unhashed::get_raw(&next).expect("the key exists"));
        key = next;
    }
    found
}

#[test]
fn migration_keeps_everything_and_every_client_gains_its_field() {
    run(|| {
        let source = finalised(2);
        let mut other = Source::new("other", 5, NOW - 5);
        assert_ok!(Bridge::create_client(root(), other.domain, CMT1, trust(&other), DRIFT, STALENESS));
        other.send(own(), Application::endpoint(), &[1]);
        let proof = other.finality(0);
        assert_ok!(update(&other, proof));
        assert_ok!(Bridge::freeze_client(root(), other.domain));
        let expected: BTreeMap<_, _> =
            Clients::<Test>::iter().map(|(domain, client)| (domain, Client { updated_at: 0, ..client })).collect();
        let outside = |state: BTreeMap<Vec<u8>, Vec<u8>>| -> BTreeMap<_, _> {
            let clients = Clients::<Test>::final_prefix();
            let version = StorageVersion::storage_key::<Bridge>().to_vec();
            state.into_iter().filter(|(key, _)| !key.starts_with(&clients) && *key != version).collect()
        };
        let before = outside(stored());
        back_to_version_2();
        // Two clients: each is found, read and written; then there is no third; the version is read and written.
        assert_eq!(ToVersion3::<Test>::on_runtime_upgrade(), DbWeight::get().reads_writes(6, 3));
        assert_eq!(Bridge::on_chain_storage_version(), 3);
        assert_eq!(Clients::<Test>::iter().collect::<BTreeMap<_, _>>(), expected);
        assert_eq!(outside(stored()), before);
        assert!(Clients::<Test>::get(other.domain).expect("it exists").frozen);
        assert!(!Clients::<Test>::get(source.domain).expect("it exists").frozen);
    });
}

#[test]
fn migration_runs_once() {
    run(|| {
        let mut source = finalised(1);
        back_to_version_2();
        ToVersion3::<Test>::on_runtime_upgrade();
        System::set_block_number(7);
        source.send(own(), Application::endpoint(), &[2; 40]);
        let proof = source.finality(1);
        assert_ok!(update(&source, proof));
        let after = stored();
        assert_eq!(ToVersion3::<Test>::on_runtime_upgrade(), DbWeight::get().reads(1));
        assert_eq!(stored(), after);
    });
}

#[test]
fn migration_leaves_a_new_chain_alone() {
    run(|| {
        finalised(1);
        let before = stored();
        assert_eq!(Bridge::on_chain_storage_version(), 3);
        assert_eq!(ToVersion3::<Test>::on_runtime_upgrade(), DbWeight::get().reads(1));
        assert_eq!(stored(), before);
    });
}

#[test]
fn migration_of_a_chain_without_clients_costs_its_look() {
    run(|| {
        back_to_version_2();
        let spent: Weight = ToVersion3::<Test>::on_runtime_upgrade();
        assert_eq!(spent, DbWeight::get().reads_writes(2, 1));
        assert_eq!(Clients::<Test>::iter().count(), 0);
    });
}

#[test]
fn packets_before_and_after_the_migration_are_each_taken_once() {
    run(|| {
        let mut source = finalised(2);
        assert_ok!(deliver(&source, vec![source.delivery(0)]));
        back_to_version_2();
        ToVersion3::<Test>::on_runtime_upgrade();
        System::set_block_number(9);
        // Proven against the outbox that was finalised before; then against one of afterwards.
        assert_ok!(deliver(&source, vec![source.delivery(1)]));
        assert_noop!(deliver(&source, vec![source.delivery(0)]), refused(Code::NonceReplayed));
        let before = source.size();
        source.send(own(), Application::endpoint(), &[2; 40]);
        let proof = source.finality(before);
        assert_ok!(update(&source, proof));
        assert_eq!(Clients::<Test>::get(source.domain).expect("it exists").updated_at, 9);
        assert_ok!(deliver(&source, vec![source.delivery(2)]));
        assert_eq!((Application::taken(), NextNonce::<Test>::get(source.domain)), (3, 3));
    });
}
