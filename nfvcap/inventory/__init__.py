# SPDX-License-Identifier: Apache-2.0
"""Reads ordinary Ansible inventories: what the user wants of each host."""

from nfvcap.inventory.inventory import Inventory, load

__all__ = ["Inventory", "load"]
