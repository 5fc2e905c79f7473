"""Fits the transmission and the recovery rate to the observations of 1978.

The error of a pair of rates is the relative error that the model reports, too: that of
the mean outbreak, over all members and seeds. The mean over the errors of single
outbreaks would be something else. It measures how much outbreaks differ as well, which
no pair of rates can be blamed for: they differ by when they take off, by chance.

The rates with the least error are the estimate. How far it can be trusted is told by
three ranges, from the narrowest question to the widest:

- of the rates with hardly more error: how sharp the minimum is;
- of the estimates by single seeds: how much the number of members matters;
- of the estimates that outbreaks of the model itself give, if each is taken for what was
  observed: how much one outbreak can tell, even if the model is right.

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
    infected, observed = xr.align(infected, observed, exclude=GRID)
    squares = ((infected - observed) ** 2).sum("time", skipna=False)
    return np.sqrt(squares / (observed**2).sum("time"))


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
    """Draws the heat map of the error.

    Args:
        error: array[recovery_rate, transmission_rate]
        best: The rates with the least error
        outbreaks: Those that single outbreaks of the model have with each other
        path: The picture
    """
    figure, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    image = error.plot.pcolormesh(
        ax=ax, x=GRID[0], y=GRID[1], cmap="viridis_r", vmax=1, add_colorbar=False
    )
    figure.colorbar(image, label="Relative error of the mean outbreak", extend="max")
    if min(error.shape) > 1:
        levels = float(best["error"]) * np.array([HARDLY_MORE, 2, 3])
        error.plot.contour(ax=ax, x=GRID[0], y=GRID[1], levels=levels, colors="black")
    ax.scatter(
        *(outbreaks[name] for name in GRID), s=6, color="white", alpha=0.2, linewidth=0
    )
    ax.plot(*(best[name] for name in GRID), "*", color="#d55e00", label="Least error")
    for (name, rates), marker in zip(PUBLISHED.items(), "osD^", strict=False):
        ax.plot(*rates, marker, color="#d55e00", markerfacecolor="none", label=name)
    ax.set(xlabel="Transmission rate [1/day]", ylabel="Recovery rate [1/day]")
    ax.legend(loc="upper left")
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
    cells = [name.ljust(36)]
    for column in COLUMNS:
        low, high = estimates[column].quantile(tails)
        cells.append(f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}")
    return "".join(cell.ljust(16) for cell in cells).rstrip()


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

    print(" " * 36 + "".join(name.ljust(16) for name in COLUMNS))
    print(describe(f"Least error, {float(best['error']):.3f}", best))
    print(describe(f"Error of up to {HARDLY_MORE} times that", near_least(error)))
    print(describe(f"Least error with one of {seeds.sizes['seed']} seeds", seeds))
    print(describe("Of 90 % of the model's outbreaks", outbreaks, 0.9))
    picture = find_outputs(run)[0].parents[2] / "eval/fit.png"
    draw(error, best, outbreaks, picture)
    print(f"Heat map: {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the directory of a sweep: see fit.yml.")
    main(sys.argv[1])
