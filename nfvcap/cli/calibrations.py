# SPDX-License-Identifier: Apache-2.0
"""Calibrations of sources that are kept: made once with --calibrate, used with --calibration kept.

One that was made in another environment is used all the same, and the check says INCONCLUSIVE (NFV-PKT-001): a figure
beside it would not be worth what it seems.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from nfvcap.cli.packet_options import PacketOptions
from nfvcap.errors import UsageError
from nfvcap.model.measurement import Calibration, Measurement, Traffic
from nfvcap.paths import state_dir
from nfvcap.verify.packets.path import Path as PacketPath


def kept(host: str, path: PacketPath, traffic: Traffic, options: PacketOptions) -> Calibration | None:
    """The calibration to be used; None: it is measured now.

    Raises:
        UsageError: NFV-PKT-213 none is kept for this path and traffic.
    """
    if options.calibration != "kept":
        return None
    found = _read().get(_key(host, path.name, traffic.name, path.link_mbps))
    if found is None:
        raise UsageError(
            "NFV-PKT-213", f"no calibration of {path.source.name} is kept for {path.name} and {traffic.name}",
            f"{_file()} has none", "make one: the same command with --calibrate",
        )  # fmt: skip
    return found


def keep(host: str, measurement: Measurement) -> None:
    """Keep what a run with --calibrate has measured."""
    made = measurement.calibration
    if made is None:
        return
    everything = _read() | {_key(host, measurement.name, made.traffic, made.link_mbps): made}
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_suffix(".new")
    half.write_text(json.dumps({key: one.model_dump() for key, one in everything.items()}, indent=1), encoding="utf-8")
    half.replace(file)


def _read() -> dict[str, Calibration]:
    """Everything that is kept; a file of another version holds nothing."""
    try:
        told = json.loads(_file().read_text(encoding="utf-8"))
        return {key: Calibration.model_validate(one) for key, one in told.items()}
    except (FileNotFoundError, ValueError, ValidationError):
        return {}


def _file() -> Path:
    return state_dir() / "calibrations.json"


def _key(host: str, path: str, traffic: str, link_mbps: int) -> str:
    return f"{host} | {path} | {traffic} | {link_mbps} Mbit/s"
