"""Run the tests of this folder by the Python at hand: PYTHONPATH=src:tests python3 -m gpu.

--device cpu tries them where no card is: what only a card can show is skipped. A name, such as
test_resume, runs that file alone.
"""

from __future__ import annotations

import argparse
import faulthandler
import platform
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT = 235  # seconds: a test that hangs ends with the place where it stood


def main(arguments: list[str] | None = None) -> int:
    own = argparse.ArgumentParser(prog="gpu", description=(__doc__ or "").split("\n")[0])
    own.add_argument("names", nargs="*", help="files of this folder (default: all)")
    own.add_argument("--device", default="cuda")
    options = own.parse_args(arguments)
    try:
        import torch

        from gpu import card
    except ModuleNotFoundError as error:
        print(f"{sys.executable} has no {error.name}: every test was skipped")
        return 0
    card.DEVICE = options.device
    if why := card.missing():
        print(f"{why}: every test was skipped")
        return 0
    on = torch.cuda.get_device_name() if card.DEVICE.startswith("cuda") else card.DEVICE
    print(f"{on}, torch {torch.__version__}, Python {platform.python_version()}", flush=True)
    if card.DEVICE != "cpu":  # on which nothing hangs, and much takes longer
        faulthandler.dump_traceback_later(LIMIT, exit=True)
    began, loader = time.monotonic(), unittest.TestLoader()
    found = unittest.TestSuite(
        loader.discover(str(HERE), f"{name.removesuffix('.py')}.py", str(HERE.parent))
        for name in options.names or ["test_*"]
    )
    done = unittest.TextTestRunner(sys.stdout, verbosity=2).run(found)
    faulthandler.cancel_dump_traceback_later()
    print(f"{time.monotonic() - began:.0f} seconds")
    return 0 if done.wasSuccessful() and done.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
