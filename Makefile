# What a person types. Every target makes the virtual environment that it needs, and is quick when it exists.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PEERS  := $(VENV)/.peers
BROWSER := $(VENV)/.browser
FRAMEWORKS := $(VENV)/.frameworks
SITE := $(VENV)/.site
# what judges the policy's pages and diagrams in the browser tests; unpacked beside the virtual environment
JUDGES := mermaid@12.3.0 axe-core@4.14.1
FOREIGN := tests/foreign/node_modules/.ready
SOURCES := src examples benchmarks scripts tests conftest.py

.PHONY: demo test providers coverage quick watch test-foreign test-install check pages docs soak bench bench-json bench-growth clean format help

# compiled files make each of the many processes of a test run start in half the time
unexport PYTHONDONTWRITEBYTECODE

help:            ## list the targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/: .*##/\t/' | expand -t 15

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("authguard needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]' >$(VENV)/setup.log 2>&1 \
		|| { cat $(VENV)/setup.log; exit 1; }
	@touch $@

demo: $(READY)   ## start a test issuer and the example agents, and run every supported scenario
	@$(BIN)/python examples/support_desk/demo.py
	@$(BIN)/python examples/shopping_agent/shop_demo.py

test: $(READY)   ## every test that needs only Python; T=tests/core runs those of a file or folder
ifdef T
	@$(BIN)/python -m pytest -q $(T)
else
	@$(BIN)/python -m pytest -q --numprocesses auto
endif

coverage: $(READY)  ## the same with the coverage gate, as `.ci/run` does
	@$(BIN)/python -m pytest -q --numprocesses auto --cov --cov-report=
	@$(BIN)/coverage report

quick: $(READY)  ## lint, types and the unit tests of what changed: under a minute
	@$(BIN)/ruff format --check --quiet $(SOURCES)
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/python scripts/quick.py

watch: $(READY)  ## the tests of `make quick`, again at each change of a Python file
	@$(BIN)/watchfiles --filter python "$(BIN)/python scripts/quick.py" src tests scripts benchmarks

$(FOREIGN): tests/foreign/package.json
	@command -v npm >/dev/null || { echo "make test-foreign needs npm: apt-get install npm"; exit 1; }
	@echo "fetching somebody else's identity provider, and a Node for it (once) ..."
	@cd tests/foreign && npm install --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null
	@touch $@

test-foreign: $(READY) $(FOREIGN)  ## the guard against an identity provider and MCP clients that nobody here wrote
	@$(BIN)/python -m pytest -q tests/foreign

test-install: $(READY)  ## the wheel alone in a fresh environment: README's first screen, and somebody's first hour
	@$(BIN)/python -m pytest -q tests/install

$(BROWSER): $(READY) Makefile
	@echo "fetching the browser and what judges its pictures (once) ..."
	@command -v chromium >/dev/null && command -v dot >/dev/null || { apt-get update && apt-get install --yes --no-install-recommends chromium fonts-dejavu-core graphviz; } >$(VENV)/browser.log 2>&1 \
		|| { cat $(VENV)/browser.log; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[browser]' >$(VENV)/browser.log 2>&1 \
		|| { cat $(VENV)/browser.log; exit 1; }
	@rm -rf $(VENV)/npm && mkdir -p $(VENV)/npm
	@cd $(VENV)/npm && for judge in $(JUDGES); do \
		mkdir $${judge%@*} && npm pack --silent $$judge >$${judge%@*}.name && tar -xzf "$$(cat $${judge%@*}.name)" -C $${judge%@*} --strip-components=1 \
		|| exit 1; done
	@touch $@

test-browser: $(BROWSER)  ## cookies, WebSockets, the policy's page and diagrams in a real browser, with Mermaid, Graphviz and an accessibility check
	@$(BIN)/python -m pytest -q tests/browser

check: $(READY)  ## formatting, lint, types, import floors, every shipped policy and its scenarios
	@! git ls-files --stage | grep '^120000' || { echo "a symbolic link is tracked: it points outside of this checkout"; exit 1; }
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@git apply --check --unidiff-zero tests/patches/add_key.patch
	@$(BIN)/python scripts/parsed_policy.py --check
	@$(BIN)/python scripts/reference.py --check
	@$(BIN)/python scripts/readmes.py --check
	@$(BIN)/python scripts/catalogue.py --check
	@$(BIN)/python scripts/accounts.py --check
	@$(BIN)/python scripts/providers_page.py --check
	@$(BIN)/python scripts/commands_page.py --check
	@$(BIN)/python scripts/architecture.py --check
	@$(BIN)/python scripts/troubleshooting.py --check
	@$(BIN)/python scripts/decision_index.py --check
	@$(BIN)/python scripts/words.py --check
	@$(BIN)/authguard policy check standard policies/*/policy.yaml
	@$(BIN)/authguard policy test --fail-under 100 standard policies/*/policy.yaml

pages: $(READY)   ## write the generated pages and schemas that `make check` compares
	@$(BIN)/python scripts/parsed_policy.py
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python scripts/readmes.py
	@$(BIN)/python scripts/catalogue.py
	@$(BIN)/python scripts/accounts.py
	@$(BIN)/python scripts/providers_page.py
	@$(BIN)/python scripts/commands_page.py
	@$(BIN)/python scripts/architecture.py
	@$(BIN)/python scripts/troubleshooting.py
	@$(BIN)/python scripts/decision_index.py

$(SITE): $(READY)
	@echo "fetching the builder of the documentation site (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]' >$(VENV)/site.log 2>&1 \
		|| { cat $(VENV)/site.log; exit 1; }
	@touch $@

docs: $(SITE)    ## build the documentation site in site/, and fail on a broken link
	@$(BIN)/python scripts/site.py

$(FRAMEWORKS): $(READY)
	@echo "fetching further frameworks and a server for HTTP/2 (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[frameworks]' >$(VENV)/frameworks.log 2>&1 \
		|| { cat $(VENV)/frameworks.log; exit 1; }
	@touch $@

# how long the soak takes; make soak AUTHGUARD_SOAK_SECONDS=30 is a slice of it, which plants no bugs into the project's
# own checks (AUTHGUARD_MUTATION=): that takes a quarter of an hour
soak: export AUTHGUARD_MUTATION ?= all
soak: export AUTHGUARD_SOAK_SECONDS ?= 600
soak: export HYPOTHESIS_PROFILE ?= soak
soak: export AUTHGUARD_MODEL_STEPS ?= 100000
soak: export AUTHGUARD_FUZZ_EXAMPLES ?= 10000
soak: export AUTHGUARD_DIFFERENTIAL_EXAMPLES ?= 5000
soak: export AUTHGUARD_CRASH_KILLS ?= 1000
soak: export AUTHGUARD_CHAOS_RUNS ?= 3000
soak: export AUTHGUARD_CAMPAIGN_POLICIES ?= 10000
soak: export AUTHGUARD_DIFF_PAIRS ?= 10000
soak: export AUTHGUARD_SCENARIO_STRIDE ?= 1
soak: $(READY) $(FRAMEWORKS)  ## the model for 100,000 steps, 10,000 random policies, the fuzz and broken verifiers at length, and ten minutes at saturation
	@$(BIN)/python -m pytest -q -x tests/model tests/fuzz tests/faults/test_log_crashes.py tests/verification/test_faulty_server.py \
		tests/differential/test_differential.py tests/differential/further tests/campaign tests/policy/diff/test_random_pairs.py \
		tests/policy/mutation/test_shipped_mutants.py tests/policy/testing/test_scenario_truth.py
	@$(BIN)/python -m tests.soak.saturate
	@test -z "$(AUTHGUARD_MUTATION)" || $(BIN)/python -m tests.mutation.runner

providers: $(READY)  ## try the tokens of every provider from the command line, with a server and requests
	@$(BIN)/python scripts/providers.py

$(PEERS): $(READY)
	@echo "fetching the peers to be measured against (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]' >$(VENV)/peers.log 2>&1 \
		|| { cat $(VENV)/peers.log; exit 1; }
	@touch $@

# ROUNDS=12 is a short run, a tenth of the whole, that leaves the page as it is
ROUNDS ?= 120

bench: $(PEERS)  ## the main path against its limit and its peers, as ratios in one run (about ten minutes)
	@$(BIN)/python -m benchmarks.main_path --rounds $(ROUNDS)
	@$(BIN)/python -m benchmarks.proof
	@$(BIN)/python -m benchmarks.log
	@$(BIN)/python -m benchmarks.stalls

bench-json: $(PEERS)  ## the rows of `make bench` as JSON: value, spread, must, aim, and which is reached
	@$(BIN)/python -m benchmarks.main_path --rounds $(ROUNDS) --json

bench-growth: $(READY)  ## growth of the cost by sessions, tokens, rules, operations, log length and concurrent requests, as plots in docs/
	@$(BIN)/python -m benchmarks.growth

format: $(READY) ## format and mend what can be mended by itself
	@$(BIN)/ruff check --fix --quiet $(SOURCES)
	@$(BIN)/ruff format --quiet $(SOURCES)

clean:           ## remove what the targets made
	@rm -rf $(VENV) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build site var
