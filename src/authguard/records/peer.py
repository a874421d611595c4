"""Address of a client in one spelling, so that records of one client can be found."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def normalize_address(host: str) -> str:
    """Return an IP address in its canonical spelling (RFC 5952); empty for anything else, such as a socket's path.

    An IPv4 address that is mapped into IPv6 (RFC 4291 2.5.5.2) is returned as IPv4; a zone is removed.

    Args:
        host: as a server or a proxy names the client: any text.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
