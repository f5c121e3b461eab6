"""How what came out stands to what others found.

Of each work at least the abstract was read; what is said of it is in our words. Its setting is named where it differs
in what matters: LayerNorm, loss, optimizer, decay. What it lets one expect of an arm here is a sentence with an if, and
what was seen of that arm is written out of the table of verdicts, so that no sentence outruns the runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from grokscope.analysis import where
from grokscope.experiments.why_clipping.wording import standing


@dataclass(frozen=True)
class Expected:
    """What a work lets one expect here."""

    says: str
    """A sentence with an if."""
    arms: tuple[str, ...]
    """The arms that it is about."""


@dataclass(frozen=True)
class Source:
    """A work, what it found, and what that lets one expect here."""

    cite: str
    """Authors and year."""
    title: str
    where: str
    """Its arXiv number, or where it appeared."""
    found: str
    """What it found, and how its setting differs from ours."""
    expected: tuple[Expected, ...] = ()

    def beside(self, table: pd.DataFrame) -> str:
        """What it found, and what was seen here of the arms that it is about.

        Arguments:
            table: of `summary`.
        """
        return " ".join([self.found, *(f"{one.says} {_seen(table, one.arms)}" for one in self.expected)])


def _seen(table: pd.DataFrame, arms: tuple[str, ...]) -> str:
    """Verdict and n of every arm that has a row, with its family, and that others have none."""
    parts = [
        f"{arm} (family {where(table, arm=arm)['family'].iloc[0]}) {told}"
        for arm in arms
        if (told := standing(table, arm))
    ]
    if not parts:
        return "That has not run yet."
    return f"Seen: {'; '.join(parts)}."


SOURCES = (
    Source(
        "Liu, Michaud and Tegmark 2022",
        "Omnigrok: Grokking Beyond Algorithmic Data",
        "arXiv 2210.01117",
        "Finds that a network generalises in a shell of weight norms, and that rescaling it to a fixed norm all but "
        "removes the delay. There one factor scales a network without LayerNorm under squared error; here every tensor "
        "keeps its own norm under cross-entropy, so nothing is said of one critical radius.",
        (Expected("If a fixed norm is what matters, tensors held at theirs are as soon as the clip.", ("sphere-1",)),),
    ),
    Source(
        "Nanda, Chan, Lieberum, Smith and Steinhardt 2023",
        "Progress Measures for Grokking via Mechanistic Interpretability",
        "arXiv 2301.05217",
        "Describes memorisation, formation of a circuit and cleanup, and sees no grokking without regularisation.",
        (
            Expected(
                "If decay has to do the cleanup, weight normalisation, which forgets nothing, is later than the clip.",
                ("growing-sphere-step",),
            ),
        ),
    ),
    Source(
        "Varma, Shah, Kenton, Kramár and Kumar 2023",
        "Explaining Grokking through Circuit Efficiency",
        "arXiv 2309.02390",
        "The circuit that generalises gives larger logits per norm, and decay tips the balance to it.",
        (
            Expected(
                "If a bound on norms does that without decay, labels without a rule are memorised as soon without a "
                "clip as with it, or sooner.",
                ("random-free",),
            ),
            Expected(
                "If logits per norm are all that a bound acts on, free norms with the logits of a clipped run are as "
                "soon as the clip.",
                ("norms-free-step-free-scale-clip",),
            ),
        ),
    ),
    Source(
        "Kumar, Bordelon, Gershman and Pehlevan 2023",
        "Grokking as the Transition from Lazy to Rich Training Dynamics",
        "arXiv 2310.06110",
        "Late features after a lazy fit, set by the output scale at the start, with no need of decay. Laziness was not "
        "measured here.",
        (
            Expected(
                "If the output’s scale along training is a lever too, free norms with the logits of a clipped run are "
                "as soon as the clip.",
                ("norms-free-step-free-scale-clip",),
            ),
        ),
    ),
    Source(
        "Lyu, Jin, Li, Du, Lee and Hu 2023",
        "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
        "arXiv 2311.18817",
        "Large homogeneous networks with small decay leave a kernel solution for one of large margin. At a fixed norm "
        "a bias to margins has no norm to lose first. No arm tests the theorem, whose assumptions LayerNorm breaks.",
    ),
    Source(
        "Prieto, Barsbey, Mediano and Birdal 2025",
        "Grokking at the Edge of Numerical Stability",
        "arXiv 2501.04697",
        "After overfitting, gradients scale logits up until the softmax collapses.",
        (
            Expected(
                "If that is what the clip prevents, the logits of a clipped run on free norms are as soon as the clip.",
                ("norms-free-step-free-scale-clip",),
            ),
            Expected("And so is float64, where softmax does not collapse.", ("float64-free",)),
        ),
    ),
    Source(
        "Lyle, Sokar, Pascanu and György 2025",
        "What Can Grokking Teach Us About Learning Under Nonstationarity?",
        "arXiv 2507.20057",
        "Puts the effective learning rate in the place of the norm, in networks without LayerNorm; with it, their "
        "projected network fails until gains are decayed. The projection sets gains here too.",
        (
            Expected(
                "If that holds with LayerNorm, the relative step alone is as soon as the clip, and a clipped run "
                "without it is later.",
                ("relative-step", "norms-clip-step-free-scale-clip"),
            ),
        ),
    ),
    Source(
        "Kosson, Messmer and Jaggi 2023",
        "Rotational Equilibrium: How Weight Decay Balances Learning Across Neural Networks",
        "arXiv 2305.17212",
        "Decay brings norms and rotations to an equilibrium, and the rotation carries its benefit. It is not about "
        "grokking.",
        (Expected("If the rotation is what the clip keeps, the relative step alone is as soon.", ("relative-step",)),),
    ),
    Source(
        "Chen, Liu, Liang and Liu 2023",
        "Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts",
        "arXiv 2310.05898",
        "Lion with decay rate r descends under a bound of 1 / r on every weight, so decay is a bound as well.",
        (
            Expected(
                "If any bound will do, the best of six rates of decay is as soon as the clip.",
                ("decay-tuned",),
            ),
        ),
    ),
    Source(
        "Khanh, Trung, Viet and Duc 2026",
        "The Weight Norm Sets the Grokking Timescale: A Causal Delay Law",
        "arXiv 2606.13753",
        "With a clamped joint norm the delay is exponential in it, and with LayerNorm the law goes.",
        (
            Expected(
                "If the norm that is held sets the time with LayerNorm too, all tensors held at their norms are as "
                "soon as the clip.",
                ("sphere-1",),
            ),
            Expected(
                "If LayerNorm makes all norms but one site’s inert, that site alone is as soon.",
                ("only-scores", "only-pre-activations", "only-written", "only-stream", "only-final-gain"),
            ),
        ),
    ),
    Source(
        "Khanh 2026",
        "What Does the Weight Norm Control in Grokking? Logit-Scale Mediation under Cross-Entropy",
        "arXiv 2606.18465",
        "A temperature that restores the scale of the logits recovers most of a norm’s delay. There one joint norm of "
        "an MLP is raised by 15%; here every tensor of a transformer with LayerNorm is kept from growing, and inner "
        "norms act where no temperature reaches.",
        (
            Expected(
                "If the scale of the logits mediates the clip as well, the clipped run’s scale on free norms is as "
                "soon as the clip, and a free run’s scale under the clip is later.",
                ("norms-free-step-free-scale-clip", "norms-clip-step-clip-scale-free"),
            ),
        ),
    ),
    Source(
        "Khanh, Hoa, Trung and Duc 2026",
        "First-Passage Prediction of Grokking Delay",
        "arXiv 2605.18845",
        "Freezing the norm when a network has memorised removes the grok there. That is no contradiction to norms that "
        "are held from the start: there the norm is held where memorising put it, here where the projection did.",
    ),
    Source(
        "Tiwari, Chauhan and Singh 2026",
        "Radial Suppression Accelerates Algorithmic Generalization",
        "arXiv 2606.32000",
        "A penalty on the norm of hidden activations groks several times sooner. No arm here bounds activations.",
    ),
    Source(
        "Verma 2026",
        "Weight Decay Regimes in Grokking Transformers: Cheap Online Diagnostics",
        "arXiv 2605.20441",
        "Decay has a threshold, an optimum and a collapse. A clip made little difference there, in runs of AdamW with "
        "decay that all grok.",
        (
            Expected(
                "If decay at its optimum is as strong a lever within Lion, it is as soon as the clip.", ("decay-tuned",)
            ),
        ),
    ),
    Source(
        "Yıldırım 2026",
        "The Geometric Inductive Bias of Grokking: Bypassing Phase Transitions via Architectural Topology",
        "arXiv 2603.05228",
        "A stream and an unembedding of unit norm grok sooner without decay; a bounded unembedding alone does not. "
        "There activations are bounded, and S5 is not learnt; here weights are.",
        (
            Expected(
                "If bounded weights do as much, S5 included, tensors held at their norms are as soon as the clip.",
                ("sphere-1",),
            ),
        ),
    ),
    Source(
        "Salimans and Kingma 2016",
        "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks",
        "arXiv 1602.07868",
        "The tool of the growing sphere: direction and length apart. With a fixed length the parameter grows, nothing "
        "is cut, and its steps turn it less and less.",
        (
            Expected(
                "If that costs something, the growing sphere is later than the one on which steps grow as well.",
                ("growing-sphere-tensors", "growing-sphere-step"),
            ),
        ),
    ),
    Source(
        "Thilak, Littwin, Zhai, Saremi, Paiss and Susskind 2022",
        "The Slingshot Mechanism",
        "arXiv 2206.04817",
        "Ties grokking without regularisation to cycles of the last layer’s norm. On a sphere no norm can cycle, but a "
        "held norm is a regularisation, which they exclude.",
        (Expected("If the clip needed such cycles, tensors held at their norms would be later.", ("sphere-1",)),),
    ),
    Source(
        "Musat 2025",
        "The Geometry of Grokking: Norm Minimization on the Zero-Loss Manifold",
        "arXiv 2511.01938",
        "After memorisation, decay walks down in norm among networks of zero loss. Where norms are held from the start "
        "that walk is not on the path.",
        (
            Expected(
                "If an early grok were the end of such a walk, tensors held at their norms would be later than the "
                "clip.",
                ("sphere-1",),
            ),
        ),
    ),
    Source(
        "Tveit, Remseth and Skogvold 2025",
        "Muon Optimizer Accelerates Grokking",
        "arXiv 2504.16041",
        "Muon groks sooner than AdamW. In the table of accelerators on the results page it does so with projection and "
        "clip, on x · y and x − y, and not without them, against AdamW of decay 1 (three seeds each).",
        (
            Expected(
                "If held norms are what it needs, Muon on the sphere is as soon as Muon with the clip.",
                ("muon-sphere",),
            ),
        ),
    ),
)
