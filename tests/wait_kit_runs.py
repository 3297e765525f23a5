"""The wait kit at length: every strategy, with as many hand-offs at each site as are asked for.

    python tests/wait_kit_runs.py --hand-offs 100000 park mwaitx

Those that this host lacks are emulated.
"""

from __future__ import annotations

import argparse

from cy_kernels import cpu, ring, trap
from sim.testing.wait_kit import SETTINGS, check_wait_strategy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wait", nargs="*", help="strategies; all that can run, if none is named")
    parser.add_argument("--hand-offs", type=int, default=2_000, help="at each site")
    told = parser.parse_args()
    features = cpu.features()
    for wait in told.wait or ring.ASKED_FOR:
        is_lacking = cpu.can_run(wait, features) is not None
        if is_lacking and (wait not in SETTINGS or trap.refusal() is not None):
            print(f"{wait}: {cpu.can_run(wait, features)}")
            continue
        found = check_wait_strategy(wait, is_emulated=is_lacking, hand_offs=told.hand_offs)
        how = f", emulated {found.emulated}" if is_lacking else ""
        print(
            f"{wait}: ran {found.rung}, {found.hand_offs} hand-offs held on the way to sleep,"
            f" {found.rescued} noticed by timer alone{how}"
        )


if __name__ == "__main__":
    main()
