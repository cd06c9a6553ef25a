# SPDX-License-Identifier: Apache-2.0
"""The host checks: pytest functions `check_*`, one file per noun; see nfvcap.verify.session for how they run."""
