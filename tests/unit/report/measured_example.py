# SPDX-License-Identifier: Apache-2.0
"""Results of a fake path, the same in every run."""

from __future__ import annotations

from dataclasses import replace

from fakes import FRAMES_64, INSTANT, FakeSource, limit, path

from nfvcap.model.measurement import Calibration, Sample
from nfvcap.model.result import HostResult, Result
from nfvcap.verify.packets.checks import checks
from nfvcap.verify.packets.run import Run, Wish

FINGERPRINT = "0123456789abcdef"
WHEN = "2026-11-24T12:00:00Z"
ENVIRONMENT = {
    "hostname": "box", "machine": "Box", "os": "Debian", "kernel": "6.12", "cpu": "CPU <&> 2.6 GHz",
    "isolated_cpus": "2-3",
    "placement": "generator on CPU 3, capture on CPU 2, files in /dev/shm", "agent": "0.1.0",
    "nodes": [{"node": 0, "cpus": "0-3", "memory_mib": 16384, "hugepages": {"2048kB": 512, "1048576kB": 0}}],
    "nics": [{"address": "0000:81:00.0", "id": "8086:10c9", "driver": "igb", "node": 0, "vfs": 2,
              "driver_version": None, "firmware": None, "holders": {"1": "vm3"}}],
}  # fmt: skip


def made(rate: str, pps: int, host: str = "box") -> Result:
    """A measurement of a fake path, without what differs from run to run."""
    source = FakeSource(ceiling=20_000_000)
    named = {"name": "vdev", "attachment": "virtual device (memif)", "engine": "DPDK"}
    where = replace(path(limit(pps), source=source), **named)  # type: ignore[arg-type]
    calibration = Calibration(
        source="fake", traffic="64", ceiling_pps=20_000_000, line_pps=14_880_952, link_mbps=10_000, created_at=WHEN,
        fingerprint=FINGERPRINT,
    )  # fmt: skip
    m = Run(where, Wish(INSTANT, FRAMES_64, rate, 60.0), calibration, "f").measure()
    samples = tuple(Sample(end_s=0.1 * n, received=100, stored=90 if n == 3 else 100, lost=10 if n == 3 else 0)
                    for n in range(1, 6))  # fmt: skip
    trials = tuple(trial.model_copy(update={"timeline": samples}) for trial in m.trials)
    m = m.model_copy(update={"took_s": 61.5, "trials": trials})
    only = HostResult(host=host, environment=ENVIRONMENT, checks=checks(m, FINGERPRINT), fingerprint=FINGERPRINT,
                      measurements=(m,))  # fmt: skip
    return Result(nfvcap_version="0.1.0", created_at=WHEN, hosts=(only,))
