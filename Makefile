# linli: `make run` and `make check` are all a newcomer needs; `make help` lists
# the rest. A new file under src/, src/domain/, openapi/, sql/, tests/unit/ or
# tests/fuzz/ needs no edit here.

SAN ?=
COV ?=
FAULTS ?=
FUZZ ?=
B := build/$(if $(FUZZ),fuzz,$(if $(SAN),san,$(if $(COV),cov,rel))$(if $(FAULTS),-faults))
V ?=
Q := $(if $(V),,@)

# clang only where it must be: libFuzzer is part of it.
CC := $(if $(FUZZ),clang,gcc)
# -isystem for the libraries: their headers are not held to our warnings.
PKGS := jansson libevent libevent_pthreads libevent_openssl libpq libjwt \
	libsodium libcrypto libssl zlib libconfuse libsystemd libpcre2-8 libcurl libzip expat
CPPFLAGS += -D_GNU_SOURCE -Iinclude $(if $(SAN)$(COV)$(FAULTS),-DLINLI_FAULTS) \
	$(patsubst -I%,-isystem %,$(shell pkg-config --cflags-only-I $(PKGS) 2>/dev/null))
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wmissing-prototypes -Werror
CFLAGS += -std=c11 -g -fno-omit-frame-pointer -fstack-protector-strong $(WARN) \
	$(if $(SAN),-O1 -fsanitize=address$(,)undefined -fno-sanitize-recover=undefined,$(if $(COV),$(COUNTED),-O2 -D_FORTIFY_SOURCE=2))
LDFLAGS += -pie -Wl,-z,relro,-z,now \
	$(if $(SAN),-fsanitize=address$(,)undefined)
CFLAGS += -fPIE $(if $(FUZZ),-fsanitize=fuzzer-no-link)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread -lm
, := ,

COUNTED := -O0 --coverage -fprofile-abs-path -fprofile-update=atomic
HOOK := $(if $(COV),$(B)/tests/coverage/exit.o)
LDFLAGS += $(if $(COV),--coverage -Wl$(,)--wrap=_exit$(,)--wrap=_Exit$(,)--wrap=abort$(,)--wrap=execv)

OBJ := $(patsubst %.c,$(B)/%.o,$(filter-out src/main.c,$(wildcard src/*.c src/domain/*.c)))
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
EMBEDDED := $(wildcard sql/migrations/*.sql sql/queries/*.sql)

.PHONY: all run check unit lint coverage sweep valgrind analyze bench fault fuzz \
	deps clean format help install FORCE
.SECONDARY:

all: $(B)/linlid $(B)/linlid-image

help:
	@echo 'make run      install what is missing, build, serve the demo on PORT (8080)'
	@echo 'make check    all tests, under ASan and UBSan'
	@echo 'make          build $(B)/linlid'
	@echo 'make unit     only the C unit tests     make lint    only the lints'
	@echo 'make deps     install what is missing   make format  clang-format the tree'
	@echo 'make install  into PREFIX (/usr/local), below DESTDIR'
	@echo 'make coverage how much of src/ the tests run, and what they do not'
	@echo 'make sweep    refuse memory once at each place of a start and of each kind of request'
	@echo 'make valgrind unit tests and a session of each operation under memcheck'
	@echo 'make analyze  gcc -fanalyzer, clang-tidy and cppcheck over src/'
	@echo 'make bench    measure                   make clean   remove build/'
	@echo 'make fault    kill, cut and fill everything under load, 26 min (SECONDS=60 KILLS=100)'
	@echo 'make fuzz     libFuzzer at all that reads bytes of others (FUZZ_SECONDS=600 TARGETS=...)'

deps:
	$(Q)sh .ci/deps run

run:
	$(Q)sh .ci/deps run
	$(Q)$(MAKE) --no-print-directory -j all
	$(Q)exec sh sql/demo/run.sh $(B)

check:
	$(Q)sh .ci/deps check
	$(Q)$(MAKE) --no-print-directory -j SAN=1 all unit-build fuzz-build
	$(Q)exec env LINLI_BUILD=build/san /usr/bin/python3 tests/check.py $(PARTS)

unit-build: $(UNIT) $(B)/nomem.so
unit lint:
	$(Q)$(MAKE) --no-print-directory check PARTS=$@

coverage:
	$(Q)sh .ci/deps check
	$(Q)$(MAKE) --no-print-directory -j COV=1 all unit-build
	$(Q)find build/cov -name '*.gcda' -delete
	$(Q)env LINLI_BUILD=build/cov /usr/bin/python3 tests/check.py unit sql http; tests=$$?; \
	  /usr/bin/python3 tests/coverage/report.py build/cov && exit $$tests

# Its short form is part of check. Not part of fault: it wants the sanitizers,
# and says yes or no instead of measuring under load.
sweep:
	$(Q)sh .ci/deps check
	$(Q)$(MAKE) --no-print-directory -j SAN=1 all unit-build
	$(Q)exec env LINLI_BUILD=build/san LINLI_SWEEP=all \
		/usr/bin/python3 -m pytest -v -p no:cacheprovider tests/test_memory.py

# Without the sanitizers, which would not live with it. linlid-image is left out.
MEMCHECKED := env LINLI_BUILD=build/rel LINLI_MEMCHECK='valgrind -q \
	--error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite --num-callers=30' /usr/bin/python3
valgrind:
	$(Q)sh .ci/deps prove
	$(Q)$(MAKE) --no-print-directory -j all unit-build
	$(Q)$(MEMCHECKED) tests/check.py unit
	$(Q)$(MEMCHECKED) -m pytest -q -p no:cacheprovider tests/test_contract.py -k test_example_works

# Too slow for every check, and clang-tidy brings a whole compiler.
SOURCES := $(wildcard src/*.c src/domain/*.c src/image/*.c)
ANALYZED := $(SOURCES:%.c=build/analyze/%.ok)
VIPS := $(shell pkg-config --cflags vips 2>/dev/null | sed 's/-I/-isystem /g')
analyze:
	$(Q)sh .ci/deps prove
	$(Q)$(MAKE) --no-print-directory -k -j $$(nproc) $(ANALYZED)
	$(Q)cppcheck -q --std=c11 --error-exitcode=1 \
		--enable=warning,style,performance,portability \
		--suppressions-list=.cppcheck -D_GNU_SOURCE -Iinclude \
		--include=/usr/include/x86_64-linux-gnu/sys/queue.h \
		--include=/usr/include/jansson.h src

build/analyze/%.ok: %.c .clang-tidy FORCE
	@mkdir -p $(@D)
	@echo "  LOOK $<"
	$(Q)$(CC) $(CPPFLAGS) $(VIPS) -std=c11 -O2 $(WARN) -fanalyzer -c -o $@ $<
	$(Q)clang-tidy --quiet $< -- $(CPPFLAGS) $(VIPS) -std=c11 2>/dev/null

bench:
	$(Q)sh .ci/deps bench
	$(Q)$(MAKE) --no-print-directory -j all
	$(Q)exec sh tests/bench/run.sh $(B)

# DESTDIR and PREFIX as everywhere; settings that are there already stay.
PREFIX := /usr/local
SYSCONFDIR := /etc
INSTALL := install -D
install: all
	$(Q)$(INSTALL) -m 755 $(B)/linlid $(DESTDIR)$(PREFIX)/bin/linlid
	$(Q)$(INSTALL) -m 755 $(B)/linlid-image $(DESTDIR)$(PREFIX)/bin/linlid-image
	$(Q)$(INSTALL) -m 644 sql/setup.sql $(DESTDIR)$(PREFIX)/share/linli/setup.sql
	$(Q)$(INSTALL) -m 644 -t $(DESTDIR)$(PREFIX)/share/linli/data sql/data/*
	$(Q)$(INSTALL) -m 644 systemd/linlid.conf $(DESTDIR)$(PREFIX)/share/linli/linlid.conf
	$(Q)$(INSTALL) -m 644 systemd/linli-dashboard.json $(DESTDIR)$(PREFIX)/share/linli/linli-dashboard.json
	$(Q)$(INSTALL) -m 644 systemd/linlid.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/linlid.socket
	$(Q)$(INSTALL) -m 644 systemd/linlid.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/linlid.conf
	$(Q)sed 's#/usr/local/#$(PREFIX)/#; s#/etc/#$(SYSCONFDIR)/#' systemd/linlid.service > $(B)/linlid.service
	$(Q)$(INSTALL) -m 644 $(B)/linlid.service $(DESTDIR)$(PREFIX)/lib/systemd/system/linlid.service
	$(Q)test -e $(DESTDIR)$(SYSCONFDIR)/linli/linlid.conf || \
	  $(INSTALL) -m 644 systemd/linlid.conf $(DESTDIR)$(SYSCONFDIR)/linli/linlid.conf

KILLS ?= 100
SECONDS ?= 60
fault:
	$(Q)sh .ci/deps fault
	$(Q)$(MAKE) --no-print-directory -j FAULTS=1 all
	$(Q)exec env LINLI_BUILD=build/rel-faults /usr/bin/python3 tests/fault/run.py \
		--kills $(KILLS) --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(ACTS)

FUZZ_SECONDS ?= 600
TARGETS ?= $(FUZZERS)
fuzz:
	$(Q)sh .ci/deps fuzz
	$(Q)$(MAKE) --no-print-directory -j FUZZ=1 SAN=1 fuzz-build
	$(Q)exec sh tests/fuzz/run.sh $(FUZZ_SECONDS) $(TARGETS)

format:
	$(Q)clang-format -i $(wildcard src/*.[ch] src/domain/*.[ch] src/image/*.[ch] include/*.h tests/unit/*.c)

clean:
	rm -rf build

$(B)/linlid: $(B)/src/main.o $(B)/liblinli.a $(HOOK)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $(B)/src/main.o $(HOOK) -Wl,--whole-archive $(B)/liblinli.a -Wl,--no-whole-archive $(LDLIBS)

$(B)/liblinli.a: $(OBJ) $(B)/embed.o
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

# Photos are re-encoded in a process of their own, so that hostile images meet
# no server memory; only this one links libvips.
$(B)/linlid-image: $(B)/src/image/main.o $(HOOK)
	@mkdir -p $(@D)
	@echo "  LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs vips 2>/dev/null)

$(B)/src/image/main.o: CPPFLAGS += $(shell pkg-config --cflags vips 2>/dev/null | sed 's/-I/-isystem /g')

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(B)/liblinli.a $(HOOK)
	@mkdir -p $(@D)
	@echo "  TEST $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(HOOK) $(B)/liblinli.a $(LDLIBS) -lcmocka

$(B)/nomem.so: tests/fault/nomem.c
	@mkdir -p $(@D)
	@echo "  CC   $<"
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O2 -g $(WARN) -shared -fPIC -o $@ $<

# The fuzz targets: by libFuzzer, or each over its corpus with replay.c. WRAPS
# are what door.c stands in for: the wire, the database, the token's word,
# the servers of others and the clock.
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
WRAPS := evhttp_send_reply evhttp_connection_get_peer db_submit db_ready \
	db_stats token_verify_cached outbound monotonic_us
fuzz-build: $(FUZZERS:%=$(B)/fuzz/%)
$(B)/fuzz/%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/door.o $(if $(FUZZ),,$(B)/tests/fuzz/replay.o) $(B)/liblinli.a
	@mkdir -p $(@D)
	@echo "  FUZZ $@"
	$(Q)$(CC) $(LDFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) $(WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS)

# A list that only changes when a file comes or goes, so that one that is
# deleted leaves the binary too.
CARRIED := $(wildcard openapi/*.yaml) $(EMBEDDED)
build/carried: FORCE
	@mkdir -p $(@D)
	@echo '$(CARRIED)' | cmp -s - $@ || echo '$(CARRIED)' > $@
FORCE:

build/openapi.json: build/carried openapi/bundle.py $(wildcard openapi/*.yaml)
	@mkdir -p $(@D)
	@echo "  YAML $@"
	$(Q)/usr/bin/python3 openapi/bundle.py openapi > $@.tmp && mv $@.tmp $@

# One assembler file carries all embedded files by .incbin (see embed.h).
$(B)/embed.S: build/openapi.json $(EMBEDDED) build/carried Makefile
	@mkdir -p $(@D)
	$(Q){ \
	  echo '.section .rodata'; n=0; \
	  for f in build/openapi.json $(EMBEDDED); do n=$$((n+1)); \
	    echo ".balign 16"; echo ".Lf$$n: .incbin \"$$f\""; echo ".Le$$n: .byte 0"; \
	    echo ".Ln$$n: .asciz \"$${f#*/}\""; \
	  done; \
	  echo '.section .data.rel.ro,"aw"'; echo '.balign 8'; \
	  echo '.globl embedded_files'; echo '.type embedded_files, @object'; echo 'embedded_files:'; \
	  i=0; while [ $$i -lt $$n ]; do i=$$((i+1)); echo ".quad .Ln$$i, .Lf$$i, .Le$$i"; done; \
	  echo '.quad 0, 0, 0'; echo '.size embedded_files, .-embedded_files'; \
	  echo '.section .note.GNU-stack,"",@progbits'; } > $@
$(B)/embed.o: $(B)/embed.S
	$(Q)$(CC) -c -o $@ $<

-include $(OBJ:.o=.d) $(B)/src/main.d $(B)/src/image/main.d $(UNIT:=.d) $(wildcard $(B)/tests/fuzz/*.d)
