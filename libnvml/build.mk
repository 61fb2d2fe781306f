# SPDX-License-Identifier: MIT
#
# libnvml: the libnvidia-ml.so.1 of a function. Links libc only. Without nvml.h, which
# tools/nvml-packages.sh gets, it is not built.

# Asked only where it is built: on a machine without a network pip takes its time to give up.
ifneq ($(filter all check install libnvml build/libnvml/% build/tests/unit/nvml_test,$(or $(MAKECMDGOALS),all)),)
include build/nvml.mk
endif

build/nvml.mk: tools/nvml-packages.sh build/cuda.mk
	@echo "  NVML    $@"
	@mkdir -p $(@D)
	@tools/nvml-packages.sh $(CUDA_HOME)/include > $@.tmp && mv $@.tmp $@

libnvml_LIB := $(if $(NVML_INCLUDE),build/libnvml/libnvidia-ml.so.1)
libnvml_GEN := build/gen/nvml/nvml_stubs.gen.c build/gen/nvml/libnvml.map
libnvml_src := $(wildcard libnvml/*.c) build/gen/nvml/nvml_stubs.gen.c userd/common/net.c userd/common/env.c
libnvml_obj := $(patsubst %.c,build/libnvml/obj/%.o,$(libnvml_src))
libnvml_cflags := -fPIC -fvisibility=hidden -pthread -Ilibnvml -Iuapi -Iuserd/common -isystem $(NVML_INCLUDE) -isystem $(CUDA_HOME)/include

build/gen/nvml/made: uapi/nvml.def $(addprefix tools/,nvmlgen.py nvmldef.py ctext.py)
	@echo "  GEN     $(@D)"
	@mkdir -p $(@D)
	@$(PYTHON3) tools/nvmlgen.py uapi/nvml.def $(@D)
	@touch $@

$(libnvml_GEN): build/gen/nvml/made

build/libnvml/obj/%.o: %.c
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(libnvml_cflags) $(DEPS) -c $< -o $@

build/libnvml/libnvidia-ml.so.1: $(libnvml_obj) build/gen/nvml/libnvml.map
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -Wl,-soname,libnvidia-ml.so.1 -Wl,--version-script=build/gen/nvml/libnvml.map -Wl,-z,defs -Wl,-z,now \
		-o $@ $(libnvml_obj) -ldl
	$(Q)ln -sf libnvidia-ml.so.1 build/libnvml/libnvidia-ml.so

check: $(SERVER_NVML_DOUBLE)

libnvml: $(libnvml_LIB)
.PHONY: libnvml

COMPILED += $(libnvml_obj)

# ---- unit tests ----

libnvml_TEST := $(if $(NVML_INCLUDE),build/tests/unit/nvml_test)
UNIT_TESTS += $(libnvml_TEST)

# The functions are looked up by their names, in the program.
build/tests/unit/nvml_test: tests/unit/nvml_test.c $(libnvml_obj)
	@echo "  CC      $@"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(libnvml_cflags) -Wno-deprecated-declarations $(DEPS) -rdynamic -Wl,--wrap=vnvml_find_server $< $(libnvml_obj) -o $@ -lcmocka -ldl

COMPILED += $(libnvml_TEST)
