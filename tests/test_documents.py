"""The documents: their links lead somewhere, and what they show runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpt.sagemaker.request.job_file import load_job_file
from hpt.sagemaker.request.parse import parse_request

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for folder in (ROOT, ROOT / "docs", ROOT / "benchmarks", ROOT / "examples")
    for path in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(page: Path) -> set[str]:
    """Where a link into a page may lead: explicit anchors, and headings as GitHub spells them."""
    text = page.read_text(encoding="utf-8")
    found = set(re.findall(r'<a id="([^"]+)">', text))
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.MULTILINE)
    for heading in headings:
        plain = re.sub(r"<[^>]*>", "", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target} is not there"
        if anchor and place.suffix == ".md":
            assert anchor in anchors(place), f"{target}: no such heading"


def test_the_readme_is_short_and_its_library_example_runs() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 150
    names: dict[str, object] = {}
    exec(blocks(readme, "python")[0], names)
    tuner = names["tuner"]
    assert tuner.best_value == 0.91  # type: ignore[attr-defined]
    assert set(tuner.best_config) == {"eta", "lambda", "max_depth", "booster"}  # type: ignore[attr-defined]


def test_the_tutorials_job_file_is_right(tmp_path: Path) -> None:
    tutorial = ROOT / "docs" / "tutorial.md"
    (tmp_path / "train.py").write_text(blocks(tutorial, "python")[0])
    (tmp_path / "job.yaml").write_text(blocks(tutorial, "yaml")[0])
    request, base_dir = load_job_file(tmp_path / "job.yaml")
    job = parse_request(request, base_dir=base_dir)
    [metric] = job.definition.metric_definitions
    assert re.findall(metric.regex, "epoch 3: validation accuracy: 0.9356") == ["0.9356"]


def test_a_strategy_of_ones_own_runs() -> None:
    [example] = [code for code in blocks(ROOT / "docs" / "how-to.md", "python") if "def suggest" in code]
    names: dict[str, object] = {}
    exec(example, names)
    trials = names["tuner"].trials  # type: ignore[attr-defined]
    assert trials[0].config["x"] == 0.5
    assert len(trials) == 4


def test_what_the_page_for_hosts_shows_runs() -> None:
    kept, stateless = blocks(ROOT / "docs" / "hosts.md", "python")
    names: dict[str, object] = {}
    exec(kept, names)
    assert names["best"].value == 0.7  # type: ignore[attr-defined]
    exec(stateless, names)
    assert len(names["configs"]) == 4  # type: ignore[arg-type]
