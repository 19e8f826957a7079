"""Who says what when, in one utterance of each condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweep.compare.figures.style import PALE, PALETTE, Grid, draw_grid, say
from sweep.compare.notation import condition_title
from sweep.compare.records import SweepRecord
from sweep.compare.timelines import Timeline, Voice

FRAME_INCHES, HEIGHT = 0.075, 0.82  # width of a frame of output; height of a panel
NARROWEST, WIDEST = 3.0, 9.0  # inches of a panel
TOP = 1.35  # of the scale of probabilities: above 1 there is room for symbols
BANDS = ("#EDEDED", "#DFDFDF")  # in turn, as neighbours may overlap
MOST_LETTERS = 36  # of a reference above a panel
SPACE_SHOWN = "␣"
SMALL = 7.0  # points of letters within panels


@dataclass(frozen=True)
class _Look:
    """How a symbol is drawn, and what the legend says of it."""

    colour: str
    face: str
    label: str


SAID = _Look(PALETTE[0], PALETTE[0], "said")
IN_TIME = _Look(PALETTE[0], PALETTE[0], "in its time")
ASTRAY = _Look(PALETTE[1], "white", "wrong symbol or time")
UNSAID = "blank is likelier"


def said_when(record: SweepRecord, timelines: Sequence[Timeline]) -> Figure:
    """For each timeline the frames themselves, and below them panels of students and teachers.

    A stem is how likely a symbol is in a frame. A marker begins each run of frames in which it is
    likelier than the blank. Bands are the times in which symbols are said.
    """
    frames = max(len(voice.spikes) for one in timelines for voice in one.voices)
    width = min(max(FRAME_INCHES * frames, NARROWEST), WIDEST)
    columns = min(len(timelines), max(1, int(WIDEST // width)))
    down = 1 + max(len(one.voices) for one in timelines)
    grid = Grid(down * -(-len(timelines) // columns), columns, (width, HEIGHT))

    def draw(axes: Any) -> None:
        for panel in axes.flat:
            panel.set_visible(False)
        for number, timeline in enumerate(timelines):
            block, column = divmod(number, columns)
            own = axes[block * down : (block + 1) * down, column]
            _draw_timeline(own, timeline)
            title = condition_title(timeline.condition, record.conditions)
            own[0].set_title(f"{title}: “{_shortened(timeline.reference)}”", pad=12.0)
            if column == 0:
                for panel in own[1:]:
                    panel.set_ylabel("Probability")

    return draw_grid(grid, draw)


def _draw_timeline(panels: Sequence[Axes], timeline: Timeline) -> None:
    end = max(float(voice.spikes["frame"].max()) for voice in timeline.voices) + 0.5
    used = panels[: 1 + len(timeline.voices)]
    for panel in used:
        panel.set_visible(True)
        panel.set_xlim(-0.5, end)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.tick_params(bottom=panel is used[-1], labelbottom=panel is used[-1])
        panel.grid(visible=False, axis="x")
    _draw_frames(used[0], timeline)
    _name_looks(used[1], timeline)
    for panel, voice in zip(used[1:], timeline.voices, strict=True):
        _draw_bands(panel, timeline)
        _draw_voice(panel, voice, timeline)
    used[-1].set_xlabel("Frame of output")


def _draw_frames(axes: Axes, timeline: Timeline) -> None:
    """The numbers of each frame from top to bottom, and what is said there above."""
    axes.grid(visible=False)
    axes.set_yticks([])
    numbers = timeline.frames.filter(regex="^number_").to_numpy(dtype=float)
    if not len(numbers):
        say(axes, "the frames were not kept")
        return
    frame = timeline.frames["frame"].to_numpy()
    half = _half_step(timeline)
    extent = (frame[0] - half, frame[-1] + half, numbers.shape[1], 0)
    axes.imshow(numbers.T, cmap="Greys", aspect="auto", interpolation="nearest", extent=extent)
    for span in _spans(timeline):
        axes.annotate(
            _shown(span["symbol"]), ((span["begin"] + span["end"]) / 2 - half, 1.0),
            xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points",
            ha="center", fontsize=SMALL,
        )  # fmt: skip


def _half_step(timeline: Timeline) -> float:
    """Half the way from one frame to the next, of which output may have fewer; 0 for one alone."""
    steps = np.diff(timeline.frames["frame"]) if len(timeline.frames) > 1 else np.zeros(1)
    return float(steps[0]) / 2


def _spans(timeline: Timeline) -> list[Any]:
    return [] if timeline.spans is None else timeline.spans.to_dict("records")


def _name_looks(axes: Axes, timeline: Timeline) -> None:
    """What the legend tells."""
    for one in (SAID,) if timeline.spans is None else (IN_TIME, ASTRAY):
        axes.plot(
            [], [], marker="o", color=one.colour, markerfacecolor=one.face, markersize=3.0,
            label=one.label,
        )  # fmt: skip
    axes.plot([], [], color=PALE, label=UNSAID)


def _draw_bands(axes: Axes, timeline: Timeline) -> None:
    half = _half_step(timeline)
    for place, span in enumerate(_spans(timeline)):
        colour = BANDS[place % len(BANDS)]
        axes.axvspan(span["begin"] - half, span["end"] - half, color=colour, linewidth=0, zorder=0)


def _draw_voice(axes: Axes, voice: Voice, timeline: Timeline) -> None:
    axes.set_title(voice.title, loc="left", fontsize=SMALL, pad=3.0)
    axes.set_ylim(0.0, TOP)
    axes.set_yticks([0.0, 0.5, 1.0])
    frame, p, blank = (
        voice.spikes[name].to_numpy(dtype=float) for name in ("frame", "probability", "blank")
    )
    symbol = voice.spikes["symbol"].to_numpy(dtype=object)
    said = p > blank
    axes.vlines(frame[~said], 0.0, p[~said], color=PALE, linewidth=1.2)
    if not said.any():
        say(axes, "says nothing")
    begins = said & ~np.concatenate([[False], said[:-1] & (symbol[1:] == symbol[:-1])])
    number = np.cumsum(begins) - 1
    for spike, first in enumerate(np.flatnonzero(begins)):
        own = said & (number == spike)
        one = _look(float(frame[first]), symbol[first], timeline)
        axes.vlines(frame[own], 0.0, p[own], color=one.colour, linewidth=1.2)
        axes.plot(
            frame[first], p[first], "o", color=one.colour, markerfacecolor=one.face,
            markersize=3.0, clip_on=False,
        )  # fmt: skip
        axes.annotate(
            _shown(symbol[first]), (frame[first], p[first]), xytext=(0, 3),
            textcoords="offset points", ha="center", fontsize=SMALL, color=one.colour,
        )  # fmt: skip


def _look(frame: float, symbol: str, timeline: Timeline) -> _Look:
    """Of a symbol that is first said in a frame."""
    if timeline.spans is None:
        return SAID
    spans = timeline.spans
    within = (spans["symbol"] == symbol) & (spans["begin"] <= frame) & (frame < spans["end"])
    return IN_TIME if bool(within.any()) else ASTRAY


def _shown(text: str) -> str:
    return text.replace(" ", SPACE_SHOWN)


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
