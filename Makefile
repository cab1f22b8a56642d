# The doors to this project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
HUBERNATE := .venv/bin/hubernate
PYTHON := .venv/bin/python

.PHONY: help up down status test test-kubernetes bench check locks clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

up: ## Set everything up and start the platform on http://127.0.0.1:8000
	@./bootstrap
	@$(HUBERNATE) up

down: ## Save running notebooks and stop the platform; nothing is lost
	@./bootstrap
	@$(HUBERNATE) down

status: ## Show what runs
	@./bootstrap
	@$(HUBERNATE) status

test: ## Run every test, with its own set-up; T="-k name" narrows
	@./tools/test $(T)

test-kubernetes: ## Run the Kubernetes tests; those on a real cluster where KUBECONFIG names one
	@./tools/test tests/kubernetes $(T)

bench: ## Run the benchmarks; B=NAME runs one
	@./bootstrap dev
	@./tools/bench $(B)

check: ## Lint, types, import rules
	@./bootstrap dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports

locks: ## Write requirements/*.txt anew from what is declared
	@./tools/locks

clean: ## Remove what builds and tests left in this clone; keeps user data, .venv and .tools
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build screenshots
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './.tools/*' -prune -exec rm -rf {} +
