"""Imports: what each policy computes, and what the gate lets a foreign network do to an honest one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from poft.federation.merging import Import, MergePolicy, adopt, merge
from poft.federation.rounds import RoundPolicy, apply, round_metrics, train_participant
from poft.protocol.errors import Code, ConfigError, Refused
from poft.training import networks
from poft.training.data import DatasetSplits, load_dataset
from poft.training.fixed_point import BOUND, Parameters, flatten
from poft.training.partitions import by_label

pytest.importorskip("torch")
pytest.importorskip("sklearn")

NETWORK = networks.build("mlp", (1, 8, 8), 10)
BY_SAMPLES = MergePolicy("by_samples")


def model(*values: int) -> Parameters:
    return {
        "hidden.weight": np.asarray(values[:2], dtype=np.int64),
        "output.bias": np.asarray(values[2:], dtype=np.int64),
    }


def plain(parameters: Parameters) -> list[int]:
    return [int(value) for value in flatten(parameters)]


def test_by_samples_weighs_the_own_model_and_every_import() -> None:
    merged = merge(model(0, 0, 0), 1, [(model(4, 8, -4), 2), (model(8, 0, 4), 1)], BY_SAMPLES)
    assert plain(merged) == [4, 4, -1]


def test_two_networks_that_exchange_models_arrive_at_the_same_base() -> None:
    a, b = model(1, 2, 3), model(-4, 5, 6)
    assert plain(merge(a, 30, [(b, 50)], BY_SAMPLES)) == plain(merge(b, 50, [(a, 30)], BY_SAMPLES))


def test_replace_and_alpha_and_trunk() -> None:
    local, foreign = model(0, 10, 20), model(100, 110, 120)
    assert plain(merge(local, 9, [(foreign, 1)], MergePolicy("replace"))) == [100, 110, 120]
    assert plain(merge(local, 9, [(foreign, 1)], MergePolicy("alpha", alpha_permille=250))) == [25, 35, 45]
    assert plain(merge(local, 1, [(foreign, 1)], MergePolicy("trunk"))) == [50, 60, 20]


def test_trunk_takes_what_fits_of_another_architecture() -> None:
    foreign = {"hidden.weight": np.asarray([100, 110]), "extra.weight": np.asarray([1, 2, 3])}
    assert plain(merge(model(0, 10, 20), 1, [(foreign, 1)], MergePolicy("trunk"))) == [50, 60, 20]


def test_no_imports_leave_the_own_model() -> None:
    for kind in ("replace", "by_samples", "alpha", "trunk"):
        assert plain(merge(model(1, 2, 3), 5, [], MergePolicy(kind))) == [1, 2, 3]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("imports", "code"),
    [
        ([({"hidden.weight": np.asarray([1, 2])}, 1)], Code.ManifestMismatch),
        ([(model(BOUND, 0, 0), 1)], Code.OutOfRange),
        ([(model(0, 0, 0), 1 << 24)], Code.OutOfRange),
        ([(model(0, 0, 0), 0)], Code.ZeroValue),
    ],
)
def test_merge_refuses_what_cannot_be_averaged(imports: list[tuple[Parameters, int]], code: Code) -> None:
    with pytest.raises(Refused) as refusal:
        merge(model(1, 2, 3), 5, imports, BY_SAMPLES)
    assert refusal.value.code is code


@pytest.fixture(scope="module")
def splits() -> DatasetSplits:
    return load_dataset("digits", 1)


@pytest.fixture(scope="module")
def halves(splits: DatasetSplits) -> tuple[Parameters, Parameters]:
    """Two models that saw different labels and know nothing of the other's."""
    start = networks.initial_parameters(NETWORK, 1)
    policy = RoundPolicy(0.3, 16)
    trained = []
    for number, part in enumerate(by_label(splits.train.labels, 2, 0.0, 1)):
        data = splits.train.take(part)
        done = train_participant(
            NETWORK, start, None, data, 60, policy, 1, 1, seed=1, task=b"t", participant=bytes([number]) * 20
        )
        trained.append(apply(start, done.update))
    return trained[0], trained[1]


def claim(parameters: Parameters, splits: DatasetSplits, name: int = 1, samples: int = 500) -> Import:
    metrics = round_metrics(NETWORK, parameters, splits.validation)
    return Import(bytes([name]) * 32, parameters, samples, metrics.hash())


def test_import_that_scores_low_alone_is_adopted_for_what_the_merge_gains(
    splits: DatasetSplits, halves: tuple[Parameters, Parameters]
) -> None:
    local, foreign = halves
    base, (verdict,) = adopt(NETWORK, local, 500, [claim(foreign, splits)], BY_SAMPLES, splits.validation)
    assert verdict.adopted
    assert verdict.own is not None and verdict.own.accuracy_ppm < 550_000
    assert plain(base) == plain(merge(local, 500, [(foreign, 500)], BY_SAMPLES))


def test_wrong_claim_is_not_adopted(splits: DatasetSplits, halves: tuple[Parameters, Parameters]) -> None:
    local, foreign = halves
    boast = replace(claim(foreign, splits), metrics_hash=bytes(32))
    base, (verdict,) = adopt(NETWORK, local, 500, [boast], BY_SAMPLES, splits.validation)
    assert verdict.code is Code.ReplayMismatch
    assert plain(base) == plain(local)


def test_malicious_networks_change_nothing_and_do_not_keep_the_honest_one_out(
    splits: DatasetSplits, halves: tuple[Parameters, Parameters]
) -> None:
    local, foreign = halves
    noise = networks.initial_parameters(NETWORK, 9)
    noise = {name: values * 8 for name, values in noise.items()}
    flipped = {name: -8 * values for name, values in local.items()}
    huge = {name: np.full_like(values, BOUND) for name, values in local.items()}
    alien = {"hidden.weight": np.zeros(3, np.int64)}
    wrong = bytes(32)
    imports = [
        claim(noise, splits, 1),
        claim(flipped, splits, 2),
        Import(bytes([3]) * 32, huge, 500, wrong),
        Import(bytes([4]) * 32, alien, 500, wrong),
        replace(claim(foreign, splits, 5), samples=1 << 40),
        claim(foreign, splits, 6),
    ]
    base, verdicts = adopt(NETWORK, local, 500, imports, BY_SAMPLES, splits.validation)
    assert [verdict.code for verdict in verdicts] == [
        Code.OutOfRange,
        Code.OutOfRange,
        Code.OutOfRange,
        Code.ManifestMismatch,
        Code.OutOfRange,
        Code.Ok,
    ]
    assert plain(base) == plain(merge(local, 500, [(foreign, 500)], BY_SAMPLES))


def test_gate_does_not_depend_on_the_order_of_arrival(
    splits: DatasetSplits, halves: tuple[Parameters, Parameters]
) -> None:
    local, foreign = halves
    imports = [claim(foreign, splits, 2, 300), claim(local, splits, 1, 700)]
    forwards, first = adopt(NETWORK, local, 500, imports, BY_SAMPLES, splits.validation)
    backwards, second = adopt(NETWORK, local, 500, imports[::-1], BY_SAMPLES, splits.validation)
    assert first == second
    assert plain(forwards) == plain(backwards)


@pytest.mark.parametrize("broken", [{"kind": "vote"}, {"alpha_permille": 1001}, {"tolerance_ppm": -1}])
def test_merge_policy_refuses_nonsense(broken: dict[str, int | str]) -> None:
    with pytest.raises(ConfigError):
        MergePolicy(**broken)  # type: ignore[arg-type]
