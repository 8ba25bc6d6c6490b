"""What is written for Prometheus is what its own parser reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from jqjobs.base.exposition import Histogram, Metric, exposition


def samples(*metrics: Metric) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(exposition(metrics))
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def test_labels_are_read_back_whatever_they_hold() -> None:
    value = 'a "quoted"\\path\nof two lines ä'
    text = exposition([Metric("jqjobs_x", "gauge", "Help.", ("queue",), [((value,), 2)])])
    [family] = text_string_to_metric_families(text)
    assert (family.name, family.type, family.documentation) == ("jqjobs_x", "gauge", "Help.")
    assert (family.samples[0].labels, family.samples[0].value) == ({"queue": value}, 2)


def test_a_histogram_adds_its_buckets_up() -> None:
    metric = Metric("jqjobs_s", "histogram", "Help.", ("q",), [(("a",), Histogram((0.005, 10), (3, 0, 2), 25.0625))])
    q = ("q", "a")
    assert samples(metric) == {
        ("jqjobs_s_bucket", frozenset({q, ("le", "0.005")})): 3,
        ("jqjobs_s_bucket", frozenset({q, ("le", "10")})): 3,
        ("jqjobs_s_bucket", frozenset({q, ("le", "+Inf")})): 5,
        ("jqjobs_s_sum", frozenset({q})): 25.0625,
        ("jqjobs_s_count", frozenset({q})): 5,
    }


def test_large_numbers_lose_nothing() -> None:
    number = 2**53 - 1
    assert samples(Metric("jqjobs_x_total", "counter", "Help.", (), [((), number)])) == {
        ("jqjobs_x_total", frozenset()): number
    }
    assert f" {number}\n" in exposition([Metric("jqjobs_x", "gauge", "Help.", (), [((), number)])])
