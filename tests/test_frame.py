"""The package as its users get it: what importing it costs, the command's way out, what the wheel carries."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "datasets", "huggingface_hub", "rich", "vllm", "torchtune", "numpy", "gradio")
LISTING = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"


def python(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, cwd=cwd)


def best_seconds(code: str, *arguments: str) -> float:
    """The fastest of four runs, less the fastest start of Python itself: other tests run beside this one."""

    def best(code: str) -> float:
        times = []
        for _ in range(4):
            start = time.perf_counter()
            python(code, *arguments)
            times.append(time.perf_counter() - start)
        return min(times)

    return best(code) - best("pass")


def test_import_rotbot_imports_nothing_heavy() -> None:
    assert python(f"import rotbot; {LISTING}").stdout.strip() == "[]"


def test_help_imports_no_library_that_a_command_needs() -> None:
    code = f"import sys\nfrom rotbot.cli.main import main\ntry: main()\nexcept SystemExit: pass\n{LISTING}"
    loaded = python(code, "--help").stdout.strip().splitlines()[-1]
    assert json.loads(loaded.replace("'", '"')) in ([], ["rich"])  # typer writes its help with rich


def test_import_rotbot_takes_under_half_a_second() -> None:
    assert best_seconds("import rotbot") < 0.5


def test_help_takes_under_a_second() -> None:
    assert best_seconds("from rotbot.cli.main import main\ntry: main()\nexcept SystemExit: pass", "--help") < 1.0


def test_version_is_the_package_version() -> None:
    import rotbot

    out = subprocess.run([sys.executable, "-m", "rotbot", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout == f"rotbot {rotbot.__version__}\n"


def test_unknown_command_exits_2_and_names_it() -> None:
    out = subprocess.run([sys.executable, "-m", "rotbot", "trase"], capture_output=True, text=True, check=False)
    assert out.returncode == 2
    assert "trase" in out.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by way of the sdist, in a fresh environment that sees our libraries but not this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("rotbot-*.whl")
    environment = folder / "env"
    venv.create(environment, symlinks=True, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    target = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        "--prefix",
        str(environment),
    ]
    subprocess.run([*target, "--ignore-installed", str(wheel)], check=True, capture_output=True)
    outer = [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    (packages / "outer.pth").write_text("\n".join(outer) + "\n")
    # The outer environment's own .pth (our editable install) is not read from here, so rotbot can only be the wheel's.
    return environment


def in_wheel(installed: Path, *command: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    out = subprocess.run(
        [str(installed / "bin" / command[0]), *command[1:]],
        capture_output=True, text=True, check=True, cwd=installed, env=environment,
    )  # fmt: skip
    return out.stdout


def test_wheel_is_what_is_imported(installed: Path) -> None:
    where = Path(in_wheel(installed, "python", "-c", "import rotbot; print(rotbot.__file__)").strip())
    assert where.is_relative_to(installed)
    assert (where.parent / "py.typed").exists()


def test_wheel_traces_from_its_command(installed: Path) -> None:
    code = "q = s[None, :]\nf = q.expand(4, -1)"
    out = in_wheel(installed, "rotbot", "trace", "-c", code, "--arg", "s=16", "--target", "f", "--json")
    assert json.loads(out)["final"] == [4, 16]


@pytest.mark.parametrize(
    "folder", [("recipes",), ("_cards", "model"), ("_cards", "dataset"), ("models", "embedded")], ids="/".join
)
def test_wheel_carries_every_data_file(installed: Path, folder: tuple[str, ...]) -> None:
    listing = "import sys, importlib.resources as r\nfolder = r.files('rotbot').joinpath(*sys.argv[1:])\n"
    code = (
        listing
        + "print('\\n'.join(sorted(f'{f.name} {len(f.read_bytes())}' for f in folder.iterdir() if f.is_file())))"
    )
    found = in_wheel(installed, "python", "-c", code, *folder).splitlines()
    source = ROOT.joinpath("rotbot", *folder)
    assert found
    assert found == sorted(f"{file.name} {file.stat().st_size}" for file in source.iterdir() if file.is_file())
