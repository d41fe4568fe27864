"""The other rules of rotation: each as the engine that has it behaves, through a whole refresh."""

from datetime import timedelta

import attrs
import pytest

from counterfoil import Ask, Session, refresh_session
from counterfoil.adapters.lab import RULES
from counterfoil.adapters.lab.life import LOGIN, Life
from counterfoil.adapters.simulation import unsigned
from counterfoil.core import (
    ForkAndPromote,
    NewestWins,
    OneBehind,
    Policy,
    RotationRule,
    SameSuccessor,
    SingleUse,
    SingleUseRevoking,
    TokenTheftDetected,
    Unauthorised,
    Verdict,
    WindowOnly,
)
from counterfoil.core.entropy import draw
from counterfoil.core.rotation import mint, parse, successor
from counterfoil.effects import Announce, Reason, RefreshForked, Rejection, SessionRecord, Theft

HOUR = 3_600_000  # ms


def life_under(rule: RotationRule) -> Life:
    return Life(Policy("https://api.example.com", leeway=timedelta(seconds=10), rotation=rule))


def token(answer: str | Rejection) -> str:
    assert not isinstance(answer, Rejection), answer
    return answer


def record(life: Life) -> SessionRecord:
    (only,) = life.world.records.values()
    return only


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_chain_of_refreshes_goes_on_under_every_rule(rule: RotationRule) -> None:
    life = life_under(rule)
    held = life.first
    for turn in range(1, 6):
        held = token(life.refresh(held, turn * HOUR))
    parsed = parse(held)
    assert parsed is not None
    assert parsed.generation == 5


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_rule_takes_a_forged_token(rule: RotationRule) -> None:
    life = life_under(rule)
    before = life.world
    for generation in range(3):
        forged = mint(
            handle=record(life).handle,
            generation=generation,
            secret=bytes(32),
            mac_key=bytes(32),
        )
        answer = life.refresh(forged, HOUR)
        assert isinstance(answer, Unauthorised)
        assert answer.reason is Reason.FORGED
    assert life.world == before


def test_single_use_refuses_what_comes_again_and_keeps_the_session() -> None:
    life = life_under(SingleUse())
    held = token(life.refresh(life.first, HOUR))
    again = life.refresh(life.first, HOUR)
    assert again == Unauthorised(Reason.SPENT, clear_tokens=True, handle=record(life).handle)
    assert token(life.refresh(held, 2 * HOUR))


def test_single_use_that_revokes_ends_the_session() -> None:
    life = life_under(SingleUseRevoking())
    token(life.refresh(life.first, HOUR))
    assert isinstance(life.refresh(life.first, HOUR), TokenTheftDetected)
    assert not life.world.records


def test_forks_write_nothing_until_a_child_is_used() -> None:
    life = life_under(ForkAndPromote())
    one, two = (token(life.refresh(life.first, HOUR)) for _ in range(2))
    assert one != two
    assert life.writes == 0
    grandchild = token(life.refresh(one, HOUR))
    assert life.writes == 1
    assert record(life).generation == 1
    assert token(life.refresh(grandchild, 2 * HOUR))
    other = life.refresh(two, 2 * HOUR)
    assert isinstance(other, TokenTheftDetected)
    assert other.kind is Theft.ORPHANED


def test_a_childs_secret_is_drawn_as_that_of_a_successor() -> None:
    policy = Policy("https://api.example.com", rotation=ForkAndPromote())
    life = life_under(ForkAndPromote())
    for shown in (life.first, token(life.refresh(life.first, HOUR))):  # one mints, one promotes
        drawn = b"drawn" * 8
        step = refresh_session(shown, policy=policy, now=LOGIN + HOUR, entropy=drawn)
        world = life.world
        while isinstance(step, Ask):
            world, reply = unsigned(world, step.effect)
            step = step.resume(reply)
        assert isinstance(step.state, Session)
        parent, child = parse(shown), parse(str(step.state.refresh_token))
        assert parent is not None
        assert child is not None
        assert child.secret == successor(parent.secret, draw(drawn, b"salt"))
        told = [effect.event for effect in step.effects if isinstance(effect, Announce)]
        assert not any(isinstance(event, RefreshForked) for event in told)


def test_a_childs_access_token_promotes_it_too() -> None:
    life = life_under(ForkAndPromote())
    one, two = (token(life.refresh(life.first, HOUR)) for _ in range(2))
    life.verify(one, HOUR)
    life.verify(one, HOUR)  # the second time changes nothing
    assert life.writes == 1
    assert isinstance(life.refresh(two, HOUR), TokenTheftDetected)
    life.verify(one, HOUR)  # nor does it once the session is over


@pytest.mark.parametrize("after", [SameSuccessor(), OneBehind(), WindowOnly()])
def test_a_policy_may_change_its_rule_while_tokens_are_on_their_way(after: RotationRule) -> None:
    life = life_under(ForkAndPromote())
    used = token(life.refresh(life.first, HOUR))
    life.verify(used, HOUR)
    life.policy = attrs.evolve(life.policy, rotation=after)
    other = token(life.refresh(life.first, HOUR + 1_000))  # nobody can derive the one that was used
    assert other != used
    assert token(life.refresh(other, 2 * HOUR))


def test_the_newest_child_wins() -> None:
    life = life_under(NewestWins())
    one = token(life.refresh(life.first, HOUR))
    two = token(life.refresh(life.first, HOUR + 10_000))
    assert one != two
    assert token(life.refresh(two, 2 * HOUR))
    assert isinstance(life.refresh(one, 2 * HOUR), TokenTheftDetected)


def test_after_the_window_the_newest_child_is_alone() -> None:
    life = life_under(NewestWins())
    token(life.refresh(life.first, HOUR))
    assert isinstance(life.refresh(life.first, HOUR + 10_001), TokenTheftDetected)


def test_a_counter_takes_one_behind_for_ever() -> None:
    life = life_under(OneBehind())
    one = token(life.refresh(life.first, HOUR))
    assert token(life.refresh(life.first, 90 * HOUR)) == one
    two = token(life.refresh(one, 91 * HOUR))
    stale = life.refresh(life.first, 91 * HOUR)
    assert isinstance(stale, TokenTheftDetected)
    assert two


def test_the_window_alone_forks_never() -> None:
    life = life_under(WindowOnly())
    one = token(life.refresh(life.first, HOUR))
    assert token(life.refresh(life.first, HOUR + 10_000)) == one
    assert isinstance(life.refresh(life.first, HOUR + 10_001), TokenTheftDetected)


@pytest.mark.parametrize("rule", [NewestWins(), OneBehind(), WindowOnly()])
def test_what_has_no_predecessor_has_no_window(rule: RotationRule) -> None:
    life = life_under(rule)
    parsed = parse(life.first)
    assert parsed is not None
    another = attrs.evolve(record(life), current_digest=bytes(32))
    assert isinstance(rule.judge(another, parsed, now=0, leeway=1), Theft)
    assert rule.judge(record(life), parsed, now=0, leeway=1) is Verdict.ROTATE
