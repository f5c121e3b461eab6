"""Which scale? The sphere on one site of the network at a time, and on all but one; and other non-linearities."""

from __future__ import annotations

from collections.abc import Iterable

from grokscope.experiments.why_clipping.declared import Arm, Settings, declare_family
from grokscope.experiments.why_clipping.families.ends import clipped

SITES: dict[str, tuple[str, ...]] = {
    "scores": ("blocks.*.attn.W_Q", "blocks.*.attn.W_K"),
    "pre-activations": ("blocks.*.ln2.w", "blocks.*.mlp.W_in", "blocks.*.mlp.b_in"),
    "written": ("blocks.*.attn.W_V", "blocks.*.attn.W_O", "blocks.*.mlp.W_out", "blocks.*.mlp.b_out"),
    "stream": ("blocks.*.ln1.w",),
    "final-gain": ("ln_final",),
}
"""Parameters that set the scale of: attention scores; what the non-linearity sees; what is written to the stream; the
stream itself; the logits."""
WORDS = {
    "scores": "attention scores",
    "pre-activations": "pre-activations of the MLP",
    "written": "what is written to the stream",
    "stream": "the stream",
    "final-gain": "the final gain",
}


def held(sites: Iterable[str]) -> Settings:
    """The sphere on some sites."""
    return {"norms.sphere": "tensors", "norms.sphere_scope": tuple(name for site in sites for name in SITES[site])}


def all_but(site: str) -> list[str]:
    """Every site but one."""
    return [other for other in SITES if other != site]


@declare_family(number=9, name="sites", asks="Which scale is it?")
def sites() -> dict[str, Arm]:
    arms = {
        f"only-{site}": Arm(f"no clip; the sphere on {WORDS[site]} alone", lambda setting, site=site: held([site]))
        for site in SITES
    }
    arms |= {
        f"but-{site}": Arm(
            f"no clip; the sphere on all sites but {WORDS[site]}", lambda setting, site=site: held(all_but(site))
        )
        for site in SITES
    }
    return arms


@declare_family(number=15, name="non-linearity", asks="Is it where the inputs of the non-linearity lie on its curve?")
def non_linearity() -> dict[str, Arm]:
    changes = {
        "free": ("projection alone", lambda setting: {}),
        "clip": ("projection and clip", clipped),
        "sphere": ("every tensor on the sphere", lambda setting: {"norms.sphere": "tensors"}),
        "pre-activations": ("the sphere on the pre-activations alone", lambda setting: held(["pre-activations"])),
        "but-pre-activations": (
            "the sphere on all sites but the pre-activations",
            lambda setting: held(all_but("pre-activations")),
        ),
    }
    return {
        f"{activation}-{name}": Arm(
            f"{words}, with {activation} in place of gelu",
            lambda setting, activation=activation, settings=settings: (
                {"model.activation": activation} | settings(setting)
            ),
            against=f"{activation}-clip",
            baseline=f"{activation}-free",
        )
        for activation in ("relu", "quadratic")
        for name, (words, settings) in changes.items()
    }
