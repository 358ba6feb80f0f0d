//! The bridge of a PoFT network: outbox, light clients and inbox (docs/protocol.md sections 6 to 9).
//!
//! # Flow
//! 1. A pallet of this runtime appends a packet to the outbox ([`ports::Bridge::send`]); nothing else can.
//! 2. Every block's header carries the outbox's size and root (`outbox.rs`).
//! 3. Governance creates a light client for a source (`create_client`); it names whom to believe.
//! 4. Anyone brings finality proofs (`update_client`, `deliver`); the verifier judges them, this pallet keeps the state.
//! 5. Anyone delivers packets with inclusion proofs (`deliver`), in nonce order, each once. The application runs in a
//!    storage layer of its own: if it refuses, the packet stays consumed and `retry` is open to anyone.
//! 6. Anyone submits contradicting proofs of one epoch (`submit_misbehaviour`): the client freezes until governance
//!    recovers it with a new trusted state and a new generation, of the same scheme or another.
//! 7. Where governance turned that on (`set_acknowledgements`), a batch is answered by one packet that says what became
//!    of it, and the packets of the other side that say so are kept for whoever asks (`acknowledgements.rs`).
//!
//! # Limits
//! 32 packets a batch, 4,096 bytes a payload, 64 nodes an inclusion proof, 65,536 bytes a finality proof: the largest
//! delivery is below 32·(4,096 + 64·32 + 300) + 65,536 bytes = 272 KB. 256 finalised outboxes are remembered; a packet
//! proven against an older one is proven against a newer one instead.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod acknowledgements;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod charges;
mod clients;
mod inbox;
pub mod migrations;
mod outbox;
pub mod ports;
pub mod refusal;
pub mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use acknowledgements::INBOX;
pub use clients::HISTORY;
pub use outbox::DIGEST_TAG;
pub use pallet::*;
pub use refusal::Refusal;

/// The pallet.
#[polkadot_sdk::frame_support::pallet]
pub mod pallet {
    use crate::{
        charges,
        ports::PacketReceiver,
        refusal::Refusal,
        types::{Acknowledged, Client, Delivery, OutboxEntry, Outcome},
        weights::WeightInfo,
    };
    use alloc::vec::Vec;
    use poft_primitives::{
        acknowledgement::Fate,
        domain::substrate_domain,
        log::Frontier,
        packet::{Packet, KIND_ACKNOWLEDGEMENT},
        receive::PacketProof,
        verifier::{Finalised, Schemes, Work, MAX_ENCODED},
        Code, H160, H256,
    };
    use polkadot_sdk::{
        frame_support::{
            pallet_prelude::*,
            traits::{EnsureOrigin, UnixTime},
        },
        frame_system::{self, pallet_prelude::*},
        sp_runtime::traits::{Convert, UniqueSaturatedInto},
    };

    /// `migrations.rs` says what each version changed.
    const STORAGE_VERSION: StorageVersion = StorageVersion::new(3);

    /// The bridge.
    #[pallet::pallet]
    #[pallet::storage_version(STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    /// What the runtime decides.
    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config {
        /// Who creates, freezes and recovers clients, halts links and sending, and has packets acknowledged.
        type Governance: EnsureOrigin<Self::RuntimeOrigin>;
        /// The verification schemes that a client may have.
        type Schemes: Schemes;
        /// This chain's time.
        type Time: UnixTime;
        /// The application behind the inbox.
        type Receiver: PacketReceiver;
        /// The 32 bytes by which an acknowledgement names who delivered.
        type Carrier: Convert<Self::AccountId, H256>;
        /// What the calls cost.
        type WeightInfo: WeightInfo;
    }

    /// What happened.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// A packet was appended to the outbox; the packet itself is `Packets[index]`.
        PacketSent {
            /// Its leaf index.
            index: u64,
            /// Its id.
            packet_id: H256,
            /// For whom it is.
            dest_domain: H256,
            /// Leaves after it.
            outbox_size: u64,
            /// Root after it.
            outbox_root: H256,
        },
        /// Packets of this sender are taken.
        SenderAccepted {
            /// The source.
            source_domain: H256,
            /// The endpoint here that takes them.
            receiver: H256,
            /// The endpoint there.
            sender: H256,
        },
        /// A client was created (generation 0) or recovered.
        ClientTrusted {
            /// The source.
            source_domain: H256,
            /// The verification scheme.
            scheme: [u8; 4],
            /// Counts recoveries.
            generation: u32,
            /// First epoch of the generation.
            epoch: u64,
            /// Who may convince the client.
            authority: H256,
        },
        /// A finality proof was accepted.
        ClientUpdated {
            /// The source.
            source_domain: H256,
            /// Epoch after the proof.
            epoch: u64,
            /// What it established.
            finalised: Finalised,
        },
        /// A client was frozen.
        ClientFrozen {
            /// The source.
            source_domain: H256,
            /// The epoch of the evidence.
            epoch: u64,
            /// Who stands behind both halves of it; empty when governance froze the client.
            signers: Vec<H160>,
        },
        /// A packet was consumed, or a failed one dispatched after all.
        PacketReceived {
            /// The source.
            source_domain: H256,
            /// The packet's nonce.
            nonce: u64,
            /// The packet's id.
            packet_id: H256,
            /// What became of it.
            outcome: Outcome,
        },
        /// Governance consumed a nonce without effect.
        PacketSkipped {
            /// The source.
            source_domain: H256,
            /// The nonce that counts as received.
            nonce: u64,
        },
        /// Governance halted what comes from a source, or lifted that.
        LinkHalted {
            /// The source.
            source_domain: H256,
            /// Whether it is halted.
            halted: bool,
        },
        /// Governance halted sending, or lifted that.
        SendingHaltedSet {
            /// Whether it is halted.
            halted: bool,
        },
        /// Packets of a source are acknowledged to this inbox there, and its acknowledgements are taken; zero: no more.
        AcknowledgementsSet {
            /// The source.
            source_domain: H256,
            /// Its inbox.
            peer_inbox: H256,
        },
        /// A source said what became of a packet that it had received.
        PacketAcknowledged {
            /// The source of the acknowledgement, which is the packet's destination.
            source_domain: H256,
            /// The packet.
            packet_id: H256,
            /// What became of it.
            fate: Fate,
            /// Who delivered it there.
            carrier: H256,
        },
    }

    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// A rule of the protocol.
        Refused(Refusal),
    }

    impl<T> From<Code> for Error<T> {
        fn from(code: Code) -> Self {
            Self::Refused(Refusal(code))
        }
    }

    /// This chain's domain. Set at genesis, for ever.
    #[pallet::storage]
    pub type Domain<T> = StorageValue<_, H256, ValueQuery>;

    /// The network's name, whose hash is in the domain.
    #[pallet::storage]
    pub type NetworkName<T> = StorageValue<_, BoundedVec<u8, ConstU32<64>>, ValueQuery>;

    /// The genesis hash in the domain.
    #[pallet::storage]
    pub type GenesisHash<T> = StorageValue<_, H256, ValueQuery>;

    /// The outbox's frontier.
    #[pallet::storage]
    pub type Outbox<T> = StorageValue<_, Frontier, ValueQuery>;

    /// The outbox's leaves, kept for ever.
    #[pallet::storage]
    pub type Packets<T> = StorageMap<_, Twox64Concat, u64, OutboxEntry>;

    /// The nonce that the next packet to a destination gets.
    #[pallet::storage]
    pub type NextSendNonce<T> = StorageMap<_, Blake2_128Concat, H256, u64, ValueQuery>;

    /// Light clients by source domain.
    #[pallet::storage]
    pub type Clients<T> = StorageMap<_, Blake2_128Concat, H256, Client>;

    /// Who could convince a client in (generation, epoch); kept, so that old evidence still freezes.
    #[pallet::storage]
    pub type Authorities<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Twox64Concat, (u32, u64), H256>;

    /// (size, root) of the last finalised outboxes of a source, a ring.
    #[pallet::storage]
    pub type FinalisedOutboxes<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Twox64Concat, u32, (u64, H256)>;

    /// By source and receiver here: the endpoint there whose packets it takes. The inbox itself is the receiver of
    /// acknowledgements.
    #[pallet::storage]
    pub type Senders<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Blake2_128Concat, H256, H256>;

    /// The nonce that the next packet from a source must have.
    #[pallet::storage]
    pub type NextNonce<T> = StorageMap<_, Blake2_128Concat, H256, u64, ValueQuery>;

    /// What became of every packet received, kept for ever.
    #[pallet::storage]
    pub type Deliveries<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Twox64Concat, u64, Delivery>;

    /// Sources from which governance lets nothing in.
    #[pallet::storage]
    pub type Halted<T> = StorageMap<_, Blake2_128Concat, H256, bool, ValueQuery>;

    /// Whether governance halted sending.
    #[pallet::storage]
    pub type SendingHalted<T> = StorageValue<_, bool, ValueQuery>;

    /// The last word of a source about each packet that it received, by packet id; kept for ever.
    #[pallet::storage]
    pub type Acknowledgements<T> = StorageDoubleMap<_, Blake2_128Concat, H256, Blake2_128Concat, H256, Acknowledged>;

    /// How much a source has said: the number of its next word.
    #[pallet::storage]
    pub type AcknowledgementCount<T> = StorageMap<_, Blake2_128Concat, H256, u64, ValueQuery>;

    /// What a chain's founder sets.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// The network's name, unique among the networks that it talks to.
        pub network_name: Vec<u8>,
        /// The genesis hash that goes into the domain.
        pub genesis_hash: H256,
        /// No field of the runtime's types.
        #[serde(skip)]
        pub _marker: core::marker::PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self {
                network_name: b"poft-development".to_vec(),
                // What chopsticks shows as the genesis hash of every chain.
                genesis_hash: H256::repeat_byte(0x45),
                _marker: Default::default(),
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let domain = substrate_domain(&self.genesis_hash, &self.network_name)
                .expect("bridge.networkName must not be empty and bridge.genesisHash must not be zero");
            let name = self.network_name.clone().try_into().expect("bridge.networkName has at most 64 bytes");
            Domain::<T>::put(domain);
            NetworkName::<T>::put::<BoundedVec<u8, ConstU32<64>>>(name);
            GenesisHash::<T>::put(self.genesis_hash);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            T::WeightInfo::on_finalize()
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            Self::deposit_commitment();
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Starts to follow a source, by a scheme and what that starts from.
        ///
        /// Refuses with `ZeroValue`, `WrongDomain` (this chain), `UnknownScheme`, `AlreadyInitialised`, `Oversize`, and what the
        /// scheme refuses a genesis for.
        #[pallet::call_index(0)]
        #[pallet::weight(Pallet::<T>::genesis_weight(*scheme, genesis))]
        pub fn create_client(
            origin: OriginFor<T>,
            source_domain: H256,
            scheme: [u8; 4],
            genesis: Vec<u8>,
            max_drift: u64,
            staleness: u64,
        ) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::create(source_domain, scheme, &genesis, max_drift, staleness).map_err(Error::<T>::from)?)
        }

        /// Lifts a freeze with a new trusted state and a new generation, of this scheme or another. Nothing that the earlier
        /// generation signed counts.
        ///
        /// Refuses with `Uninitialised`, `UnknownScheme`, `Oversize`, what the scheme refuses a genesis for, and `WrongEpoch`
        /// when its epoch is not greater than that of the client.
        #[pallet::call_index(1)]
        #[pallet::weight(Pallet::<T>::genesis_weight(*scheme, genesis))]
        pub fn recover_client(
            origin: OriginFor<T>,
            source_domain: H256,
            scheme: [u8; 4],
            genesis: Vec<u8>,
        ) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::recover(source_domain, scheme, &genesis).map_err(Error::<T>::from)?)
        }

        /// Stops believing a source. Refuses with `Uninitialised`, `Frozen`.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::freeze_client())]
        pub fn freeze_client(origin: OriginFor<T>, source_domain: H256) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            let client = Self::active(&source_domain).map_err(Error::<T>::from)?;
            let epoch = client.state.epoch;
            Self::freeze(source_domain, client, epoch, Vec::new());
            Ok(())
        }

        /// Lets no packet of a source in, neither delivered nor retried, or lifts that. Sending and finality go on.
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::set_halted())]
        pub fn set_halted(origin: OriginFor<T>, source_domain: H256, halted: bool) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            if halted {
                Halted::<T>::insert(source_domain, true);
            } else {
                Halted::<T>::remove(source_domain);
            }
            Self::deposit_event(Event::LinkHalted { source_domain, halted });
            Ok(())
        }

        /// Takes a finality proof.
        ///
        /// Refuses with `Uninitialised`, `Frozen`, `Oversize`, and what the scheme refuses a proof for.
        #[pallet::call_index(4)]
        #[pallet::weight(Pallet::<T>::dearest(proof))]
        pub fn update_client(origin: OriginFor<T>, source_domain: H256, proof: Vec<u8>) -> DispatchResultWithPostInfo {
            ensure_signed(origin)?;
            let spent = Self::update(source_domain, &proof).map_err(Error::<T>::from)?;
            Ok(Some(spent).into())
        }

        /// Freezes the client of a source that contradicted itself: two proofs of one epoch, the present or an earlier one of
        /// this generation, that cannot both be true.
        ///
        /// Refuses with `Uninitialised`, `Frozen`, `Oversize`, `WrongEpoch`, `NotMisbehaviour`, and what is wrong with a half.
        #[pallet::call_index(5)]
        #[pallet::weight(Pallet::<T>::dearest(first).saturating_add(Pallet::<T>::dearest(second)))]
        pub fn submit_misbehaviour(
            origin: OriginFor<T>,
            source_domain: H256,
            first: Vec<u8>,
            second: Vec<u8>,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            Ok(Self::freeze_for_evidence(source_domain, &first, &second).map_err(Error::<T>::from)?)
        }

        /// Delivers packets against the source's outbox of this size, after taking a finality proof (if any).
        ///
        /// Refuses as docs/protocol.md section 9 says; then nothing of the call has happened.
        #[pallet::call_index(6)]
        #[pallet::weight(
            Pallet::<T>::delivery_weight(proof.as_deref().map_or(Weight::zero(), Pallet::<T>::dearest), packets, true)
        )]
        pub fn deliver(
            origin: OriginFor<T>,
            source_domain: H256,
            proof: Option<Vec<u8>>,
            outbox_size: u64,
            packets: Vec<PacketProof>,
        ) -> DispatchResultWithPostInfo {
            let carrier = T::Carrier::convert(ensure_signed(origin)?);
            let taken = Self::receive(source_domain, proof.as_deref(), outbox_size, &packets, carrier);
            let (proof, acknowledged) = taken.map_err(Error::<T>::from)?;
            Ok(Some(Self::delivery_weight(proof, &packets, acknowledged)).into())
        }

        /// Dispatches a consumed packet whose application had failed once more, and acknowledges it again.
        ///
        /// Refuses with `NothingToRetry` (also when the client was recovered since), `Halted`, `Frozen`, `WrongSender`,
        /// `Oversize`, `PayloadMismatch`, and as the application does.
        #[pallet::call_index(7)]
        #[pallet::weight(Pallet::<T>::retry_weight(packet, payload))]
        pub fn retry(origin: OriginFor<T>, packet: Packet, payload: Vec<u8>) -> DispatchResult {
            let carrier = T::Carrier::convert(ensure_signed(origin)?);
            Ok(Self::dispatch_again(&packet, &payload, carrier).map_err(Error::<T>::from)?)
        }

        /// Consumes the next nonce of a source without effect, where a packet blocks the link that this chain can never
        /// take.
        ///
        /// Refuses with `Uninitialised`, `NonceReplayed`, `NonceGap`.
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::skip_packet())]
        pub fn skip_packet(origin: OriginFor<T>, source_domain: H256, nonce: u64) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::skip(source_domain, nonce).map_err(Error::<T>::from)?)
        }

        /// Lets nothing into the outbox, or lifts that. A delivery that would be acknowledged is refused meanwhile.
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::set_sending_halted())]
        pub fn set_sending_halted(origin: OriginFor<T>, halted: bool) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            SendingHalted::<T>::put(halted);
            Self::deposit_event(Event::SendingHaltedSet { halted });
            Ok(())
        }

        /// Acknowledges the packets of a source to its inbox, and takes that inbox's acknowledgements. Zero: no more; one
        /// that is under way then blocks the link until it is skipped.
        ///
        /// Refuses with `ZeroValue`, `WrongDomain` (this chain).
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::set_acknowledgements())]
        pub fn set_acknowledgements(origin: OriginFor<T>, source_domain: H256, peer_inbox: H256) -> DispatchResult {
            T::Governance::ensure_origin(origin)?;
            Ok(Self::connect_inbox(source_domain, peer_inbox).map_err(Error::<T>::from)?)
        }
    }

    impl<T: Config> Pallet<T> {
        pub(crate) fn height() -> u64 {
            frame_system::Pallet::<T>::block_number().unique_saturated_into()
        }

        /// What a proof of this work costs.
        pub(crate) fn proof_weight(work: Work, proof: &[u8]) -> Weight {
            charges::update::<T::WeightInfo>(work, proof.len() as u64)
        }

        /// What a genesis costs; a scheme that is not known refuses it unread, and so does its size.
        fn genesis_weight(scheme: [u8; 4], genesis: &[u8]) -> Weight {
            let work = match T::Schemes::find(scheme) {
                Ok(verifier) if genesis.len() <= MAX_ENCODED => verifier.genesis_work(genesis),
                _ => Work::default(),
            };
            charges::create::<T::WeightInfo>(work, genesis.len() as u64)
        }

        /// What a proof costs under the dearest of the schemes: which one is meant, only storage knows.
        fn dearest(proof: &[u8]) -> Weight {
            if proof.len() > MAX_ENCODED {
                // Refused before anything is read of it.
                return Self::proof_weight(Work::default(), proof);
            }
            let works = T::Schemes::all().iter().map(|verifier| verifier.work(proof));
            Self::proof_weight(works.fold(Work::default(), Work::max), proof)
        }

        /// What a packet costs, its application included.
        fn dispatch_weight(packet: &Packet, payload: &[u8], proof_nodes: usize) -> Weight {
            let own = charges::packet::<T::WeightInfo>(proof_nodes as u64, payload.len() as u64);
            own.saturating_add(if packet.kind == KIND_ACKNOWLEDGEMENT {
                charges::record_acknowledgement::<T::WeightInfo>(payload.len() as u64)
            } else {
                T::Receiver::weight(payload.len())
            })
        }

        fn delivery_weight(proof: Weight, packets: &[PacketProof], acknowledged: bool) -> Weight {
            let mut start = charges::receive::<T::WeightInfo>().saturating_add(proof);
            if acknowledged {
                start = start.saturating_add(T::WeightInfo::acknowledge(packets.len() as u32));
            }
            packets.iter().fold(start, |sum, delivered| {
                let nodes = delivered.proof.len();
                sum.saturating_add(Self::dispatch_weight(&delivered.packet, &delivered.payload, nodes))
            })
        }

        fn retry_weight(packet: &Packet, payload: &[u8]) -> Weight {
            charges::receive::<T::WeightInfo>()
                .saturating_add(T::WeightInfo::acknowledge(1))
                .saturating_add(Self::dispatch_weight(packet, payload, 0))
        }
    }
}
