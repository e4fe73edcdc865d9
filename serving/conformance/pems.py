"""Certificates for the suite's TLS cases, made by the program openssl and thrown away after them."""

import shutil
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def available() -> bool:
    return shutil.which("openssl") is not None


def make(folder: Path) -> dict[str, str]:
    """PEM texts by file name, a .key and a .crt each: `ca`; `server` and `client`, which it signed; `old_server` and
    `old_client`, which it signed for a time that is over; `stranger`."""
    folder.mkdir(parents=True)
    for name in ("ca", "stranger"):
        what = ["-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        _openssl(folder, "req", *_KEY, *what)
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name, days in (("server", "2"), ("client", "2"), ("old_server", "-1"), ("old_client", "-1")):
        _openssl(folder, "req", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-extfile", "names"]
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.crt")
    return read(folder)


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".key", ".crt")}


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
