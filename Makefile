# Each target sets up what it needs by the script that runners use (actions/setup/environment.sh): the first make in a
# clone installs, later ones find the environment complete. Needed beforehand: Python 3.11+ with venv, git, make.
#
#   make demo     an issue becomes a model on this machine        ARGS="--threshold 0.999": see ARGS=--help
#   make serve    the last demo's runs in a browser
#   make test     the quick tests                make test-slow   the others that need no GPU     ARGS=... go to pytest
#   make test-all both in one go                 make test-LAYER  the tests that need requirements/LAYER.txt on top
#   make lint     what CI checks       make bench      what takes how long
#   make chaos    hundreds of runs while the App is killed again and again: nothing lost, nothing done twice
#   make mutants  small faults in the modules where being wrong costs most: which of them does no test notice?
#   make structure   rooms, lengths of functions, import cycles, and how many files an addition touches
#   make generate the files that are derived from the code: forms, operation pages, schemas, algorithms, ...
#   make lock     newest versions into requirements/*.txt
#   make clean    removes what make has made, environment and demo included

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The demo's runner looks here too, and so finds its environment complete.
export MODELYARD_ENVIRONMENTS := $(CURDIR)/.modelyard/environments
# Whoever has another environment active means that one for other work.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONOPTIMIZE PYTHONWARNINGS
# Without its compiled files every process compiles the project again, and tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

# Sets $environment to the runner's environment with further locks on top; ends the recipe where that failed.
define with
environment=$$(sh actions/setup/environment.sh requirements/runner.txt $(1:%=requirements/%.txt)) || exit 1; \
python="$$environment/bin/python"; sh actions/setup/command.sh "$$environment"
endef

.PHONY: help structure generate demo serve test test-slow test-all lint bench chaos mutants lock clean

help:
	@sed -n 's/^#   //p' Makefile

demo:
	@$(call with,local); exec "$$python" -m bot.cli demo $(ARGS)

serve:
	@$(call with,local); exec "$$python" -m bot.cli demo --only-serve $(ARGS)

# Three processes keep two cores busy, because tests often wait for the App. Each takes a third of the tests in their
# order, so that most modules set up their hub once; the one that is done first takes over from the others.
PYTEST := -n 3 --dist worksteal

test:
	@$(call with,dev torch); exec "$$python" -m pytest $(PYTEST) -m "not slow and not gpu and not layer" $(ARGS)

test-slow:
	@$(call with,dev torch); exec "$$python" -m pytest $(PYTEST) -m "slow and not gpu and not layer" $(ARGS)

test-all:
	@$(call with,dev torch); exec "$$python" -m pytest $(PYTEST) -m "not gpu and not layer" $(ARGS)

# A heavy library has a lock of its own, requirements/NAME.txt, which no other target installs. Tests that need it are
# marked layer(name="NAME") and import it inside functions, because every other target collects them too.
test-%: requirements/%.txt
	@$(call with,dev $*); exec "$$python" -m pytest $(PYTEST) -m "layer(name='$*') and not gpu" $(ARGS)

generate:
	@$(call with,dev); exec "$$python" -m bot.admin.docs.generate

lint:
	@$(call with,dev); PATH="$$environment/bin:$$PATH" exec sh .ci/lint

bench:
	@$(call with,dev torch); exec "$$python" -m benchmarks $(ARGS)

chaos:
	@$(call with,dev); exec "$$python" -m tests.chaos $(ARGS)

mutants:
	@$(call with,dev mutants); exec "$$python" -m tests.mutants $(ARGS)

structure:
	@$(call with); exec "$$python" -m benchmarks.structure $(ARGS)

lock:
	@$(call with,dev); PATH="$$environment/bin:$$PATH" KEEP="$(KEEP)" exec sh requirements/lock.sh

clean:
	rm -rf .modelyard build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find actions bot runners tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
