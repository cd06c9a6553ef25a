# SPDX-License-Identifier: Apache-2.0
"""Errors of the lab, all with ids of the area NFV-LAB."""

from __future__ import annotations

from nfvcap.errors import ExitCode, NfvcapError


class LabError(NfvcapError):
    """Something about the emulated lab server went wrong.

    Args:
        number: number of the catalogue id (1 → ``NFV-LAB-001``).
        what, why, fix: see :class:`nfvcap.errors.NfvcapError`.
        exit_code: exit code of the command that ends with this error.
    """

    def __init__(
        self, number: int, what: str, why: str = "", fix: str = "", exit_code: ExitCode = ExitCode.INTERNAL
    ) -> None:
        super().__init__(f"NFV-LAB-{number:03d}", what, why, fix, exit_code)
