"""Takes out of installed packages what no run needs: `slim.py SITE_PACKAGES`.

Only parts that nothing else imports; import_all.py proves it while the image is built. Packages
stay whole otherwise, and their metadata too, so that a scanner sees what is installed.
"""

import shutil
import sys
from pathlib import Path

PARTS = {
    # The packages' own tests; by name, since `evidently.tests`, for one, is part of its interface.
    "their tests": [
        *(f"{name}/**/tests" for name in ("numpy", "pandas", "scipy", "sklearn", "statsmodels")),
        "pyarrow/tests",
        "pyarrow/_pyarrow_cpp_tests*",
        "nltk/test",
        "onnx/backend/test",
    ],
    "headers and sources, for compiling against them": [
        "numpy/_core/include",
        "onnx/**/*.cc",
        "onnx/**/*.h",
        "pyarrow/include",
        "pyarrow/src",
        "**/*.pyx",
    ],
    "Arrow's RPC; its other libraries need one another": ["pyarrow/*flight*"],
    "the C interface: Python's module holds the runtime itself": [
        "onnxruntime/capi/libonnxruntime.so*",
    ],
    "a part for notebooks": ["jupyterlab_plotly"],
}


def slim(site: Path) -> int:
    """Remove the parts; returns how many bytes that freed.

    Raises:
        ValueError: for a pattern that finds nothing: the package changed, so look at it again.
    """
    freed = 0
    for reason, patterns in PARTS.items():
        for pattern in patterns:
            found = list(site.glob(pattern))
            if not found:
                raise ValueError(f"slim.py: nothing is at {pattern} ({reason}); mend the list")
            freed += sum(_remove(path) for path in found)
    return freed


def _remove(path: Path) -> int:
    if not path.exists() and not path.is_symlink():  # it lay in a folder that is gone
        return 0
    if not path.is_dir() or path.is_symlink():
        size = path.lstat().st_size
        path.unlink()
        return size
    size = sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())
    shutil.rmtree(path)
    return size


if __name__ == "__main__":
    print(f"slim.py: {slim(Path(sys.argv[1])) / 1e6:.0f} MB taken out")
