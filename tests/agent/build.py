# SPDX-License-Identifier: Apache-2.0
"""Builds of the capture agent for the tests: what nfvcap.agent.build makes, skipped where the tools are missing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nfvcap.agent import build
from nfvcap.agent.build import Variant
from nfvcap.errors import NfvcapError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def skipping() -> Iterator[None]:
    """A machine that cannot build skips; a build that fails is a failure."""
    try:
        yield
    except NfvcapError as error:
        if error.code == "NFV-AGENT-001":
            pytest.skip(str(error))
        raise


def build_variant(source: Path, variant: Variant) -> Path:
    """The program, built in another way."""
    with skipping():
        return build.build_agent(source, variant)


@contextmanager
def built(source: Path, variant: Variant, targets: Sequence[str]) -> Iterator[Path]:
    """The build directory with these targets made."""
    if shutil.which(variant.compiler) is None:
        pytest.skip(f"{variant.compiler} is not installed")
    with skipping(), build.built(source, variant, targets) as work:
        yield work
