"""Specifications and keys of networks, without a node: what a chain is called, and what stands in which file."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chains.substrate.genesis import Beginning, domain_of, value_key
from chains.substrate.grandpa import AuthoritySet
from chains.substrate.node_spec import NodeSpec, write_node_spec
from chains.substrate.validator_keys import ValidatorKeys, development_keys, peer_name
from poft.protocol.errors import ConfigError
from poft.protocol.finality import committee_hash

KEYS = [development_keys("spec", at) for at in range(4)]
SPEC = NodeSpec(Beginning("Specified", ("//poft//payer",)), tuple(one.public for one in KEYS))


def test_domain_depends_on_name_validators_and_runtime_alone() -> None:
    assert SPEC.domain == replace(SPEC, beginning=Beginning("Specified"), governor="//Bob").domain
    others = [
        replace(SPEC, beginning=Beginning("Specified 2")),
        replace(SPEC, validators=SPEC.validators[:3]),
        replace(SPEC, validators=SPEC.validators[::-1]),
        replace(SPEC, validators=()),
    ]
    assert len({SPEC.domain, *(one.domain for one in others)}) == 5


def test_development_chain_has_the_domain_of_the_embedded_engine() -> None:
    assert NodeSpec(Beginning("x")).domain == domain_of("x")


@pytest.mark.parametrize(
    ("name", "identity"),
    [("Alpha", "alpha"), ("North & South 2", "north-south-2"), ("//", "network"), ("ä", "network")],
)
def test_identity_fits_into_paths_and_protocols(name: str, identity: str) -> None:
    assert NodeSpec(Beginning(name)).id == identity


def test_specification_has_the_public_keys_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    write_node_spec(SPEC, path)
    text = path.read_text()
    spec = json.loads(text)
    top = spec["genesis"]["raw"]["top"]
    assert spec["genesis"]["raw"]["childrenDefault"] == {}
    assert (spec["id"], spec["chainType"]) == ("specified", "Local")
    voting = AuthoritySet.decode(0, bytes.fromhex(top[value_key("Grandpa", "Authorities")][2:]))
    assert voting.weights == {one.public.grandpa: 1 for one in KEYS}
    assert voting.threshold == 3
    making = top[value_key("Aura", "Authorities")]
    assert making == "0x10" + b"".join(one.public.aura for one in KEYS).hex()
    signing = top[value_key("Beefy", "Authorities")]
    assert signing == "0x10" + b"".join(one.public.beefy for one in KEYS).hex()
    committee = committee_hash(2, sorted(one.public.address for one in KEYS))
    assert top[value_key("Validators", "NextCommittee")] == "0x" + committee.hex()
    assert top[value_key("Validators", "SessionLength")] == "0x3c000000"
    assert top[value_key("Bridge", "Domain")] == "0x" + SPEC.domain.hex()
    assert not any(one.secret.hex() in text for one in KEYS)
    assert [file.name for file in tmp_path.iterdir()] == ["spec.json"]


def test_specification_refused_by_the_runtime(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="genesis"):
        write_node_spec(replace(SPEC, validators=SPEC.validators * 2), tmp_path / "spec.json")
    assert list(tmp_path.iterdir()) == []


def test_peer_name_is_libp2ps() -> None:
    # Known from Substrate's documentation: the node key that is 1.
    key = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1").public_key().public_bytes_raw()
    assert peer_name(key) == "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"


def test_keys_are_written_for_their_owner_alone(tmp_path: Path) -> None:
    keys = ValidatorKeys(bytes(range(32)))
    keys.write(tmp_path / "keystore", tmp_path / "node.key")
    names = {file.name for file in (tmp_path / "keystore").iterdir()}
    assert names == {
        b"aura".hex() + keys.public.aura.hex(),
        b"gran".hex() + keys.public.grandpa.hex(),
        b"beef".hex() + keys.public.beefy.hex(),
    }
    files = [*(tmp_path / "keystore").iterdir(), tmp_path / "node.key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len({file.read_text() for file in files}) == 4


def test_secret_of_a_validator_is_not_shown() -> None:
    assert KEYS[0].secret.hex() not in repr(KEYS[0])
    assert KEYS[0].secret != KEYS[1].secret != development_keys("other", 1).secret
