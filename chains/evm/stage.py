"""A scheme on the EVM, for the conformance kit: its verifier contract on a devnet, asked by `eth_call`.

The interface is `IFinalityVerifier`'s, not what the plug-in's artifact says: a contract that has another one cannot
answer. The devnet is a real deployment of the project's contracts, so hosts that use the verifier stand beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from eth_abi.exceptions import DecodingError
from eth_typing import ABI
from eth_utils.address import to_canonical_address, to_checksum_address

from poft.chain import ChainSpec
from poft.conformance.plugin import Contract, Subject
from poft.conformance.questions import (
    TAKEN,
    CheckMisbehaviour,
    EpochOf,
    Initialise,
    Question,
    Result,
    SchemeOf,
    Verdict,
    Verify,
)
from poft.conformance.stages import STRANGER, Stage
from poft.protocol.errors import ConfigError, Rejected
from poft.verification.api import Finalised, TrustState

from .abi import VERIFIERS, Artifact, artifact, verifier_key
from .devnet import EvmDevnet
from .foundry import foundry_binary
from .rpc import Json, Rpc, read_bytes
from .sending import Payer

_INTERFACE = "CommitteeVerifier"
"""One of the contracts that implement `IFinalityVerifier`: its ABI is the interface's."""
_ABSENT = "the plug-in describes no contract"


class InSolidity:
    """The Solidity half: a verifier contract at an address."""

    name = "solidity"

    def __init__(self, rpc: Rpc, address: str) -> None:
        self._rpc = rpc
        self._address = address
        self._interface = artifact(_INTERFACE)

    def answer(self, questions: Sequence[Question]) -> list[Verdict]:
        """A verdict for each."""
        return [self._one(question) for question in questions]

    def _one(self, question: Question) -> Verdict:
        function, arguments = _call(question)
        try:
            data = self._rpc.call(self._address, self._interface.call(function, *arguments))
            return Verdict(TAKEN, _result(question, self._interface.result(function, data)))
        except Rejected as rejected:
            return Verdict(rejected.code.name if rejected.code is not None else f"revert: {rejected}")
        except DecodingError as error:
            return Verdict(f"an answer of another type: {error}")


class EvmStage:
    """Entry point `evm` of the group `poft.stages`."""

    @contextmanager
    def open(self, subject: Subject, folder: Path) -> Iterator[Stage]:
        """See `poft.conformance.stages.Setting.open`."""
        devnet = EvmDevnet()
        spec = devnet.start(folder, "conformance-evm", 0, [devnet.account(STRANGER)])
        rpc = Rpc(spec.rpc[0])
        try:
            scheme, contract = subject.name.encode(), subject.plugin.contract
            if contract is None:
                yield Stage(spec, replace(spec, key=devnet.account(STRANGER)), None, _ABSENT)
                return
            address = spec.deployment.get(verifier_key(scheme)) or placed(contract, Payer(rpc, spec.key), spec)
            spec = replace(spec, deployment={**spec.deployment, verifier_key(scheme): address})
            yield Stage(spec, replace(spec, key=devnet.account(STRANGER)), InSolidity(rpc, address), _ABSENT)
        finally:
            rpc.close()
            devnet.stop(folder)


def placed(contract: Contract, payer: Payer, spec: ChainSpec) -> str:
    """Deploys a verifier, and first what its constructor names; returns its address.

    Raises:
        ConfigError: the artifact cannot be had.
        Rejected: the constructor refuses.
    """
    for verifier in VERIFIERS:
        if contract.artifact == verifier.contract and verifier_key(verifier.scheme) in spec.deployment:
            return spec.deployment[verifier_key(verifier.scheme)]
    arguments = [_argument(argument, payer, spec) for argument in contract.arguments]
    mined = payer.send(None, compiled(contract).creation(*arguments))
    return to_checksum_address(str(mined.record["contractAddress"]))


def _argument(argument: object, payer: Payer, spec: ChainSpec) -> object:
    """An argument as the ABI takes it: contracts, also those in lists, become addresses."""
    if isinstance(argument, Contract):
        return to_canonical_address(placed(argument, payer, spec))
    if isinstance(argument, tuple | list):
        return [_argument(item, payer, spec) for item in argument]
    return argument


def compiled(contract: Contract) -> Artifact:
    """The artifact of a contract: forge's JSON, or one of the project's own by its name."""
    if isinstance(contract.artifact, str):
        try:
            return artifact(contract.artifact)
        except KeyError as error:
            raise ConfigError(f"the project has no contract {contract.artifact!r}") from error
    if contract.project is not None:
        forged(contract.project)
    try:
        stored = cast(dict[str, Json], json.loads(contract.artifact.read_text(encoding="utf-8")))
        code = cast(dict[str, Json], stored["bytecode"])["object"]
        return Artifact(contract.artifact.stem, cast(ABI, stored["abi"]), read_bytes(code))
    except OSError as error:
        raise ConfigError(f"{contract.artifact}: {error.strerror}", "Build the contract with forge") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{contract.artifact} is not what forge writes", "Build the contract with forge") from error


def forged(project: Path) -> None:
    """Builds a forge project; `ConfigError` with forge's words when that fails."""
    command = [str(foundry_binary("forge")), "build", "--offline"]
    done = subprocess.run(command, cwd=project, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"forge build in {project} failed:\n{done.stdout}{done.stderr}", "Correct the contracts")


def _call(question: Question) -> tuple[str, tuple[object, ...]]:
    match question:
        case SchemeOf():
            return "scheme", ()
        case Initialise(genesis):
            return "initialise", (genesis,)
        case Verify(domain, state, proof, limits):
            return "verify", (domain, _words(state), proof, (limits.now, limits.max_drift))
        case EpochOf(proof):
            return "epochOf", (proof,)
        case CheckMisbehaviour(domain, state, first, second):
            return "checkMisbehaviour", (domain, _words(state), first, second)


def _words(state: TrustState) -> tuple[object, ...]:
    return (
        state.epoch,
        state.height,
        state.timestamp,
        state.outbox_size,
        state.outbox_root,
        state.authority,
        state.small_committee,
    )


def _state(values: object) -> TrustState:
    epoch, height, timestamp, size, root, authority, small = cast(tuple[int, int, int, int, bytes, bytes, bool], values)
    return TrustState(epoch, authority, height, timestamp, size, root, small)


def _result(question: Question, values: tuple[object, ...]) -> Result:
    match question:
        case Initialise():
            return _state(values[0])
        case Verify():
            state = _state(values[0])
            block_hash, state_root, dissent = cast(tuple[bytes, bytes, int], values[1])
            # The contract's `Finalised` leaves out what the new state has.
            outbox = (state.outbox_size, state.outbox_root)
            return state, Finalised(state.height, block_hash, state_root, *outbox, state.timestamp, dissent)
        case CheckMisbehaviour():
            return tuple(to_canonical_address(signer) for signer in cast(Sequence[str], values[0]))
        case SchemeOf():
            return cast(bytes, values[0])
        case EpochOf():
            return cast(int, values[0])
