"""``rotbot doctor``: what it finds here, and what it says when something is missing."""

from __future__ import annotations

import json
import sys
from importlib import metadata

import pytest

from rotbot.cli.main import main


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Run the command → exit code, findings by name, what is printed for people."""

    def run():
        monkeypatch.setattr(sys, "argv", ["rotbot", "doctor", "--json"])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        result = json.loads(out)
        assert result["usable"] == (end.value.code == 0)
        return end.value.code, {check["name"]: check for check in result["checks"]}, err

    return run


def test_a_machine_that_runs_these_tests_is_usable_without_a_network(doctor):
    code, checks, text = doctor()
    assert code == 0
    assert {check["state"] for check in checks.values()} <= {"ok", "note"}
    assert f"torch {metadata.version('torch')}" in checks["packages"]["value"]
    assert f"torchtune {metadata.version('torchtune')}" in checks["train"]["value"]
    assert checks["device"]["value"].startswith(("CPU", "1 GPU"))
    assert checks["hub"]["value"] == "HF_HUB_OFFLINE is set: only the cache is used"
    assert "login" not in checks
    assert "✓ packages" in text


def test_the_login_is_told(hub, login, doctor):
    _, checks, _ = doctor()
    assert (checks["hub"]["state"], checks["hub"]["value"]) == ("ok", hub.url)
    assert checks["login"]["value"] == "ada (write token); own places: ada, lab"
    login("hf_nobody")
    _, checks, _ = doctor()
    assert (checks["hub"]["state"], checks["login"]["value"]) == ("ok", "the token is not accepted")
    login(None)
    code, checks, text = doctor()
    assert (code, checks["login"]["value"]) == (0, "none")
    assert "→ to push, or to read what is private: hf auth login, or set HF_TOKEN" in text
    assert hub.calls("whoami") == 3


def test_a_hub_out_of_reach_is_no_reason_to_fail(login, doctor, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    code, checks, _ = doctor()
    assert code == 0
    assert checks["hub"]["state"] == "note"
    assert checks["hub"]["value"].startswith("cannot reach the Hub at http://127.0.0.1:9 (")


def test_the_cache_is_measured(login, doctor, tmp_path):
    _, checks, _ = doctor()
    assert checks["cache"]["value"].startswith(f"empty ({tmp_path / 'cache'})")
    blob = tmp_path / "cache" / "models--ada--tiny" / "snapshots" / ("0" * 40) / "model.safetensors"
    blob.parent.mkdir(parents=True)
    with blob.open("wb") as file:
        file.truncate(300_000_000)  # a hole: no disk is used
    _, checks, _ = doctor()
    assert checks["cache"]["value"].startswith(f"0.3 GB in {tmp_path / 'cache'}, 1 from the Hub")


@pytest.mark.parametrize(
    ("distribution", "version", "name", "state", "advice"),
    [
        ("torch", "2.10.0", "packages", "broken", "torch<2.14,>=2.13 (got 2.10.0)"),
        ("transformers", None, "packages", "broken", "transformers<5.20,>=5.16.1 (got none)"),
        ("torchao", None, "train", "note", "for rotbot sft: pip install 'rotbot[train]'"),
        ("torchvision", "0.28.0", "vision", "note", "not needed here: pip uninstall torchvision"),
    ],
)
def test_what_is_missing_is_said_with_the_remedy(doctor, monkeypatch, distribution, version, name, state, advice):
    """The installed versions are what Python's own metadata says; here it says something else of one package."""
    true = metadata.version

    def told(wanted):
        if wanted == "torch" != distribution:
            return f"{true(wanted).partition('+')[0]}+cpu"  # whichever build is here: PyPI's torchvision is of another
        if wanted != distribution:
            return true(wanted)
        if version is None:
            raise metadata.PackageNotFoundError(wanted)
        return version

    monkeypatch.setattr(metadata, "version", told)
    code, checks, text = doctor()
    assert checks[name]["state"] == state
    assert advice in checks[name]["advice"]
    assert code == (1 if state == "broken" else 0)
    assert advice in text
