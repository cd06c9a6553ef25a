# SPDX-License-Identifier: Apache-2.0
"""Ways into another machine: run a program there, put a file there, bring one home.

``command``: behind a prefix of words such as ssh; ``channel``: a guest without network or login, through the QEMU guest
agent that its host holds. Whoever works on a :class:`~nfvcap.door.door.Door` does not know which one it is.
"""
