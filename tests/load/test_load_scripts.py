"""The scripts under load work: tiny sizes on real servers, so that no figure is meant."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_INSTALLED = 3
PEERS = ("django", "rest_framework_simplejwt", "starsessions")

TINY = {
    "faults": ("--clients", "10", "--calm", "1"),
    "scale": ("--sizes", "400", "800", "--samples", "20"),
    "rate": ("--sizes", "400", "--calm", "1"),
    "purge": ("--sizes", "400", "1000", "--calm", "1"),
    "floor": ("--rounds", "3"),
}


def ran(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What a script printed; it ends with 1 if a bound doesn't hold, which means little here."""
    command = [sys.executable, "-m", "tests.load", *words, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    if done.returncode == NOT_INSTALLED:
        pytest.skip(done.stderr)
    assert done.returncode in (0, 1), done.stderr
    return done


@pytest.mark.parametrize(
    ("script", "store"),
    [
        ("scale", "sqlite"),
        ("scale", "postgres"),
        ("scale", "redis"),
        ("rate", "sqlite"),
        ("rate", "postgres"),
        ("rate", "redis"),
        ("purge", "sqlite"),
        ("purge", "postgres"),
        ("purge", "redis"),
        ("floor", "sqlite"),
        ("floor", "postgres"),
        ("floor", "redis"),
        ("floor", "cluster"),
    ],
)
def test_a_script_prints_a_table(script: str, store: str, tmp_path: Path) -> None:
    told = ran(tmp_path, script, "--store", store, *TINY[script]).stdout
    assert f"\n| {store} |" in told
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


@pytest.mark.parametrize("store", ["postgres", "redis", "cluster"])
def test_nobody_is_logged_out_by_a_fault(store: str, tmp_path: Path) -> None:
    done = ran(tmp_path, "faults", "--store", store, *TINY["faults"])
    assert "0 acts ended in a logout, 0 answers were lost" in done.stdout
    assert done.returncode == 0, done.stdout


def test_the_peers_are_compared(tmp_path: Path) -> None:
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing or not shutil.which("redis-server"):
        pytest.skip("needs pip install 'counterfoil[load]' and apt-get install redis-server")
    told = ran(tmp_path, "peers", "--rounds", "3").stdout
    for peer in ("simplejwt", "Django's db sessions", "starsessions"):
        assert f"\n| {peer}" in told
