"""Host names: by which names a request may call this server.

A page of another site can have its own name point to 127.0.0.1 (DNS rebinding) and then ask this
server as if it were its own. Its requests say that other name in Host. So names are compared with a
list, whole and parsed: evil-localhost, localhost.evil.com and localhost@evil.com are none of it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True)
class Names:
    """Holds the names of the server, lower-case, IP addresses in their one short form.

    addresses: whether it goes by any IP address, too. Nobody can make an address point elsewhere.
    """

    names: frozenset[str]
    port: int
    addresses: bool

    @classmethod
    def of(cls, host: str, port: int) -> Names:
        """Name what a server on that address may be called: on loopback, loopback names only."""
        own = short(host)
        if is_loopback(host):
            return cls(LOOPBACK | {own}, port, addresses=False)
        machine = socket.gethostname().lower()
        return cls(LOOPBACK | {own, machine, f"{machine}.local"}, port, addresses=True)

    def allow(self, name: str, port: str | None) -> bool:
        """Tell whether a parsed Host is this server; without a port, by its name alone."""
        if port is not None and port != str(self.port):
            return False
        return name in self.names or (self.addresses and address(name) is not None)


def parsed(host: str) -> tuple[str, str | None] | None:
    """Split a Host header into its name, as Names holds it, and its port; None: malformed."""
    match = HOST.fullmatch(host)
    if match is None:
        return None
    bracketed, name, port = match.groups()
    if bracketed is not None:
        found = address(bracketed)
        return None if found is None or found.version != 6 else (str(found), port)
    return short(name), port


def short(name: str) -> str:
    """Write a name in lower case, and an IP address in its one short form."""
    found = address(name)
    return str(found) if found is not None else name.lower()


def address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address; None for a name."""
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a server that listens on that address."""
    found = address(host)
    return host.lower() == "localhost" if found is None else found.is_loopback
