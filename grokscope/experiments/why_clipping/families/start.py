"""What of the start matters: which parameters are projected, and the learning rate that is the same function."""

from __future__ import annotations

from math import sqrt

from grokscope.config import preset
from grokscope.experiments.why_clipping.declared import Arm, Settings, declare_family
from grokscope.experiments.why_clipping.setting import Setting

MATRICES = ("embed", "pos_embed", "attention", "mlp", "unembed")
GAINS = ("ln", "ln_final")
EMBEDDINGS = ("embed", "pos_embed")


def _projected(setting: Setting, scope: tuple[str, ...]) -> Settings:
    return {"norms.init_rows": "chosen", "norms.init_scope": scope, "norms.init_norm": setting.bound}


def ratio(setting: Setting) -> float:
    """The bound over the norm of a row of a fresh embedding, sqrt(d_model): its entries are N(0, 1)."""
    return setting.bound / sqrt(preset(f"{setting.task}-lion-clip").model.d_model)


def _unprojected(settings: Settings) -> Settings:
    return {"norms.init_rows": "none", "norms.init_norm": None} | settings


@declare_family(number=11, name="start", asks="What of the projection matters, and is it a learning rate?")
def start() -> dict[str, Arm]:
    return {
        "lion": Arm("plain Lion: no projection, no clip", lambda setting: _unprojected({})),
        "project-embeddings": Arm(
            "no clip; embeddings alone are projected", lambda setting: _projected(setting, EMBEDDINGS)
        ),
        "project-gains": Arm("no clip; gains alone are projected", lambda setting: _projected(setting, GAINS)),
        "project-matrices": Arm(
            "no clip; matrices alone are projected, gains left at 1", lambda setting: _projected(setting, MATRICES)
        ),
        "scale-embeddings": Arm(
            "no clip, no projection; embeddings are scaled down once before the first step",
            lambda setting: _unprojected(
                {"norms.shrink_step": 0, "norms.shrink_factor": ratio(setting), "norms.shrink_scope": EMBEDDINGS}
            ),
        ),
        "rate-embeddings": Arm(
            "no clip, no projection; embeddings learn faster by as much: the same function, where a norm follows",
            lambda setting: _unprojected(
                {"optimizer.group_rate": tuple((group, 1 / ratio(setting)) for group in EMBEDDINGS)}
            ),
        ),
    }
