"""A model folder, made once a session."""

from __future__ import annotations

import pytest

from tests.memorized import save_memorized


@pytest.fixture(scope="session")
def memorized_folder(tmp_path_factory):
    return save_memorized(tmp_path_factory.mktemp("models") / "memorized")
