"""Ids and names: 64 hexadecimal digits, and `adjective_dish` for a container that the user did not name."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable

from tiffin.errors import InvalidParameter

_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")
_ID = re.compile(r"[0-9a-f]{64}\Z")

def _words(text: str) -> list[str]:
    return text.split()


ADJECTIVES = _words(
    "airy amber balmy basil brisk briny buttery candid caramel charred chewy chilled cinnamon citrus cloudy "
    "copper cosy creamy crimson crisp crumbly curried dappled dewy earthy fiery flaky fluffy folded fragrant "
    "fresh frothy fruity gilded ginger glazed golden grassy hazel hearty honeyed humble indigo jolly juicy "
    "kindled layered leafy lemony light malty mellow merry milky minty mossy nimble nutty oaky olive onyx peppery "
    "piquant plum plush polished quick quiet rainy rippling roasted rosy rustic saffron salted savoury scarlet "
    "seared silken simmered smoky snowy spiced spry stacked steamed sunny supple tangy tart tender toasted "
    "tropical umber velvet warm whisked wild zesty"
)

DISHES = _words(
    "arepa baguette bao barfi bento biryani biscotti bisque blini borek bouillon brioche burrito calzone cannoli "
    "ceviche chaat challah chapati chowder chutney ciabatta compote congee couscous crepe crumpet dal dolma dosa "
    "dumpling empanada enchilada falafel fattoush focaccia fondue frittata galette gnocchi goulash gyoza halva "
    "hummus idli injera kebab kedgeree kimchi kofta korma laksa lassi latke lavash lentil mochi moussaka muesli "
    "naan nougat okonomiyaki omelette onigiri paella pakora paneer pesto pho pickle pierogi pilaf polenta "
    "porridge pretzel pulao raita ramen ratatouille ravioli risotto roti samosa sambal scone soba souffle strudel "
    "sushi tagine tamale tempura thali tiramisu tortilla udon uttapam vadai waffle"
)


def new_id(taken: Callable[[str], bool]) -> str:
    """Docker's ids are never all digits in their first twelve, so that a short id is no number."""
    while True:
        id = os.urandom(32).hex()
        if not id[:12].isdigit() and not taken(id):
            return id


def random_name(taken: Callable[[str], bool]) -> str:
    for attempt in range(10_000):
        name = f"{random.choice(ADJECTIVES)}_{random.choice(DISHES)}"
        if attempt > 5:
            name = f"{name}{random.randrange(attempt * 10)}"
        if not taken(name):
            return name
    raise InvalidParameter("no free name was found: name the container with --name")


def check_name(name: str) -> str:
    """The name without its leading slash."""
    if not _NAME.match(name):
        raise InvalidParameter(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return name.removeprefix("/")


def is_id(text: str) -> bool:
    return bool(_ID.match(text))
