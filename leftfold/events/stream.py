"""Stream names: ``category-id``. The first ``-`` splits; the category has none, the id is not empty."""

from __future__ import annotations

from leftfold.errors import InvalidArgument

MAX_STREAM_BYTES = 512


def check_stream(name: str) -> str:
    """Check a stream name: at most 512 bytes of UTF-8, no NUL, ``category-id``."""
    if not isinstance(name, str):
        raise InvalidArgument(f"a stream name is a str such as 'BankAccount-alice', not {name!r}")
    category, dash, rest = name.partition("-")
    if not (category and dash and rest):
        raise InvalidArgument(f"{name!r} is no stream name: expected 'category-id', for example 'BankAccount-alice'")
    return _check_text(name, "stream name")


def stream_name(category: str, stream_id: str) -> str:
    """The checked name of a thing's stream."""
    if not isinstance(stream_id, str) or not stream_id:
        raise InvalidArgument(f"the id of a {category} is a str that is not empty, not {stream_id!r}")
    return check_stream(f"{check_category(category)}-{stream_id}")


def check_category(name: str) -> str:
    """Check a category: not empty, without ``-``."""
    if not isinstance(name, str) or not name or "-" in name:
        raise InvalidArgument(f"{name!r} is no category: expected a name without '-', for example 'BankAccount'")
    return _check_text(name, "category")


def check_tag(tag: str) -> str:
    """Check a tag: not empty, at most 512 bytes of UTF-8, no NUL; by custom ``name:value``."""
    if not isinstance(tag, str) or not tag:
        raise InvalidArgument(f"{tag!r} is no tag: expected a str such as 'student:7'")
    return _check_text(tag, "tag")


def _check_text(text: str, what: str) -> str:
    if type(text) is not str:  # a subclass of str, which encoders do not know
        text = str.__str__(text)
    if text.isascii() and len(text) <= MAX_STREAM_BYTES and "\0" not in text:  # nearly always, and cheap to test
        return text
    if "\0" in text:
        raise InvalidArgument(f"{text!r} is no {what}: it contains a NUL character")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidArgument(f"{text!r} is no {what}: it contains a lone surrogate, which is no character") from None
    if size > MAX_STREAM_BYTES:
        raise InvalidArgument(
            f"the {what} {text[:40]!r}… has {size} bytes of UTF-8; at most {MAX_STREAM_BYTES} are allowed"
        )
    return text
