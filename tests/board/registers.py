"""The registers of a Mali-T860, as a GPU that is always done: an image of its 64 KiB, to be put into plain memory.

The driver reads what the GPU is and finds it reset, powered and with clean caches. Nobody reads what it writes, so a
job that it starts never ends, and the driver gives up on it after 500 ms.
"""

import struct

SIZE = 0x10000

REGISTERS = {
    0x000: 0x08602000,  # GPU_ID: T860 r2p0
    0x004: 0x07130206,  # L2_FEATURES
    0x00C: 0x00000809,  # TILER_FEATURES
    0x010: 0x00000001,  # MEM_FEATURES
    0x014: 0x00002830,  # MMU_FEATURES
    0x018: 0x000000FF,  # AS_PRESENT: 8 address spaces
    0x01C: 0x00000007,  # JS_PRESENT: 3 job slots
    0x020: 1 << 8 | 1 << 17,  # GPU_INT_RAWSTAT: reset completed, caches cleaned
    0x0A0: 256,  # THREAD_MAX_THREADS
    0x0A4: 256,  # THREAD_MAX_WORKGROUP_SIZE
    0x0A8: 256,  # THREAD_MAX_BARRIER_SIZE
    0x0AC: 0x0A040400,  # THREAD_FEATURES
    0x0B0: 0x00FE001E,  # TEXTURE_FEATURES
    0x0B4: 0x0000FFFF,
    0x0B8: 0x9F81FFFF,
    0x0C0: 0x0000020E,  # JS_FEATURES
    0x0C4: 0x000001FE,
    0x0C8: 0x0000007E,
    0x100: 0xF,  # SHADER_PRESENT: 4 cores
    0x110: 1,  # TILER_PRESENT
    0x120: 1,  # L2_PRESENT
    0x140: 0xF,  # SHADER_READY
    0x150: 1,  # TILER_READY
    0x160: 1,  # L2_READY
}


def image():
    memory = bytearray(SIZE)
    for offset, value in REGISTERS.items():
        struct.pack_into("<I", memory, offset, value)
    return bytes(memory)
