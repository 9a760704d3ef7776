"""Which addresses of the web may be read at all. It opens nothing.

What counts is where a connection would go: names are checked again by what they resolve to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from yarl import URL

from coworker.errors import Denied
from coworker.settings import Web

_PORTS = (80, 443, 8080, 8443)
_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def parsed(url: str) -> URL:
    """The address of a page. Raises Denied for anything else."""
    try:
        parts = URL(url)
    except ValueError:
        raise Denied("That is no address of a web page.") from None
    if parts.scheme not in ("http", "https") or not parts.raw_host:
        raise Denied("Only addresses that begin with http:// or https:// can be read.")
    if "@" in parts.raw_authority or "\\" in url:
        raise Denied("An address with a name or password in it is not read.")
    return parts


def checked(url: URL, web: Web) -> bool:
    """Whether the owner has opened this address although it may be in a private network.

    Raises Denied for one that may not be read.
    """
    if lies_in(url, web.deny):
        raise Denied(f"{url.host} is in web.deny of the configuration, so it is not read.")
    is_open = lies_in(url, web.private, below=False)
    named = {_split(each)[1] for each in web.private if is_open}
    if url.port not in {*_PORTS, *named}:
        usual = ", ".join(map(str, _PORTS))
        raise Denied(f"Port {url.port} of {url.host} is none of the web's ({usual}): not read.")
    return is_open


def lies_in(url: URL, listed: Iterable[str], *, below: bool = True) -> bool:
    """Whether its host is one of these `host` or `host:port`, or with `below` lies under one."""
    host = (url.raw_host or "").rstrip(".").lower()
    for name, port in map(_split, listed):
        if (host == name or (below and host.endswith(f".{name}"))) and port in (None, url.port):
            return True
    return False


def _split(listed: str) -> tuple[str, int | None]:
    host, _, port = listed.lower().rpartition(":")
    if port.isdigit() and not host.endswith(":"):
        return host.strip("[]"), int(port)
    return listed.lower().strip("[]"), None


def is_private(url: URL) -> bool:
    """Whether it names a place in this network without any name that would have to be resolved."""
    host = (url.raw_host or "").rstrip(".").lower()
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also when it holds another."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and not ip.is_reserved
    inner = ip.ipv4_mapped or ip.sixtofour
    if ip in _NAT64:
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if inner:
        return is_public(str(inner))
    return ip in _UNICAST and ip.is_global and not ip.teredo
