"""Runs of the benchmark: answers are kept, broken runs go on, reports say what the answers were."""

from __future__ import annotations

import json

import pytest

from rotbot.errors import InputError
from rotbot.evaluation.benchmark import Setting, model_state, run_split
from rotbot.evaluation.intervals import share
from rotbot.evaluation.plots import plot_depth
from rotbot.evaluation.report import band_of, make_report
from rotbot.hub.figures import read_evaluation
from rotbot.inference import Completion, Sampling
from rotbot.problem import Problem


class Oracle:
    """Writes the truth of every problem, except that every third answer is cut short. It counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def generate(self, prompts, sampling):
        made = []
        for prompt in prompts:
            text = Problem.parse(prompt[-1]["content"]).truth().completion()
            for _ in range(sampling.n):
                self.asked += 1
                made.append(Completion(text if self.asked % 3 else text[:20], (), "stop", 0.0))
        return made


def test_a_run_and_its_report(tmp_path):
    setting, oracle = Setting("oracle", rows=9, variants=3), Oracle()
    results = [run_split(split, setting, lambda: oracle, tmp_path) for split in ("real", "error")]
    report = make_report(setting, "test", results)
    assert report.splits["real"]["faithful"] == share(6, 9)
    assert report.splits["error"]["error_kind"] == share(6, 9)
    assert set(report.consistency) == {"renamed", "respelled", "dead_code"}
    assert sum(figures["faithful"].n for figures in report.depths["real"].values()) == 9
    assert sum(figures["faithful"].n for figures in report.ranks.values()) == 18
    report.save(tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["splits"]["real"]["faithful"] == {"value": 6 / 9, "low": pytest.approx(0.3542, abs=1e-4),
                                                  "high": pytest.approx(0.8794, abs=1e-4), "n": 9}  # fmt: skip
    assert "| real | 9 | 66.7% (35.4–87.9) |" in (tmp_path / "report.md").read_text()
    figures = read_evaluation(tmp_path / "evaluation.json")
    assert [(one.split, one.problems, one.faithful) for one in figures] == [("real", 9, 6), ("error", 9, 6)]
    assert figures[0].results()[0].metric_value == 0.6667
    plot_depth(report, tmp_path / "depth.png")
    assert (tmp_path / "depth.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_answered_is_not_asked_again(tmp_path):
    setting = Setting("oracle", rows=5)
    first = run_split("real", setting, Oracle, tmp_path)

    def nobody():
        raise AssertionError("the answers are there")

    again = run_split("real", setting, nobody, tmp_path)
    verdicts = [[judged.verdicts[0].faithful for judged in result.judged] for result in (first, again)]
    assert verdicts[0] == verdicts[1] == [True, True, False, True, True]
    with pytest.raises(AssertionError):
        run_split("ood_depth", setting, nobody, tmp_path)


def test_a_run_that_breaks_in_a_split_keeps_those_before_and_no_part_of_it(tmp_path):
    class Dies(Oracle):
        def generate(self, prompts, sampling):
            raise KeyboardInterrupt

    setting = Setting("oracle", rows=3)
    run_split("real", setting, Oracle, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_split("error", setting, Dies, tmp_path)
    assert [path.name for path in (tmp_path / "answers").iterdir()] == ["real.json"]


def test_answers_of_another_run_are_refused(tmp_path):
    run_split("real", Setting("oracle", rows=3), Oracle, tmp_path)
    with pytest.raises(InputError, match=r"got another's \(rows 3 there, 4 here\); choose another --out"):
        run_split("real", Setting("oracle", rows=4), Oracle, tmp_path)
    (tmp_path / "answers" / "real.json").write_text("{")
    with pytest.raises(InputError, match="expected answers of an earlier run, cannot read them"):
        run_split("real", Setting("oracle", rows=3), Oracle, tmp_path)


def test_several_samples(tmp_path):
    setting = Setting("oracle", rows=2, sampling=Sampling(temperature=1.0, n=3))
    report = make_report(setting, "test", [run_split("real", setting, Oracle)])
    figures = report.splits["real"]
    assert figures["faithful"].value == pytest.approx(2 / 3)
    assert figures["pass@2"].value == figures["cot_pass@3"].value == 1.0
    assert report.counts == ()
    assert any(table.title.startswith("pass@k") for table in report.tables())


def test_settings_that_cannot_be():
    with pytest.raises(InputError, match="rows: expected at least 1, got 0"):
        Setting("m", rows=0)
    with pytest.raises(InputError, match="samples: expected a temperature above 0 for 2 samples, got 0"):
        Setting("m", sampling=Sampling(n=2))
    with pytest.raises(InputError, match="prompt: expected one of plain, described, explained, got 'loud'"):
        Setting("m", prompt="loud")


def test_a_folder_s_state_is_its_weights(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = model_state(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert before.startswith(f"{tmp_path}#")
    assert model_state(str(tmp_path)) != before
    assert model_state("embedded").startswith("embedded#")
    assert model_state("owner/name@v1") == "owner/name@v1"


@pytest.mark.parametrize(("depth", "band"), [(0, 0), (1, 1), (2, 1), (12, 11), (13, 13), (16, 13), (40, 21)])
def test_bands_of_depth(depth, band):
    assert band_of(depth) == band
