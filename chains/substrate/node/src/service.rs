//! The running node: network, JSON-RPC and tasks.

use crate::{
    api::{Block, Hash},
    command::Sealing,
    finality::{self, Gossip, Voter},
    parts::{Client, Parts, Shared},
    rpc::{self, BeefyParts, GrandpaParts, Methods},
    sealing,
};
use sc_basic_authorship::ProposerFactory;
use sc_client_api::BlockBackend;
use sc_consensus::{DefaultImportQueue, ImportQueue};
use sc_consensus_aura::{ImportQueueParams, SlotProportion, StartAuraParams};
use sc_consensus_beefy::communication::{beefy_peers_set_config, request_response::BeefyJustifsRequestHandler};
use sc_consensus_grandpa::{grandpa_peers_set_config, FinalityProofProvider, SharedVoterState};
use sc_network::{
    config::FullNetworkConfiguration,
    service::{traits::NetworkService, NotificationMetrics},
    Litep2pNetworkBackend, NetworkBackend, NotificationService, ProtocolName,
};
use sc_network_sync::SyncingService;
use sc_service::{BuildNetworkParams, Configuration, Error, SpawnTasksParams, TaskManager};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_aura::{sr25519::AuthorityPair as AuraPair, SlotDuration};
use std::{sync::Arc, time::Duration};

/// The one network backend that is compiled in, whatever `--network-backend` says.
type Network = Litep2pNetworkBackend;
type NetworkConfiguration = FullNetworkConfiguration<Block, Hash, Network>;

/// Starts a node; it runs until the tasks' manager ends.
pub fn start(config: Configuration, sealing: Sealing, ahead: Duration) -> Result<TaskManager, Error> {
    let parts = Parts::new(&config)?;
    match sealing {
        Sealing::Aura => start_validating(config, parts),
        Sealing::Instant => start_sealing(config, parts, Some(ahead)),
        Sealing::Manual => start_sealing(config, parts, None),
    }
}

// --- what every node has

fn network_configuration(config: &Configuration) -> (NetworkConfiguration, NotificationMetrics) {
    let metrics = <Network as NetworkBackend<Block, Hash>>::register_notification_metrics(config.prometheus_registry());
    (FullNetworkConfiguration::new(&config.network, config.prometheus_registry().cloned()), metrics)
}

/// Joins the network and opens JSON-RPC.
fn serve(
    config: Configuration,
    shared: &Shared,
    tasks: &mut TaskManager,
    (net_config, metrics): (NetworkConfiguration, NotificationMetrics),
    import_queue: impl ImportQueue<Block> + 'static,
    methods: Methods,
) -> Result<(Arc<dyn NetworkService>, Arc<SyncingService<Block>>), Error> {
    let Shared { client, backend, keystore, pool } = shared.clone();
    let (network, system_rpc_tx, tx_handler_controller, sync_service, _) =
        sc_service::build_network(BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: pool.clone(),
            spawn_handle: tasks.spawn_handle(),
            spawn_essential_handle: tasks.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: None,
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;
    let described = (client.clone(), pool.clone());
    sc_service::spawn_tasks(SpawnTasksParams {
        config,
        client,
        backend,
        task_manager: tasks,
        keystore,
        transaction_pool: pool,
        rpc_builder: Box::new(move |executor| rpc::create(&described.0, &described.1, &methods, executor)),
        network: network.clone(),
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync_service.clone(),
        telemetry: None,
        tracing_execute_block: None,
    })?;
    Ok((network, sync_service))
}

// --- blocks on demand

/// The network is there for JSON-RPC to describe; nobody else is in it.
fn start_sealing(config: Configuration, parts: Parts, instant: Option<Duration>) -> Result<TaskManager, Error> {
    let Parts { shared, mut tasks, select_chain, grandpa_import, .. } = parts;
    let queue = sc_consensus_manual_seal::import_queue(
        Box::new(grandpa_import.clone()),
        &tasks.spawn_essential_handle(),
        config.prometheus_registry(),
    );
    let (client, pool) = (shared.client.clone(), shared.pool.clone());
    let commands = sealing::start(&tasks, client, pool, grandpa_import, select_chain, instant)?;
    let network = network_configuration(&config);
    serve(config, &shared, &mut tasks, network, queue, Methods::OnDemand(commands))?;
    Ok(tasks)
}

// --- blocks in turns

/// A member of a network: Aura where it is a validator, GRANDPA, BEEFY.
fn start_validating(config: Configuration, parts: Parts) -> Result<TaskManager, Error> {
    let slot = sc_consensus_aura::slot_duration(&*parts.shared.client)?;
    let queue = aura_queue(&config, &parts, slot)?;
    let (mut net_config, metrics) = network_configuration(&config);
    let gadgets = Gadgets::register(&config, &parts.shared.client, &mut net_config, &metrics)?;

    let Parts { shared, mut tasks, select_chain, grandpa_link, beefy_import, beefy_voter, beefy_rpc, .. } = parts;
    let authorities = grandpa_link.shared_authority_set().clone();
    let voter_state = SharedVoterState::empty();
    let methods = Methods::Validators(
        Box::new(GrandpaParts {
            authorities: authorities.clone(),
            voter: voter_state.clone(),
            justifications: grandpa_link.justification_stream(),
            proofs: FinalityProofProvider::new_for_service(shared.backend.clone(), Some(authorities)),
        }),
        BeefyParts { justifications: beefy_rpc.from_voter_justif_stream, best: beefy_rpc.from_voter_best_beefy_stream },
    );

    let (role, voting, force_authoring) = (config.role, !config.disable_grandpa, config.force_authoring);
    let registry = config.prometheus_registry().cloned();
    let voter = Voter {
        role,
        name: config.network.node_name.clone(),
        keystore: shared.keystore.clone(),
        registry: registry.clone(),
    };
    let (network, sync) = serve(config, &shared, &mut tasks, (net_config, metrics), queue, methods)?;

    if role.is_authority() {
        let proposer_factory = ProposerFactory::new(
            tasks.spawn_handle(),
            shared.client.clone(),
            shared.pool.clone(),
            registry.as_ref(),
            None,
        );
        let authoring = sc_consensus_aura::start_aura::<AuraPair, _, _, _, _, _, _, _, _, _, _>(StartAuraParams {
            slot_duration: slot,
            client: shared.client.clone(),
            select_chain,
            block_import: beefy_import,
            proposer_factory,
            create_inherent_data_providers: move |_, ()| async move { Ok(slot_and_time(slot)) },
            force_authoring,
            // Blocks go on while finality waits for validators that come back.
            backoff_authoring_blocks: None::<()>,
            keystore: shared.keystore.clone(),
            sync_oracle: sync.clone(),
            justification_sync_link: sync.clone(),
            block_proposal_slot_portion: SlotProportion::new(2f32 / 3f32),
            max_block_proposal_slot_portion: None,
            telemetry: None,
            compatibility_mode: Default::default(),
        })?;
        tasks.spawn_essential_handle().spawn_blocking("aura", Some("block-authoring"), authoring);
    }

    if voting {
        let gossip = |(notifications, protocol)| Gossip {
            network: network.clone(),
            sync: sync.clone(),
            notifications,
            protocol,
        };
        let equivocations = OffchainTransactionPoolFactory::new(shared.pool.clone());
        let grandpa = gossip(gadgets.grandpa);
        finality::start_grandpa(&tasks, grandpa_link, grandpa, voter.clone(), voter_state, equivocations)?;
        let beefy = gossip(gadgets.beefy);
        finality::start_beefy(&tasks, &shared, beefy_voter, gadgets.beefy_requests, beefy, voter);
    }
    Ok(tasks)
}

fn aura_queue(config: &Configuration, parts: &Parts, slot: SlotDuration) -> Result<DefaultImportQueue<Block>, Error> {
    let queue = sc_consensus_aura::import_queue::<AuraPair, _, _, _, _, _>(ImportQueueParams {
        block_import: parts.beefy_import.clone(),
        justification_import: Some(Box::new(parts.grandpa_import.clone())),
        client: parts.shared.client.clone(),
        create_inherent_data_providers: move |_, ()| async move { Ok(slot_and_time(slot)) },
        spawner: &parts.tasks.spawn_essential_handle(),
        registry: config.prometheus_registry(),
        check_for_equivocation: Default::default(),
        telemetry: None,
        compatibility_mode: Default::default(),
    })?;
    Ok(queue)
}

fn slot_and_time(
    slot: SlotDuration,
) -> (sp_consensus_aura::inherents::InherentDataProvider, sp_timestamp::InherentDataProvider) {
    let time = sp_timestamp::InherentDataProvider::from_system_time();
    (sp_consensus_aura::inherents::InherentDataProvider::from_timestamp_and_slot_duration(*time, slot), time)
}

type Protocol = (Box<dyn NotificationService>, ProtocolName);

/// The gadgets' protocols, which the network has to know before it is joined.
struct Gadgets {
    grandpa: Protocol,
    beefy: Protocol,
    beefy_requests: BeefyJustifsRequestHandler<Block, Client>,
}

impl Gadgets {
    fn register(
        config: &Configuration,
        client: &Arc<Client>,
        net_config: &mut NetworkConfiguration,
        metrics: &NotificationMetrics,
    ) -> Result<Self, Error> {
        let genesis = client.block_hash(0)?.ok_or_else(|| Error::Other("there is no genesis block".into()))?;
        let fork = config.chain_spec.fork_id();

        let grandpa_name = sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
        let (set, grandpa) = grandpa_peers_set_config::<Block, Network>(
            grandpa_name.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
        net_config.add_notification_protocol(set);

        let beefy_name = sc_consensus_beefy::gossip_protocol_name(genesis, fork);
        let (set, beefy) = beefy_peers_set_config::<Block, Network>(
            beefy_name.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
        net_config.add_notification_protocol(set);

        let registry = config.prometheus_registry().cloned();
        let (beefy_requests, answers) =
            BeefyJustifsRequestHandler::<Block, Client>::new::<_, Network>(genesis, fork, client.clone(), registry);
        net_config.add_request_response_protocol(answers);
        Ok(Self { grandpa: (grandpa, grandpa_name), beefy: (beefy, beefy_name), beefy_requests })
    }
}
