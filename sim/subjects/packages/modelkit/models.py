"""What a model is made from."""

from __future__ import annotations

from .configs import GenerationConfig


class AutoModel:
    config = GenerationConfig()
