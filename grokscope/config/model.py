"""Which network a run trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grokscope.config.checks import ConfigError, boolean, choice, integer, refuse

Activation = Literal["gelu", "relu", "quadratic", "gelu_new", "silu"]
Normalization = Literal["LN", "none"]
Dtype = Literal["float32", "float64"]
Init = Literal["torch", "hooked"]
Residual = Literal["normed", "pre_ln"]
Output = Literal["vocab", "answers"]
AttentionDir = Literal["causal", "bidirectional"]

MAX_WIDTH = 2**16
"""The largest width of the stream, of a head and of an MLP, and the most heads: a square matrix of it takes 17 GB."""
MAX_LAYERS = 1000
"""The most blocks: those of DeepNet (Wang et al. 2022), the deepest transformer that we know of."""

ATTENTION_IS_NEEDED = (
    "networks here are HookedTransformers, whose every block has attention; another architecture, such as an MLP of "
    "one hidden layer, cannot be trained or imported"
)


@dataclass(frozen=True)
class ModelConfig:
    """The `HookedTransformer` that is trained."""

    n_layers: int = 2
    d_model: int = 128
    n_heads: int = 4
    d_mlp: int = 512
    activation: Activation = "gelu"
    """gelu: x Phi(x), exact. gelu_new: x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, GPT-2's. silu: x sigmoid(x).
    relu: max(0, x). quadratic: x^2."""
    normalization: Normalization = "LN"
    """LN: LayerNorm before attention, before the MLP and before the unembedding. none: nowhere."""
    biases: bool = True
    """Whether attention, MLP and LayerNorm biases are trained. If not they are zero and stay so."""
    unembed_bias: bool = False
    """Whether the unembedding has a trained bias."""
    dtype: Dtype = "float32"
    init: Init = "torch"
    """torch: what nn.Embedding, nn.Linear and nn.MultiheadAttention draw. hooked: TransformerLens' own."""
    residual: Residual = "normed"
    """pre_ln: the standard block. normed: the block starts with x = LN1(x), and that x is the residual stream."""
    output: Output = "vocab"
    """vocab: a logit for every token, as published for [x, op, y, =]. answers: for answer tokens only."""
    d_head: int | None = None
    """Width of a head; left out: d_model / n_heads."""
    attention_only: bool = False
    """Whether blocks have attention alone: no MLP, no LayerNorm before it (TransformerLens' attn_only)."""
    attention_dir: AttentionDir = "causal"
    """causal: a position sees itself and those before it. bidirectional: every position sees all."""
    tied: bool = False
    """Whether the unembedding is the embedding: logit j is the product with row j of W_E; W_U is not trained apart."""

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_heads", "d_mlp"):
            if name == "n_layers" and self.n_layers == 0 and not isinstance(self.n_layers, bool):
                refuse("model.n_layers", 0, f"use an integer >= 1; {ATTENTION_IS_NEEDED}")
            integer(f"model.{name}", getattr(self, name), 1, MAX_LAYERS if name == "n_layers" else MAX_WIDTH)
        if self.d_head is not None:
            integer("model.d_head", self.d_head, 1, MAX_WIDTH)
        elif self.d_model % self.n_heads:
            divisors = [h for h in range(1, self.d_model + 1) if self.d_model % h == 0]
            near = sorted(sorted(divisors, key=lambda h: abs(h - self.n_heads))[:2])
            raise ConfigError(
                f"model.d_model = {self.d_model} is not divisible by model.n_heads = {self.n_heads}: give the "
                f"width of a head (model.d_head) or another number of heads "
                f"(nearest that divide it: {', '.join(map(str, near))})"
            )
        for name, allowed in (
            ("activation", Activation),
            ("normalization", Normalization),
            ("dtype", Dtype),
            ("init", Init),
            ("residual", Residual),
            ("output", Output),
            ("attention_dir", AttentionDir),
        ):
            choice(f"model.{name}", getattr(self, name), allowed)
        for name in ("biases", "unembed_bias", "attention_only", "tied"):
            boolean(f"model.{name}", getattr(self, name))

    @property
    def head_width(self) -> int:
        """Entries of a query, key or value of one head: d_head, or d_model / n_heads where it is left out."""
        return self.d_model // self.n_heads if self.d_head is None else self.d_head

    @property
    def all_heads(self) -> int:
        """Entries of the queries of all heads together: n_heads head_width."""
        return self.n_heads * self.head_width
