"""``rotbot eval`` as a command, on a model with three answers and on an endpoint."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from rotbot.cli.main import app
from rotbot.errors import InputError
from rotbot.inference import open_engine
from tests.chat_server import NAME, serving
from tests.memorized import save_memorized


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_memorized(tmp_path_factory.mktemp("models") / "memorized")


def run(*arguments):
    return CliRunner().invoke(app, ["eval", *map(str, arguments)], catch_exceptions=False)


def test_tables_json_and_files(model, tmp_path):
    arguments = (
        model, "--splits", "real", "--rows", 3, "--max-tokens", 30, "--engine", "transformers",
        "--out", tmp_path / "out",
    )  # fmt: skip
    done = run(*arguments, "--json")
    assert done.exit_code == 0
    data = json.loads(done.stdout)
    assert data["setting"]["rows"] == 3
    assert data["splits"]["real"]["faithful"]["n"] == 3
    assert data["engine"] == "transformers"
    assert "Splits" in done.stderr
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"answers", "report.json", "report.md", "evaluation.json", "depth.png"}
    again = run(*arguments, "--plot", tmp_path / "plot.png")
    assert "answers of an earlier run" in again.stdout
    assert "real" in again.stdout
    assert (tmp_path / "plot.png").is_file()


def test_an_endpoint(model):
    with open_engine(model, "transformers") as engine, serving(engine) as (url, requests):
        done = run(url, "--splits", "real", "--rows", 2, "--max-tokens", 8, "--prompt", "explained", "--json")
    assert json.loads(done.stdout)["engine"] == f"{NAME} at {url}"
    assert [len(body["messages"]) for body in requests] == [5, 5]


def test_what_cannot_be_asked():
    with pytest.raises(InputError, match="expected an endpoint"):
        run("embedded", "--model-name", "x", "--splits", "real", "--rows", "1")
    with pytest.raises(InputError, match="prompt: expected one of plain, described, explained, got 'loud'"):
        run("--prompt", "loud")
