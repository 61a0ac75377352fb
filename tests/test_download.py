"""Downloads from a local server that misbehaves in every way: whole, or nothing and a reason."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from tinygrad_cnn.data import MNIST, FashionMNIST, download
from tinygrad_cnn.errors import ArgumentError, DownloadError

BODY = np.random.default_rng(0).bytes(300_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """`/<behaviour>/<file>`: the behaviour is what the test is about."""

    def do_GET(self):
        self.server.requests.append(self.path)
        _, behaviour, name = self.path.split("/", 2)
        body = self.server.files.get(name, BODY)
        if behaviour.isdecimal():
            self.send_error(int(behaviour))
            return
        if behaviour == "redirect":
            self.send_response(302)
            self.send_header("Location", f"/good/{name}")
            self.end_headers()
            return
        if behaviour in ("file:", "ftp:"):
            self.send_response(302)
            self.send_header("Location", f"{behaviour}//127.0.0.1/{name}")
            self.end_headers()
            return
        if behaviour == "garbage":
            self.wfile.write(b"this is not HTTP\r\n\r\n")
            return
        if behaviour == "corrupted":
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        if behaviour == "longer":
            body += b"more"
        if behaviour == "mute":
            time.sleep(1)
            return
        self.send_response(200)
        if behaviour not in ("unannounced", "endless", "cut"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour in ("truncated", "cut", "dropped"):
            body = body[: len(body) // 2]
        try:
            if behaviour == "stalling":
                self.wfile.write(body[:1000])
                self.wfile.flush()
                time.sleep(1)
            self.wfile.write(body)
            while behaviour == "endless":
                self.wfile.write(body)
        except OSError:
            pass  # the client has hung up, as it should
        if behaviour == "dropped":  # reset, rather than an orderly end
            self.connection.setsockopt(1, 13, b"\x01\0\0\0\0\0\0\0")
            self.connection.close()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def module_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests = {}, []
    server.handle_error = lambda *args: None  # a reset connection is what some tests want
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(module_server, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    module_server.files, module_server.requests = {}, []
    module_server.url = f"http://127.0.0.1:{module_server.server_address[1]}"
    return module_server


@pytest.mark.parametrize("behaviour", ["good", "redirect", "unannounced"])
@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_whole_download(server, tmp_path, behaviour, size):
    path = tmp_path / "new" / "folder" / "file.bin"
    assert download(f"{server.url}/{behaviour}/file.bin", path, SHA.upper(), size, progress=False) == path
    assert path.read_bytes() == BODY and list(path.parent.iterdir()) == [path]
    count = len(server.requests)
    download(f"{server.url}/{behaviour}/file.bin", path, SHA, progress=False)
    assert len(server.requests) == count, "a file that is there is not fetched again"


FAILURES = [
    ("404", "answers 404 Not Found"),
    ("500", "answers 500 Internal Server Error"),
    ("truncated", "closed after 150000 of 300000 bytes|connection broke after"),
    ("dropped", "closed after|connection broke after"),
    ("cut", "bytes received have checksum"),
    ("corrupted", "the 300000 bytes received have checksum"),
    ("longer", "bytes received have checksum"),
    ("mute", "stays silent"),
    ("stalling", "fell silent after 1000 bytes"),
    ("garbage", "no connection .*BadStatusLine"),
    ("file:", "no connection|answers 302"),
    ("ftp:", "no connection|answers 302"),
]


@pytest.mark.parametrize(("behaviour", "message"), FAILURES)
@pytest.mark.parametrize("old", [None, b"an older file"])
def test_a_failed_download_leaves_things_as_they_were(server, tmp_path, behaviour, message, old):
    path = tmp_path / "file.bin"
    if old is not None:
        path.write_bytes(old)
    url = f"{server.url}/{behaviour}/file.bin"
    with pytest.raises(DownloadError, match=message) as caught:
        download(url, path, SHA, timeout=0.2 if behaviour in ("mute", "stalling") else 30, progress=False)
    assert url in str(caught.value) and "yourself" in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"] * (old is not None)
    assert old is None or path.read_bytes() == old


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [("endless", "more than the 300000"), ("cut", "closed after"), ("longer", "offers 300004")],
)
def test_a_known_size_says_more_and_stops_an_endless_answer(server, tmp_path, behaviour, message):
    with pytest.raises(DownloadError, match=message):
        download(f"{server.url}/{behaviour}/x", tmp_path / "x", SHA, size=len(BODY), progress=False)
    assert not list(tmp_path.iterdir())


def test_mirrors_are_tried_in_order(server, tmp_path):
    urls = [f"{server.url}/{behaviour}/x" for behaviour in ("404", "corrupted", "good", "500")]
    assert download(urls, tmp_path / "x", SHA, progress=False).read_bytes() == BODY
    assert server.requests == ["/404/x", "/corrupted/x", "/good/x"]
    with pytest.raises(DownloadError, match=r"404.*; .*500"):
        download([urls[0], urls[3]], tmp_path / "y", SHA, progress=False)


def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DownloadError, match="no connection"):
        download("http://127.0.0.1:1/x", tmp_path / "x", SHA, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("urls", ["file:///a", "ftp://a/b", "data:,x", ["http://127.0.0.1/x", "x"], []])
def test_only_http(tmp_path, urls):
    with pytest.raises(ArgumentError, match=r"https?://"):
        download(urls, tmp_path / "x", SHA)


def test_an_interrupted_download_leaves_nothing(server, tmp_path, monkeypatch):
    import importlib

    module = importlib.import_module("tinygrad_cnn.data.download")
    real, calls = module._read, []

    def interrupted(response, received):
        calls.append(received)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(response, received)

    monkeypatch.setattr(module, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download(f"{server.url}/good/x", tmp_path / "x", SHA, progress=False)
    assert calls[-1] > 0 and not list(tmp_path.iterdir())


def test_the_progress_bar_names_the_file(server, tmp_path, capsys):
    download(f"{server.url}/good/x", tmp_path / "images.gz", SHA)
    shown = capsys.readouterr()
    assert "images.gz" in shown.err and not shown.out


# ---------------------------------------------------------------- the data sets


def idx(array):
    header = b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


@pytest.mark.parametrize("cls", [MNIST, FashionMNIST])
def test_a_data_set_downloads_its_files(server, tmp_path, monkeypatch, cls):
    rng = np.random.default_rng(1)
    images, labels = rng.integers(0, 256, (7, 28, 28)), rng.integers(0, 10, 7)
    files = {"t10k-images-idx3-ubyte.gz": idx(images), "t10k-labels-idx1-ubyte.gz": idx(labels)}
    server.files = files
    monkeypatch.setattr(cls, "files", {n: (hashlib.sha256(b).hexdigest(), len(b)) for n, b in files.items()})
    with pytest.raises(ArgumentError, match="pass download=True"):
        cls(tmp_path, train=False)
    with pytest.raises(DownloadError, match="404"):
        cls(tmp_path, train=False, download=True, mirrors=[f"{server.url}/404"])
    mirrors = [f"{server.url}/corrupted/", f"{server.url}/good"]
    data = cls(tmp_path, train=False, download=True, mirrors=mirrors)
    assert np.array_equal(data.data, images) and np.array_equal(data.targets, labels)
    folder = tmp_path / cls.__name__ / "raw"
    assert sorted(p.name for p in folder.iterdir()) == sorted(files)
    server.requests.clear()
    assert len(cls(tmp_path, train=False)) == len(cls(tmp_path, train=False, download=True)) == 7
    assert not server.requests
