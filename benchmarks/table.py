"""The figures of ./dev bench http as lines of text, each with its ratio to the echo and to peers, and to its goal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

PEERS = ("cerbos", "cedar", "spicedb")


def table(figures: Mapping[str, float], connections: Sequence[int]) -> Iterator[str]:
    yield f"{'':28}{'per second':>12}{'p50 us':>10}{'p99 us':>10}{'errors':>8}{'cpu us':>8}{'x echo':>8}"
    for name in ("echo", "http"):
        for count in connections:
            key = f"{name}_{count}"
            ratio = figures[f"{key}_per_s"] / figures[f"echo_{count}_per_s"]
            yield _line(f"{name}, {count} connections", figures, key) + f"{ratio:8.2f}"
    yield _line("batches over HTTP, requests", figures, "batch")
    yield f"{'pairs in batches over HTTP':28}{figures['batch_pairs_per_s']:12,.0f}"
    yield f"{'pairs in batches in process':28}{figures['in_process_pairs_per_s']:12,.0f}"
    for name in ("echo", "http"):
        yield f"{name}: resident {figures[f'{name}_rss_mib']:.0f} MiB, its own {figures[f'{name}_uss_mib']:.0f} MiB"
    yield from _beside_peers(figures)


def goals(figures: Mapping[str, float]) -> Iterator[str]:
    """Each goal, and whether these figures reach it."""
    floor = figures["http_64_per_s"] / figures["echo_64_per_s"]
    reached = {
        "64 connections: 15,000/s": figures["http_64_per_s"] >= 15_000,
        f"64 connections: 0.75 x the echo (it is {floor:.2f})": floor >= 0.75,
        "64 connections: p99 below 12 ms": figures["http_64_p99_us"] < 12_000,
        "1 connection: p50 below 0.5 ms": figures["http_1_p50_us"] < 500,
        "batches: 50,000 pairs/s over HTTP": figures["batch_pairs_per_s"] >= 50_000,
        "no errors": not any(value for key, value in figures.items() if key.endswith("_errors")),
    }
    return (f"{'reached' if yes else 'MISSED':8} {goal}" for goal, yes in reached.items())


def _line(title: str, figures: Mapping[str, float], key: str) -> str:
    per_s, p50, p99, errors, cpu = (
        figures[f"{key}_{what}"] for what in ("per_s", "p50_us", "p99_us", "errors", "cpu_us")
    )
    return f"{title:28}{per_s:12,.0f}{p50:10,.0f}{p99:10,.0f}{errors:8.0f}{cpu:8.1f}"


def _beside_peers(figures: Mapping[str, float]) -> Iterator[str]:
    """Ours over theirs, figure by figure; theirs are neither audited nor durable, and the circle is given to them."""
    for peer in PEERS:
        ours_and_theirs = {
            "64 connections, per second": ("http_64_per_s", f"{peer}_64_per_s"),
            "1 connection, p50 us": ("http_1_p50_us", f"{peer}_1_p50_us"),
            "one at a time in process, p50 us (ours: over HTTP)": ("http_1_p50_us", f"{peer}_single_p50_us"),
            "pairs per second (ours: over HTTP)": ("batch_pairs_per_s", f"{peer}_batch_pairs_per_s"),
        }
        for what, (ours, theirs) in ours_and_theirs.items():
            if theirs in figures:
                ratio = figures[ours] / figures[theirs]
                yield f"{peer}: {what}: {figures[theirs]:,.0f}; ours {figures[ours]:,.0f}, {ratio:.2f} x"
