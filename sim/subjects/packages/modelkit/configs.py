"""How a model generates."""

from __future__ import annotations


class GenerationConfig:
    max_length = 20
