"Downloads against a server on this computer, and archives that mean harm."

import functools
import hashlib
import http.server
import io
import os
import shutil
import stat
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from test_data_acdc import make_patient

from cardioteach import download
from cardioteach.cache import cache_folder
from cardioteach.cohort import InputError
from cardioteach.data.acdc import CLASSES, load
from cardioteach.download import data_folder, download_acdc, fetch, unpack


class Handler(http.server.SimpleHTTPRequestHandler):
    "Serves a folder, counts requests; `/short/...` breaks off in the middle."

    def do_GET(self):
        self.server.requests.append(self.path)
        if not self.path.startswith("/short/"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")

    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    "A folder that is served, and its address."
    folder = tmp_path / "site"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    server.requests = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder_server = (folder, f"http://127.0.0.1:{server.server_port}", server)
    yield folder_server
    server.shutdown()
    server.server_close()


# --- folders


def test_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("CARDIOTEACH_DATA", raising=False)
    with pytest.raises(InputError, match="CARDIOTEACH_DATA: found nothing"):
        data_folder()
    monkeypatch.setenv("CARDIOTEACH_DATA", str(tmp_path))
    (tmp_path / "acdc").mkdir()
    assert data_folder("acdc") == tmp_path / "acdc"
    with pytest.raises(InputError, match="no folder"):
        data_folder("brain")


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert not cache_folder().exists()
    monkeypatch.delenv("CARDIOTEACH_CACHE")
    assert cache_folder().name == "cardioteach"
    monkeypatch.setenv("CARDIOTEACH_CACHE", "~/mine")
    assert cache_folder() == Path.home() / "mine"


# --- fetch


def checksum(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_fetch_once(site, tmp_path):
    folder, address, server = site
    (folder / "a.bin").write_bytes(b"content")
    for _ in range(2):
        assert (
            fetch(f"{address}/a.bin?x=1", checksum(b"content"), tmp_path / "got").read_bytes() == b"content"
        )
    assert server.requests == ["/a.bin?x=1"]


def test_a_damaged_file_is_fetched_again(site, tmp_path):
    folder, address, server = site
    (folder / "a.bin").write_bytes(b"content")
    (tmp_path / "a.bin").write_bytes(b"conten")
    assert fetch(f"{address}/a.bin", checksum(b"content"), tmp_path).read_bytes() == b"content"


def test_two_at_a_time_download_once(site, tmp_path):
    folder, address, server = site
    (folder / "a.bin").write_bytes(bytes(3_000_000))
    with ThreadPoolExecutor(2) as threads:
        paths = list(threads.map(lambda _: fetch(f"{address}/a.bin", None, tmp_path, "b.bin"), range(2)))
    assert paths == [tmp_path / "b.bin"] * 2 and len(server.requests) == 1


def test_a_wrong_checksum_leaves_nothing(site, tmp_path):
    folder, address, _ = site
    (folder / "a.bin").write_bytes(b"content")
    with pytest.raises(InputError, match="does not match the known hash") as caught:
        fetch(f"{address}/a.bin", checksum(b"other"), tmp_path / "got")
    assert caught.value.where == f"{address}/a.bin"
    assert [path.name for path in (tmp_path / "got").iterdir() if path.suffix != ".lock"] == []


def test_a_download_that_breaks_off_leaves_nothing(site, tmp_path):
    with pytest.raises(InputError, match="no answer") as caught:
        fetch(f"{site[1]}/short/a.bin", None, tmp_path / "got")
    assert "by hand" in caught.value.remedy
    assert [path.name for path in (tmp_path / "got").iterdir() if path.suffix != ".lock"] == []


def test_an_address_that_is_not_there(site, tmp_path):
    with pytest.raises(InputError, match="found status 404"):
        fetch(f"{site[1]}/none.bin", None, tmp_path)


def test_no_network(site, tmp_path):
    _, address, server = site
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="no answer.*Check the network"):
        fetch(f"{address}/a.bin", None, tmp_path)


def test_a_folder_that_cannot_be_written(site, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="expected a folder to write to"):
        fetch(f"{site[1]}/a.bin", None, tmp_path / "file")


# --- unpack


def make_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def make_tar(path, *members):
    with tarfile.open(path, "w:gz") as packed:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content) if kind == tarfile.REGTYPE else 0
            info.linkname = "" if kind == tarfile.REGTYPE else content
            packed.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return path


def symbolic_link_zip(path):
    info = zipfile.ZipInfo("shortcut")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return make_zip(path, {info: "/etc"})


def backslash_zip(path):
    "A name written with backslashes; zipfile itself would not write it on every system."
    make_zip(path, {"..|outside.txt": "gotcha"})
    path.write_bytes(path.read_bytes().replace(b"..|", b"..\\"))
    return path


HARM = {
    "zip up": lambda p: make_zip(p, {"fine": "1", "../outside.txt": "gotcha"}),
    "zip deep up": lambda p: make_zip(p, {"a/../../outside.txt": "gotcha"}),
    "zip absolute": lambda p: make_zip(p, {"/tmp/outside.txt": "gotcha"}),
    "zip drive": lambda p: make_zip(p, {"C:/outside.txt": "gotcha"}),
    "zip backslash": backslash_zip,
    "zip link": symbolic_link_zip,
    "zip bomb": lambda p: make_zip(p, {"zeros": bytes(40_000_000)}, zipfile.ZIP_DEFLATED),
    "zip of many": lambda p: make_zip(p, {str(i): bytes(4_000_000) for i in range(6)}, zipfile.ZIP_DEFLATED),
    "tar up": lambda p: make_tar(
        p, ("fine", tarfile.REGTYPE, b"1"), ("../outside.txt", tarfile.REGTYPE, b"gotcha")
    ),
    "tar absolute": lambda p: make_tar(p, ("/tmp/outside.txt", tarfile.REGTYPE, b"gotcha")),
    "tar symbolic link": lambda p: make_tar(p, ("shortcut", tarfile.SYMTYPE, "/etc")),
    "tar hard link": lambda p: make_tar(p, ("shortcut", tarfile.LNKTYPE, "/etc/passwd")),
    "tar device": lambda p: make_tar(p, ("device", tarfile.CHRTYPE, "")),
    "tar bomb": lambda p: make_tar(p, ("zeros", tarfile.REGTYPE, bytes(40_000_000))),
}


@pytest.mark.parametrize("harm", HARM)
def test_harmful_archives_leave_nothing(tmp_path, harm):
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = HARM[harm](inner / "archive")
    with pytest.raises(InputError, match="Do not trust this archive") as caught:
        unpack(archive, inner / "deep" / "target")
    assert caught.value.where == str(archive)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"inner", "inner/archive", "inner/deep"}


def encrypted(path):
    make_zip(path, {"a": "secret"})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


def cut(path):
    content = make_tar(path, ("a", tarfile.REGTYPE, os.urandom(100_000))).read_bytes()
    path.write_bytes(content[:50_000])
    return path


def flipped(path):
    "A zip whose content no longer has its checksum."
    make_zip(path, {"a": "x" * 1000})
    path.write_bytes(path.read_bytes().replace(b"xxxx", b"xyxx", 1))
    return path


BROKEN = {
    "no archive": lambda p: p.write_text("hello") and p,
    "empty": lambda p: p.touch() or p,
    "cut tar": cut,
    "flipped zip": flipped,
    "encrypted zip": encrypted,
    "cut zip": lambda p: p.write_bytes(make_zip(p, {"a": "x" * 1000}).read_bytes()[:-30]) and p,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_archives_leave_nothing(tmp_path, broken):
    archive = BROKEN[broken](tmp_path / "archive")
    with pytest.raises(InputError, match="a broken archive"):
        unpack(archive, tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_missing_archive(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        unpack(tmp_path / "none.zip", tmp_path / "target")


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(InputError, match="No space left.*Check space and permissions"):
        unpack(make_zip(tmp_path / "a.zip", {"a": "1"}), tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_sound_archive(tmp_path, kind):
    if kind == "zip":
        archive = make_zip(tmp_path / "a.zip", {"top/": "", "top/deep/x.txt": "x", "y.txt": "y"})
    else:
        members = [
            ("top", tarfile.DIRTYPE, ""),
            ("top/deep/x.txt", tarfile.REGTYPE, b"x"),
            ("y.txt", tarfile.REGTYPE, b"y"),
        ]
        archive = make_tar(tmp_path / "a.tar.gz", *members)
    (tmp_path / "target").mkdir()  # an empty folder is no hindrance
    folder = unpack(archive, tmp_path / "target")
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.txt")}
    assert found == {"top/deep/x.txt": "x", "y.txt": "y"}
    with pytest.raises(InputError, match="something already there"):
        unpack(archive, folder)


# --- ACDC


def test_download_acdc(site, tmp_path, monkeypatch, capsys):
    folder, address, server = site
    for number, group in enumerate(CLASSES, 1):
        make_patient(tmp_path / "made" / "database" / "training", number, group)
    shutil.make_archive(folder / "download", "zip", tmp_path / "made")
    (folder / "download.zip").rename(folder / "download")
    monkeypatch.setattr(download, "ACDC_ADDRESS", f"{address}/download")
    monkeypatch.setenv("CARDIOTEACH_CACHE", str(tmp_path / "cache"))

    got = download_acdc(tmp_path / "acdc")
    printed = capsys.readouterr().out
    assert "has to cite" in printed and "5 patients" in printed
    assert hashlib.sha256((folder / "download").read_bytes()).hexdigest() in printed
    assert np.array_equal(load(got, size=16).images, load(tmp_path / "made", size=16).images)

    with pytest.raises(InputError, match="something already there"):
        download_acdc(tmp_path / "acdc")
    download_acdc(tmp_path / "again")
    assert server.requests == ["/download"]
