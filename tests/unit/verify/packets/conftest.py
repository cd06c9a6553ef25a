# SPDX-License-Identifier: Apache-2.0
"""The fakes are importable by their name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
