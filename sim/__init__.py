"""The test bed: scenarios, worlds, faults, checkers and reports."""

if not __debug__:
    raise RuntimeError("spinbed's assertions are part of the product: run it without -O")
