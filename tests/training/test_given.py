"""An optimizer, a gradient transform and a norm control that are given as callables."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import grokscope as gs
import grokscope.training.loop as loop
from grokscope.config import ConfigError, override
from grokscope.config.callables import described
from grokscope.model import initial_weights, trained_names
from grokscope.tasks import build_task
from grokscope.training import BatchStream, Trainer, branch, resume, train
from grokscope.training.given import Given
from tests.model.reference import from_decoder, to_decoder
from tests.training.test_resume import _interrupt_after, _same_runs

DOUBLE = {"dtype": "float64", "unembed_bias": True}


@pytest.fixture(autouse=True)
def _state_with_every_checkpoint(monkeypatch):
    """As if every checkpoint were five seconds after the last."""
    monkeypatch.setattr(loop, "STATE_EVERY_SECONDS", -1.0)


def two_groups(named):
    """Embeddings at five times the learning rate of everything else."""
    embeddings = [tensor for name, tensor in named if name.startswith("embed")]
    others = [tensor for name, tensor in named if not name.startswith("embed")]
    return torch.optim.SGD([{"params": embeddings, "lr": 0.5}, {"params": others}], lr=0.1, momentum=0.9, nesterov=True)


def named_adamw(named):
    """Decoupled weight decay for matrices alone, as in many a training script."""
    named = dict(named)
    return torch.optim.AdamW(
        [
            {"params": [tensor for tensor in named.values() if tensor.ndim > 1], "weight_decay": 0.3},
            {"params": [tensor for tensor in named.values() if tensor.ndim == 1], "weight_decay": 0.0},
        ],
        lr=1e-2,
    )


def halved(gradients, step):
    """g / 2, in place."""
    for gradient in gradients.values():
        gradient.div_(2)


def clamped(weights, step):
    """Entries of the unembedding between -0.25 and 0.25, by the name that is returned."""
    return {"unembed.W_U": weights["unembed.W_U"].clamp(-0.25, 0.25)}


FACTORIES = {
    "a class": torch.optim.RMSprop,
    "a partial": partial(torch.optim.NAdam, lr=3e-3, betas=(0.8, 0.95)),
    "two groups": two_groups,
    "weights decay": partial(torch.optim.Adam, lr=3e-3, weight_decay=0.1, amsgrad=True),
}


def plain_loop(config, make, steps, schedule=None):
    """Weights after a loop of torch's own layers, loss and optimizer, as someone without grokscope writes it."""
    task = build_task(config.task)
    decoder = to_decoder(config.model, task, initial_weights(config.model, task, config.seed))
    optimizer = make(list(decoder.named_parameters()))
    scheduler = None if schedule is None else schedule(optimizer)
    train, _ = task.split(config.task.train_fraction, config.seed)
    batches = BatchStream(train, config.training.batch_size, config.seed)
    for _ in range(steps):
        examples = batches.next()
        optimizer.zero_grad()
        F.cross_entropy(decoder(task.tokens[examples])[:, -1], task.labels[examples]).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return from_decoder(config.model, decoder)


def compare(run_weights, plain):
    """Entries agree to what twenty steps make of roundings in float64."""
    for name, value in plain.items():
        if not name.endswith("b_K"):  # its gradient is zero, of which the loop has the rounding
            torch.testing.assert_close(
                run_weights[name], value, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
            )


@pytest.mark.parametrize(("name", "forward"), [*((name, "compiled") for name in FACTORIES), ("two groups", "engine")])
def test_an_optimizer_that_is_given_trains_as_it_does_in_a_plain_loop(config, tmp_path, name, forward):
    settings = config(forward=forward, **DOUBLE)
    run = train(settings, tmp_path / "run", optimizer=FACTORIES[name], progress=False)
    compare(run.weights(20), plain_loop(settings, FACTORIES[name], 20))


def test_a_schedule_of_ours_multiplies_the_rates_that_the_callable_set(config, tmp_path):
    """Warm-up and cosine by torch.optim.lr_scheduler, on two groups of different rates."""

    def schedule(optimizer):
        schedulers = torch.optim.lr_scheduler
        rise = schedulers.LinearLR(optimizer, start_factor=1 / 4, end_factor=1.0, total_iters=3)
        fall = schedulers.CosineAnnealingLR(optimizer, T_max=20 - 4 + 1)
        return schedulers.SequentialLR(optimizer, [rise, fall], milestones=[3])

    settings = config(**DOUBLE)
    run = train(
        settings, tmp_path / "run", optimizer=two_groups, warmup_steps=4, progress=False,
        **{"optimizer.schedule": "cosine"},
    )  # fmt: skip
    compare(run.weights(20), plain_loop(settings, two_groups, 20, schedule))


@pytest.mark.parametrize("forward", ["compiled", "engine"])
def test_a_rule_of_ours_follows_a_schedule_on_both_engines(config, tmp_path, forward):
    """Gradient descent, and steps by torch.optim.lr_scheduler after a linear rise."""

    def schedule(optimizer):
        schedulers = torch.optim.lr_scheduler
        rise = schedulers.LinearLR(optimizer, start_factor=1 / 4, end_factor=1.0, total_iters=3)
        fall = schedulers.StepLR(optimizer, step_size=5, gamma=0.5)
        return schedulers.SequentialLR(optimizer, [rise, fall], milestones=[3])

    settings = config(
        forward=forward, **DOUBLE, lr=0.3, warmup_steps=4, step_every=5, step_factor=0.5,
        **{"optimizer.name": "sgd", "optimizer.schedule": "step"},
    )  # fmt: skip
    run = train(settings, tmp_path / "run", progress=False)
    compare(run.weights(20), plain_loop(settings, partial(torch.optim.SGD, lr=0.3), 20, schedule))


def test_our_weight_decay_has_the_rate_of_each_group(config, tmp_path):
    """AdamW without a decay of its own, and ours in proportion to its rate, against AdamW with one."""
    settings = config(**DOUBLE)
    ours = partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.0)
    run = train(settings, tmp_path / "run", optimizer=ours, weight_decay=0.3, decay_form="decoupled", progress=False)
    compare(run.weights(20), plain_loop(settings, partial(torch.optim.AdamW, lr=1e-2, weight_decay=0.3), 20))
    trainer = Trainer(run.config, run.task, Given(optimizer=ours))
    shrinkage = trainer.recorded_update().shrinkage  # what the probes call decay
    assert set(shrinkage) == set(trainer.parameters.names)
    assert set(shrinkage.values()) == {1e-2 * 0.3}


def test_a_preset_s_own_rate_warm_up_and_decay_do_not_reach_the_optimizer(config, tmp_path):
    settings = config(**DOUBLE)
    busy = override(settings, {"lr": 0.7, "weight_decay": 3.0, "warmup_steps": 9, "group_rate": (("mlp", 4.0),)})
    plain = train(settings, tmp_path / "plain", optimizer=two_groups, progress=False)
    given = train(busy, tmp_path / "busy", optimizer=two_groups, progress=False)
    assert plain.config.optimizer == given.config.optimizer
    assert plain.digests == given.digests


def test_a_transform_and_a_norm_control_are_called_each_step_and_change_what_they_say(config, tmp_path):
    settings = config(**DOUBLE, **{"optimizer.name": "sgd", "lr": 0.1, "warmup_steps": 0})
    half = train(settings, tmp_path / "half", transform=halved, progress=False)
    slow = train(override(settings, {"lr": 0.05}), tmp_path / "slow", progress=False)  # the same by the learning rate
    for name, value in slow.weights(20).items():
        if value.is_floating_point() and "IGNORE" not in name:
            torch.testing.assert_close(half.weights(20)[name], value, rtol=1e-12, atol=1e-14)
    seen = []

    def watched(weights, step):
        seen.append((step, sorted(weights)))
        return clamped(weights, step)

    run = train(settings, tmp_path / "clamped", norm_control=watched, progress=False)
    assert [step for step, _ in seen] == list(range(21))
    assert all(names == sorted(trained_names(run.weights(0), settings.model)) for _, names in seen)
    assert all(float(run.weights(step)["unembed.W_U"].abs().max()) <= 0.25 for step in run.steps)
    assert float(slow.weights(0)["unembed.W_U"].abs().max()) > 0.25


def in_place(tensors, step):
    tensors["unembed.W_U"].mul_(0.9)


def returned(tensors, step):
    return {"unembed.W_U": tensors["unembed.W_U"] * 0.9}


def put_back(tensors, step):
    tensors["unembed.W_U"] = tensors["unembed.W_U"] * 0.9


@pytest.mark.parametrize("argument", ["transform", "norm_control"])
def test_in_place_returned_and_put_into_the_dictionary_are_one(config, tmp_path, argument):
    settings = config(**{"optimizer.name": "sgd", "lr": 0.1})  # Lion does not see how large a gradient is
    runs = [
        train(settings, tmp_path / one.__name__, progress=False, **{argument: one})
        for one in (in_place, returned, put_back)
    ]
    assert len({json.dumps(run.digests) for run in runs}) == 1
    assert runs[0].digests != train(settings, tmp_path / "none", progress=False).digests


class Average:
    """A transform that remembers: an average of gradients, and how many there were."""

    def __init__(self):
        self.averages, self.count = {}, 0

    def __call__(self, gradients, step):
        self.count += 1
        assert self.count == step
        for name, gradient in gradients.items():
            self.averages[name] = self.averages.get(name, torch.zeros_like(gradient)).lerp(gradient, 0.3)
            gradient.copy_(self.averages[name])

    def state_dict(self):
        return {"averages": self.averages, "count": self.count}

    def load_state_dict(self, state):
        self.averages, self.count = state["averages"], state["count"]


class Drift(torch.optim.Optimizer):
    """An optimizer whose memory is in a group, in Python numbers, and in a dtype that its parameters do not have."""

    def __init__(self, named):
        super().__init__([tensor for _, tensor in named], {"lr": 0.01, "sum": 0.0, "betas": (0.9, 0.99)})

    def step(self, closure=None):
        for group in self.param_groups:
            group["sum"] = group["sum"] * group["betas"][0] + group["lr"]
            for p in group["params"]:
                state = self.state[p]
                state["count"] = state.get("count", 0) + 1
                state["exact"] = state.get("exact", torch.zeros_like(p, dtype=torch.float64)) * 0.9 + p.grad.double()
                p.data = p.data - group["sum"] * (state["exact"] / state["count"]).to(p.dtype)  # not in place


RESUMED = {
    "two groups": {"optimizer": two_groups, "optimizer.schedule": "linear", "warmup_steps": 3},
    "named adamw": {"optimizer": named_adamw},
    "drift": {"optimizer": Drift},
    "a rate in a tensor": {
        "optimizer": partial(torch.optim.SGD, lr=torch.tensor(0.1), momentum=0.9),
        "warmup_steps": 8,
    },
    "transform": {"transform": Average},
    "all": {"optimizer": torch.optim.RAdam, "transform": halved, "norm_control": clamped, "max_norm": 0.8},
}
ARGUMENTS = ("optimizer", "transform", "norm_control")


def callables(name):
    """The callables of a case, of which one that remembers is new for each run."""
    chosen = {key: RESUMED[name][key] for key in ARGUMENTS if key in RESUMED[name]}
    return {key: value() if value is Average else value for key, value in chosen.items()}


@pytest.mark.parametrize("name", RESUMED)
def test_a_run_with_callables_is_resumed_bit_for_bit_when_they_are_given_again(config, tmp_path, monkeypatch, name):
    settings = {key: value for key, value in RESUMED[name].items() if key not in ARGUMENTS}
    whole = train(config(), tmp_path / "whole", progress=False, **callables(name), **settings)
    path = tmp_path / "cut"
    begin = partial(train, config(), path, **settings)
    for step, go_on in ((3, begin), (11, partial(resume, path))):
        with monkeypatch.context() as patch:
            _interrupt_after(step, KeyboardInterrupt, patch)
            with pytest.raises(KeyboardInterrupt):
                go_on(progress=False, **callables(name))
    _same_runs(whole, resume(path, progress=False, **callables(name)))
    # The state is read as tensors and JSON alone.
    assert {file.suffix for file in path.iterdir() if file.name.startswith("state")} == {".safetensors", ".json"}


def test_a_run_with_callables_is_opened_and_analysed_without_them(config, tmp_path):
    run = train(
        config(**{"task.name": "add"}), tmp_path / "run", optimizer=named_adamw, transform=halved,
        norm_control=clamped, progress=False,
    )  # fmt: skip
    config_file = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    again = gs.open_run(tmp_path / "run")
    assert again.config == run.config
    assert config_file["optimizer"]["factory"] == f"{__name__}.named_adamw"
    groups = [json.loads(group) for group in config_file["optimizer"]["made"]]
    assert [(group["class"], group["lr"], group["weight_decay"]) for group in groups] == [
        ("torch.optim.adamw.AdamW", 0.01, 0.3), ("torch.optim.adamw.AdamW", 0.01, 0.0),
    ]  # fmt: skip
    assert "embed.W_E" in groups[0]["parameters"]
    assert config_file["gradient"] == {"name": "custom", "function": f"{__name__}.halved"}
    assert config_file["norms"] == {"control": f"{__name__}.clamped"}
    assert len(gs.run_all(again, only=["norm_trajectories"])["norm_trajectories"])
    assert gs.list_runs(tmp_path)[0]["status"] == "finished"
    assert not any(finding.is_bad for finding in gs.verify_run(again.path))
    assert resume(tmp_path / "run", progress=False).digests == run.digests  # it has ended: nothing is trained


@pytest.fixture
def cut(config, tmp_path, monkeypatch):
    """A run with an optimizer, interrupted after five steps."""
    with monkeypatch.context() as patch:
        _interrupt_after(5, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "cut", optimizer=partial(torch.optim.SGD, lr=0.1), progress=False)
    return tmp_path / "cut"


def test_without_the_same_callable_a_resume_is_refused_and_nothing_is_lost(cut):
    before = {file: file.read_bytes() for file in cut.rglob("*") if file.is_file()}
    name = r"torch\.optim\.sgd\.SGD\(lr=0\.1\)"
    for given, message in (
        ({}, rf"the run .*cut has the optimizer {name}, a callable whose code a run does not hold, and none is given"),
        ({"optimizer": partial(torch.optim.SGD, lr=0.2)}, rf"has the optimizer {name}.*SGD\(lr=0\.2\) is given"),
        ({"optimizer": two_groups}, rf"has the optimizer {name}.*two_groups is given: give the same one, as optimizer"),
        ({"optimizer": partial(torch.optim.SGD, lr=0.1), "transform": halved},
         r"has no transform of its own, and .*halved is given: leave transform= out"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            resume(cut, progress=False, **given)
    assert {file: file.read_bytes() for file in cut.rglob("*") if file.is_file()} == before
    assert resume(cut, optimizer=partial(torch.optim.SGD, lr=0.1), progress=False).status == "finished"


def test_a_callable_of_the_same_name_that_makes_another_optimizer_is_refused(config, tmp_path, monkeypatch):
    rate = [0.1]

    def made(named):
        return torch.optim.SGD(named, lr=rate[0])

    with monkeypatch.context() as patch:
        _interrupt_after(5, KeyboardInterrupt, patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(), tmp_path / "cut", optimizer=made, progress=False)
    rate[0] = 0.2
    with pytest.raises(ConfigError, match=r"made\(rate=\[0\.1\]\).*made\(rate=\[0\.2\]\) is given"):
        resume(tmp_path / "cut", optimizer=made, progress=False)
    monkeypatch.setattr("grokscope.training.given.described", lambda function: described(made).replace("0.2", "0.1"))
    with pytest.raises(ConfigError, match=r"another one than in the run: lr = 0\.2, in the run 0\.1"):
        resume(tmp_path / "cut", optimizer=made, progress=False)


def test_a_branch_goes_on_with_the_callables_of_its_parent_and_may_begin_a_norm_control(config, tmp_path):
    parent = train(config(), tmp_path / "parent", optimizer=named_adamw, transform=Average(), progress=False)
    same = branch(parent, 8, tmp_path / "same", optimizer=named_adamw, transform=Average(), progress=False)
    assert {step: parent.digests[step] for step in same.steps} == same.digests
    with pytest.raises(ConfigError, match=r"has the optimizer .*named_adamw.* none is given"):
        branch(parent, 8, tmp_path / "other", transform=Average(), progress=False)
    held = branch(
        parent, 8, tmp_path / "held", optimizer=named_adamw, transform=Average(), norm_control=clamped, progress=False
    )
    assert held.digests[8] == parent.digests[8]
    assert float(held.weights(12)["unembed.W_U"].abs().max()) <= 0.25
    assert held.config.norms.control == f"{__name__}.clamped"
    off = branch(
        held.path.parent / "parent", 8, tmp_path / "rate", optimizer=named_adamw, transform=Average(),
        progress=False, **{"optimizer.lr": 0.5},
    )  # fmt: skip
    assert off.config.optimizer.lr == 0.5
    with pytest.raises(ConfigError, match=r"a branch cannot change optimizer\.made"):
        branch(parent, 8, tmp_path / "made", optimizer=named_adamw, transform=Average(), **{"optimizer.made": ()})


BAD_FACTORIES = {
    "no optimizer": (lambda named: 3, "the callable made a int: make a torch.optim.Optimizer"),
    "fails": (lambda named: named["embed.W_E"], "the callable failed on the named parameters"),
    "other tensors": (
        lambda named: torch.optim.SGD([torch.zeros(3, requires_grad=True)], lr=0.1),
        "an optimizer of other tensors than the parameters",
    ),
    "a closure": (lambda named: Closure([tensor for _, tensor in named]), "needs a closure"),
}


class Closure(torch.optim.Optimizer):
    """As LBFGS: its step computes the loss again."""

    def __init__(self, params):
        super().__init__(params, {"lr": 1.0})

    def step(self, closure):
        closure()


class Odd(torch.optim.SGD):
    """It remembers an object."""

    def step(self, closure=None):
        self.state[self.param_groups[0]["params"][0]]["thing"] = object()
        super().step(closure)


@pytest.mark.parametrize("name", BAD_FACTORIES)
def test_a_callable_that_makes_no_optimizer_of_the_parameters_is_refused_before_anything_is_written(
    config, tmp_path, name
):
    factory, message = BAD_FACTORIES[name]
    with pytest.raises(ConfigError, match=message):
        train(config(), tmp_path / "run", optimizer=factory, progress=False)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_kept_or_used_is_refused(config, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be resumed: of its state_dict, \['state'\].* is a builtins.object"):
        train(config(), tmp_path / "odd", optimizer=partial(Odd, lr=0.1), progress=False)
    assert gs.open_run(tmp_path / "odd").status == "failed"
    rates = partial(torch.optim.SGD, lr=0.1)

    def without_rates(named):
        optimizer = rates(named)
        for group in optimizer.param_groups:
            del group["lr"]
        return optimizer

    for settings, message in (
        ({"optimizer": without_rates, "optimizer.schedule": "cosine"}, "has groups without any"),
        ({"optimizer": without_rates, "weight_decay": 0.1, "decay_form": "decoupled"}, "sets none for"),
        ({"optimizer": rates, "optimizer.name": "adam"}, "has no optimizer of its own"),
        ({"optimizer.name": "custom"}, "has the optimizer \\(not named\\), a callable"),
        ({"gradient.name": "custom"}, "has the transform \\(not named\\), a callable"),
        ({"norms.control": "mine"}, "has the norm_control mine, a callable"),
        ({"transform": 3}, "transform = 3 is not accepted: give a callable"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(config(), tmp_path / "run", progress=False, **settings)
        assert not (tmp_path / "run").exists()
    for function, message in (
        (lambda tensors, step: 3, "returned a int at step"),
        (lambda tensors, step: {"foo": torch.zeros(1)}, "names 'foo' at step"),
        (lambda tensors, step: {"embed.W_E": torch.zeros(1)}, r"made embed\.W_E \(1,\) at step"),
    ):
        for argument in ("transform", "norm_control"):
            with pytest.raises(ConfigError, match=f"{argument} {message}"):
                train(config(), tmp_path / f"{argument}{message[:5]}", progress=False, **{argument: function})


def test_a_trainer_without_its_callables_says_which_are_missing(config):
    for settings, message in (
        ({"optimizer.name": "custom"}, "optimizer.name = 'custom'.*optimizer=factory.*--plugin"),
        ({"gradient.name": "custom"}, "gradient.name = 'custom'.*transform=function"),
        ({"norms.control": "mine"}, "norms.control = 'mine'.*norm_control="),
    ):
        made = config(**settings)
        with pytest.raises(ConfigError, match=message):
            Trainer(made, build_task(made.task))


def test_a_callable_is_described_by_its_name_and_the_settings_that_it_carries():
    def scaled(factor, bias=None):
        def inner(gradients, step):
            return {name: value * factor + (bias or 0) for name, value in gradients.items()}

        return inner

    @dataclasses.dataclass
    class Scaled:
        factor: float
        table: object = None

        def __call__(self, gradients, step):
            return None

    here = f"{__name__}.test_a_callable_is_described_by_its_name_and_the_settings_that_it_carries.<locals>"
    assert described(halved) == f"{__name__}.halved"
    assert described(scaled(0.5)) == f"{here}.scaled.<locals>.inner(bias=None, factor=0.5)"
    assert described(scaled(0.5, torch.ones(1))) == f"{here}.scaled.<locals>.inner(factor=0.5)"
    assert described(Scaled(2.0)) == f"{here}.Scaled(factor=2.0, table=None)"
    assert described(Average()) == f"{__name__}.Average"
    assert described(Average().__call__) == f"{__name__}.Average.__call__"
    assert described(partial(torch.optim.Adam, betas=(0.9, 0.99), foreach=True)) == (
        "torch.optim.adam.Adam(betas=(0.9, 0.99), foreach=True)"
    )
