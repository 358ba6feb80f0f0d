"""Checkpoints exported one after the other without waiting for blocks: what benchmarks load a chain's outbox with.

A task with one participant; its rounds follow from each other, so that the five transactions of each are known in
advance and are sent under consecutive nonces. Everything goes through the same contracts and pallets as a real round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from eth_account import Account
from eth_account.types import TransactionDictType
from eth_utils.address import to_checksum_address

from chains.evm import EvmChain
from chains.evm.abi import artifact
from chains.evm.rpc import hex_bytes
from chains.substrate import SubstrateChain
from chains.substrate.genesis import keypair
from chains.substrate.runtime import number, record, scale
from poft.chain import Chain, ChainSpec, Receipt, Task
from poft.protocol.checkpoint import Checkpoint, parents_hash
from poft.protocol.domain import task_id
from poft.protocol.errors import ConfigError
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import log_root
from poft.protocol.signatures import key_address
from poft.protocol.statements import Membership, Update, Verdict, Vote, sign_statement, statement_digest

_KEY = keccak(b"poft/bench/participant")
_CONFIG = keccak(b"poft/bench/task")
_ROUNDS, _STEPS, _PHASE_BLOCKS = 1_000_000, 10, 10_000
_GAS, _FEE_WEI, _TIP_WEI = 1_500_000, 200 * 10**9, 10**9
"""More than any call here uses, and more than such networks ask for."""
_UNKNOWN = Receipt("", 0, 0, 0)
"""Of a transaction that nobody waits for."""


class UnwaitedEvm(EvmChain):
    """An EVM whose transactions are left to the pool; receipts are empty."""

    def __init__(self, spec: ChainSpec) -> None:
        super().__init__(spec)
        self._account = Account.from_key(spec.key)
        self._nonce = self._rpc.number("eth_getTransactionCount", self._account.address, "latest")
        self._chain_id = self._rpc.number("eth_chainId")

    def _send(self, contract: str, function: str, *arguments: object) -> Receipt:
        fields: dict[str, int | str | bytes] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": self._nonce,
            "to": to_checksum_address(self.spec.deployment[contract]),
            "value": 0,
            "gas": _GAS,
            "maxFeePerGas": _FEE_WEI,
            "maxPriorityFeePerGas": _TIP_WEI,
            "data": artifact(contract).call(function, *arguments),
        }
        signed = self._account.sign_transaction(cast(TransactionDictType, fields))
        self._rpc.text("eth_sendRawTransaction", hex_bytes(bytes(signed.raw_transaction)))
        self._nonce += 1
        return _UNKNOWN


class UnwaitedSubstrate(SubstrateChain):
    """A Substrate chain whose extrinsics are left to the pool; receipts are empty."""

    def __init__(self, spec: ChainSpec) -> None:
        super().__init__(spec)
        self._key = keypair(spec.key)
        account = record(self._runtime.read("System", "Account", [self._key.ss58_address]))
        self._nonce = number(account["nonce"])

    def _send(self, pallet: str, call: str, root: bool = False, **arguments: object) -> Receipt:
        if root:
            raise ConfigError("governance is not sent in bursts")
        version = self._runtime.next()
        made = version.compose(pallet, call, {name: scale(value) for name, value in arguments.items()})
        raw = self._runtime.sign(version, made, self._key, self._nonce)
        self._rpc.ask("author_submitExtrinsic", hex_bytes(raw))
        self._nonce += 1
        return _UNKNOWN


_UNWAITED: Mapping[str, Callable[[ChainSpec], Chain]] = {"evm": UnwaitedEvm, "substrate": UnwaitedSubstrate}


class Exporter:
    """A federation of one on a chain, whose every round is exported. `begin` sets it up, `export` adds a packet."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.federation = chain.federation()
        self.task = task_id(self.federation, _CONFIG)
        self.genesis = self._checkpoint(0, (), ())
        self._last = self.genesis.id
        self._round = 0
        self._pool: Chain | None = None

    def begin(self) -> None:
        """Admits the participant, and creates the task."""
        chain, address = self._chain, key_address(_KEY)
        chain.admit([address])
        joins = Membership(self.federation, address, keccak(b"encryption"), 1, 1)
        chain.set_members([sign_statement(_KEY, chain.domain, joins)])
        chain.create_task(Task(_CONFIG, _ROUNDS, _STEPS, 1, _PHASE_BLOCKS, 1), self.genesis)

    def export(self) -> None:
        """One round, from its start to its checkpoint, which becomes a packet; returns when the pool has it."""
        if self._pool is None:
            self._pool = _UNWAITED[self._chain.spec.kind](self._chain.spec)
        pool, task, address, domain = self._pool, self.task, key_address(_KEY), self._chain.domain
        self._round += 1
        number = self._round
        update = Update(
            *(self.federation, task, number, address, self._last, keccak(b"update"), 1000, 32 * _STEPS, 10, _STEPS),
            *(keccak(b"training"), keccak(b"data"), keccak(b"access"), ZERO32),
        )
        verdict = Verdict(self.federation, task, number, address, 1, keccak(b"scores"))
        parents = (self._last,)
        checkpoint = self._checkpoint(number, parents, (statement_digest(domain, update),))
        vote = Vote(self.federation, task, number, address, checkpoint.id)
        pool.start_round(task)
        pool.submit_updates(task, [sign_statement(_KEY, domain, update, 0)])
        pool.submit_verdicts(task, [sign_statement(_KEY, domain, verdict, 0)])
        pool.submit_votes(task, [sign_statement(_KEY, domain, vote, 0)])
        pool.finalise(task, checkpoint, parents)
        self._last = checkpoint.id

    @property
    def exported(self) -> int:
        """Packets so far."""
        return self._round

    def close(self) -> None:
        """Ends the connection to the pool."""
        if self._pool is not None:
            self._pool.close()

    def _checkpoint(self, number: int, parents: tuple[bytes, ...], accepted: tuple[bytes, ...]) -> Checkpoint:
        begins = number == 0
        return Checkpoint(
            federation=self.federation,
            task=self.task,
            round=number,
            model_root=keccak(f"poft/bench/model/{number}".encode()),
            model_bytes=1000,
            manifest_hash=keccak(b"manifest"),
            parents_hash=parents_hash(parents),
            samples=0 if begins else 32 * _STEPS,
            metrics_hash=ZERO32 if begins else keccak(b"metrics"),
            training_root=ZERO32 if begins else log_root(accepted),
            dataset_root=ZERO32 if begins else keccak(b"datasets"),
            locator_hash=ZERO32,
        )
