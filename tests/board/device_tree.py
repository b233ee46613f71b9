"""The device tree of QEMU's "virt" machine, with a Mali GPU added."""

import registers

from host import run

# The interrupts never come. They are edge-triggered, as a level could be taken for one that is never acknowledged.
GPU = """
/ {{
    gpu_clk: gpu-clock {{
        compatible = "fixed-clock";
        #clock-cells = <0>;
        clock-frequency = <500000000>;
    }};
    gpu_reg: gpu-regulator {{
        compatible = "regulator-fixed";
        regulator-name = "gpu";
        regulator-always-on;
    }};
    gpu@{address:x} {{
        compatible = "arm,mali-t860";
        reg = <0x0 {address:#x} 0x0 {size:#x}>;
        interrupts = <0 100 1>, <0 101 1>, <0 102 1>;
        interrupt-names = "job", "mmu", "gpu";
        clocks = <&gpu_clk>;
        mali-supply = <&gpu_reg>;
        dma-coherent;
    }};
}};
"""


def make(machine, gpu_address, blob):
    """Writes the compiled tree to `blob`. `machine` is the QEMU command that makes the machine."""
    plain = blob.with_suffix(".plain")
    run(*machine, "-machine", f"dumpdtb={plain}")
    source = run("dtc", "-q", "-I", "dtb", "-O", "dts", plain)
    plain.unlink()
    source += GPU.format(address=gpu_address, size=registers.SIZE)
    run("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", blob, input=source)
