"""The world: stores, keys, the facades that applications hold, the command line."""

from .application import Fetcher, Listener, log_event
from .blocking_sessions import BlockingSessions
from .connecting import OpenStore, open_store
from .held import PolicyConcern
from .key_pair import InvalidKeys
from .keys import LocalKeys
from .memory import MemoryStore, World
from .response import ResponseHeaders
from .sessions import Sessions
from .sqlite import SqliteStore

__all__ = [
    "BlockingSessions",
    "Fetcher",
    "InvalidKeys",
    "Listener",
    "LocalKeys",
    "MemoryStore",
    "OpenStore",
    "PolicyConcern",
    "ResponseHeaders",
    "Sessions",
    "SqliteStore",
    "World",
    "log_event",
    "open_store",
]
