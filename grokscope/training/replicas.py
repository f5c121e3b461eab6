"""The same config under several seeds, trained side by side in one process.

A step of 64 small networks is as many calls of kernels as a step of one (see `grokscope.engine.stacked`), which is what
a GPU needs to be busy; on a processor, workers that train one run each are faster. Weights, split and order of batches
are those of the run of each seed alone, and so are the results, but for rounding: sums are added in another order, and
after some hundred steps two trainings differ in their digits, as they do between two machines. That is why replicas are
not run directories, whose bytes come out the same whenever they are trained: they are for the question what a setting
does over many seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NoReturn

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.config import ConfigError, RunConfig, forward_path, override
from grokscope.config.checks import refuse
from grokscope.engine import StackedEngine, loss_function
from grokscope.model import Weights, tied, trained_names
from grokscope.norms import NormControl
from grokscope.optimizers import Update, build_optimizer, build_transform, learning_rate
from grokscope.optimizers.stacked import StackedParameters
from grokscope.optimizers.transforms.grokfast import AverageTransform, WindowTransform
from grokscope.optimizers.vector_rule import VectorRule
from grokscope.tasks import run_task
from grokscope.training.device import usable
from grokscope.training.replayed import ReplayedStep, recorder_of
from grokscope.training.trainer import Trainer

CONTROLS = ("projection", "clip", "shrink")
"""Norm controls that act on each row or entry, whatever the network."""
EVALUATED_AT_ONCE = 2**16
"""Examples, over all networks, that are evaluated at a time."""


class Replicas:
    """Networks of one config and several seeds, at some step.

    Arguments:
        config: the run; its own seed does not count.
        seeds: one for each network; each draws weights, split, batch order and label noise as in a run of its own.

    Raises `ConfigError` for settings that several networks cannot share a step of, naming the setting.
    """

    def __init__(self, config: RunConfig, seeds: Iterable[int]) -> None:
        self.config, self.seeds = config, tuple(seeds)
        check_replicas(config, self.seeds)
        device = usable(config.training.device)
        alone = override(config, {"forward": "engine", "device": "cpu"})
        networks: list[Weights] = []
        train, val, labels, self._batches = [], [], [], []
        for seed in self.seeds:  # one at a time: a trainer holds more than is kept of it
            of_seed = replace(alone, seed=seed)
            trainer = Trainer(of_seed, run_task(of_seed))
            networks.append({name: value.detach() for name, value in trainer.weights.items()})
            train.append(trainer.train)
            val.append(trainer.val)
            labels.append(trainer.task.labels)
            self._batches.append(trainer.batches)
            self.task = trainer.task
        self._splits = {"train": torch.stack(train).to(device), "val": torch.stack(val).to(device)}
        self._labels = torch.stack(labels).to(device)
        own = trained_names(networks[0], config.model)
        self.parameters = StackedParameters(networks, own, device)
        with torch.no_grad():
            self.parameters.weights = tied(config.model, self.parameters.weights)
        self._device, self.step = device, 0
        self._epoch: list[Tensor] = []
        self.engine = StackedEngine(config.model, self.task, len(self.seeds), device)
        self.optimizer = build_optimizer(config.optimizer, self.parameters)  # type: ignore[arg-type]
        if not isinstance(self.optimizer, VectorRule):
            _refuse("optimizer.name", config.optimizer.name, "use a rule of single entries, as lion or adamw")
        self.transform = build_transform(config.gradient, self.parameters, 0)  # type: ignore[arg-type]
        if not isinstance(self.transform, AverageTransform | WindowTransform | None):
            _refuse("gradient.name", config.gradient.name, "use none, grokfast_ema or grokfast_ma")
        self._optimize = Update(config.optimizer, own, self.optimizer)
        self.norms = NormControl(config.norms, own)
        self.loss = loss_function(config.loss)
        views = self.parameters.views(self.parameters.gradient)
        self._take = ReplayedStep(self._move, recorder_of(device))
        self._unseen = [gradient for name, gradient in views.items() if name.endswith(".attn.b_K")]

    @property
    def weights(self) -> Weights:
        """Complete state dicts, with an axis for the seeds before all others, live: the next step changes them."""
        return self.parameters.weights

    def weights_of(self, seed: int) -> Weights:
        """A copy of the state dict of one seed, on the processor."""
        if seed not in self.seeds:
            _refuse("seed", seed, f"use one of {', '.join(map(str, self.seeds))}")
        number = self.seeds.index(seed)
        return {name: value[number].detach().cpu().clone() for name, value in self.weights.items()}

    def update(self) -> None:
        """One step of every network, on the next batch of each.

        A network whose loss or gradient is not finite goes on as what is no number, alone.
        """
        examples = self._next_batch()
        lr = learning_rate(self.config.optimizer, self.step + 1, self.config.training.steps)
        self._take(examples, lr, steady=self._is_steady())
        self.step += 1

    def _is_steady(self) -> bool:
        """Whether the next step does what all later ones do, but for its numbers."""
        optimizer, norms = self.config.optimizer, self.config.norms
        if optimizer.schedule != "constant" or self.step + 1 < optimizer.warmup_steps:
            return False
        if "shrink" in norms.controls_on() or isinstance(self.transform, WindowTransform):
            return False
        return "clip" not in norms.controls_on() or (norms.from_step == 0 and norms.until_step is None)

    def _move(self, examples: Int[Tensor, "network example"], lr: float) -> None:
        """What a step does to the weights, as in `Trainer`: gradient, transform, update, norm control."""
        logits, labels = self._logits(examples), self._labels.gather(1, examples)
        # Each network's mean: networks share nothing, so that the gradient of the sum is the gradient of each.
        loss = self.loss(logits.flatten(0, 1), labels.flatten(), "sum") / examples.shape[1]
        gradient = self.parameters.set_gradient(torch.autograd.grad(loss, self.parameters.leaves, allow_unused=True))
        for unseen in self._unseen:  # softmax does not see b_K: what is left of its gradient is rounding
            unseen.zero_()
        if self.transform is not None:
            self.transform.apply_(gradient)
        views, vector = self.parameters.views, self.parameters.vector.detach()
        before = vector.clone() if self._optimize.looks_back else vector
        self._optimize.apply_(self.weights, views(gradient), lr, views(before))
        self.norms.apply_(self.weights, self.step + 1)

    def _next_batch(self) -> Int[Tensor, "network example"]:
        """The next batch of every network. An epoch is put on the device at once."""
        if not self._epoch:
            batches = [torch.stack([stream.next() for stream in self._batches]) for _ in range(self.steps_per_epoch)]
            sizes = [batch.shape[1] for batch in batches]
            self._epoch = list(reversed(torch.cat(batches, 1).to(self._device).split(sizes, 1)))
        return self._epoch.pop()

    @torch.no_grad()
    def evaluate(self) -> list[dict[str, float]]:
        """For every seed, the loss that is minimised and accuracy, on its own full train and validation sets.

        As in `Trainer.evaluate`, losses are computed in float64, whatever the network is in.
        """
        rows: list[dict[str, float]] = [{} for _ in self.seeds]
        for split, examples in self._splits.items():
            losses, hits = (torch.zeros(len(self.seeds), dtype=torch.float64) for _ in range(2))
            for chunk in examples.split(max(1, EVALUATED_AT_ONCE // len(self.seeds)), dim=1):
                logits, labels = self._logits(chunk), self._labels.gather(1, chunk)
                of_each = self.loss(logits.double().flatten(0, 1), labels.flatten(), "none")
                losses += of_each.view(labels.shape).sum(1).cpu()
                hits += (logits.argmax(-1) == labels).sum(1).cpu()
            for row, loss, hit in zip(rows, losses.tolist(), hits.tolist(), strict=True):
                row |= {f"{split}_loss": loss / examples.shape[1], f"{split}_accuracy": hit / examples.shape[1]}
        return rows

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one epoch, the ragged one included."""
        return self._batches[0].steps_per_epoch

    def _logits(self, examples: Int[Tensor, "network example"]) -> Float[Tensor, "network example d_vocab_out"]:
        return self.engine.answer_logits(tied(self.config.model, self.weights), examples)


def check_replicas(config: RunConfig, seeds: tuple[int, ...]) -> None:
    """Whether these settings and seeds can be trained side by side."""
    if not seeds or len(set(seeds)) < len(seeds):
        _refuse("seeds", list(seeds), "use at least one, each once")
    if forward_path(config).name == "hooked":
        _refuse("forward", config.forward, "use compiled or engine: a HookedTransformer has no axis for networks")
    for name in config.norms.controls_on():
        if name not in CONTROLS:
            accepted = ", ".join(CONTROLS)
            raise ConfigError(f"norms: {name} is not accepted: networks that are trained side by side have {accepted}")
    if config.optimizer.angular_step:
        _refuse("optimizer.angular_step", config.optimizer.angular_step, "leave it out: it looks at each network")
    if config.loss.follow is not None:
        _refuse("loss.follow", config.loss.follow, "leave it out: it looks at the logits of each network")


def _refuse(name: str, value: object, accepted: str) -> NoReturn:
    refuse(name, value, f"{accepted} (networks are trained side by side)")
