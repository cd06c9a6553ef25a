# SPDX-License-Identifier: Apache-2.0
"""The same names for code of managed hosts as in tests/modules."""

from __future__ import annotations

import tests.modules.conftest  # noqa: F401 - extends the search path of ansible.module_utils
