"""What proves that a hook inside a program struck: its own word, sent from there."""

from __future__ import annotations

from sim.abc import Evidence, World

WITHIN_NS = 20_000_000_000  # a program may come to that import late


def hooked(
    world: World, target: str, kind: str, module: str, *, what: str = "imports {}"
) -> Evidence:
    """Waits for it; a program that ends without it, or runs on, has not met the fault. `what` the
    program then does, with the module in the place of {}."""
    said = world.launch.hooked(target, kind, module, within_ns=WITHIN_NS)
    events = [str(each.get("event")) for each in said]
    struck = [event for event in events if event != "impossible"]
    if not said:
        never = f"{target} never {what.format(module)}".replace("never imports", "never imported")
        return Evidence(False, never, {"module": module})
    why = next((str(each["why"]) for each in said if "why" in each), "")
    seen = f"{target} {what.format(module)}" if struck else f"{module}: {why}"
    return Evidence(bool(struck), seen, {"module": module, "events": events[:16]})
