# SPDX-License-Identifier: Apache-2.0
"""What the agent can be asked for, typed: each class has the arguments of one command, and the words for its argv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PathLike = str | Path


def _words(options: Mapping[str, object]) -> Iterator[str]:
    """``--key value`` for what is set, again for each of a tuple; True stands for a bare flag."""
    for key, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is None or one is False:
                continue
            yield f"--{key}"
            if one is not True:
                yield str(one)


def _seconds(value: float | None) -> str | None:
    """A time with its unit, in whole nanoseconds: no rounding by the decimal point."""
    return None if value is None else f"{round(value * 1e9)}ns"


@dataclass(frozen=True, kw_only=True)
class CaptureOptions:
    """``nfvcap-agent capture``: receive and store (``write``) or only count (``write=None``).

    Sizes are bytes, times seconds. ``extra`` is handed through for everything rarer.
    """

    ports: tuple[str, ...]
    write: PathLike | None = None
    queues: int = 1
    lcores: str | None = None
    format: str | None = None
    engine: str | None = None
    snaplen: int | None = None
    filter: str | None = None
    rotate_size: int | None = None
    rotate_s: float | None = None
    max_files: int | None = None
    disk_quota: int | None = None
    burst_buffer: str | None = None
    duration_s: float | None = None
    packets: int | None = None
    stop_idle_s: float | None = None
    idle_sleep_s: float | None = None
    wait_link_s: float | None = None
    huge_pages: str | None = None
    ready_file: PathLike | None = None
    metrics_file: PathLike | None = None
    json_file: PathLike | None = None  # without it the report is printed
    extra: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        """The words after the program's name."""
        options = {
            "port": self.ports,
            "count-only": self.write is None,
            "write": self.write,
            "queues": self.queues if self.queues != 1 else None,
            "lcores": self.lcores,
            "format": self.format,
            "engine": self.engine,
            "snaplen": self.snaplen,
            "filter": self.filter,
            "rotate-size": self.rotate_size,
            "rotate-time": _seconds(self.rotate_s),
            "max-files": self.max_files,
            "disk-quota": self.disk_quota,
            "burst-buffer": self.burst_buffer,
            "duration": _seconds(self.duration_s),
            "packets": self.packets,
            "stop-idle": _seconds(self.stop_idle_s),
            "idle-sleep": _seconds(self.idle_sleep_s),
            "wait-link": _seconds(self.wait_link_s),
            "huge-pages": self.huge_pages,
            "ready-file": self.ready_file,
            "metrics-file": self.metrics_file,
        }
        json = "--json" if self.json_file is None else f"--json={self.json_file}"
        return ["capture", "--quiet", *_words(options), json, *self.extra]


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """``nfvcap-agent generate``: numbered frames of ``size``, or the frames of the file ``replay``.

    Flow i is for the address ``dst_mac[i % len(dst_mac)]``; ``vlan`` has one for all of them, or one for each
    ("none": no tag).
    """

    port: str
    size: str | None = None
    untagged_size: bool = False
    replay: PathLike | None = None
    rounds: int | None = None
    renumber: bool = False
    rate: str | None = None  # "line", "max", "1.5Mpps", "300kpps", "file"
    count: int | None = None
    duration_s: float | None = None
    flows: int | None = None
    first: int | None = None
    seed: int | None = None
    vlan: tuple[str, ...] = ()
    dst_mac: tuple[str, ...] = ()
    src_mac: str | None = None
    burst: int | None = None
    when_full: str | None = None  # "wait" or "drop"
    omit_every: int | None = None
    linger_s: float | None = None
    link_mbps: int | None = None
    cpu: int | None = None
    huge_pages: str | None = None
    extra: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        """The words after the program's name."""
        options = {
            "port": self.port,
            "size": self.size,
            "untagged-size": self.untagged_size,
            "replay": self.replay,
            "rounds": self.rounds,
            "renumber": self.renumber,
            "rate": self.rate,
            "count": self.count,
            "duration": _seconds(self.duration_s),
            "flows": self.flows,
            "first": self.first,
            "seed": self.seed,
            "vlan": self.vlan,
            "dst-mac": self.dst_mac,
            "src-mac": self.src_mac,
            "burst": self.burst,
            "when-full": self.when_full,
            "omit-every": self.omit_every,
            "linger": _seconds(self.linger_s),
            "link-mbps": self.link_mbps,
            "cpu": self.cpu,
            "huge-pages": self.huge_pages,
        }
        return ["generate", *_words(options), "--json", *self.extra]


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """``nfvcap-agent check``: recount closed files as one set."""

    files: tuple[PathLike, ...]
    expect: int | None = None  # frames of all flows together
    expect_flows: tuple[tuple[int, int], ...] = ()  # (flow, frames)
    flows: int | None = None
    first: int | None = None
    strict: bool = False
    repair: bool = False
    ranges: int | None = None
    threads: int | None = None
    memory: int | None = None

    def argv(self) -> list[str]:
        """The words after the program's name."""
        per_flow = tuple(f"{flow}:{n}" for flow, n in self.expect_flows)
        options = {
            "expect": (self.expect, *per_flow),
            "flows": self.flows,
            "first": self.first,
            "strict": self.strict,
            "repair": self.repair,
            "ranges": self.ranges,
            "threads": self.threads,
            "memory": self.memory,
        }
        return ["check", "--json", *_words(options), "--", *map(str, self.files)]


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """``nfvcap-agent merge``: join files in time order into ``out``."""

    out: PathLike
    files: tuple[PathLike, ...]
    format: str | None = None

    def argv(self) -> list[str]:
        """The words after the program's name."""
        return ["merge", "--json", *_words({"format": self.format}), "--", str(self.out), *map(str, self.files)]
