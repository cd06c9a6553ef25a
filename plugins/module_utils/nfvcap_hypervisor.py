# SPDX-License-Identifier: Apache-2.0
"""Guests and their devices through libvirt; every refusal of it becomes a :class:`Failure`.

The connection is opened when the first guest is looked for, so hosts without guests do without libvirt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from .nfvcap_failure import Failure
from .nfvcap_guestagent import GuestAgent
from .nfvcap_host import Host
from .nfvcap_libvirt import binding, connect

T = TypeVar("T")
# How often a wait for an event looks at the clock.
_TICK_MS = 200
# A guest that was just starting may have missed the first request; asking again does no harm.
_ASK_AGAIN_S = 10.0


class Hypervisor:
    """A connection that is opened on first use."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._libvirt: Any = None
        self._connection: Any = None

    def guest(self, uuid: str) -> Guest | None:
        """The guest with this UUID; None when libvirt does not know it (any more)."""
        connection = self._open()
        try:
            return Guest(self._host, self._libvirt, connection, connection.lookupByUUIDString(uuid))
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise refused(f"guest {uuid} cannot be looked up", error) from error

    def guests(self) -> list[Guest]:
        """All guests, running or not."""
        connection = self._open()
        found = self._ask("the guests cannot be listed", connection.listAllDomains)
        return [Guest(self._host, self._libvirt, connection, domain) for domain in found]

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            with suppress(self._libvirt.libvirtError):
                self._connection.close()
            self._connection = None

    def _ask(self, what: str, question: Callable[[], T]) -> T:
        try:
            return question()
        except self._libvirt.libvirtError as error:
            raise refused(what, error) from error

    def _open(self) -> Any:
        if self._connection is not None and self._answers():
            return self._connection
        self._libvirt = binding()
        # Before the connection: events come only to connections that were opened after it.
        self._libvirt.virEventRegisterDefaultImpl()
        self._connection = connect()
        return self._connection

    def _answers(self) -> bool:
        """libvirtd ends a connection that was silent for half a minute, as during another step of ours."""
        try:
            self._connection.getLibVersion()
        except self._libvirt.libvirtError:
            return False
        return True


class Guest:
    """One guest of libvirt."""

    def __init__(self, host: Host, libvirt: Any, connection: Any, domain: Any) -> None:
        self._host, self._libvirt, self._connection, self._domain = host, libvirt, connection, domain
        self.agent = GuestAgent(domain)
        self.name: str = domain.name()
        self.uuid: str = domain.UUIDString()

    @property
    def running(self) -> bool:
        return bool(self._ask("its state cannot be read", self._domain.isActive))

    @property
    def paused(self) -> bool:
        state = self._ask("its state cannot be read", self._domain.state)[0]
        return bool(state == self._libvirt.VIR_DOMAIN_PAUSED)

    @property
    def persistent(self) -> bool:
        return bool(self._ask("its state cannot be read", self._domain.isPersistent))

    def live_xml(self) -> str:
        return str(self._ask("its definition cannot be read", lambda: self._domain.XMLDesc(0)))

    def config_xml(self, secrets: bool = False) -> str:
        """The persistent definition; with passwords only for keeping it on this host."""
        flags = self._libvirt.VIR_DOMAIN_XML_INACTIVE | (self._libvirt.VIR_DOMAIN_XML_SECURE if secrets else 0)
        return str(self._ask("its definition cannot be read", lambda: self._domain.XMLDesc(flags)))

    def attach(self, device_xml: str, *, live: bool, what: str = "the VF") -> None:
        """Add a device to the running guest, or to its definition.

        Args:
            what: the device, for people.

        Raises:
            Failure: NFV-ATTACH-010 with libvirt's words.
        """
        where = "the running guest" if live else "its definition"
        self._ask(
            f"libvirt does not add {what} to {where}",
            lambda: self._domain.attachDeviceFlags(device_xml, self._flag(live)),
        )

    def detach_config(self, device_xml: str) -> None:
        """Take a device out of the definition.

        Raises:
            Failure: NFV-ATTACH-010 with libvirt's words.
        """
        self._ask(
            "libvirt does not take the VF out of its definition",
            lambda: self._domain.detachDeviceFlags(device_xml, self._flag(False)),
        )

    def define(self, xml: str) -> None:
        """Replace the definition by one that libvirt itself gave earlier."""
        self._ask("libvirt does not take its former definition back", lambda: self._connection.defineXML(xml))

    def power_off(self) -> None:
        """End the guest at once, as if its power failed."""
        self._ask("it cannot be powered off", self._domain.destroy)

    def detach_live(self, alias: str, is_there: Callable[[], bool], timeout_s: float, *, what: str = "the VF") -> str:
        """Ask the running guest to release a device, and wait for libvirt's word that it has.

        Args:
            what: the device, for people.

        Returns:
            "removed"; "refused" when the guest said no; "silent" when it did not answer in ``timeout_s``.
        """
        libvirt, said = self._libvirt, []

        def note(word: str) -> Callable[..., None]:
            return lambda _connection, _domain, device, *_: said.append(word) if device == alias else None

        numbers = [
            self._connection.domainEventRegisterAny(self._domain, event, note(word), None)
            for event, word in (
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "removed"),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, "refused"),
            )
        ]
        timer = libvirt.virEventAddTimeout(_TICK_MS, lambda *_: None, None)
        try:
            return self._wait_for_release(alias, is_there, timeout_s, said, what)
        finally:
            libvirt.virEventRemoveTimeout(timer)
            for number in numbers:
                self._connection.domainEventDeregisterAny(number)

    def _wait_for_release(
        self, alias: str, is_there: Callable[[], bool], timeout_s: float, said: list[str], what: str
    ) -> str:
        deadline = self._host.now_s() + timeout_s
        again = self._host.now_s()
        while not said and self._host.now_s() < deadline:
            if self._host.now_s() >= again:
                try:
                    self._request(alias, what)
                except Failure:
                    if is_there():
                        raise
                again = self._host.now_s() + _ASK_AGAIN_S
                # It may have gone between two looks, or with the guest.
                if not is_there():
                    return "removed"
            self._libvirt.virEventRunDefaultImpl()
        if said and said[0] == "removed":
            # The event comes before libvirt has given the device back to the host.
            self._host.wait_until(lambda: not is_there(), 10.0)
        return "removed" if not is_there() else (said[0] if said and said[0] == "refused" else "silent")

    def _request(self, alias: str, what: str) -> None:
        libvirt = self._libvirt
        try:
            self._domain.detachDeviceAlias(alias, self._flag(True))
        except libvirt.libvirtError as error:
            # Still pending from the last request, gone meanwhile, or the guest has ended: the caller looks.
            known = (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
            pending = "unplug" in str(error).lower()
            if error.get_error_code() not in known and not pending:
                raise refused(f"guest {self.name}: libvirt does not take {what} from it", error) from error

    def _flag(self, live: bool) -> int:
        return int(self._libvirt.VIR_DOMAIN_AFFECT_LIVE if live else self._libvirt.VIR_DOMAIN_AFFECT_CONFIG)

    def _ask(self, what: str, question: Callable[[], T]) -> T:
        try:
            return question()
        except self._libvirt.libvirtError as error:
            raise refused(f"guest {self.name}: {what}", error) from error


def refused(what: str, error: Exception) -> Failure:
    """What libvirt said, as a failure."""
    return Failure("NFV-ATTACH-010", what, str(error), "`journalctl -u libvirtd` (or virtqemud) on the host says more")
