# SPDX-License-Identifier: MIT
#
# Decoders under libFuzzer (clang and its libclang-rt-dev), with the address and the undefined-
# behaviour sanitizer; tests/ptx/build.mk has the parser of PTX. For each target NAME:
#
#	tests/fuzz/NAME_fuzz.c	the target
#	tests/fuzz/NAME/	what once was a finding
#	build/fuzz/NAME/	the binary, seeds (tests/fuzz/seeds.py), corpus, new findings
#
# make check replays the findings, and the seeds that need no program, and a few changes of each.

fuzz_OUT := build/fuzz
fuzz_TARGETS := worker client wire image vgpud
fuzz_CC ?= clang
fuzz_FLAGS := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
fuzz_CFLAGS = $(COMMON_CFLAGS) -Wno-deprecated-declarations -Wno-unknown-warning-option -Itests/fuzz
FUZZ_SECONDS ?= 600

fuzz_worker_C := $(filter-out userd/server/worker.c,$(WORKER_SRC:%=userd/server/%.c)) $(WORKER_GEN:%=build/gen/%.gen.c) \
	userd/common/log.c userd/common/net.c userd/common/env.c userd/common/halt_poll.c $(wildcard userd/image/*.c) tests/fuzz/worker_driver.c
fuzz_worker_CFLAGS = $(WORKER_CFLAGS) -DFUZZ_CUDA='"$(CURDIR)/build/softgpu/libcuda.so.1"'
fuzz_worker_LIBS := -Wl,--wrap=recv,--wrap=sendmsg,--wrap=poll,--wrap=gen_dispatch_find $(WORKER_LIBS)
fuzz_worker_MAX := 400000

# With everything that goes to sleep, or wakes a peer, in the target's hands.
fuzz_client_C := tests/fuzz/client_script.c tests/fuzz/worker_script.c $(libvcuda_src)
fuzz_client_CFLAGS = $(libvcuda_cflags)
fuzz_client_LIBS := $(foreach f,open sleep ring stop close abandon,-Wl,--wrap=vcuda_transport_$(f)) -lzstd -llz4 -lpthread -ldl
fuzz_client_MAX := 200000

fuzz_wire_C := userd/server/wire.c $(addprefix userd/common/,env.c forward.c log.c net.c zerocopy.c)
fuzz_wire_CFLAGS = $(SERVER_CFLAGS)
fuzz_wire_MAX := 70000

fuzz_image_C := userd/server/image.c userd/image/fatbin.c
fuzz_image_CFLAGS = $(WORKER_CFLAGS) -Iuserd/image
fuzz_image_MAX := 20000

# With the module, the server and the socket of the announcements in the target's hands.
fuzz_vgpud_C := $(filter-out userd/vgpud/main.c,$(wildcard userd/vgpud/*.c)) $(addprefix userd/common/,$(notdir $(COMMON_OBJS:.o=.c)))
fuzz_vgpud_CFLAGS = $(VGPUD_CFLAGS)
fuzz_vgpud_LIBS = $(foreach f,control_attach control_map control_unmap control_report_device control_report_session control_doorbell \
	device_take_spare lane_create genl_connect genl_ctrl_resolve genl_ctrl_resolve_grp genl_send_simple nl_socket_add_membership \
	nl_socket_set_nonblocking nl_socket_set_buffer_size nl_socket_get_fd,-Wl,--wrap=$(f)) $(VGPUD_LIBS)
fuzz_vgpud_MAX := 70000

# NAME: instrumented objects, the target, and its twin for make check.
define fuzz_rules
fuzz_$(1)_OBJS := $$(patsubst %.c,$$(fuzz_OUT)/$(1)/obj/%.o,$$(fuzz_$(1)_C) tests/fuzz/$(1)_fuzz.c tests/fuzz/frames.c)

$$(fuzz_$(1)_OBJS): $$(fuzz_OUT)/$(1)/obj/%.o: %.c | build/gen/run_hand.gen.h build/gen/handnames.gen.h
	@echo "  FUZZ    $$@"
	@mkdir -p $$(@D)
	$$(Q)$$(fuzz_CC) $$(fuzz_FLAGS) -fsanitize=fuzzer-no-link $$(fuzz_$(1)_CFLAGS) $$(fuzz_CFLAGS) -Wno-error $$(DEPS) -c $$< -o $$@

$$(fuzz_OUT)/$(1)/$(1)_fuzz: $$(fuzz_$(1)_OBJS)
	@echo "  FUZZ    $$@"
	$$(Q)$$(fuzz_CC) $$(fuzz_FLAGS) -fsanitize=fuzzer -o $$@ $$^ $$(fuzz_$(1)_LIBS)

fuzz_$(1)_REPLAY_OBJS := $$(patsubst %.c,build/tests/fuzz/$(1)/%.o,tests/fuzz/$(1)_fuzz.c tests/fuzz/frames.c $$(filter %.c,$$(fuzz_$(1)_REPLAY)))

$$(fuzz_$(1)_REPLAY_OBJS): build/tests/fuzz/$(1)/%.o: %.c | build/gen/run_hand.gen.h build/gen/handnames.gen.h
	@echo "  CC      $$@"
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(fuzz_$(1)_CFLAGS) $$(fuzz_CFLAGS) -DFUZZ_MAIN $$(DEPS) -c $$< -o $$@

build/tests/fuzz/$(1)_replay: $$(fuzz_$(1)_REPLAY_OBJS) $$(filter %.o,$$(fuzz_$(1)_REPLAY))
	@echo "  LD      $$@"
	$$(Q)$$(CC) $$(CFLAGS) $$^ -o $$@ $$(fuzz_$(1)_LIBS)

COMPILED += $$(fuzz_$(1)_OBJS) $$(fuzz_$(1)_REPLAY_OBJS)

fuzz-$(1): $$(fuzz_OUT)/$(1)/$(1)_fuzz fuzz-seeds
	@mkdir -p $$(fuzz_OUT)/$(1)/corpus $$(fuzz_OUT)/$(1)/seeds
	$$(Q)cd $$(fuzz_OUT)/$(1) && SOFTGPU_SM=90 ./$(1)_fuzz -max_len=$$(fuzz_$(1)_MAX) -timeout=20 -rss_limit_mb=4000 -detect_leaks=0 -use_value_profile=1 \
		-max_total_time=$$(FUZZ_SECONDS) -print_final_stats=1 corpus seeds $$(wildcard $$(CURDIR)/tests/fuzz/$(1))
.PHONY: fuzz-$(1)
endef

fuzz_worker_REPLAY = tests/fuzz/worker_driver.c $(filter-out %/worker.o,$(WORKER_OBJS)) $(WORKER_COMMON)
fuzz_client_REPLAY = tests/fuzz/client_script.c tests/fuzz/worker_script.c $(libvcuda_obj)
fuzz_wire_REPLAY = $(SERVER_OUT)/wire.o $(COMMON_OBJS)
fuzz_image_REPLAY = $(fuzz_image_C)
fuzz_vgpud_REPLAY = $(filter-out %/main.o,$(VGPUD_OBJS)) $(COMMON_OBJS)

$(foreach t,$(fuzz_TARGETS),$(eval $(call fuzz_rules,$(t))))

fuzz_STILL := build/tests/fuzz/seeds
fuzz_STILL_TARGETS := worker wire vgpud
fuzz_REPLAYS := $(fuzz_TARGETS:%=build/tests/fuzz/%_replay) $(fuzz_STILL)/made
# For tests/run.py: the program and its folders, with colons between.
fuzz_REPLAY := $(foreach t,$(fuzz_TARGETS),build/tests/fuzz/$(t)_replay:tests/fuzz/$(t)$(if $(filter $(t),$(fuzz_STILL_TARGETS)),:$(fuzz_STILL)/$(t)/seeds))

$(fuzz_STILL)/made: tests/fuzz/seeds.py build/gen/dispatch.gen.c $(fuzz_OUT)/worker/rows
	@echo "  SEEDS   $(@D)"
	$(Q)$(PYTHON3) tests/fuzz/seeds.py --still $(@D) $(fuzz_OUT)/worker/rows
	@touch $@

$(fuzz_OUT)/worker/rows: tests/fuzz/rows.c $(filter-out %/roundtrip_test.o,$(tools_ROUNDTRIP_OBJS))
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(tools_CFLAGS) $^ -o $@

fuzz_SCRIPTS := $(fuzz_OUT)/client/client_script $(fuzz_OUT)/worker/worker_script

$(fuzz_SCRIPTS): $(fuzz_OUT)/%_script: tests/fuzz/worker_script.c tests/fuzz/client_script.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Wno-deprecated-declarations -DFUZZ_SCRIPT -Itests/fuzz -isystem $(CUDA_HOME)/include tests/fuzz/$(@F).c -o $@ -L$(CUDA_STUBS) -lcuda

# Sessions of the programs of tests/cuda as they go over the wire, and a frame of every row.
fuzz-seeds: all cuda-programs $(errors_PROGRAMS) $(fuzz_OUT)/worker/rows $(fuzz_SCRIPTS)
	$(Q)$(PYTHON3) tests/fuzz/seeds.py $(fuzz_OUT) $(fuzz_OUT)/worker/rows

# Which rows of cuda.def the seeds and the corpus reach: asked for, whole, and with right arguments. Where one is not, that is a fault.
fuzz-rows: $(fuzz_OUT)/worker/worker_fuzz fuzz-seeds
	@mkdir -p $(fuzz_OUT)/worker/corpus
	$(Q)cd $(fuzz_OUT)/worker && SOFTGPU_SM=90 FUZZ_ROWS=rows.tsv ./worker_fuzz -runs=0 -max_len=$(fuzz_worker_MAX) corpus seeds 2>/dev/null
	$(Q)awk '{ n++; asked += $$2 > 0; right += $$4 > 0; if (!$$4) print "  only " ($$3 ? "whole: " : $$2 ? "malformed: " : "NEVER: ") $$1 } \
		END { print n " rows, " asked " asked for, " right " with right arguments"; exit right < n }' $(fuzz_OUT)/worker/rows.tsv

fuzz: fuzz-softgpu $(fuzz_TARGETS:%=fuzz-%)

# A short time for each, in tests/run.py's limit for one with its build.
FUZZ_CHECK_SECONDS ?= 15
fuzz-check:
	$(Q)DGSF_TEST_LIMIT=900 fuzz_CC=$(fuzz_CC) $(PYTHON3) tests/run.py \
		$(foreach t,$(fuzz_TARGETS) softgpu,tests/fuzz/check.sh:$(t):$(FUZZ_CHECK_SECONDS))

.PHONY: fuzz fuzz-check fuzz-rows fuzz-seeds
