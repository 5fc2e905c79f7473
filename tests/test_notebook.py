"""The example notebook, executed by a real kernel."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

PATH = Path(__file__).parents[1] / "docs/notebook.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(PATH, as_version=4)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()  # raises what a cell raises

    outputs = {
        cell.source: cell.outputs for cell in notebook.cells if cell.cell_type == "code"
    }

    def shown_by(start):
        (found,) = (out for source, out in outputs.items() if source.startswith(start))
        assert not [out for out in found if out.get("name") == "stderr"]
        text = "".join(out.get("text", "") for out in found)
        return text, {k: v for out in found for k, v in out.get("data", {}).items()}

    _, data = shown_by("result =")
    assert "application/vnd.jupyter.widget-view+json" in data  # the progress bar
    assert "Epidemic: finished after 120 iterations" in data["text/plain"]
    assert "image/png" in shown_by("draw(infected)")[1]
    text, _ = shown_by("for rate in")
    assert [line.split(":")[0] for line in text.splitlines()] == [
        "rate 0.15", "rate 0.2", "rate 0.3",
    ]  # fmt: skip
    text, _ = shown_by("try:")
    assert "Did you mean 'rate'?" in text
