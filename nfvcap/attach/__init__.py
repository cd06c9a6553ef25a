# SPDX-License-Identifier: Apache-2.0
"""Which VF goes to which guest: pure functions from facts, intent and request to the document nfvcap/attach/1."""
