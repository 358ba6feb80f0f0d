"""Writes the vectors: the contract between Python, Solidity and Rust (docs/vectors.md describes every file).

    python -m tests.vectors.generate            rewrite tests/vectors/*.json
    python -m tests.vectors.generate --check    exit 1 when a file on disk differs

Everything comes from fixed seeds. A bad case is an honest object in which one thing was broken; its code was obtained
from the reference, and `tests/unit/test_vectors.py` holds it against an independent expectation: the name's prefix.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from random import Random
from typing import cast

import numpy as np

from poft.protocol.acknowledgement import Acknowledgement, Fate, decode_acknowledgement
from poft.protocol.checkpoint import Checkpoint, CheckpointPayload, decode_payload, parents_hash
from poft.protocol.domain import evm_domain, federation_id, pallet_endpoint, substrate_domain, task_id
from poft.protocol.errors import Refused
from poft.protocol.finality import Finality, committee_hash, quorum, sign_finality
from poft.protocol.hashing import ZERO32, keccak
from poft.protocol.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    log_root,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from poft.protocol.packet import Packet
from poft.protocol.signatures import CURVE_ORDER, key_address, recover, separator, typed_digest, unsafe_sign_digest
from poft.protocol.statements import (
    Membership,
    Signed,
    Update,
    Verdict,
    Vote,
    sign_statement,
    statement_digest,
    verify_statement,
)
from poft.verification.api import Limits, TrustState
from poft.verification.receive import Expectation, PacketProof, check_packet
from poft.verification.schemes.cmt1 import CommitteeGenesis, CommitteeProof, CommitteeVerifier

from . import bef1, esp1, sealed, state_proofs

HERE = Path(__file__).parent
Json = str | bool | None | list["Json"] | dict[str, "Json"]
Case = dict[str, Json]


def encode(value: object) -> Json:
    """Integers as decimal strings, bytes as 0x hex, names in camelCase."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {camel(str(k)): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    return {camel(f.name): encode(getattr(value, f.name)) for f in fields(value)}  # type: ignore[arg-type]


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def case(name: str, given: object, run: Callable[[], object]) -> Case:
    """A case whose expectation, value or code, is what the reference answers."""
    try:
        result = run()
    except Refused as refused:
        return {"name": name, "input": encode(given), "error": refused.code.name}
    return {"name": name, "input": encode(given), "expect": encode(result)}


def key(n: int) -> bytes:
    """Public test keys: never use them for anything that matters."""
    return keccak(b"poft/vector/key/" + str(n).encode())


def filler(tag: str, n: int = 0) -> bytes:
    return keccak(f"poft/vector/{tag}/{n}".encode())


def flip(data: bytes, at: int = 0) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SOURCE = evm_domain(filler("genesis"), 31337)
OTHER = substrate_domain(filler("genesis", 1), "poft-vectors")
SENDER = bytes(12) + key_address(key(90))
RECEIVER = pallet_endpoint("Federation")


# --- log -------------------------------------------------------------------------------------------------------------


def log_cases() -> Iterator[Case]:
    rng = Random(1)
    pool = [rng.randbytes(32) for _ in range(70)]

    def build(leaves: list[bytes], index: int, old: int) -> object:
        root = log_root(leaves)
        return {
            "root": root,
            "inclusion": inclusion_proof(leaves, index) if leaves else [],
            "consistency": consistency_proof(leaves, old),
        }

    for size in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70):
        leaves = pool[:size]
        for index in sorted({0, size // 2, max(size - 1, 0)}):
            old = min(index + 1, size)
            yield case(
                f"build_{size}_{index}",
                {"leaves": leaves, "size": size, "index": index, "fromSize": old},
                lambda leaves=leaves, index=index, old=old: build(leaves, index, old),
            )
    yield case(
        "build_odd_lengths",
        {"leaves": [b"", b"\0", b"\1" * 64], "size": 3, "index": 1, "fromSize": 1},
        lambda: build([b"", b"\0", b"\1" * 64], 1, 1),
    )

    def inclusion(name: str, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> Case:
        return case(
            name,
            {"leaf": leaf, "index": index, "size": size, "proof": list(proof), "root": root},
            lambda: verify_inclusion(leaf, index, size, proof, root) or {},
        )

    for size, index in ((1, 0), (2, 1), (5, 4), (7, 2), (8, 7), (33, 32), (64, 20), (70, 69), (70, 3)):
        leaves = pool[:size]
        proof, root, leaf = inclusion_proof(leaves, index), log_root(leaves), leaves[index]
        tag = f"{index}_of_{size}"
        yield inclusion(f"inclusion_{tag}", leaf, index, size, proof, root)
        yield inclusion(f"inclusion_forged_root_{tag}", leaf, index, size, proof, flip(root))
        yield inclusion(f"inclusion_other_leaf_{tag}", flip(leaf), index, size, proof, root)
        yield inclusion(f"inclusion_padded_{tag}", leaf, index, size, [*proof, ZERO32], root)
        yield inclusion(f"inclusion_index_at_size_{tag}", leaf, size, size, proof, root)
        yield inclusion(f"inclusion_size_zero_{tag}", leaf, index, 0, proof, root)
        yield inclusion(f"inclusion_size_up_{tag}", leaf, index, size + 1, proof, root)
        yield inclusion(f"inclusion_size_down_{tag}", leaf, index, size - 1, proof, root)
        yield inclusion(f"inclusion_zero_root_{tag}", leaf, index, size, proof, ZERO32)
        if proof:
            yield inclusion(f"inclusion_truncated_{tag}", leaf, index, size, proof[:-1], root)
            yield inclusion(f"inclusion_reversed_{tag}", leaf, index ^ 1, size, proof, root)
        for level in range(len(proof)):
            bad = [flip(node) if i == level else node for i, node in enumerate(proof)]
            yield inclusion(f"inclusion_sibling_{level}_flipped_{tag}", leaf, index, size, bad, root)
    four = pool[:4]
    left, right = leaf_hash(four[0]), leaf_hash(four[1])
    yield inclusion(
        "inclusion_inner_node_as_leaf",
        left + right,
        0,
        2,
        [node_hash(leaf_hash(four[2]), leaf_hash(four[3]))],
        log_root(four),
    )
    yield inclusion(
        "inclusion_parent_as_leaf",
        node_hash(left, right),
        0,
        2,
        [node_hash(leaf_hash(four[2]), leaf_hash(four[3]))],
        log_root(four),
    )
    # The longest paths: the first leaf of the largest log is a left child on every level.
    path = [filler("node", i) for i in range(64)]
    largest = left
    for sibling in path:
        largest = node_hash(largest, sibling)
    yield inclusion("inclusion_0_of_2_64_minus_1", four[0], 0, 2**64 - 1, path, largest)
    yield inclusion("inclusion_0_of_2_64_minus_1_padded", four[0], 0, 2**64 - 1, [*path, ZERO32], largest)
    yield inclusion("inclusion_empty_proof_of_root", log_root(four), 0, 1, [], log_root(four))
    yield inclusion(
        "inclusion_swapped_tags",
        four[0],
        0,
        2,
        [keccak(b"\1" + four[1])],
        keccak(b"\0" + keccak(b"\1" + four[0]) + keccak(b"\1" + four[1])),
    )
    yield inclusion("inclusion_other_log", four[1], 1, 4, inclusion_proof(pool[4:8], 1), log_root(four))
    yield inclusion("inclusion_index_2_64_minus_1", four[0], 2**64 - 1, 4, [], log_root(four))

    def consistency(name: str, m: int, a: bytes, n: int, b: bytes, proof: Sequence[bytes]) -> Case:
        return case(
            name,
            {"fromSize": m, "fromRoot": a, "toSize": n, "toRoot": b, "proof": list(proof)},
            lambda: verify_consistency(m, a, n, b, proof) or {},
        )

    yield consistency("consistency_1_to_2_64_minus_1", 1, left, 2**64 - 1, largest, path)
    yield consistency("consistency_2_64_minus_1_to_itself", 2**64 - 1, largest, 2**64 - 1, largest, [])
    five = log_root(pool[:5])
    yield consistency("consistency_from_zero_root", 0, ZERO32, 5, five, [])
    yield consistency("consistency_zero_roots_same_size", 0, ZERO32, 0, ZERO32, [])
    yield consistency("consistency_from_zero_root_size_one", 1, ZERO32, 5, five, consistency_proof(pool[:5], 1))
    for m, n in (
        (0, 0),
        (0, 5),
        (1, 2),
        (3, 7),
        (4, 8),
        (6, 8),
        (7, 7),
        (8, 9),
        (31, 33),
        (32, 64),
        (33, 70),
    ):
        old, new = log_root(pool[:m]), log_root(pool[:n])
        proof = consistency_proof(pool[:n], m)
        tag = f"{m}_to_{n}"
        yield consistency(f"consistency_{tag}", m, old, n, new, proof)
        yield consistency(f"consistency_padded_{tag}", m, old, n, new, [*proof, ZERO32])
        yield consistency(f"consistency_forged_old_{tag}", m, flip(old), n, new, proof)
        if m < n:
            yield consistency(f"consistency_size_down_{tag}", n, new, m, old, proof)
        if proof:
            yield consistency(f"consistency_forged_new_{tag}", m, old, n, flip(new), proof)
            yield consistency(f"consistency_truncated_{tag}", m, old, n, new, proof[:-1])
            rewritten = [flip(leaf) if i == m - 1 else leaf for i, leaf in enumerate(pool[:n])]
            yield consistency(
                f"consistency_rewritten_{tag}",
                m,
                old,
                n,
                log_root(rewritten),
                consistency_proof(rewritten, m),
            )
        for level in range(len(proof)):
            bad = [flip(node) if i == level else node for i, node in enumerate(proof)]
            yield consistency(f"consistency_node_{level}_flipped_{tag}", m, old, n, new, bad)


# --- model -----------------------------------------------------------------------------------------------------------


def model_cases() -> Iterator[Case]:
    from poft.model.commitment import commit

    rng = np.random.Generator(np.random.Philox(2))

    def given(tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], size: int) -> object:
        dtype = {"float64": "F64", "float32": "F32", "int64": "I64"}
        return {
            "chunkSize": size,
            "tensors": [
                {"name": n, "dtype": dtype[str(t.dtype)], "shape": list(t.shape), "data": t.tobytes()}
                for n, t in tensors.items()
            ],
        }

    def run(tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], size: int) -> object:
        made = commit(tensors, size)
        return {
            "manifest": made.manifest.encode().decode(),
            "manifestHash": made.manifest.hash,
            "treeRoot": made.tree_root,
            "modelRoot": made.model_root,
        }

    w, b = rng.standard_normal((3, 4)), rng.standard_normal(4)
    named = {
        "one_tensor": ({"w": w}, 65536),
        "sorted_by_name": ({"w": w, "b": b}, 65536),
        "bytewise_order": ({"a": w, "B": b, "a.0": w + 1}, 65536),
        "float32": ({"w": w.astype(np.float32)}, 65536),
        "int64": ({"w": (w * 2**28).astype(np.int64)}, 65536),
        "two_chunks": ({"w": rng.standard_normal(8193)}, 65536),
        "exact_chunk": ({"w": rng.standard_normal(8192)}, 65536),
        "small_chunks": ({"w": w, "b": b}, 16),
        "scalar": ({"s": np.array(1.5)}, 65536),
        "nan": ({"w": np.array([1.0, np.nan])}, 65536),
        "infinity": ({"w": np.array([-np.inf])}, 65536),
    }
    for name, (tensors, size) in named.items():
        yield case(name, given(tensors, size), lambda t=tensors, s=size: run(t, s))


# --- checkpoint, packet ----------------------------------------------------------------------------------------------


def a_checkpoint(round_: int = 3, parents: Sequence[bytes] = (), tag: int = 0) -> Checkpoint:
    federation = federation_id(SOURCE, "alpha")
    return Checkpoint(
        federation,
        task_id(federation, filler("config")),
        round_,
        filler("model", tag),
        123456,
        filler("manifest"),
        parents_hash(parents),
        1797,
        filler("metrics", tag),
        filler("training", tag),
        filler("dataset"),
        keccak(b"file:store"),
    )


def checkpoint_cases() -> Iterator[Case]:
    def build(payload: CheckpointPayload) -> object:
        return {"id": payload.checkpoint.id, "encoded": payload.encode()}

    for count in (0, 1, 2, 8, 9):
        parents = tuple(filler("parent", i) for i in range(count))
        try:
            made = CheckpointPayload(a_checkpoint(count, parents), parents, filler("previous"))
        except Refused:
            made = CheckpointPayload(a_checkpoint(count), parents, filler("previous"))
        yield case(
            f"build_{count}_parents",
            {"checkpoint": made.checkpoint, "parents": parents, "previous": made.previous},
            lambda made=made: build(made),
        )

    parents = (filler("parent", 0), filler("parent", 1))
    honest = CheckpointPayload(a_checkpoint(4, parents), parents, filler("previous")).encode()

    def words(*changes: tuple[int, bytes]) -> bytes:
        data = bytearray(honest)
        for at, value in changes:
            data[at * 32 : at * 32 + 32] = value
        return bytes(data)

    def u(n: int) -> bytes:
        return n.to_bytes(32, "big")

    eight = tuple(filler("parent", i) for i in range(8))
    bad = {
        "payload_honest": honest,
        "payload_empty": b"",
        "payload_short": honest[: 14 * 32],
        "payload_odd_length": honest[:-1],
        "payload_trailing_word": honest + ZERO32,
        "payload_trailing_byte": honest + b"\0",
        "payload_offset_moved": words((12, u(0x1E0))),
        "payload_offset_huge": words((12, b"\xff" * 32)),
        "payload_count_up": words((14, u(3))),
        "payload_count_down": words((14, u(1))),
        "payload_count_huge": words((14, b"\xff" * 32)),
        # 32 times this count is 64 modulo 2^256.
        "payload_count_wraps": words((14, u(2**251 + 2))),
        "payload_dirty_round": words((2, u(2**64 + 4))),
        "payload_dirty_bytes": words((4, u(2**255))),
        "payload_dirty_samples": words((7, u(2**64))),
        "payload_other_parent": words((15, filler("parent", 9))),
        "payload_parents_swapped": words((15, parents[1]), (16, parents[0])),
        "payload_eight_parents": CheckpointPayload(a_checkpoint(4, eight), eight, filler("previous")).encode(),
        "payload_nine_parents": honest[: 14 * 32] + u(9) + b"".join(filler("parent", i) for i in range(9)),
    }
    for name, data in bad.items():
        yield case(name, {"payload": data}, lambda data=data: {"id": decode_payload(data).checkpoint.id})


def a_packet(nonce: int = 0, payload: bytes = b"", **changes: object) -> Packet:
    made = Packet(1, 1, SOURCE, OTHER, nonce, SENDER, RECEIVER, 0, keccak(payload))
    return replace(made, **changes)  # type: ignore[arg-type]


def packet_cases() -> Iterator[Case]:
    def build(packet: Packet) -> object:
        return {"id": packet.id, "encoded": packet.encode()}

    variants = {
        "checkpoint": a_packet(),
        "acknowledgement": a_packet(kind=2),
        "nonce_max": a_packet(nonce=2**64 - 1),
        "expires": a_packet(expires_at=1000),
        "payload": a_packet(7, a_checkpoint().encode()),
        "to_itself": a_packet(dest_domain=SOURCE),
    }
    for name, packet in variants.items():
        yield case(name, packet, lambda packet=packet: build(packet))
    for name, packet in {
        "version_too_big": a_packet(version=256),
        "nonce_too_big": a_packet(nonce=2**64),
        "short_hash": a_packet(payload_hash=bytes(31)),
    }.items():
        yield case(name, packet, lambda packet=packet: build(packet))
    for name, args in {"evm": (filler("genesis"), 31337), "evm_zero_genesis": (ZERO32, 1)}.items():
        yield case(
            f"domain_{name}",
            {"kind": 1, "genesisHash": args[0], "networkId": args[1].to_bytes(32, "big")},
            lambda args=args: {"domain": evm_domain(*args)},
        )
    yield case(
        "domain_substrate",
        {"kind": 2, "genesisHash": filler("genesis", 1), "networkId": keccak(b"poft-vectors")},
        lambda: {"domain": substrate_domain(filler("genesis", 1), "poft-vectors")},
    )


# --- finality --------------------------------------------------------------------------------------------------------

NOW = 1_800_000_000
DRIFT = 600
LEAVES = [filler("leaf", i) for i in range(40)]


def committee(n: int, first: int = 0) -> dict[bytes, bytes]:
    """address → key, sorted by address."""
    return dict(sorted((key_address(key(first + i)), key(first + i)) for i in range(n)))


def trusted(members: Sequence[bytes], size: int = 13, small: bool = False, epoch: int = 1) -> TrustState:
    return TrustState(epoch, committee_hash(epoch, members), 100, NOW - 60, size, log_root(LEAVES[:size]), small)


def a_statement(size: int = 30, epoch: int = 1, **changes: object) -> Finality:
    made = Finality(epoch, 120, filler("block"), filler("state"), size, log_root(LEAVES[:size]), NOW - 5, ZERO32)
    return replace(made, **changes)  # type: ignore[arg-type]


def finality_cases() -> Iterator[Case]:
    verifier = CommitteeVerifier()
    limits = Limits(NOW, DRIFT)

    def check(name: str, state: TrustState, proof: CommitteeProof, domain: bytes = SOURCE) -> Case:
        given = {
            "domain": domain,
            "state": state,
            "statement": proof.statement,
            "members": proof.members,
            "bitmap": proof.bitmap,
            "signatures": proof.signatures,
            "nextMembers": proof.next_members,
            "consistency": proof.consistency,
            "encoded": proof.encode(),
            "now": limits.now,
            "maxDrift": limits.max_drift,
        }

        def run() -> object:
            after, _ = verifier.verify(domain, state, proof.encode(), limits)
            return {"digest": proof.statement.digest(domain), "newState": after}

        return case(name, given, run)

    def honest(
        n: int = 4,
        said: Finality | None = None,
        signers: int | None = None,
        old: int = 13,
        domain: bytes = SOURCE,
        following: Sequence[bytes] = (),
        keys: dict[bytes, bytes] | None = None,
    ) -> CommitteeProof:
        keys = keys or committee(n)
        said = said or a_statement()
        chosen = list(keys)[: quorum(n) if signers is None else signers]
        proof = consistency_proof(LEAVES[: said.outbox_size], min(old, said.outbox_size))
        return CommitteeProof(
            said,
            tuple(keys),
            (1 << len(chosen)) - 1,
            tuple(sign_finality(keys[m], domain, said) for m in chosen),
            tuple(following),
            tuple(proof),
        )

    four = list(committee(4))
    base = trusted(four)
    good = honest()
    yield check("honest_3_of_4", base, good)
    yield check("honest_4_of_4", base, honest(signers=4))
    for n in range(1, 13):
        members = list(committee(n))
        state = trusted(members, small=n < 4)
        yield check(f"threshold_{quorum(n)}_of_{n}", state, honest(n))
        if quorum(n) > 1:
            yield check(f"threshold_{quorum(n) - 1}_of_{n}", state, honest(n, signers=quorum(n) - 1))
    yield check("honest_43_of_64", trusted(list(committee(64))), honest(64))
    yield check("no_signatures", base, replace(good, bitmap=0, signatures=()))
    from_empty = replace(base, outbox_size=0, outbox_root=log_root([]), height=0, timestamp=0)
    yield check("honest_from_empty", from_empty, honest(old=0))
    yield check("honest_same_size", base, honest(said=a_statement(13)))
    first = next(iter(LEAVES))
    yield check(
        "honest_one_leaf",
        from_empty,
        honest(said=a_statement(1, outbox_root=log_root([first])), old=0),
    )
    same = a_statement(13, height=100, timestamp=NOW - 60)
    yield check("noop_same_statement", base, honest(said=same))
    yield check("noop_needs_quorum", base, honest(said=same, signers=2))
    # Membership
    other = committee(4, 50)
    yield check("outsiders", base, honest(keys=other))
    keys = committee(4)
    outsider = unsafe_sign_digest(key(77), good.statement.digest(SOURCE))
    yield check("outsider_signs", base, replace(good, signatures=(*good.signatures[:2], outsider)))
    yield check("members_swapped", base, replace(good, members=(four[1], four[0], *four[2:])))
    yield check("members_one_missing", base, replace(good, members=tuple(four[:3])))
    yield check("members_empty", base, replace(good, members=(), bitmap=0, signatures=()))
    yield check("members_65", base, replace(good, members=(*committee(64), b"\xff" * 20)))
    # Bitmap
    s = good.signatures
    yield check("same_signature_twice", base, replace(good, signatures=(s[0], s[0], s[1])))
    yield check("signatures_swapped", base, replace(good, signatures=(s[1], s[0], s[2])))
    yield check("bit_without_signature", base, replace(good, bitmap=0b1111))
    yield check("signature_without_bit", base, replace(good, bitmap=0b0011))
    yield check("bit_beyond_members", base, replace(good, bitmap=0b10011))
    yield check("other_bits", base, replace(good, bitmap=0b1110))
    yield check("bitmap_all_ones", base, replace(good, bitmap=2**64 - 1))
    # Signature encodings
    r, v = int.from_bytes(s[0][:32], "big"), s[0][64]
    low = int.from_bytes(s[0][32:64], "big")

    def first_signature(name: str, value: bytes) -> Case:
        return check(f"signature_{name}", base, replace(good, signatures=(value, *s[1:])))

    def rsv(r: int, s: int, v: int) -> bytes:
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])

    yield first_signature("high_s", rsv(r, CURVE_ORDER - low, 55 - v))
    for wrong in (0, 1, 26, 29, 255):
        yield first_signature(f"v_{wrong}", rsv(r, low, wrong))
    yield first_signature("v_flipped", rsv(r, low, 55 - v))
    yield first_signature("r_zero", rsv(0, low, v))
    yield first_signature("s_zero", rsv(r, 0, v))
    yield first_signature("r_order", rsv(CURVE_ORDER, low, v))
    yield first_signature("s_order", rsv(r, CURVE_ORDER, v))
    yield first_signature("r_max", rsv(2**256 - 1, low, v))
    yield first_signature("all_zero", bytes(65))
    # Both faults at once: ranges are looked at first.
    yield first_signature("r_zero_high_s", rsv(0, CURVE_ORDER - low, v))
    yield first_signature("r_order_high_s", rsv(CURVE_ORDER, CURVE_ORDER - low, v))
    # x = 2 + n is on the curve, so that a library which takes recovery ids 2 and 3 finds a key.
    yield first_signature("v_29_recovers", rsv(2, low, 29))
    yield first_signature("v_30_recovers", rsv(2, low, 30))
    # The largest low s: whoever signed is the committee.
    alone = a_statement()
    edge = rsv(r, CURVE_ORDER // 2, v)
    one = (recover(alone.digest(SOURCE), edge),)
    by_one = CommitteeProof(alone, one, 1, (edge,), (), good.consistency)
    yield check("signature_s_half_order", trusted(one, small=True), by_one)
    above = replace(by_one, signatures=(rsv(r, CURVE_ORDER // 2 + 1, v),))
    yield check("signature_s_above_half_order", trusted(one, small=True), above)
    yield first_signature("r_on_no_point", rsv(5, low, v))
    yield first_signature("compact_64", s[0][:32] + (low | (v - 27) << 255).to_bytes(32, "big"))
    yield first_signature("empty", b"")
    yield check("signatures_last_one_short", base, replace(good, signatures=(*s[:2], s[2][:64])))
    # Signed something else
    said = good.statement
    member_keys = list(keys.values())[:3]

    def signed_by(digest: bytes) -> tuple[bytes, ...]:
        return tuple(unsafe_sign_digest(k, digest) for k in member_keys)

    personal = keccak(b"\x19Ethereum Signed Message:\n32" + said.digest(SOURCE))
    elsewhere = honest(domain=OTHER)
    yield check("signed_other_domain", base, elsewhere)
    for other_name, other_version in (("PoFT Finality", "2"), ("PoFT Federation", "1")):
        digest = typed_digest(separator(other_name, other_version, SOURCE), said)
        name = "version" if other_version == "2" else "name"
        yield check(f"signed_other_{name}", base, replace(good, signatures=signed_by(digest)))
    yield check("signed_raw_struct_hash", base, replace(good, signatures=signed_by(said.struct_hash())))
    yield check("signed_personal", base, replace(good, signatures=signed_by(personal)))
    yield check(
        "signed_other_struct",
        base,
        replace(good, signatures=signed_by(statement_digest(SOURCE, Vote(SOURCE, SOURCE, 1, four[0], SOURCE)))),
    )
    for field in ("block_hash", "state_root", "outbox_root"):
        changed = replace(said, **{field: flip(getattr(said, field))})
        yield check(f"altered_{field}", base, replace(good, statement=changed))
    yield check("altered_height", base, replace(good, statement=replace(said, height=said.height + 1)))
    yield check("altered_timestamp", base, replace(good, statement=replace(said, timestamp=NOW)))
    yield check("verified_for_other_domain", base, good, OTHER)
    # Epochs, order, time
    for epoch in (0, 2, 3):
        yield check(f"epoch_{epoch}", base, honest(said=a_statement(epoch=epoch)))
    yield check("height_equal_other_content", base, honest(said=a_statement(height=100)))
    yield check("height_below", base, honest(said=a_statement(height=99)))
    yield check("height_zero", from_empty, honest(said=a_statement(height=0), old=0))
    yield check("size_regression", base, honest(said=a_statement(12)))
    yield check("root_changed", base, honest(said=a_statement(13, outbox_root=filler("x"))))
    # What the client knows is compared before any signature is recovered.
    for name, wrong in {
        "size_regression": a_statement(12),
        "root_changed": a_statement(13, outbox_root=filler("x")),
        "timestamp_before_last": a_statement(timestamp=NOW - 61),
        "timestamp_beyond_drift": a_statement(timestamp=NOW + DRIFT + 1),
    }.items():
        yield check(f"{name}_without_quorum", base, honest(said=wrong, signers=1))
    yield check("timestamp_equal_to_last", base, honest(said=a_statement(timestamp=NOW - 60)))
    yield check("timestamp_before_last", base, honest(said=a_statement(timestamp=NOW - 61)))
    yield check("timestamp_at_drift", base, honest(said=a_statement(timestamp=NOW + DRIFT)))
    yield check("timestamp_beyond_drift", base, honest(said=a_statement(timestamp=NOW + DRIFT + 1)))
    yield check("timestamp_max", base, honest(said=a_statement(timestamp=2**64 - 1)))
    # History
    rewritten = [flip(leaf) for leaf in LEAVES[:30]]
    lie = honest(said=a_statement(outbox_root=log_root(rewritten)))
    yield check("rewritten_history", base, lie)
    yield check(
        "rewritten_history_own_proof",
        base,
        replace(lie, consistency=tuple(consistency_proof(rewritten, 13))),
    )
    yield check("consistency_missing", base, replace(good, consistency=()))
    yield check("consistency_padded", base, replace(good, consistency=(*good.consistency, ZERO32)))
    yield check("consistency_truncated", base, replace(good, consistency=good.consistency[:-1]))
    yield check("consistency_129_nodes", base, replace(good, consistency=(ZERO32,) * 129))
    yield check(
        "consistency_flipped",
        base,
        replace(good, consistency=(flip(good.consistency[0]), *good.consistency[1:])),
    )
    # Nothing that was never set is trusted
    unset = TrustState(0, ZERO32, outbox_root=ZERO32)
    nobody = replace(good, statement=a_statement(epoch=0), members=(), bitmap=0, signatures=())
    yield check("unset_state_nobody_signs", unset, nobody)
    yield check("unset_authority", replace(base, authority=ZERO32), good)
    zero_root = replace(from_empty, outbox_root=ZERO32)
    yield check("unset_root_from_size_zero", zero_root, honest(old=0))
    # Hand-over
    nxt = tuple(committee(5, 20))

    def hand_over(name: str, members: Sequence[bytes], named: bytes | None = None, state: TrustState = base) -> Case:
        target = committee_hash(2, members) if named is None else named
        return check(name, state, honest(said=a_statement(next_committee=target), following=members))

    yield hand_over("handover_honest", nxt)
    yield hand_over("handover_small_refused", nxt[:3])
    yield hand_over("handover_small_allowed", nxt[:3], state=replace(base, small_committee=True))
    yield hand_over("handover_empty", ())
    yield hand_over("handover_one", nxt[:1])
    yield hand_over("handover_duplicate", (nxt[0], nxt[0], *nxt[1:]))
    yield hand_over("handover_unsorted", tuple(reversed(nxt)))
    yield hand_over("handover_zero_member", (bytes(20), *nxt))
    many = (*committee(64), b"\xff" * 20)
    yield hand_over("handover_64", many[:64])
    yield hand_over("handover_65", many)
    yield hand_over("handover_other_hash", nxt, filler("other"))
    yield hand_over("handover_wrong_epoch", nxt, committee_hash(1, nxt))
    yield hand_over("handover_members_unasked", nxt, ZERO32)
    after = trusted(nxt, epoch=2)
    yield check("after_handover_old_committee", after, honest())
    yield check(
        "after_handover_new_committee",
        after,
        honest(5, a_statement(epoch=2), keys=committee(5, 20)),
    )
    yield check("next_committee_signs_early", base, honest(5, a_statement(epoch=2), keys=committee(5, 20)))
    # Clients
    for name, genesis in {
        "honest": CommitteeGenesis(1, tuple(four)),
        "small": CommitteeGenesis(1, tuple(four[:1]), True),
        "small_without_flag": CommitteeGenesis(1, tuple(four[:3])),
        "empty": CommitteeGenesis(1, (), True),
        "epoch_zero": CommitteeGenesis(0, tuple(four)),
        "duplicate": CommitteeGenesis(1, (four[0], *four)),
        "unsorted": CommitteeGenesis(1, tuple(reversed(four))),
        "zero_member": CommitteeGenesis(1, (bytes(20), *four)),
        "65_members": CommitteeGenesis(1, (*committee(64), b"\xff" * 20)),
    }.items():
        yield case(
            f"initialise_{name}",
            {"genesis": genesis, "encoded": genesis.encode()},
            lambda genesis=genesis: {"newState": verifier.initialise(genesis.encode())},
        )

    # Misbehaviour
    def evidence(name: str, a: CommitteeProof, b: CommitteeProof, state: TrustState = base) -> Case:
        def half(p: CommitteeProof) -> object:
            return {
                "statement": p.statement,
                "members": p.members,
                "bitmap": p.bitmap,
                "signatures": p.signatures,
                "nextMembers": p.next_members,
                "consistency": p.consistency,
                "encoded": p.encode(),
            }

        return case(
            f"misbehaviour_{name}",
            {"domain": SOURCE, "state": state, "first": half(a), "second": half(b)},
            lambda: {"signers": verifier.check_misbehaviour(SOURCE, state, a.encode(), b.encode())},
        )

    fork = honest(said=a_statement(block_hash=filler("fork")))
    yield evidence("same_height", good, fork)
    yield evidence("same_size_other_root", good, honest(said=a_statement(height=130, outbox_root=filler("y"))))
    yield evidence(
        "two_successors",
        honest(said=a_statement(next_committee=committee_hash(2, nxt)), following=nxt),
        honest(said=a_statement(next_committee=committee_hash(2, nxt[:4])), following=nxt[:4]),
    )
    yield evidence("old_evidence", *(honest(said=a_statement(9, height=50, block_hash=filler("b", i))) for i in (0, 1)))
    yield evidence("identical", good, good)
    yield evidence("both_true", good, honest(said=a_statement(31, height=121)))
    yield evidence("half_without_quorum", good, replace(fork, bitmap=3, signatures=fork.signatures[:2]))
    yield evidence("half_bad_signature", good, replace(fork, signatures=good.signatures))
    yield evidence("retired_epoch", good, fork, after)
    ahead = [honest(said=a_statement(epoch=2, block_hash=filler("b", i))) for i in (0, 1)]
    yield evidence("epoch_ahead", *ahead)  # type: ignore[arg-type]
    yield evidence("epochs_apart", good, ahead[0])


# --- federation ------------------------------------------------------------------------------------------------------


def federation_cases() -> Iterator[Case]:
    federation = federation_id(SOURCE, "alpha")
    task = task_id(federation, filler("config"))
    signer = key(5)
    me = key_address(signer)
    statements: dict[str, Membership | Update | Verdict | Vote] = {
        "Membership": Membership(federation, me, filler("x25519"), 250, 1),
        "Update": Update(
            federation, task, 3, me, filler("base"), filler("update"), 8192, 90, 1500, 12,
            filler("training"), filler("dataset"), filler("access"), ZERO32,
        ),
        "Verdict": Verdict(federation, task, 3, me, 0b1011, filler("scores")),
        "Vote": Vote(federation, task, 3, me, filler("checkpoint")),
    }  # fmt: skip

    def run(signed: Signed[Vote], domain: bytes) -> object:
        return {"digest": verify_statement(domain, signed)}

    for name, statement in statements.items():
        signed = sign_statement(signer, SOURCE, statement)  # type: ignore[type-var]
        variants = {
            "honest": (signed, SOURCE),
            "other_domain": (signed, OTHER),
            "other_signer": (sign_statement(key(6), SOURCE, statement), SOURCE),  # type: ignore[type-var]
            "short_signature": (replace(signed, signature=signed.signature[:64]), SOURCE),
            "altered": (replace(signed, statement=replace(statement, federation=filler("f"))), SOURCE),
        }
        for variant, (made, domain) in variants.items():
            yield case(
                f"{name}_{variant}",
                {"domain": domain, "type": name, "statement": made.statement, "signature": made.signature},
                lambda made=made, domain=domain: run(made, domain),  # type: ignore[arg-type]
            )
    vote = statements["Vote"]
    raw = sign_statement(signer, SOURCE, vote).signature  # type: ignore[type-var]
    high = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    said = a_statement()
    for variant, signature in {
        "high_s": raw[:32] + high.to_bytes(32, "big") + bytes([55 - raw[64]]),
        "v_29": raw[:64] + bytes([29]),
        "signed_finality_statement": sign_finality(signer, SOURCE, said),
    }.items():
        yield case(
            f"Vote_{variant}",
            {"domain": SOURCE, "type": "Vote", "statement": vote, "signature": signature},
            lambda signature=signature: run(Signed(vote, signature), SOURCE),  # type: ignore[type-var]
        )
    yield case("federation_id", {"domain": SOURCE, "name": "alpha"}, lambda: {"id": federation})
    yield case("task_id", {"federation": federation, "configDigest": filler("config")}, lambda: {"id": task})


# --- inbox -----------------------------------------------------------------------------------------------------------


def inbox_cases() -> Iterator[Case]:
    parents = (filler("parent"),)
    payload = CheckpointPayload(a_checkpoint(4, parents), parents, filler("previous")).encode()
    packets = [a_packet(n, payload) for n in range(6)]
    leaves = [p.id for p in packets]
    root = log_root(leaves)
    expected = Expectation(OTHER, SOURCE, SENDER, (RECEIVER,), 2, 500, len(leaves), root)

    def check(name: str, delivered: PacketProof, expectation: Expectation = expected) -> Case:
        given = {
            "expectation": {**asdict(expectation), "receivers": list(expectation.receivers)},
            "packet": delivered.packet,
            "payload": delivered.payload,
            "leafIndex": delivered.leaf_index,
            "proof": delivered.proof,
        }
        return case(name, given, lambda: {"dispatched": check_packet(expectation, delivered)})

    def proof(index: int) -> PacketProof:
        return PacketProof(packets[index], payload, index, tuple(inclusion_proof(leaves, index)))

    def with_packet(name: str, **changes: object) -> Case:
        """A packet that *is* in the source's log, but that this destination must not take."""
        made = replace(a_packet(2, payload), **changes)  # type: ignore[arg-type]
        log = [*leaves[:2], made.id, *leaves[3:]]
        return check(
            name,
            PacketProof(made, payload, 2, tuple(inclusion_proof(log, 2))),
            replace(expected, outbox_root=log_root(log)),
        )

    good = proof(2)
    yield check("honest", good)
    yield check("replay", proof(1))
    yield check("gap", proof(3))
    yield with_packet("nonce_max", nonce=2**64 - 1)
    yield with_packet("wrong_version", version=2)
    yield with_packet("wrong_kind_governance", kind=3)
    yield with_packet("wrong_kind_unknown", kind=9)
    yield with_packet("wrong_version_zero", version=0)
    yield with_packet("own_domain_as_source", source_domain=OTHER)
    yield with_packet("sent_to_its_source", dest_domain=SOURCE)
    yield with_packet("dirty_receiver_padding", receiver=b"\1" + RECEIVER[1:])
    yield with_packet("wrong_kind_zero", kind=0)
    yield with_packet("wrong_source", source_domain=filler("d"))
    yield with_packet("wrong_destination", dest_domain=filler("d"))
    yield with_packet("wrong_receiver", receiver=filler("d"))
    yield with_packet("wrong_sender", sender=filler("d"))
    yield with_packet("dirty_sender_padding", sender=b"\1" + SENDER[1:])
    yield with_packet("expires_at_height", expires_at=500)
    yield with_packet("expired_one_block_ago", expires_at=499)
    yield with_packet("payload_hash_other", payload_hash=filler("d"))
    yield check("payload_altered", replace(good, payload=flip(payload, 40)))
    yield check("payload_empty", replace(good, payload=b""))
    yield check("payload_trailing", replace(good, payload=payload + bytes(32)))
    yield check("payload_oversize", replace(good, payload=bytes(4097)))
    yield check("proof_oversize", replace(good, proof=(ZERO32,) * 65))
    yield check("packet_altered_expiry", replace(good, packet=replace(good.packet, expires_at=1)))
    yield check("proof_truncated", replace(good, proof=good.proof[:-1]))
    yield check("proof_padded", replace(good, proof=(*good.proof, ZERO32)))
    yield check("proof_flipped", replace(good, proof=(flip(good.proof[0]), *good.proof[1:])))
    yield check("wrong_index", replace(good, leaf_index=3))
    yield check("index_at_size", replace(good, leaf_index=6))
    yield check("size_up", good, replace(expected, outbox_size=9))
    yield check("size_down", good, replace(expected, outbox_size=3))
    yield check("forged_root", good, replace(expected, outbox_root=flip(root)))
    largest = bytes(4096)
    bound = a_packet(2, largest)
    path = tuple(filler("node", i) for i in range(64))
    top = leaf_hash(bound.id)
    for sibling in path:
        top = node_hash(top, sibling)
    at_bounds = replace(expected, outbox_size=2**64 - 1, outbox_root=top)
    yield check("payload_and_proof_at_bounds", PacketProof(bound, largest, 0, path), at_bounds)
    yield check("zero_root", good, replace(expected, outbox_root=ZERO32))
    yield check(
        "zero_root_one_leaf",
        PacketProof(packets[2], payload, 0, ()),
        replace(expected, outbox_size=1, outbox_root=ZERO32),
    )
    yield check(
        "empty_log", replace(good, leaf_index=0, proof=()), replace(expected, outbox_size=0, outbox_root=log_root([]))
    )
    yield check(
        "id_as_root",
        PacketProof(packets[2], payload, 0, ()),
        replace(expected, outbox_size=1, outbox_root=packets[2].id),
    )


INBOX, INBOX_PEER = bytes(12) + filler("inbox")[12:], filler("peer's inbox")


def acknowledgement_deliveries() -> Iterator[Case]:
    """Packets of kind 2 at a destination whose inbox takes them from one other inbox."""
    payload = Acknowledgement(filler("carrier"), ((filler("packet"), Fate.APPLIED),)).encode()
    there = Expectation(OTHER, SOURCE, SENDER, (RECEIVER,), 2, 500, 6, ZERO32, INBOX, INBOX_PEER)

    def sent(name: str, expectation: Expectation = there, **changes: object) -> Case:
        made = replace(a_packet(2, payload), kind=2, sender=INBOX_PEER, receiver=INBOX)
        made = replace(made, **changes)  # type: ignore[arg-type]
        log = [a_packet(n, payload).id for n in range(2)] + [made.id] + [a_packet(n, payload).id for n in range(3, 6)]
        delivered = PacketProof(made, payload, 2, tuple(inclusion_proof(log, 2)))
        at = replace(expectation, outbox_root=log_root(log))
        given = {
            "expectation": {**asdict(at), "receivers": list(at.receivers)},
            "packet": made,
            "payload": payload,
            "leafIndex": 2,
            "proof": delivered.proof,
        }
        return case(f"deliver_{name}", given, lambda: {"dispatched": check_packet(at, delivered)})

    yield sent("honest")
    yield sent("not_taken", replace(there, inbox_peer=ZERO32))
    yield sent("not_taken_from_zero", replace(there, inbox_peer=ZERO32), sender=ZERO32)
    yield sent("of_an_application", sender=SENDER)
    yield sent("of_a_stranger", sender=filler("d"))
    yield sent("to_an_application", receiver=RECEIVER)
    yield sent("to_an_application_by_its_sender", receiver=RECEIVER, sender=SENDER)
    yield sent("checkpoint_to_the_inbox", kind=1)
    yield sent("checkpoint_to_the_inbox_by_an_application", kind=1, sender=SENDER)
    yield sent("governance_to_the_inbox", kind=3)


def acknowledgement_cases() -> Iterator[Case]:
    """Payloads of acknowledgements, and their delivery."""
    yield from acknowledgement_deliveries()
    ids = [filler("packet", i) for i in range(33)]
    for count in (0, 1, 3, 32):
        made = Acknowledgement(filler("carrier"), tuple((ids[i], Fate(i % 3)) for i in range(count)))
        yield case(
            f"build_{count}",
            {"carrier": made.carrier, "packetIds": ids[:count], "fates": [int(fate) for _, fate in made.fates]},
            lambda made=made: {"encoded": made.encode()},
        )
    three = Acknowledgement(filler("carrier"), tuple((ids[i], Fate(i)) for i in range(3))).encode()

    def read(name: str, payload: bytes) -> Case:
        def run() -> object:
            found = decode_acknowledgement(payload)
            return {
                "carrier": found.carrier,
                "packetIds": [packet_id for packet_id, _ in found.fates],
                "fates": [int(fate) for _, fate in found.fates],
            }

        return case(f"read_{name}", {"payload": payload}, run)

    def at(word: int, value: int) -> bytes:
        return three[: 32 * word] + value.to_bytes(32, "big") + three[32 * word + 32 :]

    yield read("honest", three)
    yield read("of_nobody", at(0, 0))
    yield read("empty", b"")
    yield read("two_words", three[:64])
    yield read("no_entries", three[:64] + bytes(32))
    yield read("offset_32", at(1, 32))
    yield read("offset_2_255", at(1, 2**255 + 64))
    yield read("count_down", at(2, 2))
    yield read("count_up", at(2, 4))
    yield read("count_wraps", at(2, 2**255 + 3))
    yield read("fate_3", at(4, 3))
    yield read("fate_256", at(4, 256))
    yield read("fate_dirty", at(6, 2**255))
    yield read("truncated", three[:-1])
    yield read("truncated_word", three[:-32])
    yield read("trailing_byte", three + b"\0")
    yield read("trailing_word", three + bytes(32))
    word = b"".join(i + bytes(32) for i in ids)
    yield read("33_entries", three[:64] + (33).to_bytes(32, "big") + word)


def state_proof_cases() -> Iterator[Case]:
    for name, question in state_proofs.questions():
        yield case(name, question, question.answer)


def esp1_cases() -> Iterator[Case]:
    for name, given, run in esp1.cases():
        yield case(name, given, run)


def clq1_cases() -> Iterator[Case]:
    yield from cast(list[Case], sealed.cases("CLQ1"))


def qbf1_cases() -> Iterator[Case]:
    yield from cast(list[Case], sealed.cases("QBF1"))


def bef1_cases() -> Iterator[Case]:
    for name, given, run in bef1.cases():
        yield case(name, given, run)


def justification_cases() -> Iterator[Case]:
    for name, given, run in bef1.justifications():
        yield case(name, given, run)


def composed_cases() -> Iterator[Case]:
    # That module starts from the objects of this one.
    from tests.vectors.composed import cases

    return cases()


FILES: dict[str, Callable[[], Iterator[Case]]] = {
    "log": log_cases,
    "model": model_cases,
    "checkpoint": checkpoint_cases,
    "packet": packet_cases,
    "finality": finality_cases,
    "federation": federation_cases,
    "inbox": inbox_cases,
    "acknowledgement": acknowledgement_cases,
    "state_proof": state_proof_cases,
    "esp1": esp1_cases,
    "clq1": clq1_cases,
    "qbf1": qbf1_cases,
    "bef1": bef1_cases,
    "justification": justification_cases,
    "composed": composed_cases,
}


def render(cases: list[Case]) -> str:
    rows = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    return f'{{"format": "poft-vectors/1", "cases": [\n{rows}\n]}}\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("names", nargs="*", choices=[*FILES, []], help="only these files")
    args = parser.parse_args()
    stale = []
    for name in args.names or FILES:
        cases = list(FILES[name]())
        text, path = render(cases), HERE / f"{name}.json"
        if args.check:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
            bad = sum("error" in c for c in cases)
            print(f"{name}: {len(cases) - bad} good, {bad} bad")
    if stale:
        print("stale: " + ", ".join(stale) + "; run python -m tests.vectors.generate", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
