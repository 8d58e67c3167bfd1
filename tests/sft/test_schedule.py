import pytest

from rotbot.sft.config import ScheduleSection
from rotbot.sft.schedule import lr_factor, total_steps


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.1), (4, 0.5), (9, 1.0),  # 10 steps of warmup
        (10, 1.0), (55, 0.1 + 0.9 * 0.5), (100, 0.1),
    ],
)  # fmt: skip
def test_cosine_with_warmup(step, expected):
    assert lr_factor(step, total=101, warmup=0.1, floor=0.1) == pytest.approx(expected)


def test_without_warmup_the_first_step_is_at_the_peak_and_the_last_at_the_floor():
    assert [lr_factor(s, 3, 0.0, 0.0) for s in range(3)] == pytest.approx([1.0, 0.5, 0.0])
    assert lr_factor(0, 1, 0.0, 0.0) == 1.0


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        (ScheduleSection(steps=7), 7),
        (ScheduleSection(tokens=10_000), 10),  # 10,000 / 1,024 = 9.8
        (ScheduleSection(tokens=1), 1),
        (ScheduleSection(epochs=2), 15),  # 30 packs an epoch, 4 a step
        (ScheduleSection(epochs=0.5), 4),
    ],
)
def test_total_steps(schedule, steps):
    assert total_steps(schedule, step_tokens=1024, packs_per_epoch=30, packs_per_step=4) == steps
