# SPDX-License-Identifier: Apache-2.0
"""The one kind of error that people see, and the exit codes of every command.

An :class:`NfvcapError` answers three questions: what happened, why, and how to fix it.
Its ``code`` (``NFV-<AREA>-<NNN>``) can be looked up with ``nfvcap explain CODE``.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; when several apply the worst one wins (see :func:`worst`)."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    CHANGES_PENDING = 3
    CHECK_FAILED = 4
    INCONCLUSIVE = 5
    UNREACHABLE = 6
    REBOOT_REQUIRED = 7
    INTERRUPTED = 130


# From harmless to grave. Numbers are a stable contract, so severity needs an order of its own.
_SEVERITY = [
    ExitCode.OK,
    ExitCode.CHANGES_PENDING,
    ExitCode.REBOOT_REQUIRED,
    ExitCode.INCONCLUSIVE,
    ExitCode.CHECK_FAILED,
    ExitCode.UNREACHABLE,
    ExitCode.USAGE,
    ExitCode.INTERNAL,
    ExitCode.INTERRUPTED,
]


def worst(*codes: ExitCode) -> ExitCode:
    """Return the gravest of the given exit codes (``OK`` when there are none)."""
    return max(codes, key=_SEVERITY.index, default=ExitCode.OK)


class NfvcapError(Exception):
    """A failure that is explained to the user instead of shown as a traceback.

    Args:
        code: catalogue id such as ``NFV-SSH-001``.
        what: what failed, one sentence.
        why: the evidence or the reason, may be empty.
        fix: what the user can do about it, may be empty.
        exit_code: exit code of the command that ends with this error.
    """

    def __init__(
        self, code: str, what: str, why: str = "", fix: str = "", exit_code: ExitCode = ExitCode.INTERNAL
    ) -> None:
        super().__init__(what)
        self.code, self.what, self.why, self.fix, self.exit_code = code, what, why, fix, exit_code

    def __str__(self) -> str:
        lines = [f"{self.what} [{self.code}]"]
        if self.why:
            lines.append(f"  why: {self.why}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class UsageError(NfvcapError):
    """Bad input or configuration: nothing was changed (exit code 2)."""

    def __init__(self, code: str, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(code, what, why, fix, ExitCode.USAGE)
