# Two commands do everything: `make run` (set-up, then the main job) and `make test`. `make` alone lists them all.
SHELL := /bin/bash
UV_VERSION := 0.13.9
# A uv that answers, or our own copy; a version manager's shim may stand on the path and refuse to run.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)
STAMP := .venv/.synced
# Quiet libraries: what a person should read is what we print.
export TF_CPP_MIN_LOG_LEVEL := 3
export PYTHONWARNINGS := ignore

.DEFAULT_GOAL := help
.PHONY: help setup run serve test coverage mutants bazel-test orchestrators check format bench dist proto docs clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## install the locked packages into .venv/, and uv into .tools/ where it is missing

.tools/bin/uv:
	@echo "uv is not installed: fetching version $(UV_VERSION) into .tools/ with pip"
	@python3 -m venv .tools || { echo "python3 cannot make a virtual environment (on Debian: apt install python3-venv); or install uv yourself" >&2; exit 1; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP): pyproject.toml uv.lock $(filter .tools/bin/uv,$(UV))
	@echo "Installing the locked packages into .venv (2.8 GB, once)"
	@$(UV) sync --frozen --all-extras --compile-bytecode --quiet || { echo "set-up failed: it needs Python 3.10 (found on the path, or fetched by uv), 3 GB of disk and a package index that can be reached" >&2; exit 1; }
	@touch $@

run: setup ## the whole way on simulated data: pipeline, bundle, one served slate, metrics, report
	@.venv/bin/seriatim run --config configs/marketplace.yaml
	@.venv/bin/seriatim rank --serve --bundles bundles/marketplace
	@.venv/bin/seriatim report show marketplace

serve: setup ## answer slate requests from the bundle that `make run` made
	@.venv/bin/seriatim serve --bundles bundles/marketplace

# The tests say themselves in which order their files are dealt out (tests/conftest.py).
PYTEST := .venv/bin/python -m pytest -q --numprocesses auto --maxprocesses 4 --no-loadscope-reorder

test: setup ## all tests, in one process a core up to four
	@$(PYTEST)

coverage: setup ## all tests, with the lines that they execute; fails under 90 percent
	@$(PYTEST) --cov --cov-report=term

mutants: setup ## small changes of the mathematical cores against their quick tests; an hour, and rebuilds docs/testing.md
	@.venv/bin/python -m benchmarks.mutants --budget 60; status=$$?; .venv/bin/python -m benchmarks.render && exit $$status

# What Debian's Bazel would download comes from its packages and from small stand-ins for rules_python and rules_cc.
BAZEL := bazel --batch
BAZEL_DEBIAN := /usr/share/bazel
BAZEL_TESTS := //tests:ranking_test //tests:structured_test
BAZEL_FLAGS = --symlink_prefix=/ --noshow_progress --test_output=errors --test_arg=-m --test_arg="not slow" \
	--incompatible_use_python_toolchains=false --python_path=$(CURDIR)/.venv/bin/python \
	$(foreach name,rules_python rules_cc remote_coverage_tools,--override_repository=$(name)=$(CURDIR)/configs/bazel/$(name)) \
	--override_repository=rules_java=$(BAZEL_DEBIAN)/rules/java --override_repository=rules_proto=$(BAZEL_DEBIAN)/rules/proto \
	--override_repository=bazel_skylib=$(BAZEL_DEBIAN)/tools/skylib

bazel-test: setup ## the quick tests of ranking and structured, built by Debian's bazel-bootstrap without a network
	@command -v bazel >/dev/null || { echo "bazel is not installed; on Debian: apt install bazel-bootstrap bazel-rules-java bazel-rules-proto bazel-skylib" >&2; exit 1; }
	@$(BAZEL) build $(BAZEL_FLAGS) //:seriatim
	@$(BAZEL) test $(BAZEL_FLAGS) $(BAZEL_TESTS)

orchestrators: setup ## the tests that need Airflow's and Kubeflow's own packages, each in an environment in .tools/
	@for name in airflow kfp; do $(UV) venv --quiet --allow-existing --python .venv/bin/python .tools/$$name; done
	@$(UV) pip install --quiet --python .tools/airflow/bin/python "apache-airflow>=2.10,<3"
	@$(UV) pip install --quiet --python .tools/kfp/bin/python "kfp>=2.9,<3"
	@SERIATIM_AIRFLOW_PYTHON=.tools/airflow/bin/python SERIATIM_KFP_PYTHON=.tools/kfp/bin/python .venv/bin/python -m pytest -q tests/pipelines/test_compile.py

check: setup ## format, lint and types
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format: setup ## rewrite the sources in the agreed format
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

MINUTES := 120

bench: setup ## run all benchmarks in MINUTES together (default: 120), and rebuild docs/benchmarks.md; see its head
	@.venv/bin/python -m benchmarks.all --budget $(MINUTES)

dist: $(filter .tools/bin/uv,$(UV)) ## build wheel and sdist into dist/, with the locked versions as constraints beside them
	@$(UV) build --quiet --out-dir dist
	@$(UV) export --quiet --frozen --all-extras --no-dev --no-emit-project --no-hashes --output-file dist/constraints.txt
	@ls dist

proto: setup ## generate the protocol code from serving/proto/
	.venv/bin/python -m grpc_tools.protoc -I. -I.venv/lib/python3.10/site-packages --python_out=. --grpc_python_out=. serving/proto/seriatim/v1/*.proto

docs: setup ## build the documentation site into site/, with reference pages made from the code
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --config-file configs/mkdocs.yml
	@echo "open site/index.html"

clean: ## remove the environment, caches and the built site; runs/, bundles/, data/ and image_cache/ stay
	rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .mutants .coverage .coverage.* site
