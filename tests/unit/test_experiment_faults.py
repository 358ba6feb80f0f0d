"""What an experiment's file may say of networks of several validators, faults and schemes; every mistake is named."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.config import ExperimentSettings
from poft.config import parse
from poft.protocol.errors import ConfigError

ALPHA = {"name": "alpha", "kind": "evm", "validators": 4, "capacities": [1, 2]}
BETA = {"name": "beta", "kind": "substrate", "validators": 4, "capacities": [1, 2]}
KILL = {"network": "alpha", "kind": "kill", "round": 1, "seconds": 5, "validator": 3}
PARTITION = {"network": "beta", "kind": "partition", "round": 2, "seconds": 5, "groups": [[0, 1], [2, 3]]}


def _read(**changes: Any) -> ExperimentSettings:
    whole = {"name": "x", "rounds": 3, "networks": [ALPHA, BETA], "faults": [KILL, PARTITION], **changes}
    return parse(whole, ExperimentSettings, "x.toml")


def test_faults_are_read_and_told_in_words() -> None:
    kill, partition = _read().faults
    assert kill.words() == "validator 3 killed"
    assert partition.words() == "partition 0 1 | 2 3"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"faults": [{**KILL, "network": "gamma"}]}, "a fault names the unknown network gamma"),
        ({"faults": [{**KILL, "validator": 4}]}, "alpha has no validator 4"),
        ({"faults": [{**KILL, "groups": [[0], [1, 2, 3]]}]}, "partition names two groups or more, and nothing else"),
        ({"faults": [{"network": "alpha", "kind": "kill", "round": 1, "seconds": 5}]}, "kill names a validator"),
        ({"faults": [{**PARTITION, "groups": [[0, 1], [2]]}]}, "name each of its 4 validators once"),
        ({"faults": [{**PARTITION, "groups": [[0, 1], [1, 2, 3]]}]}, "name each of its 4 validators once"),
        ({"faults": [{**PARTITION, "groups": [[0, 1, 2, 3]]}]}, "partition names two groups or more"),
        ({"faults": [{**KILL, "round": 3}]}, "round 3 of 3: too late to show"),
        ({"faults": [{**KILL, "seconds": 0}]}, "faults.0.seconds: Input should be greater than 0"),
        ({"faults": [{**KILL, "second": 5}]}, "'faults.0.second'. Did you mean 'seconds'?"),
        ({"networks": [{**ALPHA, "validators": 0}, BETA]}, "faults are for networks of several validators"),
        ({"networks": [{**ALPHA, "validators": 33}, BETA]}, "networks.0.validators"),
        ({"relay": {"scheme": "ESP1"}}, "link beta → alpha: ESP1 follows evm sources only"),
        ({"relay": {"scheme": "BEF1"}}, "link alpha → beta: BEF1 follows substrate sources only"),
        (
            {
                "networks": [ALPHA, {**BETA, "validators": 0}],
                "faults": [],
                "links": [
                    {"source": "alpha", "destination": "beta"},
                    {"source": "beta", "destination": "alpha", "scheme": "BEF1"},
                ],
            },
            "link beta → alpha: BEF1 needs validators that sign",
        ),
        ({"relay": {"scheme": "XYZ1"}}, "relay.scheme"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _read(**changes)
    assert words in str(caught.value)


def test_a_chain_that_is_attached_to_has_its_own_validators() -> None:
    attached = {**ALPHA, "rpc": ["http://h:1"], "domain": "0x" + "11" * 32, "key": "0x1"}
    with pytest.raises(ConfigError, match="rpc and validators exclude each other"):
        _read(networks=[attached, BETA])


def test_embedded_trains_the_same_and_nothing_fails() -> None:
    settings = _read()
    embedded = settings.embedded()
    assert embedded.task() == settings.task()
    assert not embedded.faults and all(not network.validators for network in embedded.networks)


def test_scheme_of_a_link_goes_before_the_runs() -> None:
    links = [
        {"source": "alpha", "destination": "beta", "scheme": "ESP1"},
        {"source": "beta", "destination": "alpha"},
    ]
    assert [link.scheme for link in _read(links=links).all_links()] == ["ESP1", "CMT1"]
