//! Blocks on demand: one node, its blocks final at once, with the trie, the proofs and the runtime of a real network.
//!
//! The runtime takes one block per slot and no time that lies in another slot than the block's. So a block carries the
//! clock's time, or the beginning of the slot after its parent's when that is later: a chain that makes blocks faster
//! than its slots runs ahead of the clock. It may do so by a limit, because other chains refuse statements from the
//! future; at the limit a block waits for the clock, and takes every transaction that has come meanwhile.

use crate::{
    api::{Block, Hash, Header},
    parts::{Client, Pool, SelectChain},
};
use futures::{channel::mpsc, stream, Stream, StreamExt};
use futures_timer::Delay;
use sc_basic_authorship::ProposerFactory;
use sc_consensus::BlockImport;
use sc_consensus_manual_seal::{
    consensus::aura::AuraConsensusDataProvider, rpc::EngineCommand, run_manual_seal, ManualSealParams,
};
use sc_service::{Error, TaskManager};
use sc_transaction_pool_api::TransactionPool;
use sp_blockchain::HeaderBackend;
use sp_consensus_aura::{sr25519::AuthorityPair, SlotDuration};
use sp_core::Pair;
use sp_runtime::traits::Zero;
use sp_timestamp::Timestamp;
use std::{sync::Arc, time::Duration};

/// Time of a block whose parent stands in slot `parent`, none for the genesis.
fn next_time(parent: Option<u64>, slot: SlotDuration, now: Timestamp) -> Timestamp {
    let earliest = parent.map_or(0, |parent| parent.saturating_add(1).saturating_mul(slot.as_millis()));
    Timestamp::new(earliest.max(now.as_millis()))
}

/// How long a block of time `next` has to wait so that it is no more than `ahead` before the clock.
fn patience(next: Timestamp, now: Timestamp, ahead: Duration) -> Duration {
    Duration::from_millis(next.as_millis().saturating_sub(now.as_millis())).saturating_sub(ahead)
}

/// The slot of a block: that of its pre-runtime digest.
fn slot_of(header: &Header) -> Result<Option<u64>, String> {
    if header.number.is_zero() {
        return Ok(None);
    }
    sc_consensus_aura::find_pre_digest::<Block, <AuthorityPair as Pair>::Signature>(header)
        .map(|slot| Some(*slot))
        .map_err(|error| format!("block {}: {error}", header.number))
}

fn slot_at(client: &Client, block: Hash) -> Result<Option<u64>, String> {
    let header = client.header(block).map_err(|error| error.to_string())?;
    slot_of(&header.ok_or_else(|| format!("block {block} is not known"))?)
}

/// A command per transaction that has become ready, and one per slot for what a notification did not lead to.
fn instant_commands(
    client: Arc<Client>,
    pool: Arc<Pool>,
    slot: SlotDuration,
    ahead: Duration,
) -> impl Stream<Item = EngineCommand<Hash>> {
    let arrivals = pool.import_notification_stream().map(|_| ());
    let ticks = stream::unfold((), move |()| async move {
        Delay::new(slot.as_duration()).await;
        Some(((), ()))
    });
    stream::select(arrivals, Box::pin(ticks)).filter_map(move |()| {
        let (client, pool) = (client.clone(), pool.clone());
        async move {
            if pool.status().ready == 0 {
                return None; // an earlier block took it
            }
            let parent = slot_at(&client, client.info().best_hash)
                .map_err(|error| log::error!(target: "sealing", "no block: {error}"))
                .ok()?;
            let now = Timestamp::current();
            Delay::new(patience(next_time(parent, slot, now), now, ahead)).await;
            Some(EngineCommand::SealNewBlock { create_empty: false, finalize: true, parent_hash: None, sender: None })
        }
    })
}

/// Starts the task that makes blocks: what JSON-RPC asks for, and with `instant` what the pool brings.
pub fn start<I>(
    tasks: &TaskManager,
    client: Arc<Client>,
    pool: Arc<Pool>,
    import: I,
    select_chain: SelectChain,
    instant: Option<Duration>,
) -> Result<mpsc::Sender<EngineCommand<Hash>>, Error>
where
    I: BlockImport<Block, Error = sp_consensus::Error> + Send + Sync + 'static,
{
    let slot = sc_consensus_aura::slot_duration(&*client)?;
    let (sender, asked) = mpsc::channel(1000);
    let commands = match instant {
        Some(ahead) => stream::select(asked, instant_commands(client.clone(), pool.clone(), slot, ahead)).boxed(),
        None => asked.boxed(),
    };
    let times = client.clone();
    let task = run_manual_seal(ManualSealParams {
        block_import: import,
        env: ProposerFactory::new(tasks.spawn_handle(), client.clone(), pool.clone(), None, None),
        client,
        pool,
        commands_stream: commands,
        select_chain,
        consensus_data_provider: Some(Box::new(AuraConsensusDataProvider::new_with_slot_duration(slot))),
        create_inherent_data_providers: move |parent: Hash, ()| {
            let time = slot_at(&times, parent).map(|parent| next_time(parent, slot, Timestamp::current()));
            async move { Ok(sp_timestamp::InherentDataProvider::new(time?)) }
        },
    });
    tasks.spawn_essential_handle().spawn_blocking("sealing", None, task);
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: SlotDuration = SlotDuration::from_millis(1000);

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(millis)
    }

    #[test]
    fn block_carries_the_clocks_time() {
        assert_eq!(next_time(None, SLOT, at(77_777)), at(77_777));
        assert_eq!(next_time(Some(76), SLOT, at(77_777)), at(77_777));
    }

    #[test]
    fn block_in_its_parents_slot_is_moved_to_the_next() {
        assert_eq!(next_time(Some(77), SLOT, at(77_777)), at(78_000));
        assert_eq!(next_time(Some(90), SLOT, at(77_777)), at(91_000));
        assert_eq!(next_time(Some(u64::MAX), SLOT, at(0)), at(u64::MAX));
    }

    #[test]
    fn block_waits_only_beyond_the_limit() {
        let ahead = Duration::from_secs(2);
        assert_eq!(patience(at(5000), at(5000), ahead), Duration::ZERO);
        assert_eq!(patience(at(7000), at(5000), ahead), Duration::ZERO);
        assert_eq!(patience(at(7500), at(5000), ahead), Duration::from_millis(500));
        assert_eq!(patience(at(1), at(5000), ahead), Duration::ZERO);
    }
}
