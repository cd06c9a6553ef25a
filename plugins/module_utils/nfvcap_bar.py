# SPDX-License-Identifier: Apache-2.0
"""Registers of a PCI device through its first memory window (BAR0), while its kernel driver stays bound."""

from __future__ import annotations

import mmap
import os

from .nfvcap_failure import Failure
from .nfvcap_host import Host
from .nfvcap_vfattr import DEVICES


class Bar:
    """``with Bar(host, "0000:81:00.0") as bar:``; each access is one 32-bit word, little endian as the device is.

    Raises:
        Failure: NFV-MIRROR-010 when the window cannot be opened.
    """

    def __init__(self, host: Host, address: str) -> None:
        self._path = f"{DEVICES}/{address}/resource0"
        self._host, self._address = host, address

    def __enter__(self) -> Bar:
        try:
            handle = os.open(self._host.real(self._path), os.O_RDWR | os.O_SYNC | os.O_CLOEXEC)
            try:
                self._map = mmap.mmap(handle, os.fstat(handle).st_size)
            finally:
                os.close(handle)
        except (OSError, ValueError) as error:
            raise Failure(
                "NFV-MIRROR-010",
                f"the registers of {self._address} cannot be reached",
                f"{self._path}: {error}; a kernel with CONFIG_IO_STRICT_DEVMEM needs iomem=relaxed, and one under "
                "lockdown gives nothing away",
                "say `mirror: {registers: true}` in the inventory and provision the host, or use another backend",
            ) from error
        self._words = memoryview(self._map).cast("I")
        return self

    def __exit__(self, *_: object) -> None:
        self._words.release()
        self._map.close()

    def read(self, offset: int) -> int:
        """One register."""
        return int(self._words[offset // 4])

    def write(self, offset: int, value: int) -> bool:
        """Set one register unless it has the value already; tells whether it reads back as written."""
        if self.read(offset) != value:
            self._words[offset // 4] = value
        return self.read(offset) == value
