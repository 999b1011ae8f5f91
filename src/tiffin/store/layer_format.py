"""How a layer says "gone": whiteouts in a tar and on disk, and which extended attributes belong to a layer. No I/O.

    in a tar                        in an overlay upper or lower directory
    dir/.wh.name                    dir/name is a character device 0:0
    dir/.wh..wh..opq                dir has trusted.overlay.opaque = "y"
    .wh..wh.*                       nothing: notes of aufs to itself

Sources: OCI image-spec layer.md; Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

WHITEOUT: Final = b".wh."
WHITEOUT_META: Final = b".wh..wh."
OPAQUE_MARKER: Final = b".wh..wh..opq"
OPAQUE_XATTR: Final = b"trusted.overlay.opaque"

# Overlayfs may leave these in an upper directory if it is mounted with metacopy or redirect_dir: the tree is then not
# what it seems, and a tar of it would be silently wrong.
FOREIGN_OVERLAY_XATTRS: Final = frozenset((b"trusted.overlay.metacopy", b"trusted.overlay.redirect"))

_KEPT: Final = frozenset((b"security.capability", b"system.posix_acl_access", b"system.posix_acl_default"))


def keeps_xattr(name: bytes) -> bool:
    """Whether an attribute is part of a layer.

    Not trusted.* (it would steer overlayfs), user.overlay.* (the same for a rootless mount), security.* of other
    modules (labels are the host's business).
    """
    if name in _KEPT:
        return True
    return name.startswith(b"user.") and not name.startswith(b"user.overlay.")
