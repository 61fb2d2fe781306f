# SPDX-License-Identifier: MIT
# libvcuda: the libcuda.so.1 of a function. Needs libc only: what takes compressed images apart is linked in.
# It stays loaded once it is (nodelete): it has threads, a handler of faults, and destructors of other threads.

# What graphs and captures are, as in softgpu; libvcuda/graph stands for what is around it there.
libvcuda_graph := $(wildcard userd/graph/*.c libvcuda/graph/*.c)
# Rules and calls that are the same in any driver; libvcuda/driver.c stands for what is around them.
libvcuda_driver := $(wildcard userd/driver/*.c)

libvcuda_src := $(wildcard libvcuda/*.c) build/gen/stubs.gen.c build/gen/ids.gen.c build/gen/procaddr.gen.c build/gen/asserts.gen.c \
	userd/common/forward.c userd/common/net.c userd/common/zerocopy.c userd/common/env.c userd/common/halt_poll.c $(wildcard userd/image/*.c) $(wildcard userd/cudart/*.c) \
	$(libvcuda_graph) $(libvcuda_driver)
libvcuda_obj := $(patsubst %.c,build/libvcuda/obj/%.o,$(libvcuda_src))
libvcuda_cflags := -fPIC -fvisibility=hidden -pthread -Ilibvcuda -Ilibvcuda/graph -Iuserd/graph -Iuserd/driver -Iuapi -Ibuild/gen -Iuserd/common -Iuserd/image -Iuserd/cudart -I$(CUDA_HOME)/include

# In userd/graph a call has its own name: here it is hand_<name>, which the generated stub calls.
build/gen/handnames.gen.h: build/gen/made
	$(Q)sed -n 's/^CUresult hand_\(cu[A-Za-z0-9_]*\)(.*/#define \1 hand_\1/p' build/gen/hand.gen.h > $@

build/libvcuda/obj/%.o: %.c | build/gen/made build/gen/handnames.gen.h
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) $(DEPS) -c $< -o $@

build/libvcuda/libcuda.so.1: $(libvcuda_obj) build/gen/libcuda.map
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -Wl,-soname,libcuda.so.1 -Wl,--version-script=build/gen/libcuda.map -Wl,-z,defs -Wl,-z,now -Wl,-z,nodelete \
		-o $@ $(libvcuda_obj) -l:libzstd.a -l:liblz4.a -Wl,--exclude-libs,libzstd.a:liblz4.a
	$(Q)ln -sf libcuda.so.1 build/libvcuda/libcuda.so

libvcuda: build/libvcuda/libcuda.so.1
.PHONY: libvcuda

COMPILED += $(libvcuda_obj)
