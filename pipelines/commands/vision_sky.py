"""`seriatim vision sky`: find the skies of photos and improve them."""

from __future__ import annotations

from pathlib import Path

import click

from seriatim_errors import DataError

STRENGTH = click.FloatRange(0, 1)


@click.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--network", required=True, type=click.Path(path_type=Path), help="Folder that `seriatim vision train-sky` wrote."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write masks and photos to.")
@click.option("--pictures", is_flag=True, help="Also write photo, mask and result beside one another.")
@click.option("--denoise", type=STRENGTH, default=1.0, show_default=True, help="How much noise is taken away.")
@click.option("--darkening", type=STRENGTH, default=1.0, show_default=True, help="How much darker skies become.")
@click.option("--contrast", type=STRENGTH, default=1.0, show_default=True, help="How much bright parts are lifted.")
@click.option("--white-balance", type=STRENGTH, default=1.0, show_default=True, help="How much warm casts are cooled.")
@click.option(
    "--max-megapixels", type=click.FloatRange(0, min_open=True), default=50, show_default=True, help="Refuse larger."
)
def sky(
    images: tuple[Path, ...],
    network: Path,
    out: Path,
    pictures: bool,
    denoise: float,
    darkening: float,
    contrast: float,
    white_balance: float,
    max_megapixels: float,
) -> None:
    """Improve the skies of IMAGES; a photo without sky is copied as it is."""
    from rich.progress import Progress

    from pipelines.sky_folder import improve_files
    from vision_components.sky import EffectSettings, SkySettings, load_network

    effects = EffectSettings(denoise, darkening, contrast, white_balance)
    opened = load_network(network)
    with Progress(transient=True) as progress:
        task = progress.add_task("improving skies", total=len(images))
        records = improve_files(
            images,
            opened,
            out,
            SkySettings(effects=effects),
            pictures=pictures,
            max_megapixels=max_megapixels,
            on_photo=lambda record: progress.advance(task),
        )
    refused = [record for record in records if record.refused]
    changed = sum(record.changed for record in records)
    for record in refused:
        click.echo(f"refused: {record.refused}", err=True)
    click.echo(f"improved {changed} of {len(records)} photos, {len(refused)} refused; written to {out}")
    if refused:
        raise DataError(f"{len(refused)} of {len(records)} photos could not be read; mend or leave out those above")
