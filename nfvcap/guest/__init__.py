# SPDX-License-Identifier: Apache-2.0
"""Guests that nfvcap creates: their definition for libvirt, made from the plan. Pure, but for reading templates."""
