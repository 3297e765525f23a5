"""A script that starts a process when it is imported, which a spawned process does."""

import multiprocessing
import sys


def work() -> None:
    pass


process = multiprocessing.get_context("spawn").Process(target=work)
process.start()
process.join()
sys.exit(process.exitcode)
