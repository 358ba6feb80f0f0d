"""The local step: same bytes on any thread count, replayable step by step, committed before anybody asks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from poft.protocol.errors import Code, ConfigError, Refused
from poft.protocol.merkle import inclusion_proof, verify_inclusion
from poft.training import networks
from poft.training.data import Samples, load_dataset
from poft.training.evaluate import accuracy
from poft.training.fixed_point import Parameters, flatten, shapes_of
from poft.training.local import StepConfig, batch_indices, replay_step, state_digest, step_leaf, train_local
from poft.training.philox import raw_integers, stream_key

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

CONFIG = StepConfig(learning_rate=0.25, batch_size=16)
KEY = stream_key("train", 1, b"task", 1, b"participant")


@pytest.fixture(scope="module")
def samples() -> Samples:
    return load_dataset("digits", 1).train.take(np.arange(60))


def plus(base: Parameters, delta: Parameters) -> Parameters:
    return {name: base[name] + delta[name] for name in base}


@pytest.mark.parametrize(("name", "size", "rate"), [("mlp", 4810, 0.25), ("cnn", 1922, 0.25)])
def test_network_learns_digits(name: str, size: int, rate: float) -> None:
    splits = load_dataset("digits", 1)
    network = networks.build(name, splits.input_shape, splits.classes)
    assert network.size == size
    base = networks.initial_parameters(network, 1)
    result = train_local(network, base, splits.train, 250, StepConfig(rate, 16), KEY)
    held_out = splits.validation
    assert accuracy(network, base, held_out.features, held_out.labels) < 300_000
    assert accuracy(network, plus(base, result.delta), held_out.features, held_out.labels) > 850_000


def test_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="cnn, mlp"):
        networks.build("transformer", (1, 8, 8), 10)


def test_initial_weights_depend_on_seed_and_name_only() -> None:
    network = networks.build("cnn", (1, 8, 8), 10)
    first, again, other = (networks.initial_parameters(network, seed) for seed in (1, 1, 2))
    assert np.array_equal(flatten(first), flatten(again))
    assert not np.array_equal(flatten(first), flatten(other))
    assert list(first) == sorted(first)
    assert np.all(first["norm1.weight"] == 1 << 28)
    # He's bound for a fan-in of 9: sqrt(6 / 9).
    assert 0.7 < np.abs(first["conv1.weight"]).max() / 2**28 <= np.sqrt(6 / 9)


def test_philox_streams_equal_published_vectors() -> None:
    """Known answer of Random123's kat_vectors for philox4x64-10 with key and counter of zero.

    numpy counts up before it draws, so its counter −1 is the vector's zero.
    """
    drawn = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4).tolist()
    assert [hex(word) for word in drawn] == [
        "0x16554d9eca36314c",
        "0xdb20fe9d672d0fdc",
        "0xd7e772cee186176b",
        "0x7e68b68aec7ba23b",
    ]
    assert not np.array_equal(raw_integers(1, 0, 4), raw_integers(1, 1, 4))
    assert stream_key("a", "bc") != stream_key("ab", "c")
    assert stream_key(1) != stream_key("1") != stream_key(b"1")


def test_every_epoch_reads_every_sample_once() -> None:
    read = np.concatenate([batch_indices(KEY, 60, 16, step) for step in range(15)])
    for epoch in range(4):
        assert sorted(read[epoch * 60 : (epoch + 1) * 60].tolist()) == list(range(60))


def test_batch_larger_than_the_data_set_wraps_into_further_epochs() -> None:
    read = batch_indices(KEY, 3, 16, 5)
    assert len(read) == 16
    assert set(read.tolist()) == {0, 1, 2}


PROGRAM = """
import sys, numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
from poft.training import networks
from poft.training.data import load_dataset
from poft.training.evaluate import accuracy
from poft.training.fixed_point import flatten
from poft.training.local import StepConfig, state_digest, train_local
splits = load_dataset("digits", 1)
for name in ("mlp", "cnn"):
    network = networks.build(name, splits.input_shape, splits.classes)
    base = networks.initial_parameters(network, 1)
    result = train_local(network, base, splits.train, 40, StepConfig(0.25, 256), 7)
    trained = {key: base[key] + result.delta[key] for key in base}
    print(state_digest(flatten(result.delta)).hex(), result.training_root.hex(), result.access_root.hex())
    print(accuracy(network, trained, splits.validation.features, splits.validation.labels))
assert torch.get_num_threads() == int(sys.argv[1])
"""


def test_training_gives_the_same_bytes_on_one_and_two_threads() -> None:
    outputs = {
        subprocess.run([sys.executable, "-c", PROGRAM, threads], capture_output=True, text=True, check=True).stdout
        for threads in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().count("\n") == 4


@pytest.mark.parametrize("proximal", [0.0, 0.1])
def test_auditor_replays_any_step_from_the_state_before_it(samples: Samples, proximal: float) -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    config = StepConfig(0.25, 16, proximal)
    result = train_local(network, base, samples, 6, config, KEY)
    before = plus(base, train_local(network, base, samples, 4, config, KEY).delta)
    after = replay_step(network, base, before, samples, 4, config, KEY)
    leaf = step_leaf(4, state_digest(flatten(before)), batch_indices(KEY, 60, 16, 4), state_digest(flatten(after)))
    proof = inclusion_proof(result.step_leaves, 4)
    verify_inclusion(leaf, 4, 6, proof, result.training_root)


def test_step_that_was_not_trained_has_another_leaf(samples: Samples) -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    result = train_local(network, base, samples, 3, CONFIG, KEY)
    before = plus(base, train_local(network, base, samples, 1, CONFIG, KEY).delta)
    lazy = step_leaf(1, state_digest(flatten(before)), batch_indices(KEY, 60, 16, 1), state_digest(flatten(before)))
    with pytest.raises(Refused) as refusal:
        verify_inclusion(lazy, 1, 3, inclusion_proof(result.step_leaves, 1), result.training_root)
    assert refusal.value.code is Code.RootMismatch


def test_access_log_names_every_sample_read_once_in_order(samples: Samples) -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    result = train_local(network, base, samples, 5, CONFIG, KEY)
    read = [int.from_bytes(leaf[:32], "big") for leaf in result.access_leaves]
    assert sorted(read) == list(range(60))
    assert read[:16] == batch_indices(KEY, 60, 16, 0).tolist()
    assert all(leaf[32:] == samples.digest(index) for index, leaf in zip(read, result.access_leaves, strict=True))


def test_no_steps_leave_the_model_and_empty_logs(samples: Samples) -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    result = train_local(network, base, samples, 0, CONFIG, KEY)
    assert not np.any(flatten(result.delta))
    assert (result.step_leaves, result.access_leaves) == ((), ())


def test_proximal_term_keeps_the_model_nearer_to_its_start(samples: Samples) -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    free = flatten(train_local(network, base, samples, 30, StepConfig(0.25, 16), KEY).delta)
    held = flatten(train_local(network, base, samples, 30, StepConfig(0.25, 16, proximal=0.5), KEY).delta)
    assert np.linalg.norm(held) < 0.9 * np.linalg.norm(free)


def test_diverging_training_is_refused(samples: Samples) -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    with pytest.raises(Refused) as refusal:
        train_local(network, base, samples, 50, StepConfig(1e9, 16), KEY)
    assert refusal.value.code in (Code.OutOfRange, Code.NonFinite)


def test_participant_without_data_is_refused() -> None:
    network = networks.build("mlp", (1, 8, 8), 10)
    base = networks.initial_parameters(network, 1)
    empty = Samples(np.zeros((0, 1, 8, 8)), np.zeros(0, np.int64))
    with pytest.raises(Refused) as refusal:
        train_local(network, base, empty, 1, CONFIG, KEY)
    assert refusal.value.code is Code.ZeroValue


@pytest.mark.parametrize("broken", [(float("nan"), 16), (-1.0, 16), (0.1, 0)])
def test_step_config_refuses_nonsense(broken: tuple[float, int]) -> None:
    with pytest.raises(ConfigError):
        StepConfig(*broken)


LIGHT = """
import sys
sys.modules["torch"] = None  # any import of torch fails
import poft.training.data, poft.training.partitions, poft.training.networks, poft.training.local, poft.training.evaluate
import poft.federation.rounds, poft.federation.merging, poft.federation.aggregation
assert "sklearn" not in sys.modules
"""


def test_everything_imports_without_torch_and_scikit_learn() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_shapes_of_initial_parameters_are_the_networks() -> None:
    network = networks.build("mlp", (1, 28, 28), 10)
    assert shapes_of(networks.initial_parameters(network, 1)) == dict(network.shapes)
