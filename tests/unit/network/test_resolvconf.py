"""resolv.conf of a container."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tiffin.network.resolvconf import FALLBACK_NAMESERVERS, ResolvConf, for_container, is_systemd_stub, parse

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-:", min_size=1, max_size=12)
HOST = parse("# made by hand\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nnameserver ::1\nsearch a.test b.test\n")


@given(st.lists(words, max_size=3), st.lists(words, max_size=3), st.lists(words, max_size=3))
def test_what_is_rendered_reads_the_same(nameservers: list[str], search: list[str], options: list[str]) -> None:
    made = ResolvConf(tuple(nameservers), tuple(search), tuple(options))
    assert parse(made.render()) == made


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    parse(text)


def test_the_hosts_own_resolver_is_left_out() -> None:
    made = for_container(HOST)
    assert (made.nameservers, made.search) == (("192.0.2.53",), ("a.test", "b.test"))


def test_in_the_hosts_network_its_resolver_is_kept() -> None:
    assert for_container(HOST, host_network=True) == HOST


def test_with_nothing_reachable_dockers_fallback_is_used() -> None:
    assert for_container(parse("nameserver 127.0.0.53\n")).nameservers == FALLBACK_NAMESERVERS
    assert for_container(parse("nameserver fe80::1%eth0\n")).nameservers == FALLBACK_NAMESERVERS


def test_what_was_asked_for_overrides_the_host() -> None:
    made = for_container(HOST, dns=["127.0.0.1"], dns_search=["c.test"], dns_options=["ndots:1"])
    assert made.render() == "nameserver 127.0.0.1\nsearch c.test\noptions ndots:1\n"


def test_a_dot_clears_the_search_list() -> None:
    assert for_container(HOST, dns_search=["."]).search == ()


def test_of_search_and_domain_the_last_counts() -> None:
    assert parse("search a.test b.test\ndomain c.test\n").search == ("c.test",)


def test_only_systemd_resolved_alone_is_its_stub() -> None:
    assert is_systemd_stub(parse("nameserver 127.0.0.53\noptions edns0\n"))
    assert not is_systemd_stub(parse("nameserver 127.0.0.53\nnameserver 192.0.2.1\n"))
