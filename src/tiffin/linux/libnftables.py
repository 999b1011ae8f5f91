"""nftables through libnftables.so.1, in JSON (man 5 libnftables-json). No policy; the library opens its own socket.

A context talks to the network namespace of the thread that makes it, so one is made for every call; that costs less
than a millisecond and rules change rarely. One call is one transaction: the kernel takes all of it or none.
"""

from __future__ import annotations

import ctypes
import json

from tiffin.linux.libc import c_char_p, c_int, c_uint, c_void_p

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NFT_CTX_OUTPUT_HANDLE = 1 << 3
NFT_CTX_OUTPUT_JSON = 1 << 4


class NftablesError(OSError):
    """nft refused; the text is its own. `errno` is unknown to the library and stays None."""


class NftablesMissing(NftablesError):
    """There is no libnftables.so.1 on this machine."""


def _load() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libnftables.so.1")
    except OSError:
        return None
    for name, restype, argtypes in (
        ("nft_ctx_new", c_void_p, (c_uint,)),
        ("nft_ctx_free", None, (c_void_p,)),
        ("nft_ctx_output_set_flags", None, (c_void_p, c_uint)),
        ("nft_ctx_buffer_output", c_int, (c_void_p,)),
        ("nft_ctx_buffer_error", c_int, (c_void_p,)),
        ("nft_ctx_get_output_buffer", c_char_p, (c_void_p,)),
        ("nft_ctx_get_error_buffer", c_char_p, (c_void_p,)),
        ("nft_run_cmd_from_buffer", c_int, (c_void_p, c_char_p)),
    ):
        function = getattr(library, name)  # the attribute is cached, library[name] would be another object
        function.restype = restype
        function.argtypes = argtypes
    return library


_library: ctypes.CDLL | None = None


def _loaded() -> ctypes.CDLL:
    global _library
    if _library is None:
        _library = _load()
    if _library is None:
        raise NftablesMissing("libnftables.so.1 not found: install libnftables1 (Debian, Ubuntu) or nftables")
    return _library


def run(commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do `commands` (objects of libnftables-json) in one transaction; what a list command printed comes back."""
    library = _loaded()
    context = library.nft_ctx_new(0)
    if not context:
        raise NftablesError("nft_ctx_new failed")
    try:
        library.nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE)
        if library.nft_ctx_buffer_output(context) or library.nft_ctx_buffer_error(context):
            raise NftablesError("libnftables cannot buffer its output")
        status = library.nft_run_cmd_from_buffer(context, json.dumps({"nftables": commands}).encode())
        if status:
            text = (library.nft_ctx_get_error_buffer(context) or b"").decode(errors="replace").strip()
            raise NftablesError(f"nft: {text or f'status {status}'}")
        output = library.nft_ctx_get_output_buffer(context) or b""
    finally:
        library.nft_ctx_free(context)
    if not output.strip():
        return []
    answer: list[dict[str, Any]] = json.loads(output)["nftables"]
    return answer
