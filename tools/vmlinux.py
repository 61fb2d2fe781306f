#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vmlinux.py VMLINUZ VMLINUX - takes the ELF kernel out of an x86 bzImage.

QEMU enters the ELF through its PVH note, which saves the guest the decompression, one to three
seconds under software emulation. The place of the payload is in the boot header (setup_sects,
payload_offset, payload_length of Linux' Documentation/arch/x86/boot.rst, boot protocol 2.08).
"""
import struct
import subprocess
import sys

FORMATS = (
    (b"\x1f\x8b", ["gzip", "-qdc"]),
    (b"\xfd7zXZ", ["xz", "-qdc"]),
    (b"\x28\xb5\x2f\xfd", ["zstd", "-qdc"]),
    (b"\x02\x21\x4c\x18", ["lz4", "-qdc"]),
)


def payload(image):
    if image[0x202:0x206] != b"HdrS":
        sys.exit("vmlinux.py: not a bzImage")
    setup_sects = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sects + 1) * 512 + offset
    return image[start:start + length]


def main(source, destination):
    with open(source, "rb") as f:
        data = payload(f.read())
    for magic, command in FORMATS:
        if data.startswith(magic):
            break
    else:
        sys.exit("vmlinux.py: unknown compression")
    # The build appends the uncompressed size, which the tools call trailing garbage and fail over:
    # what came out is checked by it instead.
    size = struct.unpack("<I", data[-4:])[0]
    elf = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         check=False).stdout
    if command[0] == "gzip":
        size = len(elf)
    if not elf.startswith(b"\x7fELF") or len(elf) != size:
        sys.exit("vmlinux.py: no ELF kernel inside")
    with open(destination, "wb") as f:
        f.write(elf)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
