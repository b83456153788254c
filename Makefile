# make              build build/nacre (meson and ninja do the work)
# make demo         build, then show real programs inside nacre
# make check        build, then every test; T=name runs one
# make check-all    the slow tests; the suite under ASan+UBSan, unit and platform tests
#                   under TSan
# make check-cpython  CPython's own tests natively and in nacre (minutes)
# make check-liburing  liburing's own tests natively and in nacre (minutes)
# make bench        native : nacre : runsc
# make install      PREFIX=/usr/local, DESTDIR=
# make format       clang-format over everything, or FILES="src/mm/vma.c ..."
# make deps         install the Debian packages that are needed (as root)
# make clean
#
# make lib-mm       only the library of src/mm and the libraries that it needs
# make unit-mm      only that folder's unit tests: build and run them
#
# BUILD=dir builds elsewhere (two people never share a build directory);
# CC=clang and MESONFLAGS=-Ddebug_checks=true count when it is first set up.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
T ?=
FILES ?=
MESONFLAGS ?=
ifeq ($(origin CC),default)
CC := gcc
endif
export CC

NINJA = ninja $(NINJAFLAGS) -C $(1) $(2)
SANITIZE = --buildtype=debugoptimized -Doptimization=1

.PHONY: all setup demo check check-all check-cpython check-liburing bench install format deps deps-quiet deps-servers clean asan tsan

all: setup
	@$(call NINJA,$(BUILD))

setup:
	@tools/setup-build $(BUILD) $(MESONFLAGS)

lib-%: setup
	@$(call NINJA,$(BUILD),src-$*)

unit-%: setup
	@$(call NINJA,$(BUILD),unit-$*)
	@tests/run --build $(BUILD) --only unit --folder $*

demo: deps-quiet all
	@tools/demo $(BUILD)/nacre

check: deps-quiet all
	@tests/run --build $(BUILD) $(if $(T),'$(T)')

asan:
	@CC=clang tools/setup-build build-asan $(SANITIZE) -Db_sanitize=address,undefined
	@$(call NINJA,build-asan)

tsan:
	@CC=clang tools/setup-build build-tsan $(SANITIZE) -Db_sanitize=thread
	@$(call NINJA,build-tsan)

# A thousand starts in tests/e2e/lifecycle.py.
check-all: export NACRE_TEST_STARTS ?= 1000
check-all: deps-servers all asan tsan
	@tests/run --build $(BUILD):slow --build build-asan:unit,model,guest,e2e \
		--build build-tsan:unit,model $(if $(T),'$(T)')

check-cpython: all
	@tools/check-cpython --build $(BUILD)

check-liburing: all
	@tools/check-liburing --build $(BUILD)

bench: all
	@bench/run $(BUILD)/nacre

install: all
	install -D -m 755 $(BUILD)/nacre $(DESTDIR)$(PREFIX)/bin/nacre

format:
	@tools/check-format --fix $(FILES)

deps:
	@tools/install-deps.sh

deps-quiet:
	@tools/install-deps.sh --quiet

# Without them their tests are skipped.
deps-servers: deps-quiet
	@tools/install-deps.sh --quiet --servers || echo 'going on without the servers'

clean:
	rm -rf build build-asan build-tsan
