"""``utopya-backend schema``: the JSON schema of a model's parameters."""

import json
from typing import Any

import click

from ..finding import find_model, load_class
from ..schema import constraints_below, run_schema_of, schema_of
from ..universe import constraints_of, load_mapping


@click.command()
@click.argument("model", type=click.Path())
@click.option(
    "--run", is_flag=True, help="Of a run configuration, rather than the parameters."
)
def schema(model: str, run: bool) -> None:
    """Print the JSON schema of a model's parameters.

    MODEL is given as for `utopya-backend run`. An editor checks and completes a
    configuration by the schema that begins with

    \b
      # yaml-language-server: $schema=<path of the schema>
    """  # noqa: D301  # the \b is for click: it keeps the line breaks below it
    info = find_model(model)
    model_class = load_class(info)
    defaults: Any = {}
    if info.default_cfg is not None:
        defaults = load_mapping(info.default_cfg)
    options = {
        "defaults": defaults,
        "constraints": constraints_below(constraints_of(info), info.name),
    }
    described = (
        run_schema_of(model_class, name=info.name, **options)
        if run
        else schema_of(model_class, **options)
    )
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))
