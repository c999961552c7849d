"""The config as typed models, made from the components' own parameters.

A component says type, range and meaning of each parameter once, in its annotations. From these come the pydantic model
that validates a config (`experiment_model`), the JSON Schema for editors (`schema`), and what errors call `allowed`.
Models are made at run time since a plug-in adds components.

`Experiment` below is the top level of a config; `Record`, `Floors` and `Enough` are mappings within it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin
from weakref import WeakKeyDictionary

from annotated_types import Interval, Len
from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema
from typing_extensions import Doc

from nonconv.components.definitions import Chosen, Complaint, Component, Decay, Later, OneOf, Written
from nonconv.components.parameters import REQUIRED, Parameter, Part, Words, allowed, bare, parameters_of, without_none
from nonconv.config.catalogue import BUILT_IN, Catalogue
from nonconv.config.document import AS_NUMBER
from nonconv.config.expect import Expect
from nonconv.config.figures import LABELS_TYPE, STYLE_TYPE, Figures
from nonconv.config.formula_checks import complaints, formulas_of
from nonconv.formulas.constants import Constants

SETTINGS = ConfigDict(extra="forbid", frozen=True, validate_default=True)
LARGEST = 10**12
"""The largest count of paths or steps."""
MOST_RECORDED = 100_000
"""The most recorded steps."""
MOST_STATES = 32
"""The longest list of states."""
MOST_QUANTITIES = 32
"""The longest list of quantities."""
CATALOGUES = 8
"""How many catalogues' models are cached: configs with the same plug-ins share them."""


class AsItIs(Words):
    """The words for a type that pydantic gets unchanged: `typed` leaves the annotation alone."""

    __slots__ = ()


def whole(value: Any) -> Any:
    """Turn a float that is a whole number into an int: `steps: 1e4` is written often."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def typed(annotation: Any, catalogue: Catalogue = BUILT_IN) -> Any:
    """Turn a plain annotation into one that pydantic checks strictly: no text or boolean for a number, no nan.

        >>> typed(Annotated[float, Interval(gt=0), Doc("the step size")])
        Annotated[float, Strict(), AllowInfNan(False), Interval(gt=0)]

    A component's annotation (OneOf) becomes the union of the catalogue's components of that kind.
    """
    core, metadata = bare(annotation)
    core = without_none(core)
    kept = [item for item in metadata if not isinstance(item, Doc | Later | OneOf | Words | Written)]
    kind = next((item.kind for item in metadata if isinstance(item, OneOf)), None)
    # Their types are unions with tags already.
    if any(isinstance(item, AsItIs) for item in metadata):
        return annotation
    if kind is not None:
        # With a range it may be a number as well, which stays one.
        ranges = [item for item in metadata if isinstance(item, Interval)]
        number = Annotated[float, Strict(), AllowInfNan(False), *ranges]
        return number_or_component(number, component_union(catalogue, kind)) if ranges else component_union(catalogue, kind)
    if get_origin(core) in (Union, UnionType):
        options = [typed(option, catalogue) for option in get_args(core) if option is not NoneType]
        return one_or_many(*options) if get_origin(bare(options[1])[0]) is tuple else word_or_other(*options)
    if get_origin(core) is dict:
        core = dict[str, typed(get_args(core)[1], catalogue)]  # type: ignore[misc]  # a type made at run time
    elif get_origin(core) is tuple:
        core = tuple[typed(get_args(core)[0], catalogue), ...]  # type: ignore[misc]  # a type made at run time
    elif core is float:
        kept = [Strict(), AllowInfNan(False), *kept]
    elif core is int:
        # Wrapped last, so it runs first: 1e4 becomes 10000 before the strict check.
        kept = [Strict(), *kept, BeforeValidator(whole)]
    elif core in (bool, str):
        kept = [Strict(), *kept]
    elif isinstance(core, type) and issubclass(core, Part):
        core = part_model(core)  # type: ignore[arg-type]  # a class can be hashed
    for item in kept:
        core = Annotated[core, item]
    return core


def one_or_many(single: Any, several: Any, named: Any = None) -> Any:
    """Return the type of a value or a list of values. named: that of a mapping of names to these, where it may be one too."""
    options: Any = Union[Annotated[single, Tag("one")], Annotated[several, Tag("many")]]  # noqa: UP007  # made at run time
    if named is not None:
        options = Union[options, Annotated[named, Tag("by name")]]  # noqa: UP007  # made at run time

    def which(value: Any) -> str:
        """Return the tag of a value."""
        if named is not None and isinstance(value, dict):
            return "by name"
        return "many" if isinstance(value, list | tuple) else "one"

    return Annotated[options, Discriminator(which)]


def word_or_other(word: Any, other: Any) -> Any:
    """Return the type of a word or a value of another type."""
    options = Union[Annotated[word, Tag("word")], Annotated[other, Tag("one")]]  # noqa: UP007  # made at run time
    return Annotated[options, Discriminator(lambda value: "word" if isinstance(value, str) else "one")]


def number_or_component(number: Any, component: Any) -> Any:
    """Return the type of a number or a component."""
    options = Union[Annotated[number, Tag("one")], Annotated[component, Tag("word")]]  # noqa: UP007  # made at run time
    return Annotated[options, Discriminator(_tag_of_number)]


def _tag_of_number(value: Any) -> str:
    """Return the tag of a value where a number or a component is wanted; a text that is no name is meant as a number."""
    return "word" if isinstance(value, dict | BaseModel) or (isinstance(value, str) and value.isidentifier()) else "one"


@dataclass(frozen=True)
class Short:
    """Lets a component be written as its bare name, or a schedule as a number; and says so in the schema.

    `optimizer: adam` means `optimizer: {name: adam}`, and `learning_rate: 0.1` means `{name: constant, value: 0.1}`.
    """

    names: tuple[str, ...]
    number: bool

    def expand(self, value: Any) -> Any:
        """Return the mapping that a short form means; anything else unchanged."""
        if isinstance(value, str):
            return {"name": value}
        if self.number and isinstance(value, int | float) and not isinstance(value, bool):
            return {"name": "constant", "value": value}
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:
        short: list[dict[str, Any]] = [{"enum": list(self.names)}]
        if self.number:
            short.append({"type": "number"})
        return {"anyOf": [*short, handler(core)]}


def component_union(catalogue: Catalogue, kind: str) -> Any:
    """Return the type of any component of a kind, chosen by `name`.

    A discriminated union: pydantic reports the problems of the named component alone, not of all of them.
    """
    components = catalogue[kind]
    models = [Annotated[component_model(kind, component, catalogue), Tag(name)] for name, component in components.items()]
    options = Union[tuple(models)]  # type: ignore[valid-type]  # noqa: UP007  # made at run time, so | cannot write it
    return Annotated[options, Discriminator(_name_of), Short(tuple(components), kind in AS_NUMBER)]


def _name_of(value: Any) -> str | None:
    """Return the name that chooses a component's model; None if there is none."""
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return name if isinstance(name, str) else None


def choices(catalogue: Catalogue, kind: str) -> str:
    """Say what may be written where a component of a kind is wanted."""
    short = "a number, or " if kind in AS_NUMBER else f"{POINT}, or " if kind == "start" else ""
    short = "a number >= 0 and < 1, or " if kind == "decay" else short
    return f"{short}one of {catalogue.names(kind)}"


@lru_cache(maxsize=128 * CATALOGUES)
def component_model(kind: str, component: Component, catalogue: Catalogue = BUILT_IN) -> type[BaseModel]:
    """Make the pydantic model of one component: its name, its parameters, and those common to its kind.

    catalogue: of the components that may be its parameters.
    """
    validators: dict[str, Any] = {"consistent": model_validator(mode="after")(_check_of(component))}
    formulas = formulas_of(component)
    if formulas:
        validators["formulas"] = field_validator("constants")(_check_formulas(formulas))
    about = Field(description=f"{BUILT_IN[kind].title}: {component.summary}")
    fields: dict[str, Any] = {"name": (Literal[component.name], about)}
    common = {parameter.name for parameter in common_parameters(kind)}
    for parameter in parameters_in_config(kind, component):
        annotation = typed(parameter.annotation, catalogue)
        # A part of a step that is none by default may be null, so that a sweep has cells without it.
        optional = parameter.name in common and parameter.default is None
        fields[parameter.name] = (annotation | None if optional else annotation, _field(parameter))
    model: type[BaseModel] = create_model(
        f"{kind}_{component.name}",
        __config__=SETTINGS,
        __doc__=component.summary,
        __validators__=validators,
        **fields,
    )
    _OF_MODELS[model] = component
    return model


_OF_MODELS: WeakKeyDictionary[type[BaseModel], Component] = WeakKeyDictionary()
"""The component that a model was made for."""


def parameters_in_config(kind: str, component: Component) -> list[Parameter]:
    """List the parameters that a config can give a component, its own and those common to its kind, with their defaults."""
    every, defaults = [*parameters_of(component.parameters), *common_parameters(kind)], dict(component.defaults)
    return [replace(p, default=defaults[p.name]) if p.name in defaults else p for p in every]


def common_parameters(kind: str) -> list[Parameter]:
    """List the parameters that every component of a kind takes."""
    common = BUILT_IN[kind].common
    return parameters_of(common) if common else []


def _field(parameter: Parameter) -> Any:
    """Return the pydantic field of a parameter: its default, its meaning, and what errors say is allowed."""
    extra: dict[str, Any] = {"x-allowed": parameter.allowed, "x-kind": parameter.kind, "x-values": _values(parameter)}
    default: dict[str, Any] = {} if parameter.default is REQUIRED else {"default": parameter.default}
    if parameter.default is None:
        # A factory does not show in the JSON Schema: null is not a value that may be written.
        default = {"default_factory": lambda: None, "validate_default": False}  # left out, which null does not say
    if parameter.later:
        default["exclude_if"] = lambda value: value == parameter.default
    return Field(description=parameter.meaning, json_schema_extra={k: v for k, v in extra.items() if v}, **default)


def _values(parameter: Parameter) -> str:
    """Say what the values of a mapping with free keys are; empty for any other parameter."""
    core, _ = bare(parameter.annotation)
    return allowed(get_args(core)[1]) if get_origin(core) is dict else ""


def parameters_from(component: Component, model: Any) -> Any:
    """Take the component's own parameters from its validated model.

    Of parameters that are components themselves only decays are `Chosen` here: what others mean depends on the whole config.
    """
    return component.parameters(*(_chosen(getattr(model, name)) for name in getattr(component.parameters, "_fields", ())))


def _chosen(value: Any) -> Any:
    """Return a decay that is a component as `Chosen`; anything else as it is."""
    component = _OF_MODELS.get(type(value))
    return Chosen(component, parameters_from(component, value)) if isinstance(component, Decay) else value


def _check_of(component: Component) -> Callable[[Any], Any]:
    """Return the validator that runs a component's own `check` on its parameters."""
    return _raise_complaints(lambda model: component.check(parameters_from(component, model)))


def _check_formulas(formulas: dict[str, Written]) -> Callable[[Any, Any, ValidationInfo], Constants]:
    """Return the validator of `constants`, which comes after the formulas: what is wrong with them and with the constants."""

    def checked(cls: Any, constants: Any, info: ValidationInfo) -> Constants:
        texts = {name: text for name in formulas if isinstance(text := info.data.get(name), str)}
        found = complaints(texts, formulas, constants)
        if found:
            raise _with_complaints(found, above=1)
        return Constants(constants)

    return checked


def _raise_complaints(check: Callable[[Any], list[Complaint]]) -> Callable[[Any], Any]:
    """Return a validator that raises the complaints of a check."""

    def consistent(self: Any) -> Any:
        found = check(self)
        if found:
            raise _with_complaints(found)
        return self

    return consistent


def _with_complaints(found: list[Complaint], above: int = 0) -> PydanticCustomError:
    """Return the error that carries complaints as its context, from which `validate` takes them.

    above: how many keys the component is above what is validated.
    """
    told = [complaint._asdict() for complaint in found]
    return PydanticCustomError("complaint", "{message}", {"message": found[0].message, "complaints": told, "above": above})


@cache
def part_model(part: type[Any]) -> type[BaseModel]:
    """Make the pydantic model of a mapping inside a config."""
    fields: dict[str, Any] = {p.name: (typed(p.annotation), _field(p)) for p in parameters_of(part)}
    validators: dict[str, Any] = {"consistent": model_validator(mode="after")(_raise_complaints(part.check))}
    return create_model(part.__name__.lower(), __config__=SETTINGS, __doc__=part.__doc__, __validators__=validators, **fields)


Count = Annotated[int, Interval(ge=1, le=LARGEST)]
Number = Annotated[float, Strict(), AllowInfNan(False)]
NamedXi = Literal["minimizer", "nearest_minimum", "adam_zero", "start", "path_mean", "last"]


def _tag_of_value(value: Any) -> str:
    """Return the tag of a value in the unions below: many for a list, word for a text or mapping, else one."""
    return "many" if isinstance(value, list | tuple) else "word" if isinstance(value, str | dict | BaseModel) else "one"


POINT = "a number, a list of dim numbers"
Point = Annotated[Number, Tag("one")] | Annotated[tuple[Number, ...], Tag("many")]
Xi = Annotated[Point | Annotated[NamedXi, Tag("word")], Discriminator(_tag_of_value)]
SeveralXi = Annotated[tuple[Xi, ...], Field(min_length=1)]
Xis = Annotated[
    SeveralXi,
    BeforeValidator(
        lambda value: [value] if isinstance(value, str | int | float) else value,
        json_schema_input_type=Number | NamedXi | SeveralXi,
    ),
]


Ends = Annotated[tuple[Number | None, Number | None], Tag("one")]
Domain = Annotated[
    Ends | Annotated[tuple[tuple[Number | None, Number | None], ...], Len(1), Tag("many")],
    Discriminator(
        lambda value: "many" if isinstance(value, list | tuple) and value and isinstance(value[0], list | tuple) else "one"
    ),
]
DOMAIN = "[low, high], or a list of dim such pairs; null for an end that there is not"


def start_union(catalogue: Catalogue) -> Any:
    """Return the type of a start: a point, or a distribution that is drawn for each path."""
    return Annotated[Point | Annotated[component_union(catalogue, "start"), Tag("word")], Discriminator(_tag_of_value)]


def _list_plugins(value: Any) -> Any:
    """Bring `plugins` to one form: a list of mappings. It may be one file or a list, each a path or a mapping."""
    entries = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return [{"file": entry} if isinstance(entry, str) else entry for entry in entries]


def _list_one(value: Any) -> Any:
    """Bring `quantities` to one form: a list. One name or mapping may stand alone."""
    return [value] if isinstance(value, str | dict) else value


class PluginFile(Part):
    """A Python file that registers components of its own."""

    file: Annotated[str, Len(1), Doc("path of the file, relative to the config")]
    sha256: Annotated[str, Doc("the file's digest; if given, any other content is refused")] = ""


def _check_order(values: Any) -> list[Complaint]:
    """Complain if `min` is more than `max`."""
    return [Complaint("min", f"{values.min} is more than max, which is {values.max}")] if values.min > values.max else []


class Enough(Part):
    """As many paths as a relative standard error asks for, by whole blocks."""

    min: Annotated[Count, Doc("paths there are at least")] = 256
    max: Annotated[Count, Doc("paths there are at most")]
    target: Annotated[float, Interval(gt=0, lt=1), Doc("the relative standard error that is enough")]
    of: Annotated[Literal["mse", "twin", "window", "cauchy"], Doc("of E|theta_T - xi|^2 for the first xi, or of a floor")] = (
        "mse"
    )
    check = staticmethod(_check_order)


Paths: TypeAlias = Annotated[  # type: ignore[valid-type]
    Annotated[Count, Strict(), BeforeValidator(whole), Tag("one")] | Annotated[part_model(Enough), Tag("word")],
    Discriminator(lambda value: "word" if isinstance(value, dict | BaseModel) else "one"),
]


Coordinate: TypeAlias = Annotated[str, Len(1)] | Annotated[int, Interval(ge=1)]


class Record(Part):
    """What a run records."""

    points: Annotated[
        int,
        Interval(ge=1, le=MOST_RECORDED),
        Doc("how many steps are spread over the run, the last among them; with steps or every that one alone, unless written"),
    ] = 200
    spacing: Annotated[Literal["log", "linear"], Doc("how the recorded steps are spread")] = "log"
    steps: Annotated[tuple[Count, ...] | None, Len(1, MOST_RECORDED), Doc("steps that are recorded, each once")] = None
    every: Annotated[int | None, Interval(ge=1, le=LARGEST), Doc("its multiples are recorded, as the ends of epochs")] = None
    state: Annotated[
        tuple[Annotated[str, Len(1)], ...] | None,
        Len(1, MOST_STATES),
        Words("a list of names of the optimizer's state, as m and v, and of v_hat, effective_rate and the like"),
        Doc("what is kept of the optimizer on the paths that are kept"),
    ] = None
    paths: Annotated[int, Interval(ge=0, le=100_000), Doc("how many paths are kept whole, in paths.npz")] = 32
    fan: Annotated[int, Interval(ge=0, le=4096), Doc("how many paths the quantiles rest on, the first ones")] = 4096
    coordinates: Annotated[
        tuple[Coordinate, ...] | None,
        Len(1),
        Words("a list of numbers from 1 on, or of names like output.bias and hidden.weight[3,0]"),
        Doc("which coordinates of a path are kept; left out: all of them, or of a network the first of each group"),
    ] = None


class Floors(Part):
    """Which of the floors under E|theta_n - xi|^2 for every xi are measured."""

    twin: Annotated[bool, Doc("each path's distance from a twin that has data of its own from a branch point on")] = True
    window: Annotated[bool, Doc("the variance of each path within a window")] = True
    cauchy: Annotated[bool, Doc("each path's distance from where it was a lag before")] = True


class Experiment:
    """One experiment: an objective, an optimizer, a learning rate, and how many paths and steps of it to observe."""

    claim: Annotated[str, Doc("what the experiment is to show, in a sentence; printed, never computed with")] = ""
    base: Annotated[
        str | None, Doc("another config, relative to this one: its values, unless this one has others (config.files)")
    ] = None
    plugins: Annotated[
        Any,
        Words("a Python file, or a list of files; or mappings of file, sha256"),
        Doc("files that register components of your own; the config then runs their code"),
    ] = None
    seed: Annotated[int, Interval(ge=0), Doc("names the random numbers; the same seed gives the same paths")] = 0
    paths: Annotated[
        Paths,
        AsItIs(f"{allowed(Count)}, or {allowed(Enough)}"),
        Doc("independent realisations: how many, or how exact a result"),
    ] = 1024
    steps: Annotated[Count, Doc("steps of each path")]
    objective: Annotated[Any, OneOf("objective"), Doc("what is minimised")]
    optimizer: Annotated[Any, OneOf("optimizer"), Doc("the rule that moves the iterate")]
    learning_rate: Annotated[Any, OneOf("learning_rate"), Doc("the learning rate as a function of the step")]
    batch_size: Annotated[Any, OneOf("batch_size"), Doc("samples per step as a function of the step")] = 1
    start: Annotated[
        Any,
        OneOf("start"),
        AsItIs(f"{POINT}, or a distribution drawn for each path"),
        Doc("the iterate before step 1"),
    ] = 0.0
    domain: Annotated[
        Domain | None,
        AsItIs(DOMAIN),
        Doc("every step is projected on it; left out: all numbers"),
    ] = None
    iterates: Annotated[
        Any,
        OneOf("iterate"),
        AsItIs("a list of iterates, last first: last, or averages such as {name: polyak, after: 0.5}"),
        Doc("the processes that are measured; left out: the last iterate alone"),
    ] = None
    xi: Annotated[
        Xis,
        AsItIs(f"minimizer, nearest_minimum, adam_zero, start, path_mean, last, {POINT}; or a list of these"),
        Doc("the candidates for a limit: E|theta_n - xi|^2 is reported for each"),
    ] = ("minimizer",)
    escape_radius: Annotated[
        float | None,
        Interval(gt=0),
        Doc("paths that end further than this from start and minimizer escaped; by default 1e6 times the problem's own unit"),
    ] = None
    floors: Annotated[Any, Words(allowed(Floors)), Doc("the bounds for every xi at once")] = None
    quantities: Annotated[
        Any, OneOf("quantity"), Len(0, MOST_QUANTITIES), Doc("what is measured besides |theta_n - xi|, in quantities.csv")
    ] = ()
    record: Annotated[Any, Words(allowed(Record)), Doc("what is written down")] = None
    sweep: Annotated[
        dict[str, Any] | None,
        AsItIs("a mapping of keys to their values"),
        Doc("the grid of `nonconv sweep`: config keys with the values they take"),
    ] = None
    expect: Annotated[Any, Words(allowed(Expect)), Doc("what `nonconv check` tests the result against")] = None
    figures: Annotated[Any, Words(allowed(Figures)), Doc("how figures look; it changes no result")] = None


def _iterates(catalogue: Catalogue) -> Any:
    """Return the type of `iterates`: a list, or one alone."""
    one = component_union(catalogue, "iterate")
    several = tuple[one, ...]  # type: ignore[valid-type]  # made at run time
    written = Union[one, several]  # type: ignore[valid-type]  # noqa: UP007  # as above
    listed = BeforeValidator(lambda value: [value] if isinstance(value, str | dict) else value, json_schema_input_type=written)
    return Annotated[several, Len(1), listed]


def _figures() -> Any:
    """Make the model of `figures`, two keys of which are texts or mappings."""
    by_name = {p.name: p for p in parameters_of(Figures)}
    fields: dict[str, Any] = {name: (typed(p.annotation), _field(p)) for name, p in by_name.items()}
    fields["labels"] = (LABELS_TYPE, _field(by_name["labels"]))
    fields["style"] = (STYLE_TYPE, _field(by_name["style"]))
    return create_model("figures", __config__=SETTINGS, __doc__=Figures.__doc__, **fields)


def _plugins_input_type(plugin: type[BaseModel]) -> Any:
    """Return the type of `plugins` as it may be written, for the JSON Schema."""
    one = Union[str, plugin]  # type: ignore[valid-type]  # noqa: UP007  # made at run time
    return Union[one, tuple[one, ...], None]  # noqa: UP007  # made at run time


@lru_cache(maxsize=CATALOGUES)
def experiment_model(catalogue: Catalogue) -> type[BaseModel]:
    """Make the model of a whole config that can name these components.

    Cached, since making one takes longer than validating with it.
    """
    floors, record, expect, plugin = (part_model(part) for part in (Floors, Record, Expect, PluginFile))
    # Of a document that was read, the base is part already.
    by_name = {p.name: p for p in parameters_of(Experiment) if p.name != "base"}
    fields: dict[str, Any] = {name: (typed(p.annotation, catalogue), _field(p)) for name, p in by_name.items()}
    files = BeforeValidator(_list_plugins, json_schema_input_type=_plugins_input_type(plugin))
    # The fields below differ from their annotations: a config may write them in several forms.
    fields["plugins"] = (Annotated[tuple[plugin, ...], files], _field(by_name["plugins"]))  # type: ignore[valid-type]
    fields["start"] = (start_union(catalogue), _field(by_name["start"]))
    fields["iterates"] = (_iterates(catalogue) | None, _field(by_name["iterates"]))
    one = component_union(catalogue, "quantity")
    several = tuple[one, ...]  # type: ignore[valid-type]  # made at run time
    as_list = BeforeValidator(_list_one, json_schema_input_type=Union[one, several])  # noqa: UP007  # `|` needs types, made of `one` at run time
    listed = Annotated[several, Len(0, MOST_QUANTITIES), as_list]
    fields["quantities"] = (listed, _field(by_name["quantities"]))
    fields["floors"] = (floors, _field(replace(by_name["floors"], default=floors())))
    fields["record"] = (record, _field(replace(by_name["record"], default=record())))
    fields["expect"] = (expect | None, _field(by_name["expect"]))
    fields["figures"] = (_figures() | None, _field(by_name["figures"]))
    return create_model("experiment", __config__=SETTINGS, __doc__=Experiment.__doc__, **fields)
