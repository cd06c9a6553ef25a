# SPDX-License-Identifier: Apache-2.0
"""A fake host with one card and what mirroring needs of it: registers in a plain file, and a journal that listens."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import nfvcap_journal
from ansible.module_utils.nfvcap_host import Host
from ansible.module_utils.nfvcap_ledger import Ledger
from ansible.module_utils.nfvcap_mirror import add_rule, backend, rules_of
from ansible.module_utils.nfvcap_mirror_rule import VF, Place, Request, Rule
from ansible.module_utils.nfvcap_outcome import Outcome

from tests.modules.fakecard import PCI, FakeCard
from tests.modules.fakehost import FakeHost

BAR_BYTES = 128 * 1024
MACS = ("02:00:00:81:00:00", "02:00:00:81:00:01", "02:00:00:81:00:02", "02:00:00:81:00:03")
_VALID = 1 << 31


class MirrorHost:
    """A card with four VFs of known addresses.

    Attributes:
        lines: what the journal has taken.
    """

    def __init__(self, tree: Path, monkeypatch: pytest.MonkeyPatch, driver: str = "igb", device: str = "10c9") -> None:
        self.host = FakeHost(tree)
        self.card = FakeCard(self.host, "0000:81:00.0")
        self.pf = self.card.address
        self.driver = driver
        self.make_vfs()
        self.card.up = True
        self.host.link(f"{PCI}/{self.pf}/driver", f"../../../bus/pci/drivers/{driver}")
        self.host.plant(f"{PCI}/{self.pf}/device", f"0x{device}\n")
        self.host.plant(f"{PCI}/{self.pf}/resource0", bytes(BAR_BYTES))
        self.lockdown("none")
        self.lines: list[str] = []
        monkeypatch.setattr(nfvcap_journal, "_send", self._take)

    def _take(self, host: Host, path: str, text: str) -> bool:
        self.lines.append(text)
        return True

    def make_vfs(self) -> None:
        """As the host's boot unit does, or its administrator."""
        self.host.write(f"{PCI}/{self.pf}/sriov_numvfs", "4")
        for index, mac in enumerate(MACS):
            self.card.vfs[index]["address"] = mac

    def unload_driver(self) -> None:
        """`modprobe -r`: VFs and the PF's interface go with it, and the card forgets its receive addresses."""
        self.host.write(f"{PCI}/{self.pf}/sriov_numvfs", "0")
        self._ip, self.host.answers["ip"] = self.host.answers["ip"], lambda words: "[]"
        self.host.unlink(f"{PCI}/{self.pf}/driver")
        shutil.rmtree(self.host.real(f"{PCI}/{self.pf}/net"))
        self.host.unlink(f"/sys/class/net/{self.card.name}")
        self.host.plant(f"{PCI}/{self.pf}/resource0", bytes(BAR_BYTES))

    def load_driver(self) -> None:
        """`modprobe`: the PF is back, without VFs."""
        self.host.answers["ip"] = self._ip
        self.host.link(f"{PCI}/{self.pf}/driver", f"../../../bus/pci/drivers/{self.driver}")
        self.host.plant(f"{PCI}/{self.pf}/net/{self.card.name}/ifindex", "7\n")
        self.host.link(f"/sys/class/net/{self.card.name}", f"../../devices/pci0000:80/{self.pf}/net/{self.card.name}")

    def lockdown(self, mode: str) -> None:
        words = " ".join(f"[{word}]" if word == mode else word for word in ("none", "integrity", "confidentiality"))
        self.host.plant("/sys/kernel/security/lockdown", words + "\n")

    # Registers.

    def read(self, offset: int) -> int:
        data = Path(self.host.real(f"{PCI}/{self.pf}/resource0")).read_bytes()
        return int(struct.unpack_from("<I", data, offset)[0])

    def poke(self, offset: int, value: int) -> None:
        path = Path(self.host.real(f"{PCI}/{self.pf}/resource0"))
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, offset, value)
        path.write_bytes(data)

    def igb_addresses(self) -> None:
        """Receive addresses as igb leaves them (seen in the lab): the PF's own first, those of VFs from the end."""
        self.poke(0x5404, _VALID | 1 << 18 + 4)
        for index in range(4):
            self.poke(0x54E4 + 8 * (23 - index - 16), _VALID | 1 << 18 + index)

    def rah_pools(self, index: int) -> int:
        """Pools that a VF's own receive address selects."""
        return self.read(0x54E4 + 8 * (23 - index - 16)) >> 18 & 0xFF

    # Rules.

    def request(self, monitor: int, *sources: int, **more: Any) -> Request:
        places = tuple(Place(VF, index, label=f"vm{index + 1}") for index in sources)
        return Request(self.pf, Place(VF, monitor, label=f"vm{monitor + 1}"), places, **more)

    def add(self, monitor: int, *sources: int, for_s: int = 0, **more: Any) -> Outcome:
        outcome = Outcome()
        add_rule(self.host, self.request(monitor, *sources, **more), outcome, False, who="alice", for_s=for_s)
        return outcome

    def rules(self) -> list[Rule]:
        return rules_of(Ledger(self.host))

    def lacking(self, rule_id: str) -> list[str]:
        (rule,) = (one for one in self.rules() if one.rule_id == rule_id)
        return backend(rule.backend).lacking(self.host, rule)

    def macs(self) -> list[str]:
        return [self.card.vfs[index]["address"] for index in sorted(self.card.vfs)]

    def everything(self) -> tuple[Any, ...]:
        """State that a refused request must leave alone."""
        tree = self.host.tree()
        return tree, json.dumps(self.card.vfs), len(self.host.writes)
