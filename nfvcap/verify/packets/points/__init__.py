# SPDX-License-Identifier: Apache-2.0
"""Where the agent captures, one file each: a port of this machine; guests come beside it."""
