"""The run loop beside a plain one: whatever a model overrides, the same is called."""

import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utopya_backend import ModelBenchmarkMixin, StepwiseModel, yaml
from utopya_backend.model.pace import MAX_STEPS, STEPS_WITHOUT_A_LOOK, Pace
from utopya_backend.signal import SIG_STOPCOND

HOOKS = (
    "should_iterate",
    "iterate",
    "should_write",
    "trigger_monitor",
    "show_iteration_info",
    "_pre_iterate",
    "_post_iterate",
    "_invoke_iterate",
    "_invoke_write_data",
    "_check_signals",
    "_monitor_should_emit",
)


class Recorded(StepwiseModel):
    """Notes each of its own methods that is called."""

    clock = 0.0
    events = {}  # at which step what happens  # noqa: RUF012  # never changed

    def setup(self):
        self.calls = []

    def note(self, name):
        self.calls.append((name, self._time, self._n_iterations))

    def perform_step(self):
        self.note("perform_step")
        event = self.events.get(len([c for c in self.calls if c[0] == "perform_step"]))
        if event == "stop":
            self._signal_info = {"got_signal": True, "signum": SIG_STOPCOND}
        elif event is not None:
            self._time = max(0, self._time + event)

    def write_data(self):
        if hasattr(self, "calls"):
            self.note("write_data")

    def epilog(self, *, finished_run):
        self.note(f"epilog {finished_run}")

    def _monotonic_clock(self):
        return self.clock

    def _setup_output_file(self):
        return None

    def _setup_output_group(self):
        return None


def overriding(name):
    """A method that notes its call, and then does what it would have done."""

    def method(self, *args, **kwargs):
        if hasattr(self, "calls"):
            self.note(name)
        return getattr(super(method.owner, self), name)(*args, **kwargs)

    return method


def make_class(in_model, in_mixin, base=Recorded):
    """A model that overrides some hooks, of which some in a mixin."""
    for names, is_mixin in ((in_model, False), (in_mixin, True)):
        methods = {name: overriding(name) for name in names}
        cls = type("Mixin" if is_mixin else "Model", (base,), methods)
        for method in methods.values():
            method.owner = cls
        base = cls
    return base


def plain_run(model):
    """What the documentation of the run loop says, word by word."""
    model._pre_run()
    model._invoke_prolog()
    while model.should_iterate():
        model._pre_iterate()
        model._invoke_iterate()
        model._n_iterations += 1
        model.trigger_monitor()
        if model.should_write():
            model._invoke_write_data()
        model.show_iteration_info()
        if (exit_code := model._check_signals()) is not None:
            model._invoke_epilog(finished_run=False)
            model._post_run(finished_run=False)
            return exit_code
        model._post_iterate()
    model._invoke_epilog(finished_run=True)
    model.trigger_monitor(force=True)
    model._post_run(finished_run=True)
    return 0


@pytest.fixture(scope="module")
def cfg_file(tmp_path_factory):
    return tmp_path_factory.mktemp("loop") / "config.yml"


models = []


@pytest.fixture(autouse=True)
def _close_models():
    yield
    while models:
        models.pop().close()


def make(cls, cfg_file, on_instance=(), debug=False, **cfg):
    cfg = {"root_model_name": "M", "M": {}, "output_path": "/none", **cfg}
    if debug:
        cfg["log_levels"] = {"model": "debug"}
    with open(cfg_file, "w", encoding="utf-8") as file:
        yaml.dump(cfg, file)
    model = cls(cfg_file_path=cfg_file)
    models.append(model)
    model.USE_SYS_EXIT = False
    for name in on_instance:
        stock = getattr(model, name)

        def method(*args, _name=name, _stock=stock, **kwargs):
            model.note(f"{_name} of the instance")
            return _stock(*args, **kwargs)

        setattr(model, name, method)
    return model


schedules = st.fixed_dictionaries(
    {
        "num_steps": st.integers(0, 150),
        "write_start": st.integers(0, 20) | st.integers(0, 160),
        "write_every": st.integers(1, 10) | st.integers(1, 100),
    }
)
all_events = st.dictionaries(
    st.integers(1, 20) | st.integers(1, 150),
    st.just("stop") | st.integers(-3, 90),
    max_size=2,
)
subsets = st.sets(st.sampled_from(HOOKS), max_size=2)


def check_run(cfg_file, cls, on_instance=(), debug=False, **cfg):
    """The same is called, at the same times, as by the plain loop."""
    results = []
    for run in (cls.run, plain_run):
        model = make(cls, cfg_file, on_instance, debug, **cfg)
        exit_code = run(model)
        results.append((exit_code, model.calls, model.time, model.n_iterations))
        models.pop().close()
    assert results[0] == results[1]


@settings(max_examples=200)
@given(schedule=schedules, events=all_events)
def test_calls_of_a_model_that_overrides_nothing(cfg_file, schedule, events):
    cls = type("Recorded", (Recorded,), {"events": events})
    check_run(cfg_file, cls, **schedule)


@given(
    in_model=subsets,
    in_mixin=subsets,
    on_instance=subsets,
    schedule=schedules,
    events=all_events,
    benchmark=st.none() | st.booleans(),
    debug=st.booleans(),
)
def test_calls(
    cfg_file, in_model, in_mixin, on_instance, schedule, events, benchmark, debug
):
    base = type("Recorded", (Recorded,), {"events": events})
    if benchmark is not None:
        base = type("Timed", (ModelBenchmarkMixin, base), {})
        schedule["M"] = {"benchmark": {"enabled": benchmark, "write": False}}
    cls = make_class(in_model, in_mixin, base)
    check_run(cfg_file, cls, on_instance, debug, **schedule)


def test_steps_are_really_run_ahead(cfg_file):
    """Else the tests above would show little."""

    class Counted(Recorded):
        iterations = 0

        def _monotonic_clock(self):
            type(self).iterations += 1
            return 0.0

    model = make(Counted, cfg_file, num_steps=1000, write_start=2000)
    Counted.iterations = 0
    model.run()
    assert model.n_iterations == 1000
    assert Counted.iterations < 1000 / 4  # once in 8 steps, and 4 times in 64


def test_pace():
    pace = Pace()
    assert pace.steps == 1
    pace.update(steps=1, seconds=1e-7)
    assert pace.steps == MAX_STEPS
    pace.update(steps=64, seconds=64 * 5e-6)
    assert pace.steps == 20
    pace.update(steps=1, seconds=10)
    assert pace.steps == 1
    pace.update(steps=1, seconds=0)
    assert pace.steps == MAX_STEPS


@pytest.mark.parametrize("before", [1e-7, 1e-6, 1e-5, 9e-5, 1e-3])
def test_steps_that_become_much_slower_are_reported_in_time(cfg_file, before):
    """However fast they were: the next report is a second late at most."""

    class Slowed(Recorded):
        clock = 0.0
        reports = ()

        def perform_step(self):
            self.clock += before if self.time < 1000 else before * 10_000

        def monitor(self, monitor_info):
            self.reports += (self.clock,)

    cfg = {"num_steps": 1500, "write_start": 2000, "monitor_emit_interval": 0.5}
    model = make(Slowed, cfg_file, **cfg)
    model.run()
    slow = [t for t in model.reports if t > before * 1000]
    gaps = [later - earlier for earlier, later in itertools.pairwise(slow)]
    assert max(gaps) <= 0.5 + max(1.0, before * 10_000) + 1e-9


def test_slow_steps_after_ones_that_do_nothing(cfg_file):
    """As after a phase in which a model only waits: it reports in time again."""

    class Waiting(Recorded):
        clock = 0.0
        reports = ()

        def perform_step(self):
            if self.time >= 1000:
                self.clock += 10.0

        def monitor(self, monitor_info):
            self.reports += (self.time,)

    cfg = {"num_steps": 1050, "write_start": 2000, "monitor_emit_interval": 0.5}
    model = make(Waiting, cfg_file, **cfg)
    model.run()
    late, *others = [time for time in model.reports if 1000 < time < 1050]
    assert late <= 1000 + STEPS_WITHOUT_A_LOOK
    assert others == list(range(late + 1, 1050))


@pytest.mark.parametrize("name", ["should_write", "iterate"])
def test_methods_that_look_like_ours(cfg_file, name):
    """By functools.wraps, or those of another model."""
    calls = []

    def logged(method):
        @functools.wraps(method)
        def wrapper(*args):
            calls.append(method)
            return method(*args)

        return wrapper

    cls = type("Wrapped", (Recorded,), {name: logged(getattr(StepwiseModel, name))})
    model = make(cls, cfg_file, num_steps=100, write_every=50)
    model.run()
    assert len(calls) == 100

    parent = make(Recorded, cfg_file, num_steps=100)
    child = make(Recorded, cfg_file, num_steps=100, write_every=50)
    child.should_write = parent.should_write  # it does not run: always at time 0
    child.run()
    assert [call[0] for call in child.calls].count("write_data") == 1 + 100


def test_perform_step_that_is_replaced_in_mid_run(cfg_file):
    class Phases(Recorded):
        def perform_step(self):
            if self.time == 619:
                self.perform_step = lambda: self.note("second")

    model = make(Phases, cfg_file, num_steps=1000, write_start=2000)
    model.run()
    assert [call[0] for call in model.calls].count("second") == 380


def test_a_single_iteration_by_the_model_itself(cfg_file):
    class Nested(Recorded):
        def write_data(self):
            if self._time:
                self._invoke_iterate()

    model = make(Nested, cfg_file, num_steps=100, write_start=50, write_every=1000)
    model.run()
    assert [call[0] for call in model.calls].count("perform_step") == 100
    assert model.n_iterations == 99


def test_reports_after_each_iteration(cfg_file):
    class Reporting(Recorded):
        clock = 0.0
        reports = 0

        def _monotonic_clock(self):
            self.clock += 1e-9
            return self.clock

        def monitor(self, monitor_info):
            self.reports += 1

    cfg = {"num_steps": 100, "write_start": 2000, "monitor_emit_interval": 0.0}
    model = make(Reporting, cfg_file, **cfg)
    model.run()
    assert model.reports == 102
