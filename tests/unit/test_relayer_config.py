"""Configuration, keys, wire format and HTTP of the services: what cannot work is said at once, with the remedy."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter

from poft.config import parse
from poft.protocol.errors import ArtifactError, Code, ConfigError, Refused
from poft.protocol.finality import Finality
from relayers.config import (
    AttestorSettings,
    ChainSettings,
    RelayerSettings,
    chain_settings,
    load_attestor,
    load_relayer,
    to_toml,
)
from relayers.http import Response, integer, json_response, kick_route, metrics_route, serve
from relayers.keys import read_secret, read_signing_key, write_devnet_key
from relayers.log import Level, Log
from relayers.service import Pulse
from relayers.wire import Attestation, read_page, write_page
from tests.ledgers import DESTINATION, KEYS, MEMBERS, SOURCE, Source, attest

ATTEST = f"""
key_file = "key"
[chain]
name = "a"
kind = "evm"
rpc = ["http://127.0.0.1:1"]
domain = "0x{SOURCE.hex()}"
"""
RELAY = f"""
[[chains]]
name = "a"
kind = "evm"
rpc = ["http://127.0.0.1:1"]
domain = "0x{SOURCE.hex()}"
[[chains]]
name = "b"
kind = "evm"
rpc = ["http://127.0.0.1:2"]
domain = "0x{DESTINATION.hex()}"
key = "0x01"
development = true
[[sources]]
chain = "a"
attestors = ["http://127.0.0.1:3"]
committees = [{{ epoch = 1, members = {json.dumps(["0x" + m.hex() for m in MEMBERS])} }}]
[[links]]
source = "a"
destination = "b"
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- files -----------------------------------------------------------------------------------------------------------


def test_minimal_files_load_with_their_defaults(tmp_path: Path) -> None:
    attestor = load_attestor(write(tmp_path / "a.toml", ATTEST))
    assert (attestor.every, attestor.epoch, attestor.chain.finality) == (20, 1, "")
    relayer = load_relayer(write(tmp_path / "r.toml", RELAY))
    assert relayer.links[0].max_batch == 8 and relayer.sources[0].committees[0].addresses() == MEMBERS


@pytest.mark.parametrize(
    ("load", "text", "message"),
    [
        (load_attestor, "evry = 3\n" + ATTEST, r"unknown key 'evry'\. Did you mean 'every'\?"),
        (load_attestor, ATTEST + "finalty = 'safe'\n", r"unknown key 'chain\.finalty'.*'finality'"),
        (load_attestor, "every = 300\n" + ATTEST, r"every \(300\) must not exceed catch_up"),
        (load_attestor, 'listen = "7101"\n' + ATTEST, r"HOST:PORT is due"),
        (load_attestor, 'listen = "h:70000"\n' + ATTEST, r"HOST:PORT is due"),
        (load_attestor, ATTEST.replace(SOURCE.hex(), "12"), r"chain\.domain.*64 hexadecimal digits"),
        (load_attestor, ATTEST.replace('["http://127.0.0.1:1"]', "[]"), r"chain\.rpc"),
        (load_attestor, ATTEST + 'key = "0x01"\n', r"a key in the clear is for devnets"),
        (load_attestor, "poll_seconds = 0\n" + ATTEST, r"poll_seconds"),
        (load_attestor, "= 3", r"is not TOML"),
        (load_relayer, RELAY.replace('destination = "b"', 'destination = "c"'), r"no chain is called c"),
        (load_relayer, RELAY.replace('destination = "b"', 'destination = "a"'), r"link a to itself"),
        (
            load_relayer,
            RELAY.replace('source = "a"', 'source = "b"').replace('on = "b"', 'on = "a"'),
            r"no \[\[sources\]\]",
        ),
        (load_relayer, RELAY.replace(DESTINATION.hex(), SOURCE.hex()), r"two chains have one domain"),
        (load_relayer, RELAY.replace('name = "b"', 'name = "a"'), r"two chains have one name"),
        (load_relayer, RELAY.replace('key = "0x01"\n', ""), r"chain b is a destination, and has no key"),
        (load_relayer, RELAY + "max_batch = 33\n", r"links\.0\.max_batch"),
        (load_relayer, RELAY + "maxbatch = 3\n", r"unknown key 'links\.0\.maxbatch'.*'max_batch'"),
        (load_relayer, RELAY.replace(MEMBERS[0].hex(), MEMBERS[1].hex()), r"CommitteeInvalid"),
        (load_relayer, RELAY.replace('"http://127.0.0.1:3"', '"ftp://x"'), r"sources\.0\.attestors"),
        (load_relayer, RELAY.replace('"http://127.0.0.1:3"', ""), r"attestors and committees come together"),
    ],
)
def test_configuration_that_cannot_work_is_refused_with_key_and_remedy(
    load: Callable[[Path], object], text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path / "x.toml", text))


def test_a_source_whose_validators_speak_for_themselves_has_no_attestors(tmp_path: Path) -> None:
    lines = [line for line in RELAY.splitlines() if not line.startswith(("attestors", "committees"))]
    settings = load_relayer(write(tmp_path / "r.toml", "\n".join(lines)))
    assert not settings.sources[0].attestors and not settings.sources[0].committees
    assert load_relayer(write(tmp_path / "again.toml", to_toml(settings))) == settings


def test_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_relayer(tmp_path / "none.toml")


@given(st.text(max_size=30), st.dictionaries(st.text(min_size=1, max_size=10), st.text(max_size=10), max_size=3))
def test_toml_round_trips_any_name_and_deployment(name: str, deployment: dict[str, str]) -> None:
    import tomllib

    chain = ChainSettings(
        name=f"n{name}", kind="evm", rpc=("u",), domain="0x" + SOURCE.hex(), deployment=deployment, development=True
    )
    settings = AttestorSettings(chain=chain, key_file=name or "k")
    assert parse(tomllib.loads(to_toml(settings)), AttestorSettings, "text") == settings


def test_relayer_settings_round_trip_through_toml(tmp_path: Path) -> None:
    settings = load_relayer(write(tmp_path / "r.toml", RELAY))
    assert load_relayer(write(tmp_path / "again.toml", to_toml(settings))) == settings
    spec = settings.chains[1].spec(tmp_path)
    assert spec.key == "0x01" and chain_settings(spec) == settings.chains[1]
    assert isinstance(settings, RelayerSettings) and "0x01" not in repr(settings)


# --- keys ------------------------------------------------------------------------------------------------------------

KEY = "0x" + KEYS[0].hex()


def test_raw_devnet_and_keystore_keys_are_read(tmp_path: Path) -> None:
    assert read_signing_key(private(tmp_path / "raw", KEY + "\n"), None, development=False) == KEYS[0]
    write_devnet_key(tmp_path / "dev", KEY)
    assert (tmp_path / "dev").stat().st_mode & 0o777 == 0o600
    assert read_signing_key(tmp_path / "dev", None, development=True) == KEYS[0]
    store = private(tmp_path / "store.json", json.dumps(Account.encrypt(KEYS[0], "word", kdf="scrypt", iterations=2)))
    password = private(tmp_path / "password", "word\n")
    assert read_signing_key(store, password, development=False) == KEYS[0]
    with pytest.raises(ConfigError, match="cannot be decrypted"):
        read_signing_key(store, private(tmp_path / "wrong", "sword"), development=False)
    with pytest.raises(ConfigError, match="Set password_file"):
        read_signing_key(store, None, development=False)


def test_devnet_key_is_refused_for_a_real_chain(tmp_path: Path) -> None:
    write_devnet_key(tmp_path / "dev", KEY)
    with pytest.raises(ConfigError, match="holds a devnet key"):
        read_signing_key(tmp_path / "dev", None, development=False)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_key_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = private(tmp_path / "key", KEY)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_signing_key(path, None, development=True)


@pytest.mark.parametrize("text", ["", "  \n", "0x12", "0x" + "0" * 64, "0x" + "f" * 64, f"{KEY} {KEY}", "{not json"])
def test_file_that_holds_no_key_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_signing_key(private(tmp_path / "key", text), private(tmp_path / "password", "x"), development=True)


def test_missing_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_secret(tmp_path / "none", development=True)


# --- wire ------------------------------------------------------------------------------------------------------------


def test_page_round_trips() -> None:
    source = Source()
    source.emit(b"x")
    page = [attest(source.statement(1))[0][0], attest(source.statement(1), next_members=MEMBERS)[0][0]]
    assert read_page(SOURCE, write_page(SOURCE, MEMBERS[0], page)) == page


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["domain", "statements", "x"]), x),
    ).map(lambda v: json.dumps(v).encode())
)
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Refused):
        read_page(SOURCE, data)


@given(st.sampled_from([name for name, _ in Finality.fields()] + ["signature", "nextMembers"]), st.data())
def test_altered_field_is_refused_as_malformed(field: str, data: st.DataObject) -> None:
    source = Source()
    source.emit(b"x")
    record = json.loads(write_page(SOURCE, MEMBERS[0], attest(source.statement(1))[0]))
    bad = st.sampled_from(
        [None, 1, True, "", "0x", "-1", "01", "1.0", " 1", "0x0g", "0X" + "00" * 32, str(2**64), "٣", [1], ["0x00"], {}]
    )
    record["statements"][0][field] = data.draw(bad)
    with pytest.raises(Refused) as caught:
        read_page(SOURCE, json.dumps(record).encode())
    assert caught.value.code is Code.Malformed


def test_page_bounds_are_codes() -> None:
    source = Source()
    said: Attestation = attest(source.statement(0))[0][0]
    for page, code in (
        ([said] * 65, Code.Oversize),
        ([Attestation(said.statement, said.signature, MEMBERS * 17)], Code.Oversize),
    ):
        with pytest.raises(Refused) as caught:
            read_page(SOURCE, write_page(SOURCE, MEMBERS[0], page))
        assert caught.value.code is code
    with pytest.raises(Refused) as caught:
        read_page(DESTINATION, write_page(SOURCE, MEMBERS[0], []))
    assert caught.value.code is Code.WrongDomain


# --- HTTP ------------------------------------------------------------------------------------------------------------


def test_routes_answer_and_mistakes_have_their_status() -> None:
    registry, pulse = CollectorRegistry(), Pulse()
    Counter("things", "Things", registry=registry).inc(3)

    def broken(_query: object) -> Response:
        raise ArtifactError("disk gone")

    routes = {
        "GET /health": lambda _query: json_response({"ok": True}),
        "GET /metrics": metrics_route(registry),
        "GET /number": lambda query: json_response({"n": integer(query, "n")}),
        "GET /broken": broken,
        "POST /kick": kick_route(pulse.kick),
    }
    with serve("127.0.0.1:0", routes) as url:
        assert httpx.get(f"{url}/health").json() == {"ok": True}
        assert "things_total 3.0" in httpx.get(f"{url}/metrics").text
        assert httpx.get(f"{url}/number?n=12").json() == {"n": 12}
        for query in ("n=-1", "n=x", "n=1&n=2", "n=" + "1" * 21, "n=٣"):
            assert httpx.get(f"{url}/number?{query}").status_code == 400
        assert httpx.get(f"{url}/none").status_code == 404
        assert httpx.get(f"{url}/broken").status_code == 503
        assert httpx.get(f"{url}/kick").status_code == 404
        seen = pulse.beat
        assert httpx.post(f"{url}/kick").json() == {"kicked": True} and pulse.beat == seen + 1


def test_port_in_use_and_impossible_addresses_are_config_errors() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with (
            pytest.raises(ConfigError, match=r"is in use\. Set listen"),
            serve(f"127.0.0.1:{taken.getsockname()[1]}", {}),
        ):
            pass
    with pytest.raises(ConfigError, match="listening on no-such-host:1 failed"), serve("no-such-host:1", {}):
        pass


def test_idle_connections_do_not_keep_others_out_for_ever() -> None:
    with serve("127.0.0.1:0", {"GET /health": lambda _query: json_response({})}) as url:
        host, port = url.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(40)]
        assert httpx.get(f"{url}/health").status_code == 200
        for one in idle:
            one.close()


# --- log -------------------------------------------------------------------------------------------------------------


def test_log_lines_for_people_and_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    Log("attestor a", stream=sys.stderr)("signed", height=3)
    Log("attestor a", json_lines=True, stream=sys.stderr)("abstains", Level.ALARM, code="NotFinal")
    human, machine = capsys.readouterr().err.splitlines()
    assert human.endswith("attestor a: signed height=3")
    record = json.loads(machine)
    assert {**record, "time": 0} == {
        "time": 0,
        "level": "alarm",
        "service": "attestor a",
        "event": "abstains",
        "code": "NotFinal",
    }
