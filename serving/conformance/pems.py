"""Certificates for the suite's TLS cases, made by the program openssl and thrown away after them."""

import shutil
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_NOW, _OVER = ("-days", "2"), ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
# Of openssl's commands only `ca` gives a certificate times in the past in every version: 3.5 refuses negative days.
_CA = """\
[ca]
default_ca = one
[one]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = names
unique_subject = no
[names]
commonName = supplied
"""


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
    (folder / "ca.conf").write_text(_CA)
    (folder / "index").touch()
    for name, time in (("server", _NOW), ("client", _NOW), ("old_server", _OVER), ("old_client", _OVER)):
        _openssl(folder, "req", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        by = ["-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key", "-extfile", "names", "-notext"]
        _openssl(folder, "ca", "-batch", *by, "-in", f"{name}.csr", *time, "-out", f"{name}.crt")
    return read(folder)


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".key", ".crt")}


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
