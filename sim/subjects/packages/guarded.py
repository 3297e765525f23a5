"""A script that starts a process only when it is run."""

import multiprocessing
import sys


def work() -> None:
    pass


if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join()
    sys.exit(process.exitcode)
