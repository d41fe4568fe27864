"""A run as data: record it, keep it, replay it against nothing.

A `Recording` around any interpreter keeps what was asked and what was answered. The `Journal`
that it gives is a value: it can be compared, hashed, pickled, and written as JSON, by default
without its secrets. `replay` walks a step through it. An exception of the infrastructure is no
answer: such a journal ends before the effect that failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import attrs

from .codec import decode, encode, masked, vocabulary
from .errors import InvalidInput, Mismatch
from .interpreter import ByFamily, Interpreter, run
from .step import Ask, Done, Effect, Step

S = TypeVar("S")

FORMAT = 1  # one more whenever a journal of the release before could no longer be read

_MASKED = (
    "\n  The journal is masked, which may be the reason: a step that checks a refresh token or "
    "makes one\n  replays only from a journal written with to_json(secrets=True)."
)


@attrs.frozen
class Entry:
    """An effect that was carried out, and its reply; None for one that is only told."""

    effect: Effect[Any]
    reply: Any = None


@attrs.frozen
class Journal:
    """What one run asked and was answered, in order.

    Attributes:
        entries: the effects with their replies.
        masked: whether secrets were taken out of it.

    >>> from counterfoil.effects import Load, Missing
    >>> journal = Journal((Entry(Load("h"), Missing()),))
    >>> journal.to_json()
    '{"journal": 1, "masked": false, "entries": [[{"Load": {"handle": "h"}}, {"Missing": {}}]]}'
    >>> Journal.from_json(journal.to_json()) == journal
    True
    """

    entries: tuple[Entry, ...] = ()
    masked: bool = False

    def to_json(self, *, secrets: bool = False) -> str:
        """The journal as ASCII JSON. `from_json` of it is equal if it holds no secret.

        Tokens, cookie values and key material are masked unless `secrets` is True: then
        `from_json` gives an equal journal, and whoever reads the text can take over sessions.

        Raises:
            InvalidInput: an effect or a reply holds a type that a journal can't say.
        """
        entries = self.entries if secrets else masked(self.entries)
        return json.dumps(
            {
                "journal": FORMAT,
                "masked": self.masked or entries != self.entries,
                "entries": [[encode(entry.effect), encode(entry.reply)] for entry in entries],
            }
        )

    @classmethod
    def from_json(cls, text: str, types: Iterable[type[Any]] = ()) -> Journal:
        """The journal that `to_json` wrote. `types` are your own effects, replies and enums.

        Raises:
            InvalidInput: it is no journal, of another version, or damaged; says where.
        """
        known = vocabulary(types)
        hidden, pairs = _opened(text)
        entries = [_entry(number, pair, known) for number, pair in enumerate(pairs, start=1)]
        return cls(tuple(entries), masked=hidden)


@attrs.frozen(eq=False)
class Recording:
    """An interpreter that carries out with another, and keeps what was asked and answered.

    One for each run: of runs that share one, the entries interleave. Works under `run` and
    `arun`, and may be called from many threads.

    >>> from counterfoil.effects import Announce, Done, run
    >>> class Silence:
    ...     def perform(self, effect): ...
    >>> recording = Recording(Silence())
    >>> run(Done("over", (Announce(None),)), recording)
    'over'
    >>> recording.journal
    Journal(entries=(Entry(effect=Announce(event=None), reply=None),), masked=False)
    """

    interpreter: Interpreter
    _entries: list[Entry] = attrs.field(factory=list[Entry], init=False, repr=False)

    @property
    def journal(self) -> Journal:
        """What was carried out so far."""
        return Journal(tuple(self._entries))

    def perform(self, effect: Effect[Any]) -> Any:
        """Hand the effect on; keep it with its reply once that is there."""
        reply = self.interpreter.perform(effect)
        if hasattr(reply, "__await__"):
            return self._awaited(effect, reply)
        return self._kept(effect, reply)

    async def _awaited(self, effect: Effect[Any], reply: Any) -> Any:
        return self._kept(effect, await reply)

    def _kept(self, effect: Effect[Any], reply: Any) -> Any:
        self._entries.append(Entry(effect, reply))  # atomic: threads need no lock
        return reply


def replay(step: Step[S], journal: Journal) -> S:
    """Resume a step with the recorded replies and give its final state, as `run` does.

    Nothing is carried out. Every effect, asked or told, must be the recorded one; of a masked
    journal, only what was not masked is compared.

    Raises:
        Mismatch: the step asks or tells something else, more, or less than was recorded.
        Rejection: the step ended in one.
    """
    entries = enumerate(journal.entries, start=1)
    while isinstance(step, Ask):
        step = step.resume(_matched(step.effect, entries, journal).reply)
    for effect in step.effects:
        _matched(effect, entries, journal)
    for number, entry in entries:
        raise _mismatch(journal, f"the step is over before entry {number}, {entry.effect!r}")
    return run(Done(step.state), ByFamily())  # its effects are matched: none is left to carry out


def _matched(effect: Effect[Any], entries: Iterator[tuple[int, Entry]], journal: Journal) -> Entry:
    for number, entry in entries:
        if (masked(effect) if journal.masked else effect) == entry.effect:
            return entry
        expected, got = repr(entry.effect), repr(effect)
        unseen = "\n  They differ in a secret, which is not shown." if expected == got else ""
        raise _mismatch(
            journal, f"entry {number} of the journal\n  expects {expected}\n  but got {got}{unseen}"
        )
    raise _mismatch(journal, f"the journal is at its end, but then comes {effect!r}")


def _mismatch(journal: Journal, problem: str) -> Mismatch:
    return Mismatch(problem + _MASKED if journal.masked else problem)


def _opened(text: str) -> tuple[bool, list[Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = f"this is no journal: not JSON ({type(error).__name__})"
        raise InvalidInput(problem) from None  # the error would hold the text
    match document:
        case {"journal": 1, "masked": bool(hidden), "entries": list()}:
            return hidden, document["entries"]
        case {"journal": int(version)} if version != FORMAT:
            raise InvalidInput(f"a journal of version {version}; this release reads {FORMAT}")
        case _:
            raise InvalidInput(
                'this is no journal: it has no members "journal", "masked" and "entries", or they '
                "are of other types"
            )


def _entry(number: int, pair: Any, types: dict[str, type[Any]]) -> Entry:
    try:
        decoded = decode(pair, types)
        if not (isinstance(pair, list) and len(decoded) == 2 and isinstance(decoded[0], Effect)):
            raise InvalidInput("it is no pair of an effect and a reply")
        return Entry(*decoded)
    except RecursionError:
        raise InvalidInput(f"entry {number} of the journal is nested too deeply") from None
    except InvalidInput as error:
        raise InvalidInput(f"entry {number} of the journal: {error}") from error
