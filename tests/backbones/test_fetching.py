"""Fetching weights: from a path, a folder, an address; tried, recorded, and used from then on."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from naturalist import backbones
from naturalist.backbones.fetching import source_variable
from naturalist.backbones.weights import read_checked, recorded
from naturalist.errors import BackboneError

NAME = "mobilenet_v1_050_128"
FILES = ("mobilenet_v1_0.5_128_quant.tflite", "mobilenet_v1_0.5_224_flowers.h5")


@pytest.fixture
def address(models: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(models))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_before_fetching_the_error_says_what_to_run(tmp_path: Path) -> None:
    for ask in (backbones.describe, backbones.load):
        with pytest.raises(BackboneError, match=f"naturalist backbones fetch {NAME}"):
            ask(NAME, home=tmp_path)
    states = {listed.name: listed.state for listed in backbones.listing(tmp_path)}
    assert states["colour_histogram"] == states["efficientnet_lite0"] == "ready"
    assert "fetch" in states[NAME]


def test_the_weights_decide_the_identity(models: Path, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    ids = []
    for file in FILES:
        fetched = backbones.fetch(NAME, models / file, home=tmp_path)
        assert fetched.sha256 == hashlib.sha256((models / file).read_bytes()).hexdigest()
        assert backbones.describe(NAME, home=tmp_path).weights_sha256 == fetched.sha256
        ids.append(backbones.describe(NAME, home=tmp_path).id)
    assert ids[0] != ids[1]
    assert backbones.describe(f"{NAME}_seed", home=tmp_path).weights_sha256 == fetched.sha256


def test_an_address_is_recorded_as_the_source(
    models: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hashlib.sha256((models / FILES[0]).read_bytes()).hexdigest()
    url = f"{address}/{FILES[0]}"
    monkeypatch.setenv(source_variable(NAME), url)
    fetched = backbones.fetch(NAME, sha256=expected, home=tmp_path)
    assert fetched.source == url
    assert recorded(NAME, tmp_path) == fetched
    assert backbones.load(NAME, home=tmp_path).spec.weights_sha256 == expected


def test_the_default_address_is_that_of_keras_applications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "naturalist.backbones.fetching.download", lambda url, *_, **__: asked.append(url) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        backbones.fetch(NAME, home=tmp_path)
    folder = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet"
    assert asked == [f"{folder}/mobilenet_5_0_128_tf_no_top.h5"]


def test_a_wrong_file_leaves_what_was_there(models: Path, tmp_path: Path) -> None:
    kept = backbones.fetch(NAME, models / FILES[0], home=tmp_path)
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html>")
    with pytest.raises(BackboneError, match="web page"):
        backbones.fetch(NAME, page, home=tmp_path)
    with pytest.raises(BackboneError, match="sha256"):
        backbones.fetch(NAME, models / FILES[0], sha256="0" * 64, home=tmp_path)
    with pytest.raises(BackboneError, match="no such file"):
        backbones.fetch(NAME, tmp_path / "nothing.h5", home=tmp_path)
    assert recorded(NAME, tmp_path) == kept
    assert {p.name for p in kept.path.parent.iterdir()} == {kept.path.name, "weights.json"}


def test_a_saved_model_folder_is_packed_the_same_way_each_time(tmp_path: Path) -> None:
    folder = Path(__file__).parent / "data" / "tensorflow_1"
    found = []
    for home in ("a", "b"):
        with pytest.raises(BackboneError, match="does not hold MobileNet v1") as refusal:
            backbones.fetch(NAME, folder, home=tmp_path / home)
        found.append(str(refusal.value).split("sha256 ")[1][:64])
    assert found[0] == found[1]


def test_weights_from_a_package_are_checked_in_place(tmp_path: Path) -> None:
    fetched = backbones.fetch("efficientnet_lite0", home=tmp_path)
    assert fetched.sha256 == backbones.describe("efficientnet_lite0").weights_sha256
    assert fetched.path.name.endswith(".pth")


def test_what_has_no_weights_says_so(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="nothing to download"):
        backbones.fetch("colour_histogram", home=tmp_path)
    with pytest.raises(BackboneError, match="choose one of"):
        backbones.fetch("unknown", home=tmp_path)


def test_a_file_changed_after_fetching_is_not_used(models: Path, tmp_path: Path) -> None:
    fetched = backbones.fetch(NAME, models / FILES[0], home=tmp_path)
    fetched.path.write_bytes(b"something else")
    with pytest.raises(BackboneError, match=fetched.sha256):
        read_checked(fetched.path, fetched.sha256)
    fetched.path.unlink()
    with pytest.raises(BackboneError, match="cannot be read"):
        read_checked(fetched.path, fetched.sha256)


def test_a_damaged_record_says_to_fetch_again(models: Path, tmp_path: Path) -> None:
    fetched = backbones.fetch(NAME, models / FILES[0], home=tmp_path)
    (fetched.path.parent / "weights.json").write_text("{")
    with pytest.raises(BackboneError, match="fetch the weights again"):
        backbones.describe(NAME, home=tmp_path)
    backbones.fetch(NAME, models / FILES[0], home=tmp_path)
    assert backbones.describe(NAME, home=tmp_path).dim == 512
