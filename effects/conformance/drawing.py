"""What properties draw, and how: one store serves all the examples of one."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from ..optional import st
from ..strategies import session_records
from .records import THEN

records = session_records(handles=st.just("h1"), alive_at=THEN)

# Each example replaces what the one before has left, and a server may be slow.
one_store = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
