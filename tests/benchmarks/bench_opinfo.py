"""Every sample of every operator in torch's own ``OpInfo``, traced and held against eager; and every error input."""

import time

import pytest

from tests.shapes import opinfo


@pytest.mark.bench
def test_all_samples_have_eagers_shapes() -> None:
    start = time.process_time()
    valid, rejected = opinfo.survey_samples(None)
    seconds = time.process_time() - start
    print("\n" + valid.table("OpInfo: all samples that eager accepts", "traced", "wrong"))
    print("\n" + rejected.table("OpInfo: spellings of those samples that eager rejects", "rejected", "accepted"))
    print(f"{seconds:.0f} s of CPU time, eager included")
    assert valid.wrong == []
    assert valid.share >= 0.9
    assert rejected.share >= 0.95


@pytest.mark.bench
def test_error_inputs_end_in_a_step_error() -> None:
    errors = opinfo.survey_errors()
    print("\n" + errors.table("OpInfo: error inputs", "rejected", "accepted"))
    print("\n".join(errors.wrong))
    assert errors.share >= 0.95
