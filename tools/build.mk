# SPDX-License-Identifier: MIT
#
# What tools/apigen.py makes of uapi/cuda.def. A file whose text stays the same keeps its time, so
# a change of the table rebuilds only what it changes; build/gen/made is as old as the last run.

tools_GEN_HEADERS := $(addprefix build/gen/,cuda_ids.gen.h hand.gen.h procaddr.gen.h \
	realcuda.gen.h run_hand.gen.h)
# The library, the worker, softgpu; tests link what they test.
tools_GEN_CLIENT := $(addprefix build/gen/,stubs.gen.c ids.gen.c procaddr.gen.c)
tools_GEN_SERVER := $(addprefix build/gen/,dispatch.gen.c realcuda.gen.c ids.gen.c)
tools_GEN_SOFTGPU := $(addprefix build/gen/,softgpu_stubs.gen.c procaddr.gen.c)
tools_GEN_TEST := $(addprefix build/gen/,roundtrip.gen.c asserts.gen.c twin.gen.c)
tools_GEN := $(sort $(tools_GEN_HEADERS) $(tools_GEN_CLIENT) $(tools_GEN_SERVER) \
	$(tools_GEN_SOFTGPU) $(tools_GEN_TEST) build/gen/libcuda.map)

.PHONY: gen tools-check coverage
# Every function of the driver; make check says when it is out of date.
coverage:
	@$(PYTHON3) tools/coverage.py

gen: $(tools_GEN)

build/gen/made: uapi/cuda.def $(addprefix tools/,apigen.py cudadef.py ctext.py roundtrip.py)
	@echo "  GEN     build/gen"
	@mkdir -p $(@D)
	@$(PYTHON3) tools/apigen.py uapi/cuda.def $(@D)
	@touch $@

$(tools_GEN): build/gen/made
	@test -f $@ || $(PYTHON3) tools/apigen.py uapi/cuda.def $(@D)

# Round trips of every row, under the sanitizers; the assertions about cuda.h are compiled too.
tools_ROUNDTRIP := roundtrip_test roundtrip_double \
	$(addsuffix .gen,stubs ids procaddr dispatch realcuda roundtrip asserts)
tools_ROUNDTRIP_OBJS := $(tools_ROUNDTRIP:%=build/tools/%.o)
tools_CFLAGS = $(CFLAGS) $(if $(SANITIZE),,-fsanitize=address,undefined) -Ibuild/gen -Iuapi -Ilibvcuda -Iuserd/server \
	-Itests/unit -isystem $(CUDA_HOME)/include

build/tools/%.gen.o: build/gen/%.gen.c | $(tools_GEN_HEADERS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(tools_CFLAGS) $(DEPS) -c $< -o $@

build/tools/%.o: tests/unit/%.c | $(tools_GEN_HEADERS)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(tools_CFLAGS) $(DEPS) -c $< -o $@

build/tools/roundtrip_test: $(tools_ROUNDTRIP_OBJS)
	@echo "  LD      $@"
	@$(CC) $(tools_CFLAGS) $^ -o $@

tools-check: build/tools/roundtrip_test
	@build/tools/roundtrip_test
	@CC="$(CC)" CUDA_HOME="$(CUDA_HOME)" tests/apigen/run.py
	@tools/check-cuda-h.py $(CUDA_HOME)/include/cuda.h

COMPILED += $(tools_ROUNDTRIP_OBJS)

# What a network's delay costs, without a network: tools/gpubench.py puts it between client and server.
tools_DELAYPROXY := build/tools/delayproxy

$(tools_DELAYPROXY): tools/delayproxy.c $(COMMON_OUT)/net.o $(COMMON_OUT)/env.o
	@echo "  CC      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -Iuserd/common -Iuapi -pthread $(DEPS) $< $(filter %.o,$^) -o $@

COMPILED += $(tools_DELAYPROXY)

# What a program asks of a libcuda.so.1 and what that answers, recorded between them: tools/gputwin.py.
tools_TWIN := build/twin/libcuda.so.1

$(tools_TWIN): tools/twin.c tools/twin.h build/gen/twin.gen.c build/gen/procaddr.gen.c build/gen/libcuda.map
	@echo "  LD      $@"
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -fPIC -fvisibility=hidden -Itools -Ibuild/gen -I$(CUDA_HOME)/include -shared \
		-Wl,-soname,libcuda.so.1 -Wl,--version-script=build/gen/libcuda.map -o $@ $(filter %.c,$^) -ldl
