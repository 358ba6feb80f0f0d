//! What every way of sealing shares: the client over ParityDB, the transaction pool, and the chain of block imports
//! (BEEFY's around GRANDPA's around the client's), which keeps the gadgets' justifications with the blocks.

use crate::{
    api::{Block, RuntimeApi},
    finality::JUSTIFICATION_PERIOD,
};
use sc_consensus_beefy::{import::BeefyBlockImport, BeefyRPCLinks, BeefyVoterLinks};
use sc_consensus_grandpa::{GrandpaBlockImport, LinkHalf};
use sc_executor::WasmExecutor;
use sc_service::{Configuration, Error, TFullBackend, TFullClient, TaskManager};
use sc_transaction_pool::TransactionPoolHandle;
use sp_consensus_beefy::ecdsa_crypto::AuthorityId as BeefyId;
use sp_keystore::KeystorePtr;
use std::sync::Arc;

pub type Client = TFullClient<Block, RuntimeApi, WasmExecutor<sp_io::SubstrateHostFunctions>>;
pub type Backend = TFullBackend<Block>;
pub type Pool = TransactionPoolHandle<Block, Client>;
pub type SelectChain = sc_consensus::LongestChain<Backend, Block>;
pub type GrandpaImport = GrandpaBlockImport<Backend, Block, Client, SelectChain>;
pub type BeefyImport = BeefyBlockImport<Block, Backend, Client, GrandpaImport, BeefyId>;

/// What everything that runs in a node holds on to.
#[derive(Clone)]
pub struct Shared {
    pub client: Arc<Client>,
    pub backend: Arc<Backend>,
    pub keystore: KeystorePtr,
    pub pool: Arc<Pool>,
}

/// A node before it has a network.
pub struct Parts {
    pub shared: Shared,
    pub tasks: TaskManager,
    pub select_chain: SelectChain,
    pub grandpa_import: GrandpaImport,
    pub grandpa_link: LinkHalf<Block, Client, SelectChain>,
    pub beefy_import: BeefyImport,
    pub beefy_voter: BeefyVoterLinks<Block, BeefyId>,
    pub beefy_rpc: BeefyRPCLinks<Block, BeefyId>,
}

impl Parts {
    /// Opens the database, or makes it from the chain's specification.
    pub fn new(config: &Configuration) -> Result<Self, Error> {
        let executor = sc_service::new_wasm_executor(&config.executor);
        let (client, backend, keystore, tasks) =
            sc_service::new_full_parts::<Block, RuntimeApi, _>(config, None, executor, Vec::new())?;
        let client = Arc::new(client);
        let select_chain = sc_consensus::LongestChain::new(backend.clone());
        let pool = sc_transaction_pool::Builder::new(
            tasks.spawn_essential_handle(),
            client.clone(),
            config.role.is_authority().into(),
        )
        .with_options(config.transaction_pool.clone())
        .with_prometheus(config.prometheus_registry())
        .build();
        let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
            client.clone(),
            JUSTIFICATION_PERIOD,
            &client,
            select_chain.clone(),
            None,
        )?;
        let (beefy_import, beefy_voter, beefy_rpc) = sc_consensus_beefy::beefy_block_import_and_links(
            grandpa_import.clone(),
            backend.clone(),
            client.clone(),
            config.prometheus_registry().cloned(),
        );
        Ok(Self {
            shared: Shared { client, backend, keystore: keystore.keystore(), pool: Arc::new(pool) },
            tasks,
            select_chain,
            grandpa_import,
            grandpa_link,
            beefy_import,
            beefy_voter,
            beefy_rpc,
        })
    }
}
