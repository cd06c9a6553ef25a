# SPDX-License-Identifier: Apache-2.0
"""The lab server's root file system as a directory tree, made by mmdebstrap from Debian packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nfvcap.errors import ExitCode
from nfvcap.lab.errors import LabError
from nfvcap.lab.mirrors import mirrors
from nfvcap.run import run

RECIPE = Path(__file__).resolve().parent / "recipe"
SUITE = "trixie"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_BUILD_TIMEOUT_S = 1800
# Documentation and translations are a third of the files and nothing in a lab reads them.
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")


def packages() -> list[str]:
    """Names of the packages of the recipe."""
    lines = (RECIPE / "packages.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def as_root(*words: str | Path, **variables: str) -> list[str]:
    """A command with the rights of root: as it is for root, through sudo for everybody else.

    Args:
        words: the command.
        variables: added to its environment by name, because sudo drops what it is given.
    """
    prefix = [] if os.geteuid() == 0 else ["sudo", "--"]
    environment = ["env", *(f"{key}={value}" for key, value in variables.items())] if variables else []
    return [*prefix, *environment, *map(str, words)]


def require_tools() -> None:
    """Is everything here that the build takes from this machine?

    Raises:
        LabError: NFV-LAB-001 something is missing.
    """
    wanted = ["mmdebstrap", "setpriv", "unshare", "ssh", "ssh-keygen"] + ([] if os.geteuid() == 0 else ["sudo"])
    missing = [name for name in wanted if shutil.which(name) is None]
    if not _KEYRING.exists():
        missing.append("debian-archive-keyring")
    if missing:
        raise LabError(
            1,
            f"the lab image cannot be built here: {', '.join(missing)} missing",
            "the image is made of Debian packages by mmdebstrap",
            "apt-get install mmdebstrap debian-archive-keyring util-linux openssh-client",
            ExitCode.USAGE,
        )


def command(tree: Path, public_key: Path, archives: Path) -> list[str]:
    """The mmdebstrap command that makes ``tree``; downloaded packages are kept in ``archives``."""
    # A private mount namespace: whatever happens to the build, no bind mount of /dev or /proc outlives it, so that
    # removing a half-made tree can never reach the machine's own files.
    # And no build outlives the command that started it.
    words: list[str | Path] = ["setpriv", "--pdeathsig", "KILL"]
    words += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "mmdebstrap"]
    words += ["--quiet", "--mode=root", "--variant=minbase", "--architectures=amd64", f"--keyring={_KEYRING}"]
    words += [
        '--aptopt=Apt::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        "--dpkgopt=force-unsafe-io",
    ]
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    words += [f"--include={','.join(packages())}", "--skip=essential/unlink,cleanup/apt"]
    cached = '"$1"/var/cache/apt/archives'
    words += [
        f'--setup-hook=mkdir -p {cached} && find "{archives}" -name "*.deb" -exec cp -t {cached} {{}} +',
        f'--setup-hook=install -D -m 644 "{RECIPE}/rootfs/etc/initramfs-tools/conf.d/lab" '
        '"$1"/etc/initramfs-tools/conf.d/lab',
        f'--customize-hook=rm -f "{archives}"/*.deb && mv {cached}/*.deb "{archives}"/',
        f'--customize-hook=sh "{RECIPE}/customize.sh" "$1" "{RECIPE}" "{public_key}"',
    ]
    return as_root(*words, SUITE, tree, *mirrors(SUITE), **_environment(tree.parent))


def _environment(scratch: Path) -> dict[str, str]:
    """Locale and umask must not shape the image; the caller's proxies are needed to get at the packages."""
    proxies = {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ}
    return {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(scratch), **proxies}


def build(tree: Path, public_key: Path, archives: Path) -> None:
    """Make the tree; takes one to five minutes, mostly downloads.

    Args:
        tree: directory to make, belongs to root afterwards.
        public_key: ssh key that may log in as root.
        archives: cache of downloaded packages, holds exactly this build's afterwards.

    Raises:
        NfvcapError: NFV-LAB-001, or NFV-RUN-00x with the last lines of mmdebstrap.
    """
    require_tools()
    archives.mkdir(parents=True, exist_ok=True)
    run(command(tree, public_key, archives), timeout_s=_BUILD_TIMEOUT_S, cwd=tree.parent)


def remove(path: Path) -> None:
    """Remove a tree that may belong to root; never leaves its file system."""
    if path.exists():
        run(as_root("rm", "-rf", "--one-file-system", path), timeout_s=120)
