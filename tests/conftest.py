# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def top() -> Path:
    """The top of the checkout."""
    return Path(__file__).resolve().parent.parent
