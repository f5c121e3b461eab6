"""Signal, memory and noise: how far the right answer leads because of the answer, and because the pair was trained on.

Let X[e, c] be the logit of answer c at example e, centred over the answers, and g(e) the right answer. Let the
*reference* be the examples that were not trained on. Then

    S[g, c]    = mean of X[e, c] over the reference examples whose answer is g      the part that is about the answer
    N[e, c]    = X[e, c] - S[g(e), c]                                               the part that is about this example
    signal     = mean over reference examples of  S[g, g] - max_{c != g} S[g, c]
    memory     = mean over trained examples of  N at the right answer
    noise      = standard deviation of N over (example, c), on trained and on unseen examples apart

Three choices make these numbers mean what their names say.

*S comes from unseen examples.* A look-up table of the trained examples raises the right answer of a share t of all
examples, so a mean over all of them would give it a signal of t times its height. Over unseen ones it has none. With
the mean over all examples instead (the columns that begin with `pooled_`), N at the right answer sums to zero over
the examples of every answer, so that what is remembered of the trained ones is held against the unseen ones:

    n_train * pooled_memory_train + n_val * pooled_memory_val = 0

and where a share t of the examples of every answer is trained on, pooled_memory_train = (1 - t) memory and
pooled_memory_val = -t memory.

*S is never used on an example that it was made of.* For an unseen example e it is the mean over the others of its
answer, S_{-e}. The largest rival is looked for in S_{-e} and its lead is read at e itself,

    signal = mean of  X[e, g] - X[e, r(e)],    r(e) = argmax_{c != g} S_{-e}[g, c],

for the maximum of a mean is at least the mean of maxima: a network of random logits would have a negative signal if
the rival were looked for and measured on the same examples. So it has a signal of zero in expectation. (An untrained
network is nearly a sum of a function of a and one of b. Such a sum has the same mean over the pairs of every answer, so
the others of an answer lean away from e, and a quarter of the noise remains as signal: 0.02 to 0.04 nats, mod 97.)

*What all answers share is no signal.* The means of S over g, each answer counted once, are an offset of each logit
that says nothing about the question, and they are taken from S and X first (not from N, which has none). Untrained
networks have logits that are little else.

A network that computes the same for (a, b) and (b, a) knows the second once it has learnt the first. That is signal
here, for it holds on unseen examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokscope.tasks import Task

CHUNK = 1024
"""Examples looked at together: few enough for the processor's cache, which makes it three times as fast."""

MARGINS = (
    *("signal", "memory", "noise_train", "noise_val", "memory_share", "offset", "train_margin", "val_margin"),
    *("pooled_signal", "pooled_memory_train", "pooled_memory_val", "left_out"),
)


@torch.no_grad()
def answer_margins(
    logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], trained: Bool[Tensor, "example"]
) -> dict[str, float]:
    """Signal, memory and noise of the logits of all examples of a task (or of one of its operations), in nats.

    Arguments:
        logits: of the tokens that can be answers, at least two.
        labels: the right answers, 0 .. answers - 1.
        trained: which examples were trained on.

    Returns:
        signal         the lead of the right answer over its strongest rival, from the part about the answer
        memory         how much higher the logit of the right answer is at trained than at unseen examples
        noise_train    standard deviation of N over trained examples and answers; it contains what is remembered
        noise_val      over unseen examples and answers
        memory_share   share of the train margin that is memory: what is missing at unseen examples of the mean lead
                       over the answer's strongest rival at trained ones. NaN where there is no lead
        offset         standard deviation over answers of what the logits have at all examples alike
        train_margin   logit of the right answer less the largest other, mean over trained examples
        val_margin     over unseen examples
        pooled_signal, pooled_memory_train, pooled_memory_val    with S the mean over all examples (see the module)
        left_out       examples of answers with fewer than two unseen ones, which count in the margins alone

    NaN where there are no examples for it, as for the memory of a network whose trained examples are not known.
    Raises ValueError for a task of one answer.
    """
    if logits.shape[1] < 2:
        raise ValueError(f"logits of {logits.shape[1]} answer have no margin: use a task with two answers or more")
    unseen, everything = _references(logits, labels, trained)
    # Written where they belong: small results that are kept between the arrays of the chunks would break up memory.
    read = unseen.means.new_empty((6, len(logits)))
    start = 0
    for x, g, of_train in _chunks(logits, labels, trained):
        columns = (*unseen.read(x, g, ~of_train), *everything.read(x, g, torch.ones_like(of_train))[:2], _margin(x, g))
        for row, column in zip(read, columns, strict=True):
            row[start : start + len(g)] = column
        start += len(g)
    lead, right, square, pooled_lead, pooled_right, margin = read
    known, pooled = unseen.enough[labels], everything.enough[labels]
    train, val = trained & known, ~trained & known
    # What trained examples of each answer would lead by, had they not been trained on.
    by_answer = torch.zeros_like(unseen.counts).index_add_(0, labels[val], lead[val]) / unseen.counts
    whole, expected = float(lead[train].sum()), float(by_answer[labels[train]].sum())
    return {
        "signal": _mean(lead[val]),
        "memory": _mean(right[train]),
        "noise_train": _mean(square[train]) ** 0.5,
        "noise_val": _mean(square[val]) ** 0.5,
        "memory_share": 1 - expected / whole if whole > 0 else nan,
        "offset": float(unseen.offset.std(correction=0)),
        "train_margin": _mean(margin[trained]),
        "val_margin": _mean(margin[~trained]),
        "pooled_signal": _mean(pooled_lead[pooled]),
        "pooled_memory_train": _mean(pooled_right[trained & pooled]),
        "pooled_memory_val": _mean(pooled_right[~trained & pooled]),
        "left_out": float((~known).sum()),
    }


def examples_by_operation(task: Task) -> dict[str, Int[Tensor, "example"]]:
    """The examples of each of a task's operations; all of them under the task's name, where it has none."""
    if not task.operations:
        return {task.name: torch.arange(task.n_examples)}
    return {operation.name: torch.from_numpy(operation.examples) for operation in task.operations}


@torch.no_grad()
def margin_rows(
    task: Task,
    trained: Bool[Tensor, "all_examples"],
    logits_of: Callable[[str, Int[Tensor, "example"]], Float[Tensor, "example d_vocab_out"]],
) -> list[dict[str, object]]:
    """A row for each operation of a task: its accuracies and `answer_margins`.

    Arguments:
        trained: which of the task's examples were trained on.
        logits_of: the network: called with an operation's name and its examples.

    Returns: operation, train_accuracy, val_accuracy (over all outputs; NaN for a split without examples), and the
    columns of `answer_margins`, over the outputs that are answers.
    """
    rows = []
    for operation, examples in examples_by_operation(task).items():
        logits = logits_of(operation, examples)
        labels, seen = task.labels[examples].to(logits.device), trained[examples].to(logits.device)
        right = (logits.argmax(1) == labels).double()
        accuracies = {"train_accuracy": _mean(right[seen]), "val_accuracy": _mean(right[~seen])}
        measured = answer_margins(logits[:, : task.n_answers], labels, seen)
        rows.append({"operation": operation, **accuracies, **measured})
    return rows


@dataclass(frozen=True, eq=False)
class _Reference:
    """The means S of some examples' centred logits by answer."""

    means: Float[Tensor, "right answer"]
    counts: Float[Tensor, "right"]
    offset: Float[Tensor, "answer"]
    """The mean of S over the right answers that have examples; NaN if none has."""

    @staticmethod
    def of(sums: Float[Tensor, "right answer"], counts: Float[Tensor, "right"]) -> _Reference:
        """From sums over the examples of each right answer, and how many they are."""
        means = sums / counts[:, None]
        return _Reference(means, counts, means[counts > 0].mean(0))

    @property
    def enough(self) -> Bool[Tensor, "right"]:
        """The answers with two examples or more, so that one is left without any of them."""
        return self.counts >= 2

    def read(
        self, x: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], member: Bool[Tensor, "example"]
    ) -> tuple[Float[Tensor, "example"], Float[Tensor, "example"], Float[Tensor, "example"]]:
        """Of each example: its lead over the strongest rival, N at the right answer, and the mean square of N.

        The rival, and N in the mean square, are those of the means without the example, where it is a member. N at
        the right answer is from the means of all, whose sum over an answer's members is zero.
        """
        count, own = self.counts[labels][:, None], member.double()[:, None]
        means = self.means[labels]
        at = labels[:, None]
        right = (x - means).gather(1, at)[:, 0]
        n = (x - means) * (count / (count - own))  # from the mean of the others
        others = x - n
        offset = self.offset + (others - means) / (self.counts > 0).sum()
        rival = (others - offset).scatter(1, at, -torch.inf).argmax(1, keepdim=True)
        without = x - offset
        lead = (without.gather(1, at) - without.gather(1, rival))[:, 0]
        return lead, right, n.square().mean(1)


def _references(
    logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], trained: Bool[Tensor, "example"]
) -> tuple[_Reference, _Reference]:
    """Of the examples that were not trained on, and of all."""
    n = logits.shape[1]
    classes = labels + n * trained  # unseen ones of each answer, then trained ones
    sums, counts = logits.new_zeros((2 * n, n), dtype=torch.float64), logits.new_zeros(2 * n, dtype=torch.float64)
    for x, of, _ in _chunks(logits, classes, trained):
        sums.index_add_(0, of, x)
        counts.index_add_(0, of, torch.ones_like(of, dtype=torch.float64))
    return _Reference.of(sums[:n], counts[:n]), _Reference.of(sums[:n] + sums[n:], counts[:n] + counts[n:])


def _chunks(
    logits: Float[Tensor, "example answer"], labels: Int[Tensor, "example"], chosen: Bool[Tensor, "example"]
) -> Iterator[tuple[Float[Tensor, "chunk answer"], Int[Tensor, "chunk"], Bool[Tensor, "chunk"]]]:
    """Logits centred over the answers, in float64, with labels and choice."""
    for x, g, of in zip(logits.split(CHUNK), labels.split(CHUNK), chosen.split(CHUNK), strict=True):
        wide = x.double()
        yield wide - wide.mean(1, keepdim=True), g, of


def _margin(x: Float[Tensor, "example answer"], labels: Int[Tensor, "example"]) -> Float[Tensor, "example"]:
    at = labels[:, None]
    return x.gather(1, at)[:, 0] - x.scatter(1, at, -torch.inf).amax(1)


def _mean(values: Float[Tensor, "example"]) -> float:
    return float(values.mean()) if len(values) else nan
