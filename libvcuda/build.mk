# SPDX-License-Identifier: MIT
# libvcuda: the libcuda.so.1 of a function. Links libc only.

libvcuda_src := $(wildcard libvcuda/*.c) build/gen/stubs.gen.c build/gen/ids.gen.c build/gen/procaddr.gen.c build/gen/asserts.gen.c \
	userd/common/forward.c userd/common/net.c userd/softgpu/fatbin.c $(wildcard userd/cudart/*.c)
libvcuda_obj := $(patsubst %.c,build/libvcuda/obj/%.o,$(libvcuda_src))
libvcuda_cflags := -fPIC -fvisibility=hidden -pthread -Ilibvcuda -Iuapi -Ibuild/gen -Iuserd/common -Iuserd/softgpu -Iuserd/cudart -I$(CUDA_HOME)/include

build/libvcuda/obj/%.o: %.c | build/gen/made
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libvcuda_cflags) -MMD -c $< -o $@

build/libvcuda/libcuda.so.1: $(libvcuda_obj) build/gen/libcuda.map
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -Wl,-soname,libcuda.so.1 -Wl,--version-script=build/gen/libcuda.map -Wl,-z,defs -Wl,-z,now \
		-o $@ $(libvcuda_obj)
	$(Q)ln -sf libcuda.so.1 build/libvcuda/libcuda.so

libvcuda: build/libvcuda/libcuda.so.1
.PHONY: libvcuda

-include $(libvcuda_obj:.o=.d)
