//! Members, sessions and the header's item, over the real session and BEEFY pallets.

use crate::{
    committee, migrations::BeginSessions, mock::*, pallet::Event, Members, NextCommittee, SessionLength, MAX_MEMBERS,
};
use codec::Encode;
use pallet_poft_bridge::Refusal;
use poft_primitives::{finality::committee_hash, keccak, Code, H160, H256};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        dispatch::{DispatchResult, RawOrigin},
        traits::{OnFinalize, OnInitialize, OnRuntimeUpgrade},
        weights::constants::RocksDbWeight,
    },
    frame_system, pallet_beefy, pallet_session, pallet_timestamp,
    sp_consensus_beefy::ValidatorSet,
    sp_core::{ecdsa, Pair},
    sp_runtime::{DigestItem, DispatchError},
};

const NOW: u64 = 1_800_000_000;

/// Makes one block and returns the items of its header.
fn block() -> Vec<DigestItem> {
    let number = System::block_number() + 1;
    System::reset_events();
    System::initialize(&number, &H256::zero(), &Default::default());
    pallet_timestamp::Now::<Test>::put((NOW + number) * 1000 + 999);
    Session::on_initialize(number);
    Validators::on_initialize(number);
    Validators::on_finalize(number);
    System::digest().logs
}

fn blocks_until(last: u64) {
    while System::block_number() < last {
        block();
    }
}

/// (set, its members' keys) that BEEFY has.
fn signing() -> (u64, Vec<ecdsa::Public>) {
    let set = Beefy::validator_set().expect("there is always a set");
    (set.id(), set.validators().iter().map(|key| key.clone().into()).collect())
}

fn public(members: &[u64]) -> Vec<ecdsa::Public> {
    members.iter().map(|member| pair(*member).public()).collect()
}

/// The committee of these members by hand: addresses from signatures, not from keys.
fn by_hand(epoch: u64, members: &[u64]) -> H256 {
    let digest = keccak(b"who signs this");
    let mut addresses: Vec<H160> = members
        .iter()
        .map(|member| {
            let mut signature = pair(*member).sign_prehashed(&digest.0).0;
            signature[64] += 27;
            poft_primitives::signature::recover(&digest, &signature).expect("signed")
        })
        .collect();
    addresses.sort();
    committee_hash(epoch, &addresses)
}

fn set_members(members: &[u64]) -> DispatchResult {
    Validators::set_members(RawOrigin::Root.into(), members.to_vec())
}

/// A member sets its keys as a validator does, proving that it has them.
fn set_keys(member: u64) -> DispatchResult {
    set_keys_of(member, member)
}

fn set_keys_of(member: u64, owner_of_the_keys: u64) -> DispatchResult {
    let statement = [&b"POP_"[..], &member.encode()].concat();
    let proof = (pair(owner_of_the_keys).sign(&statement),).encode();
    Session::set_keys(RawOrigin::Signed(member).into(), keys(owner_of_the_keys), proof)
}

fn refused(code: Code) -> DispatchError {
    crate::Error::<Test>::Refused(Refusal(code)).into()
}

// --- the header's item -----------------------------------------------------------------------------------------------

#[test]
fn item_every_header_says_domain_time_and_next_committee() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        for number in 1..=25 {
            let ours: Vec<_> = block().into_iter().filter_map(|item| item.as_other().map(Vec::from)).collect();
            let time = (NOW + number).to_be_bytes();
            let next = by_hand(2, &[1, 2, 3, 4]);
            let domain = [0xd0; 32];
            assert_eq!(ours, [[b"POFB", &domain[..], &time, next.as_bytes()].concat()]);
            assert_eq!(ours[0].len(), 76);
        }
    });
}

#[test]
fn committee_is_sorted_by_address_and_numbered_from_one() {
    let keys: Vec<_> = [3, 1, 2].into_iter().map(|member| pair(member).public().into()).collect();
    for id in [0, 7] {
        let set = ValidatorSet::new(keys.clone(), id).expect("not empty");
        assert_eq!(committee(&set), Some(by_hand(id + 1, &[1, 2, 3])));
    }
}

#[test]
fn committee_none_of_a_key_that_is_no_point() {
    let nowhere = ecdsa::Public::from_raw([0xff; 33]);
    let set = ValidatorSet::new(vec![nowhere.into()], 0).expect("not empty");
    assert_eq!(committee(&set), None);
    let last = ValidatorSet::new(vec![pair(1).public().into()], u64::MAX).expect("not empty");
    assert_eq!(committee(&last), None);
}

// --- sessions --------------------------------------------------------------------------------------------------------

#[test]
fn session_goes_on_while_nothing_changes() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        blocks_until(100);
        assert_eq!(signing(), (0, public(&[1, 2, 3, 4])));
        assert_ok!(set_members(&[1, 2, 3, 4]));
        blocks_until(120);
        assert_eq!(signing().0, 0);
        assert_eq!(Session::current_index(), 0);
    });
}

#[test]
fn change_is_announced_for_a_session_and_then_done() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        blocks_until(12);
        assert_ok!(set_keys(5));
        assert_ok!(set_members(&[1, 2, 4, 5]));
        blocks_until(19);
        assert_eq!(signing(), (0, public(&[1, 2, 3, 4])));
        assert_eq!(NextCommittee::<Test>::get(), by_hand(2, &[1, 2, 3, 4]));
        // Set 1 has the members of set 0, and says who comes after it.
        blocks_until(20);
        assert_eq!(signing(), (1, public(&[1, 2, 3, 4])));
        assert_eq!(NextCommittee::<Test>::get(), by_hand(3, &[1, 2, 4, 5]));
        blocks_until(29);
        assert_eq!(signing().0, 1);
        blocks_until(30);
        assert_eq!(signing(), (2, public(&[1, 2, 4, 5])));
        assert_eq!(NextCommittee::<Test>::get(), by_hand(4, &[1, 2, 4, 5]));
        blocks_until(90);
        assert_eq!(signing(), (2, public(&[1, 2, 4, 5])));
    });
}

/// A light client that follows one hand-over after another never meets a set that was not announced.
#[test]
fn every_set_was_announced_by_the_one_before() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        for member in 5..=9 {
            assert_ok!(set_keys(member));
        }
        let wishes = [(3, vec![1]), (17, vec![5, 6, 7]), (24, vec![9, 8]), (31, vec![1, 2, 3, 4]), (39, vec![4])];
        let (mut id, mut announced) = (0, NextCommittee::<Test>::get());
        for number in 1..=80 {
            block();
            let set = Beefy::validator_set().expect("there is always a set");
            if set.id() != id {
                assert_eq!((set.id(), committee(&set)), (id + 1, Some(announced)));
                id = set.id();
                announced = NextCommittee::<Test>::get();
            }
            assert_eq!(NextCommittee::<Test>::get(), announced);
            for (_, members) in wishes.iter().filter(|(at, _)| *at == number) {
                assert_ok!(set_members(members));
            }
        }
        assert_eq!(signing().1, public(&[4]));
    });
}

#[test]
fn change_of_a_members_keys_is_a_change() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        blocks_until(5);
        assert_ok!(set_keys_of(2, 22));
        blocks_until(20);
        assert_eq!(signing(), (2, public(&[1, 22, 3, 4])));
    });
}

#[test]
fn member_without_keys_leaves_but_the_last_one_stays() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        blocks_until(5);
        assert_ok!(Session::purge_keys(RawOrigin::Signed(4).into()));
        blocks_until(20);
        assert_eq!(signing(), (2, public(&[1, 2, 3])));
        for member in 1..=3 {
            assert_ok!(Session::purge_keys(RawOrigin::Signed(member).into()));
        }
        blocks_until(60);
        assert_eq!(signing(), (2, public(&[1, 2, 3])));
    });
}

#[test]
fn keys_refused_without_proof_that_one_has_them() {
    beginning(&[1]).execute_with(|| {
        let set = |owner: u64, signer: u64, statement: &[u8]| {
            let proof = (pair(signer).sign(statement),).encode();
            Session::set_keys(RawOrigin::Signed(owner).into(), keys(5), proof)
        };
        let good = [&b"POP_"[..], &5u64.encode()].concat();
        for (owner, signer, statement) in [(5, 6, &good[..]), (6, 5, &good), (5, 5, &good[4..])] {
            assert_noop!(set(owner, signer, statement), pallet_session::Error::<Test>::InvalidProof);
        }
        assert_ok!(set(5, 5, &good));
        let again = [&b"POP_"[..], &6u64.encode()].concat();
        assert_noop!(set(6, 5, &again), pallet_session::Error::<Test>::DuplicatedKey);
    });
}

// --- members ---------------------------------------------------------------------------------------------------------

#[test]
fn members_first_are_those_of_the_genesis() {
    beginning(&[3, 1]).execute_with(|| assert_eq!(Members::<Test>::get(), vec![3, 1]));
    beginning(&[]).execute_with(|| assert!(Members::<Test>::get().is_empty()));
}

#[test]
fn members_set_by_governance_alone() {
    beginning(&[1, 2]).execute_with(|| {
        block();
        let stranger = RawOrigin::Signed(1).into();
        assert_noop!(Validators::set_members(stranger, vec![1]), DispatchError::BadOrigin);
        assert_ok!(set_members(&[2]));
        System::assert_last_event(Event::MembersSet { members: vec![2] }.into());
    });
}

#[test]
fn members_refused() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        let many: Vec<u64> = (1..=u64::from(MAX_MEMBERS) + 1).collect();
        let bad: [(&[u64], Code); 5] = [
            (&[], Code::CommitteeInvalid),
            (&[1, 2, 1], Code::CommitteeInvalid),
            (&[1, 0], Code::ZeroValue),
            (&[1, 5], Code::NotRegistered),
            (&many, Code::Oversize),
        ];
        for (members, code) in bad {
            assert_noop!(set_members(members), refused(code));
        }
        assert_eq!(Members::<Test>::get(), vec![1, 2, 3, 4]);
    });
}

#[test]
fn members_as_many_as_a_committee_has() {
    let all: Vec<u64> = (1..=u64::from(MAX_MEMBERS)).collect();
    beginning(&all).execute_with(|| {
        blocks_until(1);
        assert_eq!(NextCommittee::<Test>::get(), by_hand(2, &all));
        assert_ok!(set_members(&all[1..]));
        blocks_until(20);
        assert_eq!(signing(), (2, public(&all[1..])));
    });
}

#[test]
#[should_panic(expected = "sessionLength")]
fn genesis_refused_of_sessions_without_length() {
    use polkadot_sdk::sp_runtime::BuildStorage;
    let validators = crate::GenesisConfig::<Test> { session_length: 0 };
    let genesis = RuntimeGenesisConfig { validators, ..Default::default() };
    let _ = genesis.build_storage();
}

#[test]
fn beefy_signs_from_the_first_block_on() {
    beginning(&[1]).execute_with(|| {
        assert_eq!(pallet_beefy::GenesisBlock::<Test>::get(), Some(1));
        assert_eq!(frame_system::Pallet::<Test>::block_number(), 0);
    });
}

// --- a chain that had no sessions ------------------------------------------------------------------------------------

#[test]
fn sessions_begin_on_a_chain_that_had_none_and_change_nothing_by_themselves() {
    beginning(&[]).execute_with(|| {
        SessionLength::<Test>::kill();
        let weight = RocksDbWeight::get();
        assert_eq!(BeginSessions::<Test>::on_runtime_upgrade(), weight.reads_writes(1, 1));
        assert_eq!(BeginSessions::<Test>::on_runtime_upgrade(), weight.reads(1));
        assert_eq!(SessionLength::<Test>::get(), 60);
        blocks_until(200);
        assert_eq!((Session::current_index(), Members::<Test>::get().len()), (0, 0));
        assert_eq!(NextCommittee::<Test>::get(), H256::zero());

        for member in [1, 2, 3, 4] {
            assert_noop!(set_members(&[member]), refused(Code::NotRegistered));
            assert_ok!(set_keys(member));
        }
        assert_ok!(set_members(&[1, 2, 3, 4]));
        blocks_until(299);
        assert!(Beefy::validator_set().is_none_or(|set| set.validators().is_empty()), "announced, not begun");
        blocks_until(300);
        let (id, signers) = signing();
        assert_eq!(signers, public(&[1, 2, 3, 4]));
        assert_eq!(NextCommittee::<Test>::get(), by_hand(id + 2, &[1, 2, 3, 4]));
    });
}

#[test]
fn sessions_keep_the_length_of_a_chain_that_has_them() {
    beginning(&[1, 2, 3, 4]).execute_with(|| {
        BeginSessions::<Test>::on_runtime_upgrade();
        assert_eq!(SessionLength::<Test>::get(), 10);
    });
}
