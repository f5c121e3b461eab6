"""The control in the wrong basis: closed forms by Gauss sums, and everything else redone with hooks and regressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grokscope.analysis import ablation, circles, clock_pizza, keys, restricted_loss
from grokscope.analysis.checkpoint.checkpoint import Checkpoint, RunContext
from grokscope.analysis.tables import select
from grokscope.config import RunConfig, TaskConfig, override
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import planted_config, planted_weights, write_run

P = 11
LOGARITHM = {pow(2, k, P): k for k in range(P - 1)}
"""2 generates the units mod 11."""


def planted(folder: Path, name: str, modulus: int, irreps: dict[str, float]) -> Run:
    config = planted_config(irreps, TaskConfig(name=name, modulus=modulus))  # type: ignore[arg-type]
    return write_run(folder / "run", config, {0: planted_weights(config, irreps)})


@pytest.mark.parametrize("modulus", [13, 29, 23])
def test_an_additive_circle_read_by_multiplication_is_as_flat_as_gauss_sums_are(tmp_path: Path, modulus: int) -> None:
    """Over t = 1..p-1, sum_t chi(t) e(kt/p) is of size sqrt(p) for every character chi but the trivial one.

    So each of the p - 2 has an equal share: 2 / (p - 2) for a frequency, half of it for the sign. The cosine, which is
    even, has its shares in the (p - 3) / 2 even characters, and the sine in the (p - 1) / 2 odd ones; these are the two
    principal components. Among few even characters the sign may be alone or one frequency the largest.
    """
    run = planted(tmp_path, "add", modulus, {"k=5": 1.0})
    wrong = select.where(keys(run), basis="wrong", site="embed")
    expected = [(1 if irrep == "sign" else 2) / (modulus - 2) for irrep in wrong["irrep"]]
    assert wrong["power"].to_numpy() == pytest.approx(expected, abs=1e-9)
    table = clock_pizza(run).set_index("basis")
    assert table.loc["own", "circularity"] == pytest.approx(1.0)
    assert table.loc["wrong", "circularity"] == pytest.approx((4 / (modulus - 3) + 4 / (modulus - 1)) / 2, abs=1e-9)


def test_a_multiplicative_circle_read_by_addition_is_as_flat(tmp_path: Path) -> None:
    run = planted(tmp_path, "mul", 29, {"k=5": 1.0})
    wrong = select.where(keys(run), basis="wrong", site="embed")
    assert wrong["power"].to_numpy() == pytest.approx(2 / 28, abs=1e-9)
    table = clock_pizza(run).set_index("basis")
    assert table.loc["own", "circularity"] == pytest.approx(1.0)
    # Each of its components has at most twice the mean in any frequency, where the sum over both is flat.
    assert 2 / 28 < table.loc["wrong", "circularity"] <= 4 / 28 + 1e-9


@dataclass
class Reading:
    """A run's first operation on every pair of numbers that the wrong group has elements for, by HookedTransformer."""

    run: Run

    def __post_init__(self) -> None:
        self.name = self.run.task.operations[0].name
        additive = self.name in ("add", "sub")  # and so read by multiplication
        self.order = P - 1 if additive else P
        numbers = np.arange(1 if additive else 0, P)
        self.numbers = torch.from_numpy(numbers)
        self.element = np.array([LOGARITHM[int(x)] if additive else x for x in numbers])
        self.x, self.y = (grid.ravel() for grid in np.meshgrid(numbers, numbers, indexing="ij"))
        first, second = self.run.task.operand_positions
        self.tokens = self.run.task.tokens[:1].repeat(len(self.x), 1)
        self.tokens[:, first], self.tokens[:, second] = torch.from_numpy(self.x), torch.from_numpy(self.y)
        inverse = {0: 0} | {a: pow(a, -1, P) for a in range(1, P)}
        answers = {"add": self.x + self.y, "sub": self.x - self.y, "mul": self.x * self.y}
        answers["div"] = self.x * np.vectorize(inverse.get)(self.y)
        self.labels = torch.from_numpy(answers[self.name] % P)
        self.is_example = torch.from_numpy((self.y > 0) | additive)
        examples = {tuple(row.tolist()): i for i, row in enumerate(self.run.task.tokens)}
        train, _ = self.run.task.split(self.run.config.task.train_fraction, self.run.config.seed)
        trained = set(train.tolist())
        index = [examples.get(tuple(row.tolist()), -1) for row in self.tokens]
        self.is_train = torch.tensor([i in trained for i in index])
        self.model = self.run.model(0)
        with torch.no_grad():
            self.logits, self.cache = self.model.run_with_cache(self.tokens)

    def waves(self, k: int, element: np.ndarray) -> Tensor:
        angle = 2 * np.pi * k * torch.from_numpy(element).double() / self.order
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    @property
    def strongest(self) -> list[int]:
        """Frequencies by falling power in the embedding."""
        embedding = self.run.weights(0)["embed.W_E"][self.numbers]
        centred = embedding - embedding.mean(0)
        power = {k: float((self.on(self.waves(k, self.element)) @ centred).square().sum()) for k in self.frequencies}
        return sorted(power, key=lambda k: -power[k])

    @property
    def frequencies(self) -> range:
        return range(1, self.order // 2 + 1)

    def on(self, design: Tensor) -> Tensor:
        """The projection on a design's columns."""
        return design @ torch.linalg.pinv(design, rtol=1e-10)

    def of_operands(self, values: Tensor, frequencies: list[int]) -> Tensor:
        lookup = dict(zip(self.numbers.tolist(), self.element.tolist(), strict=True))
        left, right = (np.array([lookup[int(t)] for t in side]) for side in (self.x, self.y))
        designs = []
        for k in frequencies:
            of_a, of_b = self.waves(k, left), self.waves(k, right)
            designs += [of_a, of_b, (of_a[:, :, None] * of_b[:, None, :]).flatten(1)]
        return self.on(torch.cat(designs, dim=1)) @ (values - values.mean(0))

    def outcome(self, logits: Tensor, split: str) -> tuple[float, float]:
        chosen = self.is_example & (self.is_train if split == "train" else ~self.is_train)
        loss = F.cross_entropy(logits[chosen], self.labels[chosen])
        return float(loss), float((logits[chosen].argmax(-1) == self.labels[chosen]).double().mean())

    def hooked(self, hook: str, replace: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            return self.model.run_with_hooks(self.tokens, fwd_hooks=[(hook, lambda value, hook: replace(value))])[:, -1]


@pytest.fixture(scope="module", params=["add", "sub", "mul", "div"])
def reading(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """A random network with two strong frequencies of its own group."""
    settings = {"task.name": request.param, "modulus": P, "d_model": 16, "n_heads": 2, "d_mlp": 24, "dtype": "float64"}
    config = override(RunConfig(), settings)
    task = build_task(config.task)
    weights = initial_weights(config.model, task, 0)
    operation = task.operations[0]
    inside = operation.left >= 0
    for column, k in ((0, 2), (2, 3)):
        entries = operation.group.irrep(f"k={k}").matrices[operation.left[inside]][:, 0]
        weights["embed.W_E"][inside, column : column + 2] += 20 * torch.from_numpy(entries)
    weights["unembed.W_U"] *= 5
    return Reading(write_run(tmp_path_factory.mktemp("random") / "run", config, {0: weights}))


def test_what_is_ablated_in_the_wrong_basis_are_its_strongest_irreps_as_many_as_there_are_keys(
    reading: Reading,
) -> None:
    table = ablation(reading.run)
    own, wrong = select.where(table, basis="own"), select.where(table, basis="wrong")
    assert set(own["set"]) == {"one", "key", "hindsight"}
    assert set(wrong["set"]) == {"matched"}
    count = int(select.where(own, set="hindsight")["n_irreps"].iloc[0])
    assert count >= 1
    assert set(wrong["n_irreps"]) == {count}
    removed = reading.strongest[:count]
    other = [k for k in reading.frequencies if k not in removed]

    embedding = reading.run.weights(0)["embed.W_E"]
    centred = embedding[reading.numbers] - embedding[reading.numbers].mean(0)
    without = embedding.clone()
    waves = torch.cat([reading.waves(k, reading.element) for k in removed], dim=1)
    without[reading.numbers] -= reading.on(waves) @ centred

    def without_in_last(value: Tensor) -> Tensor:
        value[:, -1] -= reading.of_operands(value[:, -1], removed)
        return value

    logits = reading.logits[:, -1]
    last = reading.run.config.model.n_layers - 1
    expected = {
        "embedding": reading.hooked("hook_embed", lambda value: without[reading.tokens]),
        "neurons": reading.hooked(f"blocks.{last}.mlp.hook_post", without_in_last),
        "logits": logits - reading.of_operands(logits, removed),
    }
    assert len(wrong) == len(expected) * 2
    for _, row in wrong.iterrows():
        after, full = (reading.outcome(x, row["split"]) for x in (expected[row["site"]], logits))
        assert (row["loss"], row["accuracy"]) == pytest.approx(after, abs=1e-8)
        assert (row["full_loss"], row["full_accuracy"]) == pytest.approx(full, abs=1e-8)
        names = row["control"].split(", ")
        assert len(names) == count <= len(other)
        assert row["note"] == ""
        assert row["control_loss"] != pytest.approx(row["loss"])


def test_the_distance_in_the_wrong_basis_is_that_of_the_other_arithmetic(reading: Reading) -> None:
    correct = reading.logits[:, -1].gather(1, reading.labels[:, None])[:, 0].numpy()
    inverse = np.vectorize(lambda y: pow(int(y), -1, P) if y else 0)
    distance = {
        "mul": reading.x - reading.y,
        "div": reading.x + reading.y,  # the right operand stands for -y
        "add": reading.x * inverse(reading.y),
        "sub": reading.x * reading.y,
    }[reading.name] % P
    used = reading.is_example.numpy()
    spread = [correct[used & (distance == d)].std() for d in np.unique(distance)]
    assert len(spread) == reading.order
    row = clock_pizza(reading.run).set_index("basis").loc["wrong"]
    assert row["distance_irrelevance"] == pytest.approx(np.mean(spread) / correct[used].std(), abs=1e-9)


def test_circles_of_the_wrong_basis_are_planes_of_its_strongest_irreps(reading: Reading) -> None:
    table = circles(reading.run)
    own, wrong = select.where(table, basis="own"), select.where(table, basis="wrong")
    assert wrong["irrep"].nunique() == own["irrep"].nunique() >= 1
    embedding = reading.run.weights(0)["embed.W_E"][reading.numbers].numpy()
    centred = embedding - embedding.mean(0)
    total = (centred**2).sum()
    expected = {}
    for k in reading.strongest[: own["irrep"].nunique()]:
        part = (reading.on(reading.waves(k, reading.element)) @ torch.from_numpy(centred)).numpy()
        _, _, directions = np.linalg.svd(part, full_matrices=False)
        expected[(part**2).sum() / total] = np.abs(centred @ directions[:2].T)
    # Numbers by their labels and irreps by power: what is called k, and where it starts, depends on the generator.
    wrong = wrong.assign(number=wrong["label"].astype(int)).sort_values("number")
    found = {rows["power"].iloc[0]: np.abs(rows[["x", "y"]].to_numpy()) for _, rows in wrong.groupby("irrep")}
    for (power, points), (expected_power, expected_points) in zip(
        sorted(found.items()), sorted(expected.items()), strict=True
    ):
        assert power == pytest.approx(expected_power, abs=1e-9)
        assert points == pytest.approx(expected_points, abs=1e-8)


def test_all_tables_of_the_control_remove_the_same_irreps(reading: Reading) -> None:
    matched = select.where(restricted_loss(reading.run), basis="wrong", set="matched")
    assert set(matched["n_irreps"]) == set(select.where(ablation(reading.run), basis="wrong")["n_irreps"])
    context = RunContext(reading.run)
    assert [len(irreps) for irreps in context.matched.values()] == [matched["n_irreps"].iloc[0]]


def test_a_control_of_almost_all_irreps_says_that_too_few_are_left_to_stand_in(tmp_path: Path) -> None:
    run = planted(tmp_path, "add", 13, {"k=2": 1.0, "k=3": 1.0})
    context = RunContext(run)
    # 5 of the 6 irreps of the units mod 13.
    context.__dict__["hindsight"] = {frame: np.arange(1, 6) for frame in context.frames}
    wrong: pd.DataFrame = select.where(ablation.measure(Checkpoint(context, 0)), basis="wrong")
    assert set(wrong["n_irreps"]) == {5}
    assert wrong["control_loss"].isna().all()
    assert (wrong["note"] == "there are too few other irreps for a control").all()
