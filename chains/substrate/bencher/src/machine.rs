//! A runtime and the state that it is measured over.

use codec::{Decode, Encode};
use frame_benchmarking::{
    BenchmarkBatch, BenchmarkConfig, BenchmarkList, BenchmarkMetadata, BenchmarkParameter, BenchmarkResult,
};
use sc_client_db::BenchmarkingState;
use sc_executor::{WasmExecutionMethod, WasmExecutor, WasmtimeInstantiationStrategy};
use serde_json::Value;
use sp_core::{
    storage::Storage,
    traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
    H256,
};
use sp_externalities::Extensions;
use sp_keystore::{testing::MemoryKeystore, KeystoreExt};
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{BasicExternalities, StateMachine};
use std::error::Error;

type Executor = WasmExecutor<(sp_io::SubstrateHostFunctions, frame_benchmarking::benchmarking::HostFunctions)>;
type Components = [(BenchmarkParameter, u32)];
type Answer<V> = Result<V, Box<dyn Error>>;

/// The genesis preset that states start from.
const PRESET: &str = "development";

/// A runtime, and the genesis that every benchmark starts from.
pub struct Machine {
    executor: Executor,
    code: Vec<u8>,
    genesis: Storage,
}

impl Machine {
    /// Compiles the runtime and builds its genesis.
    pub fn new(code: &[u8]) -> Answer<Self> {
        let executor = Executor::builder()
            .with_execution_method(WasmExecutionMethod::Compiled {
                instantiation_strategy: WasmtimeInstantiationStrategy::PoolingCopyOnWrite,
            })
            .build();
        let mut machine = Self { executor, code: code.to_vec(), genesis: Storage::default() };
        machine.genesis = machine.built()?;
        Ok(machine)
    }

    /// What there is to measure of a pallet.
    pub fn benchmarks(&self, pallet: &str) -> Answer<Vec<BenchmarkMetadata>> {
        Ok(self.list(pallet)?.benchmarks)
    }

    /// Runs a benchmark with its assertions.
    pub fn verify(&self, pallet: &str, benchmark: &[u8], components: &Components) -> Answer<()> {
        self.run(pallet, benchmark, components, true, false, 1).map(|_| ())
    }

    /// Reads, writes and bytes of proof.
    pub fn count(&self, pallet: &str, benchmark: &[u8], components: &Components) -> Answer<BenchmarkResult> {
        self.run(pallet, benchmark, components, false, true, 1)?.pop().ok_or_else(|| "no result".into())
    }

    /// Nanoseconds of the fastest run.
    pub fn fastest(&self, pallet: &str, benchmark: &[u8], components: &Components, runs: u32) -> Answer<u128> {
        let results = self.run(pallet, benchmark, components, false, false, runs)?;
        results.iter().map(|result| result.extrinsic_time).min().ok_or_else(|| "no result".into())
    }

    fn run(
        &self,
        pallet: &str,
        benchmark: &[u8],
        components: &Components,
        verify: bool,
        tracking: bool,
        runs: u32,
    ) -> Answer<Vec<BenchmarkResult>> {
        let config = BenchmarkConfig {
            pallet: pallet.as_bytes().to_vec(),
            instance: self.list(pallet)?.instance,
            benchmark: benchmark.to_vec(),
            selected_components: components.to_vec(),
            verify,
            internal_repeats: runs,
        };
        let state = BenchmarkingState::<BlakeTwo256>::new(self.genesis.clone(), None, tracking, tracking)?;
        let fetcher = WrappedRuntimeCode(self.code.as_slice().into());
        let answer = StateMachine::new(
            &state,
            &mut Default::default(),
            &self.executor,
            "Benchmark_dispatch_benchmark",
            &config.encode(),
            &mut keystore(),
            &self.runtime(&fetcher),
            CallContext::Offchain,
        )
        .execute()
        .map_err(|error| error.to_string())?;
        let batches = Result::<Vec<BenchmarkBatch>, String>::decode(&mut &answer[..])??;
        Ok(batches.into_iter().flat_map(|batch| batch.results).collect())
    }

    /// A pallet's benchmarks, and the name under which the runtime has it.
    fn list(&self, pallet: &str) -> Answer<BenchmarkList> {
        let mut state = BasicExternalities::new(self.genesis.clone());
        // Decoding reads the lists and leaves what follows them, which says how values are stored.
        let answer = self.call(&mut state, "Benchmark_benchmark_metadata", &true.encode())?;
        let lists = Vec::<BenchmarkList>::decode(&mut &answer[..])?;
        let own = lists.into_iter().find(|list| list.pallet == pallet.as_bytes());
        own.ok_or_else(|| "the runtime has no benchmarks of this pallet".into())
    }

    /// The state that the preset describes.
    fn built(&self) -> Answer<Storage> {
        let mut state = BasicExternalities::new_empty();
        let preset = |name: Option<&str>| -> Answer<Value> {
            let answer =
                self.call(&mut BasicExternalities::new_empty(), "GenesisBuilder_get_preset", &name.encode())?;
            let text = Option::<Vec<u8>>::decode(&mut &answer[..])?.ok_or("the runtime has no such preset")?;
            Ok(serde_json::from_slice(&text)?)
        };
        let mut config = preset(None)?;
        merge(&mut config, preset(Some(PRESET))?);
        let answer = self.call(&mut state, "GenesisBuilder_build_state", &config.to_string().into_bytes().encode())?;
        Result::<(), String>::decode(&mut &answer[..])??;
        Ok(state.into_storages())
    }

    fn call(&self, state: &mut BasicExternalities, method: &str, data: &[u8]) -> Answer<Vec<u8>> {
        let fetcher = WrappedRuntimeCode(self.code.as_slice().into());
        let (answer, _) = self.executor.call(state, &self.runtime(&fetcher), method, data, CallContext::Offchain);
        Ok(answer.map_err(|error| error.to_string())?)
    }

    fn runtime<'a>(&self, fetcher: &'a WrappedRuntimeCode<'a>) -> RuntimeCode<'a> {
        let hash = H256(sp_io::hashing::blake2_256(&self.code)).as_bytes().to_vec();
        RuntimeCode { code_fetcher: fetcher, hash, heap_pages: None }
    }
}

/// Benchmarks sign what they bring.
fn keystore() -> Extensions {
    let mut extensions = Extensions::default();
    extensions.register(KeystoreExt::new(MemoryKeystore::new()));
    extensions
}

/// Objects merge, everything else replaces.
fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}
