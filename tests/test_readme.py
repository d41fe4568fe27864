"""The README's code runs, from top to bottom, as a reader would run it."""

import doctest
from pathlib import Path
from typing import Any

from sybil import Document, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import counterfoil
from counterfoil.core.examples import example_session

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
LOGIN = 1_700_000_000_000


class OneReply:
    """Answers the README's first step."""

    def perform(self, effect: counterfoil.Regenerate) -> counterfoil.Regenerated:
        """As a store would that held nothing else."""
        return counterfoil.Regenerated(effect.patch, "a.new.token")


def parse() -> Document:
    options = doctest.ELLIPSIS
    return Sybil([PythonCodeBlockParser(doctest_optionflags=options)]).parse(README)


def test_every_example_of_the_readme_runs(tmp_path: Path) -> None:
    document = parse()
    names: dict[str, Any] = {
        "merge_into_access_token_payload": counterfoil.merge_into_access_token_payload,
        "run": counterfoil.run,
        "session": example_session(),
        "NOW": LOGIN,
        "interpreter": OneReply(),
        "database": tmp_path / "sessions.db",
        "other_database": tmp_path / "other.db",
        "shelf": str(tmp_path / "sessions.shelf"),
        "keys": tmp_path / "keys.json",
    }
    document.namespace.update(names)
    examples = list(document.examples())
    assert len(examples) >= 7
    for example in examples:
        example.evaluate()
    document.namespace["sessions"].store.close()
