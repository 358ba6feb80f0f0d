//! JSON-RPC beyond what `sc_service` serves by itself (author, chain, state, system, chainHead): account nonces, the
//! justification streams of the two finality gadgets, and blocks on demand.

use crate::{
    api::{AccountId, Block, Hash, Nonce},
    parts::{Backend, Client, Pool},
};
use futures::channel::mpsc;
use jsonrpsee::RpcModule;
use sc_consensus_beefy::communication::notification::{BeefyBestBlockStream, BeefyVersionedFinalityProofStream};
use sc_consensus_beefy_rpc::{Beefy, BeefyApiServer};
use sc_consensus_grandpa::{FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState};
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use sc_consensus_manual_seal::rpc::{EngineCommand, ManualSeal, ManualSealApiServer};
use sc_rpc::SubscriptionTaskExecutor;
use sp_consensus_beefy::ecdsa_crypto::AuthorityId as BeefyId;
use std::sync::Arc;
use substrate_frame_rpc_system::{System, SystemApiServer};

/// What GRANDPA's methods read.
pub struct GrandpaParts {
    pub authorities: SharedAuthoritySet<Hash, u32>,
    pub voter: SharedVoterState,
    pub justifications: GrandpaJustificationStream<Block>,
    pub proofs: Arc<FinalityProofProvider<Backend, Block>>,
}

/// What BEEFY's methods read.
pub struct BeefyParts {
    pub justifications: BeefyVersionedFinalityProofStream<Block, BeefyId>,
    pub best: BeefyBestBlockStream<Block>,
}

/// The methods that one way of sealing offers.
pub enum Methods {
    /// Validators: `grandpa_*`, `beefy_*`.
    Validators(Box<GrandpaParts>, BeefyParts),
    /// On demand: `engine_*`.
    OnDemand(mpsc::Sender<EngineCommand<Hash>>),
}

/// The module with all of them. `sc_service` asks for one per server.
pub fn create(
    client: &Arc<Client>,
    pool: &Arc<Pool>,
    methods: &Methods,
    executor: SubscriptionTaskExecutor,
) -> Result<RpcModule<()>, sc_service::Error> {
    let mut module = RpcModule::new(());
    let failed = |error: jsonrpsee::core::RegisterMethodError| sc_service::Error::Other(error.to_string());
    let system: System<_, Client, Block> = System::new(client.clone(), pool.clone());
    module.merge(SystemApiServer::<Hash, AccountId, Nonce>::into_rpc(system)).map_err(failed)?;
    match methods {
        Methods::Validators(grandpa, beefy) => {
            let GrandpaParts { authorities, voter, justifications, proofs } = grandpa.as_ref();
            let grandpa = Grandpa::new(
                executor.clone(),
                authorities.clone(),
                voter.clone(),
                justifications.clone(),
                proofs.clone(),
            );
            module.merge(grandpa.into_rpc()).map_err(failed)?;
            let beefy = Beefy::<Block, BeefyId>::new(beefy.justifications.clone(), beefy.best.clone(), executor)
                .map_err(|error| sc_service::Error::Other(error.to_string()))?;
            module.merge(beefy.into_rpc()).map_err(failed)?;
        }
        Methods::OnDemand(commands) => {
            module.merge(ManualSeal::new(commands.clone()).into_rpc()).map_err(failed)?;
        }
    }
    Ok(module)
}
