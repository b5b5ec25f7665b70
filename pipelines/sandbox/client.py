"""Callers -> IP address and user agent: addresses of the documentation ranges, user agents of real SDKs."""

from ipaddress import IPv4Network, IPv6Address, IPv6Network

import numpy as np
import numpy.typing as npt
import polars as pl

from pipelines.sandbox.company import Stream

Ints = npt.NDArray[np.int64]
# RFC 5737 and RFC 3849: nobody has these addresses.
IPV4 = tuple(IPv4Network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
IPV6 = IPv6Network("2001:db8::/32")
IPV6_HOSTS = 254
SERVERS_PER_KEY = 2
WEEK_US = 7 * 86_400_000_000


def draw_clients(
    streams: tuple[Stream, ...], stream: Ints, key_rank: Ints, user_rank: Ints, requested_at_us: Ints
) -> tuple[pl.Series, pl.Series]:
    """Give each call its `ip` and `user_agent`: people get a new address a week, servers keep theirs."""
    project = np.array([s.project_index for s in streams])[stream]
    people = np.array([s.project.people for s in streams])[stream]
    person = project * 97 + user_rank * 7 + requested_at_us // WEEK_US * 3
    server = project * 97 + key_rank * SERVERS_PER_KEY + requested_at_us % SERVERS_PER_KEY
    addresses = _addresses()
    ip = addresses.gather(np.where(people, person, server) % len(addresses))

    agents = pl.Series([agent for s in streams for agent in s.project.agents])
    counts = np.array([len(s.project.agents) for s in streams])
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    user_agent = agents.gather(first[stream] + (key_rank + user_rank) % counts[stream])
    return ip, user_agent


def _addresses() -> pl.Series:
    v4 = [str(address) for net in IPV4 for address in net.hosts()]
    v6 = [str(IPv6Address(int(IPV6.network_address) + (host << 64) + 1)) for host in range(1, IPV6_HOSTS + 1)]
    return pl.Series(v4 + v6)
