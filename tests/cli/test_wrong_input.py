"""What a newcomer gets wrong, command by command: a sentence on standard error, exit code 2, nothing on stdout."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from rotbot.cli.main import app, main

EXAMPLE = ("-c", "y = x.T", "--arg", "x=2,3")


@pytest.fixture
def said(monkeypatch, capfd, tmp_path):
    """A function that runs a command in an empty folder and gives what it says of input that it cannot use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.jsonl").touch()
    (tmp_path / "nothing.py").touch()
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe{}")
    (tmp_path / "f.py").write_text("def f(x):\n    return x @ x\n")

    def run(*args, stdin=""):
        monkeypatch.setattr(sys, "argv", ["rotbot", *args])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        assert (end.value.code, out) == (2, "")
        return err

    return run


WRONG = [
    (["trace"], "expected code on standard input, got nothing; give -c 'y = x @ w', a file, or - for standard input"),
    (["trace", "nothing.py"], "expected code in 'nothing.py', got nothing"),
    (["trace", "none.py"], "cannot read 'none.py': No such file or directory"),
    (["trace", *EXAMPLE, "--format", "xml"], "--format: expected one of text, json, github, sarif, got 'xml'"),
    (["trace", "-c", "import os\ny = os.getcwd()", "--json"], "line 1: import of os is not allowed"),
    (["predict"], "expected code on standard input, got nothing"),
    (["predict", "--engine", "x", *EXAMPLE], "--engine: expected one of auto, vllm, transformers, endpoint, got 'x'"),
    (["predict", "x", *EXAMPLE], "expected 'embedded', a model folder or a Hub ID (owner/name[@revision]), got 'x'"),
    (["predict", *EXAMPLE, "--json", "--target", "z"], "the target 'z' is never assigned; assigned names: y"),
    (["predict", "--file", "none.jsonl"], "cannot read 'none.jsonl': No such file or directory"),
    (["predict", "--file", "bytes.jsonl"], "bytes.jsonl: expected JSON lines in UTF-8, got something else at byte 0"),
    (["predict", "--file", "nothing.jsonl"], "nothing.jsonl: expected one problem a line, got none"),
    (["predict", "--endpoint", "http://127.0.0.1:9/v1", *EXAMPLE], "cannot connect, is a server running there?"),
    (["chat", "nope"], "expected 'embedded', a model folder or a Hub ID"),
    (["demo", "nope"], "expected 'embedded', a model folder or a Hub ID"),
    (["demo", "--engine", "nope"], "engine: expected one of auto, vllm, transformers, got 'nope'"),
    (["eval", "nope"], "expected 'embedded', a model folder or a Hub ID"),
    (["eval", "embedded", "--splits", "nope"], "splits: expected some of id, ood_depth"),
    (["generate", "f.py"], "expected an empty or new folder, got the file"),
    (["check", "nope"], "expected a dataset folder or a Hub ID (owner/name[@revision]), got 'nope'"),
    (["check", "empty"], "expected a dataset with sft, rl, eval in empty, found no Parquet files"),
    (["sft"], "data.dataset: expected a dataset folder or a Hub ID, got none; add data.dataset=PATH"),
    (["sft", "--config", "nope"], "recipe: expected a YAML file or one of"),
    (["grpo", "--config", "nope"], "recipe: expected a YAML file or one of"),
    (["grpo", "--config", "tiny-grpo", "grups=2"], "unknown key 'grups'; did you mean 'groups'?"),
    (["score", "none.jsonl"], "cannot read 'none.jsonl': No such file or directory"),
    (["score", "bytes.jsonl"], "bytes.jsonl: expected JSON lines in UTF-8, got something else at byte 0"),
    (["score", "nothing.jsonl"], "nothing.jsonl: expected one completion a line, got none"),
    (["push-dataset", "nope", "owner/name"], "expected a dataset folder, a YAML file or a recipe (shapes), got 'nope'"),
    (["pull-dataset", "nope", "here"], "expected a Hub ID, owner/name[@revision], got 'nope'"),
    (["push-model", "nope", "owner/name"], "expected a model folder, got nope, which is not there"),
    (["pull-model", "nope", "here"], "expected a Hub ID, owner/name[@revision], got 'nope'"),
    (["push-space", "nope"], "expected a Hub ID, owner/name[@revision], got 'nope'"),
    (["space", "--no-open", "--engine", "nope"], "--engine: expected one of auto, vllm, transformers, got 'nope'"),
    (["space", "--no-open", "--model", "../nope"], "expected 'embedded', a model folder or a Hub ID"),
    (["space", "--no-open", "--model", "empty"], "expected a model folder with config.json, found none in empty"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "sentence"), WRONG, ids=[" ".join(args)[:60] for args, _ in WRONG])
def test_it_is_said_in_a_sentence(said, args, sentence):
    err = said(*args)
    assert err.startswith("rotbot: "), err
    assert sentence in err
    assert err.count("\n") == 1


NAMES = sorted(typer.main.get_command(app).commands)


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_is_not_there_is_named(said, name):
    err = said(name, "--nonsense")
    assert "No such option: --nonsense" in err
    assert f"rotbot {name} -h" in err


def test_every_command_is_tried():
    without = {"doctor"}  # takes no input
    assert {args[0] for args, _ in WRONG} | without == set(NAMES)


def test_a_command_that_is_not_there(said):
    assert "No such command 'predit'" in said("predit")


def test_an_error_in_json_leaves_standard_output_to_the_machine(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["rotbot", "trace", "-c", "y = x @ x", "--arg", "x=2,3", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capfd.readouterr()
    assert end.value.code == 1
    assert out.startswith("{")
    assert out.count("\n") == 1
    assert "error at step 0, line 1: inner dimensions 3 and 2 differ" in err


def test_the_source_of_a_definition_is_that_of_the_file(monkeypatch, capfd, tmp_path):
    file = tmp_path / "f.py"
    file.write_text("def f(x):\n    return x @ x\n")
    monkeypatch.setattr(sys, "argv", ["rotbot", "trace", f"{file}::f", "--arg", "x=2,3"])
    with pytest.raises(SystemExit):
        main()
    out, _ = capfd.readouterr()
    assert "> 2 │     return x @ x" in out
    assert "result = f" not in out
