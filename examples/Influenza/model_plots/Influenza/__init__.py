"""Plot functions of the model, for the `utopya` frontend."""

from pathlib import Path
from typing import Any

import numpy as np
from utopya.eval import PlotHelper, is_plot_func

OBSERVATIONS = Path(__file__).parents[2] / "data/influenza_england_1978_school.csv"


@is_plot_func(  # type: ignore[untyped-decorator]  # utopya has no type information
    use_dag=True, required_dag_tags=("infected",)
)
def infected(*, data: dict[str, Any], hlpr: PlotHelper) -> None:
    """Plots the number of infected boys beside the number that was observed.

    Args:
        data: ``infected`` is the number of infected boys, array[time, member]
        hlpr: The plot helper
    """
    ensemble = data["infected"]
    day = ensemble["time"]
    for low, high, alpha in ((0.05, 0.95, 0.15), (0.25, 0.75, 0.35)):
        hlpr.ax.fill_between(
            day,
            ensemble.quantile(low, "member"),
            ensemble.quantile(high, "member"),
            color="tab:blue",
            alpha=alpha,
            linewidth=0,
            label=f"{high - low:.0%} of the outbreaks",
        )
    hlpr.ax.plot(day, ensemble.mean("member"), color="tab:blue", label="Mean")

    observed = np.loadtxt(OBSERVATIONS, delimiter=",", comments=["#", "day"])
    hlpr.ax.plot(*observed.T, "ko", label="Observed, 1978")

    hlpr.provide_defaults("set_labels", x="Time [days]", y="Infected boys")
    hlpr.provide_defaults("set_legend", use_legend=True)
