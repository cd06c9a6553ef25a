# SPDX-License-Identifier: Apache-2.0
"""What the frames are like: one size, a mix with its genome (RFC 6985), or the frames of a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nfvcap.errors import UsageError
from nfvcap.model.measurement import Traffic

WIRE_OVERHEAD_BYTES = 20  # preamble and gap between frames
_LETTERS = {64: "a", 128: "b", 256: "c", 512: "d", 1024: "e", 1280: "f", 1518: "g", 2112: "h", 9000: "i", 16000: "j"}
_GENOME = re.compile(r"genome(?::([a-j]+))?")
_DEFAULT_GENOME = "aaafg"
_IMIX = (64,) * 7 + (594,) * 4 + (1518,)
# Short and full frames with little between, as on a backbone link, with a mean of exactly 965 bytes: it stands in for
# the CAIDA trace of the study, which may not be passed on.
_BACKBONE = (64, 1518, 1518, 576, 1518, 64, 1518, 1292, 1518, 64)
MIX_SEED = 20140619
"""Each round of a mix is in an order of its own, the same in every run."""


def traffic(text: str, flows: int = 1) -> Traffic:
    """Understand ``--traffic``.

    Raises:
        UsageError: NFV-PKT-201 it is neither a size, a mix nor a file.
    """
    genome = _GENOME.fullmatch(text)
    if genome:
        letters = genome[1] or _DEFAULT_GENOME
        sizes = {letter: size for size, letter in _LETTERS.items()}
        return of_sizes(text, [sizes[letter] for letter in letters], flows)
    if text == "imix":
        return of_sizes(text, _IMIX, flows)
    if text == "965":
        return of_sizes(text, _BACKBONE, flows)
    if text.isdigit() and 64 <= int(text) <= 16000:
        return of_sizes(text, [int(text)], flows)
    if Path(text).is_file():
        return _of_file(Path(text))
    raise UsageError(
        "NFV-PKT-201",
        f"--traffic {text} is not understood",
        "it is no frame size (64 to 16000), not 965, imix, genome or genome:LETTERS, and no file",
        "--traffic 64, --traffic 965, --traffic imix, --traffic genome:aaafg or --traffic capture.pcap",
    )


def of_sizes(name: str, sizes: Sequence[int], flows: int = 1) -> Traffic:
    """Frames of these sizes in turn."""
    return Traffic(
        name=name, genome=genome_of(sizes), sizes_bytes=tuple(sizes), mean_bytes=sum(sizes) / len(sizes), flows=flows
    )


def genome_of(sizes: Sequence[int]) -> str:
    """RFC 6985: a letter for each size; sizes without a letter of their own are spelt out behind it."""
    custom = sorted({size for size in sizes if size not in _LETTERS})
    names = _LETTERS | {size: f"z{number}" if len(custom) > 1 else "z" for number, size in enumerate(custom, 1)}
    spelt = "".join(names[size] for size in sizes)
    return "; ".join([spelt, *(f"{names[size]} = {size}" for size in custom)])


def line_rate_pps(traffic: Traffic, link_mbps: int) -> int:
    """How many such frames a link carries in a second, rounded down: 14 880 952 of 64 bytes at 10 Gb/s."""
    return int(link_mbps * 1_000_000 / ((traffic.mean_bytes + WIRE_OVERHEAD_BYTES) * 8))


def whole_rounds(traffic: Traffic, packets: int) -> int:
    """A number of frames near to this one of which the share of each size, and of each flow, is known exactly."""
    unit = len(traffic.sizes_bytes) or 1
    return max(unit, packets // unit * unit)


def _of_file(path: Path) -> Traffic:
    from nfvcap.verify.packets.pcap_sizes import frame_sizes

    sizes = frame_sizes(path)
    total = sum(size * count for size, count in sizes.items())
    count = sum(sizes.values())
    shares = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:3]
    genome = "mostly " + ", ".join(f"{size} B ({number * 100 // count} %)" for size, number in shares)
    return Traffic(name=path.name, genome=genome, sizes_bytes=(), mean_bytes=total / count, file=str(path.resolve()))
