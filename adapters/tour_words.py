"""How the tour is shown: short lines, tokens by nickname, colour where a terminal has it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any

import attrs

from ..core import ClaimFailure
from ..core.transport import ACCESS_HEADER, REFRESH_HEADER
from ..effects import (
    Announce,
    AppendHeader,
    ClaimFetched,
    Effect,
    Establish,
    Event,
    FetchClaim,
    FrozenDict,
    Json,
    Listed,
    ListSessions,
    Load,
    Missing,
    Regenerate,
    Regenerated,
    Rejection,
    RemoveHeader,
    RequestRejected,
    Revoke,
    Revoked,
    RevokeUser,
    Rotate,
    Secret,
    SessionRecord,
    SetCookie,
    SetHeader,
    Stale,
    TheftDetected,
    to_json,
)

_ESCAPE = re.compile(r"(\x1b\[[0-9]+m)")

TOKEN_HEADERS = {ACCESS_HEADER: "A", REFRESH_HEADER: "R"}

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"


class Nicknames:
    """Calls the first token R0 or A0, the next of its kind R1 or A1, and so on."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, token: str, letter: str) -> str:
        """The token's nickname."""
        number = sum(name.startswith(letter) for name in self._names.values())
        return self._names.setdefault(token, f"{letter}{number}")


@attrs.define(eq=False)
class Teller:
    """Writes the story line by line.

    Attributes:
        write: takes a line.
        width: columns that a line may have.
        colour: whether to mark words with ANSI escapes.
        nicknames: what to call a token, of a kind (R or A); it is never shown itself.
    """

    write: Callable[[str], None]
    width: int = 80
    colour: bool = False
    nicknames: Callable[[str, str], str] = attrs.field(factory=Nicknames, repr=False)
    _chapters: int = 0

    def chapter(self, title: str, why: str) -> None:
        """The head of a chapter."""
        self._chapters += 1
        self.write("")
        self.write(self._in(BOLD, f"{self._chapters}. {title}"))
        self._paragraph(why, DIM)

    def operation(self, who: str, call: str, token: Secret | None = None) -> None:
        """An operation that someone calls; `%s` in it stands for a token."""
        shown = call.replace("%s", self._nickname(token, "R" if "refresh" in call else "A"))
        self._line(f"   {self._in(YELLOW, who)}  {self._in(BOLD, shown)}")

    def effect(self, effect: Effect[Any], reply: Any, who: str) -> None:
        """An effect that was carried out, and its reply."""
        label = f"{who}: " if who else ""
        name = self._in(CYAN, type(effect).__name__)
        self._line(f"     {label}{name} {self.asked(effect)}".rstrip())
        if reply is not None:
            colour = RED if isinstance(reply, Stale | Missing) else GREEN
            answer = self._in(colour, type(reply).__name__)
            self._line(f"       {self._in(DIM, '↳')} {answer} {self.answered(reply)}".rstrip())

    def nothing(self) -> None:
        """There was no effect."""
        self._line(f"     {self._in(DIM, 'no effect: nothing was read, nothing was written')}")

    def rejected(self, rejection: object) -> None:
        """An operation ended in a rejection."""
        name = type(rejection).__name__
        details = ""
        if isinstance(rejection, Rejection):
            kind = getattr(rejection, "kind", None)
            failed = getattr(rejection, "failures", ())
            details = f" ({kind})" if kind else "".join(map(_failure, failed))
        self._line(f"     {self._in(RED, name)}{details}")

    def remark(self, text: str, token: Secret | None = None) -> None:
        """Something that happens beside the operations."""
        token_name = f"{self._nickname(token, 'R')}: " if token else ""
        self._line(f"     {self._in(DIM, token_name + text)}")

    def state(self, when: str, record: SessionRecord | Missing, token: Secret | None) -> None:
        """What the store and the browser hold, before or after."""
        kept = "no session"
        if not isinstance(record, Missing):
            kept = f"generation {record.generation}, {_payload(record.payload)}"
        held = self._nickname(token, "R") if token else "nothing"
        self._line(f"   {self._in(DIM, f'{when:6}  browser: {held}   store: {kept}')}")

    def end(self, *, effects: int, signed: int, thefts: int) -> None:
        """The sum of it."""
        self.write("")
        self._paragraph(
            f"{effects} effects were carried out and {signed} access tokens signed. "
            f"Logged out by a race or a lost response: nobody. Thefts noticed: {thefts}.",
            BOLD,
        )
        self._paragraph("The same as data: counterfoil tour --json. Next: the README's quickstart.")

    def asked(self, effect: Effect[Any]) -> str:
        """What an effect asks, beside its name; nothing where its name says all."""
        match effect:
            case Establish(record):
                return f"{_short(record.handle)} of {record.user_id}, {_payload(record.payload)}"
            case Load(handle):
                return _short(handle)
            case Rotate(record, expected_version):
                return (
                    f"to generation {record.generation}, if the version is still {expected_version}"
                )
            case Regenerate(patch=patch):
                return _payload(patch) if patch else "sign only, write nothing"
            case Revoke(handles):
                return ", ".join(map(_short, handles))
            case RevokeUser(user_id, keep=keep):
                kept = f", but not {', '.join(map(_short, keep))}" if keep else ""
                return f"all of {user_id}{kept}"
            case ListSessions(user_id):
                return f"of {user_id}"
            case FetchClaim(key=key, user_id=user_id):
                return f"{key} of {user_id}"
            case SetCookie(name=name, value=value, path=path):
                shown = self._nickname(value, "R" if "Refresh" in name else "A")
                return f"{name}={shown}; Path={path}" if value else f"{name} deleted; Path={path}"
            case SetHeader(name, value):
                return f"{name}: {self._header(name, value)}"
            case AppendHeader(name, value):
                return f"{name}: {value}"
            case RemoveHeader(name):
                return name
            case Announce(event):
                return _event(event)
            case _:
                return ""

    def answered(self, reply: Any) -> str:
        """What a reply says, beside its name."""
        match reply:
            case SessionRecord():
                return f"generation {reply.generation}, version {reply.version}"
            case Stale(SessionRecord() as current):
                return f"it is version {current.version} now"
            case Regenerated(payload):
                return _payload(payload)
            case ClaimFetched(value):
                return to_json(value)
            case Revoked(handles):
                return ", ".join(map(_short, handles)) or "none was there"
            case Listed(records):
                return ", ".join(_short(record.handle) for record in records) or "none"
            case _:
                return ""

    def _header(self, name: str, value: str) -> str:
        if name in TOKEN_HEADERS and value:
            return self._nickname(value, TOKEN_HEADERS[name])
        return "…" if isinstance(value, Secret) else value

    def _nickname(self, token: str | None, letter: str) -> str:
        return self.nicknames(token, letter) if token else "none"

    def _paragraph(self, text: str, style: str = "") -> None:
        for line in textwrap.wrap(text, self.width - 3):
            self.write("   " + (self._in(style, line) if style else line))

    def _line(self, text: str) -> None:
        self.write(_cut(text, self.width))

    def _in(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colour else text


def _event(event: Event) -> str:
    name = type(event).__name__
    match event:
        case RequestRejected(reason=reason):
            return f"{name}, {reason}"
        case TheftDetected(kind=kind):
            return f"{name}, {kind}"
        case _:
            return name


def _short(handle: str) -> str:
    return "…" + handle[-4:]


def _payload(payload: FrozenDict) -> str:
    # A claim is shown by its value alone.
    def value(entry: Json) -> Json:
        return entry["v"] if isinstance(entry, FrozenDict) and "v" in entry else entry

    return to_json(FrozenDict({key: value(entry) for key, entry in payload.items()}))


def _failure(failure: ClaimFailure) -> str:
    told = dict(failure.reason)
    message = told.pop("message", "")
    facts = "; ".join(f"{name} {to_json(fact)}" for name, fact in told.items())
    return f" {failure.id}: {message} ({facts})"


def _cut(text: str, width: int) -> str:
    # Escapes take no room and are all kept, so that no colour runs on.
    if len(_ESCAPE.sub("", text)) <= width:
        return text
    room, kept = width - 1, ""
    for part in _ESCAPE.split(text):
        shown = part if _ESCAPE.fullmatch(part) else part[:room]
        room -= 0 if _ESCAPE.fullmatch(part) else len(shown)
        kept += shown
    return kept + "…"
