"""Side channels and leaks: rows F1 and F2 of the security checklist."""

from __future__ import annotations

import ast
import importlib
import json
import logging
import pickle
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from counterfoil import (
    AntiCsrf,
    Ask,
    BlockingSessions,
    CounterfoilError,
    Event,
    Journal,
    KeySet,
    LocalKeys,
    MemoryStore,
    Policy,
    PublicKey,
    Recording,
    Rejection,
    RequestFacts,
    ResponseHeaders,
    Session,
    SessionRecord,
    Step,
    create_session,
    log_event,
)
from counterfoil.core.entropy import draw
from counterfoil.core.rotation import parse

# --- F1: secrets are compared in constant time -------------------------------------------------

SECRETS = {
    *("secret", "mac", "mac_key", "salt", "signature", "entropy", "shown", "named", "guard"),
    *("digest", "current_digest", "previous_digest", "successor", "draw"),
    *("token", "refresh_token", "access_token", "anti_csrf_token"),
}
COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def name_of(node: ast.expr) -> str:
    """The last name of an expression: of `a.b`, `b`; of a call, what is called.

    What is written in base64url is what it was.
    """
    match node:
        case ast.Call(func=ast.Name(id="base64url"), args=[octets]):
            return name_of(octets)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=called):
            return name_of(called)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            return key if key in SECRETS else name_of(value)
        case ast.Subscript(value=value):
            return name_of(value)
        case _:
            return ""


def careless(source: str) -> list[int]:
    """The lines that compare a secret as one compares what is none."""
    found: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, COMPARISONS) for op in node.ops):
            sides = (node.left, *node.comparators)
            members = [
                inner
                for side in sides
                for inner in (side.elts if isinstance(side, ast.Tuple | ast.List) else [side])
            ]
            if any(name_of(side) in SECRETS for side in members):
                found.append(node.lineno)
        if isinstance(node, ast.Match) and name_of(node.subject) in SECRETS:
            found.append(node.lineno)
    return found


def core_sources() -> dict[str, str]:
    """The files of the core."""
    (folder,) = list(importlib.import_module("counterfoil.core").__path__)[:1]
    return {path.name: path.read_text("utf-8") for path in sorted(Path(folder).glob("*.py"))}


@pytest.mark.parametrize("name", core_sources())
def test_f1_no_secret_is_compared_with_equality(name: str) -> None:
    assert careless(core_sources()[name]) == []


def test_f1_secrets_are_compared_by_compare_digest() -> None:
    users = {name for name, text in core_sources().items() if "hmac.compare_digest(" in text}
    assert users == {"csrf.py", "rotation.py", "rotation_rules.py", "verifying.py"}


@pytest.mark.parametrize(
    "source",
    [
        "if record.current_digest == digest(shown): pass",
        "x = token.mac != mac",
        "x = presented.digest in (record.current_digest, record.previous_digest)",
        "x = digest(secret) in known",
        "x = hmac.digest(k, m, 'sha256') == other",
        "x = base64url(record.current_digest) == other",
        "x = claims['anti_csrf_token'] == other",
        "x = a < b == session.refresh_token",
        "match token:\n    case 'x': pass",
    ],
)
def test_f1_a_careless_comparison_is_seen(source: str) -> None:
    assert careless(source) == [1]
    assert careless("x = token is None or len(token) != 3 or handle == other") == []


# --- F2: nothing shows a secret ----------------------------------------------------------------

POLICY = Policy(
    "https://api.example.com",
    site_origin="https://example.com",
    anti_csrf=AntiCsrf.VIA_TOKEN,
    expose_access_token=True,
)
LOGIN = 1_700_000_000_000


def forms(secret: str | bytes) -> Iterator[str]:
    """A secret in every form that it could be shown in."""
    if isinstance(secret, str):
        yield secret
        yield b64encode(secret.encode()).decode()
        return
    yield secret.hex()
    yield repr(secret)
    for text in (b64encode(secret).decode(), urlsafe_b64encode(secret).decode()):
        yield text.rstrip("=")


class Witness:
    """An interpreter that keeps whatever can be seen of a run."""

    def __init__(self, interpreter: Any) -> None:
        self.recording = Recording(interpreter)
        self.seen: list[str] = []

    def see(self, *things: object) -> None:
        """Look at things in every way that a log or a debugger does."""
        for thing in things:
            self.seen += [repr(thing), str([thing]), f"{thing!r}", f"{(thing,)}"]

    def run(self, step: Step[Any]) -> Any:
        """Carry a step out, looking at everything."""
        while isinstance(step, Ask):
            reply = self.recording.perform(step.effect)
            self.see(step, step.effect, step.resume, reply)
            step = step.resume(reply)
        self.see(step, step.state, *step.effects)
        for effect in step.effects:
            self.recording.perform(effect)
        if isinstance(step.state, Rejection):
            self.see(str(step.state), step.state.args)
            try:
                raise step.state.raised()
            except Rejection as rejection:
                self.seen += traceback.format_exception(rejection)
        return step.state


class Trial:
    """An application whose secrets are all known, so that they can be looked for."""

    def __init__(self) -> None:
        self.now = LOGIN
        self.drawn: list[bytes] = []
        self.events: list[Event] = []
        self.store = MemoryStore()
        self.keys = LocalKeys.in_memory(clock=lambda: LOGIN)
        self.sessions = BlockingSessions(
            POLICY,
            self.store,
            self.keys,
            listener=self.hear,
            clock=lambda: self.now,
            entropy=self.draw,
        )
        self.response = ResponseHeaders()
        self.witness = Witness(self.sessions.using(response=self.response).interpreter)
        self.secrets: list[str | bytes] = []

    def hear(self, event: Event, context: object) -> None:
        """Keep an event, and log it as the default listener does."""
        self.events.append(event)
        log_event(event, context)

    def draw(self, length: int) -> bytes:
        """Entropy that is remembered."""
        entropy = bytes([0xA0 + len(self.drawn)]) * length
        self.drawn.append(entropy)
        return entropy

    def run(self, step: Step[Any]) -> Any:
        """Carry a step out, and remember the secrets of the session that it ends in."""
        state = self.witness.run(step)
        if isinstance(state, Session):
            self.remember(state)
        return state

    def remember(self, session: Session) -> None:
        """The secrets of a session and of its record."""
        tokens = (session.access_token, session.refresh_token, session.anti_csrf_token)
        self.secrets += [str(token) for token in tokens if token is not None]
        self.secrets.append(session.access_token.rpartition(".")[2])
        parsed = parse(session.refresh_token or "")
        if parsed is not None:
            self.secrets += [parsed.secret, parsed.mac]
        record = self.store.load(session.handle)
        if isinstance(record, SessionRecord):
            # Digests and salts are no secrets: nothing follows from them but what is known.
            self.secrets.append(record.mac_key)
            self.witness.see(record, self.store.world)


def a_life(trial: Trial) -> None:
    """Everything that can happen to a session, told to a witness."""
    operations, run = trial.sessions.operations, trial.run
    request = RequestFacts("POST", [("st-auth-mode", "cookie")])
    first: Session = run(operations.create_session_in_request(request, "ada", payload={"a": 1}))
    guard = str(first.anti_csrf_token)

    def by_cookie(session: Session, *, shown: str = guard) -> RequestFacts:
        cookies = f"sAccessToken={session.access_token}; sRefreshToken={session.refresh_token}"
        facts = RequestFacts("POST", [("Cookie", cookies), ("anti-csrf", shown)])
        trial.witness.see(facts)
        return facts

    run(operations.refresh_session_in_request(by_cookie(first, shown="wrong")))
    second: Session = run(operations.refresh_session_in_request(by_cookie(first)))
    run(operations.refresh_session_in_request(by_cookie(first)))
    trial.now += 10_001
    forked: Session = run(operations.refresh_session_in_request(by_cookie(first)))
    assert forked.refresh_token != second.refresh_token
    merged = run(operations.merge_into_access_token_payload(forked, {"plan": "pro"}))
    run(operations.update_session_data_in_database(merged, {"cart": [1]}))
    rekeyed: Session = run(operations.rekey_session(merged))
    run(operations.get_time_created(rekeyed))
    run(operations.get_session_information(rekeyed.handle))
    forged = first.refresh_token
    trial.secrets += [str(forged)]
    run(operations.refresh_session(forged))
    line = [rekeyed.refresh_token]
    for _ in range(3):
        line.append(run(operations.refresh_session(line[-1], check_anti_csrf=False)).refresh_token)
    run(operations.refresh_session(line[0], check_anti_csrf=False))
    other: Session = run(operations.create_session("ada"))
    run(operations.sign_out(by_cookie(other, shown=str(other.anti_csrf_token))))
    run(operations.sign_out(by_cookie(other, shown="wrong")))
    last: Session = run(operations.create_session("ada"))
    run(operations.revoke_all_sessions_for_user("ada"))
    run(operations.merge_into_access_token_payload(last, {"plan": "pro"}))


@pytest.fixture
def trial(caplog: pytest.LogCaptureFixture) -> Trial:
    """A life that a witness has seen."""
    caplog.set_level(logging.DEBUG)
    trial = Trial()
    a_life(trial)
    for entropy in trial.drawn:
        trial.secrets += [entropy, draw(entropy, b"refresh secret"), draw(entropy, b"mac key")]
    return trial


def assert_hidden(trial: Trial, text: str) -> None:
    """No secret in any form is in a text."""
    for secret in trial.secrets:
        for form in forms(secret):
            assert form not in text


def test_f2_the_witness_would_see_a_secret(trial: Trial) -> None:
    assert len(trial.secrets) > 40
    assert {type(event).__name__ for event in trial.events} == {
        "SessionCreated",
        "SessionRefreshed",
        "RefreshReplayed",
        "RefreshForked",
        "TheftDetected",
        "SessionsRevoked",
        "RequestRejected",
    }
    sent = json.dumps(trial.response.headers)
    shown = [secret for secret in trial.secrets if isinstance(secret, str) and secret in sent]
    assert shown  # the headers do hold tokens; their representation must not
    with pytest.raises(AssertionError):
        assert_hidden(trial, sent)
    with pytest.raises(AssertionError):
        assert_hidden(trial, trial.witness.recording.journal.to_json(secrets=True))


def test_f2_no_step_effect_reply_state_or_rejection_shows_a_secret(trial: Trial) -> None:
    assert len(trial.witness.seen) > 500
    assert_hidden(trial, "\n".join(trial.witness.seen))


def test_f2_no_event_holds_a_secret_in_any_form(trial: Trial) -> None:
    assert_hidden(trial, repr(trial.events) + str(trial.events))
    pickled = pickle.dumps(trial.events)
    assert_hidden(trial, pickled.decode("latin-1"))
    for secret in trial.secrets:
        assert (secret.encode() if isinstance(secret, str) else secret) not in pickled


def test_f2_no_journal_holds_a_secret_unless_asked_to(trial: Trial) -> None:
    journal = trial.witness.recording.journal
    assert_hidden(trial, journal.to_json() + repr(journal) + str(journal))
    assert_hidden(trial, repr(Journal.from_json(journal.to_json())))


def test_f2_no_log_shows_a_secret(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    records = caplog.get_records("setup")
    logged = "\n".join(f"{record.__dict__!r} {record.getMessage()}" for record in records)
    assert "TheftDetected" in logged
    assert len(records) == len(trial.events)
    assert_hidden(trial, logged)


def test_f2_no_object_of_the_world_shows_a_secret(trial: Trial) -> None:
    sessions, keys = trial.sessions, trial.keys
    things = [
        sessions,
        sessions.operations,
        sessions.memo,
        sessions.interpreter,
        sessions.keys,
        keys,
    ]
    things += [trial.store, trial.store.world, trial.response, trial.witness.recording]
    assert_hidden(trial, "\n".join(f"{thing!r} {thing}" for thing in things))


CANARY = "canary-" * 9
CANARY_KEY = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"

MISTAKES: dict[str, Callable[[BlockingSessions], object]] = {
    "a key that is no string": lambda s: s.create_session("ada", payload={"x": {1: CANARY}}),
    "a value that is no JSON": lambda s: s.create_session("ada", payload={"x": CANARY.encode()}),
    "too large a payload": lambda s: s.create_session("ada", payload={"x": CANARY * 100}),
    "a reserved claim": lambda s: s.create_session("ada", payload={"sub": CANARY}),
    "an access token": lambda s: s.get_session(CANARY),
    "a refresh token": lambda s: s.refresh_session(CANARY),
    "a bearer token": lambda s: s.get_session_from_request(
        RequestFacts("GET", [("Authorization", f"Bearer {CANARY}")])
    ),
    "short entropy": lambda s: s.run(
        create_session("ada", policy=POLICY, now=LOGIN, entropy=CANARY[:31].encode())
    ),
    "entropy that is text": lambda s: s.run(
        create_session("ada", policy=POLICY, now=LOGIN, entropy=CANARY)  # type: ignore[arg-type]  # that is the point
    ),
    "a private key": lambda s: LocalKeys.from_pem(CANARY_KEY),
    "a public key": lambda s: KeySet((PublicKey(kid="k", algorithm="EdDSA", der=CANARY.encode()),)),
    "a journal": lambda s: Journal.from_json(CANARY),
    "a journal's entry": lambda s: Journal.from_json(
        json.dumps({"journal": 1, "masked": False, "entries": [[{"Load": CANARY}, None]]})
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_f2_no_error_shows_the_secret_that_it_is_about(
    mistake: Callable[[BlockingSessions], object],
) -> None:
    response = ResponseHeaders()
    sessions = BlockingSessions(POLICY, MemoryStore(), clock=lambda: LOGIN)
    with pytest.raises((CounterfoilError, Rejection)) as problem:
        mistake(sessions.using(response=response))
    error: BaseException | None = problem.value
    told = "".join(traceback.format_exception(error))
    while error is not None:
        told += f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert len(told) > 200
    assert "canary-canary" not in told
    assert all(form not in told for form in forms(CANARY.encode()))
