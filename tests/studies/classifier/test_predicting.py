import http.server
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from naturalist import backbones
from naturalist.errors import BackboneError, ConfigError, PictureError
from naturalist.features import open_features
from naturalist.images import PictureLimits
from naturalist.pipeline.predicting import PredictOptions, find_pictures, predict
from naturalist.progress import Silent
from naturalist.studies.classifier.evidence import nearest
from naturalist.studies.classifier.exporting import backbone_named, export_model
from naturalist.studies.classifier.fetching import FetchLimits, read_input
from naturalist.studies.classifier.predicting import prepare

OPTIONS = PredictOptions(PictureLimits(), FetchLimits(timeout_s=10), workers=1)


def photos_of(photos: Path, category: str, count: int) -> list[str]:
    return [str(path) for path in sorted((photos / category).rglob("*.jpg"))[:count]]


@contextmanager
def web(pages: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """A web server on this machine: path to status, headers and body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = pages.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_pictures_are_recognised_and_bad_files_have_a_row_with_the_reason(
    made, photos, tmp_path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.jpg").write_bytes(b"not looked at")
    faces = photos_of(photos, "human", 3)
    names = find_pictures([*faces, str(tmp_path)])
    rows = list(predict(names, made.folder / "model.onnx", OPTIONS, Silent()))
    assert [row["path"] for row in rows] == names
    assert [row["category"] for row in rows[:3]] == ["human"] * 3
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4) for row in rows[:3])
    assert [(Path(row["path"]).name, row["reason"]) for row in rows[3:]] == [
        ("notes.txt", "not_a_picture"),
        ("broken.jpg", "broken_header"),
    ]


def test_many_pictures_go_through_processes_and_come_back_in_order(made, photos, tmp_path) -> None:
    names = [*photos_of(photos, "plant", 60), *photos_of(photos, "human", 20)]
    rows = list(predict(names, made.folder / "model.onnx", OPTIONS, Silent()))
    assert [row["path"] for row in rows] == names
    right = [row["category"] == ("plant" if k < 60 else "human") for k, row in enumerate(rows)]
    assert np.mean(right) > 0.9


def test_noise_is_unlike_anything_seen(made, tmp_path) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8))
    noise.save(tmp_path / "noise.png")
    (row,) = predict([str(tmp_path / "noise.png")], made.folder / "model.onnx", OPTIONS, Silent())
    assert row["known"] is False
    assert row["outlier_score"] > 0.95


def test_an_address_is_fetched_within_limits(made, photos) -> None:
    face = Path(photos_of(photos, "human", 1)[0]).read_bytes()
    pages = {
        "/face.jpg": (200, {}, face),
        "/moved": (302, {"Location": "/face.jpg"}, b""),
        "/out": (302, {"Location": "file:///etc/hostname"}, b""),
    }
    with web(pages) as url:
        names = [f"{url}/{page}" for page in ("face.jpg", "moved", "out", "nothing")]
        rows = list(predict(names, made.folder / "model.onnx", OPTIONS, Silent()))
        assert [row["category"] for row in rows] == ["human", "human", None, None]
        assert [row["reason"] for row in rows[2:]] == ["read_error", "read_error"]
        assert "404" in rows[3]["detail"]
        with pytest.raises(PictureError, match="too_large"):
            read_input(f"{url}/face.jpg", FetchLimits(max_bytes=len(face) - 1))
    with pytest.raises(PictureError, match="cannot be fetched"):
        read_input(f"{url}/face.jpg", FetchLimits(timeout_s=5))


def test_a_pipe_is_not_waited_for(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureError, match="special_file"):
        read_input(str(tmp_path / "pipe"), FetchLimits())


def test_what_is_not_there_is_said_before_anything_is_done(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*nothing"):
        find_pictures([str(tmp_path), str(tmp_path / "nothing")])


def test_the_nearest_training_picture_of_a_training_picture_is_itself(made) -> None:
    sample = made.rows.sample
    at = [0, 200, 500]
    found = nearest(open_features(made.rows.place), sample.features[at], 3)
    assert [one[0]["picID"] for one in found] == sample.pic_ids[at].tolist()
    unit = sample.features / np.linalg.norm(sample.features, axis=1, keepdims=True)
    cosines = np.sort(unit[at] @ unit.T, axis=1)[:, ::-1][:, :3]
    assert np.abs(cosines - [[one["cosine"] for one in near] for near in found]).max() < 1e-3


def test_one_file_goes_from_a_picture_of_any_size_to_probabilities(made, photos, tmp_path) -> None:
    """The exported model agrees with `predict`, and runs with ONNX Runtime alone."""
    told = export_model(made.folder, tmp_path / "all.onnx", any_size=True)
    assert told["categories"] == ["plant", "animal", "human"]
    session = onnxruntime.InferenceSession((tmp_path / "all.onnx").read_bytes())
    names = [*photos_of(photos, "plant", 4), *photos_of(photos, "human", 4)]
    for row in predict(names, made.folder / "model.onnx", OPTIONS, Silent()):
        with Image.open(row["path"]) as image:
            pixels = np.asarray(image.convert("RGB"))
        (chances,) = session.run(["probabilities"], {"picture": pixels})
        assert told["categories"][chances[0].argmax()] == row["category"]
        assert np.abs(chances[0] - list(row["probabilities"].values())).max() < 0.2


def test_one_file_of_prepared_pictures_gives_exactly_the_same(made, photos, tmp_path) -> None:
    export_model(made.folder, tmp_path / "prepared.onnx", any_size=False)
    session = onnxruntime.InferenceSession((tmp_path / "prepared.onnx").read_bytes())
    backbone = backbones.load(backbone_named(made.rows.backbone_id).name)
    names = photos_of(photos, "animal", 3)
    batch = np.stack([prepare(backbone, Path(n).read_bytes(), PictureLimits()) for n in names])
    probabilities, _, known, _ = session.run(None, {"pictures": batch})
    rows = predict(names, made.folder / "model.onnx", OPTIONS, Silent())
    for row, chances, seen in zip(rows, probabilities, known, strict=True):
        assert np.abs(chances - list(row["probabilities"].values())).max() < 1e-4
        assert bool(seen) == row["known"]


def test_features_that_no_backbone_here_gives_are_named() -> None:
    with pytest.raises(BackboneError, match="no backbone of this machine gives the features 'old"):
        backbone_named("old-128-f512-000000000000")


def test_a_model_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(ConfigError, match="there is no model"):
        list(predict(["a.jpg"], tmp_path / "model.onnx", OPTIONS, Silent()))


def test_a_truncated_picture_among_good_ones_shifts_no_row(made, photos, tmp_path) -> None:
    plant, face = photos_of(photos, "plant", 1)[0], photos_of(photos, "human", 1)[0]
    buffer = io.BytesIO(Path(plant).read_bytes()[:900])
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue())
    names = [plant, str(tmp_path / "cut.jpg"), face]
    rows = list(predict(names, made.folder / "model.onnx", OPTIONS, Silent()))
    assert [row["category"] for row in rows] == ["plant", None, "human"]


def test_a_picture_that_takes_too_long_is_refused_and_the_others_are_predicted(
    made, photos, tmp_path
) -> None:
    """Also where few pictures are predicted, which need no processes for speed."""
    Image.new("RGB", (9000, 9900)).save(tmp_path / "slow.png")
    names = [*photos_of(photos, "human", 1), str(tmp_path / "slow.png")]
    hurried = replace(OPTIONS, decode_timeout_s=0.2)
    _, slow = predict(names, made.folder / "model.onnx", hurried, Silent())
    assert (slow["category"], slow["reason"]) == (None, "decoder_timed_out")
