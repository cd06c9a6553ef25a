# SPDX-License-Identifier: Apache-2.0
"""nfvcap turns a Linux server into a verified packet-capture host."""

__version__ = "0.1.0"
