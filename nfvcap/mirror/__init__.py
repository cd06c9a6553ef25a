# SPDX-License-Identifier: Apache-2.0
"""Copies of guests' frames, as people ask for them: words become a request that a host can answer. Pure."""
