# SPDX-License-Identifier: Apache-2.0
"""Where numbered frames come from, one file each: a lab's wire, the agent's generator (and a file that it replays)."""
