# SPDX-License-Identifier: Apache-2.0
"""The image of the lab server in the user's cache: built once per recipe, shared by all labs, never half-made."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nfvcap.lab import disk as disk_builder
from nfvcap.lab import tree as tree_builder
from nfvcap.lab.locks import locked
from nfvcap.lab.stages import Stages
from nfvcap.lab.toolbox import Toolbox
from nfvcap.paths import cache_dir
from nfvcap.run import run

_COMPLETE = "complete"


@dataclass(frozen=True)
class Image:
    """A finished image: ``disk.raw`` (read only, backing file of every lab), ``tree/`` and the ssh keys."""

    directory: Path

    @property
    def disk(self) -> Path:
        return self.directory / "disk.raw"

    @property
    def key(self) -> Path:
        """Private ssh key of root in the lab server."""
        return self.directory / "id_ed25519"

    @property
    def host_key(self) -> str:
        """The lab server's public ssh host key, as it stands in known_hosts files."""
        return self.manifest()["host_key"]  # type: ignore[no-any-return]

    @property
    def toolbox(self) -> Toolbox:
        return Toolbox(self.directory / "tree")

    def manifest(self) -> dict[str, Any]:
        """What the image is: recipe, build time in seconds, versions of the main packages, host key."""
        return json.loads((self.directory / _COMPLETE).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def images_dir() -> Path:
    """Where finished images are."""
    return cache_dir() / "lab" / "images"


def recipe_id() -> str:
    """A digest of everything that shapes the image; a changed recipe makes a new image beside the old one."""
    digest = hashlib.sha256()
    # pip compiles what it installs, the lab's own Python file too.
    files = (path for path in sorted(tree_builder.RECIPE.rglob("*")) if "__pycache__" not in path.parts)
    sources = [path for path in files if path.is_file()]
    for path in [*sources, Path(tree_builder.__file__), Path(disk_builder.__file__)]:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def find() -> Image | None:
    """The image of the present recipe, if it has been built."""
    directory = images_dir() / recipe_id()
    return Image(directory) if (directory / _COMPLETE).is_file() else None


def ensure(stages: Stages) -> Image:
    """The image of the present recipe; builds it when there is none.

    Raises:
        NfvcapError: NFV-LAB-001 tools missing, NFV-RUN-00x a step of the build failed.
    """
    if image := find():
        return image
    images_dir().mkdir(parents=True, exist_ok=True)
    with locked(images_dir() / ".lock", "another build of the lab image", wait_s=1800, say=stages.say):
        # Whoever held the lock may have built what is wanted here.
        return find() or _build(stages)


def _build(stages: Stages) -> Image:
    tree_builder.require_tools()
    # Once, before the build: a recipe that is edited meanwhile must not give its name to what was made of the old one.
    recipe = recipe_id()
    for leftover in images_dir().glob(".build-*"):
        tree_builder.remove(leftover)
    started = time.monotonic()
    with _scratch() as scratch:
        _make_key(scratch)
        archives = cache_dir() / "lab" / "apt"
        with stages.stage("image: Debian packages", "one to five minutes, mostly downloads"):
            tree_builder.build(scratch / "tree", scratch / "id_ed25519.pub", archives)
        with stages.stage("image: bootable disk"):
            disk_builder.build(scratch / "tree", scratch / "disk.raw")
            _hand_over(scratch)
        manifest = {
            "schema": "nfvcap/lab-image/1",
            "recipe": recipe,
            "built_s": round(time.monotonic() - started, 1),
            "packages": _versions(scratch / "tree"),
            "host_key": _host_key(scratch / "tree"),
        }
        (scratch / _COMPLETE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        final = images_dir() / recipe
        # Without its stamp a directory of that name is no image; it can only be a damaged one.
        tree_builder.remove(final)
        scratch.rename(final)
    return Image(final)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A directory beside the images that is removed unless it was renamed to its final name."""
    path = Path(tempfile.mkdtemp(prefix=".build-", dir=images_dir()))
    path.chmod(0o755)
    try:
        yield path
    finally:
        tree_builder.remove(path)


def _make_key(directory: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "nfvcap lab", "-f", str(directory / "id_ed25519")]
    run(words, timeout_s=30)


def _hand_over(directory: Path) -> None:
    """Give what root made to the user who builds, and make the shared disk read only."""
    if os.geteuid() != 0:
        owner = f"{os.getuid()}:{os.getgid()}"
        run(tree_builder.as_root("chown", "-R", "-h", owner, directory), timeout_s=120)
    (directory / "disk.raw").chmod(0o444)


def _host_key(tree: Path) -> str:
    return " ".join((tree / "etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8").split()[:2])


def _versions(tree: Path) -> dict[str, str]:
    """Versions of the packages by which a result can be judged later."""
    wanted = {"qemu-system-x86", "libvirt-daemon-system", "ovmf", "dpdk", "iproute2", "systemd", "grub-efi-amd64"}
    found: dict[str, str] = {}
    name = ""
    for line in (tree / "var/lib/dpkg/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("Package: "):
            name = line.removeprefix("Package: ")
        elif line.startswith("Version: ") and (name in wanted or name.startswith("linux-image-6")):
            found[name] = line.removeprefix("Version: ")
    return dict(sorted(found.items()))


def remove_old(used: set[str]) -> list[str]:
    """Remove images of earlier recipes; returns their names.

    Args:
        used: names of images that stay, because the disk of a lab stands on them.
    """
    removed = []
    for directory in sorted(images_dir().glob("*")):
        if directory.is_dir() and directory.name not in used | {recipe_id()} and not directory.name.startswith("."):
            tree_builder.remove(directory)
            removed.append(directory.name)
    return removed
