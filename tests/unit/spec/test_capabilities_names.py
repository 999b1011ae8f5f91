"""Capabilities by name: what --cap-add and --cap-drop mean."""

from __future__ import annotations

import pytest

from tiffin.errors import InvalidParameter
from tiffin.spec.capabilities import DEFAULT, NAMES, NUMBERS, apply_caps, known, normalize, to_mask


def test_numbers_are_the_kernels() -> None:
    picked = {"CAP_CHOWN": 0, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27, "CAP_SYSLOG": 34, "CAP_CHECKPOINT_RESTORE": 40}
    assert {name: NUMBERS[name] for name in picked} == picked
    assert len(NAMES) == 41


def test_a_container_that_asks_for_nothing_has_dockers_fourteen() -> None:
    assert apply_caps(None, None) == list(DEFAULT)
    assert to_mask(DEFAULT) == 0xA80425FB


def test_the_prefix_and_the_case_do_not_matter() -> None:
    assert normalize(["net_admin", "CAP_SYS_TIME", "all"]) == ["CAP_NET_ADMIN", "CAP_SYS_TIME", "ALL"]


@pytest.mark.parametrize("name", ["CAP_FLY", "fly", "CAP_ALL", ""])
def test_an_unknown_name_is_an_invalid_parameter_in_dockers_words(name: str) -> None:
    with pytest.raises(InvalidParameter, match=r'^unknown capability: "CAP_'):
        apply_caps([name], None)


def test_a_capability_that_this_kernel_lacks_is_unknown() -> None:
    with pytest.raises(InvalidParameter):
        normalize(["BPF"], last=37)


def test_adding_all_keeps_what_is_dropped_away() -> None:
    assert apply_caps(["ALL"], ["MKNOD"]) == [name for name in NAMES if name != "CAP_MKNOD"]


def test_dropping_all_leaves_only_what_is_added() -> None:
    assert apply_caps(["chown", "CAP_CHOWN"], ["ALL"]) == ["CAP_CHOWN"]
    assert apply_caps(None, ["ALL"]) == []


def test_what_is_added_again_is_there_once() -> None:
    assert apply_caps(["CHOWN", "SYS_TIME"], ["MKNOD", "CHOWN"]).count("CAP_CHOWN") == 1
    assert "CAP_MKNOD" not in apply_caps(["SYS_TIME"], ["MKNOD"])


def test_privileged_is_everything_the_kernel_knows_whatever_was_asked() -> None:
    assert apply_caps(["FLY"], ["ALL"], privileged=True, last=40) == known(40) == list(NAMES)
