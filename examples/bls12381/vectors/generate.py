"""Writes the vectors: the contract between BLS1's three implementations.

    python vectors/generate.py            rewrite vectors/*.json
    python vectors/generate.py --check    exit 1 when a file on disk differs

`{"format": "poft-vectors/1", "cases": [...]}`, a case is `{"name", "input", "expect"}` or `{"name", "input", "error"}`;
integers are decimal strings, bytes 0x hex (docs/protocol.md section 13). A case is a line: forge reads them one by one.

- `curve.json`: `message`, `tag` → `point`, hashed to G1. The points are those of RFC 9380, appendix J.9.1, typed in.
- `bls1.json`: by `input.call`: `initialise` (`genesis` → `state`), `verify` (`domain`, `state`, `proof`, `now`,
  `maxDrift` → `state`), `epochOf` (`proof` → `epoch`), `checkMisbehaviour` (`domain`, `state`, `first`, `second` →
  `signers`). Codes of bad cases are stated beside the attack, in `poft_bls12381/forgeries.py`, and compared here.
- `gas.json`: what is measured, for five sizes of committee: `genesis`, the `first` proof (101 leaves), `then` the one
  of 200 leaves (nine nodes), by everybody or by the smallest quorum; CMT1's beside BLS1's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from poft.protocol.errors import Refused
from poft.protocol.finality import Finality, sign_finality
from poft.protocol.hashing import U64_MAX, ZERO32, keccak
from poft.protocol.merkle import EMPTY_ROOT, consistency_proof, log_root
from poft.protocol.signatures import key_address
from poft.verification.api import Limits, TrustState
from poft.verification.schemes.cmt1 import CommitteeGenesis, build_proof

from poft_bls12381.committee import Proof, key_log
from poft_bls12381.curve import FIELD, aggregate_keys
from poft_bls12381.forgeries import Forged, forged_geneses, forged_updates, twist_point
from poft_bls12381.honest import Committee, committee, most_absent
from poft_bls12381.scheme import BlsVerifier

HERE = Path(__file__).parent
Json = str | bool | list["Json"] | dict[str, "Json"]
DOMAIN = keccak(b"poft/bls1/vectors")
NOW, DRIFT = 1_800_000_000, 30
LEAVES = [keccak(b"packet" + bytes([i])) for i in range(200)]
SIZES = (4, 7, 21, 31, 64)
VERIFIER = BlsVerifier()

RFC_TAG = b"QUUX-V01-CS02-with-BLS12381G1_XMD:SHA-256_SSWU_RO_"
RFC_POINTS = {
    b"": "052926add2207b76ca4fa57a8734416c8dc95e24501772c814278700eed6d1e4e8cf62d9c09db0fac349612b759e79a1"
    "08ba738453bfed09cb546dbb0783dbb3a5f1f566ed67bb6be0e8c67e2e81a4cc68ee29813bb7994998f3eae0c9c6a265",
    b"abc": "03567bc5ef9c690c2ab2ecdf6a96ef1c139cc0b2f284dca0a9a7943388a49a3aee664ba5379a7655d3c68900be2f6903"
    "0b9c15f3fe6e5cf4211f346271d7b01c8f3b28be689c8429c85b67af215533311f0b8dfaaa154fa6b88176c229f2885d",
    b"abcdef0123456789": (
        "11e0b079dea29a68f0383ee94fed1b940995272407e3bb916bbf268c263ddd57a6a27200a784cbc248e84f357ce82d98"
        "03a87ae2caf14e8ee52e51fa2ed8eefe80f02457004ba4d486d6aa1f517c0889501dc7413753f9599b099ebcbbd2d709"
    ),
    b"q128_" + b"q" * 128: (
        "15f68eaa693b95ccb85215dc65fa81038d69629f70aeee0d0f677cf22285e7bf58d7cb86eefe8f2e9bc3f8cb84fac488"
        "1807a1d50c29f430b8cafc4f8638dfeeadf51211e1602a5f184443076715f91bb90a48ba1e370edce6ae1062f5e6dd38"
    ),
    b"a512_" + b"a" * 512: (
        "082aabae8b7dedb0e78aeb619ad3bfd9277a2f77ba7fad20ef6aabdc6c31d19ba5a6d12283553294c1825c4b3ca2dcfe"
        "05b84ae5a942248eea39e1d91030458c40153f3b654ab7872d779ad1e942856a20c438e8d99bc8abfbf74729ce1f7ac8"
    ),
}


def encode(value: object) -> Json:
    """Integers as decimal strings, bytes as 0x hex, a client's state as a record."""
    match value:
        case bool() | str():
            return value
        case int():
            return str(value)
        case bytes():
            return "0x" + value.hex()
        case dict():
            return {name: encode(item) for name, item in value.items()}
        case list() | tuple():
            return [encode(item) for item in value]
        case TrustState():
            return encode(
                {
                    "epoch": value.epoch,
                    "authority": value.authority,
                    "height": value.height,
                    "timestamp": value.timestamp,
                    "outboxSize": value.outbox_size,
                    "outboxRoot": value.outbox_root,
                    "smallCommittee": value.small_committee,
                }
            )
    raise TypeError(f"{type(value).__name__} has no form in vectors")


def curve() -> Iterator[Json]:
    """Hashing to G1."""
    for message, point in RFC_POINTS.items():
        given = {"message": message, "tag": RFC_TAG}
        name = message[:20].decode() or "empty"
        yield encode({"name": f"rfc9380 {name}", "input": given, "expect": {"point": bytes.fromhex(point)}})


def case(name: str, given: dict[str, object], run: Callable[[], dict[str, object]]) -> Json:
    """What the reference answers: a value, or a code."""
    try:
        return encode({"name": name, "input": given, "expect": run()})
    except Refused as refused:
        return encode({"name": name, "input": given, "error": refused.code.name})


def initialise(name: str, genesis: bytes) -> Json:
    """A case of a first committee."""
    given: dict[str, object] = {"call": "initialise", "genesis": genesis}
    return case(name, given, lambda: {"state": VERIFIER.initialise(genesis)})


def verify(name: str, state: TrustState, proof: bytes, domain: bytes = DOMAIN) -> Json:
    """A case of an update."""
    given: dict[str, object] = {
        "call": "verify",
        "domain": domain,
        "state": state,
        "proof": proof,
        "now": NOW,
        "maxDrift": DRIFT,
    }
    return case(name, given, lambda: {"state": VERIFIER.verify(domain, state, proof, Limits(NOW, DRIFT))[0]})


def misbehaviour(name: str, state: TrustState, first: bytes, second: bytes) -> Json:
    """A case of evidence."""
    given: dict[str, object] = {
        "call": "checkMisbehaviour",
        "domain": DOMAIN,
        "state": state,
        "first": first,
        "second": second,
    }
    return case(name, given, lambda: {"signers": list(VERIFIER.check_misbehaviour(DOMAIN, state, first, second))})


def forged(prefix: str, attack: Forged, made: Json) -> Json:
    """The case of an attack, whose code must be the one that the attack states."""
    assert isinstance(made, dict) and made.get("error") == attack.code.name, f"{prefix}: {attack.name}: {made}"
    return made


def statement(height: int, size: int, epoch: int = 1, following: bytes = ZERO32) -> Finality:
    """What the source says at this height."""
    root = log_root(LEAVES[:size])
    return Finality(
        epoch, height, keccak(b"block" + bytes([height])), keccak(b"state"), size, root, NOW - 100 + height, following
    )


def nodes(start: int, size: int) -> tuple[bytes, ...]:
    """Consistency proof between two sizes."""
    return tuple(consistency_proof(LEAVES[:size], start))


def story(members: Committee) -> tuple[TrustState, TrustState]:
    """A fresh client, and one that knows 13 leaves."""
    fresh = VERIFIER.initialise(members.genesis().encode())
    known, _ = VERIFIER.verify(DOMAIN, fresh, members.prove(statement(10, 13), DOMAIN).encode(), Limits(NOW, DRIFT))
    return fresh, known


def bls1() -> Iterator[Json]:
    """Honest and forged objects of committees of one, four, seven and 64."""
    for n in (1, 4, 7, 64):
        members = committee(b"vectors", n)
        fresh, known = story(members)
        said, path = statement(20, 30), nodes(13, 30)
        everybody = members.prove(said, DOMAIN, (), path).encode()
        yield initialise(f"{n}: genesis", members.genesis().encode())
        yield verify(f"{n}: first update", fresh, members.prove(statement(10, 13), DOMAIN).encode())
        yield verify(f"{n}: everybody", known, everybody)
        gone = range(n - most_absent(n), n)
        yield verify(f"{n}: the first quorum", known, members.prove(said, DOMAIN, gone, path).encode())
        yield verify(f"{n}: a quorum of others", known, members.prove(said, DOMAIN, range(len(gone)), path).encode())
        yield encode({"name": f"{n}: epoch", "input": {"call": "epochOf", "proof": everybody}, "expect": {"epoch": 1}})
        if n in (4, 7):
            for attack in forged_updates(members, said, DOMAIN, path):
                yield forged(f"{n}", attack, verify(f"{n}: {attack.name}", known, attack.encoded))
        if n == 4:
            for attack in forged_geneses(members):
                yield forged(f"{n}", attack, initialise(f"{n}: {attack.name}", attack.encoded))
    yield from thresholds(committee(b"vectors", 6))
    yield from histories(committee(b"vectors", 4))
    yield from bad_handovers(committee(b"vectors", 4))
    yield from contradictions(committee(b"vectors", 7))


def thresholds(members: Committee) -> Iterator[Json]:
    """Exactly two thirds are not more than two thirds."""
    _, known = story(members)
    said, path = statement(20, 30), nodes(13, 30)
    yield verify("6: five present", known, members.prove(said, DOMAIN, (5,), path).encode())
    yield verify("6: four present", known, members.prove(said, DOMAIN, (1, 5), path).encode())


def bad_handovers(members: Committee) -> Iterator[Json]:
    """What a client does whose last quorum handed over to something that is no committee: refuse, and not more."""
    _, known = story(members)
    honest = members.prove(statement(20, 30), DOMAIN, (3,), nodes(13, 30))
    gone, roll = honest.absent[0], honest.roll
    outside = bytes(twist_point().to_xy_bytes_be())
    nothing = bytes(len(gone.key))
    off = gone.key[:-1] + bytes([gone.key[-1] ^ 1])
    above = (int.from_bytes(gone.key[:48], "big") + FIELD).to_bytes(48, "big") + gone.key[48:]

    def of(name: str, changed: Proof) -> Json:
        state = replace(known, authority=changed.roll.authority(1))
        return verify(f"handed over to {name}", state, changed.encode())

    def without(name: str, key: bytes) -> Json:
        keys = key_log((*members.keys[:3], key))
        entry = replace(gone, key=key, path=tuple(keys.inclusion_path(3, 4)))
        return of(name, replace(honest, roll=replace(roll, root=keys.root(4)), absent=(entry,)))

    yield of("a sum off the curve", replace(honest, roll=replace(roll, aggregate=off)))
    yield of("a sum out of the subgroup", replace(honest, roll=replace(roll, aggregate=outside), absent=()))
    infinite = replace(honest, signature=bytes(len(honest.signature)))
    yield of("infinity", replace(infinite, roll=replace(roll, aggregate=nothing), absent=()))
    yield of("a sum that is the absent member's key", replace(infinite, roll=replace(roll, aggregate=gone.key)))
    yield without("a key off the curve", off)
    yield without("a key with a coordinate not below p", above)
    yield without("a key out of the subgroup", outside)
    yield without("infinity as a member's key", nothing)

    # The good key after the bad one must not make up for it: without the bad one the rest adds up.
    seven = committee(b"vectors", 7)
    _, known = story(seven)
    bad = seven.keys[3][:-1] + bytes([seven.keys[3][-1] ^ 1])
    keys = key_log((*seven.keys[:3], bad, *seven.keys[4:]))
    total = aggregate_keys((*seven.keys[:3], *seven.keys[4:]))
    two = seven.prove(statement(20, 30), DOMAIN, (3, 6), nodes(13, 30))
    absent = [replace(one, path=tuple(keys.inclusion_path(one.index, 7))) for one in two.absent]
    roll = replace(seven.roll, aggregate=total, root=keys.root(7))
    yield of(
        "a key off the curve and a good one", replace(two, roll=roll, absent=(replace(absent[0], key=bad), absent[1]))
    )


def histories(members: Committee) -> Iterator[Json]:
    """What a statement must follow, all of it signed by everybody; and hand-overs."""
    _, known = story(members)
    said, path = statement(20, 30), nodes(13, 30)

    def of(name: str, claim: Finality, path: tuple[bytes, ...] = path, state: TrustState = known) -> Json:
        return verify(name, state, members.prove(claim, DOMAIN, (), path).encode())

    yield of("the last statement again", statement(10, 13), ())
    weak = members.prove(statement(10, 13), DOMAIN, (2, 3)).encode()
    yield verify("the last statement again by half of the members", known, weak)
    yield of("the next epoch", replace(said, epoch=2))
    yield of("the epoch before", replace(said, epoch=0))
    yield of("the last height again", replace(said, height=10))
    unsigned = replace(members.prove(replace(statement(20, 12), height=20), DOMAIN), signature=bytes(96)).encode()
    yield verify("a log that shrank, unsigned", known, unsigned)
    other = replace(statement(20, 13), outbox_root=keccak(b"root"))
    unsigned = replace(members.prove(other, DOMAIN), signature=bytes(96)).encode()
    yield verify("another root for the same size, unsigned", known, unsigned)
    nothing = replace(statement(0, 0), outbox_root=EMPTY_ROOT)
    yield verify("height 0 for a fresh client", story(members)[0], members.prove(nothing, DOMAIN).encode())
    yield of("a log that shrank", replace(statement(20, 12), height=20), ())
    yield of("another root for the same size", replace(statement(20, 13), outbox_root=keccak(b"root")), ())
    yield of("an older time", replace(said, timestamp=known.timestamp - 1))
    yield of("a time ahead", replace(said, timestamp=NOW + DRIFT + 1))
    yield of("as far ahead as a source may be", replace(said, timestamp=NOW + DRIFT))
    yield of("a rewritten log", replace(said, outbox_root=keccak(b"root")))
    yield of("a path that is cut", said, path[:-1])
    yield of("a path that is padded", said, (*path, ZERO32))
    yield verify(
        "another chain's proof", known, members.prove(said, DOMAIN, (), path).encode(), keccak(b"another chain")
    )
    after = committee(b"vectors", 7, 2)
    handing = members.prove(replace(said, next_committee=after.authority), DOMAIN, (1,), path, after.roll).encode()
    yield verify("hand-over from four to seven", known, handing)
    one = committee(b"vectors", 1, 2)
    lonely = members.prove(replace(said, next_committee=one.authority), DOMAIN, (), path, one.roll).encode()
    yield verify("hand-over to one", known, lonely)
    yield verify("hand-over to one, in a client for development", replace(known, small_committee=True), lonely)
    then, _ = VERIFIER.verify(DOMAIN, known, handing, Limits(NOW, DRIFT))
    following = after.prove(statement(30, 31, 2), DOMAIN, (0, 6), nodes(30, 31)).encode()
    yield verify("the next committee", then, following)
    yield of("the old committee after the hand-over", statement(30, 31), nodes(30, 31), then)
    last = replace(known, epoch=U64_MAX, authority=members.roll.authority(U64_MAX))
    said = replace(said, epoch=U64_MAX, next_committee=after.authority)
    yield verify("hand-over in the last epoch", last, members.prove(said, DOMAIN, (), path, after.roll).encode())


def contradictions(members: Committee) -> Iterator[Json]:
    """Evidence, and what is none."""
    fresh, _ = story(members)
    first = members.prove(statement(20, 30), DOMAIN, (0,)).encode()
    fork = replace(statement(20, 30), block_hash=keccak(b"fork"))
    rewritten = replace(statement(21, 30), outbox_root=keccak(b"rewritten"))
    yield misbehaviour("two blocks of one height", fresh, first, members.prove(fork, DOMAIN, (3, 6)).encode())
    yield misbehaviour("two roots of one size", fresh, first, members.prove(rewritten, DOMAIN, (1,)).encode())
    yield misbehaviour("one statement twice", fresh, first, members.prove(statement(20, 30), DOMAIN).encode())
    yield misbehaviour("two statements that agree", fresh, first, members.prove(statement(21, 31), DOMAIN).encode())
    half = members.prove(fork, DOMAIN, (4, 5, 6)).encode()
    yield misbehaviour("a half without a quorum", fresh, first, half)
    bad = replace(members.prove(fork, DOMAIN), signature=members.prove(statement(20, 30), DOMAIN).signature)
    yield misbehaviour("a half with the other's signature", fresh, first, bad.encode())
    other = committee(b"others", 7)
    yield misbehaviour("a half by others", fresh, first, other.prove(fork, DOMAIN).encode())
    later = members.prove(replace(fork, epoch=2), DOMAIN).encode()
    yield misbehaviour("a half of another epoch", fresh, first, later)


def gas() -> Iterator[Json]:
    """Proofs to be measured: CMT1's by its quorum, BLS1's by its quorum and by everybody."""
    first, then, path = statement(10, 101), statement(20, 200), nodes(101, 200)
    for n in SIZES:
        keys = sorted((keccak(b"gas" + bytes([i])) for i in range(n)), key=key_address)
        named = tuple(map(key_address, keys))
        signed = [
            build_proof(said, named, {key_address(key): sign_finality(key, DOMAIN, said) for key in keys}, nodes_of)
            for said, nodes_of in ((first, ()), (then, path))
        ]
        yield measured("CMT1 quorum", n, CommitteeGenesis(1, named).encode(), *(proof.encode() for proof in signed))
        members = committee(b"gas", n)
        begun, genesis = members.prove(first, DOMAIN).encode(), members.genesis().encode()
        yield measured("BLS1 everybody", n, genesis, begun, members.prove(then, DOMAIN, (), path).encode())
        gone = range(n - most_absent(n), n)
        yield measured("BLS1 quorum", n, genesis, begun, members.prove(then, DOMAIN, gone, path).encode())


def measured(name: str, members: int, genesis: bytes, first: bytes, then: bytes) -> Json:
    """One update to be measured, with what comes before it."""
    given = {"name": name, "members": members, "domain": DOMAIN, "now": NOW}
    return encode({**given, "genesis": genesis, "first": first, "then": then})


def main() -> int:
    """Writes or compares; returns the exit status."""
    parser = argparse.ArgumentParser(description="Writes vectors/*.json.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    differing = []
    for name, cases in (("curve", curve()), ("bls1", bls1()), ("gas", gas())):
        path = HERE / f"{name}.json"
        lines = ",\n".join(json.dumps(one) for one in cases)
        text = f'{{"format": "poft-vectors/1", "cases": [\n{lines}\n]}}\n'
        if check and (not path.exists() or path.read_text(encoding="ascii") != text):
            differing.append(path.name)
        if not check:
            path.write_text(text, encoding="ascii")
    if differing:
        print(f"{', '.join(differing)} differ: run python vectors/generate.py", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
