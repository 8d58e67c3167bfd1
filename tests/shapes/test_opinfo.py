"""Torch's own operator samples, traced: eager's shapes or a refusal with a reason, and eager's rejections."""

import pytest

from tests.shapes import opinfo

SAMPLES_PER_OP = 3


@pytest.fixture(scope="module")
def surveys() -> tuple[opinfo.Survey, opinfo.Survey]:
    return opinfo.survey_samples(SAMPLES_PER_OP)


@pytest.mark.slow
def test_samples_have_eagers_shapes(surveys: tuple[opinfo.Survey, opinfo.Survey]) -> None:
    valid, _ = surveys
    print("\n" + valid.table(f"OpInfo, {SAMPLES_PER_OP} samples an operator", "traced", "wrong"))
    assert valid.wrong == []
    assert valid.share > 0.97
    assert sum(tally.total for tally in valid.tallies.values()) > 2500


@pytest.mark.slow
def test_spellings_that_eager_rejects_are_rejected(surveys: tuple[opinfo.Survey, opinfo.Survey]) -> None:
    _, rejected = surveys
    assert rejected.wrong == []
    assert rejected.share > 0.95


@pytest.mark.slow
def test_error_inputs_end_in_a_step_error() -> None:
    errors = opinfo.survey_errors()
    print("\n" + errors.table("OpInfo, error inputs", "rejected", "accepted"))
    for fault in errors.wrong:
        print(fault)
    assert errors.share >= 0.95
    assert sum(tally.total for tally in errors.tallies.values()) > 700
