# Two commands do everything: `make run` (set-up, then the main job) and `make test`.
SHELL := /bin/bash
UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
STAMP := .venv/.synced
# Quiet libraries: what a person should read is what we print.
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONWARNINGS := ignore

.PHONY: run test check format serve bench proto clean setup

setup: $(STAMP)

.tools/bin/uv:
	@echo "uv is not installed: fetching version $(UV_VERSION) into .tools/ with pip"
	@python3 -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP): pyproject.toml uv.lock $(filter .tools/bin/uv,$(UV))
	@echo "Installing the locked packages into .venv (2.8 GB, once)"
	@$(UV) sync --frozen --all-extras --quiet
	@touch $@

run: setup
	@.venv/bin/seriatim run --config configs/marketplace.yaml
	@.venv/bin/seriatim rank --serve --bundles bundles/marketplace
	@.venv/bin/seriatim report show marketplace

serve: setup
	@.venv/bin/seriatim serve --bundles bundles/marketplace

test: setup
	@.venv/bin/python -m pytest -q

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

bench: setup
	@for script in $$(ls benchmarks/bench_*.py); do .venv/bin/python -m benchmarks.$$(basename $$script .py) --budget 3 || exit 1; done

proto: setup
	.venv/bin/python -m grpc_tools.protoc -I. --python_out=. --grpc_python_out=. serving/proto/seriatim/v1/*.proto

clean:
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis runs bundles data
