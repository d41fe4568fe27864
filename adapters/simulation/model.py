"""A scenario as a model for `counterfoil.effects.simulation`.

Nothing of the engine is imitated: requests are the real operations over the real memory world,
one effect at a time, and a browser is told what the real response effects say. Only the people and
the network are made up: who sends what when (`senders.py`), what becomes of it (`journeys.py`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from ...core import Session
from ...core.lifetime import ms
from ...effects import Done, InvalidInput
from ...effects.simulation import Law, Transition
from ..memory import EMPTY_WORLD, World
from . import requests
from .budget import Budget
from .jar import Jar
from .journeys import journeys, waits
from .laws import laws_of
from .machine import Keeper, Kept, Machine, Raised
from .scenario import Scenario
from .senders import sent_by_application, sent_by_browsers, thefts
from .state import Browser, Flight, History, State
from .telling import tell

START = 1_700_000_000_000  # ms


class Sessions:
    """A scenario as a model: its every schedule can be explored, sampled and told.

    It keeps what it has computed, so explore a scenario with one of these.

    Raises:
        InvalidInput: the login that every schedule begins with raises: the message names what.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.policy = scenario.policy
        self.budget = Budget(scenario)
        self.leeway = ms(self.policy.leeway) - ms(scenario.clock_skew)
        self.machine = Machine(scenario.interpret)
        self.jars: Keeper[Jar] = Keeper()
        self.histories: Keeper[History] = Keeper()
        self.token_names: dict[str, str] = {}
        self.resumed: dict[tuple[Flight, Kept[Any]], Flight] = {}
        self.received: dict[tuple[Kept[Jar], Kept[Any]], Kept[Jar]] = {}
        self._held: dict[Kept[Jar], tuple[str | None, int | None]] = {}
        self._refreshed: dict[tuple[Kept[Jar], int, Kept[World]], Done[Any] | Raised] = {}
        self._laws = laws_of(self)
        self._start, self.logins = self._logged_in()

    @property
    def laws(self) -> tuple[Law[State], ...]:
        """What must hold on every move."""
        return self._laws

    def start(self) -> State:
        """Every browser is logged in."""
        return self._start

    def moves(self, state: State) -> Iterator[Transition[State]]:
        """Whatever can happen next."""
        yield from sent_by_browsers(self, state)
        yield from sent_by_application(self, state)
        yield from journeys(self, state)
        yield from waits(self, state)
        yield from thefts(self, state)

    def key(self, state: State) -> Hashable:
        """States that differ only in who of several equals does what are one."""
        return state.key()

    def tell(self, before: State, transition: Transition[State]) -> str:
        """A move in words, with the effect, the reply and what the jar holds then."""
        return tell(self, before, transition)

    def held(self, jar: Kept[Jar]) -> tuple[str | None, int | None]:
        """The refresh token in a jar, and when its access token expires, in ms."""
        held = self._held.get(jar)
        if held is None:
            token = jar.value.refresh_token(self.policy.refresh_cookie)
            held = self._held[jar] = token, jar.value.access_expires_at
        return held

    def usable(self, token: str, state: State) -> bool:
        """Whether a refresh with this token would be answered, now and undisturbed."""
        return isinstance(self.probe(token, state)[0].state, Session)

    def refreshed(self, jar: Kept[Jar], state: State) -> Done[Any] | Raised:
        """How a refresh with all that is in a jar would end, now and undisturbed."""
        key = jar, state.now, state.world
        done = self._refreshed.get(key)
        if done is None:
            refresh = requests.Refresh(jar.value, self.policy, state.now, bytes(32))
            done, _ = self.machine.finish((jar, state.now), refresh, state.world)
            self._refreshed[key] = done
        return done

    def expiry(self, handle: str, state: State) -> int:
        """When the policy says that a session is over, ms; whatever its record says."""
        life = self.policy.lifetime
        used_at = dict(state.history.value.last_used).get(handle, START)
        return min(START + ms(life.absolute), used_at + ms(life.idle))

    def probe(self, token: str, state: State) -> tuple[Any, Kept[Any]]:
        """How a refresh with this token would end, now and undisturbed, and the world after it."""
        probe = requests.Probe(token, self.policy, state.now)
        return self.machine.finish((token, state.now), probe, state.world)

    def _logged_in(self) -> tuple[State, tuple[Session, ...]]:
        world = self.machine.worlds(EMPTY_WORLD)
        browsers: list[Browser] = []
        logins: list[Session] = []
        for number in range(self.scenario.browsers):
            name = "the browser" if self.scenario.browsers == 1 else f"browser {number + 1}"
            fresh = requests.entropy(name)
            login = requests.Login(self.policy, self.scenario.transfer, START, fresh)
            done, world = self.machine.finish(login, login, world)
            if isinstance(done, Raised):
                raise InvalidInput(f"a schedule begins with a login, and that raised {done.error}")
            logins.append(done.state)
            browsers.append(Browser(name, self.jars(Jar().receive(done.effects))))
        state = State(
            now=START,
            world=world,
            browsers=tuple(browsers),
            flights=(),
            history=self.histories(History()),
            left=self.budget.whole,
            sent=0,
        )
        return state, tuple(logins)
