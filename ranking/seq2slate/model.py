"""The pointer network: an encoder reads the items in base order, an LSTM decoder points at the next one."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from ranking.seq2slate.encoders import LstmEncoder, TransformerEncoder
from ranking.seq2slate.settings import EncoderKind, Seq2SlateSettings

MASKED_LOGIT = -1e9


class Encoded(NamedTuple):
    """What the decoder needs of a batch of lists.

    Attributes:
        features: float `[batch, list_size, features]`, the items as the decoder will read them back.
        projected: float `[batch, list_size, rho]`, `W_enc e_i`, computed once.
        state: the decoder's first state, two floats `[batch, rho]`; of an LSTM its last, as of the last item
            that is no padding.
    """

    features: tf.Tensor
    projected: tf.Tensor
    state: list[tf.Tensor]


class Seq2Slate(tf.keras.Model):
    """The Seq2Slate model, section 3 of the paper: `p(pi | x) = prod_j p(pi_j | pi_<j, x)`.

    Args:
        feature_count: m, features of an item.
        hidden_size: rho.
        dropout: share of input features dropped while training.
        seed: fixes the initial weights and the dropout.
        dtype: `float32`, or `float64` where gradients are checked.
        encoder: see `Seq2SlateSettings`.
        encoder_layers, attention_heads: of a transformer encoder.
    """

    def __init__(
        self,
        feature_count: int,
        hidden_size: int = 128,
        dropout: float = 0.0,
        seed: int = 0,
        dtype: str = "float32",
        encoder: EncoderKind = "lstm",
        encoder_layers: int = 2,
        attention_heads: int = 4,
    ) -> None:
        super().__init__(dtype=dtype)
        self.feature_count, self.hidden_size = feature_count, hidden_size
        seeds = iter(range(1000 * seed, 1000 * seed + 100))

        def uniform() -> tf.keras.initializers.Initializer:
            return tf.keras.initializers.RandomUniform(-0.1, 0.1, seed=next(seeds))

        if encoder == "lstm":
            self.encoder = LstmEncoder(hidden_size, uniform(), uniform(), dtype)
        else:
            self.encoder = TransformerEncoder(
                hidden_size, encoder_layers, attention_heads, encoder == "transformer", 1000 * seed + 100, dtype
            )
        self.decoder = tf.keras.layers.LSTMCell(
            hidden_size, kernel_initializer=uniform(), recurrent_initializer=uniform(), dtype=dtype
        )
        self.encoder_projection = tf.keras.layers.Dense(
            hidden_size, use_bias=False, kernel_initializer=uniform(), dtype=dtype
        )
        self.decoder_projection = tf.keras.layers.Dense(
            hidden_size, use_bias=False, kernel_initializer=uniform(), dtype=dtype
        )
        self.input_dropout = tf.keras.layers.Dropout(dropout, seed=seed, dtype=dtype)
        self.first_input = self.add_weight(name="go", shape=(feature_count,), initializer=uniform())
        self.attention = self.add_weight(name="v", shape=(hidden_size,), initializer=uniform())
        self(tf.zeros((1, 1, feature_count), dtype), tf.ones((1, 1), tf.bool))

    @classmethod
    def from_settings(cls, feature_count: int, settings: Seq2SlateSettings) -> Seq2Slate:
        """A model with initial weights, as `settings` describe it."""
        return cls(
            feature_count,
            settings.hidden_size,
            settings.dropout,
            settings.seed,
            encoder=settings.encoder,
            encoder_layers=settings.encoder_layers,
            attention_heads=settings.attention_heads,
        )

    def call(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Logits of the first step, float `[batch, list_size]`: the whole one-step decoder."""
        encoded = self.encode(features, mask, training=training)
        return self.step(encoded, self.first_inputs(tf.shape(features)[0]), encoded.state)[0]

    def encode(self, features: tf.Tensor, mask: tf.Tensor, training: bool = False) -> Encoded:
        """Read lists once.

        Args:
            features: float `[batch, list_size, features]`, items in base order, padded at the end.
            mask: bool `[batch, list_size]`, true where an item stands.
            training: whether dropout applies.
        """
        features = self.input_dropout(tf.cast(features, self.dtype), training=training)
        codes = self.encoder(features, mask)
        return Encoded(features, self.encoder_projection(codes.items), codes.state)

    def first_inputs(self, batch: tf.Tensor) -> tf.Tensor:
        """The learned first decoder input `go`, float `[batch, features]`."""
        return tf.tile(self.first_input[tf.newaxis, :], [batch, 1])

    def next_inputs(self, encoded: Encoded, inputs: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """The decoder input after `chosen` (int64 `[batch]`): that item, or `inputs` again where it is -1."""
        items = tf.gather(encoded.features, tf.maximum(chosen, 0), batch_dims=1)
        return tf.where((chosen >= 0)[:, tf.newaxis], items, inputs)

    def step(self, encoded: Encoded, inputs: tf.Tensor, state: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One decoder step: `s_i = v . tanh(W_enc e_i + W_dec d)`.

        Args:
            encoded: from `encode`.
            inputs: float `[batch, features]`, `go` or the item placed last.
            state: the decoder's state.

        Returns:
            Unmasked logits, float `[batch, list_size]`, and the next state.
        """
        output, state = self.decoder(inputs, state)
        hidden = tf.tanh(encoded.projected + self.decoder_projection(output)[:, tf.newaxis, :])
        return tf.linalg.matvec(hidden, self.attention), state
