"""Plots of a metrics file, as plotly figures that read on light and dark ground."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pipelines.report.metrics_file import Interval, Metrics, PolicyDifference, PolicyMetrics

INK, ACCENT, MUTED = "#7a7f87", "#2f7ed8", "#b0653a"
ROW_HEIGHT, MARGIN = 38, {"l": 10, "r": 20, "t": 10, "b": 40}


def policies_plot(policies: Sequence[PolicyMetrics], metric: str) -> go.Figure:
    """One metric of every policy with its interval."""
    return _intervals([policy.title for policy in policies], [policy.metrics[metric] for policy in policies], metric)


def differences_plot(differences: Sequence[PolicyDifference], titles: dict[str, str], metric: str) -> go.Figure:
    """Paired differences in one metric, with a line at zero."""
    names = [f"{titles[row.policy]} minus {titles[row.against]}" for row in differences]
    figure = _intervals(names, [row.metrics[metric] for row in differences], f"difference in {metric}")
    figure.add_vline(x=0, line={"color": INK, "dash": "dot", "width": 1})
    return figure


def training_plot(rows: Sequence[dict[str, float]]) -> go.Figure:
    """Every column of a training history over its steps; the loss has its own axis."""
    figure = go.Figure()
    names = [name for name in rows[0] if name != "step"]
    for name in names:
        figure.add_scatter(
            x=[row["step"] for row in rows],
            y=[row[name] for row in rows],
            name=name,
            mode="lines+markers" if len(rows) < 60 else "lines",
            line={"color": MUTED if name == "loss" else ACCENT},
            yaxis="y2" if name == "loss" and len(names) > 1 else "y",
        )
    figure.update_layout(yaxis2={"overlaying": "y", "side": "right", "showgrid": False})
    return _styled(figure, 260, "step", "")


def position_plot(metrics: Metrics) -> go.Figure:
    """Click rate by logged position."""
    rows = metrics.position_clicks
    figure = go.Figure(
        go.Bar(
            x=[row.position for row in rows],
            y=[row.clicks / row.impressions for row in rows],
            customdata=[[row.clicks, row.impressions] for row in rows],
            hovertemplate="position %{x}: %{y:.4f} (%{customdata[0]} of %{customdata[1]})<extra></extra>",
            marker={"color": ACCENT},
        )
    )
    return _styled(figure, 260, "position", "click rate")


def _intervals(names: Sequence[str], intervals: Sequence[Interval], axis: str) -> go.Figure:
    defined = [(name, row) for name, row in zip(names, intervals, strict=True) if row.value is not None]
    values = [row.value or 0.0 for _, row in defined]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[name for name, _ in defined],
            mode="markers",
            marker={"color": ACCENT, "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(row.high or 0.0) - value for value, (_, row) in zip(values, defined, strict=True)],
                "arrayminus": [value - (row.low or 0.0) for value, (_, row) in zip(values, defined, strict=True)],
                "color": ACCENT,
            },
            customdata=[[row.low, row.high, row.count] for _, row in defined],
            hovertemplate="%{y}: %{x:.4f} [%{customdata[0]:.4f}, %{customdata[1]:.4f}], "
            "%{customdata[2]} requests<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    return _styled(figure, 90 + ROW_HEIGHT * len(defined), axis, "")


def _styled(figure: go.Figure, height: int, x_title: str, y_title: str) -> go.Figure:
    """Transparent ground and middle-grey ink, so that one figure serves both themes and paper."""
    grid = "rgba(128,128,128,0.25)"
    figure.update_layout(
        height=height,
        margin=MARGIN,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "y": 1.12},
    )
    figure.update_xaxes(title=x_title, gridcolor=grid, zeroline=False)
    figure.update_yaxes(title=y_title, gridcolor=grid, zeroline=False)
    return figure
