"""The alert rules and the dashboard of the documentation, against what a service exposes."""

import asyncio
import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from faststream_integrations.prometheus import GAUGES
from faststream_integrations.testing import asgi_client
from tests.docs.examples import example

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yml").read_text())
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

OF_PROMETHEUS = {"job", "instance"}
WORDS = {"and", "or", "unless", "bool", "by", "on", "without", "ignoring"}
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(\s*\()?")


def expressions():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            yield variable["name"], f"max by ({query[2]}) ({query[1]})"


def series_of(expression):
    """Return each series that an expression uses with the labels that it selects by."""
    without_groups = GROUPING.sub(" ", expression)
    without_ranges = re.sub(r"\[[^\]]*\]", "", without_groups)
    for name, selectors, call in SELECTOR.findall(without_ranges):
        if not call and name not in WORDS:
            yield name, set(re.findall(r"(\w+)\s*=~?", selectors))


@pytest.fixture(scope="module")
def exposed(nats_url):
    """The labels of every series that the example of the documentation exposes."""

    async def scrape():
        with example("operations_metrics.py", nats_url) as page:
            async with asgi_client(page.without_a_framework) as client:
                await page.broker.publish("one", "orders")
                while True:
                    text = (await client.get("/metrics")).text
                    found = {}
                    for family in text_string_to_metric_families(text):
                        for sample in family.samples:
                            found.setdefault(sample.name, set()).update(sample.labels)
                    if "faststream_received_processed_messages_total" in found:
                        return found
                    await asyncio.sleep(0.01)

    return asyncio.run(scrape())


def test_every_gauge_is_exposed_with_its_labels(exposed):
    assert {name: exposed[name] for name in GAUGES} == {
        name: set(labels) for name, (labels, _) in GAUGES.items()
    }


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_every_series_that_is_used_exists(name, expression, exposed):
    used = list(series_of(expression))
    assert used
    known = exposed | {"up": set()}
    for series, labels in used:
        assert series in known, f"{name} uses {series}"
        assert labels <= known[series] | OF_PROMETHEUS, f"{name} selects {series} by {labels}"
    grouped = {
        label.strip() for group in GROUPING.findall(expression) for label in group.split(",")
    }
    at_hand = set().union(*(known[series] for series, _ in used))
    assert grouped <= at_hand | OF_PROMETHEUS | {"pid"}, name


@pytest.mark.parametrize("rule", [rule for group in RULES["groups"] for rule in group["rules"]])
def test_alert_says_how_bad_it_is_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}
    kept = GROUPING.search(rule["expr"])
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        if rule["expr"].startswith(("max by", "min by", "time() - max by")):
            assert label in kept[1]


def test_panels_stand_side_by_side():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for one, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
        assert one["x"] + one["w"] <= 24


def test_dashboard_shows_every_gauge():
    shown = {series for panel in PANELS for target in panel["targets"]
             for series, _ in series_of(target["expr"])}  # fmt: skip
    assert GAUGES.keys() <= shown


def test_alerts_fire_when_they_should_and_only_then():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool, of Prometheus, is not installed.")
    for command in (
        ["check", "rules", str(MONITORING / "alerts.yml")],
        ["test", "rules", str(Path(__file__).with_name("alerts_test.yml"))],
    ):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
