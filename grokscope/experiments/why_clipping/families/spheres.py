"""Is it that norms stay where the projection put them? Norms held on a sphere, and those of the function alone."""

from __future__ import annotations

from grokscope.experiments.why_clipping.declared import Arm, declare_family

RADII = (0.5, 0.75, 1.0, 1.5, 2.0)
EVERYTHING = ("decoder", "embed", "unembed")


@declare_family(number=2, name="sphere", asks="Is it that norms stay where the projection put them?")
def sphere() -> dict[str, Arm]:
    arms = {
        f"sphere-{radius:g}": Arm(
            f"no clip; every tensor is kept at {radius:g} times its norm after the projection",
            lambda setting, radius=radius: {"norms.sphere": "tensors", "norms.sphere_radius": radius},
        )
        for radius in RADII
    }
    arms["sphere-rows"] = Arm(
        "no clip; every row is kept at its norm after the projection", lambda setting: {"norms.sphere": "rows"}
    )
    arms["sphere-rows-zeros"] = Arm(
        "the same, and what is zero after the projection stays zero: biases of attention and of LayerNorm",
        lambda setting: {"norms.sphere": "rows", "norms.sphere_zeros": "held"},
    )
    arms["sphere-everything"] = Arm(
        "no clip; every tensor is kept at its norm, embedding and unembedding too",
        lambda setting: {"norms.sphere": "tensors", "norms.sphere_scope": EVERYTHING},
    )
    return arms


@declare_family(number=3, name="growing-sphere", asks="Is it the function at a fixed norm, with nothing forgotten?")
def growing_sphere() -> dict[str, Arm]:
    arms = {
        f"growing-sphere-{unit}": Arm(
            f"weight normalisation by {unit} with a fixed gain: norms of the function are held, parameters grow freely",
            lambda setting, unit=unit: {"norms.growing_sphere": unit},
        )
        for unit in ("tensors", "rows")
    }
    for unit, name in (("tensors", "growing-sphere-step"), ("rows", "growing-sphere-rows-step")):
        arms[name] = Arm(
            f"the same by {unit}, and updates that grow with the parameters: nothing is forgotten, and steps stay as "
            "large relative to what they change",
            lambda setting, unit=unit: {"norms.growing_sphere": unit, "norms.relative_step": "start"},
        )
    return arms
