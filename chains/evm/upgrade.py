"""New contracts in the place of those that are in use, while the chain's links go on (docs/operating.md, Upgrades).

No contract here can be changed. What replaces outbox, inbox and registry takes over the log, the nonces and what was
accepted (`contracts/successors`); governance says again whom the new light client believes, who speaks and what goes
where; the old contracts are closed. The federation stays, and with it members, tasks and rounds.

Every step looks at the ledgers first, so a command that was cut off, or that waits for somebody, is given again. What
cannot be read from a ledger is `upgrade.json`: the addresses of what was deployed. The order is what makes it safe:

1. the old outbox is closed before its log is taken over, so that nothing is sent in two places;
2. peers send to the new registry, then what they had sent to the old one is delivered, then the old inbox is halted: no
   nonce is open in two places;
3. what the old registry had sent is delivered before peers take packets of the new one alone;
4. peers recover their clients into a later epoch, in which the attestors speak of the new outbox alone: nothing that
   was signed before counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from eth_utils.address import to_checksum_address

from poft.chain import Chain, ChainSpec, Peer
from poft.protocol.domain import evm_endpoint
from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.merkle import frontier
from poft.verification.api import TrustState, verifier
from poft.verification.schemes.esp1 import OutboxGenesis
from poft.whole_file import write_whole

from .abi import SUCCESSORS, VERIFIERS, Verifier, artifact, verifier_key
from .client import EvmChain
from .deploy import EXPORTER, FIRST_BLOCK, OUTBOX_BLOCK, SENDER
from .governing import Governor
from .history import RETIRED, History, addresses_of
from .records import address, typed
from .rpc import Rpc, read_bytes
from .sending import Payer, fee_bound

_STATE = "upgrade.json"
REPLACED = ("Outbox", "LightClient", "Inbox", "CheckpointRegistry")
"""What is replaced, besides the verifiers. `Authority` and `Federation` stay."""

_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chain that this one is linked with."""

    chain: Chain
    """With a key of its governance, else what is to be done there is waited for."""
    trust: bytes
    """Genesis by which the new light client here starts to follow it: what the old one believes now."""
    recovery: bytes
    """Genesis by which it recovers its client of this chain: a later epoch. For ESP1 the inner one: the address of the
    new outbox is put before it."""
    scheme: bytes = b"CMT1"
    """Of that genesis."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that has to be so before the next step; `do` is None where others bring it about."""

    name: str
    done: Callable[[], bool]
    do: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upgrade has come."""

    step: str
    done: bool


class ContractUpgrade:
    """The upgrade of one chain; `folder` keeps what a ledger cannot tell."""

    def __init__(self, spec: ChainSpec, neighbours: tuple[Neighbour, ...], folder: Path, give_up: bool = False) -> None:
        """`give_up`: packets whose application failed are not retried any more.

        Raises:
            Refused: Unauthorised, the payer is not the administrator; WrongEpoch or CommitteeMismatch, a neighbour's
                genesis is not what is believed now, or does not lead on.
        """
        self._spec, self._neighbours, self._folder, self._give_up = spec, neighbours, folder, give_up
        self._chain = EvmChain(spec)
        self._renewed: EvmChain | None = None
        self._rpc = Rpc(spec.rpc[0])
        first = int(spec.deployment.get(FIRST_BLOCK, "0x0"), 16)
        self._history = History(self._rpc, spec.deployment, first, self._chain.final_height)
        payer = Payer(self._rpc, spec.key, fee_bound(spec.deployment))
        self._payer = payer
        self._governor = Governor(self._rpc, payer, spec.deployment["Authority"])
        self._governor.require_administrator()
        self._placed: dict[str, str] = _read(folder / _STATE)
        self._old = spec.deployment
        for one in neighbours:
            self._check(one)

    def close(self) -> None:
        """Ends the connections, but for the neighbours'."""
        if self._renewed is not None:
            self._renewed.close()
        self._chain.close()
        self._rpc.close()

    @property
    def spec(self) -> ChainSpec:
        """The chain as it is reached after the upgrade."""
        retired = {f"{RETIRED}{name}": " ".join(addresses_of(self._old, name)) for name in REPLACED}
        return replace(self._spec, deployment={**self._old, **self._placed, **retired})

    def look(self) -> list[Progress]:
        """What is done and what is not; changes nothing. A step whose ground is not there yet is not done."""
        found: list[Progress] = []
        for step in self._steps():
            found.append(Progress(step.name, all(one.done for one in found) and step.done()))
        return found

    def run(self, patience: float, tell: Callable[[Progress], None]) -> ChainSpec:
        """Takes every step that is not done, in order; waits `patience` seconds for each that others take.

        Raises:
            Refused: DeadlineNotReached, what others do is not done yet, or a delay has not passed: give it again.
            Rejected: a ledger refused.
        """
        for step in self._steps():
            if not step.done():
                if step.do is not None:
                    step.do()
                _await(step, patience)
            tell(Progress(step.name, done=True))
        return self.spec

    # The steps

    def _steps(self) -> list[Step]:
        governor, old = self._governor, self._old
        return [
            Step(
                "the old outbox is closed",
                lambda: governor.closed(old["Outbox"]),
                lambda: governor.manage("setTargetClosed", address(old["Outbox"]), True, target=old["Outbox"]),
            ),
            *self._deployments(),
            Step("the new contracts have their roles", self._roles_given, self._give_roles),
            *(step for one in self._neighbours for step in self._trusting(one)),
            *(self._routing(task) for task in self._tasks()),
            *(step for one in self._neighbours for step in self._switching(one)),
            Step("no failed packet is left to retry", self._nothing_failed),
            *(self._halting(source) for source in self._sources()),
            *(self._closing(name) for name in ("Inbox", "CheckpointRegistry", "LightClient")),
            Step("the federation exports by the new registry", self._federation_follows, self._move_federation),
            *(step for one in self._neighbours for step in self._recovering(one)),
        ]

    def _deployments(self) -> list[Step]:
        def step(key: str, create: Callable[[], bytes]) -> Step:
            def deploy() -> None:
                mined = self._payer.send(None, create())
                self._placed[key] = to_checksum_address(str(mined.record["contractAddress"]))
                if key == "Outbox":
                    self._placed[OUTBOX_BLOCK] = hex(mined.receipt.height)
                write_whole(self._folder / _STATE, json.dumps(self._placed, indent=2, sort_keys=True) + "\n")

            return Step(f"{key} is deployed", lambda: key in self._placed, deploy)

        authority, placed, old = self._old["Authority"], self._placed, self._old
        steps = [step("Outbox", self._outbox)]
        for one in VERIFIERS:
            steps.append(step(verifier_key(one.scheme), partial(self._verifier, one)))
        light = artifact("LightClient")
        inbox, registry = artifact(SUCCESSORS["Inbox"]), artifact(SUCCESSORS["CheckpointRegistry"])
        steps += [
            step("LightClient", lambda: light.creation(authority, placed["Outbox"])),
            step("Inbox", lambda: inbox.creation(authority, placed["LightClient"], placed["Outbox"], old["Inbox"])),
            step(
                "CheckpointRegistry",
                lambda: registry.creation(authority, placed["Outbox"], placed["Inbox"], old["CheckpointRegistry"]),
            ),
        ]
        return steps

    def _verifier(self, one: Verifier) -> bytes:
        inner = [self._placed[verifier_key(scheme)] for scheme in one.inner]
        return artifact(one.contract).creation(*([inner] if one.composed else inner))

    def _outbox(self) -> bytes:
        """The creation of the new outbox, with the old one's log, which it checks."""
        genesis = self._rpc.record("eth_getBlockByNumber", "0x0", False)
        assert genesis is not None  # connecting has read it
        log = frontier(entry.packet.id for entry in self._chain.outbox_entries(0, self._chain.outbox_size()))
        successor = artifact(SUCCESSORS["Outbox"])
        arguments = (self._old["Authority"], read_bytes(genesis["hash"]), self._old["Outbox"], list(log.peaks))
        return successor.creation(*arguments)

    def _role_functions(self) -> list[tuple[str, str, int, list[str]]]:
        """(contract, function, role, holders)."""
        placed = self._placed
        return [
            ("Outbox", "send", SENDER, [placed["CheckpointRegistry"], placed["Inbox"]]),
            ("CheckpointRegistry", "declareTask", EXPORTER, [self._old["Federation"]]),
            ("CheckpointRegistry", "exportCheckpoint", EXPORTER, [self._old["Federation"]]),
        ]

    def _roles_given(self) -> bool:
        return all(
            self._manager("getTargetFunctionRole", self._placed[name], artifact(name).selector(function))[0] == role
            and all(self._manager("hasRole", role, holder)[0] for holder in holders)
            for name, function, role, holders in self._role_functions()
        )

    def _give_roles(self) -> None:
        for name, function, role, holders in self._role_functions():
            target, selector = self._placed[name], artifact(name).selector(function)
            if self._manager("getTargetFunctionRole", target, selector)[0] != role:
                self._governor.manage("setTargetFunctionRole", target, [selector], role, target=target)
            for holder in holders:
                if not self._manager("hasRole", role, holder)[0]:
                    self._governor.manage("grantRole", role, holder, 0)

    def _trusting(self, one: Neighbour) -> list[Step]:
        """Here: whom the new contracts believe and hear, as it was with the old ones."""
        source, name = one.chain.domain, one.chain.spec.name
        old = self._chain.client(source)

        def create() -> None:
            self._govern(
                "LightClient",
                "create",
                source,
                self._placed[verifier_key(old.scheme)],
                one.trust,
                old.staleness,
                old.max_drift,
            )

        steps = [Step(f"the new light client follows {name}", lambda: self._follows(source), create)]
        inbox = self._chain.peer_inbox(source)
        if inbox != bytes(32):
            told = Step(
                f"packets of {name} are acknowledged by the new inbox",
                lambda: self._new().peer_inbox(source) == inbox,
                lambda: self._govern("Inbox", "setAcknowledgements", source, inbox),
            )
            steps.append(told)
        return steps + [self._hearing(peer) for peer in self._peers(source)]

    def _hearing(self, peer: Peer) -> Step:
        arguments = (peer.domain, peer.federation, peer.task, peer.genesis_checkpoint, peer.endpoint)
        return Step(
            f"the new registry hears 0x{peer.task.hex()[:8]}",
            lambda: self._new().peer(peer.domain, peer.federation, peer.task) == peer,
            lambda: self._govern("CheckpointRegistry", "setPeer", *arguments),
        )

    def _routing(self, task: bytes) -> Step:
        routes = self._chain.routes(task)
        return Step(
            f"the new registry sends 0x{task.hex()[:8]} where the old one did",
            lambda: self._new().routes(task) == routes,
            lambda: self._govern("CheckpointRegistry", "setRoutes", task, routes),
        )

    def _switching(self, one: Neighbour) -> list[Step]:
        """Over there: packets go to the new contracts; then both rows of packets are emptied."""
        there, own, name = one.chain, self._spec.domain, one.chain.spec.name

        def routed(task: bytes) -> list[tuple[bytes, bytes]]:
            new = self._endpoint("CheckpointRegistry")
            return [(domain, new if domain == own else receiver) for domain, receiver in there.routes(task)]

        steps = []
        for peer in self._peers(there.domain):
            task = peer.task
            steps.append(
                Step(
                    f"{name} sends 0x{task.hex()[:8]} to the new registry",
                    lambda task=task: there.routes(task) == routed(task),  # type: ignore[misc]
                    _by(there, lambda task=task: there.set_routes(task, routed(task))),  # type: ignore[misc]
                )
            )
        old_inbox = evm_endpoint(address(self._old["Inbox"]))
        if there.peer_inbox(own) in (old_inbox, self._endpoint("Inbox") if "Inbox" in self._placed else old_inbox):
            steps.append(
                Step(
                    f"{name} acknowledges to the new inbox",
                    lambda: there.peer_inbox(own) == self._endpoint("Inbox"),
                    _by(there, lambda: there.set_acknowledgements(own, self._endpoint("Inbox"))),
                )
            )
        steps += [
            Step(f"what {name} had sent to the old contracts is delivered", lambda: self._emptied_from(there)),
            Step(
                f"what the old contracts had sent to {name} is delivered",
                lambda: there.next_nonce(own) >= self._sent_to(there.domain),
            ),
        ]
        return steps

    def _recovering(self, one: Neighbour) -> list[Step]:
        there, own, name = one.chain, self._spec.domain, one.chain.spec.name
        epoch = _recovered_epoch(one)
        recover = Step(
            f"{name} has recovered its client into epoch {epoch}",
            lambda: there.client(own).state.epoch >= epoch and not there.client(own).frozen,
            _by(there, lambda: there.recover_client(own, one.scheme, self._recovery(one))),
        )
        federation, steps = self._chain.federation(), [recover]
        for task in self._tasks():
            known = there.peer(own, federation, task)
            if known is None:
                continue
            steps.append(
                Step(
                    f"{name} hears the new registry about 0x{task.hex()[:8]}",
                    lambda known=known: (
                        there.peer(own, federation, known.task)  # type: ignore[misc]
                        == replace(known, endpoint=self._endpoint("CheckpointRegistry"))
                    ),
                    _by(
                        there,
                        lambda known=known: there.set_peer(  # type: ignore[misc]
                            replace(known, endpoint=self._endpoint("CheckpointRegistry"))
                        ),
                    ),
                )
            )
        return steps

    def _halting(self, source: bytes) -> Step:
        return Step(
            f"the old inbox takes nothing of 0x{source.hex()[:8]}",
            lambda: self._chain.halted(source),
            lambda: self._governor.call(self._old["Inbox"], "Inbox", "setHalted", source, True),
        )

    def _closing(self, name: str) -> Step:
        target = self._old[name]
        return Step(
            f"the old {name} is closed",
            lambda: self._governor.closed(target),
            lambda: self._governor.manage("setTargetClosed", target, True, target=target),
        )

    # What the ledgers say

    def _new(self) -> EvmChain:
        """The chain by its new contracts; they are all there."""
        if self._renewed is None:
            self._renewed = EvmChain(self.spec)
        return self._renewed

    def _follows(self, source: bytes) -> bool:
        try:
            self._new().client(source)
        except Refused as refused:
            if refused.code is not Code.Uninitialised:
                raise
            return False
        return True

    def _sources(self) -> list[bytes]:
        logs = self._history.events("LightClient", "ClientCreated")
        return list(dict.fromkeys(typed(bytes, log.arguments["source"]) for log in logs))

    def _tasks(self) -> list[bytes]:
        logs = self._history.events("Federation", "TaskCreated")
        return [typed(bytes, log.arguments["task"]) for log in logs]

    def _peers(self, source: bytes) -> list[Peer]:
        """The peers on a chain as the old registry has them."""
        named = dict.fromkeys(
            (typed(bytes, log.arguments["federation"]), typed(bytes, log.arguments["task"]))
            for log in self._history.events("CheckpointRegistry", "PeerSet", source)
        )
        found = [self._chain.peer(source, federation, task) for federation, task in named]
        return [peer for peer in found if peer is not None]

    def _sent_to(self, domain: bytes) -> int:
        outbox = artifact("Outbox")
        data = self._rpc.call(self._old["Outbox"], outbox.call("nextNonce", domain))
        return typed(int, outbox.result("nextNonce", data)[0])

    def _emptied_from(self, there: Chain) -> bool:
        """Whether the old inbox has taken all packets that name it or the old registry."""
        old = {evm_endpoint(address(self._old[name])) for name in ("Inbox", "CheckpointRegistry")}
        due = self._chain.next_nonce(there.domain)
        sent = there.outbox_entries(0, there.outbox_size())
        return not any(
            entry.packet.dest_domain == self._spec.domain and entry.packet.receiver in old and entry.packet.nonce >= due
            for entry in sent
        )

    def _nothing_failed(self) -> bool:
        return self._give_up or not any(
            outcome.failure and not outcome.dispatched and outcome.packet_id != bytes(32)
            for source in self._sources()
            for outcome in self._chain.outcomes(source)
        )

    def _federation_follows(self) -> bool:
        federation = artifact("Federation")
        data = self._rpc.call(self._old["Federation"], federation.call("registry"))
        return address(federation.result("registry", data)[0]) == address(self._placed["CheckpointRegistry"])

    def _move_federation(self) -> None:
        new = self._placed["CheckpointRegistry"]
        self._governor.call(self._old["Federation"], "Federation", "setRegistry", new)

    def _endpoint(self, name: str) -> bytes:
        return evm_endpoint(address(self._placed[name]))

    def _manager(self, function: str, *arguments: object) -> tuple[object, ...]:
        manager = artifact("Authority")
        return manager.result(function, self._rpc.call(self._old["Authority"], manager.call(function, *arguments)))

    def _govern(self, contract: str, function: str, *arguments: object) -> None:
        self._governor.call(self._placed[contract], contract, function, *arguments)

    def _check(self, one: Neighbour) -> None:
        """The new light client starts with those whom the old one believes, and no recovery leads back."""
        known = self._chain.client(one.chain.domain)
        trusted = _state_of(known.scheme, one.trust)
        if trusted.epoch != known.state.epoch:
            detail = f"the genesis is of epoch {trusted.epoch}, the client of {known.state.epoch}"
            raise Refused(Code.WrongEpoch, one.chain.spec.name, detail)
        if trusted.authority != known.state.authority:
            raise Refused(Code.CommitteeMismatch, one.chain.spec.name, "the genesis names others than the client")
        epoch, now = _recovered_epoch(one), one.chain.client(self._spec.domain).state.epoch
        # Once there are new contracts it may have recovered already.
        if epoch < now or (epoch == now and not self._placed):
            detail = f"epoch {epoch} does not lead on from {now}"
            raise Refused(Code.WrongEpoch, f"recovery of {one.chain.spec.name}", detail)

    def _recovery(self, one: Neighbour) -> bytes:
        if one.scheme == b"ESP1":
            return OutboxGenesis(address(self._placed["Outbox"]), one.recovery).encode()
        return one.recovery


def _by(chain: Chain, action: Callable[[], object]) -> Callable[[], None] | None:
    """What governance of another chain does; None where its key is not at hand."""
    return (lambda: cast(None, action())) if chain.spec.key else None


def _await(step: Step, patience: float) -> None:
    deadline = time.monotonic() + patience
    while not step.done():
        if time.monotonic() >= deadline:
            raise Refused(Code.DeadlineNotReached, "upgrade", f"not yet: {step.name}. Give the command again")
        time.sleep(_POLL_SECONDS)


def _recovered_epoch(one: Neighbour) -> int:
    return _state_of(b"CMT1" if one.scheme == b"ESP1" else one.scheme, one.recovery).epoch


def _state_of(scheme: bytes, genesis: bytes) -> TrustState:
    return verifier(scheme).initialise(genesis)


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        stored: Mapping[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return {name: value for name, value in stored.items() if name == OUTBOX_BLOCK or address(value)}
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path} does not say what was deployed", "Restore it, or begin again without it") from error
