"""linlid-image: what goes in is a stranger's file, what comes out is clean."""

import io
import struct
import subprocess
import zlib

import pytest
from PIL import Image, ImageCms

import harness

PROGRAM = str(harness.BUILD / "linlid-image")
PIXELS = 40_000_000


def picture(width=60, height=40, mode="RGB"):
    """White with a red top left quarter."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    return image.convert(mode)


def encoded(image, form="JPEG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def convert(folder, data, pixels=PIXELS):
    (folder / "in").write_bytes(data)
    done = subprocess.run([PROGRAM, str(pixels), "in", "out", "thumb"], cwd=folder,
                          capture_output=True, text=True, timeout=60, env={})
    return done.returncode, done.stdout


def clean(folder, data):
    """Both results, after checking what must hold for any picture."""
    code, said = convert(folder, data)
    assert code == 0
    results = []
    for name, side in (("out", 2560), ("thumb", 400)):
        raw = (folder / name).read_bytes()
        image = Image.open(io.BytesIO(raw))
        image.load()
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert max(image.size) <= side
        assert not image.getexif() and not image.getxmp()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert raw.endswith(b"\xff\xd9")
        results.append(image)
    assert said == "%d %d\n" % results[0].size
    return results


def is_red(pixel):
    return pixel[0] > 200 and pixel[1] < 60 and pixel[2] < 60


def is_white(pixel):
    return min(pixel) > 235


def test_metadata_vanishes_and_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "MakerSecret"
    exif[0x0112] = 6  # the camera was turned: the top is on the right
    exif[0x8825] = {1: "N", 2: (30.0, 40.0, 5.0), 3: "E", 4: (104.0, 8.0, 1.0)}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(picture(), exif=exif, icc_profile=profile, comment=b"CommentSecret", quality=95)
    assert b"MakerSecret" in data and b"CommentSecret" in data
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(0x8825)[1] == "N"
    photo, thumb = clean(tmp_path, data)
    for image in (photo, thumb):
        assert image.size == (40, 60)
        assert is_red(image.getpixel((35, 5)))
        assert is_white(image.getpixel((5, 5))) and is_white(image.getpixel((35, 55)))
    assert b"Secret" not in (tmp_path / "out").read_bytes() + (tmp_path / "thumb").read_bytes()


@pytest.mark.parametrize("orientation,corner", [(1, (0, 0)), (2, (1, 0)), (3, (1, 1)), (4, (0, 1)),
                                                (5, (0, 0)), (6, (1, 0)), (7, (1, 1)), (8, (0, 1))])
def test_every_orientation(tmp_path, orientation, corner):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo, _ = clean(tmp_path, encoded(picture(), exif=exif, quality=95))
    width, height = photo.size
    assert (width, height) == ((60, 40) if orientation < 5 else (40, 60))
    red = [(x, y) for x in (0, 1) for y in (0, 1)
           if is_red(photo.getpixel((x * (width - 1), y * (height - 1))))]
    assert red == [corner]


@pytest.mark.parametrize("form,mode", [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "RGBA"),
                                       ("PNG", "P"), ("PNG", "1"), ("PNG", "LA"), ("PNG", "I"),
                                       ("WEBP", "RGB"), ("WEBP", "RGBA")])
def test_forms_and_colours(tmp_path, form, mode):
    photo, _ = clean(tmp_path, encoded(picture(mode=mode), form))
    assert photo.size == (60, 40)


@pytest.mark.parametrize("colour", [(0, 0, 254), (30, 60, 200), (200, 150, 120), (128, 128, 128), (255, 255, 255)])
@pytest.mark.parametrize("profiled", [False, True])
def test_colours_stay(tmp_path, colour, profiled):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(Image.new("RGB", (64, 64), colour), "PNG", **({"icc_profile": profile} if profiled else {}))
    for image in clean(tmp_path, data):
        assert max(abs(a - b) for a, b in zip(image.getpixel((30, 30)), colour)) <= 2


def test_transparent_is_white(tmp_path):
    photo, thumb = clean(tmp_path, encoded(Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "PNG"))
    assert is_white(photo.getpixel((15, 15))) and is_white(thumb.getpixel((15, 15)))


def test_sizes(tmp_path):
    photo, thumb = clean(tmp_path, encoded(picture(5120, 1280)))
    assert (photo.size, thumb.size) == ((2560, 640), (400, 100))
    photo, thumb = clean(tmp_path, encoded(picture(1000, 3000)))
    assert (photo.size, thumb.size) == ((853, 2560), (133, 400))
    photo, thumb = clean(tmp_path, encoded(Image.new("RGB", (1, 1)), "PNG"))
    assert (photo.size, thumb.size) == ((1, 1), (1, 1))


def test_animation_gives_its_first_picture(tmp_path):
    frames = [picture(), Image.new("RGB", (60, 40), "blue")]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=100)
    photo, _ = clean(tmp_path, data)
    assert photo.size == (60, 40) and is_red(photo.getpixel((5, 5)))


def test_what_hides_behind_a_picture_is_gone(tmp_path):
    clean(tmp_path, encoded(picture()) + b"<script>alert('Secret')</script>PK\x03\x04")
    assert b"Secret" not in (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("data", [
    encoded(picture(), "GIF"), encoded(picture(), "TIFF"), encoded(picture(), "BMP"),
    encoded(picture(), "JPEG2000"), encoded(picture(), "PDF"),
    b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    b"<!DOCTYPE html><script>alert(1)</script>", b"RIFF\x10\x00\x00\x00WAVEfmt ", b"\xff\xd8\xff", b"",
], ids=["gif", "tiff", "bmp", "jp2", "pdf", "svg", "html", "wav", "short", "empty"])
def test_other_contents(tmp_path, data):
    assert convert(tmp_path, data) == (2, "")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "thumb").read_bytes() == b""


def png_claiming(width, height):
    """A small PNG whose header says otherwise."""
    data = bytearray(encoded(picture(mode="L"), "PNG"))
    header = b"IHDR" + struct.pack(">II", width, height) + bytes(data[24:29])
    data[12:33] = header + struct.pack(">I", zlib.crc32(header))
    return bytes(data)


def test_pixels_are_counted_before_they_are_made(tmp_path):
    assert convert(tmp_path, png_claiming(64000, 64000)) == (3, "")
    assert convert(tmp_path, encoded(picture(61, 41)), pixels=2500) == (3, "")
    assert convert(tmp_path, encoded(picture(50, 50)), pixels=2500) == (0, "50 50\n")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_damaged(tmp_path, form):
    noise = Image.effect_noise((400, 300), 80)
    whole = encoded(noise.convert("RGB"), form)
    assert convert(tmp_path, whole[:len(whole) // 2])[0] == 4
    assert convert(tmp_path, whole[:16] + b"\xa5" * 4000)[0] == 4
    assert (tmp_path / "out").read_bytes() == b""


def test_descriptors(tmp_path):
    """As the daemon calls it: open files, no path."""
    files = [tempfile(tmp_path, n) for n in range(3)]
    files[0].write(encoded(picture()))
    files[0].flush()
    fds = [f.fileno() for f in files]
    done = subprocess.run([PROGRAM, str(PIXELS), *map(str, fds)], pass_fds=fds, cwd="/",
                          capture_output=True, text=True, timeout=60, env={})
    assert (done.returncode, done.stdout) == (0, "60 40\n")
    for f in files[1:]:
        f.seek(0)
        assert Image.open(f).size == (60, 40)


def tempfile(folder, n):
    return open(folder / f"f{n}", "w+b")


@pytest.mark.parametrize("args", [[], ["0", "in", "out", "thumb"], ["x", "in", "out", "thumb"],
                                  ["9", "in", "out"], ["9", "none", "out", "thumb"]])
def test_usage(tmp_path, args):
    (tmp_path / "in").write_bytes(encoded(picture()))
    assert subprocess.run([PROGRAM, *args], cwd=tmp_path, capture_output=True, timeout=60).returncode == 1
