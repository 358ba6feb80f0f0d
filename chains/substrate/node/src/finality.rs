//! How the two gadgets vote.
//!
//! GRANDPA votes for the best block, without the usual distance of two: on chains whose finality other chains wait for,
//! a block more of delay is a slot more for every packet, and a vote for a block that loses costs one round. It keeps a
//! justification for each block that ended a round, so that anybody can check a block's finality from the block alone.
//! BEEFY follows GRANDPA, block by block, and signs the outbox (`payload`). With a runtime that has no BEEFY pallet its
//! task waits.

use crate::{
    api::Block,
    parts::{Client, SelectChain, Shared},
    payload::OutboxPayload,
};
use sc_consensus_beefy::{
    communication::request_response::BeefyJustifsRequestHandler, BeefyNetworkParams, BeefyParams, BeefyVoterLinks,
};
use sc_consensus_grandpa::{GrandpaParams, LinkHalf, SharedVoterState};
use sc_network::{service::traits::NetworkService, NotificationService, ProtocolName};
use sc_network_sync::SyncingService;
use sc_service::{Error, Role, TaskManager};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_beefy::ecdsa_crypto::AuthorityId as BeefyId;
use std::{sync::Arc, time::Duration};

/// A justification for every block that ended a round.
pub const JUSTIFICATION_PERIOD: u32 = 1;
/// A third of a slot of one second: what a vote takes to reach everybody.
const GOSSIP: Duration = Duration::from_millis(333);
/// BEEFY commits to every block that GRANDPA finalises.
const BEEFY_DELTA: u32 = 1;

/// What a gadget needs of the network.
pub struct Gossip {
    pub network: Arc<dyn NetworkService>,
    pub sync: Arc<SyncingService<Block>>,
    pub notifications: Box<dyn NotificationService>,
    pub protocol: ProtocolName,
}

/// What a gadget needs to know of this node.
#[derive(Clone)]
pub struct Voter {
    pub role: Role,
    pub name: String,
    pub keystore: sp_keystore::KeystorePtr,
    pub registry: Option<prometheus_endpoint::Registry>,
}

/// Starts GRANDPA's task. A node that is no validator follows the votes.
pub fn start_grandpa(
    tasks: &TaskManager,
    link: LinkHalf<Block, Client, SelectChain>,
    gossip: Gossip,
    voter: Voter,
    state: SharedVoterState,
    equivocations: OffchainTransactionPoolFactory<Block>,
) -> Result<(), Error> {
    let config = sc_consensus_grandpa::Config {
        gossip_duration: GOSSIP,
        justification_generation_period: JUSTIFICATION_PERIOD,
        name: Some(voter.name),
        observer_enabled: false,
        keystore: voter.role.is_authority().then_some(voter.keystore),
        local_role: voter.role,
        telemetry: None,
        protocol_name: gossip.protocol,
    };
    let task = sc_consensus_grandpa::run_grandpa_voter(GrandpaParams {
        config,
        link,
        network: gossip.network,
        sync: gossip.sync,
        notification_service: gossip.notifications,
        voting_rule: (), // no restriction: the best block
        prometheus_registry: voter.registry,
        shared_voter_state: state,
        telemetry: None,
        offchain_tx_pool_factory: equivocations,
    })?;
    tasks.spawn_essential_handle().spawn_blocking("grandpa-voter", None, task);
    Ok(())
}

/// Starts BEEFY's task.
pub fn start_beefy(
    tasks: &TaskManager,
    shared: &Shared,
    links: BeefyVoterLinks<Block, BeefyId>,
    requests: BeefyJustifsRequestHandler<Block, Client>,
    gossip: Gossip,
    voter: Voter,
) {
    let task = sc_consensus_beefy::start_beefy_gadget(BeefyParams {
        client: shared.client.clone(),
        backend: shared.backend.clone(),
        payload_provider: OutboxPayload,
        runtime: shared.client.clone(),
        is_authority: voter.role.is_authority(),
        key_store: voter.role.is_authority().then_some(voter.keystore),
        network_params: BeefyNetworkParams {
            network: Arc::new(gossip.network),
            sync: gossip.sync,
            notification_service: gossip.notifications,
            gossip_protocol_name: gossip.protocol,
            justifications_protocol_name: requests.protocol_name(),
            _phantom: std::marker::PhantomData,
        },
        min_block_delta: BEEFY_DELTA,
        prometheus_registry: voter.registry,
        links,
        on_demand_justifications_handler: requests,
    });
    tasks.spawn_essential_handle().spawn_blocking("beefy-voter", None, task);
}
