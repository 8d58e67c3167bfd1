"""The programs written by hand: traced, run for real, and none of them the generator's."""

from __future__ import annotations

import ast
import re
from collections import Counter
from itertools import islice

import pytest

from rotbot.problem import Problem
from rotbot.problems import seeds
from rotbot.problems.canonical import canonical_program
from rotbot.problems.graphs import op_name
from rotbot.problems.idioms import draw_idiom
from rotbot.problems.real import RealProgram, real_problems, real_programs
from rotbot.problems.verify import verify_target
from rotbot.problems.vocabulary import family_of
from rotbot.problems.witness import contradiction, observe
from rotbot.shapes.trace import ShapeTrace


def skeleton(problem):
    """The program without names, sizes and arguments: what a template's draws share."""
    return re.sub(r"\d+", "N", canonical_program(problem).partition("\n#")[0])


def sized(program, seed):
    rng = seeds.stream("sizes", program.name, seed)
    return {name: rng.choice(choices) for name, choices in sorted(program.sizes.items())}


@pytest.mark.parametrize("topic", sorted({program.topic for program in real_programs()}))
def test_every_target_of_every_program_has_eager_torch_s_shape(topic):
    for program in real_programs():
        if program.topic == topic:
            for number, target in enumerate(program.targets):
                problem = program.at(sized(program, number), target)
                truth = problem.truth()
                verify_target(problem, truth)
                assert contradiction(ShapeTrace.parse(truth.render()), observe(problem)) is None, program.name


def test_every_operation_has_a_family():
    programs = [program.at(sized(program, 0), target) for program in real_programs() for target in program.targets]
    ops = {op_name(step.op) for problem in programs for step in problem.truth().steps}
    assert [op for op in sorted(ops) if family_of(op) == "other"] == []


def test_there_are_more_than_two_hundred_and_no_two_alike():
    programs = real_programs()
    assert len(programs) >= 200
    assert len({program.name for program in programs}) == len(programs)
    skeletons = {skeleton(program.at(sized(program, 0), program.targets[0])) for program in programs}
    assert len(skeletons) == len(programs)


def test_none_is_a_template_of_the_generator():
    templates = {
        skeleton(Problem(idiom.code, idiom.args, idiom.target))
        for idiom in (draw_idiom(seeds.stream("test-idiom", number)) for number in range(1_000))
    }
    ours = {skeleton(program.at(sized(program, 0), program.targets[0])) for program in real_programs()}
    assert len(templates) >= 16
    assert not ours & templates


def test_programs_have_several_lines_and_only_targets_they_assign():
    for program in real_programs():
        code = program.at(sized(program, 0), program.targets[0]).code
        assigned = {n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        assert len(code.split("\n")) >= 3, program.name
        assert set(program.targets) <= assigned, program.name
        assert all(len(choices) >= 2 for choices in program.sizes.values()), program.name
        assert program.sizes, program.name


def test_the_first_round_has_every_program_once_and_seeds_share_next_to_nothing():
    count = len(real_programs())
    one, again, other = (list(islice(real_problems(seed), 2 * count)) for seed in (3, 3, 4))
    assert one == again
    prompts = [problem.prompt() for problem in one]
    assert len(set(prompts)) == 2 * count
    assert len(set(prompts) & {problem.prompt() for problem in other}) < 0.05 * count
    assert Counter(map(skeleton, one[:count])).most_common(1)[0][1] <= 2  # programs with a size written as a product
    assert one[:count] != one[count:]


def test_sizes_go_into_code_and_arguments():
    program = RealProgram(
        "p", "t", "y = x.view({b}, -1, {c//2})", {"x": "b, 2*c", "i": "b : int64"}, ("y",), {"b": (3,), "c": (8,)}
    )
    problem = program.at({"b": 3, "c": 8}, "y")
    assert problem.prompt() == "Code: 'y = x.view(3, -1, 4)'\nArgs: {'x': [3, 16], 'i': '3:int64'}\nTarget: y"
