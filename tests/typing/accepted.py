"""Programs that a type checker must accept, with the types that it must find. They run, too."""

from typing import Any, assert_never, assert_type

import attrs

from counterfoil.effects import (
    Announce,
    AppendHeader,
    Ask,
    Done,
    DryRun,
    Effect,
    FetchClaim,
    FrozenDict,
    Interpreter,
    Journal,
    Json,
    Load,
    Missing,
    Recording,
    Regenerate,
    Regenerated,
    Rejection,
    RemoveHeader,
    ResponseEffect,
    SessionRecord,
    SetCookie,
    SetHeader,
    Step,
    TooLarge,
    apply_patch,
    arun,
    dry_run,
    freeze_object,
    play,
    rehearse,
    replay,
    run,
)


@attrs.frozen
class AfterLoad:
    """Takes just what `Load` is answered with."""

    def __call__(self, found: SessionRecord | Missing) -> Step[str]:
        match found:
            case SessionRecord(user_id=user_id):
                return Done(user_id, (RemoveHeader("x"),))
            case Missing():
                return Done("nobody")


@attrs.frozen
class AfterAnything:
    """May take any reply: a continuation may ask for less than the effect promises."""

    def __call__(self, reply: object) -> Step[int]:
        return Done(1)


@attrs.frozen
class Length:
    """From one state to another."""

    def __call__(self, state: str) -> Step[int]:
        return Done(len(state))


@attrs.frozen
class Recovered:
    """Takes a rejection as well."""

    def __call__(self, state: str | Rejection) -> Step[bool]:
        return Done(isinstance(state, Rejection))


class Nobody:
    """A world without sessions."""

    def perform(self, effect: Effect[Any]) -> Any:
        return Missing() if isinstance(effect, Load | Regenerate) else None


def steps_know_their_state() -> None:
    step = Load("h").then(AfterLoad())
    assert_type(step, Ask[str])
    assert_type(step.then(Length()), Ask[int] | Done[int])
    assert_type(step.always(Recovered()), Ask[bool] | Done[bool])
    assert_type(Load("h").then(AfterAnything()), Ask[int])
    assert_type(step.effect, Effect[Any])


def the_loops_give_the_state(world: Interpreter) -> None:
    step = Load("h").then(AfterLoad())
    assert_type(run(step, world), str)
    assert_type(run(step.then(Length()), world), int)
    assert_type(play(step, (Load("h"), Missing())), Done[str])
    assert_type(dry_run(step, world), DryRun[str])
    assert_type(dry_run(step, world).outcome, str | Rejection)
    assert_type(run(rehearse(step), world), DryRun[str])


async def the_async_loop_too(world: Interpreter) -> None:
    assert_type(await arun(Load("h").then(AfterLoad()), world), str)


def journals_keep_it(world: Interpreter) -> None:
    recording = Recording(world)
    run(Load("h").then(AfterLoad()), recording)
    assert_type(recording.journal, Journal)
    assert_type(replay(Load("h").then(AfterLoad()), recording.journal), str)


def payloads_are_read_as_mappings() -> None:
    payload = freeze_object({"plan": "pro", "roles": ["admin"]})
    assert_type(payload, FrozenDict)
    assert_type(payload["plan"], Json)
    assert_type(apply_patch(payload, {"plan": None}), FrozenDict)
    assert {**payload} == payload


def effects_take_plain_dicts(world: Interpreter) -> None:
    @attrs.frozen
    class AfterMerge:
        def __call__(self, reply: Regenerated | TooLarge | Missing) -> Step[FrozenDict]:
            return Done(FrozenDict() if isinstance(reply, Missing) else reply.payload)

    step = Regenerate("h", {"plan": "pro"}, None, limit=100).then(AfterMerge())
    assert_type(run(step, world), FrozenDict)


def a_match_over_a_family_is_complete(effect: ResponseEffect) -> str:
    match effect:
        case SetCookie() | SetHeader() | AppendHeader() | RemoveHeader():
            return effect.name
        case _:
            assert_never(effect)


def told_effects_end_a_step() -> None:
    done: Done[None] = Done(None, (RemoveHeader("x"), SetHeader("a", "b")))
    told: tuple[Effect[None], ...] = done.effects
    assert len(told) == 2
    assert issubclass(FetchClaim, Effect)
    assert issubclass(Announce, Effect)


if __name__ == "__main__":
    steps_know_their_state()
    the_loops_give_the_state(Nobody())
    journals_keep_it(Nobody())
    payloads_are_read_as_mappings()
    effects_take_plain_dicts(Nobody())
    told_effects_end_a_step()
    assert a_match_over_a_family_is_complete(RemoveHeader("x")) == "x"
