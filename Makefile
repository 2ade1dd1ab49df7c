# The two commands a newcomer needs are `make demo` and `make test`; CONTRIBUTING.md has the rest.
SECONDS ?= 60
JOBS ?= $(shell nproc)
SMIDGEN = build/release/smidgen
DEMO = build/demo

.PHONY: build test demo check format format-check tidy sanitizers threads fuzz install-packages install-development-packages clean

# Leaves build/release/smidgen.
build: install-packages
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j$(JOBS) --target smidgen_program

# Release build and the fast tests. The default encoder is fetched once (pinned by SHA-256), so that its tests run.
test: build
	@cmake --build --preset release -j$(JOBS)
	@$(SMIDGEN) pull all-minilm-l6-v2 --quiet || echo "smidgen: no default encoder here; the tests that want it will skip and say so"
	@cd build/release && ctest --output-on-failure -j$(JOBS)

# From nothing to a certified bundle and its answers, on 19,459 real sentences.
demo: build
	@sh examples/demo.sh $(SMIDGEN) $(DEMO)

# What CI runs after `make test`: format, lint, sanitizers, threads.
check: format-check tidy sanitizers threads

SOURCES = $(shell git ls-files '*.h' '*.cc')

format:
	@clang-format-16 -i $(SOURCES)

format-check: install-development-packages
	@clang-format-16 --dry-run -Werror $(SOURCES) && echo "format: clean"

tidy: install-development-packages
	@cmake --preset tidy >/dev/null
	@sh cmake/tidy.sh build/tidy $(JOBS)

sanitizers: install-development-packages
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -j$(JOBS)
	@cd build/dev && ctest --output-on-failure -j$(JOBS) -LE release

# What runs on several threads: the pool itself, then everything that loops over it. A pattern without a test fails.
# Only the files that hold them are built.
THREADED_TESTS = ThreadPool.* Crew.* *Together* *Threads* RunPipelineTest.* AttemptLogTest.* LinearTrainer.StopsWhenAsked \
  HeadTrainer.StopsWhen* EmbedAll* Distill.* EncoderRung.* StaticRung.*

threads: install-development-packages
	@cmake --preset tsan '-DSMIDGEN_TESTS_LIKE=$(THREADED_TESTS)' >/dev/null
	@cmake --build --preset tsan -j$(JOBS) --target smidgen_tests
	@python3 cmake/run_matching_tests.py build/tsan/smidgen_tests '$(THREADED_TESTS)'

# Every fuzzer for SECONDS seconds; fails when one finds nothing its seeds do not cover already (a blind fuzzer).
fuzz: install-development-packages
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev -j$(JOBS) --target fuzzers
	@python3 fuzz/run.py build/dev $(SECONDS) $(JOBS)

install-packages:
	@sh cmake/install_packages.sh build

install-development-packages:
	@sh cmake/install_packages.sh all

clean:
	@rm -rf build
