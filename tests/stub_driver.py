"""Libraries that answer as NVIDIA's driver does."""

import subprocess
from pathlib import Path

DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return FAIL; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strcpy(name, "Test GPU"); return 0; }
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : 9; return 0;
}
"""


def driver(folder: Path, *, count: int = 1, fail: int = 0) -> str:
    """A library that answers as the driver does: the calls are the real ones, the GPU is not."""
    (folder / "driver.c").write_text(DRIVER)
    library = folder / "libdriver.so"
    defines = [f"-DCOUNT={count}", f"-DFAIL={fail}"]
    command = ["cc", "-shared", "-fPIC", *defines, "driver.c", "-o", str(library)]
    subprocess.run(command, cwd=folder, check=True)
    return str(library)
