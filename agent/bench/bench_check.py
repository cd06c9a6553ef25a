# SPDX-License-Identifier: Apache-2.0
"""How fast `check` recounts a file, against how fast this machine reads it.

    python agent/bench/bench_check.py AGENT [--runs 7] [--megabytes 1500] [--memory DIR] [--disk DIR] [--json]

In one run, in turn: `check`, read() of the same file, and the sum over a mapping of it; the faster of the two is
the read bandwidth. Files lie in memory (read from there), on a disk in the page cache, and on a disk with the
cache dropped (root only). A ratio is taken within each round, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MUST, GOAL = 0.5, 0.8


@dataclass
class Row:
    """One figure: medians over the rounds, bytes per second; the ratios of all rounds."""

    where: str
    frame_bytes: int
    packets: int
    check_bytes_per_s: int
    read_bytes_per_s: int
    cpu_ns_per_packet: float
    ratio_min: float
    ratio_median: float
    ratio_max: float


def build(folder: Path) -> Path:
    program = folder / "check_floor"
    sources = [HERE / "check_floor.c", HERE.parent / "src" / "frame.c"]
    subprocess.run(
        ["cc", "-O3", "-march=native", "-std=gnu17", "-Wno-psabi", f"-I{HERE.parent / 'src'}", "-o", program, *sources],
        check=True, timeout=120,
    )  # fmt: skip
    return program


def rate_of(floor: Path, how: str, path: Path) -> int:
    said = subprocess.run([floor, how, path], capture_output=True, text=True, timeout=600, check=True)
    return int(said.stdout)


def forget_cache() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("1\n")


def timed_check(agent: Path, path: Path, packets: int) -> tuple[float, float]:
    """Wall clock and CPU seconds of one recount, which has to come out right."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([agent, "check", "--expect", str(packets), path], check=True, stdout=subprocess.DEVNULL, timeout=600)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@dataclass(frozen=True)
class Subject:
    """The file that is recounted."""

    where: str
    path: Path
    frame_bytes: int
    packets: int


def measure(agent: Path, floor: Path, subject: Subject, runs: int) -> Row:
    path, packets, cold = subject.path, subject.packets, subject.where == "disk"
    os.sync()  # or the disk is still busy with what was just made
    checks, reads, cpus = [], [], []
    for round_ in range(runs + 1):
        rates = []
        for how in ("read", "sum"):
            if cold:
                forget_cache()
            rates.append(rate_of(floor, how, path))
        if cold:
            forget_cache()
        wall, cpu = timed_check(agent, path, packets)
        if round_ == 0:
            continue  # warm-up
        reads.append(max(rates))
        checks.append(path.stat().st_size / wall)
        cpus.append(cpu / packets * 1e9)
    ratios = sorted(check / read for check, read in zip(checks, reads, strict=True))
    return Row(
        subject.where, subject.frame_bytes, packets, int(statistics.median(checks)), int(statistics.median(reads)),
        round(statistics.median(cpus), 2), round(ratios[0], 3), round(statistics.median(ratios), 3),
        round(ratios[-1], 3),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("agent", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--megabytes", type=int, default=1500)
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    for where, place in (("memory", args.memory), ("page cache", args.disk), ("disk", args.disk)):
        if where == "disk" and os.geteuid() != 0:
            print("disk: left out, only root may drop the cache", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="nfvcap-bench-", dir=place) as folder:
            floor = build(Path(folder))
            for size in (60, 1020):
                path = Path(folder) / "frames.pcap"
                packets = args.megabytes * 1_000_000 // (size + 16)
                subprocess.run([floor, "make", path, str(packets), str(size)], check=True, timeout=600)
                subject = Subject(where, path, size + 4, packets)
                rows.append(measure(args.agent.resolve(), floor, subject, args.runs))
    if args.json:
        print(
            json.dumps({"figure": "check", "must": MUST, "goal": GOAL, "rows": [asdict(row) for row in rows]}, indent=2)
        )
    else:
        print(f"{'check, file in':16} {'frame':>6} {'GB/s':>6} {'read':>6} {'ns CPU':>7}  ratio (min, median, max)")
        for row in rows:
            ours, read = row.check_bytes_per_s / 1e9, row.read_bytes_per_s / 1e9
            print(
                f"{row.where:16} {row.frame_bytes:4} B {ours:6.2f} {read:6.2f} {row.cpu_ns_per_packet:7.2f}"
                f"  {row.ratio_min:.2f} {row.ratio_median:.2f} {row.ratio_max:.2f}"
            )
    small = [row for row in rows if row.frame_bytes == 64]
    return 0 if all(row.ratio_median >= MUST for row in small) else 4


if __name__ == "__main__":
    sys.exit(main())
