"""What the clip does to data: labels without a rule, more data and less; and noise, by batch and learning rate."""

from __future__ import annotations

from grokscope.experiments.why_clipping.declared import Arm, declare_family
from grokscope.experiments.why_clipping.families.ends import clipped

FRACTIONS = (0.3, 0.4, 0.7, 0.9)
BATCHES = {"128": 128, "2048": 2048, "full": None}
"""512 is the published batch."""
FEW = 3
"""Seeds of large batches, whose steps cost up to nine times as much."""


@declare_family(number=10, name="competition", asks="Does the clip slow what has no rule, and by how much?")
def competition() -> dict[str, Arm]:
    arms = {}
    for name, words, settings in (("clip", "projection and clip", clipped), ("free", "projection alone", lambda s: {})):
        arms[f"random-{name}"] = Arm(
            f"{words}, with all training labels redrawn: time to memorise",
            lambda setting, settings=settings: {"task.label_noise": 1.0} | settings(setting),
            event="memorisation",
            against="random-clip",
            baseline="random-free",
        )
        arms |= {
            f"fraction-{fraction:g}-{name}": Arm(
                f"{words}, trained on {fraction:.0%} of all pairs",
                lambda setting, settings=settings, fraction=fraction: (
                    {"task.train_fraction": fraction} | settings(setting)
                ),
                against=f"fraction-{fraction:g}-clip",
                baseline=f"fraction-{fraction:g}-free",
            )
            for fraction in FRACTIONS
        }
    return arms


@declare_family(number=16, name="noise", asks="Is it the noise of the steps?")
def noise() -> dict[str, Arm]:
    arms = {}
    for lr in (3e-4, 1e-3):
        for batch, size in {**BATCHES, "512": 512}.items():
            if lr == 1e-3 and batch == "512":
                continue  # the published setting
            for name, words, settings in (("clip", "projection and clip", clipped), ("free", "projection alone", None)):
                arms[f"batch-{batch}-lr-{lr:g}-{name}"] = Arm(
                    f"{words}, batch {batch}, learning rate {lr:g}",
                    lambda setting, lr=lr, size=size, settings=settings: (
                        {"optimizer.lr": lr, "training.batch_size": size} | (settings(setting) if settings else {})
                    ),
                    against=f"batch-{batch}-lr-{lr:g}-clip",
                    baseline=f"batch-{batch}-lr-{lr:g}-free",
                    n_seeds=FEW if batch in ("2048", "full") else None,
                )
    return arms
