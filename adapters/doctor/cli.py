"""The command: which policy is diagnosed, by options or out of a module of the user's own."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from typing import Any

from ...core import AntiCsrf, Policy, Transfer
from ...core.diagnosis import Diagnosis, diagnose
from ...core.findings import refused_policy
from ...core.origins import parse_origin
from ...effects import InvalidPolicy
from ..held import milliseconds
from .as_json import as_json
from .as_text import Page, as_text

_HELP = """\
prints the very Set-Cookie lines and headers that a policy makes, and says what a browser
will drop or keep back, and why

  counterfoil doctor --api https://api.example.com --site https://example.com
  counterfoil doctor my_module:policy

The status is 0 if all works, 1 if there is a problem, 2 for wrong usage.
"""


class Usage(Exception):
    """The command was called wrongly; says how."""


def add_doctor(commands: Any) -> None:
    """Add the command to the parser's commands."""
    doctor: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="say what browsers make of a policy's cookies and headers",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument(
        "policy", nargs="?", metavar="MODULE:NAME", help="a Policy, or sessions that hold one"
    )
    described = doctor.add_argument_group("or a policy by its settings")
    described.add_argument("--api", type=_origin, metavar="ORIGIN", help="where the API is served")
    described.add_argument(
        "--site", type=_origin, metavar="ORIGIN", help="where the pages are; as the API by default"
    )
    described.add_argument("--base-path", metavar="PATH", help="of the protocol; /auth by default")
    described.add_argument("--anti-csrf", choices=[mode.value for mode in AntiCsrf])
    described.add_argument("--transfer", choices=[way.value for way in Transfer])
    described.add_argument("--cookie-domain", metavar="DOMAIN")
    described.add_argument("--older-cookie-domain", metavar="DOMAIN", help='"" for the host alone')
    described.add_argument("--same-site", choices=["lax", "strict", "none"])
    described.add_argument("--strict", action="store_true", help="Policy.strict(): __Host- cookies")
    doctor.add_argument("--embedded", action="store_true", help="pages are framed by other sites")
    doctor.add_argument("--json", action="store_true", help="print JSON, for tools")
    doctor.add_argument("--no-color", action="store_true", help="no colour on a terminal either")
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    try:
        diagnosis = _diagnosis(options)
    except Usage as error:
        print(f"counterfoil: {error}", file=sys.stderr)
        return 2
    print(as_json(diagnosis) if options.json else "\n".join(as_text(diagnosis, _page(options))))
    return 0 if diagnosis.works else 1


def _diagnosis(options: argparse.Namespace) -> Diagnosis:
    try:
        policy = _described(options) if options.policy is None else _imported(options)
    except InvalidPolicy as error:
        return Diagnosis(findings=(refused_policy(error),))
    return diagnose(policy, now=milliseconds(), embedded=options.embedded)


_SETTINGS = {
    "site": "site_origin",
    "base_path": "base_path",
    "anti_csrf": "anti_csrf",
    "transfer": "transfer",
    "cookie_domain": "cookie_domain",
    "older_cookie_domain": "older_cookie_domain",
    "same_site": "cookie_same_site",
}


def _described(options: argparse.Namespace) -> Policy:
    if options.api is None:
        raise Usage("give --api ORIGIN, or MODULE:NAME of a policy of yours.")
    given = {option: getattr(options, option) for option in _SETTINGS}
    chosen = {_SETTINGS[option]: value for option, value in given.items() if value is not None}
    policy = Policy(options.api, **chosen)
    return policy.strict() if options.strict else policy


def _imported(options: argparse.Namespace) -> Policy:
    if options.strict or any(getattr(options, name) is not None for name in ("api", *_SETTINGS)):
        raise Usage("MODULE:NAME has settings of its own; leave the options of settings out.")
    module_name, colon, path = options.policy.partition(":")
    if not (module_name and colon and path):
        raise Usage(f"{options.policy!r} is no MODULE:NAME, such as my_module:policy.")
    found: Any = _module(module_name)
    for name in path.split("."):
        if not hasattr(found, name):
            raise Usage(f"{module_name} has no {path!r}.")
        found = getattr(found, name)
    policy = getattr(found, "policy", found)  # sessions hold theirs
    if not isinstance(policy, Policy):
        kind = type(found).__name__
        raise Usage(f"{options.policy} is of type {kind}: name a Policy, or sessions.")
    return policy


def _module(name: str) -> Any:
    sys.path.insert(0, os.getcwd())  # as `python -m` has it
    try:
        return importlib.import_module(name)
    except InvalidPolicy:
        raise
    except Exception as error:
        # The message may hold a secret of the application's, such as a database's address.
        raise Usage(
            f"{name} can't be imported ({type(error).__name__}); "
            f"see: {os.path.basename(sys.executable)} -c 'import {name}'"
        ) from error


def _origin(text: str) -> str:
    if parse_origin(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no origin; write scheme, host and port, as in https://api.example.com"
        )
    return text


def _page(options: argparse.Namespace) -> Page:
    plain = options.no_color or "NO_COLOR" in os.environ or not sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, 100)
    return Page(width=max(width, 40), colour=not plain)
