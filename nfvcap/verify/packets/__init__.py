# SPDX-License-Identifier: Apache-2.0
"""Judging a capture by numbered packets: sent against recounted from the closed file; counters only say where.

A :class:`~nfvcap.verify.packets.path.Path` is a source and a capture point. Everything else is the same for all paths:
``trials`` runs one after the other, ``accounting`` makes the waterfall, ``verdict`` judges, ``search`` looks for rates.
"""
