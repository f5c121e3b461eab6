"""Restricted and excluded loss and ablations, against a HookedTransformer whose activations are replaced by hooks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from grokscope.analysis.circuit.ablation import ablation
from grokscope.analysis.circuit.restricted import losses_after_shift, restricted_loss
from grokscope.analysis.circuit.spectra import spectra
from grokscope.config import RunConfig, override
from grokscope.groups import Irrep
from grokscope.model import initial_weights
from grokscope.runs import Run
from grokscope.tasks import build_task
from tests.planted import write_run

SETTINGS = {"modulus": 11, "d_model": 16, "n_heads": 2, "d_mlp": 24, "dtype": "float64"}
NETWORKS = {
    "normed mul, 2 layers": {"task.name": "mul", "n_layers": 2},
    "pre_ln add": {"task.name": "add", "n_layers": 1, "residual": "pre_ln", "output": "answers"},
    "no norm, relu, sub": {
        "task.name": "sub", "n_layers": 1, "normalization": "none", "activation": "relu", "residual": "pre_ln",
    },
    "S3": {"task.name": "permutation", "task.degree": 3, "n_layers": 2, "unembed_bias": True},
}  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda name: name.replace(" ", "-"))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = override(RunConfig(), {**SETTINGS, **NETWORKS[request.param]})
    weights = initial_weights(config.model, build_task(config.task), 0)
    operation = build_task(config.task).operations[0]
    rho = operation.group.irreps[1]
    # Enough of one irrep in the embedding that there is a key set.
    inside = operation.left >= 0
    entries = torch.from_numpy(rho.matrices[operation.left[inside]].reshape(int(inside.sum()), -1))
    weights["embed.W_E"][inside, : entries.shape[1]] += 20 * entries
    generator = torch.Generator().manual_seed(1)
    for name in ("unembed.b_U", "ln_final.w", "ln_final.b"):
        if name in weights and (name != "unembed.b_U" or config.model.unembed_bias):
            weights[name] += 0.5 * torch.randn(weights[name].shape, generator=generator, dtype=torch.float64)
    weights["unembed.W_U"] *= 5
    return write_run(tmp_path_factory.mktemp("random") / "run", config, {0: weights})


class Oracle:
    """The pairs of group elements of a run's task, and its HookedTransformer on them."""

    def __init__(self, run: Run) -> None:
        self.run, self.operation = run, run.task.operations[0]
        self.group = self.operation.group
        x, y = run.task.operand_positions
        left = self.operation.left[run.task.tokens[:, x].numpy()]
        right = self.operation.right[run.task.tokens[:, y].numpy()]
        self.examples = torch.from_numpy(np.flatnonzero((left >= 0) & (right >= 0)))
        self.left, self.right = left[self.examples], right[self.examples]
        self.product = self.group.table[self.left, self.right]
        self.labels = run.task.labels[self.examples]
        self.model = run.model(0)
        self.tokens = run.task.tokens[self.examples]
        train, _ = run.task.split(run.config.task.train_fraction, run.config.seed)
        is_train = torch.isin(self.examples, train)
        self.splits = {"train": is_train, "val": ~is_train, "all": torch.ones_like(is_train)}
        self.last = f"blocks.{run.config.model.n_layers - 1}"
        with torch.no_grad():
            self.logits, self.cache = self.model.run_with_cache(self.tokens)

    def loss(self, logits: Tensor) -> dict[str, float]:
        losses = F.cross_entropy(logits, self.labels, reduction="none")
        return {split: float(losses[mask].mean()) for split, mask in self.splits.items()}

    def of_product(self, values: Tensor, irrep: Irrep) -> Tensor:
        """Least squares on the matrix entries of rho(a * b): the projection on functions of a * b."""
        design = torch.from_numpy(irrep.matrices[self.product].reshape(len(self.product), -1))
        return design @ torch.linalg.pinv(design) @ values

    def of_operands(self, values: Tensor, irrep: Irrep) -> Tensor:
        """Least squares on the entries of rho(a), of rho(b), and of their products."""
        of_a = irrep.matrices[self.left].reshape(len(self.left), -1)
        of_b = irrep.matrices[self.right].reshape(len(self.right), -1)
        both = (of_a[:, :, None] * of_b[:, None, :]).reshape(len(self.left), -1)
        design = torch.from_numpy(np.concatenate([of_a, of_b, both], axis=1))
        return design @ torch.linalg.pinv(design) @ values

    def with_hooks(self, hooks: list[tuple[str, object]]) -> Tensor:
        with torch.no_grad():
            return self.model.run_with_hooks(self.tokens, fwd_hooks=hooks)[:, -1]


@pytest.fixture(scope="module")
def oracle(run: Run) -> Oracle:
    return Oracle(run)


@pytest.fixture(scope="module")
def table(run: Run) -> pd.DataFrame:
    found = restricted_loss(run)
    return found[(found["basis"] == "own") & (found["set"] == "one")]


def expect(table: pd.DataFrame, level: str, irrep: str, column: str, expected: dict[str, float]) -> None:
    rows = table[(table["level"] == level) & (table["irrep"] == irrep)]
    assert len(rows) == len(expected)
    for _, row in rows.iterrows():
        assert row[column] == pytest.approx(expected[row["split"]], abs=1e-8), (level, irrep, column)


def test_full_loss_is_the_networks_own(table: pd.DataFrame, oracle: Oracle) -> None:
    for level in ("logits", "neurons"):
        expect(table, level, oracle.group.irreps[1].name, "full_loss", oracle.loss(oracle.logits[:, -1]))


def test_excluding_at_the_neurons_is_replacing_their_activations(table: pd.DataFrame, oracle: Oracle) -> None:
    for irrep in oracle.group.irreps[1:3]:

        def without(value: Tensor, hook: object, irrep: Irrep = irrep) -> Tensor:
            value[:, -1] -= oracle.of_product(value[:, -1] - value[:, -1].mean(0), irrep)
            return value

        logits = oracle.with_hooks([(f"{oracle.last}.mlp.hook_post", without)])
        expect(table, "neurons", irrep.name, "excluded_loss", oracle.loss(logits))


def test_restricting_at_the_neurons_leaves_all_else_at_its_mean(table: pd.DataFrame, oracle: Oracle) -> None:
    for irrep in oracle.group.irreps[1:3]:

        def only(value: Tensor, hook: object, irrep: Irrep = irrep) -> Tensor:
            mean = value[:, -1].mean(0)
            value[:, -1] = mean + oracle.of_product(value[:, -1] - mean, irrep)
            return value

        # What skips the MLP is set at its mean where it joins: in the residual stream after it.
        mlp = {}

        def remember(value: Tensor, hook: object, mlp: dict[str, Tensor] = mlp) -> None:
            mlp["out"] = value[:, -1].clone()

        def join(value: Tensor, hook: object, mlp: dict[str, Tensor] = mlp) -> Tensor:
            value[:, -1] = oracle.cache[f"{oracle.last}.hook_resid_mid"][:, -1].mean(0) + mlp["out"]
            return value

        hooks = [
            (f"{oracle.last}.mlp.hook_post", only),
            (f"{oracle.last}.hook_mlp_out", remember),
            (f"{oracle.last}.hook_resid_post", join),
        ]
        expect(table, "neurons", irrep.name, "restricted_loss", oracle.loss(oracle.with_hooks(hooks)))


def test_restricting_and_excluding_at_the_logits_is_regression_on_the_character(
    table: pd.DataFrame, oracle: Oracle
) -> None:
    logits = oracle.logits[:, -1]
    elements = oracle.operation.answer[: logits.shape[1]]
    answers = torch.from_numpy(np.flatnonzero(elements >= 0))
    inverse = oracle.group.inverse[elements[answers]]
    for irrep in oracle.group.irreps[1:3]:
        character = torch.from_numpy(irrep.character[oracle.group.table[oracle.product[:, None], inverse]])
        coefficient = (logits[:, answers] * character).sum() / character.square().sum()
        part = torch.zeros_like(logits)
        part[:, answers] = coefficient * character
        expect(table, "logits", irrep.name, "restricted_loss", oracle.loss(logits.mean(0) + part))
        expect(table, "logits", irrep.name, "excluded_loss", oracle.loss(logits - part))


def test_ablation_is_replacing_activations_or_rows_of_the_embedding(run: Run, oracle: Oracle) -> None:
    table = ablation(run)
    if oracle.group.order < 8:
        assert not (table["set"] == "one").any()
        return
    rho = oracle.group.irreps[1]
    rows = table[(table["set"] == "one") & (table["irrep"] == rho.name)]

    def without(value: Tensor, hook: object) -> Tensor:
        value[:, -1] -= oracle.of_operands(value[:, -1] - value[:, -1].mean(0), rho)
        return value

    tokens = torch.from_numpy(np.argsort(oracle.operation.left)[-oracle.group.order :])
    embedding = run.weights(0)["embed.W_E"][tokens]
    basis = torch.tensor(rho.basis())

    def without_embedding(value: Tensor, hook: object) -> Tensor:
        changed = run.weights(0)["embed.W_E"]
        changed[tokens] = embedding - basis @ (basis.T @ embedding)
        return changed[oracle.tokens]

    logits = oracle.logits[:, -1]
    expected = {
        "neurons": oracle.with_hooks([(f"{oracle.last}.mlp.hook_post", without)]),
        "embedding": oracle.with_hooks([("hook_embed", without_embedding)]),
        "logits": logits - oracle.of_operands(logits - logits.mean(0), rho),
    }
    for _, row in rows.iterrows():
        assert row["loss"] == pytest.approx(oracle.loss(expected[row["site"]])[row["split"]], abs=1e-8)
        assert row["full_loss"] == pytest.approx(oracle.loss(logits)[row["split"]], abs=1e-8)
        assert row["control"] not in ("", rho.name)
    assert set(rows["site"]) == set(expected)


def test_spectra_of_activations_are_those_of_the_cache(run: Run, oracle: Oracle) -> None:
    table = spectra(run)
    table = table[table["basis"] == "own"]
    group = oracle.group
    hooks = {f"{oracle.last}.attn_out": "hook_attn_out", f"{oracle.last}.mlp.post": "mlp.hook_post"}
    for site, hook in hooks.items():
        values = oracle.cache[f"{oracle.last}.{hook}"][:, -1].numpy()
        centred = values - values.mean(0)
        for part, argument in (("left", oracle.left), ("right", oracle.right), ("product", oracle.product)):
            means = np.stack([values[argument == g].mean(0) for g in range(group.order)])
            energy = group.power(means) * ((means - means.mean(0)) ** 2).sum(0)
            rows = table[(table["site"] == site) & (table["part"] == part)]
            power = energy.sum(1) / energy.sum()
            assert rows["power"].to_numpy() == pytest.approx(power[1:], abs=1e-9)
            assert rows["of_variance"].iloc[0] == pytest.approx(energy.sum() * group.order / (centred**2).sum())
    values = oracle.cache[f"{oracle.last}.mlp.hook_post"][:, -1]
    whole = float((values - values.mean(0)).square().sum())
    rows = table[(table["site"] == f"{oracle.last}.mlp.post") & (table["part"] == "operands")].set_index("irrep")
    for irrep in group.irreps[1:]:
        explained = float(oracle.of_operands(values - values.mean(0), irrep).square().sum()) / whole
        assert rows.loc[irrep.name, "power"] == pytest.approx(explained, abs=1e-9)


def test_losses_after_a_shift_are_right_where_exponentials_underflow() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 1500 * torch.randn((2, 3, 7), generator=generator, dtype=torch.float64)
    taken = 1500 * torch.randn((4, 2, 7), generator=generator, dtype=torch.float64)
    labels = torch.tensor([[0, 3, 6], [1, 1, 2]])
    found = losses_after_shift(logits, taken, labels)
    expected = F.cross_entropy(
        (logits - taken[:, :, None]).flatten(0, 2), labels.expand(4, -1, -1).flatten(), reduction="none"
    )
    assert found.flatten().numpy() == pytest.approx(expected.numpy())
