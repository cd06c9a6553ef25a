#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long `nfvcap --help` takes, against a bare interpreter that imports click."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from measure import alternate, report

RUNS = 15
LIMIT = 2.5


def seconds(*argv: str) -> float:
    since = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - since


def main() -> int:
    nfvcap = str(Path(sys.executable).parent / "nfvcap")
    took = alternate(
        {
            "python -c 'import click'": lambda: seconds(sys.executable, "-c", "import click"),
            "nfvcap --help": lambda: seconds(nfvcap, "--help"),
        },
        RUNS,
    )
    return 0 if report(took, "python -c 'import click'", {"nfvcap --help": LIMIT}) else 1


if __name__ == "__main__":
    sys.exit(main())
