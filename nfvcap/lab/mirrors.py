# SPDX-License-Identifier: Apache-2.0
"""Where the packages of the lab server come from."""

from __future__ import annotations

import os
from pathlib import Path

from nfvcap.lab.aptsources import own_archive, release


def mirrors(suite: str, root: Path = Path("/")) -> list[str]:
    """Lines of apt's sources for a suite of Debian; none where mmdebstrap has to use the mirrors that it knows itself.

    A Debian machine takes what its own packages come from: an archive has all suites. Any other distribution's archive
    has no Debian. ``NFVCAP_DEBIAN_MIRROR`` and ``NFVCAP_DEBIAN_SECURITY_MIRROR`` come before both.
    """
    main, security = os.environ.get("NFVCAP_DEBIAN_MIRROR", ""), os.environ.get("NFVCAP_DEBIAN_SECURITY_MIRROR", "")
    if release(root).get("ID") == "debian":
        archive, updates = own_archive(root), own_archive(root, "-security")
        main = main or (archive.uri if archive else "")
        security = security or (updates.uri if updates else "")
    if not main:
        return []
    lines = [f"deb {main} {suite} main", f"deb {main} {suite}-updates main"]
    return [*lines, f"deb {security} {suite}-security main"] if security else lines
