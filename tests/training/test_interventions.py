"""What replaces the clip, against a plain loop: a `HookedTransformer`, autograd, and an optimizer of a library.

The loop knows nothing of the engine, of flat vectors and of norm controls. It has the start, the split and the batches
from the trainer, and computes in float64. Adam and Lion are those of torch and of lion-pytorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lion_pytorch
import pytest
import torch
from torch import Tensor

from grokscope.config import ConfigError, RunConfig, override
from grokscope.model import build_model, in_scope
from grokscope.runs import RunError, open_run
from grokscope.tasks import run_task
from grokscope.training import Trainer, branch, resume, train
from grokscope.training.loop import threads

Params = dict[str, Tensor]

STEPS, LR = 14, 3e-3
LIBRARY = {
    "adam": lambda groups: torch.optim.Adam(groups, betas=(0.9, 0.95), foreach=False),
    "lion": lambda groups: lion_pytorch.Lion(groups, betas=(0.9, 0.95)),
}
BASE = {
    "dtype": "float64", "betas": (0.9, 0.95), "lr": LR, "init_rows": "all", "init_norm": 0.8, "record_every": None,
}  # fmt: skip
# Fourteen steps in float64, whose sums are taken in another order.
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


@dataclass
class Loop:
    """The plain loop, and what an intervention changes of it."""

    function: Callable[[Params, Params], Params] = lambda params, start: params
    """The weights of the network, from the parameters that the optimizer moves and the weights at the start."""
    logits: Callable[[Tensor, int], Tensor] = lambda logits, step: logits
    after: Callable[[Params, Params, Params, int], None] = lambda params, before, start, step: None
    """What is done to the parameters after the update of a step, the first is 1."""
    groups: Callable[[dict[str, Tensor]], list[dict[str, Any]]] = lambda params: [{"params": list(params.values())}]
    history: list[Params] = field(default_factory=list)

    def run(self, config: RunConfig, steps: int = STEPS) -> Params:
        """The network's weights after so many steps."""
        trainer = Trainer(config, run_task(config))
        task, network = trainer.task, build_model(config.model, trainer.task)
        start = {n: w.detach().clone() for n, w in trainer.weights.items()}
        params = {n: torch.nn.Parameter(start[n].clone()) for n in trainer.parameters.names}
        fixed = {n: w for n, w in start.items() if n not in params}
        groups = self.groups(params)
        multiples = [group.pop("multiple", 1.0) for group in groups]
        optimizer = LIBRARY[config.optimizer.name](groups)
        for step in range(1, steps + 1):
            for group, multiple in zip(optimizer.param_groups, multiples, strict=True):
                group["lr"] = multiple * LR * min(1.0, step / config.optimizer.warmup_steps)
            examples = trainer.batches.next()
            weights = {**fixed, **self.function(params, start)}
            raw = torch.func.functional_call(network, weights, (task.tokens[examples],))[:, -1]
            loss = torch.nn.functional.cross_entropy(self.logits(raw, step), task.labels[examples])
            optimizer.zero_grad()
            loss.backward()
            for name, parameter in params.items():
                if name.endswith("b_K") and parameter.grad is not None:
                    parameter.grad.zero_()  # zero but for rounding, of which Lion makes steps
            before = {n: p.detach().clone() for n, p in params.items()}
            optimizer.step()
            with torch.no_grad():
                self.after(params, before, start, step)
                weights = {n: w.detach().clone() for n, w in self.function(params, start).items()}
            self.history.append(weights)
        return {n: w.detach() for n, w in self.function(params, start).items()}


def _trained(config: RunConfig, steps: int = STEPS) -> Trainer:
    trainer = Trainer(config, run_task(config))
    for _ in range(steps):
        trainer.update()
    return trainer


def _agree(config: RunConfig, loop: Loop) -> None:
    ours, theirs = _trained(config).weights, loop.run(config)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name].detach(), value, **CLOSE, msg=lambda text, n=name: f"{n}: {text}")


def _norm(value: Tensor) -> float:
    return math.sqrt(float((value.detach() ** 2).sum()))


def _held(weights: Params, start: Params) -> list[str]:
    """Everything in the decoder that is not zero at the start, as attention's and LayerNorm's biases are.

    b_Q, b_K and b_V are zero together.
    """
    return [name for name in in_scope(weights, ("decoder",)) if _norm(start[name]) > 0]


def _rows(value: Tensor, dims: tuple[int, ...]) -> Tensor:
    return (value**2).sum(dims, keepdim=True).sqrt()


@pytest.fixture(params=list(LIBRARY))
def made(request, config):
    """The tiny config in float64, with either optimizer."""
    return lambda **changes: config(**{**BASE, "optimizer.name": request.param, **changes})


@pytest.mark.parametrize("forward", ["compiled", "engine", "hooked"])
def test_without_an_intervention_the_plain_loop_is_the_trainer(made, forward):
    _agree(made(forward=forward), Loop())


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.0])
def test_on_the_sphere_every_tensor_keeps_its_norm(made, radius):
    def after(params, before, start, step):
        for name in _held(params, base):
            params[name].mul_(radius * _norm(base[name]) / _norm(params[name]))

    settings = made(sphere="tensors", sphere_radius=radius)
    # The start itself is at the radius; norms are relative to the projection alone.
    base = {n: w.detach().clone() for n, w in _trained(made(), 0).weights.items()}
    _agree(settings, Loop(after=after))
    weights = _trained(settings).weights
    held = _held(weights, base)
    assert {"blocks.0.mlp.W_in", "blocks.0.ln1.w", "blocks.0.mlp.b_in", "pos_embed.W_pos"} <= set(held)
    for name in held:
        assert _norm(weights[name]) == pytest.approx(radius * _norm(base[name]), rel=1e-12)
    for name in ("embed.W_E", "unembed.W_U", "blocks.0.ln1.b", "blocks.0.attn.b_O"):
        assert abs(_norm(weights[name]) - _norm(base[name])) > 1e-6


def test_rows_on_the_sphere_keep_the_norm_of_the_projection(made):
    matrices = {"attn.W_Q": (1,), "attn.W_K": (1,), "attn.W_V": (1,), "attn.W_O": (0, 1), "mlp.W_in": (0,)}

    def after(params, before, start, step):
        for leaf, dims in matrices.items():
            value = params[f"blocks.0.{leaf}"]
            value.mul_(0.8 / _rows(value, dims))

    settings = made(sphere="rows", sphere_scope=("attention", "blocks.*.mlp.W_in"))
    _agree(settings, Loop(after=after))


@pytest.mark.parametrize("unit", ["tensors", "rows"])
def test_on_the_sphere_what_starts_at_zero_is_held_there_if_asked(made, unit):
    dims = {"blocks.0.mlp.W_in": (0,), "blocks.0.attn.W_O": (0, 1), "blocks.0.ln2.w": (0,)}
    zeros = [f"blocks.0.{name}" for name in ("attn.b_Q", "attn.b_K", "attn.b_V", "attn.b_O", "ln1.b", "ln2.b")]

    def after(params, before, start, step):
        for name, dim in dims.items():
            over = dim if unit == "rows" else tuple(range(params[name].ndim))
            params[name].mul_(_rows(start[name], over) / _rows(params[name], over))
        for name in zeros:
            params[name].zero_()

    settings = made(sphere=unit, sphere_scope=(*dims, *zeros), sphere_zeros="held")
    _agree(settings, Loop(after=after))
    assert all(_norm(_trained(made()).weights[name]) > 0 for name in zeros if not name.endswith("b_K"))


@pytest.mark.parametrize("unit", ["tensors", "rows"])
def test_the_growing_sphere_is_weight_normalisation_by_autograd(made, unit):
    """w = v n / ||v||, differentiated by autograd; the optimizer moves v."""
    names = ("blocks.0.mlp.W_in", "blocks.0.attn.W_O", "blocks.0.ln2.w")
    dims = {"blocks.0.mlp.W_in": (0,), "blocks.0.attn.W_O": (0, 1), "blocks.0.ln2.w": (0,)}

    def function(params, start):
        over = {n: dims[n] if unit == "rows" else tuple(range(params[n].ndim)) for n in names}
        return {**params, **{n: params[n] * _rows(start[n], over[n]) / _rows(params[n], over[n]) for n in names}}

    _agree(made(growing_sphere=unit, growing_sphere_scope=names), Loop(function=function))


def test_on_the_growing_sphere_what_starts_at_zero_is_held_there_if_asked(made):
    zeros = ("blocks.0.attn.b_Q", "blocks.0.attn.b_K", "blocks.0.attn.b_V", "blocks.0.ln1.b", "ln_final.b")

    def function(params, start):
        over = {n: params[n] * _norm(start[n]) / (params[n] ** 2).sum().sqrt() for n in ("blocks.0.mlp.W_in",)}
        return {**params, **over}

    def after(params, before, start, step):
        for name in zeros:
            params[name].zero_()

    scope = ("blocks.0.mlp.W_in", *zeros)
    settings = made(growing_sphere="tensors", growing_sphere_scope=scope, growing_sphere_zeros="held")
    _agree(settings, Loop(function=function, after=after))


def test_a_network_on_the_growing_sphere_keeps_its_norms_and_remembers_how_v_grew(made):
    trainer = _trained(made(growing_sphere="tensors"))
    start = _trained(made(), 0).weights
    for name in _held(trainer.weights, start):
        assert _norm(trainer.weights[name]) == pytest.approx(_norm(start[name]), rel=1e-12)
    grown = {name: float(value) for name, value in trainer.norms.tensors().items()}
    # The gradient of v is orthogonal to v, so that its norm grows with steps of Adam's and Lion's kind.
    assert grown["growing sphere.blocks.0.mlp.W_in"] > 1.0001


def test_a_held_relative_step_scales_updates_by_the_norm_of_what_they_change(made):
    def after(params, before, start, step):
        for name in (*_held(params, start), "embed.W_E"):
            scale = _norm(before[name]) / _norm(start[name])
            params[name].copy_(before[name] + (params[name] - before[name]) * scale)

    _agree(made(relative_step="start", relative_step_scope=("decoder", "embed")), Loop(after=after))


@pytest.mark.parametrize("unit", ["tensors", "rows"])
def test_on_the_growing_sphere_a_relative_step_and_rates_are_those_of_the_parameter_that_grows(made, unit):
    names = ("blocks.0.mlp.W_in", "blocks.0.attn.W_O", "blocks.0.ln2.w")
    dims = {"blocks.0.mlp.W_in": (0,), "blocks.0.attn.W_O": (0, 1), "blocks.0.ln2.w": (0,)}
    rates = {"mlp": 2.0, "ln": 0.5}

    def function(params, start):
        over = {n: dims[n] if unit == "rows" else tuple(range(params[n].ndim)) for n in names}
        return {**params, **{n: params[n] * _rows(start[n], over[n]) / _rows(params[n], over[n]) for n in names}}

    def after(params, before, start, step):
        for name, parameter in params.items():
            rate = next((rates[group] for group in rates if name in in_scope(params, (group,))), 1.0)
            held = name in names and _norm(before[name]) / _norm(start[name])
            update = rate * (parameter - before[name])
            parameter.copy_(before[name] + update * (held or 1.0))

    settings = {"growing_sphere": unit, "growing_sphere_scope": names, "group_rate": tuple(rates.items())}
    settings |= {"relative_step": "start", "relative_step_scope": names}
    _agree(made(**settings), Loop(function=function, after=after))
    grown = _trained(made(**settings)).norms.tensors()
    assert max(float(scale.max()) for scale in grown.values()) > 1.0001  # so that it makes a difference


def _trace(made, tmp_path, steps=STEPS, **changes):
    """The trace of a clipped run of another seed."""
    name = f"traced-{changes.get('seed', 7)}"
    settings = {"seed": 7, "arm": "traced", "trace": True, "max_norm": 0.8, "training.steps": steps, **changes}
    return train(made(**settings), tmp_path / name, progress=False).trace


def test_a_trace_has_the_norms_and_the_spread_of_every_step(made, tmp_path):
    def after(params, before, start, step):
        updated.append({n: _norm(p) for n, p in params.items()})
        for name, dims in {"blocks.0.mlp.W_in": (0,), "blocks.0.ln1.w": (0,)}.items():
            params[name].mul_(torch.clamp(0.8 / _rows(params[name], dims), max=1.0))

    def logits(raw, step):
        spread.append(float((raw - raw.mean(1, keepdim=True)).detach().square().mean().sqrt()))
        return raw

    updated: list[dict[str, float]] = []
    spread: list[float] = []
    settings = {"scope": ("blocks.*.mlp.W_in", "blocks.0.ln1.w")}
    trace = _trace(made, tmp_path, **settings)
    loop = Loop(after=after, logits=logits)
    loop.run(made(seed=7, max_norm=0.8, **settings))
    assert len(trace) == STEPS
    assert trace.logit_std == pytest.approx(spread, rel=1e-9)
    for column, name in enumerate(trace.names):
        assert trace.updated[:, column] == pytest.approx([norms[name] for norms in updated], rel=1e-9, abs=1e-12)
        assert trace.after[:, column] == pytest.approx([_norm(w[name]) for w in loop.history], rel=1e-9, abs=1e-12)
    clipped = trace.shrink[:, trace.column("blocks.0.mlp.W_in")]
    assert (clipped < 1).all()
    assert (trace.shrink[:, trace.column("embed.W_E")] == 1).all()
    names = ("blocks.0.mlp.W_in", "blocks.0.ln1.w")
    first = [
        math.hypot(*(norms[n] for n in names)) for norms in (updated[0], {n: _norm(loop.history[0][n]) for n in names})
    ]
    assert trace.shrink_of_all[0] == pytest.approx(first[1] / first[0], rel=1e-9)


@pytest.mark.parametrize("form", ["tensor", "all", "tensor_mean", "all_mean"])
def test_a_replay_shrinks_by_the_factors_of_another_run(made, tmp_path, form):
    trace = _trace(made, tmp_path)
    reference = trace.save(tmp_path / "traces" / "seed7.safetensors")

    def after(params, before, start, step):
        for name in in_scope(params, ("decoder",)):
            of_tensor = trace.shrink[:, trace.names.index(name)]
            # Geometric means: all steps together shrink as much.
            factor = {
                "tensor": of_tensor[step - 1],
                "tensor_mean": math.prod(of_tensor) ** (1 / STEPS),
                "all": trace.shrink_of_all[step - 1],
                "all_mean": math.prod(trace.shrink_of_all) ** (1 / STEPS),
            }[form]
            params[name].mul_(float(factor))

    settings = made(replay=reference, replay_form=form, **{"training.steps": STEPS})
    _agree(settings, Loop(after=after))


def test_a_relative_step_may_follow_the_norms_of_another_run(made, tmp_path):
    trace = _trace(made, tmp_path)

    def after(params, before, start, step):
        for name in _held(params, start):
            norm = trace.before[step - 1, trace.names.index(name)]
            params[name].copy_(before[name] + (params[name] - before[name]) * _norm(before[name]) / norm)

    reference = trace.save(tmp_path / "trace")
    settings = {"relative_step": "trace", "relative_step_trace": reference, "training.steps": STEPS}
    _agree(made(**settings), Loop(after=after))


@pytest.mark.parametrize("loss", ["cross_entropy", "stablemax"])
@pytest.mark.parametrize("forward", ["compiled", "engine"])
def test_logits_may_follow_the_spread_of_another_run(made, tmp_path, forward, loss):
    trace = _trace(made, tmp_path)
    reference = trace.save(tmp_path / "trace")

    def logits(raw, step):
        spread = (raw - raw.mean(1, keepdim=True)).square().mean().sqrt().detach()
        scaled = raw * trace.logit_std[step - 1] / spread
        if loss == "stablemax":  # whose probabilities are s(z) / sum s(z): the softmax of its logarithm
            s = torch.where(scaled >= 0, scaled + 1, 1 / (1 - scaled.clamp(max=0)))
            return s.log()
        return scaled

    settings = {"follow": reference, "forward": forward, "loss.name": loss, "training.steps": STEPS}
    _agree(made(**settings), Loop(logits=logits))
    # What is reported is the loss of the network as it is.
    ours, plain = (_trained(made(**each), 0).evaluate() for each in (settings, {"forward": forward, "loss.name": loss}))
    assert ours == plain


def test_they_combine(made, tmp_path):
    """The clip with the relative step and the spread of an unclipped run: one cell of the two by two by two."""
    trace = _trace(made, tmp_path, max_norm=None)
    reference = trace.save(tmp_path / "trace")

    def after(params, before, start, step):
        for name in _held(params, start):
            norm = trace.before[step - 1, trace.names.index(name)]
            params[name].copy_(before[name] + (params[name] - before[name]) * _norm(before[name]) / norm)
        value = params["blocks.0.mlp.W_in"]
        value.mul_(torch.clamp(0.8 / _rows(value, (0,)), max=1.0))

    def logits(raw, step):
        spread = (raw - raw.mean(1, keepdim=True)).square().mean().sqrt().detach()
        return raw * trace.logit_std[step - 1] / spread

    settings = {"max_norm": 0.8, "scope": ("blocks.*.mlp.W_in",), "follow": reference, "training.steps": STEPS}
    settings |= {"relative_step": "trace", "relative_step_trace": reference}
    _agree(made(**settings), Loop(after=after, logits=logits))


def test_groups_have_learning_rates_and_decays_of_their_own(made):
    def groups(params):
        embed, mlp = in_scope(params, ("embed",)), in_scope(params, ("mlp",))
        rest = [p for n, p in params.items() if n not in (*embed, *mlp)]
        return [
            {"params": [params[n] for n in embed], "multiple": 0.25, "weight_decay": 0.0},
            {"params": [params[n] for n in mlp], "multiple": 2.0, "weight_decay": 3.0},
            {"params": rest, "weight_decay": 0.0},
        ]

    # torch.optim.Adam with weight decay is l2, AdamW decoupled: its own class stands for it here.
    settings = {
        "group_rate": (("embed", 0.25), ("mlp", 2.0)),
        "group_decay": (("mlp", 3.0),),
        "decay_form": "decoupled",
    }
    config = made(**settings)
    if config.optimizer.name == "adam":
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(LIBRARY, "adam", lambda g: torch.optim.AdamW(g, betas=(0.9, 0.95), foreach=False))
            _agree(config, Loop(groups=groups))
    else:
        _agree(config, Loop(groups=groups))
    record = _trained(config, 20).recorded_update()
    assert record.shrinkage == {n: pytest.approx(2.0 * LR * 3.0) for n in in_scope(record.before, ("mlp",))}


def test_one_shrink_happens_once(made):
    def after(params, before, start, step):
        if step == 5:
            for name in in_scope(params, ("mlp",)):
                params[name].mul_(0.3)

    settings = {"shrink_step": 5, "shrink_factor": 0.3, "shrink_scope": ("mlp",)}
    _agree(made(**settings), Loop(after=after))


INTERVENTIONS = {
    "sphere": {"sphere": "rows", "sphere_radius": 1.5, "sphere_zeros": "held"},
    "growing sphere": {"growing_sphere": "tensors"},
    "growing sphere of rows": {"growing_sphere": "rows", "max_norm": 0.9},
    "relative step": {"relative_step": "start"},
    "replay": {"replay": "TRACE"},
    "follow": {"follow": "TRACE", "relative_step": "trace", "relative_step_trace": "TRACE"},
    "rates": {"group_rate": (("embed", 0.5),), "group_decay": (("mlp", 1.0),), "decay_form": "decoupled"},
    "trace": {"trace": True, "max_norm": 0.7},
    "label noise": {"label_noise": 0.5},
}


def _with_trace(settings, reference):
    return {name: reference if value == "TRACE" else value for name, value in settings.items()}


@pytest.mark.parametrize("name", INTERVENTIONS)
def test_a_resumed_run_is_the_uninterrupted_one(made, tmp_path, monkeypatch, name):
    import grokscope.training.loop as loop

    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", -1.0)
    reference = _trace(made, tmp_path, 20).save(tmp_path / "trace")
    settings = made(**_with_trace(INTERVENTIONS[name], reference))
    whole = train(settings, tmp_path / "whole", progress=False)
    taken = Trainer._step

    def until(self, *, record):
        if self.step == 11:
            raise KeyboardInterrupt
        return taken(self, record=record)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", until)
        with pytest.raises(KeyboardInterrupt):
            train(settings, tmp_path / "cut", progress=False)
    resumed = resume(tmp_path / "cut", progress=False)
    assert resumed.digests == whole.digests
    if name == "trace":
        assert (resumed.trace.after == whole.trace.after).all()


def test_a_branch_goes_on_with_the_memory_of_its_parent(made, tmp_path):
    parent = train(made(growing_sphere="tensors"), tmp_path / "parent", progress=False)
    child = branch(parent, 8, tmp_path / "child", progress=False, **{"training.steps": 20})
    assert child.digests[20] == parent.digests[20]
    with pytest.raises(ConfigError, match=r"cannot change norms\.growing_sphere"):
        branch(parent, 8, tmp_path / "other", progress=False, growing_sphere="none")


def test_recording_a_trace_changes_no_bit_of_training(made, tmp_path):
    plain, traced = (train(made(trace=on), tmp_path / f"{on}", progress=False) for on in (False, True))
    assert plain.digests == traced.digests
    with pytest.raises(RunError, match=r"has no trace.*probes\.trace = true"):
        _ = open_run(plain.path).trace


@pytest.mark.parametrize(
    "setting", ["norms.replay", "norms.relative_step_trace", "loss.follow"], ids=["replay", "relative", "follow"]
)
def test_a_trace_that_is_not_there_or_has_changed_is_refused_before_anything_is_written(made, tmp_path, setting):
    more = {"norms.relative_step": "trace"} if "relative" in setting else {}
    reference = _trace(made, tmp_path, 20).save(tmp_path / "trace")
    path, digest = reference.split("@")

    def refused(reference: str, steps: int, match: str) -> None:
        with pytest.raises(ConfigError, match=match):
            train(made(**{setting: reference, "training.steps": steps, **more}), tmp_path / "run", progress=False)
        assert not (tmp_path / "run").exists()

    refused(f"{path}-other@{digest}", 20, "cannot read")
    refused(f"{path}@{'0' * 64}", 20, rf"{setting}.* has changed or is another trace")
    refused(reference, 21, r"training\.steps = 21 is not accepted.* has 20 steps")
    data = (tmp_path / "trace").read_bytes()
    (tmp_path / "trace").write_bytes(data[:-8])
    refused(reference, 20, "has changed")
    from grokscope.disk.files import digest as sha256

    refused(f"{path}@{sha256(data[:-8])}", 20, "is no trace")


def test_a_trace_of_another_network_is_refused(made, tmp_path):
    reference = _trace(made, tmp_path, 20).save(tmp_path / "trace")
    with pytest.raises(ConfigError, match=r"the trace has no parameter 'blocks\.1"):
        _trained(made(replay=reference, n_layers=2), 0)


def test_a_run_that_follows_is_opened_without_the_trace(made, tmp_path):
    """Reading a run reads nothing that it names; going on with it does."""
    reference = _trace(made, tmp_path, 20).save(tmp_path / "trace")
    run = train(made(replay=reference, follow=reference), tmp_path / "run", progress=False)
    (tmp_path / "trace").unlink()
    again = open_run(run.path)
    assert again.weights(20).keys() == run.weights(20).keys()
    assert again.status == "finished"


def test_a_pattern_that_no_parameter_has_is_refused(made):
    with pytest.raises(
        ConfigError, match=r"'blocks\.\*\.mlp\.W_on', which no parameter is; nearest: blocks\.0\.mlp\.W_"
    ):
        _trained(made(sphere="tensors", sphere_scope=("blocks.*.mlp.W_on",)), 0)


def test_threads_are_set_back(config):
    with threads(2):
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("scope", [("embed", "pos_embed"), ("ln", "ln_final"), ("blocks.*.mlp.W_in",)])
def test_the_projection_may_be_of_chosen_parameters(config, scope):
    made = override(config(dtype="float64"), {"init_rows": "chosen", "init_scope": scope, "init_norm": 0.3})
    plain = _trained(config(dtype="float64"), 0).weights
    weights = _trained(made, 0).weights
    chosen = in_scope(weights, scope)
    assert chosen
    for name, value in weights.items():
        if name in chosen:
            dims = {"W_in": (0,), "w": (0,)}.get(name.rpartition(".")[2], (1,))
            norms = _rows(value.detach(), dims)
            torch.testing.assert_close(norms, torch.full_like(norms, 0.3), rtol=1e-12, atol=0)
        else:
            assert torch.equal(value, plain[name])
