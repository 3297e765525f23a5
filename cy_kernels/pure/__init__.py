"""The kernels in plain Python, on the same layout: a fallback, and a readable specification.

What has no plain form is refused by name: there is no compare-and-swap, hence no takeover of a
dead owner's place and no eviction, and no park without bound. The argument for what is here
stands in cy_kernels/pure/memory.py.
"""

from __future__ import annotations
