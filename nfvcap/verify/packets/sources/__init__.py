# SPDX-License-Identifier: Apache-2.0
"""Where numbered frames come from, one file each: the agent's generator (and a file that it replays), TRex."""
