"""A consortium's files: what the others see has no secret in it, and the same shares give the same chains."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from eth_account import Account
from pydantic import ValidationError

from chains.substrate.genesis import value_key
from chains.substrate.grandpa import AuthoritySet
from consortium.member import SECRETS, SHARE, Governor, Share, bundle, create_governor, create_member
from consortium.network import CONSORTIUM, GENESIS, NODE_SPEC, PEERS, Consortium, create_consortium, read_consortium
from poft.config import load
from poft.protocol.errors import ConfigError

NAMES = ("east", "north", "south", "west")


def make(folder: Path, name: str, host: str = "10.0.0.1") -> Share:
    where = [f"{host}:{port}" for port in (30333, 30303, 7101, 7102)]
    return create_member(folder / name, name, *where)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consortium")
    for name in NAMES:
        make(folder, name)
    create_governor(folder / "governor")
    return folder


@pytest.fixture(scope="module")
def shares(place: Path) -> list[Share]:
    return [load(place / name / SHARE, Share) for name in NAMES]


@pytest.fixture(scope="module")
def governor(place: Path) -> Governor:
    return load(place / "governor" / SHARE, Governor)


def test_secrets_are_for_their_owner_alone(place: Path) -> None:
    files = [*(place / "north" / SECRETS).iterdir(), *(place / "governor" / SECRETS).iterdir()]
    assert len(files) == 8
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE((place / "north" / SECRETS).stat().st_mode) == 0o700


def test_keys_are_not_overwritten(place: Path) -> None:
    before = (place / "north" / SECRETS / "validator").read_text()
    with pytest.raises(ConfigError, match="not overwritten"):
        make(place, "north")
    assert (place / "north" / SECRETS / "validator").read_text() == before


def test_bundle_unpacks_into_keys_of_the_share(place: Path, shares: list[Share]) -> None:
    north = next(share for share in shares if share.name == "north")
    lines = (place / "north" / SECRETS / "signer").read_text().splitlines()
    files = dict(line.split(" ", 1) for line in lines)
    assert set(files) == {"address", "keystore/signer", "nodekey", "password"}
    key = Account.decrypt(json.loads(files["keystore/signer"]), files["password"])
    assert Account.from_key(key).address.lower() == north.signer_address == files["address"].lower()
    validator = (place / "north" / SECRETS / "validator").read_text().split()[::2]
    assert f"keystore/{b'aura'.hex()}{north.aura[2:]}" in validator


def test_bundle_is_a_line_for_each_file() -> None:
    assert bundle({"b": "2 3", "a/c": "1"}) == "a/c 1\nb 2 3\n"


@pytest.mark.parametrize(
    ("host", "written"),
    [("10.0.0.1", "/ip4/10.0.0.1/"), ("validator-north", "/dns/validator-north/"), ("[fd00::1]", "/ip6/fd00::1/")],
)
def test_peers_are_found_by_address_or_name(tmp_path: Path, host: str, written: str) -> None:
    share = make(tmp_path, "north", host)
    assert share.bootnode == f"{written}tcp/30333/p2p/{share.peer}"
    assert share.static_node.endswith(f"@{host}:30303?discport=0")


def test_same_shares_give_the_same_files_in_any_order(
    tmp_path: Path, place: Path, shares: list[Share], governor: Governor
) -> None:
    create_consortium(tmp_path / "one", "alpha", "beta", 1, governor, shares)
    create_consortium(tmp_path / "two", "alpha", "beta", 1, governor, shares[::-1])
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name

    spec = json.loads((tmp_path / "one" / NODE_SPEC).read_text())
    top = spec["genesis"]["raw"]["top"]
    voting = AuthoritySet.decode(0, bytes.fromhex(top[value_key("Grandpa", "Authorities")][2:]))
    assert set(voting.weights) == {bytes.fromhex(share.grandpa[2:]) for share in shares}
    genesis = json.loads((tmp_path / "one" / GENESIS).read_text())
    assert all(share.signer_address[2:] in genesis["extraData"] for share in shares)
    assert set(genesis["alloc"]) == {one[2:] for one in (governor.evm, *(share.payer_evm for share in shares))}
    assert (tmp_path / "one" / PEERS).read_text().count("enode://") == 4
    assert read_consortium(tmp_path / "one").node_spec.domain == read_consortium(tmp_path / "two").node_spec.domain

    public = "".join((tmp_path / "one" / name).read_text() for name in names)
    for folder in (*NAMES, "governor"):
        for file in (place / folder / SECRETS).iterdir():
            for word in file.read_text().split():
                secret = word.strip('"').removeprefix("0x")
                assert len(secret) != 64 or secret not in public, file


def test_governance_and_payers_begin_with_coins_on_both_chains(shares: list[Share], governor: Governor) -> None:
    consortium = Consortium(evm="alpha", substrate="beta", governor=governor, members=tuple(shares))
    spec = consortium.node_spec
    assert spec.governor == governor.substrate
    assert set(spec.beginning.accounts) == {governor.substrate, *(share.payer_substrate for share in shares)}


@pytest.mark.parametrize("field", ["name", "aura", "grandpa", "beefy", "peer", "signer_address", "enode"])
def test_two_members_with_one_key_are_refused(shares: list[Share], governor: Governor, field: str) -> None:
    doubled = shares[1].model_copy(update={field: getattr(shares[0], field)})
    with pytest.raises(ValidationError, match=f"two members have one {field}"):
        Consortium(evm="alpha", substrate="beta", governor=governor, members=(shares[0], doubled, *shares[2:]))


def test_fewer_members_than_a_committee_needs_are_refused(shares: list[Share], governor: Governor) -> None:
    with pytest.raises(ValidationError, match="at least 4"):
        Consortium(evm="alpha", substrate="beta", governor=governor, members=tuple(shares[:3]))


def test_folder_without_a_consortium(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=CONSORTIUM):
        read_consortium(tmp_path)
