import resource
import shutil

import pytest
import torch

from rotbot.errors import ConfigError, InputError, OutputError
from rotbot.sft.checkpoint import Position, check_settings, list_checkpoints, load_checkpoint, save_checkpoint


def at(step, loss, settings=None):
    return Position(step, 0, step, 100 * step, loss, settings or {"optimizer.lr": 0.1})


def test_the_last_and_the_best_are_kept(tmp_path):
    for step, loss in ((2, 0.5), (4, 0.3), (6, 0.4), (8, 0.6)):
        save_checkpoint(tmp_path, at(step, loss), {"weights": torch.full((2,), float(step))})
    assert [p.step for p in list_checkpoints(tmp_path)] == [4, 8]
    assert load_checkpoint(tmp_path, at(4, 0.3))["weights"].tolist() == [4.0, 4.0]
    save_checkpoint(tmp_path, at(10, 0.2), {})
    assert list_checkpoints(tmp_path) == [at(10, 0.2)]


def test_the_random_state_comes_back(tmp_path):
    torch.manual_seed(5)
    save_checkpoint(tmp_path, at(1, None), {})
    expected = torch.rand(3)
    torch.manual_seed(6)
    load_checkpoint(tmp_path, at(1, None))
    assert torch.equal(torch.rand(3), expected)


def test_what_a_killed_writer_leaves_is_no_checkpoint(tmp_path):
    save_checkpoint(tmp_path, at(1, 0.5), {"weights": torch.ones(1)})
    shutil.copytree(tmp_path / "step-00000001", tmp_path / ".step-00000002.new")
    assert [p.step for p in list_checkpoints(tmp_path)] == [1]
    save_checkpoint(tmp_path, at(2, 0.4), {})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002"]


def test_a_damaged_checkpoint_is_named(tmp_path):
    save_checkpoint(tmp_path, at(1, 0.5), {"weights": torch.ones(1)})
    (tmp_path / "step-00000001" / "state.pt").write_bytes(b"no")
    with pytest.raises(InputError, match=r"step-00000001.state\.pt: cannot be read"):
        load_checkpoint(tmp_path, at(1, 0.5))


def test_other_settings_are_listed():
    check_settings(at(3, None), {"optimizer.lr": 0.1, "lora.rank": 0}, {"lora.rank": 0})
    with pytest.raises(ConfigError, match=r"step 3: optimizer\.lr was 0\.1, now 0\.2; seed was None, now 1"):
        check_settings(at(3, None), {"optimizer.lr": 0.2, "seed": 1}, {})


@pytest.fixture
def small_disk():
    """Files of this process end at 64 KiB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_error_and_leaves_the_checkpoints_before(tmp_path, small_disk):
    save_checkpoint(tmp_path, at(1, 0.5), {"weights": torch.ones(8)})
    with pytest.raises(OutputError, match=r"step-00000002: cannot be written: .*; those before it are whole"):
        save_checkpoint(tmp_path, at(2, 0.4), {"weights": torch.ones(2**16)})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000001"]
    assert load_checkpoint(tmp_path, at(1, 0.5))["weights"].tolist() == [1.0] * 8
