//! A runtime of system, timestamp and bridge, with the real verifier and an application that refuses on demand.

use crate::{self as bridge, ports::PacketReceiver};
use poft_primitives::{
    and1::AgreementVerifier,
    committee::CommitteeVerifier,
    domain::pallet_endpoint,
    packet::Packet,
    testing::Renamed,
    verifier::{Finalised, FinalityVerifier, Limits, Schemes, TrustState, Work},
    Code, H160, H256,
};
use polkadot_sdk::{
    frame_support::{construct_runtime, derive_impl, weights::Weight},
    frame_system::{mocking::MockBlock, EnsureRoot},
    sp_runtime::{traits::Convert, BuildStorage},
    *,
};
use std::cell::Cell;

construct_runtime!(
    pub enum Test {
        System: frame_system,
        Timestamp: pallet_timestamp,
        Bridge: bridge,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = MockBlock<Test>;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

/// What AND1 does to a host, without its encodings: CMT1 with a scheme in shadow that never agrees.
pub struct Dissenting;

impl FinalityVerifier for Dissenting {
    fn scheme(&self) -> [u8; 4] {
        *b"DIS1"
    }

    fn work(&self, proof: &[u8]) -> Work {
        let own = CommitteeVerifier.work(proof);
        Work { pairings: 2, ..own }
    }

    fn genesis_work(&self, _: &[u8]) -> Work {
        Work { signatures: 3, pairings: 2, ..Work::default() }
    }

    fn initialise(&self, genesis: &[u8]) -> Result<TrustState, Code> {
        CommitteeVerifier.initialise(genesis)
    }

    fn verify(
        &self,
        source_domain: &H256,
        state: &TrustState,
        proof: &[u8],
        limits: &Limits,
    ) -> Result<(TrustState, Finalised), Code> {
        let (next, finalised) = CommitteeVerifier.verify(source_domain, state, proof, limits)?;
        Ok((next, Finalised { dissent: 0b10, ..finalised }))
    }

    fn epoch_of(&self, proof: &[u8]) -> Result<u64, Code> {
        CommitteeVerifier.epoch_of(proof)
    }

    fn check_misbehaviour(
        &self,
        source_domain: &H256,
        state: &TrustState,
        first: &[u8],
        second: &[u8],
    ) -> Result<Vec<H160>, Code> {
        CommitteeVerifier.check_misbehaviour(source_domain, state, first, second)
    }
}

/// What lists of schemes may name here.
const SINGLE: &[&dyn FinalityVerifier] = &[&CommitteeVerifier, &Renamed(*b"CMT2")];
const AGREEMENT: AgreementVerifier = AgreementVerifier::over(SINGLE);

pub struct ThreeSchemes;

impl Schemes for ThreeSchemes {
    fn all() -> &'static [&'static dyn FinalityVerifier] {
        &[&CommitteeVerifier, &Dissenting, &AGREEMENT]
    }
}

pub struct Carrier;

impl Convert<u64, H256> for Carrier {
    fn convert(account: u64) -> H256 {
        H256::from_low_u64_be(account)
    }
}

impl bridge::Config for Test {
    type Governance = EnsureRoot<u64>;
    type Schemes = ThreeSchemes;
    type Time = Timestamp;
    type Receiver = Application;
    type Carrier = Carrier;
    type WeightInfo = ();
}

thread_local! {
    static REFUSES: Cell<Option<Code>> = const { Cell::new(None) };
}

/// Storage in which the application counts what it took.
pub const TAKEN: &[u8] = b"taken";

/// Counts packets; refuses them, after having written, while told to.
pub struct Application;

impl Application {
    pub fn refuse(code: Option<Code>) {
        REFUSES.set(code);
    }

    pub fn taken() -> u32 {
        frame_support::storage::unhashed::get_or_default(TAKEN)
    }
}

impl PacketReceiver for Application {
    fn endpoint() -> H256 {
        pallet_endpoint(b"Application")
    }

    fn weight(_: usize) -> Weight {
        Weight::zero()
    }

    fn receive(_: &Packet, _: &[u8]) -> Result<(), Code> {
        frame_support::storage::unhashed::put(TAKEN, &(Self::taken() + 1));
        REFUSES.get().map_or(Ok(()), Err)
    }
}

/// Seconds at which the chain starts.
pub const NOW: u64 = 1_800_000_000;

/// The chain at block 1.
pub fn fresh() -> sp_io::TestExternalities {
    Application::refuse(None);
    let storage = RuntimeGenesisConfig::default().build_storage().expect("the default genesis builds");
    let mut chain = sp_io::TestExternalities::new(storage);
    chain.execute_with(|| {
        System::set_block_number(1);
        set_time(NOW);
    });
    chain
}

pub fn run(test: impl FnOnce()) {
    fresh().execute_with(test);
}

pub fn set_time(seconds: u64) {
    pallet_timestamp::Now::<Test>::put(seconds * 1000);
}
