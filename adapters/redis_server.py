"""Where Redis is: one server, one that Sentinels know the primary of, or a cluster.

    redis://user:password@host:6379/0                     one server; rediss:// over TLS
    redis+sentinel://user:password@host:26379,host/service/0
    redis+cluster://user:password@host:6379,host:6379     rediss+sentinel, rediss+cluster over TLS

Options of redis-py follow a `?`, such as `socket_timeout=2` (s) or `ssl_ca_certs=/path`. The user
and the password are those of the servers; the Sentinels' own are `sentinel_username` and
`sentinel_password`.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import quote, unquote

import attrs

from ..effects import InvalidInput
from .redis_driver import AsyncRetry, NoBackoff, Retry, asyncio, connection, redis
from .redis_rounds import Address

Kind: TypeAlias = Literal["server", "sentinel", "cluster"]

_parse = cast("Any", connection).parse_url  # which has no types

_PORTS = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_DEFAULTS: dict[str, Any] = {
    "socket_timeout": 5.0,  # s; a server that hangs is a server that is down
    "socket_connect_timeout": 2.0,
    "socket_keepalive": True,
    "max_connections": 10_000,  # to each server; a thread that waits for an answer has one
    "protocol": 2,  # the older one, which all servers speak
}
_FORMS = (
    "redis://host:6379/0, redis+sentinel://host:26379,host:26379/service/0 or "
    "redis+cluster://host:6379,host:6379 (rediss... for TLS)"
)


@attrs.frozen
class RedisServer:
    """Where Redis is, and how to connect to it.

    Attributes:
        kind: what answers there.
        addresses: one server, or some of the Sentinels or of the cluster's servers.
        service: what the Sentinels call the servers.
        options: what redis-py is given; may hold a password.
        sentinel_options: what it is given for the Sentinels.
    """

    kind: Kind
    addresses: tuple[Address, ...]
    service: str
    options: dict[str, Any] = attrs.field(repr=False)
    sentinel_options: dict[str, Any] = attrs.field(repr=False)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> RedisServer:
        """The server of a URL. `options` go to redis-py, beside those of the URL.

        Raises:
            InvalidInput: the URL is none of ours; says what is wrong, without its password.

        >>> RedisServer.from_url("redis+cluster://:secret@one,two:7000")
        RedisServer(kind='cluster', addresses=(('one', 6379), ('two', 7000)), service='')
        """
        scheme, separator, rest = url.partition("://")
        matched = re.fullmatch(r"(rediss?)(?:\+(sentinel|cluster))?", scheme)
        if not separator or not matched:
            shown = repr(scheme) if separator else "no scheme"
            raise InvalidInput(f"a Redis URL is {_FORMS}; this one has {shown}.")
        kind = cast("Kind", matched[2] or "server")
        place, _, query = rest.partition("?")
        authority, _, path = place.partition("/")
        if "@" in path:
            raise InvalidInput("a '/' in the user or password of a Redis URL is written %2F.")
        user, _, hosts = authority.rpartition("@")
        service, _, database = path.partition("/") if kind == "sentinel" else ("", "", path)
        given = _parsed(user, query) | options
        if matched[1] == "rediss":
            given["ssl"] = True
        if database:
            given["db"] = _number(database, "database")
        addresses = tuple(_address(host, _PORTS[kind]) for host in hosts.split(","))
        _check(kind, addresses, service, given)
        sentinel = {
            name.removeprefix("sentinel_"): given.pop(name)
            for name in list(given)
            if name.startswith("sentinel_")
        }
        shared = ("socket_timeout", "socket_connect_timeout", "protocol")
        options = _DEFAULTS | given
        sentinel_options = {name: options[name] for name in shared} | sentinel
        sentinel_options |= {k: v for k, v in options.items() if k.startswith("ssl")}
        for all_of_them in (options, sentinel_options):
            _check_names(all_of_them)
        return cls(kind, addresses, unquote(service), options, sentinel_options)

    def client_at(self, address: Address) -> Any:
        """A client that blocks, of one server or of the primary that the Sentinels know."""
        retry = Retry(NoBackoff(), 0)
        return self._client(redis, retry, address)

    def async_client_at(self, address: Address) -> Any:
        """The same, for the asyncio loop that runs here."""
        retry = AsyncRetry(NoBackoff(), 0)
        return self._client(asyncio, retry, address)

    def _client(self, form: Any, retry: Any, address: Address) -> Any:
        # The driver must never send anything twice: what may be is known in `redis_rounds.py`.
        options = {**self.options, "retry": retry}
        if self.kind == "sentinel":
            sentinel = form.Sentinel(
                list(self.addresses),
                sentinel_kwargs={**self.sentinel_options, "retry": retry},
                **options,
            )
            return sentinel.master_for(self.service)
        host, port = address
        return form.Redis(host=host, port=port, **options)


def with_sentinels(client: Any) -> tuple[Any, ...]:
    """A client and those of its Sentinels, each of which has connections to close."""
    manager = getattr(client.connection_pool, "sentinel_manager", None)
    return client, *(manager.sentinels if manager else ())


def _parsed(user: str, query: str) -> dict[str, Any]:
    if query and not all("=" in option for option in query.split("&")):
        raise InvalidInput(
            "an option of the Redis URL has no value; a '?' in a user or password is written %3F."
        )
    try:
        name, colon, password = user.partition(":")
        quoted = quote(unquote(name), safe="") + colon + quote(unquote(password), safe="")
        parsed = _parse(f"redis://{quoted}@host/?{query}")
    except ValueError as error:
        raise InvalidInput(f"the options of the Redis URL can't be read: {error}") from None
    options: dict[str, Any] = {k: v for k, v in parsed.items() if k != "host"}
    return options


def _address(text: str, port: int) -> Address:
    matched = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]@]+)?(?::(\d+))?", text)
    if not matched:
        raise InvalidInput(f"a host of the Redis URL can't be read; it is {_FORMS}.")
    host = (matched[1] or "localhost").strip("[]")
    return host, int(matched[2] or port)


def _number(text: str, what: str) -> int:
    if not text.isdecimal():
        raise InvalidInput(f"the {what} of a Redis URL is a number, as in {_FORMS}.")
    return int(text)


def _check_names(options: dict[str, Any]) -> None:
    try:
        redis.Redis(**options).close()  # connects to nothing
    except TypeError:
        raise InvalidInput("an option of the Redis URL is none that redis-py knows.") from None


def _check(
    kind: Kind, addresses: tuple[Address, ...], service: str, options: dict[str, Any]
) -> None:
    if kind == "server" and len(addresses) > 1:
        raise InvalidInput(
            "a redis:// URL has one host; several are redis+cluster:// or redis+sentinel://."
        )
    if kind == "sentinel" and not service:
        raise InvalidInput(
            "a redis+sentinel:// URL ends in the name of the service, as in "
            "redis+sentinel://host:26379/mymaster."
        )
    if kind == "cluster" and options.get("db"):
        raise InvalidInput("a cluster has no numbered databases: leave the path of the URL away.")
    if options.get("decode_responses"):
        raise InvalidInput("decode_responses can't be set: records are read as bytes.")
