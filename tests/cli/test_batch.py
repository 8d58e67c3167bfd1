"""``rotbot predict`` on files of problems, with several samples, and through a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rotbot.cli import batch
from rotbot.errors import InputError
from rotbot.inference import Sampling, open_engine
from rotbot.rewards import compare
from rotbot.rewards.votes import Vote, majority
from rotbot.shapes import isolation
from tests.chat_server import serving
from tests.memorized import ANSWERS, LUCKY, RIGHT, WRONG


@pytest.fixture(scope="module", autouse=True)
def _one_worker():
    yield
    isolation.stop_worker()


def row(problem, **more):
    return json.dumps({"code": problem.code, "args": problem.args, "target": problem.target, **more}) + "\n"


UNTRACEABLE = '{"code": "y = x.nonzero()", "args": {"x": [2]}, "target": "y"}\n'


def test_a_vote_is_by_the_final_line_and_takes_the_first_that_ends_so():
    truth = RIGHT.truth()
    final = {n: compare(truth, f"step 0: view({n}) | [16] -> [{n}]\n</think>\nfinal: [{n}]") for n in (4, 5, 6)}
    nothing = compare(truth, "step 0: vi")
    error = compare(truth, "step 0: view(3) | [16] -> error: no\n</think>\nfinal: error at step 0")
    assert majority([final[4], final[5], nothing, final[5]]) == Vote(1, 2, 4)
    assert majority([final[6], final[4], final[4], final[6]]) == Vote(0, 2, 4)
    assert majority([nothing, nothing, error]) == Vote(2, 1, 3)
    assert majority([nothing, nothing]) == Vote(0, 0, 2)


def test_results_are_held_against_the_truth_and_a_broken_file_goes_on(memorized_folder, tmp_path):
    source, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    source.write_text(row(RIGHT) + row(WRONG, id="w") + UNTRACEABLE + row(LUCKY))
    problems, how = batch.read_problems(source), batch.setting("m", Sampling())
    assert problems[:2] == [RIGHT, WRONG]
    asked = []
    with open_engine(memorized_folder, "transformers") as engine:

        class Counted:
            def generate(self, prompts, sampling):
                asked.append(list(prompts))
                return engine.generate(prompts, sampling)

        def go(done):
            with out.open("a") as file:
                batch.write(batch.run(problems, Counted(), "m", Sampling(), done), file, lambda _: None)
            return out.read_text()

        whole = go({})
        results = [json.loads(line) for line in whole.splitlines()]
        assert [r["line"] for r in results] == [1, 2, 3, 4]
        assert [r["verdict"]["kind"] for r in results if r["error"] is None] == ["faithful", "wrong", "lucky"]
        assert "depends on the number of nonzero elements" in results[2]["error"]
        assert asked == [[RIGHT, WRONG, LUCKY]]
        out.write_text(whole[: whole.index("\n") + 20])  # killed while it wrote the second line
        done = batch.finished(out, problems, how)
        assert list(done) == [1]
        assert go(done) == whole
        assert go(batch.finished(out, problems, how)) == whole
        assert len(asked) == 2


def test_results_of_something_else_are_not_gone_on_from(tmp_path):
    source, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    source.write_text(row(RIGHT))
    problems, how = batch.read_problems(source), batch.setting("m", Sampling())
    result = {"line": 1, "prompt": RIGHT.prompt(), "setting": dict(how), "error": "x"}
    for change in ({"line": 2}, {"prompt": WRONG.prompt()}, {"setting": {}}):
        out.write_text(json.dumps(result | change) + "\n")
        with pytest.raises(InputError, match="line 1: expected a result of this run"):
            batch.finished(out, problems, how)
    out.write_text("[1]\n")
    with pytest.raises(InputError, match="expected a result of this run"):
        batch.finished(out, problems, how)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected one problem a line, got none"),
        (row(RIGHT) + "{}\n", "line 2: expected an object with code, args and target"),
        ("nonsense\n", "line 1: Expecting value"),
        ('{"code": "", "args": {}, "target": "y"}\n', "line 1: code: expected Python source"),
        ('{"code": "y = x", "args": {"x": "a b"}, "target": "y"}\n', "line 1: x: expected dimensions"),
    ],
)
def test_files_that_are_no_problems(tmp_path, text, words):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(InputError, match=words):
        batch.read_problems(tmp_path / "p.jsonl")


def command(*arguments):
    return [sys.executable, "-m", "rotbot", "predict", *map(str, arguments)]


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(memorized_folder, tmp_path):
    source, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    source.write_text((row(RIGHT) + row(WRONG)) * 100)
    call = command(memorized_folder, "--file", source, "--out", out, "--engine", "transformers")
    process = subprocess.Popen(call, env=environment(), stderr=subprocess.DEVNULL)
    try:
        while not out.exists() or out.read_bytes().count(b"\n") < 70:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    before = out.read_text()
    assert before.count("\n") < 200
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=True)
    assert "200 problems: 100 faithful, 100 with the right final shape" in done.stderr
    assert "of an earlier run" in done.stderr
    after = out.read_text()
    assert after.startswith(before[: before.rindex("\n") + 1])
    assert [json.loads(line)["line"] for line in after.splitlines()] == list(range(1, 201))


def test_a_server_answers_and_several_samples_vote(memorized_folder):
    options = ["-c", RIGHT.code, "--arg=s=16", "--target=f", "--json", "--samples=3", "--temperature=0.01"]
    with open_engine(memorized_folder, "transformers") as engine, serving(engine) as (url, requests):
        call = command("--endpoint", url, *options)
        done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["completion"]["text"] == ANSWERS[RIGHT]
    assert data["vote"] == {"chosen": 0, "agreeing": 3, "total": 3}
    assert data["engine"] == f"served at {url}"
    assert "3 of 3 samples agree on the final shape" in done.stderr
    assert len(requests) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "endpoint"], "--engine endpoint and --endpoint URL belong together"),
        (["--engine", "vllm", "--endpoint", "http://127.0.0.1:9/v1"], "belong together"),
        (["--model-name", "m"], "--model-name: expected an endpoint"),
        (["--out", "r.jsonl"], "--out: expected --file problems.jsonl"),
        (["--file", "p.jsonl"], "problems.jsonl holds code, args and targets"),
    ],
)
def test_options_that_do_not_fit(options, words):
    call = command("-c", "y = x", "-a", "x=2", *options)
    done = subprocess.run(call, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
