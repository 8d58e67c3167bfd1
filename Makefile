# Every target makes what it needs on a machine with Python 3.11+ and make. Settings: PYTHON=python3.12  WORKERS=4  ARGS='-k trace'
PYTHON ?= python3
WORKERS ?= logical
ARGS ?=
BIN := .venv/bin
BOOTSTRAP := $(PYTHON) tools/bootstrap.py
ALL := train rl vllm space dev

.PHONY: demo test lint format bench demo-space clean

demo:  ## the main job on the embedded model: model steps beside FX truth
	@$(BOOTSTRAP) vllm
	@$(BIN)/rotbot demo $(ARGS)

test:  ## every test, slow ones too
	@$(BOOTSTRAP) --browser $(ALL)
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile $(ARGS)

lint:  ## ruff's rules and format, and a strict type check over rotbot/
	@$(BOOTSTRAP) $(ALL)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/basedpyright

format:  ## rewrite what ruff can
	@$(BOOTSTRAP) $(ALL)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench:  ## the measured tables (tests/benchmarks/bench_*.py)
	@$(BOOTSTRAP) $(ALL)
	@$(BIN)/python -m pytest tests/benchmarks -s -o python_files='bench_*.py' -o faulthandler_timeout=0 $(ARGS)

demo-space:  ## the web demo on this machine
	@$(BOOTSTRAP) vllm space
	@$(BIN)/rotbot space $(ARGS)

clean:  ## remove the environment and what tools leave behind
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist
