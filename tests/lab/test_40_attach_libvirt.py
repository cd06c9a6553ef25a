# SPDX-License-Identifier: Apache-2.0
"""Attach and detach against a real libvirt, QEMU and guest, in the image tree of the lab; no lab server is needed.

Everything but the VF is real: events, definitions, hot plug, the guest's agent, refusals, and fifty cycles with a count
of open files. The VF itself is the business of test_50_attach.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from nfvcap.lab.image import ensure
from nfvcap.lab.stages import Stages

pytestmark = pytest.mark.lab


@pytest.mark.timeout(900)
def test_the_transaction_with_a_real_guest(top: Path, tmp_path: Path) -> None:
    assert os.geteuid() == 0, "needs root: it mounts a tree and starts libvirtd in it"
    tree = ensure(Stages(print)).directory / "tree"
    here = Path(__file__).parent / "libvirtd"
    words = [str(here / "outside.sh"), str(tree), str(tmp_path), str(top / "plugins/module_utils"), str(here)]
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "bash", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0 and "all as before" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
