# SPDX-License-Identifier: Apache-2.0
"""Decides: cores, nodes, huge pages, VFs and kernel arguments of a host. Pure functions."""
