"""An image codec with a cheap decoder (Johnston et al., arXiv 1912.08771): training, files, measures of quality."""

from vision_components.codec.bd_rate import bd_rate
from vision_components.codec.codec import Codec, Latents
from vision_components.codec.codec_folder import load_codec, save_codec
from vision_components.codec.decoder_search import search_decoder
from vision_components.codec.decoder_training import train_decoder, train_synthesis
from vision_components.codec.design import CodecDesign, decoder_macs, hyper_decoder_macs
from vision_components.codec.gdn import GDN
from vision_components.codec.onnx_decoder import export_decoder
from vision_components.codec.quality import ms_ssim, ms_ssim_decibels, psnr
from vision_components.codec.training import TrainingPlan, TrainingState, train_codec

__all__ = [
    "GDN",
    "Codec",
    "CodecDesign",
    "Latents",
    "TrainingPlan",
    "TrainingState",
    "bd_rate",
    "decoder_macs",
    "export_decoder",
    "hyper_decoder_macs",
    "load_codec",
    "ms_ssim",
    "ms_ssim_decibels",
    "psnr",
    "save_codec",
    "search_decoder",
    "train_codec",
    "train_decoder",
    "train_synthesis",
]
