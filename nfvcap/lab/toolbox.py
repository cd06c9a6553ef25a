# SPDX-License-Identifier: Apache-2.0
"""Programs out of the unpacked image tree, run on this machine without chroot, namespaces or privileges.

The tree has its own dynamic loader and libraries, so a program of Debian 13 runs on any Linux of the same
architecture, and sees this machine's files under their ordinary names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd")


@dataclass(frozen=True)
class Toolbox:
    """The unpacked tree as a collection of programs.

    Args:
        tree: top of an unpacked Debian root file system.
    """

    tree: Path

    def argv(self, program: str, *words: str | Path) -> list[str]:
        """Command that runs ``program`` (``usr/bin/mcopy``) of the tree with these arguments.

        ``--argv0`` keeps programs working that look at the name under which they were called.
        """
        libraries = ":".join(str(self.tree / directory) for directory in _LIBRARIES)
        loader = [str(self.tree / _LOADER), "--argv0", Path(program).name, "--library-path", libraries]
        return [*loader, str(self.tree / program), *map(str, words)]

    def path(self, name: str) -> Path:
        """A file of the tree (``usr/share/OVMF/OVMF_CODE_4M.fd``)."""
        return self.tree / name
