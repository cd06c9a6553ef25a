# SPDX-License-Identifier: Apache-2.0
"""Code for managed hosts is imported in tests by the names it has inside Ansible's payload."""

from __future__ import annotations

import tests.fixtures  # noqa: F401
