"""A move in words: who did what, the effect and its reply, and what the jar holds then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core import Session, TokenTheftDetected, Unauthorised
from ...core.rotation import parse
from ...effects import (
    Regenerate,
    Regenerated,
    Rejection,
    Revoked,
    Rotate,
    SessionRecord,
    Stale,
)
from ...effects.simulation import Transition
from .jar import Jar
from .machine import Kept, Raised
from .state import Browser, Delivered, Finished, Performed, Sent, State, Waited

if TYPE_CHECKING:
    from .model import Sessions


def tell(model: Sessions, before: State, transition: Transition[State]) -> str:
    """A move in words, over several lines."""
    lines = [transition.move]
    for one in transition.happened:
        match one:
            case Sent(flight) if flight.presented:
                lines.append(f"it shows {token_name(model, flight.presented)}")
            case Performed(_, effect, reply):
                lines.append(f"{_effect(effect)}  ->  {_reply(reply)}")
            case Finished(done=Raised() as raised):
                lines.append(f"raises {raised.error}")
            case Finished(_, done):
                lines.append(f"ends in {end_name(model, getattr(done, 'state', done))}")
            case Delivered(_, _, after):
                lines.append(f"the jar holds {_jar(model, after)}")
            case Waited():
                lines += _late(before, transition.state)
                lines += [_holds(model, browser) for browser in transition.state.browsers]
            case _:
                pass
    newcomers = transition.state.browsers[len(before.browsers) :]
    lines += [_holds(model, browser) for browser in newcomers]
    return "\n".join(lines)


def token_name(model: Sessions, token: str) -> str:
    """A refresh token by its generation: r0, r1, and r1' for another of the same generation."""
    name = model.token_names.get(token)
    if name is None:
        parsed = parse(token)
        name = "?" if parsed is None else f"r{parsed.generation}"
        while name in model.token_names.values():
            name += "'"
        model.token_names[token] = name
    return name


def _effect(effect: Any) -> str:
    match effect:
        case Rotate(record=record):
            return f"Rotate to generation {record.generation}"
        case Regenerate(patch=patch):
            return f"Regenerate with {dict(patch)}" if patch else "Regenerate, to sign only"
        case _:
            return type(effect).__name__


def _reply(reply: Any) -> str:
    match reply:
        case SessionRecord(generation=generation, payload=payload):
            return f"the record: generation {generation}, payload {dict(payload)}"
        case Stale(current):
            return f"Stale, there is now {_reply(current)}"
        case Revoked(handles):
            return f"Revoked, {len(handles)} of them"
        case Regenerated(payload):
            return f"Regenerated, payload {dict(payload)}"
        case _:
            return type(reply).__name__


def end_name(model: Sessions, end: Any) -> str:
    """How an operation ended, in words."""
    match end:
        case Session(refresh_token=str(token)):
            return f"a session with {token_name(model, token)}"
        case Unauthorised(reason=reason):
            return f"Unauthorised: {reason.value}"
        case TokenTheftDetected(kind=kind):
            return f"TokenTheftDetected: {kind.value}"
        case Rejection() | Session():
            return type(end).__name__
        case _:
            return repr(end)


def _late(before: State, after: State) -> list[str]:
    # Those that time went over: the scenario is punctual, so they come to nothing.
    coming = {flight.name for flight in after.flights}
    late = [flight.name for flight in before.flights if flight.name not in coming]
    return [f"the response to {name} did not arrive in time: it is lost" for name in late]


def _holds(model: Sessions, browser: Browser) -> str:
    return f"{browser.name} holds {_jar(model, browser.jar)}"


def _jar(model: Sessions, jar: Kept[Jar]) -> str:
    token, _ = model.held(jar)
    if jar.value.is_empty:
        return "nothing"
    return "no refresh token" if token is None else token_name(model, token)
