"""Fits the transmission and the recovery rate to the observations of 1978.

The error of a pair of rates is the relative error that the model reports, too: that of
the mean outbreak, over all members and seeds. The mean over the errors of single
outbreaks would be something else. It measures how much outbreaks differ as well, which
no pair of rates can be blamed for: they differ by when they take off, by chance.

The rates with the least error are the estimate. How far it can be trusted is told by
three ranges, from the narrowest question to the widest:

- of the rates with hardly more error: how sharp the minimum is;
- of the estimates by single seeds: how much the number of members matters;
- of the estimates from outbreaks of the model itself, each taken for what was observed:
  how much a single outbreak can tell, if the model is right.

Usage: python fit.py RUN
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from utopya_backend import import_package_from_dir
from utopya_backend.io import open_output
from utopya_backend.io.opening import find_outputs

GRID = ["transmission_rate", "recovery_rate"]
COLUMNS = [*GRID, "growth_rate", "R0"]
HARDLY_MORE = 1.25
"""Rates are nearly as good as the best if their error is this many times the least."""

PUBLISHED = {
    "Keeling and Rohani": (1.66, 1 / 2.2),
    "Grinsztajn et al.": (1.73, 0.54),
}
"""Transmission and recovery rate [1/day]; docs/fit.md has the sources."""


def load_observations() -> xr.DataArray:
    """The number of boys confined to bed, array[time]."""
    impl = import_package_from_dir(str(Path(__file__).parent / "impl"))
    observed = impl.model.load_observations()
    return xr.DataArray(observed, {"time": range(len(observed))})


def load_infected(run: str | Path) -> xr.DataArray:
    """The number of infected boys; NaN where a universe is missing or not finished.

    Args:
        run: The directory of a sweep over both rates and, maybe, the seed

    Returns:
        array[recovery_rate, transmission_rate, seed, time, member]
    """
    tree = open_output(run)
    infected = tree["Influenza/I"].where(tree["status"] == "finished")
    return infected if "seed" in infected.dims else infected.expand_dims("seed")


def relative_error(infected: xr.DataArray, observed: xr.DataArray) -> xr.DataArray:
    """How far numbers of infected boys are from what was observed.

    Args:
        infected: array[…, time]
        observed: array[time]; with further dimensions, several observations

    Returns:
        The norm of the difference, relative to the norm of the observations, over the
        days that both have: as of the model's ``relative_error``
    """
    infected, observed = xr.align(infected, observed)
    squares = ((infected - observed) ** 2).sum("time", skipna=False)
    return (squares / (observed**2).sum("time")) ** 0.5


def least(error: xr.DataArray) -> xr.Dataset:
    """The rates with the least error.

    Args:
        error: array[recovery_rate, transmission_rate, …], NaN where it is not known

    Returns:
        ``transmission_rate``, ``recovery_rate``, ``growth_rate``, ``R0`` and ``error``;
        for each of the further dimensions
    """
    found = error.isel(error.fillna(np.inf).argmin(GRID))
    return _estimates(found.where(found.notnull()))


def near_least(error: xr.DataArray) -> xr.Dataset:
    """All rates with hardly more error than the least.

    Args:
        error: array[recovery_rate, transmission_rate]

    Returns:
        As of :py:func:`least`, for each point
    """
    points = error.stack(point=GRID)
    near = points[points <= HARDLY_MORE * points.min()]
    return _estimates(near.reset_index("point"))


def _estimates(error: xr.DataArray) -> xr.Dataset:
    rates = error.to_dataset(name="error").reset_coords(GRID)
    rates = rates.where(rates["error"].notnull())
    transmission, recovery = (rates[name] for name in GRID)
    return rates.assign(growth_rate=transmission - recovery, R0=transmission / recovery)


# .. What is shown ............................................................


def draw(
    error: xr.DataArray, best: xr.Dataset, outbreaks: xr.Dataset, path: Path
) -> None:
    """Draws the heat map of the error, with contours at multiples of the least.

    Args:
        error: array[recovery_rate, transmission_rate]
        best: The rates with the least error
        outbreaks: Those that are estimated from outbreaks of the model
        path: The picture
    """
    x, y = GRID
    figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    image = error.plot.pcolormesh(
        ax=ax, x=x, y=y, cmap="viridis_r", vmax=1, add_colorbar=False
    )
    figure.colorbar(image, label="Relative error of the mean outbreak", extend="max")
    levels = float(best["error"]) * np.array([HARDLY_MORE, 2, 3])
    contours = error.plot.contour(ax=ax, x=x, y=y, levels=levels, colors=["black"])
    ax.clabel(contours, fmt="%.2f", fontsize=8)
    ax.scatter(
        outbreaks[x], outbreaks[y], 8, "white", alpha=0.3, label="Model's outbreaks"
    )
    for (name, rates), marker in zip(PUBLISHED.items(), "os", strict=True):
        ax.plot(*rates, marker, color="black", markerfacecolor="none", label=name)
    ax.plot(best[x], best[y], "*", color="#d55e00", markersize=12, label="Least error")
    ax.set(xlabel="Transmission rate [1/day]", ylabel="Recovery rate [1/day]")
    ax.legend(loc="upper left", facecolor="0.7")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def describe(name: str, estimates: xr.Dataset, coverage: float = 1) -> str:
    """A line of the table.

    Args:
        name: What the rates are
        estimates: The rates, one or more
        coverage: The share of them that lies within the range

    Returns:
        The rates, or their ranges
    """
    tails = [(1 - coverage) / 2, (1 + coverage) / 2]
    cells = []
    for column in COLUMNS:
        low, high = estimates[column].quantile(tails).values
        cells.append(f"{low:.3f}" if low == high else f"{low:.3f} to {high:.3f}")
    return _line(name, cells)


def _line(name: str, cells: list[str]) -> str:
    return (name.ljust(32) + "".join(cell.ljust(19) for cell in cells)).rstrip()


def main(run: str) -> None:
    """Prints the estimate, and draws the error.

    Args:
        run: The directory of the sweep
    """
    observed, infected = load_observations(), load_infected(run)
    mean = infected.mean(["seed", "member"])
    error = relative_error(mean, observed)
    if not error.notnull().any():
        sys.exit(f"No universe of {run} has finished.")
    best = least(error)
    seeds = least(relative_error(infected.mean("member"), observed))
    there = infected.sel({name: best[name] for name in GRID}, drop=True)
    outbreaks = least(relative_error(mean, there))

    print(_line("", COLUMNS))
    print(describe(f"Least error, {float(best['error']):.3f}", best))
    print(describe(f"Up to {HARDLY_MORE} times that error", near_least(error)))
    print(describe(f"Each of the seeds, {seeds.sizes['seed']}", seeds))
    print(describe("90 % of the model's outbreaks", outbreaks, 0.9))
    picture = find_outputs(run)[0].parents[2] / "eval/fit.png"
    draw(error, best, outbreaks, picture)
    print(f"Heat map: {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the directory of a sweep: see fit.yml.")
    main(sys.argv[1])
