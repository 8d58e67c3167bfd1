"""A dataset and a model that has half learnt it, made once a session."""

from __future__ import annotations

import pytest

from tests.rl.runs import write_dataset, write_model


@pytest.fixture(scope="session")
def rl_dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("grpo") / "data")


@pytest.fixture(scope="session")
def half_learnt(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("grpo") / "model", loss_below=0.03)
