"""How what came out stands to what others found.

Of each work at least the abstract was read; what is said of it is in our words. Its setting is named where it differs
in what matters: LayerNorm, loss, optimizer, decay.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A work, and a sentence or two on how it agrees or disagrees."""

    cite: str
    """Authors and year."""
    title: str
    where: str
    """Its arXiv number, or where it appeared."""
    beside: str


SOURCES = (
    Source(
        "Liu, Michaud and Tegmark 2022",
        "Omnigrok: Grokking Beyond Algorithmic Data",
        "arXiv 2210.01117",
        "Finds that a network generalises in a shell of weight norms, and that rescaling it to a fixed norm all but "
        "removes the delay. Agrees: held norms are what stands in for the clip here. There one factor scales a network "
        "without LayerNorm under squared error; here every tensor keeps its own norm under cross-entropy, so nothing "
        "is said of one critical radius.",
    ),
    Source(
        "Nanda, Chan, Lieberum, Smith and Steinhardt 2023",
        "Progress Measures for Grokking via Mechanistic Interpretability",
        "arXiv 2301.05217",
        "Describes memorisation, formation of a circuit and cleanup, and sees no grokking without regularisation. "
        "Agrees that a constraint on norms shortens the last stretch; but no decay has to do the removing, for weight "
        "normalisation forgets nothing.",
    ),
    Source(
        "Varma, Shah, Kenton, Kramár and Kumar 2023",
        "Explaining Grokking through Circuit Efficiency",
        "arXiv 2309.02390",
        "The circuit that generalises gives larger logits per norm, and decay tips the balance to it. A fixed budget "
        "of norm does that without decay here, and makes labels without a rule slower to memorise, as efficiency "
        "predicts. That the scale of the logits alone does not do it says that logits per norm are not all that a "
        "bound acts on.",
    ),
    Source(
        "Kumar, Bordelon, Gershman and Pehlevan 2023",
        "Grokking as the Transition from Lazy to Rich Training Dynamics",
        "arXiv 2310.06110",
        "Late features after a lazy fit, set by the output scale at the start, with no need of decay. Agrees that no "
        "norm has to fall. The output’s scale along training is no lever here; laziness was not measured.",
    ),
    Source(
        "Lyu, Jin, Li, Du, Lee and Hu 2023",
        "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
        "arXiv 2311.18817",
        "Large homogeneous networks with small decay leave a kernel solution for one of large margin. Compatible: at a "
        "fixed norm a bias to margins has no norm to lose first. No test of the theorem, whose assumptions LayerNorm "
        "breaks.",
    ),
    Source(
        "Prieto, Barsbey, Mediano and Birdal 2025",
        "Grokking at the Edge of Numerical Stability",
        "arXiv 2501.04697",
        "After overfitting, gradients scale logits up until the softmax collapses. Agrees that growth has to stop, and "
        "disagrees on what it costs: neither the scale of the logits nor float64 does what the clip does (the families "
        "two-by-two-by-two and precision).",
    ),
    Source(
        "Lyle, Sokar, Pascanu and György 2025",
        "What Can Grokking Teach Us About Learning Under Nonstationarity?",
        "arXiv 2507.20057",
        "Puts the effective learning rate in the place of the norm, in networks without LayerNorm; with it, their "
        "projected network fails until gains are decayed. Disagrees where LayerNorm is: here the relative step alone "
        "is later than the clip, and its loss costs a clipped run little. The projection sets gains here too, which "
        "may be why spheres do not fail.",
    ),
    Source(
        "Kosson, Messmer and Jaggi 2023",
        "Rotational Equilibrium: How Weight Decay Balances Learning Across Neural Networks",
        "arXiv 2305.17212",
        "Decay brings norms and rotations to an equilibrium, and the rotation carries its benefit. It is not about "
        "grokking; as a hypothesis for the clip it is the family relative-step, which is later.",
    ),
    Source(
        "Chen, Liu, Liang and Liu 2023",
        "Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts",
        "arXiv 2310.05898",
        "Lion with decay rate r descends under a bound of 1 / r on every weight, so decay is a bound as well. Agrees "
        "that a bound can be the point; but even the best of six rates of decay is not the clip (the family decay).",
    ),
    Source(
        "Khanh, Trung, Viet and Duc 2026",
        "The Weight Norm Sets the Grokking Timescale: A Causal Delay Law",
        "arXiv 2606.13753",
        "With a clamped joint norm the delay is exponential in it, and with LayerNorm the law goes. Agrees that the "
        "held norm, not the rate, sets the time. Disagrees that LayerNorm makes norms inert: no single site has the "
        "effect, and all together do.",
    ),
    Source(
        "Khanh 2026",
        "What Does the Weight Norm Control in Grokking? Logit-Scale Mediation under Cross-Entropy",
        "arXiv 2606.18465",
        "The direct opponent: there a temperature that restores the scale of the logits recovers most of a norm’s "
        "delay. Here the clipped run’s scale, step by step, on free norms does not, and a free run’s scale under the "
        "clip costs little. There one joint norm of an MLP is raised by 15%; here every tensor of a transformer with "
        "LayerNorm is kept from growing, and inner norms act where no temperature reaches.",
    ),
    Source(
        "Khanh, Hoa, Trung and Duc 2026",
        "First-Passage Prediction of Grokking Delay",
        "arXiv 2605.18845",
        "Freezing the norm when a network has memorised removes the grok there. No contradiction: the norm is then "
        "held where memorising put it, and here where the projection did, from the start.",
    ),
    Source(
        "Tiwari, Chauhan and Singh 2026",
        "Radial Suppression Accelerates Algorithmic Generalization",
        "arXiv 2606.32000",
        "A penalty on the norm of hidden activations groks several times sooner. On the same side: it is norms that "
        "the function sees.",
    ),
    Source(
        "Verma 2026",
        "Weight Decay Regimes in Grokking Transformers: Cheap Online Diagnostics",
        "arXiv 2605.20441",
        "Decay has a threshold, an optimum and a collapse. Agrees that it is a strong lever with an optimum, which "
        "within Lion is later than the clip. A clip made little difference there, in runs of AdamW with decay that "
        "all grok.",
    ),
    Source(
        "Yıldırım 2026",
        "The Geometric Inductive Bias of Grokking: Bypassing Phase Transitions via Architectural Topology",
        "arXiv 2603.05228",
        "A stream and an unembedding of unit norm grok sooner without decay; a bounded unembedding alone does not. "
        "Agrees on both. There activations are bounded, and S5 is not learnt; here weights are, and it is.",
    ),
    Source(
        "Salimans and Kingma 2016",
        "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks",
        "arXiv 1602.07868",
        "The tool of the growing sphere: direction and length apart. With a fixed length the parameter grows, nothing "
        "is cut, and its steps turn it less and less: what that costs is told by the arm in which they do not (the "
        "family growing-sphere).",
    ),
    Source(
        "Thilak, Littwin, Zhai, Saremi, Paiss and Susskind 2022",
        "The Slingshot Mechanism",
        "arXiv 2206.04817",
        "Ties grokking without regularisation to cycles of the last layer’s norm. On a sphere no norm can cycle, and "
        "networks grok, so such cycles are not needed; but a held norm is a regularisation, which they exclude.",
    ),
    Source(
        "Musat 2025",
        "The Geometry of Grokking: Norm Minimization on the Zero-Loss Manifold",
        "arXiv 2511.01938",
        "After memorisation, decay walks down in norm among networks of zero loss. Where norms are held from the start "
        "that walk is not on the path: early groks here are no descent of a norm.",
    ),
    Source(
        "Tveit, Remseth and Skogvold 2025",
        "Muon Optimizer Accelerates Grokking",
        "arXiv 2504.16041",
        "Muon groks sooner than AdamW. Here it does so with held norms, and hardly without them, against an AdamW "
        "whose decay is tuned (results page, accelerators; the family optimizers).",
    ),
)
