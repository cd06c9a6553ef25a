# SPDX-License-Identifier: Apache-2.0
"""The emulated lab server: image, machine, and the wire of its network ports."""

from nfvcap.lab.lab import Lab

__all__ = ["Lab"]
