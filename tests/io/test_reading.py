import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray
from dantro.containers import XrDataContainer

from utopya_backend import StepwiseModel
from utopya_backend.io import OutputFile, open_output, write_coords, write_labels
from utopya_backend.io.journal import journal_path
from utopya_backend.io.reading import LabelWarning, RecoveryWarning


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "data.h5")


@pytest.fixture
def write(path):
    """Writes a file by a function, and opens it."""

    def write_and_open(function):
        with h5py.File(path, "w") as file:
            function(file)
        return open_output(path)

    return write_and_open


# .. Labels ............

MODES = {
    "values": [1.5, 2, 7],
    "range": [2, 8, 2],
    "arange": [0.0, 1.5, 0.5],
    "linspace": [0, 1, 3],
    "logspace": [0, 2, 3],
    "start_and_step": [10, 5],
    "trivial": [],
}


class Container(XrDataContainer):
    _XRC_DIMS_ATTR = "dim_names"
    _XRC_COORDS_ATTR_PREFIX = "coords__"
    _XRC_COORDS_MODE_ATTR_PREFIX = "coords_mode__"
    _XRC_COORDS_MODE_DEFAULT = "values"


@pytest.mark.parametrize("mode", MODES)
def test_coordinates_as_in_the_frontend(write, path, mode):
    def fill(file):
        dset = file.create_dataset("x", data=[3.0, 4.0, 5.0])
        write_labels(dset, ["dim"], {"dim": {"mode": mode, "coords": MODES[mode]}})

    read = write(fill)["x"]
    with h5py.File(path) as file:
        container = Container(name="x", data=file["x"][:], attrs=dict(file["x"].attrs))
    np.testing.assert_array_equal(read.dim, container.data.dim)
    np.testing.assert_array_equal(read, container.data)
    assert read.dims == ("dim",)


def test_spacings_between_floats(write):
    def fill(file):
        for name, mode in [("x", "linspace"), ("y", "logspace")]:
            dset = file.create_dataset(name, data=np.zeros(3))
            write_coords(dset, name, mode=mode, args=[0.5, 1.5, 3])
            dset.attrs["dim_names"] = [name]
            other = file.create_dataset(f"other_{name}", data=np.zeros(3))
            other.attrs["dim_names"] = [name]
            other.attrs[f"coords_mode__{name}"] = mode
            other.attrs[f"coords__{name}"] = [0.5, 1.5, 3]  # as another program may

    tree = write(fill)
    assert tree.x.values.tolist() == [0.5, 1.0, 1.5]
    np.testing.assert_allclose(tree.y, np.logspace(0.5, 1.5, 3))
    assert set(tree.dims) == {"x", "y"}


def test_slash_in_a_name(write):
    def fill(file):
        write_labels(file.create_dataset("a", data=[1, 2]), ["x/y"], {"x/y": [3, 4]})

    assert write(fill)["a"].sel(x_y=4) == 2


def test_scalar_and_named_one_by_one(write):
    def fill(file):
        dset = file.create_dataset("a", data=np.zeros((1, 2)))
        dset.attrs["dim_name__0"] = b"run"
        dset.attrs["coords_mode__run"] = "scalar"
        dset.attrs["coords__run"] = 7

    a = write(fill)["a"]
    assert a.dims == ("run", "a_dim_1")
    assert a.run.values.tolist() == [7]


@pytest.mark.parametrize(
    "values", [np.linspace(0, 1, 20_000), [f"name {i}" for i in range(8000)]]
)
def test_linked_coordinates(write, values):
    def fill(file):
        dset = file.create_dataset("group/a", data=np.zeros(len(values)))
        write_labels(dset, ["x"], {"x": values})

    group = write(fill)["group"]
    assert group["a"].x.values.tolist() == list(values)
    assert list(group.dataset.data_vars) == ["a"]


def test_coordinates_that_are_data_themselves(write):
    def fill(file):
        file["positions"] = [1.5, 2.5]
        dset = file.create_dataset("a", data=[1, 2])
        dset.attrs["dim_names"] = ["x"]
        dset.attrs["coords_mode__x"] = "linked"
        dset.attrs["coords__x"] = "positions"

    tree = write(fill)
    assert tree["a"].sel(x=2.5) == 2
    assert tree["positions"].values.tolist() == [1.5, 2.5]


@pytest.mark.parametrize("linked", [False, True])
def test_first_coordinates_of_a_dimension_that_grows(tmp_path, linked):
    """A run may have ended early, or not yet."""
    coords = np.arange(10_000 if linked else 9) * 0.5
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name, limit in (("open", None), ("limited", len(coords)), ("full", 4)):
            dset = file.create_dataset(name, (4,), "f8", maxshape=(limit,), chunks=(4,))
            write_labels(dset, ["time"], {"time": coords})
    with pytest.warns(LabelWarning, match="'time' of /full has the size 4, but"):
        tree = open_output(tmp_path / "data.h5")
    for name in ("open", "limited"):
        assert tree[name]["time"].values.tolist() == [0, 0.5, 1, 1.5]


@pytest.mark.parametrize(
    ("attrs", "text"),
    [
        ({"coords__x": [1, 2, 3]}, "has the size 2, but"),
        ({"coords__x": 1, "coords_mode__x": "odd"}, "mode 'odd'"),
        ({"coords__x": "no", "coords_mode__x": "linked"}, "cannot be made of"),
        ({"coords__x": [1], "coords_mode__x": "start_and_step"}, "cannot be made"),
        ({"coords__x": [1, np.inf], "coords_mode__x": "start_and_step"}, "cannot be"),
        ({"coords__x": [1e16], "coords_mode__x": "arange"}, "cannot be made of"),
        ({"dim_names": ["x", "x"]}, "the same name"),
    ],
)
def test_labels_that_do_not_fit(write, attrs, text):
    def fill(file):
        dset = file.create_dataset("a", data=[[1, 2], [3, 4]])
        dset.attrs.update({"dim_names": ["x", "y"], **attrs})

    with pytest.warns(LabelWarning, match=text):
        tree = write(fill)
    assert tree["a"].values.tolist() == [[1, 2], [3, 4]]
    assert not tree["a"].coords


# .. Dimensions of the same name ............


def test_datasets_of_different_length(write):
    def fill(file):
        for name, times in {"a": [0, 1, 2], "late": [2, 3], "b": [0, 1, 2]}.items():
            dset = file.create_dataset(name, data=np.array(times) * 1.0)
            write_labels(dset, ["time"], {"time": times})
        dset = file.create_dataset("below/c", data=[5, 6])
        write_labels(dset, ["time"], {"time": [7, 8]})
        dset = file.create_dataset("below/d", data=[5, 6, 7])
        write_labels(dset, ["time"], {"time": [0, 1, 2]})

    tree = write(fill)
    assert tree["a"].dims == tree["b"].dims == tree["below/d"].dims == ("time",)
    assert tree["late"].sel(late_time=3) == 3
    assert tree["below/c"].sel(c_time=8) == 6
    assert tree["below/d"].sel(time=2) == 7


@pytest.mark.parametrize("inner", [[5, 6], [5, 6, 7, 8]])
def test_new_names_do_not_collide(write, inner):
    lengths = {"a": 3, "b": 3, "late": 2, "g/late": len(inner), "g/g/late": 5}

    def fill(file):
        for name, length in lengths.items():
            dset = file.create_dataset(name, data=np.arange(length))
            dset.attrs["dim_names"] = ["time"]
        file["late_time"] = np.zeros((1, 1))

    tree = write(fill)
    for name, length in lengths.items():
        assert tree[name].values.tolist() == list(range(length))


def test_names_of_dimensions_that_are_used_otherwise(write):
    def fill(file):
        file["time_"] = 5
        file["group/y_/w"] = 2
        file["time"] = [[1, 2]]
        file["x"] = [1.0]
        file["group/y/z"] = 1
        dset = file.create_dataset("a", data=np.zeros((3, 2)))
        dset.attrs["dim_names"] = ["time", "x"]
        dset = file.create_dataset("group/b", data=np.zeros(2))
        dset.attrs["dim_names"] = ["y"]

    tree = write(fill)
    assert tree["time_"] == 5
    assert tree["time__"].values.tolist() == [[1, 2]]
    assert tree["group/y_/w"] == 2
    assert tree["x_"].values == [1.0]
    assert tree["group/y__/z"] == 1


# .. What there is in files ............


def test_all_types(write):
    def fill(file):
        file["text"] = "ä"
        file["bytes"] = b"a"
        file["bool"] = [True, False]
        file["complex"] = 1j
        dtype = np.dtype(("f4", (3,)))
        file.create_dataset("arrays", (2,), dtype)[:] = [[1, 2, 3], [4, 5, 6]]
        ragged = file.create_dataset("ragged", (), dtype=h5py.vlen_dtype(int))
        ragged[()] = [1, 2]
        file["record"] = np.array([(1, 2.5)], dtype=[("a", int), ("b", float)])
        file["ints"] = np.array([1, 2], dtype=">i2")
        file["empty"] = h5py.Empty(float)
        file[b"\xff"] = 7
        file["no_rows"] = np.zeros((0, 3))
        file["reference"] = np.array([file.ref], dtype=h5py.ref_dtype)
        file["nowhere"] = h5py.SoftLink("/not/there")
        file["loop/inside/again"] = h5py.SoftLink("/loop")
        file["loop/itself"] = file["loop"]
        file.create_group("empty group").attrs["key"] = "value"

    tree = write(fill)
    assert tree["text"].item() == "ä"
    assert tree["bytes"].item() in (b"a", "a")
    assert tree["bool"].values.tolist() == [True, False]
    assert tree["complex"].item() == 1j
    assert tree["\\xff"] == 7
    assert tree["arrays"].isel(arrays_dim_0=1).values.tolist() == [4, 5, 6]
    assert tree["ragged"].item().tolist() == [1, 2]
    assert tree["record"].values.tolist() == [(1, 2.5)]
    assert tree["ints"].values.tolist() == [1, 2]
    assert tree["no_rows"].shape == (0, 3)
    assert tree["empty group"].attrs == {"key": "value"}
    assert not {"reference", "nowhere", "empty"} & set(tree.dataset)


def test_text_that_is_no_utf8(write):
    def fill(file):
        file["a"] = np.array([b"\xff", b"x"], dtype=h5py.string_dtype("ascii"))
        file["b"] = [1]
        for name in ("dim_names", "other"):
            text = np.array([b"\xff"], dtype=h5py.string_dtype())
            file["b"].attrs.create(name, text)

    with pytest.warns(LabelWarning):
        tree = write(fill)
    assert tree["a"].values.tolist() == ["\\xff", "x"]
    assert tree["b"].values.tolist() == [1]


def test_external_links(write, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = [9, 9]
        other["group/y"] = [8]

    def fill(file):
        file["x"] = [1, 2]
        file["other"] = h5py.ExternalLink("other.h5", "/x")
        file["group"] = h5py.ExternalLink("other.h5", "/group")

    tree = write(fill)
    assert tree["other"].values.tolist() == [9, 9]
    assert tree["group/y"].values.tolist() == [8]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4)])
def test_grids(write, shape, order):
    grids = np.arange(5 * np.prod(shape)).reshape(5, *shape)

    def fill(file):
        rows = [grid.reshape(-1, order=order) for grid in grids]
        dset = file.create_dataset("grid", data=np.array(rows))
        write_labels(dset, ["time", "cell_ids"], {"time": np.arange(5) * 10})
        dset.attrs.update(content="grid", grid_shape=shape, index_order=order)
        dset.attrs["space_extent"] = [2.0] * len(shape)

    grid = write(fill)["grid"]
    assert grid.dims == ("time", *"xyz"[: len(shape)])
    np.testing.assert_array_equal(grid, grids)
    np.testing.assert_array_equal(grid.isel(y=1, time=[0, 3]), grids[[0, 3], :, 1])
    assert grid.x.values[0] == 1 / shape[0]
    assert grid.sel(time=20, x=2, method="nearest").shape == shape[1:]


@pytest.mark.parametrize(
    "attrs",
    [
        {"grid_shape": [2, 2]},
        {},
        {"grid_shape": [1, 1, 2, 3]},
        {"grid_shape": [2, 3], "space_extent": [1.0]},
        {"grid_shape": [2, 3], "dim_names": ["x", "cell_ids"]},
    ],
)
def test_grid_of_another_shape(write, attrs):
    def fill(file):
        dset = file.create_dataset("grid", data=np.zeros((2, 6)))
        dset.attrs.update(content="grid", **attrs)

    with pytest.warns(LabelWarning, match="grid_shape"):
        assert write(fill)["grid"].shape == (2, 6)


class Everything(StepwiseModel):
    def setup(self):
        self.state = self.create_ts_dset("state", extra_dims=["x"], sizes={"x": 3})
        self.grid = self.create_grid_dset("grid", grid_shape=(2, 3))
        self.network = self.create_graph_series("network")

    def perform_step(self):
        pass

    def write_data(self):
        self.state.append(np.arange(3) + self.time)
        self.grid.append(np.full((2, 3), self.time))
        vertices = np.arange(1 + self.time)
        self.network.append(
            vertices,
            [(0, self.time)] * self.time,
            vertex_properties={"age": self.time - vertices},
        )


def test_output_of_a_model(make):
    model = make(Everything, num_steps=4, write_every=2, seed=7)
    model.run()
    tree = open_output(model.root_cfg["output_path"])
    assert tree.attrs["seed"] == "7"
    assert tree.attrs["status"] == "finished"
    data = tree["M"]
    assert data["state"].sel(time=4).values.tolist() == [4, 5, 6]
    assert data["grid"].sel(time=2).values.tolist() == [[2] * 3] * 2
    network = tree["M/network"]
    assert network["_vertices"].dims == ("time", "vertex_idx")
    assert network["_vertices"].sel(time=2).dropna("vertex_idx").size == 3
    assert network["_edges"].sel(time=2, label="target").dropna("edge_idx").size == 2
    assert network["age"].sel(time=4, vertex_idx=1) == 3


def test_time_series_that_are_none(write):
    def fill(file):
        for name, values in {"1": [1], "2": [[1]]}.items():
            file[f"changing/{name}"] = values
        file["named/late"] = [1]
        file["twice/1"] = [1]
        file["twice/1"].attrs["dim_names"] = ["time"]
        file["types/1"] = [1]
        file["types/2"] = np.zeros(1, [("a", int)])
        for name in ("changing", "named", "twice", "types"):
            file[name].attrs["content"] = "time_series"
        file.create_group("empty").attrs["content"] = "time_series"

    with pytest.warns(LabelWarning):
        tree = write(fill)
    names = {"changing_1", "changing_2", "named_late", "twice_1", "types_1", "types_2"}
    assert set(tree.dataset) == names


# .. When it is read ............


def test_values_are_read_when_they_are_looked_at(write, path):
    def fill(file):
        file["a"] = [1, 2]

    tree = write(fill)
    os.rename(path, f"{path}.moved")
    with pytest.raises(OSError, match=r"data\.h5"):
        tree["a"].load()
    os.rename(f"{path}.moved", path)
    assert tree["a"].values.tolist() == [1, 2]


def test_while_it_is_written(path, clock):
    with OutputFile(path, clock=clock) as file:
        file["a"] = [1, 2]
        file.commit()
        tree = open_output(path)
        file["b"] = 1
        file["a"][0] = 5
        assert tree["a"].values.tolist() == [1, 2]
        clock.now += 1000
        assert file.commit_if_due()  # nobody has the file open
        assert open_output(path)["b"] == 1


def test_what_is_added_later_is_not_seen(path):
    with OutputFile(path) as file:
        dset = file.create_dataset("a", data=[1.0, 2.0], maxshape=(None,))
        dset.attrs["dim_names"] = ["time"]
        file.commit()
        tree = open_output(path)
        dset.resize(4, axis=0)
        dset[:] = 7
        file.commit()
    assert tree["a"].shape == tree["a"].values.shape == (2,)
    assert tree["a"].isel(time=slice(None, None, -1)).values.tolist() == [7, 7]


def test_values_are_kept_and_can_be_changed(write, path):
    def fill(file):
        file["a"] = [1, 2]

    tree = write(fill)
    tree["a"][0] = 9
    os.rename(path, f"{path}.moved")
    assert tree["a"].values.tolist() == [9, 2]


def test_netcdf(make, tmp_path):
    model = make(Everything, num_steps=2)
    model.run()
    tree = open_output(model.root_cfg["output_path"])
    tree.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    with xarray.open_datatree(tmp_path / "data.nc") as same:
        xarray.testing.assert_equal(same, tree)


def test_dimension_without_coordinates_beside_one_with(write):
    def fill(file):
        for name, coords in {"b": {}, "c": {}, "a": {"x": {"mode": "trivial"}}}.items():
            dset = file.create_dataset(name, data=[1, 2])
            write_labels(dset, ["x"], coords)

    tree = write(fill)
    assert tree["b"].dims == tree["a"].dims == ("x",)
    assert tree["b"].sel(x=1) == 2


def interrupt_a_commit(path):
    """Has a process die after it has written the journal."""
    script = (
        "import os, sys\n"
        "from utopya_backend.io import OutputFile, storage\n"
        "file = OutputFile(sys.argv[1])\n"
        "file['a'] = [1, 2]\n"
        "storage.apply = lambda *args: os._exit(9)\n"
        "file.commit()\n"
    )
    process = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert process.returncode == 9


def test_after_a_kill(path):
    interrupt_a_commit(path)
    with pytest.warns(RecoveryWarning, match="its writer was killed; a commit was"):
        tree = open_output(path)
    assert tree["a"].values.tolist() == [1, 2]
    assert not os.path.exists(journal_path(path))
    assert open_output(path)["a"].values.tolist() == [1, 2]  # without a warning


# .. Where it is ............


@pytest.mark.parametrize("name", ["data/uni0/data.h5", "data/uni0", "."])
def test_file_or_directory(tmp_path, name):
    (tmp_path / "data/uni0").mkdir(parents=True)
    with OutputFile(tmp_path / "data/uni0/data.h5") as file:
        file["a"] = 1
    assert open_output(tmp_path / name)["a"] == 1


@pytest.mark.parametrize("name", ["nothing.h5", "."])
def test_nothing_there(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="There is no"):
        open_output(tmp_path / name)


def test_no_xarray(path):
    script = (
        "import sys\nsys.modules['xarray'] = None\n"
        "from utopya_backend.io import open_output\nopen_output(sys.argv[1])\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pip install xarray paramspace" in process.stderr


# .. The engine of xarray ............


@pytest.fixture
def two_groups(write):
    def fill(file):
        file["group/a"] = 1
        file["group/b"] = 2
        file["c"] = 3

    return write(fill)


def test_engine_gives_the_same(two_groups, path):
    tree = xarray.open_datatree(path, engine="utopya_backend")
    xarray.testing.assert_identical(tree, two_groups)
    groups = xarray.open_groups(path, engine="utopya_backend")
    assert list(groups) == ["/", "/group"]


@pytest.mark.usefixtures("two_groups")
def test_engine_opens_a_group(path):
    def open_group(**options):
        return xarray.open_dataset(path, engine="utopya_backend", **options)

    assert set(open_group()) == {"c"}
    assert set(open_group(group="group")) == {"a", "b"}
    assert set(open_group(group="/group/", drop_variables="a")) == {"b"}
    with pytest.raises(ValueError, match="Did you mean '/group'"):
        open_group(group="gruop")
