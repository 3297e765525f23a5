"""The parser of a command line: what a main thread loads while others warm up."""

from __future__ import annotations

PROGRAM = "serve"
