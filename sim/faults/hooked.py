"""What proves that a hook inside a program struck: its own word, sent from there."""

from __future__ import annotations

from sim.abc import Evidence, World

WITHIN_NS = 20_000_000_000  # a program may come to that import late


def hooked(world: World, target: str, kind: str, module: str) -> Evidence:
    """Waits for it; a program that ends without it, or runs on, has not met the fault."""
    said = world.launch.hooked(target, kind, module, within_ns=WITHIN_NS)
    events = [str(each.get("event")) for each in said]
    struck = [event for event in events if event != "impossible"]
    if not said:
        return Evidence(False, f"{target} never imported {module}", {"module": module})
    why = next((str(each["why"]) for each in said if "why" in each), "")
    what = f"{target} imports {module}" if struck else f"{module}: {why}"
    return Evidence(bool(struck), what, {"module": module, "events": events[:16]})
