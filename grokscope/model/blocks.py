"""Two components of TransformerLens 3.9 with one change each; hook names and parameter names stay.

The `normed` block of the published clipping, Grokfast and NeuralGrok experiments reads

    x = LN1(resid_pre);  mid = x + Attn(x);  resid_post = mid + MLP(LN2(mid))

so that the residual stream itself is normalised at the start of every block, where the standard block
adds Attn(LN1(resid_pre)) to resid_pre as it came.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.components import Embed, TransformerBlock


class NormedBlock(TransformerBlock):
    """A block whose residual stream is LN1 of what comes in. `ln1.hook_normalized` is before gain and bias."""

    def forward(
        self, resid_pre: Float[Tensor, "batch pos d_model"], *args: Any, **kwargs: Any
    ) -> Float[Tensor, "batch pos d_model"]:
        x = self.ln1(self.hook_resid_pre(resid_pre))
        attn_out = self.hook_attn_out(self.attn(query_input=x, key_input=x, value_input=x))
        if self.cfg.attn_only:
            return self.hook_resid_post(x + attn_out)
        resid_mid = self.hook_resid_mid(x + attn_out)
        return self.hook_resid_post(resid_mid + self.apply_mlp(self.ln2(resid_mid)))


class DeterministicEmbed(Embed):
    """A look-up whose backward adds in a fixed order on any number of threads."""

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d_model"]:
        # F.embedding, not W_E[tokens]: the latter's backward adds in an order that depends on the threads.
        return F.embedding(tokens, self.W_E)
