"""How each of the 74 entries of `mess.tar` ends.

`accepted`, `duplicate <file with the same bytes>`, or the reason of the refusal. Consistent with
the last column of `mess-manifest.tsv`; where that leaves a choice, ours is: found by content and
not by name; truncated pictures are refused; hidden folders are read; bombs are refused before they
are decoded; the one whose EXIF is bad is refused for its pixels, nearly all of which are garbled.
"""

from importlib.util import find_spec

ACCEPTED = "accepted"
HEIC = ACCEPTED if find_spec("pillow_heif") else "unsupported_format"

OUTCOMES = {
    "generated/ leading and trailing .jpg": ACCEPTED,
    "generated/-rf.jpg": ACCEPTED,
    "generated/._PHOTO.JPG": "system_file",
    "generated/.hidden/photo.jpg": ACCEPTED,
    "generated/<img src=x onerror=alert(1)>.jpg": ACCEPTED,
    "generated/=1+1.jpg": ACCEPTED,
    "generated/Thumbs.db": "system_file",
    "generated/anim.png": ACCEPTED,
    "generated/broken-link.jpg": "broken_link",
    "generated/case/Cat.jpg": ACCEPTED,
    "generated/case/cat.jpg": ACCEPTED,
    "generated/dogs/image_0001.jpg": ACCEPTED,
    "generated/empty.jpg": "empty_file",
    "generated/float.tif": ACCEPTED,
    "generated/folder.jpg/inside.jpg": ACCEPTED,
    "generated/grey16.png": ACCEPTED,
    "generated/halfway.jpg": "truncated",
    "generated/naïve café 花 ☕.jpg": ACCEPTED,
    "generated/near-dup-small.jpg": ACCEPTED,
    "generated/new\nline.jpg": ACCEPTED,
    "generated/noise.jpg": "misnamed",
    "generated/notes.txt": "not_a_picture",
    "generated/one-bit.png": ACCEPTED,
    "generated/palette-alpha.png": ACCEPTED,
    "generated/photo.jpg.txt": "duplicate generated/folder.jpg/inside.jpg",
    "generated/photo_without_extension": "duplicate generated/folder.jpg/inside.jpg",
    "generated/plain.webp": ACCEPTED,
    "generated/png-named.jpg": ACCEPTED,
    "generated/progressive.jpg": ACCEPTED,
    "generated/quote'\"`$(id);&.jpg": ACCEPTED,
    "generated/tab\there.jpg": ACCEPTED,
    "generated/trailing-zip.jpg": ACCEPTED,
    "generated/wide-20000x2.png": ACCEPTED,
    f"generated/{'x' * 240}.jpg": ACCEPTED,
    "generated/ztxt-bomb.png": "metadata_too_large",
    "generated/\u00e9.jpg": ACCEPTED,
    "real/.DS_Store": "system_file",
    "real/00090.jpg": "truncated",
    "real/5_webp_a.webp": ACCEPTED,
    "real/65536-uint32-limit.png": "too_many_pixels",
    "real/67-0_length_string.jpg": ACCEPTED,
    "real/Crémieux11.tiff": ACCEPTED,
    "real/Flag_of_the_Netherlands-16bit.png": ACCEPTED,
    "real/IMG_5195.HEIC": HEIC,
    "real/Landscape_3.jpg": ACCEPTED,
    "real/WWL_(Polaroid)_ION230.jpg": ACCEPTED,
    "real/badwidth.bmp": "too_many_pixels",
    "real/big-height.webp": ACCEPTED,
    "real/broken.png": "broken_header",
    "real/check.svg": "unsupported_format",
    "real/cielab-dagams.tiff": "unsupported_format",
    "real/corrupt-header.jpg": "broken_header",
    "real/corrupted.jpg": ACCEPTED,
    "real/crash-63b1dffefc8c075ddc606c0a2f5fdc15ece78863.tif": "broken_header",
    "real/decompression_bomb.gif": "too_many_pixels",
    "real/fogra-0-100-100-0.tif": ACCEPTED,
    "real/full-transparent.png": ACCEPTED,
    "real/gain-map.jpg": ACCEPTED,
    "real/giant-image.jpg": ACCEPTED,
    "real/grey-plus-alpha.gif": ACCEPTED,
    "real/hopper.bmp": ACCEPTED,
    "real/hopper_bad_exif.jpg": "damaged",
    "real/hopper_merged.psd": "unsupported_format",
    "real/imageNotFound.gif": ACCEPTED,
    "real/lfs-pointer_100080576_f52e8ee070_n.jpg": "git_lfs_pointer",
    "real/pitm.avif": ACCEPTED,
    "real/relax.jp2": ACCEPTED,
    "real/rotating-squares.webp": ACCEPTED,
    "real/samplefilehub.heif": HEIC,
    "real/subject02.sleepy": ACCEPTED,
    "real/swiss.png": ACCEPTED,
    "real/tbgn2c16.png": ACCEPTED,
    "real/truncated.jpg": "truncated",
    "real/truncated.png": "truncated",
}

FAILURES = sum(
    value not in (ACCEPTED, "not_a_picture", "system_file") and not value.startswith("duplicate")
    for value in OUTCOMES.values()
)
"""How many count against the failure budget."""
