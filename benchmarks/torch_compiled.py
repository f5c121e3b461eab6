"""Contestant (t): the plain decoder through `torch.compile`, as a user would try first."""

from __future__ import annotations

import torch
from torch._dynamo.exc import TorchDynamoException

from benchmarks.plain import PlainContestant
from benchmarks.unavailable import Unavailable
from grokscope.config import RunConfig
from grokscope.tasks import Task


class TorchCompiledContestant(PlainContestant):
    """Training steps and evaluations of the plain decoder, its forward and backward pass compiled.

    Raises `Unavailable` where torch cannot compile.
    """

    def __init__(self, config: RunConfig, task: Task) -> None:
        super().__init__(config, task)
        # Once per size of batch: what is compiled for any size is slower.
        self.model = torch.compile(self.decoder, dynamic=False)
        try:
            self.model(self.tokens[: config.training.batch_size]).sum().backward()
        except TorchDynamoException as error:
            why = str(error).strip().partition("\n")[0]
            raise Unavailable(f"torch.compile cannot compile here ({why}); it needs a C++ compiler, say g++") from error
        self.optimizer.zero_grad()
