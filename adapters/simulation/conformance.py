"""The conformance kit's second part: the real engine on a store, in schedules and in outages.

    pytest --pyargs counterfoil.adapters.simulation.conformance --store my_module:make_store

Schedules of the simulator run on the store, each request in a thread of its own, and must be
answered as the memory world answers them (`run_on`); they begin in November 2023. And whatever
becomes of a store's acts (`counterfoil.effects.faults`), no session is lost that its client was
told of, no token is cleared for it, an old refresh token is good for another try, every merge that
was acknowledged is kept, and what was revoked stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from itertools import count

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...core import Policy, RequestFacts, Session, Unauthorised
from ...effects import Store, StoreUnavailable
from ...effects.conformance.making import Form, Judged, opened
from ...effects.faults import Faulty, Scripted, Seeded
from ..blocking_sessions import BlockingSessions
from ..keys import LocalKeys
from ..memory import MemoryStore
from ..response import ResponseHeaders
from . import REVEALING, SCENARIOS, Revealing, Sessions, run_on, schedule, script

SEEDS = 4
SOUND = Scripted(())
LOGIN = 4_102_444_800_000  # ms: 2100-01-01, as in the rest of the kit
POLICY = Policy("https://api.example.com")
KEYS = LocalKeys.in_store(MemoryStore())

Opens = Callable[[int], Callable[[], Store]]

OFTEN = ["log in", *["refresh"] * 6, "merge", "merge", "wait long"]
acts = st.sampled_from([*OFTEN, "replace", "revoke", "revoke all", "wait", "wait long"])


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_store_answers_schedules_as_the_memory_world_does(name: str, opens: Opens) -> None:
    model = Sessions(SCENARIOS[name])
    for seed in range(SEEDS):
        run_on(opens(seed), script(model, schedule(model, seed=seed)))


@pytest.mark.parametrize("revealing", REVEALING, ids=lambda one: one.faults[0])
def test_a_store_answers_what_reveals_a_fault(revealing: Revealing, opens: Opens) -> None:
    played = script(Sessions(revealing.scenario), revealing.moves)
    for number in range(2):
        run_on(opens(number), played)


@pytest.fixture
def opens(form: Form, fresh: Callable[[], AbstractContextManager[Judged]]) -> Iterator[Opens]:
    """Of a number, what opens the store of each request: of odd ones, a store of its own."""
    with ExitStack() as stack:

        def begin(number: int) -> Callable[[], Store]:
            judged = stack.enter_context(fresh())
            if judged.again is None or number % 2 == 0:
                return partial(same, judged.store)
            return partial(another, judged, form, stack)

        yield begin


def same(store: Store) -> Store:
    """One store for all requests."""
    return store


def another(judged: Judged, form: Form, stack: ExitStack) -> Store:
    """A store for each request, all of one database."""
    assert judged.again is not None
    return stack.enter_context(opened(judged.again, form))


@attrs.define
class Client:
    """Somebody with a session: what they hold, and what they were told."""

    session: Session
    merged: dict[str, object] = attrs.Factory(dict[str, object])
    data: dict[str, object] | None = None
    revoked: str = "no"  # or "perhaps", or "yes": as far as they know


class Application:
    """The engine over a store that fails, its clients, and a clock."""

    def __init__(self, store: Store, seed: int) -> None:
        self.now = LOGIN
        self.faulty = Faulty(store, Seeded(seed=seed, before=0.1, after=0.25))
        sessions = BlockingSessions(POLICY, self.faulty, KEYS, clock=lambda: self.now)
        self.sessions = sessions.using(response=ResponseHeaders())
        self.user = f"user-{seed}"
        self.clients: list[Client] = []
        self.numbers = count()

    def do(self, act: str, which: int) -> None:
        """One act of one client's; what fails is not told to them."""
        if act == "log in" or not self.clients:
            with suppress(StoreUnavailable):
                self.clients.append(Client(self.sessions.create_session(self.user)))
            return
        client = self.clients[which % len(self.clients)]
        match act:
            case "refresh":
                self.refresh(client)
            case "merge":
                self.merge(client, f"key {next(self.numbers)}")
            case "replace":
                self.replace(client)
            case "revoke":
                self.revoke([client], lambda: self.sessions.revoke_session(client.session))
            case "revoke all":
                self.revoke(
                    self.clients, lambda: self.sessions.revoke_all_sessions_for_user(self.user)
                )
            case "wait":
                self.now += 1_000
            case _:
                self.now += 60_000

    def refresh(self, client: Client) -> None:
        """A refresh, as a request: an outage puts nothing on the response."""
        response = ResponseHeaders()
        token = f"Bearer {client.session.refresh_token}"
        request = RequestFacts("POST", [("Authorization", token), ("st-auth-mode", "header")])
        try:
            using = self.sessions.using(response=response)
            client.session = using.refresh_session_in_request(request)
        except StoreUnavailable:
            assert response.headers == [], "an outage put something on the response"
        except Unauthorised:
            assert client.revoked != "no", "a session was lost"
            client.revoked = "yes"
        else:
            assert client.revoked != "yes", "a session that was revoked is back"

    def merge(self, client: Client, key: str) -> None:
        """A patch of the payload, which is kept if it was acknowledged."""
        try:
            self.sessions.merge_into_access_token_payload(client.session, {key: 1})
        except StoreUnavailable:
            return
        except Unauthorised:
            assert client.revoked != "no", "a session was lost"
            return
        assert client.revoked != "yes", "a session that was revoked is back"
        client.merged[key] = 1

    def replace(self, client: Client) -> None:
        """New data: known if it was acknowledged."""
        data: dict[str, object] = {"number": next(self.numbers)}
        client.data = None
        with suppress(StoreUnavailable, Unauthorised):
            self.sessions.update_session_data_in_database(client.session, data)
            client.data = data

    def revoke(self, clients: list[Client], act: Callable[[], object]) -> None:
        """The end of sessions, acknowledged or not."""
        try:
            act()
        except StoreUnavailable:
            for client in clients:
                client.revoked = "yes" if client.revoked == "yes" else "perhaps"
        else:
            for client in clients:
                client.revoked = "yes"


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**32),
    history=st.lists(st.tuples(acts, st.integers(0, 5)), min_size=8, max_size=24),
)
def test_whatever_fails_when_nothing_that_was_acknowledged_is_lost(
    store: Store, seed: int, history: list[tuple[str, int]]
) -> None:
    application = Application(store, seed)
    store.delete_for_user(application.user, None, ())
    for act, which in history:
        application.do(act, which)
    application.faulty.turns.plan = SOUND
    application.now += 60_000  # past the leeway of whatever was rotated, and nobody was told
    for client in application.clients:
        if client.revoked == "yes":
            with pytest.raises(Unauthorised):
                application.sessions.refresh_session(client.session.refresh_token)
            continue
        application.refresh(client)
        if client.revoked == "yes":  # it was perhaps, and now it is known
            continue
        held = store.load(client.session.handle)
        assert client.merged.items() <= client.session.payload.items()
        assert client.data in (None, getattr(held, "data", None))
        token = client.session.refresh_token
        application.refresh(client)
        assert client.session.refresh_token != token
        assert application.sessions.revoke_session(client.session)


def test_of_an_outage_no_client_notices_more_than_that_it_must_try_again(store: Store) -> None:
    application = Application(store, seed=1)
    application.faulty.turns.plan = SOUND
    application.do("log in", 0)
    (client,) = application.clients
    for fails in ("before", "after"):
        outage = Seeded(seed=1, before=fails == "before", after=fails == "after", acts=["swap"])
        for attempt in range(3):
            application.faulty.turns.plan = outage
            application.refresh(client)
            application.now += 60_000 * attempt
        application.faulty.turns.plan = SOUND
        token = client.session.refresh_token
        application.refresh(client)
        assert client.session.refresh_token != token
