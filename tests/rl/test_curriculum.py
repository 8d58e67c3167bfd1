"""Which tasks come: by measured pass rate, the same after a resume, composed ones when all is mastered."""

from __future__ import annotations

from collections import Counter

import pytest

from rotbot.errors import InputError
from rotbot.inference import Completion
from rotbot.rl.curriculum import Curriculum, Prompts, load_prompts
from rotbot.rl.episodes import Group
from rotbot.rl.rollout import evaluate_response
from rotbot.rl.settings import CurriculumSection
from tests.memorized import tokenizer
from tests.rl.runs import PROBLEMS, VALIDATION

PROMPTS = Prompts({level: [p for p, of in PROBLEMS if of == level] for level in (0, 1)}, [])


def make(seed=0, max_prompt=200, prompts=PROMPTS, **section):
    return Curriculum(prompts, tokenizer(), CurriculumSection(**section), max_prompt, seed)


def answered(task, right):
    text = task.problem.truth().completion() if right else "no idea"
    return evaluate_response(Group(task, (Completion(text, (1,), "stop", 0.0),) * 2, 0), "faithful")


def test_prompts_come_from_the_configuration_rl(rl_dataset):
    prompts = load_prompts(str(rl_dataset), 3)
    assert {level: len(problems) for level, problems in prompts.train.items()} == Counter(
        level for _, level in PROBLEMS
    )
    assert list(prompts.validation) == [problem for problem, _ in VALIDATION[:3]]


def test_a_mastered_level_makes_room():
    curriculum = make(saturated=1.0)
    for _ in range(60):
        task = curriculum.sample()
        curriculum.learn(answered(task, right=task.level == 0))
        if task.level == 1:
            curriculum.learn(answered(task, right=True))  # half of them
    assert curriculum.rates[0] > 0.9
    drawn = Counter(curriculum.sample().level for _ in range(200))
    assert drawn[1] > 3 * drawn[0]


def test_when_all_is_mastered_problems_are_composed_and_their_truth_has_the_steps_of_both():
    curriculum = make(saturated=0.6, memory=0.5, most_parts=2)
    for _ in range(12):
        curriculum.learn(answered(curriculum.sample(), right=True))
    assert sorted(curriculum.rates) == [0, 1, 2]
    composed = next(task for task in (curriculum.sample() for _ in range(500)) if task.level == 2)
    assert composed.problem not in [problem for problem, _ in PROBLEMS]
    assert len(composed.problem.truth().steps) >= 2
    for _ in range(40):
        curriculum.learn(answered(curriculum.sample(), right=True))
    assert max(curriculum.rates) == 2, "two parts are the most"


def test_a_state_put_back_gives_the_same_tasks():
    one, other = make(), make()
    for _ in range(5):
        one.learn(answered(one.sample(), right=True))
    state = one.state_dict()
    expected = [one.sample() for _ in range(10)]
    other.load_state_dict(state)
    assert [other.sample() for _ in range(10)] == expected
    assert [task.number for task in expected] == list(range(5, 15))


def test_another_seed_gives_other_tasks():
    one, other = make(seed=1), make(seed=2)
    assert [one.sample() for _ in range(10)] != [other.sample() for _ in range(10)]


def test_prompts_that_cannot_fit_are_an_error():
    with pytest.raises(InputError, match=r"max_prompt: expected room for problems of level \d, got 4 tokens"):
        make(max_prompt=4).sample()
