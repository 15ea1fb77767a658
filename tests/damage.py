"""Files spoiled as a disk spoils them."""

import io
import zipfile


def spoiled(npz: bytes) -> bytes:
    """Every array's header with what Python's parser, which NumPy asks, cannot read; the checksums
    of the zip fit, since NumPy reads a large array's header before they are compared."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(npz)) as given, zipfile.ZipFile(written, "w") as made:
        for name in given.namelist():
            content = given.read(name)
            at = content.index(b"'fortran_order'")
            made.writestr(name, content[: at - 2] + b"('" + content[at:])
    return written.getvalue()
